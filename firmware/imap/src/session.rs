//! The server's side of one IMAP conversation (RFC 3501 §2.2.2, §3): bytes in, replies out.

use crate::answer::{Answer, Status};
use crate::codec::command::Tag;
use crate::codec::encode::put;
use crate::codec::framing::{Expect, Frame, Framer, Literal};
use crate::codec::{Lexer, parse};
use crate::commands::{self, Outcome, Step, capability};
use crate::commands::{append::Appending, authenticate::Authenticating, fetch, list, search, store as store_flags};
use crate::view::{Enabled, View};
use crate::{Context, limits};
use auth::sasl::ChannelBinding;
use conversation::{HIGH_WATER, Next, Peer, Security};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::{StoreError, Watch};

/// One IMAP conversation; see [`conversation::Session`].
pub struct Session {
    pub(crate) context: Arc<Context>,
    pub(crate) peer: Peer,
    pub(crate) waker: store::Waker,
    pub(crate) state: State,
    doing: Doing,
    framer: Framer,
    /// Bytes that came and are not dealt with yet.
    input: Vec<u8>,
    /// BAD answers in a row.
    bad: u32,
    pub(crate) failed_logins: u32,
}

/// The states of RFC 3501 §3, with what is true in them.
#[derive(Debug)]
pub(crate) enum State {
    NotAuthenticated,
    Authenticated(User),
    Selected(User, View),
    Logout,
}

/// Who logged in and which extensions were enabled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub account: auth::AccountId,
    pub enabled: Enabled,
}

/// What the next bytes, or the next call, belong to.
#[derive(Default)]
pub(crate) enum Doing {
    /// Commands are read.
    #[default]
    Nothing,
    /// A command goes on in slices; no bytes are looked at before it ends.
    Working(Tag, parse::Name, Box<Job>),
    /// AUTHENTICATE waits for an answer.
    Authenticating(Tag, Box<Authenticating>),
    /// IDLE waits for DONE; the watch wakes it.
    Idling(Tag, Option<Watch>),
    /// The message of APPEND streams by.
    Appending(Tag, Box<Appending>),
    /// The rest of a refused command is thrown away; then it is answered.
    Refusing(Option<Tag>, Answer),
}

/// Commands that work in slices.
pub(crate) enum Job {
    Fetch(fetch::Job),
    Search(search::Job),
    Store(store_flags::Job),
    List(list::Job),
}

/// What becomes of an announced literal.
enum Verdict {
    Collect,
    Stream(Tag, Box<Appending>),
    Refuse(Option<Tag>, Answer),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("peer", &self.peer).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Session {
    /// A session with this peer; `waker` is called when [`conversation::Session::wake`] should be.
    pub fn new(context: Arc<Context>, peer: Peer, waker: store::Waker) -> Session {
        Session {
            context,
            peer,
            waker,
            state: State::NotAuthenticated,
            doing: Doing::Nothing,
            framer: Framer::new(limits::COMMAND_BEFORE_LOGIN),
            input: Vec::new(),
            bad: 0,
            failed_logins: 0,
        }
    }

    /// Somebody logged in.
    pub(crate) fn log_in(&mut self, account: auth::AccountId) {
        self.state = State::Authenticated(User { account, enabled: Enabled::default() });
        self.framer.set_limit(limits::COMMAND);
    }

    /// The capabilities of the moment.
    pub(crate) fn capabilities(&self) -> String {
        capability::list(&self.peer.security, &self.context.directory, !matches!(self.state, State::NotAuthenticated))
    }

    /// Octets of memory for bytes that wait.
    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.input.capacity() + self.framer.text().len()
    }

    /// Ends the conversation with an untagged BYE (RFC 3501 §7.1.5).
    pub(crate) fn bye(&mut self, text: &str, out: &mut Vec<u8>) {
        put!(out, "* BYE {text}\r\n");
        self.state = State::Logout;
        self.doing = Doing::Nothing;
    }

