//! The data partition damaged: the board always starts, tells on the console and on its page what is wrong, lets the mail be saved
//! octet for octet, and starts afresh if its owner says so. Needs the developer image: `make board-image`.

use qemu::{Board, Disk, Image, Options, Start};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use system_tests::clients::run;
use system_tests::corpus::Mail;
use system_tests::exchange::{assert_same, deliver_all, fetch_all, small_mails, without_traces};
use system_tests::household;
use system_tests::random::{Random, number};
use system_tests::visitor::Visitor;
use system_tests::wire::Reach;
use system_tests::{DOMAIN, PASSWORD};

/// A slow machine under load starts in a minute.
const PATIENCE: Duration = Duration::from_secs(300);
/// Little more than XFS needs: all of it is read.
const DISK: u64 = 544 << 20;
const DATA: &str = "/data/roost";
/// What the console says when the store is open, and when it is not.
const READY: &str = "is ready.";
const TROUBLE: &str = "cannot open its mail.";

/// A board with mail, switched off; copies of its disk are damaged.
struct Healthy {
    image: Image,
    dir: tempfile::TempDir,
    /// Switched off in good order.
    disk: Disk,
    /// Its power was cut: much is in the journal of the file system alone.
    cut: Disk,
    user: String,
    mails: Vec<Mail>,
    ca: PathBuf,
}

impl Healthy {
    fn new() -> Healthy {
        let (image, dir) = (Image::developer().expect("make board-image"), tempfile::tempdir().unwrap());
        let disk = Disk::create(&image, dir.path().join("healthy.img"), DISK).expect("a disk");
        let mut mails = small_mails(20);
        mails.extend((0..10).map(|n| Mail { name: format!("household {n}"), bytes: household::mail(n) }));
        let (user, ca) = (format!("anna@{DOMAIN}"), dir.path().join("authority.pem"));
        let cut = disk.clone();
        let mut healthy = Healthy { image, dir, disk, cut, user, mails, ca };
        let board = healthy.start(&healthy.disk, READY);
        told(&board, &format!("echo {PASSWORD} | roost account add {} --password-stdin --data {DATA}", healthy.user));
        std::fs::write(&healthy.ca, told(&board, &format!("cat {DATA}/certificates/authority.pem"))).unwrap();
        deliver_all(&healthy.reach(&board), &healthy.user, &healthy.mails).expect("mail is taken");
        board.cut_power();
        healthy.cut = healthy.damaged("cut", |_| ());
        healthy.start(&healthy.disk, READY).power_off().expect("it stops");
        healthy
    }

    /// Starts a board, which ends up like this.
    fn start(&self, disk: &Disk, outcome: &str) -> Board {
        let options = Options { start: Start::Loader, ..Options::default() };
        let board = Board::boot(&self.image, disk, &options).expect("the board starts");
        let line = board.wait_for_any(0, &[READY, TROUBLE], PATIENCE).expect("it tells how it is");
        let said = || board.console().iter().map(|line| format!("{}\n", line.text)).collect::<String>();
        assert!(line.text.contains(outcome), "not {outcome}:\n{}", said());
        board
    }

    fn reach(&self, board: &Board) -> Reach {
        Reach::new(|protocol| board.port(protocol.port()).unwrap(), &self.ca, PATIENCE).unwrap()
    }

    /// The disk with its data partition changed.
    fn damaged(&self, name: &str, damage: impl FnOnce(&mut Damage)) -> Disk {
        self.copy(&self.disk, name, damage)
    }

    fn copy(&self, disk: &Disk, name: &str, damage: impl FnOnce(&mut Damage)) -> Disk {
        let path = self.dir.path().join(format!("{name}.img"));
        run(60, Command::new("cp").arg("--sparse=always").arg(disk.path()).arg(&path)).well();
        let disk = Disk::open(&path).unwrap();
        damage(&mut Damage::of(&disk));
        disk
    }

    /// The disk after a command on the board that it belonged to, whose power was cut then.
    fn after(&self, name: &str, command: &str) -> Disk {
        let disk = self.damaged(name, |_| ());
        let board = self.start(&disk, READY);
        told(&board, &format!("{command}; sync"));
        board.cut_power();
        disk
    }

    /// All mail is there, and nothing else is wrong.
    fn assert_well(&self, board: &Board) {
        board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
        assert_same(&self.mails, without_traces(&fetch_all(&self.reach(board), &self.user), "\r\n"));
        assert!(told(board, &format!("roost check --data {DATA}")).contains("all is well"));
    }

