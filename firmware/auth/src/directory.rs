//! The accounts in memory: which account an address belongs to, and whether a login is right.

use crate::account::{Account, AccountId, AppPassword};
use crate::address::{Address, Domain};
use crate::limits;
use crate::password::{self, PasswordHash, ScramKeys, Secret};
use crate::sasl::{ChannelBinding, Mechanism};
use crate::throttle::Throttle;
use smol_str::SmolStr;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// All accounts and domains, shared by every session; `settings` replaces its contents when the owner changes something.
pub struct Directory {
    contents: RwLock<Arc<Contents>>,
    throttle: Mutex<Throttle>,
    /// The chosen password that was last right, per account, as a keyed hash: programs that look for mail every minute
    /// must not cost an Argon2 run each time.
    remembered: Mutex<HashMap<AccountId, [u8; 32]>>,
    /// The login that [`Directory::lend`] last gave away.
    lent: Mutex<Option<Lent>>,
    /// Key of all hashes that live no longer than the process.
    secret: [u8; 32],
    /// Of what unknown users are shown, the same after a restart: salts that change would tell who does not exist.
    lasting: Secret,
    /// Names accounts in the throttle.
    names: RandomState,
}

/// The answer to a login attempt.
#[derive(Debug, Clone)]
pub enum Login {
    /// Right.
    Accepted(Arc<Account>),
    /// Unknown account or wrong password (indistinguishable, also in time); answer only after `delay`.
    Refused {
        /// How long.
        delay: Duration,
    },
    /// Too many failures from this address or for this account: not even checked; answer after `delay`.
    Throttled {
        /// How long.
        delay: Duration,
    },
}

/// A login that was given away.
struct Lent {
    account: AccountId,
    mark: [u8; 32],
    until: SystemTime,
}

#[derive(Default)]
struct Contents {
    by_id: HashMap<AccountId, Arc<Account>>,
    by_address: HashMap<Address, Arc<Account>>,
    /// Login names without domain; `None` if several accounts have it.
    by_local: HashMap<SmolStr, Option<Arc<Account>>>,
    domains: HashSet<Domain>,
    /// The domain that a login name without one is taken to be in, as far as strangers can tell.
    first_domain: Option<Domain>,
    /// Whether any account may log in with a chosen password: then every wrong login costs one Argon2 run.
    chosen_passwords: bool,
    /// Whether some device has another SCRAM salt than the first of its account, and so could not use SCRAM.
    mixed_salts: bool,
}

impl Default for Directory {
    fn default() -> Directory {
        Directory::new()
    }
}