    /// Deals with the bytes that wait, then with these.
    fn take_in(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        let waiting = std::mem::take(&mut self.input);
        let joined = if waiting.is_empty() { Vec::new() } else { [&waiting, bytes].concat() };
        let mut rest = if waiting.is_empty() { bytes } else { &joined[..] };
        let next = self.pump(&mut rest, now, out);
        self.input = match next {
            // RFC 3501 §6.2.1: what came before the handshake is not trusted.
            Next::StartTls | Next::Close => Vec::new(),
            _ => rest.to_vec(),
        };
        next
    }

    /// Goes on as far as the bytes and the room for replies allow.
    fn pump(&mut self, rest: &mut &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        loop {
            if matches!(self.state, State::Logout) {
                return Next::Close;
            }
            if out.len() > HIGH_WATER {
                return Next::Resume;
            }
            if matches!(self.doing, Doing::Working(..)) {
                match self.work(out) {
                    Some(next) => return next,
                    None => continue,
                }
            }
            let expect = match self.doing {
                Doing::Authenticating(..) | Doing::Idling(..) => Expect::Line,
                _ => Expect::Command,
            };
            match self.framer.advance(rest, expect) {
                Frame::Incomplete => return Next::Read,
                Frame::Octets(octets) => {
                    if let Doing::Appending(_, appending) = &mut self.doing {
                        appending.take(octets);
                    }
                }
                Frame::Announced(literal) => self.announced(literal, now, out),
                Frame::Refused => self.refused(out),
                Frame::Complete => {
                    if let Some(next) = self.complete(now, out) {
                        return next;
                    }
                }
            }
        }
    }

    /// One slice of a command that works in slices. `None`: it has ended.
    fn work(&mut self, out: &mut Vec<u8>) -> Option<Next> {
        let Doing::Working(_, _, job) = &mut self.doing else { return None };
        let store = &self.context.store;
        let step = match (&mut **job, &mut self.state) {
            (Job::List(job), _) => job.step(store, out),
            (Job::Fetch(job), State::Selected(user, view)) => job.step(store, view, user.enabled, out),
            (Job::Search(job), State::Selected(_, view)) => job.step(store, view, out),
            (Job::Store(job), State::Selected(user, view)) => job.step(store, view, user.enabled, out),
            _ => Step::Broken,
        };
        match step {
            Step::More => Some(Next::Resume),
            Step::Done(answer) => {
                if let Doing::Working(tag, name, _) = std::mem::take(&mut self.doing) {
                    self.finish(&tag, name, answer, out);
                }
                None
            }
            Step::Broken => {
                // In the middle of a literal there is no way to say what happened.
                self.state = State::Logout;
                self.doing = Doing::Nothing;
                None
            }
        }
    }

    /// Ends a command: reports what happened meanwhile, then answers (RFC 3501 §7: untagged data comes before the answer).
    fn finish(&mut self, tag: &str, name: parse::Name, answer: Answer, out: &mut Vec<u8>) {
        if let State::Selected(user, view) = &mut self.state {
            let expunge = commands::rule(name).expunge;
            match view.catch_up(&self.context.store, expunge, user.enabled, out) {
                Ok(()) => {}
                // RFC 2180 §3.3
                Err(StoreError::NoSuchMailbox) => return self.bye("The selected mailbox was deleted", out),
                Err(error) => tracing::error!(%error, "imap: cannot read changes"),
            }
        }
        self.answer(Some(tag), answer, out);
    }

    /// Answers a command and counts what was not understood.
    fn answer(&mut self, tag: Option<&str>, answer: Answer, out: &mut Vec<u8>) {
        answer.write(tag.unwrap_or("*"), out);
        self.bad = if answer.status == Status::Bad { self.bad + 1 } else { 0 };
        if self.bad >= limits::BAD_COMMANDS {
            self.bye("Too many commands that are not understood", out);
        }
    }

