//! Names that people give to people and devices, parsed once.

use crate::limits;
use smol_str::SmolStr;
use std::fmt;

/// The name of a person or a device: one line without control characters, spaces collapsed, at most [`limits::NAME`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(SmolStr);

/// Why a text is no name; `Display` is a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError(&'static str);

impl Name {
    /// Parses what a person typed.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        if text.len() > limits::NAME * 8 {
            return Err(NameError("This name is too long. Please use at most 64 characters."));
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return Err(NameError("Please enter a name."));
        }
        if text.chars().count() > limits::NAME {
            return Err(NameError("This name is too long. Please use at most 64 characters."));
        }
        if text.chars().any(is_unprintable) {
            return Err(NameError("This name contains characters that cannot be shown."));
        }
        Ok(Name(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and those that reorder or hide their neighbours on a page.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl From<Name> for SmolStr {
    fn from(name: Name) -> SmolStr {
        name.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_one_tidy_line() {
        assert_eq!(Name::parse("  Anna \t Müller\n").unwrap().as_str(), "Anna Müller");
        for bad in ["", "   ", "a\u{7}b", "a\u{202e}b", &"x".repeat(65), &"x".repeat(100_000)] {
            assert!(Name::parse(bad).is_err(), "{bad:.20}");
        }
        assert!(Name::parse(&"ü".repeat(64)).is_ok());
    }

    proptest! {
        #[test]
        fn parsing_again_changes_nothing(text in "\\PC{0,80}") {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name);
            }
        }
    }
}
