//! The proof of the updates: whatever update the board is given, it ends on a slot that works, with all mail. Needs the developer
//! image and its broken relatives: `make test-updates`. ROUNDS says how many updates, FIRST with which kind they begin, SEED
//! what is random about them.

use qemu::{Board, Cache, Disk, Image, Options, Start};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use system_tests::corpus::Mail;
use system_tests::exchange::{assert_same, deliver_all, fetch_all, without_traces};
use system_tests::random::{Random, number};
use system_tests::wire::Reach;
use system_tests::{DOMAIN, PASSWORD};

/// A slow machine under load starts in a minute; a new slot has 60 seconds to prove itself.
const PATIENCE: Duration = Duration::from_secs(600);
const DISK: u64 = 1 << 30;
const DATA: &str = "/data/roost";
/// Seconds that a new slot has to be healthy: the board's other times shrink in proportion.
const PROVE: u32 = 12;
/// Where each bundle begins on the stick.
const SPACING: u64 = 64 << 20;
const BUNDLES: [&str; 7] = ["one", "two", "panics", "closed", "hangs", "dies", "foreign"];

/// What is done to the board in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Good,
    /// Signed with a key that the board does not trust.
    Foreign,
    /// Ends early, anywhere.
    Cut,
    /// The power fails some time after the update was begun.
    PowerLost,
    /// The kernel finds no root and panics.
    Panics,
    /// The daemon cannot open the store.
    Closed,
    /// The daemon answers, then hangs.
    Hangs,
    /// The program ends at once, the keeper too.
    Dies,
}
use Kind::{Closed, Cut, Dies, Foreign, Good, Hangs, Panics, PowerLost};

/// Every kind in thirteen rounds, five of them good.
const ROUNDS: [Kind; 13] =
    [Good, Foreign, Cut, Panics, Good, PowerLost, Closed, Good, PowerLost, Hangs, Good, Dies, Good];

/// The bundles, and a stick with all of them.
struct Stick {
    path: PathBuf,
    sizes: Vec<u64>,
}

impl Stick {
    fn make(dir: &Path) -> Stick {
        let path = dir.join("stick.img");
        let mut stick = File::create(&path).unwrap();
        let mut sizes = Vec::new();
        for (n, name) in BUNDLES.iter().enumerate() {
            let file = Image::developer_directory().join(format!("updates/{name}.roost"));
            let mut bytes = Vec::new();
            let read = File::open(&file).and_then(|mut file| file.read_to_end(&mut bytes));
            read.unwrap_or_else(|e| panic!("{} (qemu/broken-updates.sh): {e}", file.display()));
            assert!((bytes.len() as u64) < SPACING);
            stick.seek(SeekFrom::Start(n as u64 * SPACING)).unwrap();
            stick.write_all(&bytes).unwrap();
            sizes.push(bytes.len() as u64);
        }
        stick.set_len(BUNDLES.len() as u64 * SPACING).unwrap();
        Stick { path, sizes }
    }

    fn size(&self, name: &str) -> u64 {
        self.sizes[self.place(name) as usize]
    }
    fn place(&self, name: &str) -> u64 {
        BUNDLES.iter().position(|bundle| *bundle == name).unwrap() as u64
    }
    /// The command that gives the board so many octets of a bundle.
    fn command(&self, name: &str, octets: u64) -> String {
        let skip = self.place(name) * (SPACING >> 20);
        format!("dd if=/dev/vdb bs=1M skip={skip} count=64 2>/dev/null | head -c {octets} | roost update -")
    }
}

/// A board, and what it has to have.
struct Proof {
    image: Image,
    disk: Disk,
    dir: PathBuf,
    stick: Stick,
    board: Option<Board>,
    user: String,
    mails: Vec<Mail>,
    /// The version that has to run.
    version: String,
}

