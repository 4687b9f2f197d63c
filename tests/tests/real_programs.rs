//! Real mail programs against the daemon: mbsync, fetchmail, curl, neomutt, swaks, Python's imaplib, poplib and smtplib.

use std::path::Path;
use std::process::Command;
use system_tests::clients::{private_file, python, run};
use system_tests::corpus::{self, Mail};
use system_tests::daemon::{Daemon, roost};
use system_tests::exchange::{self, assert_same, deliver_all, fetchmail, mbsync_pull};
use system_tests::play::Line as _;
use system_tests::{PASSWORD, Protocol, maildir};

fn daemon() -> &'static Daemon {
    Daemon::shared()
}

#[test]
fn the_corpus_comes_out_by_mbsync_byte_for_byte() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("mbsync-corpus");
    // mbsync leaves messages alone whose header does not end. The tests below have those too.
    let all = corpus::messages();
    let mails: Vec<Mail> = all.iter().filter(|m| m.header_ends()).cloned().collect();
    assert!(mails.len() >= corpus::AT_LEAST && mails.len() + 9 > all.len(), "{} of {}", mails.len(), all.len());
    deliver_all(daemon.reach(), &alice, &mails).unwrap();
    assert_same(&mails, mbsync_pull(daemon.reach(), &alice, dir.path()));
}

#[test]
fn the_corpus_comes_out_by_fetchmail() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("fetchmail-corpus");
    let all = corpus::messages();
    // fetchmail parses headers while it fetches; text that is no header it drops or mends. The next test has those too.
    let mails: Vec<Mail> = all.iter().filter(|m| m.has_proper_header()).cloned().collect();
    assert!(mails.len() > all.len() * 9 / 10, "{} of {} have a proper header", mails.len(), all.len());
    deliver_all(daemon.reach(), &alice, &mails).unwrap();
    assert_same(&mails, fetchmail(daemon.reach(), &alice, dir.path()));
    assert_eq!(exchange::maildrop_size(daemon.reach(), &alice), 0, "fetchmail deletes what it fetched");
}

#[test]
fn the_corpus_comes_out_by_pop3_and_imap_octet_for_octet() {
    let daemon = daemon();
    let alice = daemon.add_account("octets-corpus");
    let mails = corpus::messages();
    deliver_all(daemon.reach(), &alice, &mails).unwrap();
    let by_pop3 = exchange::retrieve_all(daemon.reach(), &alice);
    assert_same(&mails, exchange::without_traces(&by_pop3, "\r\n"));
    assert_eq!(by_pop3, exchange::fetch_all(daemon.reach(), &alice), "POP3 and IMAP give the same octets");
}