    /// A whole command, or a whole line of AUTHENTICATE or IDLE, has come.
    fn complete(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Option<Next> {
        let text = self.framer.take();
        match std::mem::take(&mut self.doing) {
            Doing::Authenticating(tag, exchange) => {
                let outcome = exchange.answered(self, &text, now, out);
                self.settle(tag, parse::Name::Authenticate, outcome, out)
            }
            Doing::Idling(tag, _watch) => {
                let done = text.trim_ascii().eq_ignore_ascii_case(b"DONE");
                let answer = if done { Answer::ok("IDLE completed") } else { Answer::bad("Expected DONE") };
                self.finish(&tag, parse::Name::Idle, answer, out);
                None
            }
            Doing::Appending(tag, appending) => {
                let answer = appending.finish(&self.context.store, &text);
                self.finish(&tag, parse::Name::Append, answer, out);
                None
            }
            _ => self.command(&text, now, out),
        }
    }

    /// Reads and executes one command.
    fn command(&mut self, text: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Option<Next> {
        let mut lexer = Lexer::new(text);
        let Some(tag) = parse::tag(&mut lexer) else {
            self.answer(None, Answer::bad("A command begins with a tag"), out);
            return None;
        };
        let understood = self.name(&mut lexer).and_then(|name| Ok((name, parse::arguments(name, &mut lexer)?)));
        match understood {
            Ok((name, command)) => {
                let outcome = commands::execute(self, &tag, command, now, out);
                self.settle(tag, name, outcome, out)
            }
            Err(answer) => {
                self.answer(Some(&tag), answer, out);
                None
            }
        }
    }

    /// Reads a command's name and checks that it is allowed in this state.
    fn name(&self, lexer: &mut Lexer<'_>) -> Result<parse::Name, Answer> {
        let name = parse::name(lexer)?;
        if commands::rule(name).legal.allows(&self.state) {
            Ok(name)
        } else {
            Err(Answer::bad("Command not allowed in this state"))
        }
    }

    /// Does what the command's outcome asks for.
    fn settle(&mut self, tag: Tag, name: parse::Name, outcome: Outcome, out: &mut Vec<u8>) -> Option<Next> {
        match outcome {
            Outcome::Done(answer) => self.finish(&tag, name, answer, out),
            Outcome::Work(job) => self.doing = Doing::Working(tag, name, job),
            Outcome::Authenticate(exchange) => self.doing = Doing::Authenticating(tag, exchange),
            Outcome::Idle(watch) => self.doing = Doing::Idling(tag, watch),
            Outcome::LogOut(answer) => {
                self.bye("Logging out", out);
                answer.write(&tag, out);
            }
            Outcome::Refused(answer, delay) => {
                answer.write(&tag, out);
                if self.failed_logins >= limits::FAILED_LOGINS {
                    self.bye("Too many failed logins", out);
                }
                return Some(Next::Delay(delay));
            }
            Outcome::StartTls(answer) => {
                answer.write(&tag, out);
                return Some(Next::StartTls);
            }
            Outcome::Bye(text) => self.bye(text, out),
        }
        None
    }

    /// A literal is announced: it is taken in, streams into the store, or is refused before it is read.
    fn announced(&mut self, literal: Literal, now: SystemTime, out: &mut Vec<u8>) {
        match self.judge(literal, now) {
            Verdict::Collect => self.framer.collect(),
            Verdict::Stream(tag, appending) => {
                self.doing = Doing::Appending(tag, appending);
                self.framer.stream();
            }
            Verdict::Refuse(..) if !literal.synchronizing && literal.size > limits::DISCARD => {
                return self.bye("[TOOBIG] Literal far too large", out);
            }
            Verdict::Refuse(tag, answer) => {
                self.framer.refuse();
                self.doing = Doing::Nothing;
                if literal.synchronizing {
                    self.answer(tag.as_deref(), answer, out);
                } else {
                    self.doing = Doing::Refusing(tag, answer);
                }
                return;
            }
        }
        if literal.synchronizing {
            out.extend_from_slice(b"+ Ready for the literal\r\n");
        }
    }

    fn judge(&self, literal: Literal, now: SystemTime) -> Verdict {
        if let Doing::Appending(tag, _) = &self.doing {
            return Verdict::Refuse(Some(tag.clone()), Answer::bad("Only one message can be appended at a time"));
        }
        let mut lexer = Lexer::new(self.framer.text());
        let Some(tag) = parse::tag(&mut lexer) else {
            return Verdict::Refuse(None, Answer::bad("A command begins with a tag"));
        };
        match self.judge_tagged(&mut lexer, literal, now) {
            Ok(None) => Verdict::Collect,
            Ok(Some(appending)) => Verdict::Stream(tag, Box::new(appending)),
            Err(answer) => Verdict::Refuse(Some(tag), answer),
        }
    }

    fn judge_tagged(
        &self,
        lexer: &mut Lexer<'_>,
        literal: Literal,
        now: SystemTime,
    ) -> Result<Option<Appending>, Answer> {
        let name = self.name(lexer)?;
        if let (parse::Name::Append, Some(user)) = (name, self.state.user()) {
            lexer.sp()?;
            // The literal may also be the mailbox name.
            if let Some(arguments) = parse::append(lexer)? {
                let before = self.framer.text().len();
                return Appending::begin(&self.context.store, user, arguments, literal.size, before, now).map(Some);
            }
        }
        if literal.size > limits::LITERAL.min(self.framer.room()) {
            return Err(Answer::bad("Literal too large").with_code("TOOBIG"));
        }
        Ok(None)
    }

    /// A command of which something was refused has ended.
    fn refused(&mut self, out: &mut Vec<u8>) {
        let text = self.framer.take();
        let too_long = || Answer::bad("Command line too long").with_code("LIMIT");
        match std::mem::take(&mut self.doing) {
            Doing::Refusing(tag, answer) => self.answer(tag.as_deref(), answer, out),
            Doing::Authenticating(tag, _) | Doing::Idling(tag, _) | Doing::Appending(tag, _) => {
                self.answer(Some(&tag), too_long(), out);
            }
            Doing::Nothing | Doing::Working(..) => {
                let tag = parse::tag(&mut Lexer::new(&text));
                self.answer(tag.as_deref(), too_long(), out);
            }
        }
    }
}

impl State {
    /// Who logged in.
    pub fn user(&self) -> Option<User> {
        match self {
            State::Authenticated(user) | State::Selected(user, _) => Some(*user),
            State::NotAuthenticated | State::Logout => None,
        }
    }
}

impl conversation::Session for Session {
    fn greet(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        put!(out, "* OK [CAPABILITY {}] {} Roost ready\r\n", self.capabilities(), self.context.host);
        Next::Read
    }

    fn receive(&mut self, bytes: &[u8], now: SystemTime, out: &mut Vec<u8>) -> Next {
        self.take_in(bytes, now, out)
    }

    fn resume(&mut self, now: SystemTime, out: &mut Vec<u8>) -> Next {
        self.take_in(&[], now, out)
    }

    fn secured(&mut self, binding: ChannelBinding, _now: SystemTime, _out: &mut Vec<u8>) -> Next {
        self.peer.security = Security::Tls(binding);
        self.input = Vec::new();
        Next::Read
    }

    fn wake(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        if let (Doing::Idling(..), State::Selected(user, view)) = (&self.doing, &mut self.state) {
            match view.catch_up(&self.context.store, true, user.enabled, out) {
                Ok(()) => {}
                Err(StoreError::NoSuchMailbox) => {
                    self.bye("The selected mailbox was deleted", out);
                    return Next::Close;
                }
                Err(error) => tracing::error!(%error, "imap: cannot read changes"),
            }
        }
        Next::Read
    }

    fn account(&self) -> Option<auth::AccountId> {
        self.state.user().map(|user| user.account)
    }

    fn idle_limit(&self) -> Duration {
        match self.state {
            State::NotAuthenticated => limits::IDLE_BEFORE_LOGIN,
            _ => limits::IDLE,
        }
    }

    fn timed_out(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        self.bye("Idle for too long", out);
        Next::Close
    }

    fn shutting_down(&mut self, _now: SystemTime, out: &mut Vec<u8>) -> Next {
        match &self.doing {
            Doing::Working(_, _, job) if matches!(&**job, Job::Fetch(job) if job.in_response()) => {}
            _ => self.bye("The server is shutting down", out),
        }
        self.state = State::Logout;
        Next::Close
    }
}
