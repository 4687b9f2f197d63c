//! The board itself, booted in QEMU: what the start scripts promise. Needs the developer image: `make test-board`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use qemu::{Board, Cache, Disk, Image, Network, Options};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A slow machine under load; a board is up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);
const GIB: u64 = 1 << 30;

fn image() -> Image {
    Image::developer().expect("make board-image")
}

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("roost-board-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    fn disk(&self, image: &Image, size: u64) -> Disk {
        Disk::create(image, self.0.join("disk.img"), size).expect("a disk")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn boot(image: &Image, disk: &Disk, options: &Options) -> Board {
    let board = Board::boot(image, disk, options).expect("the board starts");
    board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
    board
}

fn told(board: &Board, command: &str) -> String {
    let output = board.run(command).expect("the shell answers");
    output.success().expect(command).trim().to_owned()
}

/// Looks at the data partition from outside.
fn assert_clean(disk: &Disk) {
    let start = disk.data_partition().expect("a data partition").start;
    let file = disk.path().with_extension("data");
    let run = |name: &str, arguments: &[&str]| {
        let output = Command::new(name).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(arguments).output();
        let output = output.expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    };
    let (from, to) = (format!("if={}", disk.path().display()), format!("of={}", file.display()));
    run("dd", &[&from, &to, "bs=1M", &format!("skip={}", start >> 20), "conv=sparse", "status=none"]);
    run("xfs_repair", &["-n", "-f", &file.display().to_string()]);
    std::fs::remove_file(file).expect("the copy goes");
}

/// The disk's signature, by which the kernel finds its root.
fn signature(disk: &Path) -> [u8; 4] {
    let mut signature = [0; 4];
    std::fs::File::open(disk).and_then(|file| file.read_exact_at(&mut signature, 440)).expect("an MBR");
    signature
}

#[test]
fn a_new_board_takes_the_whole_disk_and_starts_the_daemon_unprivileged() {
    let image = image();
    let scratch = Scratch::new("new");
    let disk = scratch.disk(&image, 2 * GIB);
    let shipped = disk.data_partition().expect("a data partition");
    assert_eq!(signature(disk.path()), [0; 4]);

    let board = boot(&image, &disk, &Options::default());
    board.wait_for_console("data: grown from", Duration::ZERO).expect("the console tells of the growth");
    assert_eq!(told(&board, "cat /run/data-partition"), "/dev/vda4");
    let free: u64 = told(&board, "stat -f -c '%a * %S' /data | xargs expr").parse().expect("a number");
    assert!(free > 2 * GIB - shipped.start - 128 * 1024 * 1024, "only {free} octets free");
    assert_eq!(told(&board, "stat -c '%U %a' /data/roost"), "roost 700");
    assert_eq!(told(&board, "ps -o user,comm | grep -c '^roost *roost'"), "1");
    assert_eq!(told(&board, "grep -c ' / squashfs ro,' /proc/mounts"), "1");
    assert_eq!(told(&board, "grep -c '^/dev/[a-z0-9]* /data xfs rw,nosuid,nodev,noexec,' /proc/mounts"), "1");
    let in_ram = "grep -c '^[a-z]* \\(/tmp\\|/run\\|/var/log\\) tmpfs rw,nosuid,nodev,noexec,' /proc/mounts";
    assert_eq!(told(&board, in_ram), "3");
    assert_eq!(told(&board, "find / -xdev -type f -perm /6000"), "", "it gives rights to whoever starts it");
    assert_eq!(
        told(&board, "cd /proc/sys; cat kernel/kptr_restrict fs/protected_regular net/ipv4/tcp_syncookies"),
        "2\n2\n1"
    );
    assert_ne!(board.run("touch /etc/x").expect("the shell answers").status, 0);
    assert!(board.block_stats().expect("counters").written_bytes > 0);
    board.power_off().expect("it shuts down");

    let grown = disk.data_partition().expect("a data partition");
    assert_eq!(grown.start, shipped.start);
    assert!(disk.size().expect("a size") - grown.end() < 1 << 20, "{grown:?}");
    let signed = signature(disk.path());
    assert_ne!(signed, [0; 4], "the disk is not signed");
    assert_clean(&disk);

    let board = boot(&image, &disk, &Options::default());
    assert!(!board.console().iter().any(|line| line.text.contains("grown")), "nothing is left to grow");
    board.power_off().expect("it shuts down");
    assert_eq!(signature(disk.path()), signed, "it is signed once");
}

/// What the developer image's SSH answers to `id -un`, and whether it let us in.
fn ssh(board: &Board, options: &[&str]) -> (bool, String) {
    let port = board.port(22).expect("a port").to_string();
    let always =
        ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"];
    let output =
        Command::new("ssh").args(always).args(options).args(["-p", &port, "root@127.0.0.1", "id -un"]).output();
    let output = output.expect("ssh starts");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn a_developer_comes_by_ssh_with_a_key_that_is_on_the_card() {
    let image = image();
    let scratch = Scratch::new("ssh");
    let disk = scratch.disk(&image, GIB);
    let board = boot(&image, &disk, &Options::default());
    assert_eq!(told(&board, "netstat -ltn | grep -c ':22 ' || true"), "0", "it listens for nobody");
    board.power_off().expect("it shuts down");

    let run = |name: &str, arguments: &[&str]| {
        let status = Command::new(name).args(arguments).stdout(Stdio::null()).status().expect("it starts");
        assert!(status.success(), "{name} {arguments:?}");
    };
    let path = |name: &str| scratch.0.join(name).display().to_string();
    let (mine, other) = (path("mine"), path("other"));
    for key in [&mine, &other] {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key]);
    }
    let card = format!("{}@@1M", disk.path().display());
    run("mcopy", &["-i", &card, &format!("{mine}.pub"), "::authorized_keys"]);
    let board = boot(&image, &disk, &Options::default());
    board.wait_for_console("root may come with a key", PATIENCE).expect("it tells so");
    board.wait_for_greeting(22, "SSH-2.0-", PATIENCE).expect("it listens");
    assert_eq!(ssh(&board, &["-i", &mine]), (true, "root".into()));
    assert_eq!(ssh(&board, &["-i", &other]), (false, String::new()));
}