#[test]
fn mbsync_carries_changes_both_ways() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("mbsync-both");
    deliver_all(daemon.reach(), &alice, &exchange::small_mails(3)).unwrap();
    let config = exchange::mbsyncrc(daemon.reach(), &alice, dir.path());
    let sync = || run(120, Command::new("mbsync").args(["-q", "-c"]).arg(&config).arg("all")).well();
    sync();
    let inbox = dir.path().join("mail/INBOX");
    let there = maildir::messages(&inbox);
    assert_eq!(there.len(), 3);

    // Here: one message flagged and read, one deleted, one new, and a new mailbox with one in it.
    let files: Vec<String> = there.keys().cloned().collect();
    let place = |file: &str| ["cur", "new"].iter().map(|p| inbox.join(p).join(file)).find(|p| p.exists()).unwrap();
    let base = |file: &str| file.split(":2,").next().unwrap().to_owned();
    std::fs::rename(place(&files[0]), inbox.join("cur").join(format!("{}:2,FS", base(&files[0])))).unwrap();
    std::fs::rename(place(&files[1]), inbox.join("cur").join(format!("{}:2,T", base(&files[1])))).unwrap();
    std::fs::write(inbox.join("cur/1700000000.1.here:2,S"), "Subject: from here\n\ntext\n").unwrap();
    for part in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(dir.path().join("mail/Projekte/Gr&APYA3w-e").join(part)).unwrap();
    }
    std::fs::write(dir.path().join("mail/Projekte/Gr&APYA3w-e/cur/1700000000.2.here:2,"), "Subject: deep\n\ntext\n")
        .unwrap();
    sync();

    let mut imap = exchange::imap_login(daemon.reach(), &alice, "INBOX");
    imap.exchange("1 UID SEARCH SEEN FLAGGED", "* SEARCH ").unwrap();
    let subjects = exchange::untagged(&mut imap, "2 UID SEARCH HEADER Subject \"from here\"", "2");
    assert!(subjects.iter().any(|l| l.starts_with("* SEARCH ")), "{subjects:?}");
    let status = imap.exchange("3 STATUS \"Projekte/Gr&APYA3w-e\" (MESSAGES)", "* STATUS ").unwrap();
    assert!(status.ends_with("(MESSAGES 1)"), "{status}");
    let status = imap.exchange("4 STATUS INBOX (MESSAGES)", "* STATUS ").unwrap();
    assert!(status.ends_with("(MESSAGES 3)"), "one went, one came: {status}");

    // There: one message answered, one expunged, one delivered.
    imap.exchange("5 UID STORE 1 +FLAGS.SILENT (\\Answered)", "5 OK").unwrap();
    let all = exchange::untagged(&mut imap, "6 UID SEARCH UNANSWERED", "6");
    let last = all.iter().find(|l| l.starts_with("* SEARCH ")).unwrap().rsplit(' ').next().unwrap().to_owned();
    imap.exchange(&format!("7 UID STORE {last} +FLAGS.SILENT (\\Deleted)"), "7 OK").unwrap();
    imap.exchange("8 EXPUNGE", "8 OK").unwrap();
    deliver_all(daemon.reach(), &alice, &exchange::small_mails(1)).unwrap();
    sync();
    let there = maildir::messages(&inbox);
    assert_eq!(there.len(), 3, "{:?}", there.keys());
    assert_eq!(there.keys().filter(|f| f.contains(":2,") && f.split(":2,").nth(1).unwrap().contains('R')).count(), 1);
}

#[test]
fn mbsync_pushes_thousands_of_messages_in_one_go() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("mbsync-push");
    let config = exchange::mbsyncrc(daemon.reach(), &alice, dir.path());
    let sync = || run(300, Command::new("mbsync").args(["-q", "-c"]).arg(&config).arg("all")).well();
    sync();
    let cur = dir.path().join("mail/Archive/cur");
    for n in 0..2000 {
        let text = format!("Subject: {n}\nMessage-ID: <{n}@here.example>\n\n{}\n", "text ".repeat(n % 200));
        std::fs::write(cur.join(format!("{}.{n}.here:2,S", 1_700_000_000 + n)), text).unwrap();
    }
    sync();
    let mut imap = exchange::imap_login(daemon.reach(), &alice, "INBOX");
    let status = imap.exchange("1 STATUS Archive (MESSAGES UNSEEN)", "* STATUS ").unwrap();
    assert!(status.ends_with("(MESSAGES 2000 UNSEEN 0)"), "{status}");
}

