//! What goes wrong on real machines: ports and data in use, too many connections, a full disk, kill -9, clients that do not
//! read. Nothing acknowledged is lost, nothing is damaged, every refusal says why.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use system_tests::clients::run;
use system_tests::daemon::{Daemon, binary, free_offset};
use system_tests::exchange::{
    deliver_all, fetch_all, imap_login, maildrop_size, small_mails, untagged, without_traces,
};
use system_tests::ledger::Ledger;
use system_tests::lmtp::Sender;
use system_tests::play::Line as _;
use system_tests::wire::Wire;
use system_tests::{Protocol, corpus};

/// Runs `roost serve`, which must refuse; answers its one line.
fn refused_start(data: &Path, offset: u16) -> String {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1", "--port-offset", &offset.to_string(), "--data"]).arg(data);
    let ran = run(30, &mut command);
    assert!(ran.status > 0 && ran.status != 124, "it started, or did not end: {}\n{}", ran.status, ran.said);
    assert!(!ran.said.contains("panicked"), "{}", ran.said);
    assert_eq!(ran.said.trim().lines().count(), 1, "one line tells the reason: {}", ran.said);
    ran.said
}

#[test]
fn a_port_in_use_is_named() {
    let (daemon, other) = (Daemon::start(), tempfile::tempdir().unwrap());
    let said = refused_start(other.path(), daemon.offset());
    let ports = Protocol::ALL.map(|p| daemon.reach().port(p).to_string());
    assert!(ports.iter().any(|port| said.contains(port)), "{said}");
    assert!(said.to_lowercase().contains("in use"), "{said}");
}

#[test]
fn data_in_use_is_named() {
    let daemon = Daemon::start();
    let said = refused_start(daemon.data(), free_offset());
    assert!(said.contains(daemon.data().to_str().unwrap()) && said.contains("in use"), "{said}");
    assert_eq!(maildrop_size(daemon.reach(), &daemon.add_account("unharmed")), 0, "the first one serves on");
}

/// A page of a box whose authority nobody knows; what curl said if there is none.
fn page(offset: u16) -> String {
    let url = format!("https://127.0.0.1:{}/", 443 + offset);
    run(20, Command::new("curl").args(["--silent", "--show-error", "--insecure", &url])).said
}

#[test]
fn data_that_cannot_be_opened_is_told_of_on_a_page() {
    let mut daemon = Daemon::start();
    let user = daemon.add_account("anna");
    deliver_all(daemon.reach(), &user, &small_mails(3)).unwrap();
    daemon.stop();
    let settings = daemon.data().join("settings.redb");
    let whole = std::fs::read(&settings).unwrap();
    std::fs::write(&settings, vec![7; whole.len()]).unwrap();
    let said = refused_start(daemon.data(), daemon.offset());
    assert!(said.contains("settings.redb"), "{said}");

    let (before, folder, offset) = (listing(daemon.data()), tempfile::tempdir().unwrap(), free_offset());
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", "127.0.0.1", "--port-offset", &offset.to_string(), "--data"]).arg(daemon.data());
    command
        .arg("--trouble")
        .arg(folder.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut ill = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(ill.stdout.take().unwrap())).map(Result::unwrap);
    assert!(lines.any(|line| line.contains("cannot open its mail")), "the console tells");
    assert!(lines.any(|line| line.contains("settings.redb")) && lines.any(|line| line.contains("Setup code:")));
    let began = Instant::now();
    let shown = loop {
        let shown = page(offset);
        if shown.contains("<h1>") || began.elapsed() > Duration::from_secs(60) {
            break shown;
        }
    };
    assert!(shown.contains("This box cannot open its mail") && shown.contains("settings.redb"), "{shown}");
    assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, 143 + offset)).is_err(), "no mail is served");
    assert_eq!(listing(daemon.data()), before, "nothing of the data is touched");
    rustix::process::kill_process(rustix::process::Pid::from_child(&ill), rustix::process::Signal::TERM).unwrap();
    assert!(ill.wait().unwrap().success(), "it stops cleanly");

    std::fs::write(&settings, whole).unwrap();
    daemon.start_again();
    assert_eq!(maildrop_size(daemon.reach(), &user), 3);
}