#[test]
fn a_daemon_that_dies_is_started_again() {
    let image = image();
    let scratch = Scratch::new("dies");
    let board = boot(&image, &scratch.disk(&image, GIB), &Options::default());
    told(&board, "kill -9 $(ps -o pid,user,comm | awk '$2 == \"roost\" { print $1 }')");
    let line = board.wait_for_console("starting again", PATIENCE).expect("the console tells of the end");
    assert!(line.text.contains("status 137, starting again in 1 s"), "{}", line.text);
    board.wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets again");
}

#[test]
fn a_power_cut_loses_what_was_not_flushed_and_nothing_else() {
    let image = image();
    let scratch = Scratch::new("cut");
    let disk = scratch.disk(&image, GIB).with_cache(Cache::Volatile);
    // The first cut comes while the data partition is being grown.
    let board = Board::boot(&image, &disk, &Options::default()).expect("the board starts");
    board.wait_for_console("data: grown", PATIENCE).expect("the console tells of the growth");
    board.cut_power();

    let board = boot(&image, &disk, &Options::default());
    let blocks: u64 = told(&board, "stat -f -c %b /data").parse().expect("a number");
    assert!(blocks * 4096 > GIB / 2, "the file system has {blocks} blocks");
    told(&board, "echo kept >/data/flushed && sync");
    told(&board, "echo lost >/data/late");
    board.cut_power();

    let board = boot(&image, &disk, &Options::default());
    assert_eq!(told(&board, "cat /data/flushed"), "kept");
    assert_ne!(board.run("cat /data/late").expect("the shell answers").status, 0, "the cut has no teeth");
    board.power_off().expect("it shuts down");
    assert_clean(&disk);
}

