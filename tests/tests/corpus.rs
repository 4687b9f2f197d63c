//! The corpus itself: there is enough of it, and it is what `corpus/SOURCES.md` says.

use system_tests::corpus::{AT_LEAST, messages};

#[test]
fn there_are_enough_real_messages() {
    let mails = messages();
    let mut per_source = std::collections::BTreeMap::<&str, usize>::new();
    for mail in &mails {
        *per_source.entry(mail.name.split('/').next().unwrap()).or_default() += 1;
    }
    println!("{} messages: {per_source:?}", mails.len());
    assert!(mails.len() >= AT_LEAST);
    assert!(mails.iter().all(|m| m.bytes.ends_with(b"\r\n")), "every message ends with a line end");
    let sources = std::fs::read_to_string(system_tests::here().join("corpus/SOURCES.md")).unwrap();
    for source in per_source.keys() {
        assert!(sources.contains(&format!("| `{source}` |")), "{source} is missing in corpus/SOURCES.md");
    }
}
