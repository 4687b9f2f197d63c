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