#[test]
fn the_owner_switches_it_off() {
    let image = image();
    let scratch = Scratch::new("off");
    let disk = scratch.disk(&image, GIB);
    // The keeper takes orders on a board with slots only.
    let options = Options { kernel_arguments: "roost.slot=a".into(), ..Options::default() };
    let mut board = boot(&image, &disk, &options);
    let line = board.wait_for_any(0, &["Setup code:"], PATIENCE).expect("the console shows it").text;
    let address = format!("127.0.0.1:{}", board.port(443).expect("a port"));
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/power.py");
    let mut owner = Command::new("python3");
    owner.args(["-B".as_ref(), client.as_os_str()]).args([&address, line.rsplit(' ').next().expect("a code")]);
    let owner = owner.output().expect("python3");
    assert!(owner.status.success(), "{}", String::from_utf8_lossy(&owner.stderr));
    board.wait_until_off(PATIENCE).expect("it is off by itself");
    assert!(board.console().iter().any(|line| line.text.contains("switches itself off")), "the console says why");
    assert_clean(&disk);
    // What the owner set up is there, so no code is shown any more.
    let board = boot(&image, &disk, &options);
    assert!(!board.console().iter().any(|line| line.text.contains("Setup code:")));
}

#[test]
fn time_never_runs_backwards() {
    let image = image();
    let scratch = Scratch::new("clock");
    let disk = scratch.disk(&image, GIB);
    // A board without a clock starts at the image's time, not in 2001.
    let stopped = Options { clock: Some("2001-02-03T04:05:06".into()), ..Options::default() };
    let board = boot(&image, &disk, &stopped);
    let built: u64 = told(&board, "sed -n s/^BUILT=//p /etc/roost-release").parse().expect("a number");
    let now = |board: &Board| told(board, "date +%s").parse::<u64>().expect("a number");
    assert!(now(&board) >= built);
    // Somebody tells it the time; after the next start it knows.
    told(&board, "date -s 2031-01-01");
    let set = now(&board);
    board.power_off().expect("it shuts down");
    assert!(now(&boot(&image, &disk, &stopped)) >= set);
}

/// What the board tells whoever collects figures.
fn metrics(board: &Board) -> String {
    let address = format!("https://127.0.0.1:{}/metrics", board.port(443).expect("a port"));
    let metrics = Command::new("curl").args(["--silent", "--show-error", "--insecure", &address]).output();
    String::from_utf8(metrics.expect("curl").stdout).expect("text")
}

#[test]
fn a_disk_that_fails_is_told_of() {
    let image = image();
    let scratch = Scratch::new("fails");
    let disk = scratch.disk(&image, GIB).with_cache(Cache::Volatile);
    let options = Options { kernel_arguments: "roost.slot=a".into(), ..Options::default() };
    let board = boot(&image, &disk, &options);
    told(&board, "timeout 60 sh -c 'until [ -e /run/hardware/faults ]; do sleep 0.1; done'");
    let well = metrics(&board);
    assert!(well.contains("\nroost_storage_faults_since_start 0\n"), "{well}");
    // A program cannot make one up.
    told(&board, "echo 'I/O error, dev vda, sector 0 op 0x0:(READ)' >/dev/kmsg");
    // In the other slot nobody reads but we.
    board.fail_reads(true).expect("it fails");
    let read = board.run("dd if=/dev/vda3 of=/dev/null bs=4k count=1 2>&1").expect("the shell answers");
    board.fail_reads(false).expect("it works again");
    assert!(read.status != 0 && read.text.contains("Input/output error"), "{read:?}");
    told(&board, "timeout 60 sh -c 'until [ \"$(cat /run/hardware/faults)\" -gt 0 ]; do sleep 0.1; done'");
    let ill = metrics(&board);
    let value = |name: &str| ill.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let counted = told(&board, "dmesg | grep -c ' error, dev vda, sector .*flags'");
    assert_eq!(value("roost_storage_faults_since_start "), counted.parse().ok(), "{ill}");
    assert!(value("roost_storage_written_since_start_bytes ").is_some_and(|octets| octets > 1 << 20), "{ill}");
}

