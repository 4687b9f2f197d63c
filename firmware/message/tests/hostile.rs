//! Messages made to cost time or memory: each of these takes hours if anything is quadratic, and milliseconds if not.

use message::envelope::addresses;
use message::text::{BodySearch, Needle, decode_header};
use message::{Content, Part, header, limits};

const SIZE: usize = 512 * 1024;

fn much_of(piece: &str) -> Vec<u8> {
    piece.repeat(SIZE / piece.len()).into_bytes()
}

fn parse(head: &str, body: &[u8]) -> Part {
    Part::parse(&[head.as_bytes(), body].concat()).1
}

fn count(part: &Part) -> usize {
    1 + match &part.content {
        Content::Leaf => 0,
        Content::Multipart(parts) => parts.iter().map(count).sum(),
        Content::Message(_, inner) => count(inner),
    }
}

fn depth(part: &Part) -> usize {
    match &part.content {
        Content::Leaf => 0,
        Content::Multipart(parts) => 1 + parts.iter().map(depth).max().unwrap_or_default(),
        Content::Message(_, inner) => 1 + depth(inner),
    }
}

#[test]
fn parts_without_end() {
    for piece in
        ["--b\r\n", "--b\n\n", "--b\r\nContent-Type: text/html\r\n\r\nx\r\n", "--b\nContent-Type: message/rfc822\n\n"]
    {
        let part = parse("Content-Type: multipart/mixed; boundary=b\r\n\r\n", &much_of(piece));
        assert!((limits::PARTS..=limits::PARTS + 1).contains(&count(&part)), "{piece:?}");
        let Content::Multipart(parts) = &part.content else { panic!("no parts") };
        let last = parts.last().map(|p| p.body.end);
        assert_eq!(last, Some(part.body.end), "the last part holds the rest");
    }
}

#[test]
fn nesting_without_end() {
    let multipart = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
    let multiparts: String = (0..20_000).map(multipart).collect();
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(20_000);
    let digests = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n".repeat(20_000);
    for text in [multiparts, messages, digests] {
        let part = parse("", text.as_bytes());
        assert_eq!(depth(&part), limits::DEPTH);
        assert!(part.weight() < 2 * limits::WEIGHT);
    }
}

#[test]
fn boundaries_that_are_nearly_met() {
    let boundary = |n: usize| "b".repeat(limits::BOUNDARY - n);
    let open = |n| format!("Content-Type: multipart/mixed; boundary={}\r\n\r\n--{0}\r\n", boundary(n));
    let head: String = (0..limits::DEPTH).map(open).collect();
    let nearly = format!("--{}\r\n", boundary(limits::DEPTH));
    let part = parse(&head, &much_of(&nearly));
    assert_eq!(depth(&part), limits::DEPTH);
    assert_eq!(count(&part), limits::DEPTH + 1, "no boundary was met again");
    let part = parse("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n", &much_of("\n--"));
    assert_eq!(count(&part), 2);
}

#[test]
fn a_header_beyond_its_limit() {
    for piece in
        ["X: y\r\n", "X", ":", "X:\r\n \r\n", "\r", " \r\n", "Content-Type: a/b\r\n", "To: a,\r\n", ";a=b", "(", "\""]
    {
        for name in ["", "Content-Type: text/html", "From: "] {
            let header = [name.as_bytes(), &much_of(piece)].concat();
            let (_, part) = Part::parse(&[&header, &b"x\r\n\r\nbody"[..]].concat());
            assert_eq!(part.body.end - part.body.start, 4, "{name} {piece:?}");
            assert!(part.weight() < 2 * limits::WEIGHT);
            assert!(header::fields(&header).all(|f| f.raw.len() <= header.len()));
        }
    }
}

#[test]
fn memory_for_descriptions_is_bounded() {
    let addresses = "a@b,".repeat(30_000);
    let text = "d".repeat(limits::HEADER_BYTES / 2);
    let header = format!("From: {addresses}\nContent-Description: {text}\nContent-Type: message/rfc822\n\n");
    let message = format!("--b\nContent-Type: message/rfc822\n\n{header}x\n").repeat(40);
    let part = parse("Content-Type: multipart/mixed; boundary=b\n\n", message.as_bytes());
    assert_eq!(count(&part), 1 + 3 * 40);
    assert!(part.weight() < limits::WEIGHT + limits::PARTS * size_of::<Part>(), "{}", part.weight());
}

#[test]
fn addresses_of_special_characters() {
    for piece in [
        "(", ")", "[", "\"", "<", "<@", "@", ":", ";", ",", ".", "\\", "=?", "=?a?q?", "=?a?q?b?", "(\\", "a:", "a<",
        "\"\"", "()", "[,",
    ] {
        let list = addresses(&much_of(piece));
        assert!(list.len() <= limits::ADDRESSES, "{piece}");
    }
}

#[test]
fn encoded_words_that_do_not_end() {
    for piece in [
        "=?",
        "=?u?q?x",
        "=?u?q?",
        "=?utf-8?q?a?=",
        "=?utf-8?q?a?= ",
        "=?utf-8?b?4",
        "?",
        "\u{e9}",
        "=?x?q?=E9?= =?y?q?=E9?=",
    ] {
        let text = decode_header(&much_of(piece));
        assert!(text.len() <= 2 * SIZE, "{piece}");
    }
}

#[test]
fn searches_that_nearly_match() {
    let (_, part) = Part::parse(b"Content-Transfer-Encoding: quoted-printable\n\n");
    let needle = Needle::new(&["a".repeat(5_000), "b".into()].concat().into_bytes(), None);
    for body in ["a", "=", "= ", "=\r\n", "\u{301}", "\u{fdfa}"] {
        let mut search = needle.as_ref().and_then(|needle| BodySearch::new(needle, &part));
        let found = much_of(body).chunks(7).any(|chunk| search.as_mut().is_some_and(|s| s.feed(chunk)));
        assert!(!found && !search.is_none_or(BodySearch::finish), "{body}");
    }
}

#[test]
fn as_many_names_as_fields() {
    let header = much_of("a:\n");
    let names: Vec<String> = (0..4_000).map(|n| format!("x{n}")).collect();
    assert_eq!(header::select(&header, &names, false), b"\r\n");
    assert_eq!(header::select(&header, &names, true).len(), header.len() + 2);
}
