//! What clients were told, and what they asked for without having been told yet.

use super::{MAILBOXES, Place, mail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A UID.
pub type Uid = u32;
/// The number of a message's text.
pub type Number = u64;
/// Flags, without `\Recent`.
pub type Flags = BTreeSet<String>;

/// What a message's flags were from some change on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The flags.
    pub flags: Flags,
    /// The MODSEQ of the change, if it was told.
    pub modseq: Option<u64>,
    /// When it was told, by the model's count and by the clock; `None`: it counts in any case.
    pub told: Option<(u64, Instant)>,
}

impl State {
    fn sure(flags: Flags) -> State {
        State { flags, modseq: None, told: None }
    }
}

/// A message in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which message.
    pub number: Number,
    /// The only client that changes it.
    pub client: usize,
    /// Its flags, as they changed; never empty.
    pub states: Vec<State>,
}

impl Item {
    /// A message that came into a mailbox by something durable.
    pub fn new(number: Number, client: usize, flags: Flags) -> Item {
        Item { number, client, states: vec![State::sure(flags)] }
    }

    /// The flags as last told.
    pub fn flags(&self) -> &Flags {
        &self.states[self.states.len() - 1].flags
    }

    fn modseq(&self) -> Option<u64> {
        self.states.iter().rev().find_map(|state| state.modseq)
    }
}

/// A mailbox.
#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    /// UIDVALIDITY, UIDNEXT and HIGHESTMODSEQ when it was last looked at after a start.
    pub validity: Option<u32>,
    /// See [`Mailbox::validity`].
    pub uid_next: Uid,
    /// See [`Mailbox::validity`].
    pub modseq: u64,
    /// The highest MODSEQ that was ever told.
    pub told_modseq: u64,
    /// Every UID that was told since then, with its message.
    pub told: BTreeMap<Uid, Number>,
    /// The messages.
    pub items: BTreeMap<Uid, Item>,
}

/// A message that was sent to INBOX and that nobody has seen there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Whether it was acknowledged.
    pub told: bool,
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The flags that these messages are to have.
    Store(Place, BTreeMap<Uid, Flags>),
    /// COPY; MOVE if the flag is set. UIDs ascending.
    Copy(Place, Vec<Uid>, Place, bool),
    /// UID EXPUNGE of messages that have `\Deleted`.
    Expunge(Place, Vec<Uid>),
    /// APPEND.
    Append(Place, Number, Flags),
}

/// How many of what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Acknowledged.
    pub delivered: u64,
    /// Acknowledged.
    pub appended: u64,
    /// Messages of acknowledged COPYs.
    pub copied: u64,
    /// Messages of acknowledged MOVEs.
    pub moved: u64,
    /// Messages of acknowledged STOREs.
    pub marked: u64,
    /// Messages of acknowledged EXPUNGEs.
    pub expunged: u64,
}

impl Counts {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.delivered + self.appended + self.copied + self.moved + self.marked + self.expunged
    }
}

/// Everything that is known.
#[derive(Debug)]
pub struct Model {
    /// The mailboxes.
    pub mailboxes: BTreeMap<Place, Mailbox>,
    /// By account and message.
    pub deliveries: BTreeMap<(usize, Number), Delivery>,
    /// What each client asked for and was not told yet; since when, by the model's count.
    pub asked: BTreeMap<usize, (u64, Ask)>,
    /// What was told before this is durable, because something durable that was begun then was acknowledged.
    pub durable: u64,
    /// What the server did that it must not do.
    pub faults: Vec<String>,
    /// Everything that happened, for people.
    pub history: String,
    /// How much was acknowledged.
    pub counts: Counts,
    texts: HashMap<Number, Arc<[u8]>>,
    next: Number,
    count: u64,
    began: Instant,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            mailboxes: Place::all().map(|place| (place, Mailbox::default())).collect(),
            deliveries: BTreeMap::new(),
            asked: BTreeMap::new(),
            durable: 0,
            faults: Vec::new(),
            history: String::new(),
            counts: Counts::default(),
            texts: HashMap::new(),
            next: 1,
            count: 0,
            began: Instant::now(),
        }
    }
}

