//! The structure of whole messages: known answers.

use message::{Content, Part, Section, SectionText};

fn text(raw: &[u8], range: &std::ops::Range<u64>) -> String {
    String::from_utf8_lossy(&raw[range.start as usize..range.end as usize]).into_owned()
}

/// The tree as one line per part: number, type, lines, body size.
fn outline(part: &Part) -> String {
    let mut out = String::new();
    describe(part, "", &mut out);
    out
}

fn describe(part: &Part, number: &str, out: &mut String) {
    let name = [&part.media_type[..], b"/", &part.subtype].concat();
    let label = if number.is_empty() { "." } else { number };
    out.push_str(&format!("{label} {} {}\n", String::from_utf8_lossy(&name).to_lowercase(), part.lines));
    let below = |n: usize| if number.is_empty() { n.to_string() } else { format!("{number}.{n}") };
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(parts) => {
            for (index, part) in parts.iter().enumerate() {
                describe(part, &below(index + 1), out);
            }
        }
        Content::Message(_, inner) => describe(inner, &format!("{number}m"), out),
    }
}

fn section(path: &[u32], text: Option<SectionText>) -> Section {
    Section { path: path.to_vec(), text }
}

/// RFC 2049 appendix A.
const COMPLEX: &str = "MIME-Version: 1.0\r\nFrom: Nathaniel Borenstein <nsb@nsb.fv.com>\r\n\
To: Ned Freed <ned@innosoft.com>\r\nDate: Fri, 07 Oct 1994 16:15:05 -0700 (PDT)\r\n\
Subject: A multipart example\r\nContent-Type: multipart/mixed;\r\n              boundary=unique-boundary-1\r\n\r\n\
This is the preamble area of a multipart message.\r\n\r\n--unique-boundary-1\r\n\r\n   ... Some text appears here ...\r\n\r\n\
--unique-boundary-1\r\nContent-type: text/plain; charset=US-ASCII\r\n\r\nThis could have been part of the previous part, but\r\n\
illustrates explicit versus implicit typing of body parts.\r\n\r\n--unique-boundary-1\r\n\
Content-Type: multipart/parallel; boundary=unique-boundary-2\r\n\r\n--unique-boundary-2\r\nContent-Type: audio/basic\r\n\
Content-Transfer-Encoding: base64\r\n\r\n  ... base64-encoded 8000 Hz single-channel\r\n      mu-law-format audio data goes here ...\r\n\r\n\
--unique-boundary-2\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n   ... base64-encoded image data goes here ...\r\n\r\n\
--unique-boundary-2--\r\n\r\n--unique-boundary-1\r\nContent-type: text/enriched\r\n\r\nThis is <bold><italic>enriched.</italic></bold>\r\n\
<smaller>as defined in RFC 1896</smaller>\r\n\r\nIsn't it\r\n<bigger><bigger>cool?</bigger></bigger>\r\n\r\n\
--unique-boundary-1\r\nContent-Type: message/rfc822\r\n\r\nFrom: (mailbox in US-ASCII)\r\nTo: (address in US-ASCII)\r\n\
Subject: (subject in US-ASCII)\r\nContent-Type: Text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: Quoted-printable\r\n\r\n\
   ... Additional text in ISO-8859-1 goes here ...\r\n\r\n--unique-boundary-1--\r\n";

#[test]
fn complex_multipart_of_rfc_2049() {
    let (envelope, part) = Part::parse(COMPLEX.as_bytes());
    assert_eq!(envelope.subject.as_deref(), Some(&b"A multipart example"[..]));
    assert_eq!(
        outline(&part),
        ". multipart/mixed 51\n1 text/plain 1\n2 text/plain 2\n3 multipart/parallel 14\n3.1 audio/basic 2\n\
         3.2 image/jpeg 1\n4 text/enriched 5\n5 message/rfc822 7\n5m text/plain 1\n"
    );
    let raw = COMPLEX.as_bytes();
    assert_eq!(text(raw, &part.body).lines().count(), 51);
    let get = |path: &[u32], what| section(path, what).locate(&part).map(|range| text(raw, &range));
    assert_eq!(get(&[1], None).unwrap(), "   ... Some text appears here ...\r\n");
    assert_eq!(get(&[1], Some(SectionText::Mime)).unwrap(), "\r\n");
    assert_eq!(get(&[3, 2], None).unwrap(), "   ... base64-encoded image data goes here ...\r\n");
    assert!(get(&[5], Some(SectionText::Header)).unwrap().starts_with("From: (mailbox"));
    assert_eq!(get(&[5, 1], None).unwrap(), "... Additional text in ISO-8859-1 goes here ...\r\n");
    assert_eq!(get(&[5], Some(SectionText::Text)), get(&[5, 1], None));
    assert_eq!(get(&[6], None), None);
    assert_eq!(get(&[1, 1], None), None);
    assert_eq!(get(&[1], Some(SectionText::Text)), None);
    assert_eq!(get(&[0], None), None);
    assert_eq!(get(&[], None).unwrap(), COMPLEX);
}