impl Proof {
    fn new(dir: &Path) -> Proof {
        let image = Image::developer().expect("make board-image");
        let disk = Disk::create(&image, dir.join("disk.img"), DISK).expect("a disk").with_cache(Cache::Volatile);
        // Tells the kernel's command line to be less patient.
        let env = dir.join("roost.env");
        std::fs::write(&env, format!("roost_args=roost.prove={PROVE}\n")).unwrap();
        let boot = format!("{}@@1M", disk.path().display());
        let done = Command::new("mcopy").args(["-i", &boot]).arg(&env).arg("::roost.env").status();
        assert!(done.expect("mtools are there").success());
        let user = format!("anna@{DOMAIN}");
        let (stick, dir) = (Stick::make(dir), dir.to_owned());
        let mut proof = Proof { image, disk, dir, stick, board: None, user, mails: Vec::new(), version: String::new() };
        proof.power_on();
        proof.told(&format!("echo {PASSWORD} | roost account add {} --password-stdin --data {DATA}", proof.user));
        proof.version = proof.running().0;
        proof
    }

    fn board(&self) -> &Board {
        self.board.as_ref().expect("it is on")
    }
    fn power_on(&mut self) {
        let more_disks = vec![self.stick.path.clone()];
        let options = Options { start: Start::Loader, more_disks, ..Options::default() };
        self.board = Some(Board::boot(&self.image, &self.disk, &options).expect("the board starts"));
        self.board().wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
    }
    fn told(&self, command: &str) -> String {
        self.board().run_within(command, PATIENCE).expect("the shell answers").success().expect(command)
    }
    fn reach(&self) -> Reach {
        let ca = self.dir.join("authority.pem");
        std::fs::write(&ca, self.told(&format!("cat {DATA}/certificates/authority.pem"))).unwrap();
        Reach::new(|protocol| self.board().port(protocol.port()).unwrap(), &ca, PATIENCE).unwrap()
    }
    fn slots(&self) -> serde_json::Value {
        // The keeper may not listen yet.
        let command = "for n in 1 2 3 4 5 6 7 8 9; do roost slots 2>/dev/null && exit; sleep 2; done; roost slots";
        serde_json::from_str(self.told(command).trim()).expect("JSON")
    }
    /// Version and state of the running slot.
    fn running(&self) -> (String, String) {
        let slots = self.slots();
        let text = |name: &str| slots["running"][name].as_str().unwrap_or_default().to_owned();
        (text("version"), text("state"))
    }

    fn deliver(&mut self) {
        let n = self.mails.len();
        let bytes = format!("Subject: before update {n}\r\n\r\nThis is number {n}.\r\n").into();
        let mail = Mail { name: format!("mail {n}"), bytes };
        let sent = deliver_all(&self.reach(), &self.user, std::slice::from_ref(&mail));
        sent.unwrap_or_else(|why| panic!("{why}"));
        self.mails.push(mail);
    }

    /// A bundle that is taken; the board restarts. Where the console then stood.
    fn install(&self, name: &str) -> usize {
        let from = self.board().console_length();
        let said = self.told(&self.stick.command(name, self.stick.size(name)));
        assert!(said.contains("is installed"), "{said}");
        self.board().expect_restart();
        from
    }

    /// A bundle that is refused.
    fn refused(&self, name: &str, octets: u64, why: &str) {
        let output = self.board().run_within(&self.stick.command(name, octets), PATIENCE).expect("the shell answers");
        assert!(output.status != 0 && output.text.contains(why), "{output:?}");
    }

