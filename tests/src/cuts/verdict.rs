//! Holds what is there after a power cut against what was told before it.

use super::Place;
use super::look::{Row, Seen};
use super::model::{Ask, Flags, Item, Model, Number, State, Uid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Flags outlive a power cut that comes so long after their acknowledgement: what the store promises, and a second in which an
/// emulated board does what is due.
pub const FLAGS_WITHIN: Duration = store::limits::LAZY_FLUSH.saturating_add(Duration::from_secs(1));

/// What a power cut did.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What must not be.
    pub faults: Vec<String>,
    /// Messages that are there.
    pub kept: usize,
    /// Operations without acknowledgement that happened, and that did not.
    pub happened: usize,
    /// See [`Verdict::happened`].
    pub missing: usize,
    /// Acknowledged changes of flags that were taken back, as they may.
    pub flags_lost: usize,
    /// Mailboxes whose MODSEQ was taken back with them.
    pub modseqs_lost: usize,
}

/// Judges, and makes the model what is there, so that all can go on. `cut`: when the power was cut.
pub fn judge(model: &mut Model, seen: &BTreeMap<Place, Seen>, cut: Instant) -> Verdict {
    let mut judge = Judge { strange: BTreeMap::new(), wanted: BTreeMap::new(), verdict: Verdict::default(), seen, cut };
    judge.mailboxes(model);
    judge.deliveries(model);
    for (client, (_, ask)) in std::mem::take(&mut model.asked) {
        judge.asked(model, client, ask);
    }
    let strange = std::mem::take(&mut judge.strange);
    for ((place, number), uids) in strange.iter().filter(|(_, uids)| !uids.is_empty()) {
        judge.fault(format!("message {number} is in {place} as UID {uids:?} and should not be"));
    }
    judge.items(model);
    judge.verdict
}

struct Judge<'a> {
    seen: &'a BTreeMap<Place, Seen>,
    cut: Instant,
    /// UIDs that the model does not know, by message; ascending.
    strange: BTreeMap<(Place, Number), Vec<Uid>>,
    /// The flags that a STORE which was not acknowledged was to make, and which such STORE.
    wanted: BTreeMap<(Place, Uid), (usize, Flags)>,
    verdict: Verdict,
}

