//! Writes ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 §7.4.2).

use super::encode::{nstring, put, string};
use message::{Address, Content, Disposition, Envelope, Param, Part};

/// Writes an ENVELOPE.
pub fn envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    out.push(b'(');
    nstring(envelope.date.as_deref(), out);
    out.push(b' ');
    nstring(envelope.subject.as_deref(), out);
    for list in [&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.push(b' ');
        addresses(list, out);
    }
    out.push(b' ');
    nstring(envelope.in_reply_to.as_deref(), out);
    out.push(b' ');
    nstring(envelope.message_id.as_deref(), out);
    out.push(b')');
}

fn addresses(list: &[Address], out: &mut Vec<u8>) {
    if list.is_empty() {
        return nstring(None, out);
    }
    out.push(b'(');
    for address in list {
        match address {
            Address::Mailbox { name, route, mailbox, host } => {
                four([name.as_deref(), route.as_deref(), Some(mailbox), Some(host)], out);
            }
            Address::GroupStart(name) => four([None, None, Some(name), None], out),
            Address::GroupEnd => four([None; 4], out),
        }
    }
    out.push(b')');
}

fn four(fields: [Option<&[u8]>; 4], out: &mut Vec<u8>) {
    for (i, field) in fields.into_iter().enumerate() {
        out.push(if i == 0 { b'(' } else { b' ' });
        nstring(field, out);
    }
    out.push(b')');
}

/// Writes the structure of a message or part: BODYSTRUCTURE with all extension fields (Gmail's Android app needs the
/// disposition, others count fields), or BODY without any.
pub fn body(part: &Part, extended: bool, out: &mut Vec<u8>) {
    out.push(b'(');
    match &part.content {
        Content::Multipart(parts) => {
            for inner in parts {
                body(inner, extended, out);
            }
            out.push(b' ');
            string(&part.subtype, out);
            if extended {
                out.push(b' ');
                params(&part.params, out);
            }
        }
        content => {
            one_part(part, content, extended, out);
            if extended {
                out.push(b' ');
                nstring(part.md5.as_deref(), out);
            }
        }
    }
    if extended {
        extension(part, out);
    }
    out.push(b')');
}

/// The fields of a part that is not a multipart, up to the extension fields.
fn one_part(part: &Part, content: &Content, extended: bool, out: &mut Vec<u8>) {
    let is = |kind: &str| part.media_type.eq_ignore_ascii_case(kind.as_bytes());
    let rfc822 = is("message") && part.subtype.eq_ignore_ascii_case(b"rfc822");
    let enclosed = match content {
        // Only message/rfc822 has these fields in IMAP4rev1 (`media-message`).
        Content::Message(envelope, inner) if rfc822 => Some((envelope, inner)),
        _ => None,
    };
    if is("multipart") || rfc822 && enclosed.is_none() {
        // Too deep to be looked into: a client would expect the fields that are missing here.
        out.extend_from_slice(b"\"application\" \"octet-stream\"");
    } else {
        string(&part.media_type, out);
        out.push(b' ');
        string(&part.subtype, out);
    }
    out.push(b' ');
    params(&part.params, out);
    out.push(b' ');
    nstring(part.id.as_deref(), out);
    out.push(b' ');
    nstring(part.description.as_deref(), out);
    out.push(b' ');
    string(part.encoding.as_deref().unwrap_or(b"7bit"), out);
    put!(out, " {}", part.body.end.saturating_sub(part.body.start));
    if let Some((inner_envelope, inner)) = enclosed {
        out.push(b' ');
        envelope(inner_envelope, out);
        out.push(b' ');
        body(inner, extended, out);
    }
    if is("text") || enclosed.is_some() {
        put!(out, " {}", part.lines);
    }
}

/// Disposition, language, location.
fn extension(part: &Part, out: &mut Vec<u8>) {
    out.push(b' ');
    match &part.disposition {
        None => nstring(None, out),
        Some(Disposition { kind, params: list }) => {
            out.push(b'(');
            string(kind, out);
            out.push(b' ');
            params(list, out);
            out.push(b')');
        }
    }
    out.push(b' ');
    match &part.language[..] {
        [] => nstring(None, out),
        [only] => string(only, out),
        several => {
            for (i, tag) in several.iter().enumerate() {
                out.push(if i == 0 { b'(' } else { b' ' });
                string(tag, out);
            }
            out.push(b')');
        }
    }
    out.push(b' ');
    nstring(part.location.as_deref(), out);
}