#[test]
fn an_nvme_disk_beside_an_old_card_has_the_data_and_tells_its_wear() {
    let image = image();
    let scratch = Scratch::new("nvme");
    let disk = scratch.disk(&image, GIB);
    // in a reader, and found before the disk that the system is on
    let old_card = Disk::create(&image, scratch.0.join("old-card.img"), GIB).expect("an old card");
    let (nvme, more_disks) = (true, vec![old_card.path().to_owned()]);
    let options = Options { nvme, more_disks, kernel_arguments: "roost.slot=a".into(), ..Options::default() };
    let board = boot(&image, &disk, &options);
    assert_eq!(told(&board, "ls /dev/vda4"), "/dev/vda4");
    assert_eq!(
        told(&board, "cat /run/data-partition; sed -n 's/ .data .*//p' /proc/mounts"),
        "/dev/nvme0n1p4\n/dev/nvme0n1p4"
    );
    let answer = "i=0; until [ -e /run/hardware/smart.json ] || [ $i -gt 60 ]; do sleep 1; i=$((i+1)); done; cat /run/hardware/smart.json";
    let answer = told(&board, answer);
    assert!(answer.contains("nvme_smart_health_information_log"), "{answer}");
    let metrics = metrics(&board);
    for sample in ["roost_disk_life_used_ratio 0\n", "roost_storage_faults 0\n", "roost_storage_written_bytes "] {
        assert!(metrics.contains(sample), "{sample} is not in\n{metrics}");
    }
    assert!(board.block_stats().expect("counters").written_bytes > 0);
}

#[test]
fn a_board_without_network_and_time_serves_itself() {
    const STICK: u64 = 1 << 20;
    let image = image();
    let scratch = Scratch::new("alone");
    let stick = scratch.0.join("stick");
    std::fs::write(&stick, vec![b'x'; STICK as usize]).expect("a second disk");
    let clock = Some("1970-01-01T00:00:00".into());
    let options = Options { network: Network::None, clock, more_disks: vec![stick], ..Options::default() };
    let board = Board::boot(&image, &scratch.disk(&image, GIB), &options).expect("the board starts");
    board.wait_for_console("is ready", PATIENCE).expect("the daemon serves");
    assert_eq!(told(&board, "ls /sys/class/net"), "lo");
    let said = told(&board, "printf 'a LOGOUT\\r\\n' | timeout 60 nc 127.0.0.1 143");
    assert!(said.starts_with("* OK ") && said.contains("\na OK "), "{said}");
    let built: u64 = told(&board, "sed -n s/^BUILT=//p /etc/roost-release").parse().expect("a number");
    let now: u64 = told(&board, "date +%s").parse().expect("a number");
    assert!(built > 1 << 30 && now >= built, "{now} on a board that was built at {built}");

    // What one disk was asked for is not counted as the other's.
    let before = board.all_block_stats().expect("counters")["more0"];
    assert_eq!(told(&board, "dd if=/dev/vdb bs=64k 2>/dev/null | wc -c"), STICK.to_string());
    told(&board, "dd if=/dev/urandom of=/data/some bs=64k count=32 2>/dev/null && sync");
    let after = board.all_block_stats().expect("counters")["more0"];
    assert!(after.read_bytes > before.read_bytes && after.read_bytes <= 2 * STICK, "{after:?}");
    assert_eq!(after.written_bytes, 0);
    assert!(board.block_stats().expect("counters").written_bytes >= 32 * 64 * 1024);
    board.power_off().expect("it shuts down");
}