    /// The good version that does not run.
    fn next_good(&self) -> &'static str {
        if self.version == "one" { "two" } else { "one" }
    }

    fn good(&mut self) {
        let next = self.next_good();
        let from = self.install(next);
        self.wait_for(from, &format!("version {next}, is good"));
        self.version = next.into();
    }

    /// Waits for a line; the line before it that tells of a failure fails the test.
    fn wait_for(&self, from: usize, text: &str) {
        self.board().wait_for_any(from, &[text], PATIENCE).unwrap_or_else(|e| panic!("{e}"));
    }

    /// A version that comes up and does not work.
    fn broken(&mut self, name: &str, end: &str) {
        let from = self.install(name);
        self.wait_for(from, end);
        let from = self.board().console_length();
        self.wait_for(from, "is ready.");
    }

    /// Cuts the power some time into an update. Whether it came through is seen afterwards.
    fn power_lost(&mut self, random: &mut Random) {
        let next = self.next_good();
        let command = self.stick.command(next, self.stick.size(next));
        self.told(&format!("( {command} ) >/dev/null 2>&1 </dev/null &"));
        let wait = Duration::from_millis(random.below(8_000));
        std::thread::sleep(wait);
        self.board.take().expect("it is on").cut_power();
        self.power_on();
        let (version, state) = self.running();
        println!("  power lost after {wait:?}: version {version}, {state}");
        if version == next {
            if state != "Valid" {
                self.wait_for(0, &format!("version {next}, is good"));
            }
            self.version = next.into();
        }
    }

    fn round(&mut self, kind: Kind, random: &mut Random) {
        match kind {
            Good => self.good(),
            Foreign => self.refused("foreign", self.stick.size("foreign"), "not signed"),
            Cut => {
                let name = self.next_good();
                self.refused(name, random.below(self.stick.size(name)), "too early");
            }
            PowerLost => self.power_lost(random),
            Panics => self.broken("panics", "no try left, going back"),
            Closed => self.broken("closed", "going back to the other"),
            Hangs => self.broken("hangs", "going back to the other"),
            Dies => self.broken("dies", "no try left, going back"),
        }
    }

    /// A slot that works, the right version, all mail.
    fn check(&self) {
        self.board().wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
        assert_eq!(self.running(), (self.version.clone(), "Valid".into()));
        assert_same(&self.mails, without_traces(&fetch_all(&self.reach(), &self.user), "\r\n"));
        assert!(self.told(&format!("roost check --data {DATA}")).contains("all is well"));
    }
}

#[test]
fn a_keeper_that_hangs_is_noticed_by_the_watchdog() {
    let dir = tempfile::tempdir().unwrap();
    let proof = Proof::new(dir.path());
    assert_eq!(proof.told("cat /sys/class/watchdog/watchdog0/state").trim(), "active");
    let from = proof.board().console_length();
    proof.told("kill -STOP $(ps -o pid,args | awk '/[r]oost keep/ { print $1 }')");
    proof.board().expect_restart();
    proof.wait_for(from, "roost: slot A");
    proof.board().wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
    assert_eq!(proof.running().1, "Valid");
}

#[test]
fn whatever_the_update_the_board_ends_on_a_working_slot_with_all_mail() {
    let dir = tempfile::tempdir().unwrap();
    let (rounds, seed) = (number("ROUNDS", 12), number("SEED", u64::from(std::process::id())));
    println!("{rounds} rounds, SEED={seed}");
    let mut random = Random::new(seed);
    let mut proof = Proof::new(dir.path());
    let began = Instant::now();
    let first = number("FIRST", 0);
    let mut counts = BTreeMap::new();
    for n in first..first + rounds {
        let kind = ROUNDS[(n % ROUNDS.len() as u64) as usize];
        proof.deliver();
        proof.round(kind, &mut random);
        proof.check();
        *counts.entry(kind).or_insert(0_u64) += 1;
        println!("{:5} s: round {n}, {kind:?}: runs {}", began.elapsed().as_secs(), proof.version);
    }
    proof.board.take().expect("it is on").cut_power();
    let good = counts.remove(&Good).unwrap_or_default();
    println!(
        "{rounds} updates in {} s: {good} good, {} broken {counts:?}; after each a slot that works, with all {} mails",
        began.elapsed().as_secs(),
        rounds - good,
        proof.mails.len()
    );
}
