//! Messages that tell their numbers, and whose every octet follows from them.

use crate::household;
use crate::maildir::without_trace;

/// Larger ones would only make the emulated board slow.
const LARGEST: usize = 300_000;
const FIELD: &str = "X-Number: ";

/// The message with this number. Some have attachments that others have too.
pub fn mail(number: u64) -> Vec<u8> {
    let mut text = format!("{FIELD}{number}\r\n").into_bytes();
    let body = household::mail(number);
    text.extend(if body.len() > LARGEST { household::small(number) } else { body });
    text
}

/// The number of a message as it came back, or what is wrong with it. `known` has what was sent.
pub fn number_of(got: &[u8], known: impl Fn(u64) -> Option<std::sync::Arc<[u8]>>) -> Result<u64, String> {
    let bare = if got.starts_with(b"Return-Path: ") { without_trace(got, "\r\n").unwrap_or(got) } else { got };
    let begin = String::from_utf8_lossy(&bare[..bare.len().min(80)]).into_owned();
    let number = begin.lines().next().and_then(|line| line.strip_prefix(FIELD)).and_then(|n| n.parse().ok());
    let number = number.ok_or_else(|| format!("a message of {} octets begins {begin:?}", got.len()))?;
    let sent = known(number).ok_or_else(|| format!("message {number} is not one that could be there"))?;
    match bare.iter().zip(sent.iter()).position(|(a, b)| a != b) {
        None if bare.len() == sent.len() => Ok(number),
        None => Err(format!("message {number} has {} octets instead of {}", bare.len(), sent.len())),
        Some(at) => Err(format!("message {number} is damaged from octet {at} of {} on", sent.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_seen() {
        let sent = mail(7);
        let known = |n: u64| (n == 7).then(|| mail(7).into());
        assert_eq!(number_of(&sent, known), Ok(7));
        let traced = [b"Return-Path: <a@b>\r\nReceived: from x\r\n\tby y\r\n\tnow\r\n".to_vec(), sent.clone()].concat();
        assert_eq!(number_of(&traced, known), Ok(7));
        let mut torn = sent.clone();
        torn[100] ^= 1;
        assert!(number_of(&torn, known).unwrap_err().contains("octet 100"));
        assert!(number_of(&sent[..200], known).unwrap_err().contains("200 octets"));
        assert!(number_of(&mail(8), known).unwrap_err().contains("could be there"));
        assert!(number_of(b"", known).is_err());
    }
}
