//! What submission does to a message's header (RFC 6409 §6.1 and §8): From has to be the author's own, and missing fields are added.
//!
//! Nothing is ever taken away or changed, Bcc included: programs that keep blind copies secret do not send that field.

use crate::intake::Fault;
use crate::{limits, trace};
use auth::{Account, Address, Directory};
use message::header::{self, Field};
use smol_str::SmolStr;
use std::sync::Arc;
use std::time::SystemTime;
use store::Draft;

/// A submitted message's header, held until it is whole.
#[derive(Debug)]
pub(crate) struct Submitted {
    author: Author,
    header: Vec<u8>,
}

/// Who submits it, and what missing fields are made of.
#[derive(Debug)]
pub(crate) struct Author {
    /// Who owns which address.
    pub(crate) directory: Arc<Directory>,
    /// Whose login it was.
    pub(crate) account: Arc<Account>,
    /// For a missing From: the address of MAIL FROM.
    pub(crate) sender: String,
    /// For a missing Message-ID: this box.
    pub(crate) host: SmolStr,
    /// For a missing Message-ID: this message.
    pub(crate) id: SmolStr,
    /// For a missing Date.
    pub(crate) now: SystemTime,
}

impl Submitted {
    /// Nothing is held yet.
    pub(crate) fn new(author: Author) -> Submitted {
        Submitted { author, header: Vec::new() }
    }

    /// More of the header.
    pub(crate) fn hold(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.header.len() + bytes.len() > limits::SUBMITTED_HEADER {
            return Err(Fault::HeaderTooLarge);
        }
        self.header.extend_from_slice(bytes);
        Ok(())
    }

    /// Checks the header and passes it on with what was missing in front.
    pub(crate) fn complete(self, draft: &mut Draft) -> Result<(), Fault> {
        draft.write(self.author.missing_fields(&self.header)?.as_bytes())?;
        draft.write(&self.header)?;
        Ok(())
    }
}

impl Author {
    /// The fields to add, and the empty line if the message is all body.
    fn missing_fields(&self, header: &[u8]) -> Result<String, Fault> {
        let no_header = !begins_with_field(header);
        let fields: Vec<Field<'_>> = if no_header { Vec::new() } else { header::fields(header).collect() };
        let of =
            |name: &'static str| fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        let mut added = String::new();
        for from in of("From") {
            self.check_from(from.value)?;
        }
        if of("From").next().is_none() {
            added.push_str(&format!("From: <{}>\r\n", self.sender));
        }
        if of("Date").next().is_none() {
            added.push_str(&format!("Date: {}\r\n", trace::date(self.now)));
        }
        if of("Message-ID").next().is_none() {
            added.push_str(&format!("Message-ID: <{}@{}>\r\n", self.id, self.host));
        }
        if no_header && !header.starts_with(b"\r\n") {
            added.push_str("\r\n");
        }
        Ok(added)
    }

    fn check_from(&self, value: &[u8]) -> Result<(), Fault> {
        let mut named = false;
        for address in message::envelope::addresses(value) {
            let message::Address::Mailbox { mailbox, host, .. } = address else { continue };
            let (local, domain) = (String::from_utf8_lossy(&mailbox), String::from_utf8_lossy(&host));
            if !self.owns(&local, &domain) {
                return Err(Fault::NotYours(printable(&format!("{local}@{domain}"))));
            }
            named = true;
        }
        if named { Ok(()) } else { Err(Fault::NoAuthor) }
    }

    /// The local part comes without its quotes, and may need them.
    fn owns(&self, local: &str, domain: &str) -> bool {
        let quoted = local.replace('\\', "\\\\").replace('"', "\\\"");
        [format!("{local}@{domain}"), format!("\"{quoted}\"@{domain}")]
            .iter()
            .filter_map(|text| Address::parse(text).ok())
            .any(|address| self.directory.owns(&self.account, &address))
    }
}

/// A message that does not begin with a field name and a colon has no header.
fn begins_with_field(header: &[u8]) -> bool {
    let name = header.iter().take_while(|b| b.is_ascii_graphic() && **b != b':').count();
    let after = header[name..].iter().find(|b| !matches!(b, b' ' | b'\t'));
    name > 0 && after == Some(&b':')
}

/// Words of a message, for a reply.
fn printable(text: &str) -> String {
    text.chars().take(limits::PATH).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_begin_with_a_field() {
        for text in ["From: x", "From : x", "x-y:"] {
            assert!(begins_with_field(text.as_bytes()), "{text}");
        }
        for text in ["", "\r\n", " From: x", ": x", "Hello world: x", "Hello\r\n", "Grüß:"] {
            assert!(!begins_with_field(text.as_bytes()), "{text}");
        }
    }
}