impl Directory {
    /// An empty directory with a secret of its own, as tests need it.
    pub fn new() -> Directory {
        Directory::with_secret(Secret::generate())
    }
    /// An empty directory of the box that keeps this secret.
    pub fn with_secret(lasting: Secret) -> Directory {
        Directory {
            contents: RwLock::default(),
            throttle: Mutex::default(),
            remembered: Mutex::default(),
            lent: Mutex::default(),
            secret: password::random(),
            lasting,
            names: RandomState::new(),
        }
    }
    /// Replaces accounts and local domains. Sessions that are logged in keep their account until they ask again.
    pub fn replace(&self, accounts: Vec<Account>, domains: Vec<Domain>) {
        let contents = Arc::new(Contents::new(accounts, domains));
        lock(&self.remembered).retain(|id, _| contents.by_id.get(id) == self.account(*id).as_ref());
        *self.contents.write().unwrap_or_else(PoisonError::into_inner) = contents;
    }
    /// The account that receives for this address (main address or alias; `local+detail@` falls back to `local@`).
    pub fn resolve(&self, address: &Address) -> Option<Arc<Account>> {
        let contents = self.contents();
        let found = contents.by_address.get(address).cloned();
        found.or_else(|| contents.by_address.get(&address.without_detail()?).cloned())
    }
    /// Who reads what is sent to the postmaster (RFC 5321 §4.5.1): the account that has `postmaster` at a local domain as its
    /// address or alias, else the account with the lowest number; `None` while there is no account.
    pub fn postmaster(&self) -> Option<Arc<Account>> {
        let contents = self.contents();
        let mut domains: Vec<_> = contents.domains.iter().collect();
        domains.sort_unstable();
        let named = domains.into_iter().find_map(|domain| contents.by_address.get(&Address::postmaster(domain)));
        named.or_else(|| contents.by_id.values().min_by_key(|account| account.id)).cloned()
    }
    /// Whether mail for this domain stays here.
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.contents().domains.contains(domain)
    }
    /// The account with this number, as it is now; `None` once removed.
    pub fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.contents().by_id.get(&id).cloned()
    }
    /// Name and password for one login from this machine within a minute, as the account with the lowest number: whoever watches
    /// over the box can see that logging in works, without knowing anybody's password. `None` while there is no account.
    pub fn lend(&self, now: SystemTime) -> Option<(String, String)> {
        let contents = self.contents();
        let account = contents.by_id.values().min_by_key(|account| account.id)?;
        let random: [u8; 32] = password::random();
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mark = password::hmac_sha256(&self.secret, password.as_bytes());
        *lock(&self.lent) = Some(Lent { account: account.id, mark, until: now + limits::LENT });
        Some((account.address.to_string(), password))
    }
    /// Whether this is the lent login; it is used up.
    fn is_lent(&self, account: &Account, password: &str, peer: IpAddr, now: SystemTime) -> bool {
        let mark = password::hmac_sha256(&self.secret, password.as_bytes());
        let right = |lent: &mut Lent| lent.account == account.id && password::same(&lent.mark, &mark);
        peer.is_loopback() && lock(&self.lent).take_if(right).is_some_and(|lent| now < lent.until)
    }
    /// Checks a login name (the address; the bare local part is enough if only one account has it) and password.
    /// Failures are counted per peer address and per account.
    pub fn login(&self, user: &str, password: &str, peer: IpAddr, now: SystemTime) -> Login {
        let attempt = match self.attempt(user, peer, now) {
            Ok(attempt) => attempt,
            Err(delay) => return Login::Throttled { delay },
        };
        let contents = self.contents();
        let account = contents.find(user);
        if let Some(account) = account.filter(|account| self.is_lent(account, password, peer, now)) {
            attempt.succeeded(now);
            return Login::Accepted(account.clone());
        }
        let right = self.check(&contents, account.map(Arc::as_ref), password);
        match account.filter(|_| right) {
            Some(account) => {
                attempt.succeeded(now);
                Login::Accepted(account.clone())
            }
            None => Login::Refused { delay: attempt.failed(now) },
        }
    }
    /// SCRAM keys of the account's devices, in order; for an unknown user, keys that look real and never match, the same at every call.
    pub fn scram_keys(&self, user: &str) -> Vec<ScramKeys> {
        let contents = self.contents();
        match contents.find(user) {
            Some(account) if !account.app_passwords.is_empty() => {
                account.app_passwords.iter().map(|app| app.scram.clone()).collect()
            }
            Some(account) => vec![self.fake_keys(&account.address.to_string())],
            None => vec![self.fake_keys(&contents.plausible_name(user))],
        }
    }
    /// Whether this address sent as by `account` (main address or alias, also with a detail).
    pub fn owns(&self, account: &Account, address: &Address) -> bool {
        let has = |address: &Address| account.address == *address || account.aliases.contains(address);
        has(address) || address.without_detail().is_some_and(|base| has(&base))
    }
    /// The mechanisms to announce and to take on a connection that has TLS. While some account may log in with a chosen
    /// password, or some device has a salt of its own, SCRAM is left out: of chosen passwords only Argon2id is kept, one salt
    /// is all that SCRAM can send, and clients would prefer SCRAM and fail.
    pub fn mechanisms(&self, binding: &ChannelBinding) -> Vec<Mechanism> {
        let contents = self.contents();
        let scram = !contents.chosen_passwords && !contents.mixed_salts;
        let possible = |m: &Mechanism| scram || matches!(m, Mechanism::Plain | Mechanism::Login);
        Mechanism::offered(binding).into_iter().filter(possible).collect()
    }

    /// The account with this login name.
    pub(crate) fn find(&self, user: &str) -> Option<Arc<Account>> {
        self.contents().find(user).cloned()
    }
    /// Begins a login attempt that must end in `succeeded` or `failed`; `Err`: do not check, answer after this time.
    pub(crate) fn attempt(&self, user: &str, peer: IpAddr, now: SystemTime) -> Result<Attempt<'_>, Duration> {
        let contents = self.contents();
        // All names of an account share its failures.
        let name = match contents.find(user) {
            Some(account) => account.address.to_string(),
            None => contents.plausible_name(user),
        };
        let account = self.names.hash_one(name);
        lock(&self.throttle).begin(peer, account, now)?;
        Ok(Attempt { directory: self, peer, account })
    }

    /// Whether `password` is right, in a time that does not tell what was wrong.
    fn check(&self, contents: &Contents, account: Option<&Account>, password: &str) -> bool {
        if password.len() > limits::PASSWORD {
            return false;
        }
        if account.is_some_and(|account| account.has_app_password(password)) {
            return true;
        }
        match account.and_then(|account| Some((account.id, account.chosen_password()?))) {
            Some((id, hash)) => self.check_chosen(id, hash, password),
            None if contents.chosen_passwords => {
                password::pretend_to_verify(password);
                false
            }
            None => false,
        }
    }

    fn check_chosen(&self, id: AccountId, hash: &PasswordHash, password: &str) -> bool {
        // Bound to the hash it was checked against: a changed password is never answered from memory.
        let key = password::hmac_sha256(&self.secret, hash.as_str().as_bytes());
        let mark = password::hmac_sha256(&key, password.as_bytes());
        if lock(&self.remembered).get(&id).is_some_and(|known| password::same(known, &mark)) {
            return true;
        }
        let right = hash.verify(password);
        if right {
            lock(&self.remembered).insert(id, mark);
        }
        right
    }

    fn fake_keys(&self, name: &str) -> ScramKeys {
        let fake = |what: &str| self.lasting.keyed(&format!("{what} {name}"));
        ScramKeys {
            salt: fake("salt")[..16].to_vec(),
            iterations: limits::SCRAM_ITERATIONS,
            stored_key: fake("stored"),
            server_key: fake("server"),
        }
    }

    fn contents(&self) -> Arc<Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A login attempt that was begun.