#[test]
fn data_of_another_version_is_left_alone() {
    let mut daemon = Daemon::start();
    daemon.add_account("someone");
    daemon.stop();
    let format = daemon.data().join("FORMAT");
    let text = std::fs::read_to_string(&format).unwrap();
    // Whatever version it is now, it is not 99.
    let (_, rest) = text.split_once("store ").expect("FORMAT names the store's version");
    let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
    std::fs::write(&format, text.replacen(&format!("store {version}"), "store 99", 1)).unwrap();
    let before = listing(daemon.data());
    let said = refused_start(daemon.data(), daemon.offset());
    assert!(said.contains("version") && said.contains("99"), "{said}");
    assert_eq!(listing(daemon.data()), before, "a refused start changes nothing");
    std::fs::write(&format, text).unwrap();
    daemon.start_again();
    assert_eq!(maildrop_size(daemon.reach(), "someone@home.example"), 0);
}

/// Names and sizes of all files.
fn listing(dir: &Path) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(listing(&entry.path()));
        } else {
            all.push((entry.path().to_string_lossy().into_owned(), entry.metadata().unwrap().len()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let said = refused_start(&file, free_offset());
    assert!(said.contains(file.to_str().unwrap()), "{said}");
}

#[test]
fn too_many_connections_are_told_and_places_come_back() {
    let daemon = Daemon::start();
    let from = Ipv4Addr::new(127, 7, 7, 7);
    let mut open = Vec::new();
    let said = loop {
        let mut wire = daemon.reach().connect(Protocol::Imap, from).unwrap();
        let greeting = String::from_utf8(wire.read_line().unwrap().unwrap()).unwrap();
        if !greeting.starts_with("* OK") {
            break greeting;
        }
        open.push(wire);
        assert!(open.len() < 2000, "there is no limit");
    };
    assert!(said.starts_with("* BYE"), "{said}");
    assert!(open.len() >= 40, "only {} connections of one address", open.len());
    let mut smtp = daemon.reach().connect(Protocol::Smtp, from).unwrap();
    assert!(smtp.read_line().unwrap().unwrap().starts_with(b"421 "), "SMTP says it in its own words");
    daemon.dial(Protocol::Imap).skip_to("* OK").expect("others still come in");

    let mut leaving = open.pop().unwrap();
    leaving.exchange("1 LOGOUT", "1 OK").unwrap();
    assert_eq!(leaving.read_line().unwrap(), None);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !daemon.reach().connect(Protocol::Imap, from).unwrap().read_line().unwrap().unwrap().starts_with(b"* OK") {
        assert!(Instant::now() < deadline, "the place did not come back");
    }
}

#[test]
fn too_many_connections_of_one_account_are_told() {
    let daemon = Daemon::start();
    let alice = daemon.add_account("popular");
    let mut open = Vec::new();
    let said = loop {
        // Two addresses, so that the limit of an address is not met first.
        let from = Ipv4Addr::new(127, 8, 8, 1 + u8::try_from(open.len() % 4).unwrap());
        let mut wire = daemon.reach().connect(Protocol::Imaps, from).unwrap();
        wire.skip_to("* OK").unwrap();
        wire.send(format!("1 LOGIN {alice} {}\r\n", system_tests::PASSWORD).as_bytes()).unwrap();
        let answer = String::from_utf8(wire.read_line().unwrap().unwrap()).unwrap();
        if !answer.starts_with("1 OK") {
            break answer;
        }
        open.push(wire);
        assert!(open.len() < 1000, "there is no limit");
    };
    assert!(said.contains("[LIMIT]") || said.starts_with("* BYE"), "{said}");
    assert!(open.len() >= 20, "Apple's programs open twenty, here are {}", open.len());
    // The other doors count the same account, and say it in their own words.
    let elsewhere = Ipv4Addr::new(127, 8, 8, 9);
    let mut pop = daemon.reach().connect(Protocol::Pop3s, elsewhere).unwrap();
    pop.skip_to("+OK").unwrap();
    pop.exchange(&format!("USER {alice}"), "+OK").unwrap();
    let answer = answer(&mut pop, &format!("PASS {}", system_tests::PASSWORD));
    assert!(answer.starts_with("-ERR [IN-USE]") || answer.starts_with("-ERR [SYS/TEMP]"), "{answer}");
    let mut submission = daemon.reach().connect(Protocol::Submissions, elsewhere).unwrap();
    submission.skip_to("220 ").unwrap();
    submission.exchange("EHLO client.example", "250 ").unwrap();
    let login = STANDARD.encode(format!("\0{alice}\0{}", system_tests::PASSWORD));
    let answer = self::answer(&mut submission, &format!("AUTH PLAIN {login}"));
    assert!(answer.starts_with("421 ") || answer.starts_with("454 "), "{answer}");
    for wire in &mut open {
        wire.exchange("2 NOOP", "2 OK").expect("those that are in stay in");
    }
}

fn answer(wire: &mut Wire, command: &str) -> String {
    wire.send(format!("{command}\r\n").as_bytes()).unwrap();
    String::from_utf8(wire.read_line().unwrap().expect("an answer")).unwrap()
}

#[test]
fn a_wrong_password_is_slowed_down_and_the_owner_still_gets_in() {
    let daemon = Daemon::start();
    let alice = daemon.add_account("guessed");
    let thief = Ipv4Addr::new(127, 9, 9, 9);
    let began = Instant::now();
    for _ in 0..4 {
        let mut wire = daemon.reach().connect(Protocol::Imaps, thief).unwrap();
        wire.skip_to("* OK").unwrap();
        let answer = wire.exchange(&format!("1 LOGIN {alice} guess"), "1 ").unwrap();
        assert!(answer.starts_with("1 NO [AUTHENTICATIONFAILED]"), "{answer}");
    }
    assert!(began.elapsed() > Duration::from_millis(3500), "four guesses took {:?}", began.elapsed());
    let began = Instant::now();
    imap_login(daemon.reach(), &alice, "INBOX");
    // A fifth guess would wait for four seconds.
    assert!(began.elapsed() < Duration::from_secs(4), "the owner waited {:?}", began.elapsed());
}

#[test]
fn restart_keeps_everything() {
    let mut daemon = Daemon::start();
    let alice = daemon.add_account("stays");
    deliver_all(daemon.reach(), &alice, &small_mails(40)).unwrap();
    let mut imap = imap_login(daemon.reach(), &alice, "INBOX");
    imap.exchange("1 UID STORE 2:5 +FLAGS.SILENT (\\Flagged Later)", "1 OK").unwrap();
    imap.exchange("2 UID MOVE 7:9 Archive", "2 OK").unwrap();
    imap.exchange("3 CREATE \"K&APw-che/Rezepte\"", "3 OK").unwrap();
    imap.exchange("4 SUBSCRIBE \"K&APw-che/Rezepte\"", "4 OK").unwrap();
    let before = picture(&daemon, &alice);
    assert!(before.iter().any(|line| line.contains("Later")), "{before:?}");

    daemon.stop();
    daemon.start_again();
    assert_eq!(picture(&daemon, &alice), before, "after SIGTERM");
    // Flags become durable within five seconds; a delivery takes them along at once.
    imap_login(daemon.reach(), &alice, "INBOX").exchange("1 UID STORE 11 +FLAGS.SILENT (\\Seen)", "1 OK").unwrap();
    deliver_all(daemon.reach(), &alice, &small_mails(1)).unwrap();
    let before = picture(&daemon, &alice);
    daemon.kill();
    daemon.start_again();
    assert_eq!(picture(&daemon, &alice), before, "after SIGKILL");
}

/// All that clients remember: mailboxes, UIDVALIDITY, UIDNEXT, UIDs, flags, UIDLs.
fn picture(daemon: &Daemon, user: &str) -> Vec<String> {
    let mut imap = imap_login(daemon.reach(), user, "INBOX");
    let mut all =
        untagged(&mut imap, "1 LIST \"\" * RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY))", "1");
    imap.exchange("2 EXAMINE INBOX", "2 OK").unwrap();
    all.extend(untagged(&mut imap, "3 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)", "3"));
    let mut pop = daemon.dial(Protocol::Pop3s);
    pop.skip_to("+OK").unwrap();
    pop.exchange(&format!("USER {user}"), "+OK").unwrap();
    pop.exchange(&format!("PASS {}", system_tests::PASSWORD), "+OK").unwrap();
    pop.exchange("UIDL", "+OK").unwrap();
    loop {
        let line = String::from_utf8(pop.read_line().unwrap().unwrap()).unwrap();
        if line == "." {
            break;
        }
        all.push(line);
    }
    // \Recent belongs to sessions, not to messages.
    all.iter().map(|line| line.replace(" \\Recent", "").replace("\\Recent", "")).collect()
}

#[test]
fn kill_nine_loses_nothing_that_was_acknowledged() {
    const ROUNDS: usize = 6;
    const CLIENTS: usize = 4;
    let mut daemon = Daemon::start();
    let accounts: Vec<String> = (0..CLIENTS).map(|n| daemon.add_account(&format!("crash{n}"))).collect();
    let ledger = Ledger::default();
    let mut validity = None;
    for round in 0..ROUNDS {
        let reach = daemon.reach().clone();
        ledger.deliver_until_cut(&reach, &accounts, 25 + round * 37, || daemon.kill());
        daemon.start_again();
        ledger.assert_kept(daemon.reach(), &accounts);
        let status = imap_login(daemon.reach(), &accounts[0], "INBOX")
            .exchange("1 STATUS INBOX (UIDVALIDITY)", "* STATUS")
            .unwrap();
        assert_eq!(validity.get_or_insert(status.clone()), &status, "UIDVALIDITY stays");
    }
    daemon.stop();
    for how in [&["check"][..], &["check", "--rebuild"]] {
        let check = system_tests::daemon::roost(&[how, &["--data", daemon.data().to_str().unwrap()]].concat(), "");
        let said = (String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
        assert!(check.status.success(), "{said:?}");
    }
    daemon.start_again();
    ledger.assert_kept(daemon.reach(), &accounts);
}

#[test]
fn a_full_disk_refuses_mail_and_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        return as_root_of_a_namespace("a_full_disk_refuses_mail_and_nothing_else");
    }
    let small = SmallDisk::mount(160);
    let ballast = small.path().join("ballast");
    std::fs::write(&ballast, vec![7; 60 << 20]).unwrap();
    let daemon = Daemon::start_in(&small.path().join("data"));
    let alice = daemon.add_account("full");
    let mut sender = Sender::new(daemon.dial(Protocol::Lmtp)).unwrap();
    let mut stored = 0;
    let refusal = loop {
        match sender.deliver(&[&alice], &incompressible(stored)) {
            Ok(answers) if answers[0].starts_with("250 ") => stored += 1,
            Ok(answers) => break answers[0].clone(),
            Err(why) => break why,
        }
        assert!(stored < 1000, "the disk does not get full");
    };
    assert!(refusal.starts_with("452 4.3.1"), "{refusal}");
    assert!(stored > 5, "only {stored} messages went in");

    let mut imap = imap_login(daemon.reach(), &alice, "INBOX");
    imap.send(b"1 APPEND INBOX {600000}\r\n").unwrap();
    let first = imap.read_line().unwrap().unwrap();
    let mut answer = String::from_utf8(first).unwrap();
    if answer.starts_with('+') {
        imap.send(&[vec![b'x'; 600_000], b"\r\n".to_vec()].concat()).unwrap();
        answer = imap.skip_to("1 ").unwrap();
    }
    assert!(answer.starts_with("1 NO "), "{answer}");
    assert_eq!(fetch_all(daemon.reach(), &alice).len(), stored, "reading goes on");
    imap.exchange("2 UID STORE 1:3 +FLAGS.SILENT (\\Deleted)", "2 OK").expect("flags can be set");
    imap.exchange("3 EXPUNGE", "3 OK").expect("mail can be deleted");
    assert_eq!(maildrop_size(daemon.reach(), &alice), stored - 3);

    std::fs::remove_file(&ballast).unwrap();
    let mut sender = Sender::new(daemon.dial(Protocol::Lmtp)).unwrap();
    sender.deliver_one(&alice, &incompressible(stored)).expect("with space mail comes in again, without a restart");
    let there = without_traces(&fetch_all(daemon.reach(), &alice), "\r\n");
    let expected: Vec<Vec<u8>> = (3..=stored).map(incompressible).collect();
    assert!(there == expected, "nothing is damaged, {} of {} messages are there", there.len(), expected.len());
}

/// A message of half a megabyte that takes as much on the disk, whatever the store does to make mail smaller.
fn incompressible(number: usize) -> Vec<u8> {
    // Xorshift; any start but 0 will do.
    let mut state = number as u64 + 1;
    let mut text = format!("Subject: large {number}\r\n\r\n").into_bytes();
    for _ in 0..8000 {
        text.extend((0..64).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'!' + u8::try_from(state % 90).expect("below 90")
        }));
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// Runs a test of this file once more where mounting is allowed: in a namespace of its own, as root of nothing else.
fn as_root_of_a_namespace(test: &str) {
    let mut again = Command::new("unshare");
    again.args(["--user", "--map-root-user", "--mount"]).arg(std::env::current_exe().unwrap());
    let ran = run(300, again.args(["--exact", "--nocapture", test]));
    if ran.said.starts_with("unshare: ") {
        eprintln!("skipped: {test} needs root, or user namespaces: {}", ran.said);
        return;
    }
    ran.well();
}

/// A file system in memory of so many megabytes.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> SmallDisk {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        run(20, Command::new("mount").args(["-t", "tmpfs", "-o", &size, "roost-test"]).arg(dir.path())).well();
        SmallDisk(dir)
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that is just ending may still hold files. What fails here must not hide why the test failed.
        let ran = run(20, Command::new("umount").arg("--lazy").arg(self.0.path()));
        if ran.status != 0 {
            eprintln!("umount: {}", ran.said);
        }
    }
}