/// Parses, and shows the outline and what each leaf holds.
fn shape(raw: &str) -> String {
    let (_, part) = Part::parse(raw.as_bytes());
    let mut out = outline(&part);
    leaves(&part, &mut |leaf| out.push_str(&format!("{:?}\n", text(raw.as_bytes(), &leaf.body))));
    out
}

fn leaves(part: &Part, take: &mut impl FnMut(&Part)) {
    match &part.content {
        Content::Leaf => take(part),
        Content::Multipart(parts) => parts.iter().for_each(|part| leaves(part, take)),
        Content::Message(_, inner) => leaves(inner, take),
    }
}

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

fn mixed(body: &str) -> String {
    shape(&format!("{MIXED}{body}"))
}

#[test]
fn line_ends() {
    let expected = ". multipart/mixed 8\n1 text/plain 2\n2 text/html 0\n\"one\\ntwo\"\n\"\"\n";
    let raw = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\ntwo\n--b\nContent-Type: text/html\n\n--b--";
    assert_eq!(shape(raw), expected);
    assert_eq!(shape(&raw.replace('\n', "\r\n")), expected.replace("\\n", "\\r\\n"));
    // A CR too many stays in the text; the empty lines and boundaries are still seen.
    assert_eq!(shape(&raw.replace('\n', "\r\r\n")), expected.replace("one\\ntwo", "one\\r\\r\\ntwo\\r"));
    // A CR alone ends no line.
    assert_eq!(
        mixed("--b\r\n\r\none\r--b--\rtwo\r\n--b--\r\n"),
        ". multipart/mixed 4\n1 text/plain 1\n\"one\\r--b--\\rtwo\"\n"
    );
}

#[test]
fn preamble_epilogue_and_padding() {
    assert_eq!(
        mixed("preamble\r\n --b\r\n--b \t\r\n\r\none\r\n\r\n--b-- \r\nepilogue\r\n--b\r\n--b--\r\n"),
        ". multipart/mixed 10\n1 text/plain 1\n\"one\\r\\n\"\n"
    );
}

#[test]
fn missing_closing_boundaries() {
    assert_eq!(mixed("--b\r\n\r\none\r\n"), ". multipart/mixed 3\n1 text/plain 1\n\"one\\r\\n\"\n");
    assert_eq!(
        mixed(
            "--b\r\nContent-Type: multipart/related; boundary=c\r\n\r\n--c\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
        ),
        ". multipart/mixed 10\n1 multipart/related 3\n1.1 text/plain 1\n2 text/plain 1\n\"one\"\n\"two\"\n"
    );
    assert_eq!(mixed("--b"), ". multipart/mixed 1\n1 text/plain 0\n\"\"\n");
}

#[test]
fn headers_that_a_boundary_ends() {
    let raw = format!("{MIXED}--b\r\nContent-Type: text/html\r\n--b\r\n--b\r\n\r\n--b--\r\n");
    assert_eq!(shape(&raw), ". multipart/mixed 6\n1 text/html 0\n2 text/plain 0\n3 text/plain 0\n\"\"\n\"\"\n\"\"\n");
    let (_, part) = Part::parse(raw.as_bytes());
    let mime = section(&[1], Some(SectionText::Mime)).locate(&part).map(|r| text(raw.as_bytes(), &r));
    assert_eq!(mime.as_deref(), Some("Content-Type: text/html\r\n"));
}

