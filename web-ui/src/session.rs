//! Who is logged in: random cookies, hashed in memory, that expire; and the token that ties every form to its cookie.

use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use settings::Name;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a session allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Knows the setup code, may choose the owner's password.
    Claiming,
    /// Knows the owner's password.
    Owner,
}

/// An app password that was just made: only the session that made it can see it, until it is put away.
#[derive(Clone)]
pub(crate) struct Fresh {
    pub(crate) address: auth::Address,
    pub(crate) device: Name,
    pub(crate) text: String,
}

/// The value of a cookie: 256 random bits.
#[derive(Clone)]
pub(crate) struct Ticket(String);

/// All sessions of this run of the daemon.
pub(crate) struct Sessions {
    /// Makes form tokens out of tickets.
    key: hmac::Key,
    live: Mutex<HashMap<Hash, Session>>,
}

/// SHA-256 of a ticket: what is in memory cannot be used as a cookie.
type Hash = [u8; 32];

struct Session {
    role: Role,
    begun: Instant,
    seen: Instant,
    fresh: Vec<Fresh>,
    /// A sentence for the next page.
    notice: Option<String>,
}

/// The system gave no random numbers.
#[derive(Debug)]
pub(crate) struct NoRandomness;

impl Ticket {
    /// A new one.
    pub(crate) fn random() -> Result<Ticket, NoRandomness> {
        Ok(Ticket(BASE64.encode(random()?)))
    }
    /// Takes a cookie's value if it may be a ticket.
    pub(crate) fn parse(value: &str) -> Option<Ticket> {
        let fits = value.len() == 43 && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        fits.then(|| Ticket(value.to_owned()))
    }
    /// As the cookie carries it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
    fn hash(&self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        hash
    }
}

impl Sessions {
    pub(crate) fn new() -> Result<Sessions, NoRandomness> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random()?);
        Ok(Sessions { key, live: Mutex::new(HashMap::new()) })
    }

    /// Begins a session; its ticket is always new, so a planted one is worth nothing.
    pub(crate) fn begin(&self, role: Role, now: Instant) -> Result<Ticket, NoRandomness> {
        let ticket = Ticket::random()?;
        let mut live = self.live();
        live.retain(|_, session| !session.expired(now));
        if live.len() >= limits::SESSIONS
            && let Some(oldest) = live.iter().min_by_key(|(_, session)| session.seen).map(|(hash, _)| *hash)
        {
            live.remove(&oldest);
        }
        live.insert(ticket.hash(), Session { role, begun: now, seen: now, fresh: Vec::new(), notice: None });
        Ok(ticket)
    }

    /// What the ticket allows; being asked keeps the session alive.
    pub(crate) fn role(&self, ticket: &Ticket, now: Instant) -> Option<Role> {
        let mut live = self.live();
        let session = live.get_mut(&ticket.hash())?;
        if session.expired(now) {
            live.remove(&ticket.hash());
            return None;
        }
        session.seen = now;
        Some(session.role)
    }

    /// Ends a session.
    pub(crate) fn end(&self, ticket: &Ticket) {
        self.live().remove(&ticket.hash());
    }

    /// Ends all sessions, as when the box has been claimed or the owner's password was changed.
    pub(crate) fn end_all(&self) {
        self.live().clear();
    }

    /// Remembers new app passwords until [`Sessions::put_away`].
    pub(crate) fn show(&self, ticket: &Ticket, fresh: impl IntoIterator<Item = Fresh>) {
        if let Some(session) = self.live().get_mut(&ticket.hash()) {
            session.fresh.extend(fresh);
            let surplus = session.fresh.len().saturating_sub(limits::FRESH);
            session.fresh.drain(..surplus);
        }
    }

    /// The new app passwords of this session.
    pub(crate) fn fresh(&self, ticket: &Ticket) -> Vec<Fresh> {
        self.live().get(&ticket.hash()).map(|session| session.fresh.clone()).unwrap_or_default()
    }

    /// Forgets new app passwords of one address; of one device of it, if named.
    pub(crate) fn put_away(&self, ticket: &Ticket, address: &auth::Address, device: Option<&str>) {
        if let Some(session) = self.live().get_mut(&ticket.hash()) {
            let gone = |f: &Fresh| f.address == *address && device.is_none_or(|device| f.device.as_str() == device);
            session.fresh.retain(|f| !gone(f));
        }
    }

    /// Leaves a sentence for the next page.
    pub(crate) fn notify(&self, ticket: &Ticket, sentence: String) {
        if let Some(session) = self.live().get_mut(&ticket.hash()) {
            session.notice = Some(sentence);
        }
    }

    /// Takes that sentence.
    pub(crate) fn notice(&self, ticket: &Ticket) -> Option<String> {
        self.live().get_mut(&ticket.hash()).and_then(|session| session.notice.take())
    }

    /// The token of the forms of whoever has this ticket, logged in or not.
    pub(crate) fn form_token(&self, ticket: &Ticket) -> String {
        BASE64.encode(hmac::sign(&self.key, ticket.0.as_bytes()))
    }

    /// Whether the token is the ticket's; takes the same time whatever is wrong.
    pub(crate) fn is_form_token(&self, ticket: &Ticket, token: &str) -> bool {
        BASE64.decode(token).is_ok_and(|tag| hmac::verify(&self.key, ticket.0.as_bytes(), &tag).is_ok())
    }

    fn live(&self) -> MutexGuard<'_, HashMap<Hash, Session>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn expired(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.seen) >= limits::SESSION_IDLE
            || now.saturating_duration_since(self.begun) >= limits::SESSION_AGE
    }
}