pub(crate) struct Attempt<'a> {
    directory: &'a Directory,
    peer: IpAddr,
    account: u64,
}

impl Attempt<'_> {
    pub(crate) fn succeeded(self, now: SystemTime) {
        lock(&self.directory.throttle).succeeded(self.peer, self.account, now);
    }
    pub(crate) fn failed(self, now: SystemTime) -> Duration {
        lock(&self.directory.throttle).failed(self.peer, self.account, now)
    }
}

impl Contents {
    fn new(accounts: Vec<Account>, domains: Vec<Domain>) -> Contents {
        let mut contents = Contents { first_domain: domains.first().cloned(), ..Contents::default() };
        contents.domains.extend(domains);
        for account in accounts.into_iter().map(Arc::new) {
            contents.chosen_passwords |= account.chosen_password().is_some();
            let challenges = |app: &AppPassword| (app.scram.salt.clone(), app.scram.iterations);
            let first = account.app_passwords.first().map(challenges);
            contents.mixed_salts |= account.app_passwords.iter().any(|app| Some(challenges(app)) != first);
            contents.by_id.insert(account.id, account.clone());
            for address in account.aliases.iter().chain([&account.address]) {
                contents.by_address.entry(address.clone()).or_insert_with(|| account.clone());
                let same = |other: &Option<Arc<Account>>| other.as_ref().is_some_and(|other| other.id == account.id);
                let known =
                    contents.by_local.entry(SmolStr::new(address.local())).or_insert_with(|| Some(account.clone()));
                if !same(known) {
                    *known = None;
                }
            }
        }
        contents
    }
    fn find(&self, user: &str) -> Option<&Arc<Account>> {
        match user.contains('@') {
            true => self.by_address.get(&Address::parse(user.trim()).ok()?),
            // Parsed in some domain, for the rules of case and normal form.
            false => self.by_local.get(Address::parse(&format!("{}@x", user.trim())).ok()?.local())?.as_ref(),
        }
    }
    /// One name for the different spellings of an unknown login name, the way existing accounts have one.
    fn plausible_name(&self, user: &str) -> String {
        let whole = match &self.first_domain {
            Some(domain) if !user.contains('@') => format!("{}@{domain}", user.trim()),
            _ => user.trim().to_owned(),
        };
        Address::parse(&whole).map_or(whole, |address| address.to_string())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("accounts", &self.contents().by_id.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