impl Model {
    /// A mailbox.
    pub fn mailbox(&mut self, place: Place) -> &mut Mailbox {
        self.mailboxes.entry(place).or_default()
    }

    /// A line for people.
    pub fn note(&mut self, line: &str) {
        let at = self.began.elapsed().as_secs_f64();
        self.history += &format!("{at:9.3} {line}\n");
    }

    fn fault(&mut self, what: String) {
        self.note(&format!("FAULT: {what}"));
        self.faults.push(what);
    }

    fn tick(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A new message.
    pub fn compose(&mut self) -> (Number, Arc<[u8]>) {
        let number = self.next;
        self.next += 1;
        let text: Arc<[u8]> = mail::mail(number).into();
        self.texts.insert(number, text.clone());
        (number, text)
    }

    /// The text of a message that could be somewhere.
    pub fn text(&self, number: Number) -> Option<Arc<[u8]>> {
        self.texts.get(&number).cloned()
    }

    /// Forgets the texts of messages that are nowhere.
    pub fn forget_texts(&mut self) {
        let items = self.mailboxes.values().flat_map(|mailbox| mailbox.items.values());
        let mut kept: BTreeSet<Number> = items.map(|item| item.number).collect();
        kept.extend(self.deliveries.keys().map(|(_, number)| *number));
        self.texts.retain(|number, _| kept.contains(number));
    }

    /// The messages in a mailbox that a client takes care of, ascending, with their sizes.
    pub fn own(&self, client: usize, place: Place) -> Vec<(Uid, usize)> {
        let items = self.mailboxes[&place].items.iter().filter(|(_, item)| item.client == client);
        items.map(|(uid, item)| (*uid, self.texts.get(&item.number).map_or(0, |text| text.len()))).collect()
    }

    /// Messages, and octets of them, that a client takes care of.
    pub fn burden(&self, client: usize) -> (usize, usize) {
        let places = (0..MAILBOXES.len()).map(|mailbox| Place { account: super::account_of(client), mailbox });
        let own = places.flat_map(|place| self.own(client, place));
        own.fold((0, 0), |(count, octets), (_, size)| (count + 1, octets + size))
    }

    /// A delivery to these accounts is about to be sent; answers the model's count.
    pub fn send(&mut self, number: Number, accounts: &[usize]) -> u64 {
        self.note(&format!("lmtp: message {number} to {accounts:?}"));
        for account in accounts {
            self.deliveries.insert((*account, number), Delivery { told: false });
        }
        self.tick()
    }

    /// It was acknowledged for one of them.
    pub fn sent(&mut self, number: Number, account: usize, asked: u64) {
        self.note(&format!("lmtp: message {number} to {account} acknowledged"));
        // Somebody may have seen it before the answer came.
        if let Some(delivery) = self.deliveries.get_mut(&(account, number)) {
            delivery.told = true;
        }
        self.counts.delivered += 1;
        self.durable = self.durable.max(asked);
    }

    /// A client sees messages in its INBOX. What can be seen counts.
    pub fn found(&mut self, finder: usize, seen: &[(Uid, Number)]) {
        let account = super::account_of(finder);
        let place = Place::inbox(account);
        for (uid, number) in seen {
            if self.mailbox(place).items.contains_key(uid) {
                continue;
            }
            let client = super::client_for(account, *number);
            if self.deliveries.remove(&(account, *number)).is_some() {
                self.note(&format!("client {finder}: message {number} is UID {uid} of {place}, for client {client}"));
                self.put(place, *uid, Item::new(*number, client, Flags::new()));
            }
        }
    }

    /// A message has this UID.
    pub fn put(&mut self, place: Place, uid: Uid, item: Item) {
        let mailbox = self.mailbox(place);
        let again = uid < mailbox.uid_next || mailbox.told.contains_key(&uid);
        mailbox.told.insert(uid, item.number);
        mailbox.items.insert(uid, item);
        if again {
            self.fault(format!("UID {uid} of {place} was used before"));
        }
    }

    /// A client asks for something.
    pub fn ask(&mut self, client: usize, ask: Ask) {
        self.note(&format!("client {client}: {ask:?}"));
        let count = self.tick();
        self.asked.insert(client, (count, ask));
    }

    /// What a client asked for was refused.
    pub fn refused(&mut self, client: usize, why: &str) {
        let ask = self.asked.remove(&client);
        self.fault(format!("client {client}: {why} to {ask:?}"));
    }

    /// A client was told that all it asked for was done.
    fn done(&mut self, client: usize) -> Ask {
        let (asked, ask) = self.asked.remove(&client).expect("a client is answered after it asked");
        self.note(&format!("client {client}: done"));
        if !matches!(ask, Ask::Store(..)) {
            self.durable = self.durable.max(asked);
        }
        ask
    }

    /// STORE was acknowledged, and these flags (unless it was silent) and MODSEQs told.
    pub fn stored(&mut self, client: usize, told: &BTreeMap<Uid, (Option<Flags>, u64)>) {
        let Ask::Store(place, wanted) = self.done(client) else { return };
        let now = Some((self.tick(), Instant::now()));
        for (uid, flags) in wanted {
            self.counts.marked += 1;
            let Some((said, modseq)) = told.get(&uid) else {
                self.fault(format!("STORE says nothing of UID {uid} of {place}"));
                continue;
            };
            let mailbox = self.mailbox(place);
            mailbox.told_modseq = mailbox.told_modseq.max(*modseq);
            let Some(item) = mailbox.items.get_mut(&uid) else { continue };
            let (last, same) = (item.modseq(), *item.flags() == flags);
            let wrong = said.as_ref().is_some_and(|said| *said != flags)
                || last.is_some_and(|last| if same { *modseq != last } else { *modseq <= last });
            let end = item.states.len() - 1;
            match same {
                true => item.states[end].modseq = Some(*modseq),
                false => item.states.push(State { flags: flags.clone(), modseq: Some(*modseq), told: now }),
            }
            if wrong {
                self.fault(format!(
                    "UID {uid} of {place} has {said:?} and MODSEQ {modseq} instead of {flags:?} after {last:?}"
                ));
            }
        }
    }

    /// COPY or MOVE was acknowledged with these pairs of UIDs.
    pub fn copied(&mut self, client: usize, validity: u32, pairs: &[(Uid, Uid)]) {
        let Ask::Copy(from, uids, to, moved) = self.done(client) else { return };
        if self.mailbox(to).validity != Some(validity) || !pairs.iter().map(|pair| pair.0).eq(uids.iter().copied()) {
            self.fault(format!("COPYUID {validity} {pairs:?} for {uids:?} to {to}"));
        }
        let count = if moved { &mut self.counts.moved } else { &mut self.counts.copied };
        *count += pairs.len() as u64;
        for (old, new) in pairs {
            let items = &mut self.mailbox(from).items;
            let item = if moved { items.remove(old) } else { items.get(old).cloned() };
            if let Some(item) = item {
                self.put(to, *new, Item::new(item.number, item.client, item.flags().clone()));
            }
        }
    }

    /// UID EXPUNGE was acknowledged.
    pub fn expunged(&mut self, client: usize) {
        let Ask::Expunge(place, uids) = self.done(client) else { return };
        self.counts.expunged += uids.len() as u64;
        self.mailbox(place).items.retain(|uid, _| uids.binary_search(uid).is_err());
    }

    /// APPEND was acknowledged with this UID.
    pub fn appended(&mut self, client: usize, validity: u32, uid: Uid) {
        let Ask::Append(place, number, flags) = self.done(client) else { return };
        if self.mailbox(place).validity != Some(validity) {
            self.fault(format!("APPENDUID {validity} {uid} in {place}"));
        }
        self.counts.appended += 1;
        self.put(place, uid, Item::new(number, client, flags));
    }

    /// Whether flags that were told have to outlive a power cut at that time.
    pub fn must_be_kept(&self, state: &State, cut: Instant, within: Duration) -> bool {
        state.told.is_none_or(|(count, at)| count < self.durable || at + within <= cut)
    }
}