impl Judge<'_> {
    fn fault(&mut self, what: String) {
        self.verdict.faults.push(what);
    }

    fn has(&self, place: Place, uid: Uid) -> bool {
        self.seen.get(&place).is_some_and(|seen| seen.rows.contains_key(&uid))
    }

    fn row(&self, place: Place, uid: Uid) -> Option<&Row> {
        self.seen.get(&place)?.rows.get(&uid)
    }

    /// An operation that was not acknowledged.
    fn open(&mut self, happened: bool) {
        let count = if happened { &mut self.verdict.happened } else { &mut self.verdict.missing };
        *count += 1;
    }

    /// The numbers of mailboxes, and which of their messages are new.
    fn mailboxes(&mut self, model: &mut Model) {
        let all = self.seen;
        for (place, seen) in all {
            let mailbox = model.mailbox(*place);
            if mailbox.validity.is_some_and(|before| before != seen.validity) {
                self.fault(format!("UIDVALIDITY of {place} was {:?}, is {}", mailbox.validity, seen.validity));
            }
            let highest = mailbox.told.keys().next_back().map_or(1, |uid| uid + 1).max(mailbox.uid_next);
            if seen.uid_next < highest {
                self.fault(format!("UIDNEXT of {place} is {}, was {highest}", seen.uid_next));
            }
            if seen.modseq < mailbox.modseq {
                self.fault(format!("HIGHESTMODSEQ of {place} is {}, was {}", seen.modseq, mailbox.modseq));
            }
            self.verdict.modseqs_lost += usize::from(seen.modseq < mailbox.told_modseq);
            for (uid, row) in &seen.rows {
                if *uid >= seen.uid_next || row.modseq > seen.modseq {
                    self.fault(format!("UID {uid} of {place}: MODSEQ {} are above the mailbox's", row.modseq));
                }
                let number = match &row.number {
                    Ok(number) => *number,
                    Err(why) => {
                        self.fault(format!("UID {uid} of {place}: {why}"));
                        continue;
                    }
                };
                if mailbox.items.contains_key(uid) {
                    continue;
                }
                if let Some(old) = mailbox.told.get(uid) {
                    self.fault(format!(
                        "UID {uid} of {place} was message {old} that is gone; it is message {number} again"
                    ));
                } else if *uid < mailbox.uid_next {
                    self.fault(format!("UID {uid} of {place} came back, with message {number}"));
                }
                self.strange.entry((*place, number)).or_default().push(*uid);
            }
            mailbox.validity = Some(seen.validity);
            mailbox.uid_next = seen.uid_next;
            (mailbox.modseq, mailbox.told_modseq) = (seen.modseq, seen.modseq);
            mailbox.told.clear();
        }
    }

    fn take_strange(&mut self, place: Place, number: Number) -> Option<Uid> {
        let uids = self.strange.get_mut(&(place, number))?;
        if uids.is_empty() { None } else { Some(uids.remove(0)) }
    }

    fn deliveries(&mut self, model: &mut Model) {
        for ((account, number), delivery) in std::mem::take(&mut model.deliveries) {
            let place = Place::inbox(account);
            let found = self.take_strange(place, number);
            match found {
                Some(uid) => {
                    let item = Item::new(number, super::client_for(account, number), Flags::new());
                    model.mailbox(place).items.insert(uid, item);
                }
                None if delivery.told => self.fault(format!("message {number} was delivered to {place} and is lost")),
                None => {}
            }
            if !delivery.told {
                self.open(found.is_some());
            }
        }
    }

    fn asked(&mut self, model: &mut Model, client: usize, ask: Ask) {
        match ask {
            Ask::Append(place, number, flags) => {
                let found = self.take_strange(place, number);
                self.open(found.is_some());
                if let Some(uid) = found {
                    model.mailbox(place).items.insert(uid, Item::new(number, client, flags));
                }
            }
            Ask::Expunge(place, uids) => {
                let gone: Vec<bool> = uids.iter().map(|uid| !self.has(place, *uid)).collect();
                if let Some(gone) = self.whole(&gone, || format!("EXPUNGE of {uids:?} in {place}")) {
                    self.open(gone);
                }
                // What is there is judged as what nobody wanted to expunge.
                model.mailbox(place).items.retain(|uid, _| uids.binary_search(uid).is_err() || self.has(place, *uid));
            }
            Ask::Copy(from, uids, to, moved) => self.copied(model, from, &uids, to, moved),
            Ask::Store(place, flags) => {
                let store = self.wanted.values().map(|(store, _)| store + 1).max().unwrap_or(0);
                self.wanted.extend(flags.into_iter().map(|(uid, flags)| ((place, uid), (store, flags))));
            }
        }
    }

    /// All the same, or a fault.
    fn whole(&mut self, happened: &[bool], what: impl Fn() -> String) -> Option<bool> {
        let first = *happened.first()?;
        if happened.iter().any(|each| *each != first) {
            self.fault(format!("{} happened in part: {happened:?}", what()));
        }
        Some(first)
    }

    fn copied(&mut self, model: &mut Model, from: Place, uids: &[Uid], to: Place, moved: bool) {
        let items: Vec<(Uid, Item)> = {
            let known = &model.mailbox(from).items;
            uids.iter().filter_map(|uid| Some((*uid, known.get(uid)?.clone()))).collect()
        };
        let new: Vec<Option<Uid>> = items.iter().map(|(_, item)| self.take_strange(to, item.number)).collect();
        let name = || format!("{} of {uids:?} from {from} to {to}", if moved { "MOVE" } else { "COPY" });
        let happened: Vec<bool> = new.iter().map(Option::is_some).collect();
        let Some(done) = self.whole(&happened, name) else { return };
        self.open(done);
        if !done {
            return;
        }
        let there: Vec<Uid> = new.iter().flatten().copied().collect();
        if there.windows(2).any(|pair| pair[1] != pair[0] + 1) {
            self.fault(format!("{} made {there:?}", name()));
        }
        for ((old, item), uid) in items.iter().zip(new) {
            let Some(uid) = uid else { continue };
            if moved {
                model.mailbox(from).items.remove(old);
                if self.has(from, *old) {
                    self.fault(format!("{} left UID {old} behind", name()));
                }
            }
            model.mailbox(to).items.insert(uid, Item::new(item.number, item.client, item.flags().clone()));
        }
    }

    /// Every message that must be there, and its flags.
    fn items(&mut self, model: &mut Model) {
        let mut stores: BTreeMap<usize, Vec<(bool, Place, Uid)>> = BTreeMap::new();
        for (place, seen) in self.seen {
            let items = std::mem::take(&mut model.mailbox(*place).items);
            let mut kept = BTreeMap::new();
            for (uid, item) in items {
                let Some(row) = self.row(*place, uid).cloned() else {
                    self.fault(format!("UID {uid} of {place}, message {}, is lost: {:?}", item.number, item.states));
                    continue;
                };
                if row.number.as_ref().is_ok_and(|number| *number != item.number) {
                    self.fault(format!("UID {uid} of {place} was message {}, is {:?}", item.number, row.number));
                }
                if let Some((store, happened)) = self.flags(model, *place, seen.modseq, uid, &item, &row) {
                    stores.entry(store).or_default().push((happened, *place, uid));
                }
                let state = State { flags: row.flags, modseq: Some(row.modseq), told: None };
                kept.insert(uid, Item { states: vec![state], ..item });
            }
            self.verdict.kept += kept.len();
            model.mailbox(*place).items = kept;
        }
        for each in stores.into_values() {
            // IMAP changes messages that are not neighbours one run after another.
            if !each.is_sorted_by_key(|(happened, ..)| !happened) {
                self.fault(format!("STORE happened to some and not to those before them: {each:?}"));
            }
            self.open(each.iter().all(|(happened, ..)| *happened));
        }
    }

    /// Judges the flags of a message; whether an open STORE happened to it, if it could be seen.
    fn flags(
        &mut self,
        model: &Model,
        place: Place,
        highest: u64,
        uid: Uid,
        item: &Item,
        row: &Row,
    ) -> Option<(usize, bool)> {
        let last = item.states.len() - 1;
        // Changes are kept from the first on: those up to HIGHESTMODSEQ are there, the others are not.
        let kept = item.states.iter().rposition(|state| state.modseq.is_none_or(|modseq| modseq <= highest));
        let needed = item.states.iter().rposition(|state| model.must_be_kept(state, self.cut, FLAGS_WITHIN));
        let wanted = self.wanted.get(&(place, uid)).filter(|(_, flags)| flags != item.flags()).cloned();
        let newer = item.states.iter().filter_map(|state| state.modseq).all(|modseq| modseq < row.modseq);
        let name = || format!("UID {uid} of {place}, message {}: {:?} at {}", item.number, row.flags, row.modseq);
        if let Some((store, flags)) = &wanted
            && newer
            && *flags == row.flags
            && kept == Some(last)
        {
            return Some((*store, true));
        }
        let state = kept.map(|kept| &item.states[kept]);
        if kept < needed {
            self.fault(format!("{} lost flags that count, HIGHESTMODSEQ {highest}: {:?}", name(), item.states));
        } else if state.is_none_or(|s| s.flags != row.flags || s.modseq.is_some_and(|modseq| modseq != row.modseq)) {
            self.fault(format!("{} is none of {:?}, nor {wanted:?}", name(), item.states));
        }
        self.verdict.flags_lost += last - kept.unwrap_or(last);
        wanted.map(|(store, _)| (store, false))
    }
}