#[test]
fn curl_reads_and_sends() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("curl");
    let reach = daemon.reach();
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--max-time", "30", "-u", &format!("{alice}:{PASSWORD}")]);
        command.arg("--cacert").arg(&reach.ca).args(arguments);
        run(60, &mut command)
    };
    let url = |scheme: &str, protocol| format!("{scheme}://localhost:{}", reach.port(protocol));
    let letter =
        private_file(&dir.path().join("letter"), &format!("From: <{alice}>\r\nSubject: curl\r\n\r\nby curl\r\n"));
    let letter = letter.to_str().unwrap();
    let from_to = ["--mail-from", &alice, "--mail-rcpt", &alice, "-T", letter];

    curl(&[&[url("smtps", Protocol::Submissions).as_str()][..], &from_to].concat()).well();
    curl(&[&[url("smtp", Protocol::Submission).as_str(), "--ssl-reqd"][..], &from_to].concat()).well();
    let refused = curl(&[
        &url("smtps", Protocol::Submissions),
        "--mail-from",
        &alice,
        "--mail-rcpt",
        "x@far.example",
        "-T",
        letter,
    ]);
    assert!(refused.status != 0, "mail for elsewhere was taken: {}", refused.said);

    let list = curl(&[&url("imaps", Protocol::Imaps), "-X", "LIST \"\" *"]).well();
    assert!(list.said.contains("INBOX") && list.said.contains("\\Drafts"), "{}", list.said);
    let inbox = format!("{}/INBOX", url("imaps", Protocol::Imaps));
    let mail = curl(&[&format!("{inbox};UID=1")]).well();
    assert!(mail.said.ends_with("\r\nby curl\r\n"), "{}", mail.said);
    let starttls = format!("{}/INBOX;UID=2;SECTION=TEXT", url("imap", Protocol::Imap));
    assert_eq!(curl(&[&starttls, "--ssl-reqd"]).well().said, "by curl\r\n");
    curl(&[&inbox, "-T", letter]).well();
    assert!(curl(&[&inbox, "-X", "SEARCH SUBJECT curl"]).well().said.contains("SEARCH 1 2 3"));

    let list = curl(&[&url("pop3s", Protocol::Pop3s)]).well();
    assert_eq!(list.said.lines().count(), 3, "{}", list.said);
    let same = curl(&[&format!("{}/1", url("pop3s", Protocol::Pop3s))]).well();
    assert_eq!(same.stdout, mail.stdout, "POP3 and IMAP give the same octets");
    curl(&[&format!("{}/3", url("pop3", Protocol::Pop3)), "--ssl-reqd", "-X", "DELE", "-l"]).well();
    assert_eq!(exchange::maildrop_size(reach, &alice), 2);
    let wrong = run(60, Command::new("curl").args(["-sS", "-u", "x:y", &url("pop3s", Protocol::Pop3s)]));
    assert!(wrong.status == 60 || wrong.status == 35, "an unknown authority is not trusted: {}", wrong.said);
}

