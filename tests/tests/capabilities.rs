//! What every door announces has a transcript that shows it at work and one that shows its misuse refused. To see the list:
//! `cargo test -p system-tests --test capabilities -- --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use system_tests::memory::Memory;
use system_tests::play::{Line, Target};
use system_tests::transcript::{Action, Shown, Step, Transcript};
use system_tests::{PASSWORD, Protocol, here};

/// Transcripts by their names.
type Names = BTreeSet<String>;

#[test]
fn every_capability_announced_has_a_positive_and_a_negative_transcript() {
    let mut shown: BTreeMap<(Protocol, String), [Names; 2]> = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, transcript) in transcripts() {
        for claim in &transcript.shows {
            faults.extend(empty_claim(&transcript, claim).map(|why| format!("{name}: {why}")));
            for capability in &claim.capabilities {
                let entry = shown.entry((claim.door, capability.clone())).or_default();
                entry[usize::from(!claim.positive)].insert(name.clone());
            }
        }
    }
    let mut announced = 0;
    for door in [Protocol::Imap, Protocol::Pop3, Protocol::Smtp, Protocol::Submission, Protocol::Lmtp] {
        for capability in announced_by(door) {
            let [positive, negative] = shown.remove(&(door, capability.clone())).unwrap_or_default();
            for (kind, names) in [("positive", &positive), ("negative", &negative)] {
                println!("{:<10} {capability:<22} {kind}  {}", door.name(), join(names));
                if names.is_empty() {
                    faults.push(format!("{} announces {capability}, which has no {kind} transcript", door.name()));
                }
            }
            announced += 1;
        }
    }
    faults.extend(shown.iter().map(|((door, what), [a, b])| {
        format!("{} announces no {what}, which these are about: {} {}", door.name(), join(a), join(b))
    }));
    println!("{announced} announced");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn join(names: &Names) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// Every transcript with its name.
fn transcripts() -> Vec<(String, Transcript)> {
    fn collect(dir: &Path, found: &mut Vec<(String, Transcript)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
                continue;
            }
            let folder = path.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
            let name = format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy());
            found.push((name, Transcript::read(&path).unwrap_or_else(|fault| panic!("{}", fault.0))));
        }
    }
    let mut found = Vec::new();
    collect(&here().join("transcripts"), &mut found);
    found
}

/// Why a transcript cannot show what it claims to: it does not go through that door, or nothing is refused there.
fn empty_claim(transcript: &Transcript, claim: &Shown) -> Option<String> {
    let doors: BTreeMap<&str, Protocol> = transcript
        .steps
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Connect { name, protocol, .. } => Some((name.as_str(), plain(*protocol))),
            _ => None,
        })
        .collect();
    if !doors.values().any(|door| *door == claim.door) {
        return Some(format!("does not connect to {}", claim.door.name()));
    }
    let refused = transcript.steps.iter().any(|(_, step)| match step {
        Step::On(name, Action::Expect(text) | Action::SkipTo(text)) => {
            doors.get(name.as_str()) == Some(&claim.door) && is_refusal(text)
        }
        _ => false,
    });
    (!claim.positive && !refused).then(|| format!("refuses nothing by {}", claim.door.name()))
}

fn is_refusal(answer: &str) -> bool {
    let mut words = answer.split(' ');
    let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let code = first.len() == 3 && first.starts_with(['4', '5']) && first.bytes().all(|b| b.is_ascii_digit());
    code || first == "-ERR" || ["NO", "BAD", "BYE"].contains(&second)
}

/// The door with its TLS left out.
fn plain(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Imaps => Protocol::Imap,
        Protocol::Pop3s => Protocol::Pop3,
        Protocol::Submissions => Protocol::Submission,
        other => other,
    }
}

/// What a door announces before TLS, under TLS and after login, with chosen passwords about and without.
fn announced_by(door: Protocol) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for chosen_passwords in [false, true] {
        let server = Memory::new();
        if chosen_passwords {
            server.account("ann@home.example").unwrap();
        } else {
            server.device("ann@home.example").unwrap();
        }
        let mut line = server.connect(door, Ipv4Addr::LOCALHOST).unwrap();
        line.read_line().unwrap().unwrap();
        ask(&mut *line, door, &mut all);
        let begin = match door {
            Protocol::Imap => "x STARTTLS",
            Protocol::Pop3 => "STLS",
            _ => "STARTTLS",
        };
        line.send(format!("{begin}\r\n").as_bytes()).unwrap();
        line.read_line().unwrap().unwrap();
        line.start_tls().unwrap();
        ask(&mut *line, door, &mut all);
        if chosen_passwords && log_in(&mut *line, door) {
            ask(&mut *line, door, &mut all);
        }
    }
    all
}

/// Whether there is a login here.
fn log_in(line: &mut dyn Line, door: Protocol) -> bool {
    let commands: &[(String, &str)] = match door {
        Protocol::Imap => &[(format!("x LOGIN ann@home.example {PASSWORD}"), "x OK")],
        Protocol::Pop3 => &[("USER ann@home.example".into(), "+OK"), (format!("PASS {PASSWORD}"), "+OK")],
        Protocol::Submission => {
            &[("AUTH LOGIN YW5uQGhvbWUuZXhhbXBsZQ==".into(), "334"), ("VHI0bnNjcmlwdC1ob3JzZQ==".into(), "235")]
        }
        _ => return false,
    };
    for (command, expected) in commands {
        line.send(format!("{command}\r\n").as_bytes()).unwrap();
        let got = line.read_line().unwrap().unwrap();
        assert!(got.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&got));
    }
    true
}

/// Asks a door what it can do.
fn ask(line: &mut dyn Line, door: Protocol, all: &mut BTreeSet<String>) {
    let (command, end) = match door {
        Protocol::Imap => ("x CAPABILITY", "x OK"),
        Protocol::Pop3 => ("CAPA", "."),
        Protocol::Lmtp => ("LHLO client.example", "250 "),
        _ => ("EHLO client.example", "250 "),
    };
    line.send(format!("{command}\r\n").as_bytes()).unwrap();
    for number in 0.. {
        let text = String::from_utf8(line.read_line().unwrap().expect("an answer")).unwrap();
        let words: Vec<&str> = match door {
            Protocol::Imap => text.strip_prefix("* CAPABILITY ").unwrap_or("").split(' ').collect(),
            // The first line says hello.
            _ if number == 0 => Vec::new(),
            Protocol::Pop3 => vec![text.trim_end_matches('.')],
            _ => vec![&text[4..]],
        };
        words.iter().for_each(|word| name(word, all));
        if text.starts_with(end) {
            break;
        }
    }
}

/// Names what is announced, without values such as sizes; every login mechanism is one by itself, as in IMAP.
fn name(announced: &str, all: &mut BTreeSet<String>) {
    let mut words = announced.split(' ');
    let first = words.next().unwrap_or("");
    if first == "AUTH" || first == "SASL" {
        all.extend(words.map(|mechanism| format!("AUTH={mechanism}")));
    } else if !first.is_empty() {
        let valued = first.split_once('=').filter(|(_, value)| value.bytes().all(|b| b.is_ascii_digit()));
        all.insert(valued.map_or(first, |(name, _)| name).to_owned());
    }
}