    /// All mail is in this tar.
    fn assert_saved(&self, tar: &Path) {
        let out = tempfile::tempdir_in(self.dir.path()).unwrap();
        run(60, Command::new("tar").arg("-xf").arg(tar).arg("-C").arg(out.path())).well();
        let report = std::fs::read_to_string(out.path().join("REPORT.txt")).unwrap();
        assert_eq!(report, format!("{} messages are in this file, 0 cannot be read.\n", self.mails.len()));
        let files = std::fs::read_dir(out.path().join("1/INBOX")).unwrap();
        let saved: Vec<_> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        assert_same(&self.mails, without_traces(&saved, "\r\n"));
    }
}

fn told(board: &Board, command: &str) -> String {
    board.run_within(command, PATIENCE).expect("the shell answers").success().expect(command).to_owned()
}

/// The data partition of a disk that is in no board.
struct Damage {
    file: File,
    start: u64,
    length: u64,
}

impl Damage {
    fn of(disk: &Disk) -> Damage {
        let partition = disk.data_partition().unwrap();
        let file = OpenOptions::new().read(true).write(true).open(disk.path()).unwrap();
        Damage { file, start: partition.start, length: partition.size }
    }
    fn octets<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut octets = [0; N];
        self.file.read_exact_at(&mut octets, self.start + at).unwrap();
        octets
    }
    fn number(&self, at: u64) -> u64 {
        u32::from_be_bytes(self.octets(at)).into()
    }
    fn overwrite(&self, at: u64, length: u64, octet: impl FnMut() -> u8) {
        assert!(at + length <= self.length);
        let octets: Vec<u8> = std::iter::repeat_with(octet).take(length as usize).collect();
        self.file.write_all_at(&octets, self.start + at).unwrap();
    }
    /// Octets of a block, blocks of an allocation group, how many groups: from the superblock.
    fn geometry(&self) -> (u64, u64, u64) {
        assert_eq!(self.octets(0), *b"XFSB");
        (self.number(4), self.number(84), self.number(88))
    }
    /// Where the journal lies, and its octets.
    fn journal(&self) -> (u64, u64) {
        let (block, group, _) = self.geometry();
        let (place, shift): (u64, u8) = (u64::from_be_bytes(self.octets(48)), self.octets::<1>(124)[0]);
        let at = (place >> shift) * group + (place & ((1 << shift) - 1));
        (at * block, self.number(96) * block)
    }
}

/// A visitor, and where downloads go.
struct Guest {
    visitor: Visitor,
    dir: PathBuf,
}

impl Guest {
    /// Nobody vouches for a box that has lost its certificates.
    fn new(healthy: &Healthy, board: &Board, ca: Option<&Path>) -> Guest {
        let (dir, port) = (healthy.dir.path().to_owned(), board.port(443).unwrap());
        let visitor = Visitor::new(&format!("https://127.0.0.1:{port}"), &dir.join(format!("jar-{port}")), ca);
        Guest { visitor, dir }
    }

    fn page(&self) -> String {
        self.visitor.page("/")
    }

    fn send(&self, path: &str, field: &str) -> String {
        self.visitor.send("/", path, &[field])
    }

    /// Enters the code that the console shows.
    fn enter(&self, board: &Board) {
        let line = board.wait_for_any(0, &["Setup code:"], PATIENCE).expect("a code").text;
        let code = line.rsplit(' ').next().unwrap().to_owned();
        assert!(!self.page().contains("/afresh"), "nobody else is offered anything");
        self.send("/", &format!("code={code}"));
        assert!(self.page().contains("Start afresh"), "{}", self.page());
    }

    fn download(&self, name: &str) -> PathBuf {
        assert!(self.page().contains(name), "{}", self.page());
        let path = self.dir.join(name);
        let output = ["--output", path.to_str().unwrap()];
        self.visitor.ask(&format!("/download?file={name}"), 600, &output).expect("it can be had");
        path
    }
}

#[test]
fn a_file_system_that_can_be_repaired_is_repaired_with_all_mail() {
    let healthy = Healthy::new();
    let seed = number("SEED", u64::from(std::process::id()));
    println!("SEED={seed}");
    let mut random = Random::new(seed);
    let mut noise = move || random.below(256) as u8;
    let superblock = healthy.copy(&healthy.cut, "superblock", |data| data.overwrite(0, 512, &mut noise));
    let first_block = healthy.damaged("first-block", |data| data.overwrite(0, 4096, &mut noise));
    let journal = healthy.damaged("journal", |data| {
        let (at, length) = data.journal();
        data.overwrite(at, length.min(8 << 20), &mut noise);
    });
    for disk in [&superblock, &first_block, &journal] {
        let board = healthy.start(disk, READY);
        println!("{}: ready after {:?}", disk.path().display(), board.uptime());
        assert!(board.console().iter().any(|line| line.text.contains("needs repair")), "the console tells");
        healthy.assert_well(&board);
    }
    let catalogue =
        healthy.after("catalogue", &format!("dd if=/dev/urandom of={DATA}/catalogue.redb bs=4k count=40 conv=notrunc"));
    healthy.assert_well(&healthy.start(&catalogue, READY));
}

