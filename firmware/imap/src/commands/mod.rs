//! One file per command; the table of their rules, and who does what.

pub mod append;
pub mod authenticate;
pub mod capability;
pub mod copy;
pub mod create;
pub mod enable;
pub mod expunge;
pub mod fetch;
pub mod id;
mod inside;
pub mod list;
pub mod login;
pub mod lsub;
mod matching;
mod names;
mod pattern;
pub mod search;
pub mod select;
mod starttls;
pub mod status;
pub mod store;

use crate::answer::Answer;
use crate::codec::command::{Command, Tag};
use crate::codec::parse::Name;
use crate::session::{Job, Session, State, User};
use crate::view::View;
use ::store::{Store, Watch};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// In which states a command is legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legal {
    Anytime,
    BeforeLogin,
    AfterLogin,
    Selected,
}

impl Legal {
    /// Whether this is one of them.
    pub fn allows(self, state: &State) -> bool {
        match state {
            State::Logout => false,
            State::NotAuthenticated => matches!(self, Legal::Anytime | Legal::BeforeLogin),
            State::Authenticated(..) => matches!(self, Legal::Anytime | Legal::AfterLogin),
            State::Selected(..) => self != Legal::BeforeLogin,
        }
    }
}

/// What holds for a command whatever its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Where it is legal (RFC 3501 §6).
    pub legal: Legal,
    /// Whether its answer may report EXPUNGE: numbers in it or in its answer would change their meaning
    /// (RFC 3501 §7.4.1). Commands by UID may.
    pub expunge: bool,
}

/// The table.
pub const fn rule(name: Name) -> Rule {
    use Legal::*;
    let (legal, expunge) = match name {
        Name::Capability => (Anytime, true),
        Name::Noop => (Anytime, true),
        Name::Logout => (Anytime, true),
        Name::Id => (Anytime, true),
        Name::StartTls => (BeforeLogin, true),
        Name::Authenticate => (BeforeLogin, true),
        Name::Login => (BeforeLogin, true),
        Name::Enable => (AfterLogin, true),
        Name::Select => (AfterLogin, true),
        Name::Examine => (AfterLogin, true),
        Name::Create => (AfterLogin, true),
        Name::Delete => (AfterLogin, true),
        Name::Rename => (AfterLogin, true),
        Name::Subscribe => (AfterLogin, true),
        Name::Unsubscribe => (AfterLogin, true),
        Name::List => (AfterLogin, true),
        Name::Lsub => (AfterLogin, true),
        Name::Namespace => (AfterLogin, true),
        Name::Status => (AfterLogin, true),
        Name::Append => (AfterLogin, true),
        Name::Idle => (AfterLogin, true),
        Name::Check => (Selected, true),
        Name::Close => (Selected, true),
        Name::Unselect => (Selected, true),
        Name::Expunge => (Selected, true),
        Name::UidExpunge => (Selected, true),
        Name::Search => (Selected, false),
        Name::UidSearch => (Selected, true),
        Name::Fetch => (Selected, false),
        Name::UidFetch => (Selected, true),
        Name::Store => (Selected, false),
        Name::UidStore => (Selected, true),
        Name::Copy => (Selected, true),
        Name::UidCopy => (Selected, true),
        Name::Move => (Selected, true),
        Name::UidMove => (Selected, true),
    };
    Rule { legal, expunge }
}

/// What becomes of a command.
pub enum Outcome {
    /// It is done: what happened meanwhile is told, then this.
    Done(Answer),
    /// It goes on in slices.
    Work(Box<Job>),
    /// AUTHENTICATE waits for the client.
    Authenticate(Box<authenticate::Authenticating>),
    /// IDLE waits for the client, or for the store.
    Idle(Option<Watch>),
    /// LOGOUT
    LogOut(Answer),
    /// A login failed; the answer is held back.
    Refused(Answer, Duration),
    /// The handshake follows.
    StartTls(Answer),
    /// The conversation cannot go on.
    Bye(&'static str),
}

/// What a slice of a long command came to.
pub enum Step {
    /// There is more to do.
    More,
    /// It is done.
    Done(Answer),
    /// A reply broke off in the middle.
    Broken,
}

/// Whose mail a command is about, and when.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub store: &'a Store,
    pub account: ::store::AccountId,
    pub now: i64,
}

/// Seconds since 1970.
pub fn unix(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs() as i64)
}

/// The store's number of an account.
pub fn account(user: User) -> ::store::AccountId {
    ::store::AccountId(user.account.0)
}

/// Executes a command that is legal in this state.
pub fn execute(session: &mut Session, tag: &Tag, command: Command, now: SystemTime, out: &mut Vec<u8>) -> Outcome {
    match command {
        Command::Capability => Outcome::Done(capability::run(&session.capabilities(), out)),
        Command::Noop => Outcome::Done(Answer::ok("NOOP completed")),
        Command::Logout => Outcome::LogOut(Answer::ok("LOGOUT completed")),
        Command::Id(fields) => Outcome::Done(id::run(&fields, session.peer.ip, out)),
        Command::StartTls => starttls::run(&session.peer.security),
        Command::Authenticate(mechanism, initial) => {
            authenticate::begin(session, &mechanism, initial.as_deref(), now, out)
        }
        Command::Login(user, password) => login::run(session, &user, &password, now),
        command => match session.state.user() {
            Some(user) if session.context.directory.account(user.account).is_some() => {
                let store = session.context.store.clone();
                let env = Env { store: &store, account: account(user), now: unix(now) };
                logged_in(session, env, user, tag, command, out)
            }
            _ => Outcome::Bye("This account was removed"),
        },
    }
}