#[test]
fn a_message_over_the_limit_is_refused_when_it_was_not_announced() {
    let daemon = Daemon::start();
    let alice = daemon.add_account("large");
    let mut lmtp = daemon.dial(Protocol::Lmtp);
    lmtp.skip_to("220 ").unwrap();
    lmtp.exchange("LHLO client.example", "250 ").unwrap();
    let mut deliver = |octets: usize| {
        lmtp.exchange("MAIL FROM:<sender@elsewhere.example>", "250 ").unwrap();
        lmtp.exchange(&format!("RCPT TO:<{alice}>"), "250 ").unwrap();
        lmtp.exchange("DATA", "354 ").unwrap();
        let line = [&[b'x'; 62][..], b"\r\n"].concat();
        let text = [b"Subject: large\r\n\r\n".to_vec(), line.repeat(octets / line.len()), b".\r\n".to_vec()].concat();
        lmtp.send(&text).unwrap();
        String::from_utf8(lmtp.read_line().unwrap().unwrap()).unwrap()
    };
    let refused = deliver(51 << 20);
    assert!(refused.starts_with("552 5.3.4 "), "{refused}");
    let taken = deliver(49 << 20);
    assert!(taken.starts_with("250 "), "the connection lives on: {taken}");
    assert_eq!(maildrop_size(daemon.reach(), &alice), 1, "and nothing of the refused one is kept");
}

