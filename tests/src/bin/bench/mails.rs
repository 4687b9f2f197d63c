//! The mail of the measurements: a household's, with a word to search for in some subjects.

use system_tests::household;

/// A word that the subject of one mail in [`RARE`] holds, and no other text.
pub const NEEDLE: &str = "Zwiebelkuchen";
/// See [`NEEDLE`].
pub const RARE: usize = 500;

/// Mails of 10 KB on average, without attachments.
pub fn small(count: usize) -> Vec<Vec<u8>> {
    made(count, household::small)
}

/// One mail in four has attachments.
pub fn mixed(count: usize) -> Vec<Vec<u8>> {
    made(count, household::mail)
}

/// Octets of mail.
pub fn total(mails: &[Vec<u8>]) -> u64 {
    mails.iter().map(|m| m.len() as u64).sum()
}

fn made(count: usize, mail: fn(u64) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| {
            let mut mail = mail(n as u64);
            if n.is_multiple_of(RARE) {
                let field = b"\r\nSubject:";
                let at = mail.windows(field.len()).position(|w| w == field).expect("every mail has a subject");
                mail.splice(at + field.len()..at + field.len(), format!(" {NEEDLE}").into_bytes());
            }
            mail
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mail_in_so_many_holds_the_needle() {
        let held = |mail: &Vec<u8>| mail.windows(NEEDLE.len()).any(|w| w == NEEDLE.as_bytes());
        assert_eq!(small(2 * RARE).iter().filter(|mail| held(mail)).count(), 2);
        assert_eq!(mixed(RARE).iter().filter(|mail| held(mail)).count(), 1);
    }

    #[test]
    fn lines_are_short_and_end_in_crlf() {
        for mail in small(50).iter().chain(&mixed(20)) {
            assert!(mail.ends_with(b"\r\n"));
            for line in mail.split_inclusive(|b| *b == b'\n') {
                assert!(line.ends_with(b"\r\n") && line.len() < 998, "{}", String::from_utf8_lossy(line));
            }
        }
    }
}
