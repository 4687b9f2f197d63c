//! Mail in and mail out: the corpus by LMTP, and back by mbsync, fetchmail, POP3 and IMAP; the programs' configurations.

use crate::clients::{private_file, run};
use crate::corpus::Mail;
use crate::lmtp::Sender;
use crate::play::{Line as _, show};
use crate::wire::{Reach, Wire};
use crate::{PASSWORD, Protocol, maildir};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Delivers messages to one account, one after another.
pub fn deliver_all(reach: &Reach, to: &str, mails: &[Mail]) -> Result<(), String> {
    let mut sender = Sender::new(reach.dial(Protocol::Lmtp))?;
    for mail in mails {
        sender.deliver_one(to, &mail.bytes).map_err(|why| format!("{}: {why}", mail.name))?;
    }
    Ok(())
}

/// So many different small messages.
pub fn small_mails(count: usize) -> Vec<Mail> {
    (0..count)
        .map(|n| Mail {
            name: format!("small {n}"),
            bytes: format!("Subject: number {n}\r\nMessage-ID: <{n}@small.example>\r\n\r\nThis is number {n}.\r\n")
                .into(),
        })
        .collect()
}

/// Panics unless what came out is what went in, in any order; line ends may be LF.
pub fn assert_same(sent: &[Mail], mut got: Vec<Vec<u8>>) {
    let unix = |bytes: &[u8]| {
        let mut out = Vec::with_capacity(bytes.len());
        for (at, byte) in bytes.iter().enumerate() {
            if *byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
                out.push(*byte);
            }
        }
        out
    };
    for message in &mut got {
        *message = unix(message);
    }
    let mut faults = Vec::new();
    for mail in sent {
        let wanted = unix(&mail.bytes);
        match got.iter().position(|g| *g == wanted) {
            Some(at) => drop(got.swap_remove(at)),
            None => faults.push((mail, wanted)),
        }
    }
    if faults.is_empty() && got.is_empty() {
        return;
    }
    let mut report = format!("{} of {} messages did not come out as they went in\n", faults.len(), sent.len());
    for (mail, wanted) in faults.iter().take(5) {
        let nearest = got.iter().max_by_key(|g| common(g, wanted) + common_end(g, wanted));
        report += &format!("\n{}", mail.name);
        if let Some(nearest) = nearest {
            let at = common(nearest, wanted);
            let around = |m: &[u8]| show(&m[at.saturating_sub(60)..m.len().min(at + 60)]);
            report += &format!(" differs at octet {at}:\n  sent: {}\n  got:  {}\n", around(wanted), around(nearest));
        }
    }
    panic!("{report}{} more came out", got.len());
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_end(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Takes off the trace lines of final delivery, which every message must have.
pub fn without_traces(messages: &[Vec<u8>], line_end: &str) -> Vec<Vec<u8>> {
    let bare = |m: &Vec<u8>| match maildir::without_trace(m, line_end) {
        Some(rest) => rest.to_vec(),
        None => panic!("no trace lines: {}", show(m)),
    };
    messages.iter().map(bare).collect()
}

/// Writes a configuration of mbsync that mirrors all mailboxes to `dir/mail`, in both directions.
pub fn mbsyncrc(reach: &Reach, user: &str, dir: &Path) -> PathBuf {
    let text = format!(
        "IMAPStore far\nHost localhost\nPort {port}\nUser {user}\nPass {PASSWORD}\nSSLType IMAPS\nSSLVersions TLSv1.2 TLSv1.3\n\
         SystemCertificates no\nCertificateFile {ca}\nTimeout 60\n\n\
         MaildirStore near\nPath {dir}/mail/\nInbox {dir}/mail/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove None\nExpunge Both\nSync All\nCopyArrivalDate yes\n\
         SyncState {dir}/state/\n",
        port = reach.port(Protocol::Imaps),
        ca = reach.ca.display(),
        dir = dir.display(),
    );
    for part in ["mail", "state"] {
        std::fs::create_dir_all(dir.join(part)).expect("a temporary directory takes files");
    }
    private_file(&dir.join("mbsyncrc"), &text)
}

/// Fetches all mailboxes with mbsync; answers the messages of INBOX without trace lines, and without the `X-TUID` line that
/// mbsync adds at the end of the header of every message it stores.
pub fn mbsync_pull(reach: &Reach, user: &str, dir: &Path) -> Vec<Vec<u8>> {
    let config = mbsyncrc(reach, user, dir);
    run(300, Command::new("mbsync").args(["-q", "-c"]).arg(&config).arg("all")).well();
    let stored: Vec<Vec<u8>> = maildir::messages(&dir.join("mail/INBOX")).into_values().collect();
    without_traces(&stored.iter().map(|m| without_tuid(m)).collect::<Vec<_>>(), "\n")
}

fn without_tuid(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut found = false;
    for line in message.split_inclusive(|b| *b == b'\n') {
        if !found && line.starts_with(b"X-TUID: ") && line.len() == 21 {
            found = true;
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

/// Fetches with fetchmail over POP3S and deletes on the server. Of what fetchmail does to messages all is switched off that
/// can be: no Received line of its own, no rewriting of addresses, no decoding, no dropping of fields. It stores with LF.
pub fn fetchmail(reach: &Reach, user: &str, dir: &Path) -> Vec<Vec<u8>> {
    let store = dir.join("fetched");
    std::fs::create_dir_all(&store).expect("a temporary directory takes files");
    let config = format!(
        "set invisible\nset no bouncemail\nset idfile {dir}/ids\nset pidfile {dir}/pid\n\
         poll localhost protocol pop3 port {port} uidl\n  user \"{user}\" password \"{PASSWORD}\"\n  \
         ssl sslcertck sslcertfile {ca}\n  fetchall no keep no rewrite no mimedecode pass8bits no dropstatus no dropdelivered\n  \
         mda \"cat > $(mktemp {store}/XXXXXXXX)\"\n",
        dir = dir.display(),
        port = reach.port(Protocol::Pop3s),
        ca = reach.ca.display(),
        store = store.display(),
    );
    let config = private_file(&dir.join("fetchmailrc"), &config);
    let mut command = Command::new("fetchmail");
    command.env("HOME", dir).env("FETCHMAILHOME", dir).args(["--silent", "-f"]).arg(config);
    run(300, &mut command).well();
    let entries = std::fs::read_dir(&store).expect("it is there");
    let files: Vec<Vec<u8>> = entries
        .map(|e| std::fs::read(e.expect("a directory can be read").path()).expect("a file can be read"))
        .collect();
    without_traces(&files, "\n")
}

/// Every message of the maildrop by RETR, dots undone.
pub fn retrieve_all(reach: &Reach, user: &str) -> Vec<Vec<u8>> {
    let (mut pop, count) = pop3_login(reach, user);
    let retrieve = |number| -> Result<Vec<u8>, String> {
        let size = pop.exchange(&format!("RETR {number}"), "+OK ")?;
        let mut message = Vec::new();
        loop {
            let line = pop.read_line()?.ok_or("the server has hung up")?;
            if line == b"." {
                assert!(
                    size.contains(&format!(" {} ", message.len())),
                    "RETR {number} says {size}, not {}",
                    message.len()
                );
                return Ok(message);
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            message.extend_from_slice(b"\r\n");
        }
    };
    (1..=count).map(retrieve).collect::<Result<_, _>>().unwrap_or_else(|why| panic!("{why}"))
}

/// Every message of INBOX by one FETCH.
pub fn fetch_all(reach: &Reach, user: &str) -> Vec<Vec<u8>> {
    let mut imap = imap_login(reach, user, "INBOX");
    imap.send(b"1 FETCH 1:* BODY.PEEK[]\r\n").expect("it is connected");
    let mut messages = Vec::new();
    loop {
        let line = imap.read_line().unwrap_or_else(|why| panic!("{why}")).expect("an answer");
        let line = String::from_utf8(line).expect("ASCII");
        if line.starts_with("1 ") {
            assert!(line.starts_with("1 OK"), "{line}");
            return messages;
        }
        let size = line.rsplit_once('{').and_then(|(_, n)| n.trim_end_matches('}').parse().ok());
        messages.push(imap.read_exact(size.expect("a literal")).unwrap_or_else(|why| panic!("{why}")));
        assert_eq!(imap.read_line().unwrap_or_else(|why| panic!("{why}")).expect("the rest"), b")");
    }
}

/// How many messages POP3 sees.
pub fn maildrop_size(reach: &Reach, user: &str) -> usize {
    pop3_login(reach, user).1
}

fn pop3_login(reach: &Reach, user: &str) -> (Wire, usize) {
    let mut pop = reach.dial(Protocol::Pop3s);
    let mut login = || -> Result<usize, String> {
        pop.skip_to("+OK")?;
        pop.exchange(&format!("USER {user}"), "+OK")?;
        pop.exchange(&format!("PASS {PASSWORD}"), "+OK")?;
        let stat = pop.exchange("STAT", "+OK ")?;
        stat.split(' ').nth(1).and_then(|n| n.parse().ok()).ok_or(stat)
    };
    let count = login().unwrap_or_else(|why| panic!("POP3 login of {user}: {why}"));
    (pop, count)
}

/// Logs in and selects a mailbox.
pub fn imap_login(reach: &Reach, user: &str, mailbox: &str) -> Wire {
    let mut imap = reach.dial(Protocol::Imaps);
    let mut login = || -> Result<String, String> {
        imap.skip_to("* OK")?;
        imap.exchange(&format!("0 LOGIN {user} {PASSWORD}"), "0 OK")?;
        imap.exchange(&format!("0 SELECT {mailbox}"), "0 OK")
    };
    login().unwrap_or_else(|why| panic!("IMAP login of {user}: {why}"));
    imap
}

/// Sends a command and answers all lines up to and including the tagged one, which must be OK.
pub fn untagged(imap: &mut Wire, command: &str, tag: &str) -> Vec<String> {
    imap.send(format!("{command}\r\n").as_bytes()).expect("it is connected");
    let mut lines = Vec::new();
    loop {
        let line = imap.read_line().unwrap_or_else(|why| panic!("{command}: {why}")).expect("an answer");
        let line = String::from_utf8_lossy(&line).into_owned();
        let last = line.starts_with(&format!("{tag} "));
        lines.push(line);
        if last {
            assert!(lines.last().is_some_and(|l| l.starts_with(&format!("{tag} OK"))), "{command}: {lines:?}");
            return lines;
        }
    }
}

/// Writes a configuration of neomutt: reads over IMAPS, sends by submission with STARTTLS, asks nothing.
pub fn muttrc(reach: &Reach, user: &str, dir: &Path) -> PathBuf {
    let text = format!(
        "set imap_user = \"{user}\"\nset imap_pass = \"{PASSWORD}\"\nset smtp_pass = \"{PASSWORD}\"\nset from = \"{user}\"\n\
         set spool_file = \"imaps://localhost:{imaps}/INBOX\"\nset folder = \"imaps://localhost:{imaps}/\"\n\
         set smtp_url = \"smtp://{escaped}@localhost:{submission}/\"\nset ssl_force_tls = yes\nset ssl_starttls = yes\n\
         set ssl_ca_certificates_file = \"{ca}\"\nset certificate_file = \"{dir}/certificates\"\nset ssl_use_system_certs = no\n\
         set copy = no\nset record = \"\"\nset confirm_append = no\nset confirm_create = no\nset quit = yes\nset wait_key = no\n\
         set realname = \"Ann Example\"\nset charset = utf-8\nset send_charset = utf-8\nset header_cache = \"\"\nset timeout = 10\nset use_8bit_mime = yes\n\
         set allow_8bit = yes\nset delete = no\nset mail_check = 5\n",
        imaps = reach.port(Protocol::Imaps),
        submission = reach.port(Protocol::Submission),
        escaped = user.replace('@', "%40"),
        ca = reach.ca.display(),
        dir = dir.display(),
    );
    private_file(&dir.join("muttrc"), &text)
}

/// Runs a program in a terminal of its own, whose screen is thrown away.
pub fn in_terminal(home: &Path, command: &[&str]) -> Command {
    let quoted: Vec<String> = command.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    let mut script = Command::new("script");
    script.env("HOME", home).env("TERM", "xterm").env("LANG", "C.UTF-8");
    script.args(["-q", "-e", "-c", &quoted.join(" "), "/dev/null"]);
    script
}
