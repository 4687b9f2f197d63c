//! ENVELOPE (RFC 9051 §7.5.2): the fields of RFC 5322 that mail programs show in lists.

use crate::address;
use crate::header::{self, unfold};
use crate::limits;
use crate::structure::ALLOCATION;

pub use crate::address::addresses;

/// The fields of a message's header that mail programs list. Bytes as they came, unfolded; encoded-words stay encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Date header as written.
    pub date: Option<Vec<u8>>,
    /// Subject.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender; the same as From if absent or empty.
    pub sender: Vec<Address>,
    /// Reply-To; the same as From if absent or empty.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID.
    pub message_id: Option<Vec<u8>>,
}

/// One entry of an address list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `Name <mailbox@host>`.
    Mailbox {
        /// The display name without quotes, or else the comment that stands in its place.
        name: Option<Vec<u8>>,
        /// The obsolete source route, e.g. `@relay,@other`.
        route: Option<Vec<u8>>,
        /// The local part without quotes.
        mailbox: Vec<u8>,
        /// The domain; empty if the address has none.
        host: Vec<u8>,
    },
    /// Start of a group, with its name.
    GroupStart(Vec<u8>),
    /// End of a group.
    GroupEnd,
}

impl Envelope {
    /// Reads the Envelope out of a header block (with or without the empty line that ends it).
    pub fn parse(header: &[u8]) -> Envelope {
        let mut envelope = Envelope::default();
        for field in header::fields(header) {
            envelope.take(field.name, field.value);
        }
        if envelope.sender.is_empty() {
            envelope.sender = envelope.from.clone();
        }
        if envelope.reply_to.is_empty() {
            envelope.reply_to = envelope.from.clone();
        }
        envelope
    }

    /// Rough bytes of memory this Envelope takes, for caches.
    pub fn weight(&self) -> usize {
        let texts = [&self.date, &self.subject, &self.in_reply_to, &self.message_id];
        let lists = [&self.from, &self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc];
        size_of::<Envelope>()
            + texts.iter().filter_map(|t| t.as_ref()).map(|t| ALLOCATION + t.len()).sum::<usize>()
            + lists.iter().flat_map(|list| list.iter()).map(Address::weight).sum::<usize>()
    }

    /// Of a field that should be there once the first counts; lists of recipients are added together (RFC 5322 §4.5.3).
    fn take(&mut self, name: &[u8], value: &[u8]) {
        let text = |slot: &mut Option<Vec<u8>>| {
            slot.get_or_insert_with(|| unfold(value));
        };
        let first = |list: &mut Vec<Address>| {
            if list.is_empty() {
                *list = addresses(value);
            }
        };
        let more = |list: &mut Vec<Address>| address::append(value, list, limits::ADDRESSES);
        match name.to_ascii_lowercase().as_slice() {
            b"date" => text(&mut self.date),
            b"subject" => text(&mut self.subject),
            b"from" => first(&mut self.from),
            b"sender" => first(&mut self.sender),
            b"reply-to" => first(&mut self.reply_to),
            b"to" => more(&mut self.to),
            b"cc" => more(&mut self.cc),
            b"bcc" => more(&mut self.bcc),
            b"in-reply-to" => text(&mut self.in_reply_to),
            b"message-id" => text(&mut self.message_id),
            _ => {}
        }
    }
}

impl Address {
    fn weight(&self) -> usize {
        let texts = match self {
            Address::Mailbox { name, route, mailbox, host } => {
                let optional = [name, route].into_iter().flatten().map(|t| ALLOCATION + t.len()).sum::<usize>();
                optional + 2 * ALLOCATION + mailbox.len() + host.len()
            }
            Address::GroupStart(name) => ALLOCATION + name.len(),
            Address::GroupEnd => 0,
        };
        size_of::<Address>() + texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(name: Option<&str>, mailbox: &str, host: &str) -> Address {
        let name = name.map(|n| n.as_bytes().to_vec());
        Address::Mailbox { name, route: None, mailbox: mailbox.into(), host: host.into() }
    }

    /// The message of RFC 3501 §8.
    #[test]
    fn example_of_rfc_3501() {
        let header = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
            Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\
            Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n";
        let gray = vec![mailbox(Some("Terry Gray"), "gray", "cac.washington.edu")];
        let expected = Envelope {
            date: Some(b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)".to_vec()),
            subject: Some(b"IMAP4rev1 WG mtg summary and minutes".to_vec()),
            from: gray.clone(),
            sender: gray.clone(),
            reply_to: gray,
            to: vec![mailbox(None, "imap", "cac.washington.edu")],
            cc: vec![
                mailbox(None, "minutes", "CNRI.Reston.VA.US"),
                mailbox(Some("John Klensin"), "KLENSIN", "MIT.EDU"),
            ],
            bcc: vec![],
            in_reply_to: None,
            message_id: Some(b"<B27397-0100000@cac.washington.edu>".to_vec()),
        };
        assert_eq!(Envelope::parse(header), expected);
    }

    #[test]
    fn repeated_and_empty_fields() {
        let envelope = Envelope::parse(
            b"From: a@b\nFrom: c@d\nSender:\nReply-To: (x)\nTo: e@f\nto: g@h\nSubject:\nSubject: two\nIn-Reply-To: <1>\n <2>\n",
        );
        assert_eq!(envelope.from, [mailbox(None, "a", "b")]);
        assert_eq!(envelope.sender, envelope.from);
        assert_eq!(envelope.reply_to, envelope.from);
        assert_eq!(envelope.to, [mailbox(None, "e", "f"), mailbox(None, "g", "h")]);
        assert_eq!(envelope.subject.as_deref(), Some(&b""[..]));
        assert_eq!(envelope.in_reply_to.as_deref(), Some(&b"<1> <2>"[..]));
        assert_eq!(envelope.date, None);
    }

    #[test]
    fn recipients_of_many_fields_stay_within_the_limit() {
        let header = "To: a@b, c@d, group: e@f\n".repeat(limits::ADDRESSES);
        let to = Envelope::parse(header.as_bytes()).to;
        assert!(to.len() <= limits::ADDRESSES && to.len() + 2 > limits::ADDRESSES);
        let opened = to.iter().filter(|a| matches!(a, Address::GroupStart(_))).count();
        assert_eq!(opened, to.iter().filter(|a| matches!(a, Address::GroupEnd)).count());
    }
}
