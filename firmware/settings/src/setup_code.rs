//! The one-time code that proves who stands beside the box.

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// Digits and letters without I, L, O and U: nothing that people confuse, nothing that makes words.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 8;

/// The code shown on the console until the box is claimed: eight characters that cannot be confused, `XXXX-XXXX`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupCode(String);

impl SetupCode {
    /// A fresh random code (40 bits).
    pub fn generate() -> SetupCode {
        let mut random = [0u8; LENGTH];
        #[allow(clippy::expect_used, reason = "a kernel without random numbers can serve nobody safely")]
        SystemRandom::new().fill(&mut random).expect("the kernel gives random numbers");
        let mut code = String::with_capacity(LENGTH + 1);
        for (i, byte) in random.iter().enumerate() {
            if i == LENGTH / 2 {
                code.push('-');
            }
            code.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        SetupCode(code)
    }

    /// As shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares what a person typed: case, spaces and dashes do not matter, and O, I, L are read as 0, 1, 1.
    pub fn matches(&self, typed: &str) -> bool {
        match (meant(typed), meant(&self.0)) {
            // No early exit, so that the time says nothing about how much was right.
            (Some(a), Some(b)) => a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0,
            _ => false,
        }
    }
}

/// The eight characters a person meant; `None` if there are more or fewer.
fn meant(typed: &str) -> Option<[u8; LENGTH]> {
    let mut code = [0u8; LENGTH];
    let mut length = 0;
    for c in typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}')) {
        *code.get_mut(length)? = match c.to_ascii_uppercase() {
            'O' => b'0',
            'I' | 'L' => b'1',
            c => u8::try_from(c).ok()?,
        };
        length += 1;
    }
    (length == LENGTH).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_look_like_codes_and_differ() {
        let codes: Vec<_> = (0..50).map(|_| SetupCode::generate()).collect();
        for code in &codes {
            let s = code.as_str();
            assert_eq!((s.len(), &s[4..5]), (9, "-"));
            assert!(s.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)));
        }
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn typing_is_forgiving_but_guessing_is_not() {
        let code = SetupCode("01AB-CDEF".into());
        for right in ["01AB-CDEF", "01abcdef", " oiab cdef\n", "0l-ab-cd-ef", "01AB–CDEF"] {
            assert!(code.matches(right), "{right}");
        }
        for wrong in ["", "01AB-CDE", "01AB-CDEFF", "01AB-CDEG", "ÀÀÀÀÀÀÀÀ", &"0".repeat(1 << 20)] {
            assert!(!code.matches(wrong), "{wrong:.20}");
        }
    }
}
