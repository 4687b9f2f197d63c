//! APPEND (RFC 3501 §6.3.11, APPENDUID: RFC 4315 §3, limit: RFC 7889): the message streams into the store as it comes.

use super::{account, unix};
use crate::answer::{Answer, Status};
use crate::codec::command::Append;
use crate::limits;
use crate::session::User;
use ::store::{Draft, Store, Target};
use std::time::SystemTime;

/// A message on its way in.
pub struct Appending {
    /// Where it goes once it is whole.
    target: Target,
    /// The message so far, or why it is not taken.
    draft: Result<Draft, Answer>,
    /// Octets of the command before the message.
    before: usize,
}

impl Appending {
    /// Checks all that can be checked before the client sends `size` octets.
    pub fn begin(
        store: &Store,
        user: User,
        arguments: Append,
        size: u64,
        before: usize,
        now: SystemTime,
    ) -> Result<Appending, Answer> {
        if size == 0 {
            return Err(Answer { status: Status::No, code: None, text: "An empty message is no message".into() });
        }
        if size > limits::APPEND {
            return Err(Answer::no("TOOBIG", "The message is too large"));
        }
        let mailbox = store.mailbox(account(user), &arguments.mailbox?)?;
        let mailbox = mailbox.ok_or(Answer::no("TRYCREATE", "No such mailbox"))?;
        let target = Target {
            mailbox: mailbox.id,
            flags: arguments.flags,
            internal_date: arguments.date.map_or(unix(now), |date| date.unix),
            save_date: unix(now),
        };
        Ok(Appending { target, draft: Ok(store.draft()?), before })
    }

    /// Takes the next octets of the message. When the store refuses them, the rest is only counted.
    pub fn take(&mut self, octets: &[u8]) {
        if let Ok(draft) = &mut self.draft
            && let Err(error) = draft.write(octets)
        {
            self.draft = Err(error.into());
        }
    }

    /// The command has ended; `text` is all of it but the message.
    pub fn finish(self, store: &Store, text: &[u8]) -> Answer {
        if !text.get(self.before..).unwrap_or_default().trim_ascii().is_empty() {
            return Answer::bad("Unexpected text after the message");
        }
        let delivered = self.draft.and_then(|draft| Ok(store.deliver(draft, &[self.target])?));
        match delivered.map(|mut each| each.pop()) {
            Ok(Some(Ok(at))) => {
                Answer::ok("APPEND completed").with_code(format!("APPENDUID {} {}", at.uid_validity.0, at.uid.get()))
            }
            Ok(Some(Err(error))) => Answer::from(error).or_try_create(),
            Ok(None) => Answer::no("SERVERBUG", "The message was not stored"),
            Err(answer) => answer,
        }
    }
}