fn random() -> Result<[u8; 32], NoRandomness> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_session_ends_when_idle_and_when_old() {
        let (sessions, start) = (Sessions::new().unwrap(), Instant::now());
        let ticket = sessions.begin(Role::Owner, start).unwrap();
        let just_before = limits::SESSION_IDLE - Duration::from_secs(1);
        let mut now = start;
        while now + just_before < start + limits::SESSION_AGE {
            now += just_before;
            assert_eq!(sessions.role(&ticket, now), Some(Role::Owner));
        }
        assert_eq!(sessions.role(&ticket, start + limits::SESSION_AGE), None, "too old");
        let ticket = sessions.begin(Role::Claiming, start).unwrap();
        assert_eq!(sessions.role(&ticket, start + limits::SESSION_IDLE), None, "idle");
        assert_eq!(sessions.role(&ticket, start), None, "gone for good");
    }

    #[test]
    fn tickets_are_long_and_new_and_strangers_mean_nothing() {
        let (sessions, now) = (Sessions::new().unwrap(), Instant::now());
        let (a, b) = (sessions.begin(Role::Owner, now).unwrap(), sessions.begin(Role::Owner, now).unwrap());
        assert_ne!(a.as_str(), b.as_str());
        assert!(Ticket::parse(a.as_str()).is_some());
        for bad in ["", "short", &"a".repeat(44), &"=".repeat(43), &"é".repeat(22)] {
            assert!(Ticket::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(sessions.role(&Ticket::parse(&"a".repeat(43)).unwrap(), now), None);
        sessions.end(&a);
        assert_eq!(sessions.role(&a, now), None);
        assert_eq!(sessions.role(&b, now), Some(Role::Owner));
    }

    #[test]
    fn a_form_token_belongs_to_one_ticket() {
        let sessions = Sessions::new().unwrap();
        let (a, b) = (Ticket::random().unwrap(), Ticket::random().unwrap());
        let token = sessions.form_token(&a);
        assert!(sessions.is_form_token(&a, &token));
        assert!(!sessions.is_form_token(&b, &token));
        assert!(!sessions.is_form_token(&a, ""));
        assert!(!Sessions::new().unwrap().is_form_token(&a, &token), "another run of the daemon");
    }

    #[test]
    fn the_longest_unused_session_makes_room() {
        let (sessions, start) = (Sessions::new().unwrap(), Instant::now());
        let first = sessions.begin(Role::Owner, start).unwrap();
        for n in 1..=limits::SESSIONS as u64 {
            sessions.begin(Role::Claiming, start + Duration::from_secs(n)).unwrap();
        }
        assert_eq!(sessions.live().len(), limits::SESSIONS);
        assert_eq!(sessions.role(&first, start), None);
    }
}