#[test]
fn clients_that_do_not_read_pin_nothing() {
    const IDLERS: usize = 12;
    let daemon = Daemon::start();
    let alice = daemon.add_account("slow");
    let mails = corpus::messages();
    for _ in 0..3 {
        deliver_all(daemon.reach(), &alice, &mails).unwrap();
    }
    let before = resident(&daemon);
    let mut idlers: Vec<_> = (0..IDLERS).map(|_| imap_login(daemon.reach(), &alice, "INBOX")).collect();
    for wire in &mut idlers {
        wire.send(b"1 FETCH 1:* BODY.PEEK[]\r\n").unwrap();
        wire.skip_to("* 1 FETCH").expect("it has begun");
    }
    let mut imap = imap_login(daemon.reach(), &alice, "INBOX");
    imap.exchange("1 UID STORE 1:100 +FLAGS.SILENT (\\Deleted)", "1 OK").unwrap();
    imap.exchange("2 EXPUNGE", "2 OK").unwrap();
    deliver_all(daemon.reach(), &alice, &small_mails(5)).unwrap();
    let grown = resident(&daemon).saturating_sub(before);
    assert!(grown < 48 << 20, "{IDLERS} clients that do not read take {} KiB", grown >> 10);
    for wire in &mut idlers {
        wire.skip_to("1 ").expect("and in the end they get their answer");
    }
}