#[test]
fn boundaries_with_a_common_start() {
    let inner = |boundary: &str| {
        format!(
            "--b\r\nContent-Type: multipart/related; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\r\none\r\n\
             --{boundary}\r\n\r\ntwo\r\n--{boundary}--\r\n--b\r\n\r\nthree\r\n--b--\r\n"
        )
    };
    // Longer than the outer one, shorter, its closing delimiter, the same.
    for boundary in ["bb", "b-", "b--", "b"] {
        let expected = ". multipart/mixed 14\n1 multipart/related 7\n1.1 text/plain 1\n1.2 text/plain 1\n2 text/plain 1\n\
                        \"one\"\n\"two\"\n\"three\"\n";
        assert_eq!(mixed(&inner(boundary)), expected, "{boundary:?}");
    }
    // The outer boundary starts with that of the inner multipart, which is never closed.
    let raw = "Content-Type: multipart/mixed; boundary=bbb\n\n--bbb\nContent-Type: multipart/related; boundary=b\n\n--b\n\none\n\
               --bbb\n\ntwo\n--bbb--\n--b\n";
    assert_eq!(
        shape(raw),
        ". multipart/mixed 11\n1 multipart/related 3\n1.1 text/plain 1\n2 text/plain 1\n\"one\"\n\"two\"\n"
    );
}

#[test]
fn multiparts_without_parts() {
    for body in ["", "text\r\n", "--b--\r\n", "--c\r\n\r\ntext\r\n--c--\r\n"] {
        let raw = format!("{MIXED}{body}");
        let (_, part) = Part::parse(raw.as_bytes());
        assert!(part.is("text", "plain") && part.content == Content::Leaf && part.params.is_empty());
        assert_eq!(section(&[1], None).locate(&part).map(|r| text(raw.as_bytes(), &r)).as_deref(), Some(body));
    }
    for boundary in ["", "; boundary=\"\"", "; boundary=\" \"", &format!("; boundary={}", "x".repeat(300))] {
        let raw = format!("Content-Type: multipart/mixed{boundary}\r\n\r\n--\r\n--x\r\n");
        assert_eq!(outline(&Part::parse(raw.as_bytes()).1), ". text/plain 2\n");
    }
}

#[test]
fn digests() {
    let raw = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\ntext\n--b\nContent-Type: text/plain\n\nplain\n\
               --b\n--b--\n";
    assert_eq!(
        shape(raw),
        ". multipart/digest 11\n1 message/rfc822 3\n1m text/plain 1\n2 text/plain 1\n3 message/rfc822 0\n3m text/plain 0\n\
         \"text\"\n\"plain\"\n\"\"\n"
    );
}

#[test]
fn damaged_messages() {
    assert_eq!(shape(""), ". text/plain 0\n\"\"\n");
    assert_eq!(shape("Subject: x\r\n"), ". text/plain 0\n\"\"\n");
    assert_eq!(shape("\r\nbody"), ". text/plain 1\n\"body\"\n");
    assert_eq!(shape("Subject: x\r\n\r\na\0b\r\n"), ". text/plain 1\n\"a\\0b\\r\\n\"\n");
    assert_eq!(shape("Content-Type: message/rfc822\r\n"), ". message/rfc822 0\nm text/plain 0\n\"\"\n");
    assert_eq!(
        mixed("--b\r\nContent-Type: message/rfc822\r\n--b--\r\n"),
        ". multipart/mixed 3\n1 message/rfc822 0\n1m text/plain 0\n\"\"\n"
    );
}

#[test]
fn the_only_part_of_a_message() {
    let raw = b"Subject: x\r\n\r\nbody\r\n";
    let (_, part) = Part::parse(raw);
    let get = |path: &[u32], what| section(path, what).locate(&part).map(|range| text(raw, &range));
    assert_eq!(get(&[1], None).as_deref(), Some("body\r\n"));
    assert_eq!(get(&[1], Some(SectionText::Mime)).as_deref(), Some("Subject: x\r\n\r\n"));
    assert_eq!(get(&[], Some(SectionText::Header)).as_deref(), Some("Subject: x\r\n\r\n"));
    assert_eq!(get(&[], Some(SectionText::HeaderFields(vec![]))), get(&[], Some(SectionText::Header)));
    assert_eq!(get(&[], Some(SectionText::Text)).as_deref(), Some("body\r\n"));
    for (path, what) in [
        (vec![], Some(SectionText::Mime)),
        (vec![2], None),
        (vec![1, 1], None),
        (vec![u32::MAX], None),
        (vec![1], Some(SectionText::Header)),
        (vec![1], Some(SectionText::Text)),
        (vec![1], Some(SectionText::HeaderFieldsNot(vec![]))),
    ] {
        assert_eq!(get(&path, what), None, "{path:?}");
    }
}

