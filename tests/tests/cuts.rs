//! The proof of the store: the emulated board loses its power while mail is delivered, marked, moved and expunged, and its disk
//! forgets what it was not told to flush; whatever was acknowledged is there afterwards. Needs the developer image:
//! `make cuts`. CUTS says how often, SEED what is random about them. A failure leaves the disk, as it was when the power went and
//! as it is, with the console and all that clients did, below `target/tmp`.

use qemu::{Board, Cache, Disk, Image, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use system_tests::cuts::load::{Kind, Load};
use system_tests::cuts::look::{Seen, look};
use system_tests::cuts::model::Model;
use system_tests::cuts::session::Session;
use system_tests::cuts::verdict::{Verdict, judge};
use system_tests::cuts::{ACCOUNTS, CLIENTS, Place, account_of, address, client_for};
use system_tests::random::{Random, number};
use system_tests::wire::Reach;
use system_tests::{PASSWORD, Protocol};

/// A slow machine under load; a board is up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Octets of the disk.
const DISK: u64 = 2 << 30;
/// Where the board has its data.
const DATA: &str = "/data/roost";
/// Connections that deliver.
const SENDERS: u64 = 2;
/// After so many cuts, and after the last, the whole store is checked.
const CHECK_EVERY: u64 = 10;
/// What the console says when a start was not an ordinary one.
const ALARMS: [&str; 7] =
    ["orruption", "log mount", "I/O error", "data: the", "data: cannot", "panicked", "roost: ended"];
/// With so many cuts, space must have been given back.
const MANY: u64 = 50;

/// A board, its disk and what was told about it.
struct Proof {
    image: Image,
    disk: Disk,
    dir: PathBuf,
    seed: u64,
    model: Arc<Mutex<Model>>,
    board: Option<Board>,
    /// Of the accounts.
    passwords: Vec<String>,
    /// Clients that are logged in.
    sessions: Vec<Session>,
    /// Times that the store gave space back.
    reclaims: usize,
    began: Instant,
}

impl Proof {
    fn new(name: &str, seed: u64) -> Proof {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}"));
        _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        let image = Image::developer().expect("make board-image");
        let disk = Disk::create(&image, dir.join("disk.img"), DISK).expect("a disk").with_cache(Cache::Volatile);
        let (model, began) = (Arc::default(), Instant::now());
        let (passwords, sessions) = (Vec::new(), Vec::new());
        let mut proof = Proof { image, disk, dir, seed, model, board: None, passwords, sessions, reclaims: 0, began };
        proof.power_on();
        for account in 0..ACCOUNTS {
            let address = address(account);
            proof.told(&format!("echo {PASSWORD} | roost account add {address} --password-stdin --data {DATA}"));
            // Logging in with what a person chose takes an emulated board half a second.
            let said = proof.told(&format!("roost app-password add {address} cuts --data {DATA}"));
            proof.passwords.push(said.split_whitespace().last().expect("a password").to_owned());
        }
        let verdict = proof.look_and_judge(Instant::now());
        assert!(verdict.faults.is_empty(), "{verdict}");
        proof
    }

    fn power_on(&mut self) {
        let options = Options { kernel_arguments: "roost.log=console".into(), ..Options::default() };
        let board = Board::boot(&self.image, &self.disk, &options).expect("the board starts");
        board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
        self.board = Some(board);
    }

    fn power_off(&mut self) {
        let board = self.board.take().expect("it is on");
        self.reclaims += board.console().iter().filter(|line| line.text.contains("octets given back")).count();
        board.cut_power();
    }

    fn told(&self, command: &str) -> String {
        let board = self.board.as_ref().expect("it is on");
        board.run_within(command, 5 * PATIENCE).expect("the shell answers").success().expect(command)
    }

    fn reach(&self) -> Reach {
        let ca = self.dir.join("authority.pem");
        if !ca.exists() {
            std::fs::write(&ca, self.told(&format!("cat {DATA}/certificates/authority.pem"))).expect("it can be kept");
        }
        let board = self.board.as_ref().expect("it is on");
        let port = |protocol: Protocol| board.port(protocol.port()).expect("every port is forwarded");
        Reach::new(port, &ca, PATIENCE).expect("the authority's certificate is one")
    }

    /// Reads everything that is there, with all clients at the same time.
    fn look(&mut self) -> Result<BTreeMap<Place, Seen>, String> {
        let (reach, model, passwords) = (&self.reach(), &self.model, &self.passwords);
        let read = |client: usize| -> Result<(Session, Vec<(Place, Seen)>), String> {
            let mut session = Session::login(reach, &address(account_of(client)), &passwords[account_of(client)])?;
            let known = |number| model.lock().unwrap().text(number);
            let places = Place::all().filter(|place| client_for(place.account, place.mailbox as u64) == client);
            let seen = places.map(|place| Ok((place, look(&mut session, place, known)?)));
            let seen = seen.collect::<Result<_, String>>()?;
            Ok((session, seen))
        };
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || read(client))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>, _>>()
        })?;
        let (sessions, seen): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        self.sessions = sessions;
        Ok(seen.into_iter().flatten().collect())
    }

    fn look_and_judge(&mut self, cut: Instant) -> Verdict {
        let seen = self.look();
        let mut model = self.model.lock().unwrap();
        let mut verdict = match &seen {
            Ok(seen) => judge(&mut model, seen, cut),
            Err(why) => Verdict { faults: vec![why.clone()], ..Verdict::default() },
        };
        verdict.faults.append(&mut model.faults);
        let console = self.board.as_ref().expect("it is on").console();
        let alarming = console.iter().filter(|line| ALARMS.iter().any(|alarm| line.text.contains(alarm)));
        verdict.faults.extend(alarming.map(|line| format!("console: {}", line.text)));
        model.forget_texts();
        model.note(&verdict.to_string());
        if !verdict.faults.is_empty() {
            model.note(&format!("{seen:#?}"));
        }
        verdict
    }

    /// Lets the clients do what they do, and cuts the power after some time. Answers when.
    fn work_until_cut(&mut self, n: u64, kind: Kind, pause: u64, after: Duration) -> Instant {
        let reach = self.reach();
        let sessions = std::mem::take(&mut self.sessions);
        let random = |who: u64| Random::fork(self.seed, n * 100 + who);
        let model = self.model.clone();
        let load = Load { model: &model, over: AtomicBool::new(false), kind, pause };
        let randoms: Vec<Random> = (0..SENDERS + CLIENTS as u64).map(random).collect();
        let mut randoms = randoms.into_iter();
        std::thread::scope(|scope| {
            let (load, reach) = (&load, &reach);
            for random in randoms.by_ref().take(SENDERS as usize) {
                if kind == Kind::Mixed {
                    scope.spawn(move || load.deliver(reach, random));
                }
            }
            for (client, (session, random)) in sessions.into_iter().zip(randoms).enumerate() {
                scope.spawn(move || load.use_mail(client, session, random));
            }
            std::thread::sleep(after);
            load.over.store(true, SeqCst);
            let cut = Instant::now();
            self.power_off();
            cut
        })
    }

    fn cycle(&mut self, n: u64) -> Verdict {
        let mut random = Random::fork(self.seed, n * 100 + 99);
        let kind = if random.chance(20) { Kind::FlagsOnly } else { Kind::Mixed };
        let after = match kind {
            Kind::Mixed => random.below(6_000) + 200,
            // Long enough for flags to become durable by themselves.
            Kind::FlagsOnly => random.below(4_000) + 6_000,
        };
        let pause = *random.pick(&[0, 0, 20, 50, 400]);
        let after = Duration::from_millis(after);
        let before = self.model.lock().unwrap().counts;
        self.model.lock().unwrap().note(&format!("cut {n}: {kind:?} for {after:?}, pauses of {pause} ms"));
        let cut = self.work_until_cut(n, kind, pause, after);
        self.keep_disk();
        self.write_history();
        let mut starts = 1;
        while random.chance(15) {
            self.cut_while_starting(&mut random);
            starts += 1;
        }
        self.power_on();
        let verdict = self.look_and_judge(cut);
        let told = self.model.lock().unwrap().counts.sum() - before.sum();
        let times = if starts > 1 { format!(", {starts} starts") } else { String::new() };
        let at = self.began.elapsed().as_secs();
        println!("{at:5} s: cut {n}, {kind:?} for {:.1} s{times}: {told} told, {verdict}", after.as_secs_f64());
        verdict
    }

    /// The power fails again before the board is up, or just when it is.
    fn cut_while_starting(&mut self, random: &mut Random) {
        let board = Board::boot(&self.image, &self.disk, &Options::default()).expect("the board starts");
        std::thread::sleep(Duration::from_millis(random.below(4_500)));
        board.cut_power();
    }

    /// The disk as it is after a cut, before anybody repairs anything.
    fn keep_disk(&self) {
        let copy = self.dir.join("disk-after-cut.img");
        let done = Command::new("cp").arg("--sparse=always").arg(self.disk.path()).arg(copy).status();
        assert!(done.expect("cp starts").success(), "the disk cannot be copied");
    }

    fn write_history(&self) {
        let history = std::mem::take(&mut self.model.lock().unwrap().history);
        let path = self.dir.join("history.txt");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, history.as_bytes()));
        written.expect("the history can be written");
    }

    /// Panics if there are faults; what is needed to understand them stays.
    fn pass(&self, n: u64, faults: &[String]) {
        self.write_history();
        if !faults.is_empty() {
            let list = faults.join("\n");
            _ = std::fs::write(self.dir.join("faults.txt"), &list);
            panic!("cut {n}, SEED={}: {} faults, see {}\n{list}", self.seed, faults.len(), self.dir.display());
        }
    }

    fn check(&self, n: u64) {
        let began = Instant::now();
        let board = self.board.as_ref().expect("it is on");
        let said = board.run_within(&format!("roost check --data {DATA}"), 5 * PATIENCE).expect("the shell answers");
        let well = said.status == 0 && said.text.contains("all is well");
        self.pass(n, if well { &[] } else { std::slice::from_ref(&said.text) });
        println!("         checked in {:.1} s", began.elapsed().as_secs_f64());
    }
}