/// Resident memory of the daemon in octets.
fn resident(daemon: &Daemon) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn sigterm_says_good_bye() {
    let mut daemon = Daemon::start();
    let alice = daemon.add_account("bye");
    let mut idle = imap_login(daemon.reach(), &alice, "INBOX");
    idle.exchange("1 IDLE", "+ ").unwrap();
    let mut lmtp = daemon.dial(Protocol::Lmtp);
    lmtp.skip_to("220 ").unwrap();
    let began = Instant::now();
    daemon.stop();
    assert!(began.elapsed() < Duration::from_secs(10), "stopping took {:?}", began.elapsed());
    assert!(idle.skip_to("* BYE").is_ok(), "IMAP says BYE");
    assert!(lmtp.skip_to("421 ").is_ok(), "LMTP says 421");
    assert_eq!(idle.read_line().unwrap(), None);
}

#[test]
fn a_forgotten_password_of_the_pages_costs_nothing_but_a_new_code() {
    let daemon = Daemon::start();
    let anna = daemon.add_account("anna");
    let data = daemon.data().to_str().unwrap();
    let code = || {
        let reset = system_tests::daemon::roost(&["owner", "reset", "--data", data], "");
        assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
        let said = String::from_utf8(reset.stdout).unwrap();
        said.trim().strip_prefix("Setup code:").expect("it shows a code").trim().to_owned()
    };
    assert_ne!(code(), code(), "each reset has its own");
    assert_eq!(maildrop_size(daemon.reach(), &anna), 0, "devices get their mail as before");
}