#[test]
fn neomutt_sends_and_reads() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("neomutt");
    let rc = exchange::muttrc(daemon.reach(), &alice, dir.path());
    let body = private_file(&dir.path().join("body"), "Grüße\n.\nFrom neomutt\n");
    let mut send = Command::new("sh");
    send.env("HOME", dir.path()).arg("-c");
    send.arg(r#"neomutt -n -F "$0" -s "ein Gruß" -- "$1" <"$2""#).arg(&rc).arg(&alice).arg(&body);
    run(60, &mut send).well();

    let saved = dir.path().join("saved.mbox");
    let keys = format!(r#"push "<tag-pattern>~A<enter><tag-prefix><copy-message>{}<enter><exit>""#, saved.display());
    run(60, &mut exchange::in_terminal(dir.path(), &["neomutt", "-n", "-F", rc.to_str().unwrap(), "-e", &keys])).well();
    let text = String::from_utf8_lossy(&std::fs::read(&saved).unwrap()).into_owned();
    assert!(text.contains("Subject: ein =?utf-8?"), "{text}");
    assert!(text.contains("\nGrüße\n.\nFrom neomutt\n"), "{text}");
}

#[test]
fn swaks_submits_and_is_refused() {
    let daemon = daemon();
    let alice = daemon.add_account("swaks");
    let swaks = |protocol: Protocol, arguments: &[&str]| {
        let server = format!("localhost:{}", daemon.reach().port(protocol));
        let mut command = Command::new("swaks");
        command.args(["--server", &server, "--timeout", "20", "--helo", "client.example", "--tls-verify"]);
        command.arg("--tls-ca-path").arg(&daemon.reach().ca).args(arguments);
        run(60, &mut command)
    };
    let login = ["--auth-user", &alice, "--auth-password", PASSWORD, "--from", &alice, "--to", &alice];
    swaks(Protocol::Submission, &[&["--tls", "--auth", "PLAIN"][..], &login].concat()).well();
    swaks(Protocol::Submissions, &[&["--tlsc", "--auth", "LOGIN"][..], &login].concat()).well();
    swaks(Protocol::Lmtp, &["--protocol", "LMTP", "--from", "x@elsewhere.example", "--to", &alice]).well();
    swaks(Protocol::Smtp, &["--tls", "--from", "x@elsewhere.example", "--to", &alice, "--pipeline"]).well();
    swaks(Protocol::Submission, &[&["--auth", "PLAIN"][..], &login].concat()).with_status(28);
    swaks(Protocol::Smtp, &["--from", "x@elsewhere.example", "--to", "y@far.example"]).with_status(24);
    assert_eq!(exchange::maildrop_size(daemon.reach(), &alice), 4);
}

#[test]
fn python_imaplib_walks_through() {
    let alice = daemon().add_account("imaplib");
    run(120, &mut python("imap_walk.py", daemon().reach(), &alice, PASSWORD)).well();
}

#[test]
fn python_poplib_walks_through() {
    let alice = daemon().add_account("poplib");
    deliver_all(daemon().reach(), &alice, &exchange::small_mails(3)).unwrap();
    run(120, &mut python("pop3_walk.py", daemon().reach(), &alice, PASSWORD)).well();
}

#[test]
fn python_smtplib_walks_through() {
    let alice = daemon().add_account("smtplib");
    run(120, &mut python("smtp_walk.py", daemon().reach(), &alice, PASSWORD)).well();
    assert_eq!(exchange::maildrop_size(daemon().reach(), &alice), 5);
}

#[test]
fn scram_with_an_app_password() {
    let mut daemon = Daemon::start();
    let alice = daemon.add_account("scram");
    // The setup pages make accounts without a password of their own; SCRAM is offered while nobody has one for mail.
    daemon.stop();
    let settings = settings::Settings::open(&daemon.data().join("settings.redb")).unwrap();
    let forget = |config: &mut settings::Config| -> Result<(), ()> {
        config.accounts[0].password = None;
        config.accounts[0].password_for_mail = false;
        Ok(())
    };
    settings.update(forget).unwrap();
    drop(settings);
    daemon.start_again();
    let data = daemon.data().to_str().unwrap();
    let made = roost(&["app-password", "add", &alice, "phone", "--data", data], "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let password = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    run(60, &mut python("scram.py", daemon.reach(), &alice, &password)).well();
}

#[test]
fn twenty_four_connections_of_one_user() {
    let alice = daemon().add_account("parallel");
    run(120, &mut python("parallel.py", daemon().reach(), &alice, PASSWORD)).well();
}

#[test]
fn mail_comes_in_from_files_while_the_daemon_runs() {
    let (daemon, dir) = (daemon(), tempfile::tempdir().unwrap());
    let alice = daemon.add_account("import");
    std::fs::write(
        dir.path().join("a.mbox"),
        "From x Mon Jan  1 00:00:00 2024\nSubject: 1\n\n>From\n\nFrom y Mon Jan  1 00:00:00 2024\nSubject: 2\n\nb\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("b.eml"), "Subject: 3\r\n\r\ntext\r\n").unwrap();
    let path = |p: &Path| p.to_str().unwrap().to_owned();
    let output = roost(&["import", "--account", &alice, &path(dir.path()), "--data", &path(daemon.data())], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut imap = exchange::imap_login(daemon.reach(), &alice, "INBOX");
    let found = exchange::untagged(&mut imap, "1 LIST \"\" * RETURN (STATUS (MESSAGES))", "1");
    let total: u32 = found
        .iter()
        .filter(|l| l.starts_with("* STATUS"))
        .map(|l| l.rsplit(' ').next().unwrap().trim_end_matches(')').parse::<u32>().unwrap())
        .sum();
    assert_eq!(total, 3, "{found:?}");
    imap.send(b"2 LOGOUT\r\n").unwrap();
}