#[test]
fn whatever_was_acknowledged_outlives_power_cuts() {
    let (cuts, seed) = (number("CUTS", 4), number("SEED", u64::from(std::process::id())));
    println!("{cuts} cuts, SEED={seed}");
    let mut proof = Proof::new("cuts", seed);
    for n in 1..=cuts {
        let verdict = proof.cycle(n);
        proof.pass(n, &verdict.faults);
        if n % CHECK_EVERY == 0 || n == cuts {
            proof.check(n);
        }
    }
    proof.power_off();
    let (counts, reclaims) = (proof.model.lock().unwrap().counts, proof.reclaims);
    println!("{counts:?}, space given back {reclaims} times");
    assert!(cuts < MANY || reclaims > 0, "no space was given back");
    std::fs::remove_dir_all(&proof.dir).expect("what is not needed can be removed");
}

#[test]
fn a_disk_that_is_not_told_to_flush_is_noticed() {
    let mut proof = Proof::new("cuts-without-flushes", number("SEED", u64::from(std::process::id())));
    // The kernel takes the disk for one whose cache outlives the power.
    proof.told("echo write through >/sys/block/vda/queue/write_cache");
    let cut = proof.work_until_cut(0, Kind::Mixed, 20, Duration::from_secs(3));
    proof.power_on();
    let verdict = proof.look_and_judge(cut);
    let lost = verdict.faults.iter().filter(|fault| fault.contains("lost")).count();
    assert!(lost > 0, "nothing is missed: {verdict}");
    std::fs::remove_dir_all(&proof.dir).expect("what is not needed can be removed");
}
