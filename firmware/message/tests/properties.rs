//! What holds for every sequence of bytes: the pieces it comes in do not matter, and everything described lies inside.

use message::text::{BodySearch, Needle, decode_header};
use message::{Builder, Content, Envelope, Part, Section, SectionText, header, limits};
use proptest::prelude::*;
use std::ops::Range;

/// Pieces that messages are made of, and that break them.
const PIECES: &[&str] = &[
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "\r\r\n",
    "\0",
    " ",
    "\t",
    "-",
    "--",
    "--b",
    "--b\r\n",
    "--b--\r\n",
    "--bb\r\n",
    "--bb--\n",
    "--b \t\r\n",
    "--b--",
    "--=_\r\n",
    "\r\n--b\r\n",
    "\n--bb\n",
    "text\r\n",
    "From: A <a@b>\r\n",
    "Subject: =?utf-8?q?x?=\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
    "Content-Type: multipart/mixed; boundary=bb\r\n\r\n",
    "Content-Type: multipart/digest; boundary=\"b\"\n\n",
    "Content-Type: multipart/mixed; boundary*0=\"=\"; boundary*1=_\r\n\r\n",
    "Content-Type: multipart/alternative\r\n\r\n",
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: message/global\n\n",
    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    "Content-Type: text/html; charset=\"x\r\n y\"\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n",
    "Content-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=\"b\"\r\n",
    "Content-Language: en, (c) de\r\n",
    "no field\r\n",
    ":\r\n",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        12 => prop::sample::select(PIECES).prop_map(|p| p.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let head = prop::sample::select(vec![
        "",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
        "Content-Type: message/rfc822\r\n\r\n",
    ]);
    (head, prop::collection::vec(piece, 0..60))
        .prop_map(|(head, pieces)| [head.as_bytes().to_vec(), pieces.concat()].concat())
}

const NO_NAMES: &[&[u8]] = &[];

/// Cuts bytes at what `sizes` says, over and over.
fn chunks<'a>(bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = (*sizes.next()?).min(rest.len());
        let (chunk, after) = rest.split_at(size);
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn parse_in_pieces(bytes: &[u8], sizes: &[usize]) -> (Envelope, Part) {
    let mut builder = Builder::new();
    chunks(bytes, sizes).for_each(|chunk| builder.feed(chunk));
    builder.finish()
}

fn slice(raw: &[u8], range: &Range<u64>) -> Vec<u8> {
    raw[range.start as usize..range.end as usize].to_vec()
}

fn check(part: &Part, within: &Range<u64>, raw: &[u8], depth: usize, parts: &mut usize) {
    *parts += 1;
    assert!(depth <= limits::DEPTH + 2, "too deep");
    assert!(within.start <= part.header.start && part.header.start <= part.header.end);
    assert!(part.header.end <= part.body.start && part.body.start <= part.body.end && part.body.end <= within.end);
    let body = slice(raw, &part.body);
    let ends = body.iter().filter(|b| **b == b'\n').count() as u32;
    assert_eq!(part.lines, ends + u32::from(!body.is_empty() && !body.ends_with(b"\n")));
    assert!(!part.media_type.is_empty() && !part.subtype.is_empty());
    let multipart = part.media_type.eq_ignore_ascii_case(b"multipart");
    let message = part.is("message", "rfc822") || part.is("message", "global");
    match &part.content {
        Content::Leaf => assert!(!multipart && !message),
        Content::Multipart(inner) => {
            assert!(multipart && !inner.is_empty());
            let mut from = part.body.start;
            for inner in inner {
                check(inner, &(from..part.body.end), raw, depth + 1, parts);
                from = inner.body.end;
            }
        }
        Content::Message(_, inner) => {
            assert!(message);
            assert_eq!(inner.header.start..inner.body.end, part.body);
            check(inner, &part.body, raw, depth + 1, parts);
        }
    }
}

fn check_message(part: &Part, raw: &[u8]) {
    let whole = 0..raw.len() as u64;
    assert_eq!(part.header.start..part.body.end, whole);
    assert_eq!(part.header.end, part.body.start);
    let mut parts = 0;
    check(part, &whole, raw, 0, &mut parts);
    assert!(parts <= 2 * limits::PARTS);
}

/// Every section up to three levels of part numbers.
fn sections() -> Vec<Section> {
    let texts = [
        None,
        Some(SectionText::Header),
        Some(SectionText::HeaderFields(vec![b"from".to_vec()])),
        Some(SectionText::Text),
        Some(SectionText::Mime),
    ];
    let mut paths: Vec<Vec<u32>> = vec![vec![]];
    for a in 0..4 {
        paths.push(vec![a]);
        for b in 0..4 {
            paths.push(vec![a, b]);
            paths.extend((0..4).map(|c| vec![a, b, c]));
        }
    }
    let all = paths
        .into_iter()
        .flat_map(|path| texts.iter().map(move |text| Section { path: path.clone(), text: text.clone() }));
    all.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pieces_do_not_matter(raw in soup(), sizes in prop::collection::vec(1_usize..20, 1..8)) {
        prop_assert_eq!(parse_in_pieces(&raw, &sizes), Part::parse(&raw));
        prop_assert_eq!(parse_in_pieces(&raw, &[1]), Part::parse(&raw));
    }

    #[test]
    fn everything_lies_inside(raw in soup()) {
        let (_, part) = Part::parse(&raw);
        check_message(&part, &raw);
        prop_assert!(part.weight() < 4096 + 64 * raw.len() + 1024 * raw.len() / 3);
    }

    #[test]
    fn sections_lie_inside(raw in soup()) {
        let (_, part) = Part::parse(&raw);
        for section in sections() {
            if let Some(range) = section.locate(&part) {
                prop_assert!(range.start <= range.end && range.end <= raw.len() as u64);
            }
        }
        let first = Section { path: vec![1], text: None }.locate(&part);
        prop_assert!(first.is_some(), "every message has a part 1");
    }

    #[test]
    fn any_bytes_are_a_message(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let (envelope, part) = Part::parse(&raw);
        check_message(&part, &raw);
        prop_assert!(envelope.weight() >= size_of::<Envelope>());
        prop_assert!(message::envelope::addresses(&raw).len() <= limits::ADDRESSES);
        prop_assert!(message::date::DateTime::parse_rfc5322(&raw).is_none_or(|d| d.to_rfc5322().len() == 31));
        prop_assert!(decode_header(&raw).len() <= 3 * raw.len());
    }

    #[test]
    fn fields_cover_a_header(raw in soup()) {
        let fields: Vec<_> = header::fields(&raw).map(|f| f.raw.to_vec()).collect();
        let all = header::select(&raw, NO_NAMES, true);
        prop_assert!(all.len() <= fields.concat().len() + 4);
        prop_assert!(all.ends_with(b"\r\n"));
        prop_assert!(header::fields(&raw).all(|f| !f.name.is_empty() && f.raw.ends_with(f.value)));
    }

    #[test]
    fn a_header_ends_where_the_structure_says(raw in soup(), crs in prop::sample::select(vec![0, 1, 300])) {
        let raw = [raw, b"\r".repeat(crs), b"\n\r\n".to_vec()].concat();
        let (envelope, part) = Part::parse(&raw);
        let length = header::length(&raw).unwrap_or(raw.len());
        prop_assert_eq!(length as u64, part.header.end);
        prop_assert_eq!(Envelope::parse(&raw[..length]), envelope);
    }

    #[test]
    fn a_search_does_not_depend_on_pieces(
        body in prop::collection::vec(prop::sample::select(vec!["a", "B", "\u{e9}", "e\u{301}\u{323}", "=", "=C3", "=A9", "=\r\n", "\r\n", "\u{df}", "YQ==", "Y", "\u{1ec7}"]), 0..40),
        needle in prop::sample::select(vec!["ab", "\u{e9}", "b\r\n", "a=", "\u{1ec7}", "", "aaa"]),
        encoding in prop::sample::select(vec!["7bit", "base64", "quoted-printable"]),
        charset in prop::sample::select(vec!["utf-8", "iso-8859-1", "utf-16", "gb18030", "iso-2022-jp", "unknown"]),
        sizes in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let raw = body.concat().into_bytes();
        let head = format!("Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n");
        let (_, part) = Part::parse(head.as_bytes());
        let needle = Needle::new(needle.as_bytes(), None);
        let search = |sizes: &[usize]| {
            let mut search = BodySearch::new(needle.as_ref()?, &part)?;
            chunks(&raw, sizes).for_each(|chunk| { search.feed(chunk); });
            Some(search.finish())
        };
        let whole = search(&[usize::MAX]);
        prop_assert!(whole.is_some());
        prop_assert_eq!(search(&sizes), whole);
        prop_assert_eq!(search(&[1]), whole);
    }
}