#[test]
fn damaged_settings_are_told_of_and_the_mail_is_saved() {
    let healthy = Healthy::new();
    let spoil = format!("dd if=/dev/urandom of={DATA}/settings.redb bs=4k count=8 conv=notrunc");
    let disk = healthy.after("settings", &spoil);
    let board = healthy.start(&disk, TROUBLE);
    board.wait_for_console("settings.redb", PATIENCE).expect("the console tells what is wrong");
    // The certificates can be read: browsers that trust the box still do.
    let guest = Guest::new(&healthy, &board, Some(&healthy.ca));
    assert!(guest.page().contains("settings.redb"));
    guest.enter(&board);
    healthy.assert_saved(&guest.download("mail.tar"));
    assert!(board.run("roost check --data /data/roost").unwrap().status != 0);
    // A repair of the file system does not help here, and does no harm.
    let from = board.console_length();
    assert!(guest.send("/repair", "").contains("The box restarts"));
    board.wait_for_any(from, &["needs repair"], PATIENCE).expect("it repairs");
    board.wait_for_any(from, &[TROUBLE], PATIENCE).expect("it tells again");
}

#[test]
fn a_partition_that_begins_with_zeros_is_not_taken_for_a_new_one() {
    let healthy = Healthy::new();
    // As the image ships it, but for what the card remembers.
    let disk = healthy.damaged("erased", |data| data.overwrite(0, 1 << 20, || 0));
    let board = healthy.start(&disk, TROUBLE);
    let guest = Guest::new(&healthy, &board, None);
    guest.enter(&board);
    healthy.assert_saved(&guest.download("mail.tar"));
}

#[test]
fn mail_that_a_repair_found_without_a_name_is_not_lost() {
    let healthy = Healthy::new();
    let orphan = format!("mkdir -p /data/lost+found/131 && mv {DATA}/log/0000000001 /data/lost+found/131/4711");
    let disk = healthy.after("orphans", &orphan);
    let board = healthy.start(&disk, TROUBLE);
    board.wait_for_console("have lost their names", PATIENCE).expect("the console tells what is wrong");
    let guest = Guest::new(&healthy, &board, Some(&healthy.ca));
    guest.enter(&board);
    healthy.assert_saved(&guest.download("mail.tar"));
    board.cut_power();
    // It stays so: a store without its mail is never opened.
    healthy.start(&disk, TROUBLE);
}

#[test]
fn a_partition_that_nothing_can_mount_is_saved_as_it_is_and_made_afresh() {
    let healthy = Healthy::new();
    let disk = healthy.damaged("wrecked", |data| {
        let (block, group, groups) = data.geometry();
        (0..groups).for_each(|n| data.overwrite(n * group * block, 64 * 1024, || 0xA5));
    });
    let board = healthy.start(&disk, TROUBLE);
    board.wait_for_console("repairing it did not help", PATIENCE).expect("the console tells what is wrong");
    let guest = Guest::new(&healthy, &board, None);
    assert!(guest.page().contains("repairing it did not help"));
    guest.enter(&board);
    assert!(!guest.page().contains("mail.tar"));
    let saved = std::fs::read(guest.download("partition.img")).unwrap();
    let data = Damage::of(&disk);
    let mut there = Vec::new();
    let mut file = &data.file;
    file.seek(SeekFrom::Start(data.start)).unwrap();
    file.take(data.length).read_to_end(&mut there).unwrap();
    assert!(saved == there, "{} octets saved of {}", saved.len(), there.len());
    // By mistake nothing is erased.
    let from = board.console_length();
    assert!(guest.send("/afresh", "confirmation=yes").contains("Nothing was erased"));
    assert!(guest.send("/afresh", "confirmation=ERASE").contains("The box restarts"));
    board.wait_for_any(from, &["erasing everything"], PATIENCE).expect("it does as it was told");
    board.wait_for_any(from, &["Set it up:"], PATIENCE).expect("it waits to be set up");
    board.expect_restart();
    board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
    told(&board, &format!("echo {PASSWORD} | roost account add {} --password-stdin --data {DATA}", healthy.user));
    std::fs::write(&healthy.ca, told(&board, &format!("cat {DATA}/certificates/authority.pem"))).unwrap();
    deliver_all(&healthy.reach(&board), &healthy.user, &healthy.mails).expect("mail is taken");
    healthy.assert_well(&board);
    // A power cut right after: the card is not new any more.
    board.cut_power();
    healthy.assert_well(&healthy.start(&disk, READY));
}