fn params(list: &[Param], out: &mut Vec<u8>) {
    if list.is_empty() {
        return nstring(None, out);
    }
    for (i, param) in list.iter().enumerate() {
        out.push(if i == 0 { b'(' } else { b' ' });
        string(&param.name, out);
        out.push(b' ');
        string(&param.value, out);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(media_type: &str, subtype: &str) -> Part {
        Part {
            header: 0..10,
            body: 10..110,
            lines: 4,
            media_type: media_type.into(),
            subtype: subtype.into(),
            params: Vec::new(),
            id: None,
            description: None,
            encoding: None,
            md5: None,
            disposition: None,
            language: Vec::new(),
            location: None,
            content: Content::Leaf,
        }
    }

    fn written(part: &Part, extended: bool) -> String {
        let mut out = Vec::new();
        body(part, extended, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_envelope() {
        let to = |mailbox: &str| Address::Mailbox {
            name: Some(b"=?utf-8?q?J=C3=BCrgen?=".to_vec()),
            route: None,
            mailbox: mailbox.into(),
            host: b"example.org".to_vec(),
        };
        let all = Envelope {
            date: Some(b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)".to_vec()),
            subject: Some("Grüße".into()),
            from: vec![to("a")],
            to: vec![Address::GroupStart(b"team".to_vec()), to("b"), Address::GroupEnd],
            message_id: Some(b"<1@x>".to_vec()),
            ..Envelope::default()
        };
        let mut out = Vec::new();
        envelope(&all, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" {7}\r\nGrüße \
             ((\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"a\" \"example.org\")) NIL NIL \
             ((NIL NIL \"team\" NIL)(\"=?utf-8?q?J=C3=BCrgen?=\" NIL \"b\" \"example.org\")(NIL NIL NIL NIL)) \
             NIL NIL NIL \"<1@x>\")"
        );
    }

    #[test]
    fn leaves_with_and_without_extension_fields() {
        let mut part = leaf("text", "plain");
        assert_eq!(written(&part, false), "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 100 4)");
        assert_eq!(written(&part, true), "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 100 4 NIL NIL NIL NIL)");
        let param = |name: &str, value: &str| Param { name: name.into(), value: value.into() };
        part = leaf("IMAGE", "png");
        part.params = vec![param("name", "a b.png"), param("x", "1")];
        part.id = Some(b"<c@d>".to_vec());
        part.encoding = Some(b"BASE64".to_vec());
        part.disposition = Some(Disposition { kind: b"inline".to_vec(), params: vec![param("filename", "a.png")] });
        part.language = vec![b"de".to_vec(), b"en".to_vec()];
        assert_eq!(
            written(&part, true),
            "(\"IMAGE\" \"png\" (\"name\" \"a b.png\" \"x\" \"1\") \"<c@d>\" NIL \"BASE64\" 100 \
             NIL (\"inline\" (\"filename\" \"a.png\")) (\"de\" \"en\") NIL)"
        );
    }

    #[test]
    fn multiparts_and_enclosed_messages() {
        let mut outer = leaf("multipart", "mixed");
        let mut enclosed = leaf("message", "rfc822");
        enclosed.content = Content::Message(Box::default(), Box::new(leaf("text", "html")));
        outer.content = Content::Multipart(vec![leaf("text", "plain"), enclosed]);
        let nils = ["NIL"; 10].join(" ");
        assert_eq!(
            written(&outer, false),
            format!(
                "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 100 4)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 100 ({nils}) \
                 (\"text\" \"html\" NIL NIL NIL \"7bit\" 100 4) 4) \"mixed\")"
            )
        );
        outer.content = Content::Multipart(vec![leaf("text", "plain")]);
        assert_eq!(
            written(&outer, true),
            "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 100 4 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)"
        );
    }

    #[test]
    fn what_was_not_looked_into_is_a_plain_file() {
        for part in [leaf("message", "rfc822"), leaf("multipart", "mixed")] {
            assert_eq!(written(&part, false), "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 100)");
        }
        let mut global = leaf("message", "global");
        global.content = Content::Message(Box::default(), Box::new(leaf("text", "plain")));
        assert_eq!(written(&global, false), "(\"message\" \"global\" NIL NIL NIL \"7bit\" 100)");
    }
}