/// The example of RFC 3501 §6.4.5.
#[test]
fn part_numbers_of_rfc_3501() {
    let leaf = |name: &str| format!("Content-Type: {name}\r\n\r\n{name}\r\n");
    let multi = |boundary: &str, kind: &str, parts: &[String]| {
        let body: String = parts.iter().map(|p| format!("--{boundary}\r\n{p}")).collect();
        format!("Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n{body}--{boundary}--\r\n")
    };
    let message = |name: &str, inner: &str| format!("Content-Type: message/rfc822\r\n\r\nSubject: {name}\r\n{inner}");
    let alternative = multi("d", "alternative", &[leaf("text/plain"), leaf("text/richtext")]);
    let second = message("second", &multi("c", "mixed", &[leaf("text/plain"), alternative]));
    let first = message("first", &multi("e", "mixed", &[leaf("text/plain"), leaf("application/octet-stream")]));
    let fourth = multi("f", "mixed", &[leaf("image/gif"), second]);
    let raw = multi("a", "mixed", &[leaf("text/plain"), leaf("application/octet-stream"), first, fourth]);
    let (_, part) = Part::parse(raw.as_bytes());
    for (path, expected) in [
        (&[1][..], "text/plain"),
        (&[2], "application/octet-stream"),
        (&[3, 1], "text/plain"),
        (&[3, 2], "application/octet-stream"),
        (&[4, 1], "image/gif"),
        (&[4, 2, 1], "text/plain"),
        (&[4, 2, 2, 1], "text/plain"),
        (&[4, 2, 2, 2], "text/richtext"),
    ] {
        let body = section(path, None).locate(&part).map(|r| text(raw.as_bytes(), &r));
        assert_eq!(body.as_deref(), Some(expected), "{path:?}");
    }
    let get = |path: &[u32], what| {
        section(path, Some(what)).locate(&part).map(|r| text(raw.as_bytes(), &r)).unwrap_or_default()
    };
    assert!(get(&[3], SectionText::Header).starts_with("Subject: first\r\nContent-Type: multipart/mixed; boundary=e"));
    assert!(get(&[3], SectionText::Text).starts_with("--e\r\n") && get(&[3], SectionText::Text).ends_with("--e--"));
    assert_eq!(get(&[4, 2], SectionText::Mime), "Content-Type: message/rfc822\r\n\r\n");
    assert!(get(&[4, 2, 2], SectionText::Mime).starts_with("Content-Type: multipart/alternative"));
    assert_eq!(get(&[4, 2, 2], SectionText::Header), "");
    let subject = part.find(&[4, 2]).map(|p| match &p.content {
        Content::Message(envelope, _) => envelope.subject.clone(),
        _ => None,
    });
    assert_eq!(subject, Some(Some(b"second".to_vec())));
}

#[test]
fn enclosed_messages_of_other_kinds() {
    assert_eq!(
        mixed("--b\r\nContent-Type: message/global\r\n\r\nSubject: x\r\n\r\ntext\r\n--b--\r\n"),
        ". multipart/mixed 7\n1 message/global 3\n1m text/plain 1\n\"text\"\n"
    );
    let raw = format!(
        "{MIXED}--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: Base64\r\n\r\nU3ViamVjdDogeA==\r\n--b--\r\n"
    );
    let (_, part) = Part::parse(raw.as_bytes());
    let inner = part.find(&[1, 1]).cloned();
    let inner = inner.as_ref().map(|p| (p.is("text", "plain"), p.encoding.as_deref(), text(raw.as_bytes(), &p.body)));
    assert_eq!(inner, Some((true, Some(&b"Base64"[..]), "U3ViamVjdDogeA==".to_string())));
}