/// What of it people read.
impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Verdict { kept, happened, missing, flags_lost, modseqs_lost, .. } = self;
        write!(f, "{kept} messages there; in flight: {happened} done, {missing} not; {flags_lost} late flags lost")?;
        if *modseqs_lost > 0 {
            write!(f, " with the MODSEQ of {modseqs_lost} mailboxes")?;
        }
        let unique: BTreeSet<&String> = self.faults.iter().collect();
        unique.iter().try_for_each(|fault| write!(f, "\nFAULT: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuts::session::flags as parsed;

    const BOX: Place = Place { account: 0, mailbox: 1 };
    const OTHER: Place = Place { account: 0, mailbox: 2 };

    fn flags(text: &str) -> Flags {
        parsed(&format!("FLAGS ({text})")).unwrap()
    }

    fn row(number: Number, text: &str, modseq: u64) -> Row {
        Row { number: Ok(number), flags: flags(text), modseq }
    }

    /// UIDs 1 to 5 are messages 1 to 5 without flags, in both mailboxes; all of it was looked at before.
    fn world() -> (Model, BTreeMap<Place, Seen>) {
        let rows: BTreeMap<Uid, Row> = (1..=5).map(|n| (n, row(n.into(), "", 2))).collect();
        let empty = Seen { validity: 9, uid_next: 1, modseq: 1, rows: BTreeMap::new() };
        let mut seen: BTreeMap<Place, Seen> = Place::all().map(|place| (place, empty.clone())).collect();
        let mut model = Model::default();
        for place in [BOX, OTHER] {
            for n in 1..=5 {
                model.put(place, n, Item::new(n.into(), 0, Flags::new()));
            }
            seen.insert(place, Seen { uid_next: 6, modseq: 2, rows: rows.clone(), ..empty.clone() });
        }
        assert_eq!(judge(&mut model, &seen, Instant::now()).faults, [""; 0]);
        (model, seen)
    }

    /// What is said when the mailboxes have become this.
    fn said(mut model: Model, seen: &BTreeMap<Place, Seen>) -> Verdict {
        assert_eq!(model.faults, [""; 0]);
        judge(&mut model, seen, Instant::now())
    }

    fn store(model: &mut Model, uid: Uid, text: &str, modseq: u64) {
        model.ask(0, Ask::Store(BOX, BTreeMap::from([(uid, flags(text))])));
        model.stored(0, &BTreeMap::from([(uid, (Some(flags(text)), modseq))]));
    }

    fn rows(seen: &mut BTreeMap<Place, Seen>, place: Place) -> &mut BTreeMap<Uid, Row> {
        &mut seen.get_mut(&place).unwrap().rows
    }

    #[test]
    fn what_is_lost_or_comes_back_or_is_doubled_is_a_fault() {
        let faults = |change: fn(&mut BTreeMap<Place, Seen>)| {
            let (mut model, mut seen) = world();
            model.ask(0, Ask::Copy(BOX, vec![1], OTHER, true));
            model.copied(0, 9, &[(1, 6)]);
            model.ask(0, Ask::Expunge(BOX, vec![2]));
            model.expunged(0);
            model.send(8, &[0]);
            model.sent(8, 0, 1);
            rows(&mut seen, BOX).retain(|uid, _| *uid > 2);
            rows(&mut seen, OTHER).insert(6, row(1, "", 3));
            rows(&mut seen, Place::inbox(0)).insert(1, row(8, "", 2));
            for (place, next) in [(BOX, 6), (OTHER, 7), (Place::inbox(0), 2)] {
                let mailbox = seen.get_mut(&place).unwrap();
                (mailbox.uid_next, mailbox.modseq) = (next, 4);
            }
            change(&mut seen);
            said(model, &seen).faults.join("\n")
        };
        assert_eq!(faults(|_| ()), "");
        assert!(faults(|seen| drop(rows(seen, BOX).remove(&4))).contains("message 4, is lost"));
        assert!(faults(|seen| drop(rows(seen, OTHER).remove(&6))).contains("message 1, is lost"));
        assert!(faults(|seen| rows(seen, Place::inbox(0)).clear()).contains("message 8 was delivered"));
        assert!(faults(|seen| drop(rows(seen, BOX).insert(1, row(1, "", 2)))).contains("UID 1 of 0:Archive came back"));
        assert!(faults(|seen| drop(rows(seen, BOX).insert(2, row(2, "", 2)))).contains("should not be"));
        assert!(faults(|seen| drop(rows(seen, BOX).insert(3, row(4, "", 2)))).contains("was message 3, is Ok(4)"));
        assert!(faults(|seen| drop(rows(seen, OTHER).insert(6, row(8, "", 2)))).contains("was message 1"));
        assert!(faults(|seen| seen.get_mut(&OTHER).unwrap().uid_next = 6).contains("UIDNEXT"));
        assert!(faults(|seen| seen.get_mut(&OTHER).unwrap().modseq = 1).contains("HIGHESTMODSEQ"));
        assert!(faults(|seen| seen.get_mut(&OTHER).unwrap().validity = 1).contains("UIDVALIDITY"));
        let damaged =
            |seen: &mut BTreeMap<Place, Seen>| rows(seen, BOX).get_mut(&5).unwrap().number = Err("bad".into());
        assert!(faults(damaged).contains("bad"));
        let twice = |seen: &mut BTreeMap<Place, Seen>| {
            rows(seen, Place::inbox(0)).insert(2, row(8, "", 2));
            seen.get_mut(&Place::inbox(0)).unwrap().uid_next = 3;
        };
        assert!(faults(twice).contains("message 8 is in 0:INBOX"));
    }

    #[test]
    fn what_was_not_acknowledged_happened_wholly_or_not() {
        let faults = |ask: Ask, change: &dyn Fn(&mut BTreeMap<Place, Seen>)| {
            let (mut model, mut seen) = world();
            model.ask(0, ask);
            for place in [BOX, OTHER] {
                let mailbox = seen.get_mut(&place).unwrap();
                (mailbox.uid_next, mailbox.modseq) = (9, 9);
            }
            change(&mut seen);
            let verdict = said(model, &seen);
            assert!(verdict.happened + verdict.missing == 1 || !verdict.faults.is_empty(), "{verdict}");
            verdict.faults.join("\n")
        };
        let moved = || Ask::Copy(BOX, vec![1, 2], OTHER, true);
        let move_to = |seen: &mut BTreeMap<Place, Seen>, uids: [Uid; 2]| {
            rows(seen, BOX).retain(|uid, _| *uid > 2);
            rows(seen, OTHER).extend([(uids[0], row(1, "", 9)), (uids[1], row(2, "", 9))]);
        };
        assert_eq!(faults(moved(), &|_| ()), "");
        assert_eq!(faults(moved(), &|seen| move_to(seen, [6, 7])), "");
        assert!(faults(moved(), &|seen| move_to(seen, [6, 8])).contains("made [6, 8]"));
        let half = |seen: &mut BTreeMap<Place, Seen>| drop(rows(seen, OTHER).insert(6, row(1, "", 9)));
        assert!(faults(moved(), &half).contains("in part"));
        assert!(faults(moved(), &|seen| rows(seen, BOX).retain(|uid, _| *uid > 2)).contains("is lost"));
        let copied = |seen: &mut BTreeMap<Place, Seen>| {
            rows(seen, OTHER).extend([(6, row(1, "", 9)), (7, row(2, "", 9))]);
        };
        assert!(faults(moved(), &copied).contains("left UID 1 behind"));
        assert_eq!(faults(Ask::Copy(BOX, vec![1, 2], OTHER, false), &copied), "");
        assert_eq!(faults(Ask::Expunge(BOX, vec![1, 2]), &|_| ()), "");
        assert_eq!(faults(Ask::Expunge(BOX, vec![1, 2]), &|seen| rows(seen, BOX).retain(|uid, _| *uid > 2)), "");
        assert!(faults(Ask::Expunge(BOX, vec![1, 2]), &|seen| drop(rows(seen, BOX).remove(&1))).contains("in part"));
        let append = || Ask::Append(BOX, 8, flags("\\Seen"));
        assert_eq!(faults(append(), &|_| ()), "");
        assert_eq!(faults(append(), &|seen| drop(rows(seen, BOX).insert(6, row(8, "\\Seen", 9)))), "");
        assert!(faults(append(), &|seen| drop(rows(seen, BOX).insert(6, row(8, "", 9)))).contains("is none of"));
        let store = || Ask::Store(BOX, BTreeMap::from([(1, flags("a")), (3, flags("b"))]));
        assert_eq!(faults(store(), &|_| ()), "");
        assert_eq!(faults(store(), &|seen| drop(rows(seen, BOX).insert(1, row(1, "a", 9)))), "");
        assert!(faults(store(), &|seen| drop(rows(seen, BOX).insert(3, row(3, "b", 9)))).contains("those before them"));
        assert!(faults(store(), &|seen| drop(rows(seen, BOX).insert(1, row(1, "b", 9)))).contains("is none of"));
    }

    /// One message is marked twice and another once; then a mailbox is there with all changes up to a MODSEQ.
    fn marked(durable: bool, kept: u64) -> Verdict {
        let (mut model, mut seen) = world();
        store(&mut model, 1, "a", 3);
        if durable {
            model.ask(1, Ask::Append(OTHER, 8, Flags::new()));
        }
        store(&mut model, 2, "b", 4);
        if durable {
            model.appended(1, 9, 6);
            rows(&mut seen, OTHER).insert(6, row(8, "", 3));
            let other = seen.get_mut(&OTHER).unwrap();
            (other.uid_next, other.modseq) = (7, 3);
        }
        store(&mut model, 1, "c", 5);
        let mailbox = seen.get_mut(&BOX).unwrap();
        mailbox.modseq = kept;
        for (uid, text, modseq) in [(1, "a", 3), (2, "b", 4), (1, "c", 5)] {
            if modseq <= kept {
                mailbox.rows.insert(uid, row(uid.into(), text, modseq));
            }
        }
        said(model, &seen)
    }

    #[test]
    fn flags_are_lost_from_the_last_change_backwards_or_not_at_all() {
        for (kept, lost) in [(5, 0), (4, 1), (3, 2), (2, 3)] {
            let verdict = marked(false, kept);
            assert_eq!((&verdict.faults[..], verdict.flags_lost), (&[][..], lost));
            assert_eq!(verdict.modseqs_lost, usize::from(lost > 0));
        }
        // What was told before something durable was begun counts; what came while it was in flight does not.
        assert!(marked(true, 5).faults.is_empty() && marked(true, 3).faults.is_empty());
        assert!(marked(true, 2).faults.join("").contains("lost flags that count"));
    }

    #[test]
    fn a_hole_in_the_flags_is_a_fault() {
        let (mut model, mut seen) = world();
        store(&mut model, 1, "a", 3);
        store(&mut model, 2, "b", 4);
        let mailbox = seen.get_mut(&BOX).unwrap();
        mailbox.modseq = 4;
        mailbox.rows.insert(2, row(2, "b", 4));
        assert!(said(model, &seen).faults.join("").contains("is none of"));
    }

    #[test]
    fn old_flags_count() {
        let (mut model, seen) = world();
        store(&mut model, 1, "a", 3);
        let soon = Instant::now() + FLAGS_WITHIN;
        let mut young = model.mailboxes[&BOX].items[&1].states[1].clone();
        assert!(model.must_be_kept(&young, soon, FLAGS_WITHIN));
        young.told = young.told.map(|(count, at)| (count, at + Duration::from_millis(200)));
        assert!(!model.must_be_kept(&young, soon, FLAGS_WITHIN));
        assert!(judge(&mut model, &seen, soon).faults.join("").contains("lost flags that count"));
    }
}