/// Commands after login.
fn logged_in(
    session: &mut Session,
    env: Env<'_>,
    user: User,
    tag: &Tag,
    command: Command,
    out: &mut Vec<u8>,
) -> Outcome {
    let done = |result: Result<Answer, Answer>| Outcome::Done(result.unwrap_or_else(|refusal| refusal));
    match command {
        Command::Enable(words) => Outcome::Done(enable::run(&mut session.state, &words, out)),
        Command::Select(args) => select::run(session, env, args, false, out).unwrap_or_else(Outcome::Done),
        Command::Examine(args) => select::run(session, env, args, true, out).unwrap_or_else(Outcome::Done),
        Command::Create(name, uses) => done(create::create(env, name, &uses)),
        Command::Delete(name) => done(create::delete(env, name, &mut session.state)),
        Command::Rename(from, to) => done(create::rename(env, from, to)),
        Command::Subscribe(name) => done(lsub::subscribe(env, name, true)),
        Command::Unsubscribe(name) => done(lsub::subscribe(env, name, false)),
        Command::List(args) => match list::begin(env, args, out) {
            Ok(job) => Outcome::Work(Box::new(Job::List(job))),
            Err(answer) => Outcome::Done(answer),
        },
        Command::Lsub(pattern) => match lsub::begin(env, &pattern) {
            Ok(job) => Outcome::Work(Box::new(Job::List(job))),
            Err(answer) => Outcome::Done(answer),
        },
        Command::Namespace => {
            // RFC 2342 §5: one personal namespace, no others' and no shared ones.
            out.extend_from_slice(b"* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
            Outcome::Done(Answer::ok("NAMESPACE completed"))
        }
        Command::Status(name, items) => done(status::run(session, env, name, &items, out)),
        Command::Idle => idle(session, user, out),
        command => selected(session, env, tag, command, out),
    }
}

/// IDLE (RFC 2177). The watch is set before the log is read, so that no change falls in between.
fn idle(session: &mut Session, user: User, out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(b"+ idling\r\n");
    let State::Selected(_, view) = &mut session.state else { return Outcome::Idle(None) };
    let watch = session.context.store.watch(view.mailbox, session.waker.clone());
    if let Err(bye) = catch_up(view, &session.context.store, true, user, out) {
        return bye;
    }
    view.shrink();
    Outcome::Idle(Some(watch))
}

/// Tells what happened since the last time before a command goes on.
fn catch_up(view: &mut View, store: &Store, expunge: bool, user: User, out: &mut Vec<u8>) -> Result<(), Outcome> {
    match view.catch_up(store, expunge, user.enabled, out) {
        Ok(()) => {}
        Err(::store::StoreError::NoSuchMailbox) => return Err(Outcome::Bye("The selected mailbox was deleted")),
        Err(error) => tracing::error!(%error, "imap: cannot read changes"),
    }
    Ok(())
}

/// Commands about the selected mailbox.
fn selected(session: &mut Session, env: Env<'_>, tag: &Tag, command: Command, out: &mut Vec<u8>) -> Outcome {
    let State::Selected(user, view) = &mut session.state else {
        return Outcome::Done(Answer::bad("No mailbox is selected"));
    };
    // A client knows a UID from another of its connections before this one has told it of the message: passing over it as over one
    // that does not exist (RFC 3501 §6.4.8) would lose what the client asks for.
    if command.uids().is_some_and(|uids| view.is_behind(uids))
        && let Err(bye) = catch_up(view, env.store, false, *user, out)
    {
        return bye;
    }
    let done = |result: Result<Answer, Answer>| Outcome::Done(result.unwrap_or_else(|refusal| refusal));
    let work = |result: Result<Job, Answer>| result.map_or_else(Outcome::Done, |job| Outcome::Work(Box::new(job)));
    match command {
        Command::Check => Outcome::Done(Answer::ok("CHECK completed")),
        Command::Close => done(expunge::close(session, env.store)),
        Command::Unselect => {
            session.state = State::Authenticated(*user);
            Outcome::Done(Answer::ok("UNSELECT completed"))
        }
        Command::Expunge => done(expunge::run(env.store, view, user.enabled, None)),
        Command::UidExpunge(set) => done(expunge::run(env.store, view, user.enabled, Some(&set))),
        Command::Search(numbers, args) => work(search::begin(view, user, numbers, tag, args, out).map(Job::Search)),
        Command::Fetch(numbers, args) => work(fetch::begin(env.store, view, user, numbers, args, out).map(Job::Fetch)),
        Command::Store(numbers, args) => work(store::begin(view, user, numbers, args, out).map(Job::Store)),
        Command::Copy(numbers, set, to) => done(copy::copy(env, view, numbers, &set, to)),
        Command::Move(numbers, set, to) => done(copy::move_messages(env, view, numbers, &set, to, out)),
        _ => Outcome::Done(Answer::bad("Command not allowed in this state")),
    }
}

/// The answer to a set with a sequence number above the count (RFC 3501 §9 `seq-number`).
pub fn no_such_number() -> Answer {
    Answer::bad("No message has this number")
}
