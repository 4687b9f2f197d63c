//! What browsers send: `application/x-www-form-urlencoded` bodies and queries, bounded; and the inputs of our forms.

use crate::limits;
use embedded_svc::io::Read;
use std::fmt::Display;

/// Decoded names and values, in order.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

/// Why a body is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormError {
    /// More octets or fields than any of our forms has.
    TooLarge,
    /// It ended early.
    Broken,
}

impl Fields {
    /// Decodes a query or a body. Octets that are no UTF-8 become U+FFFD.
    pub(crate) fn parse(text: &[u8]) -> Result<Fields, FormError> {
        let pairs: Vec<_> = form_urlencoded::parse(text).take(limits::FIELDS + 1).collect();
        if pairs.len() > limits::FIELDS {
            return Err(FormError::TooLarge);
        }
        Ok(Fields(pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }

    /// Reads a body to its end.
    pub(crate) fn read(body: &mut impl Read) -> Result<Fields, FormError> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 1024];
        loop {
            match body.read(&mut chunk).map_err(|_| FormError::Broken)? {
                0 => return Fields::parse(&bytes),
                n if bytes.len() + n > limits::BODY => return Err(FormError::TooLarge),
                n => bytes.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// The first value of this name; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Whether the name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }
}

/// One input of a form, as it is shown again: what was typed, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// Its name in the form and its id on the page.
    pub(crate) id: String,
    pub(crate) value: String,
    pub(crate) error: Option<String>,
}

impl Input {
    /// An input with a suggestion.
    pub(crate) fn new(id: impl Into<String>, value: impl Into<String>) -> Input {
        Input { id: id.into(), value: value.into(), error: None }
    }

    /// What was typed into it.
    pub(crate) fn typed(id: impl Into<String>, fields: &Fields) -> Input {
        let id = id.into();
        Input { value: fields.get(&id).to_owned(), id, error: None }
    }

    /// A password: used, but never sent back.
    pub(crate) fn secret(id: impl Into<String>) -> Input {
        Input::new(id, "")
    }

    /// The same with an error beside it.
    pub(crate) fn refused(mut self, error: impl Display) -> Input {
        self.refuse(error);
        self
    }

    /// Puts an error beside it.
    pub(crate) fn refuse(&mut self, error: impl Display) {
        self.error = Some(error.to_string());
    }

    /// Parses what was typed; an error goes beside the input.
    pub(crate) fn parse<T, E: Display>(&mut self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(&self.value).map_err(|e| self.refuse(e)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_are_decoded_and_bounded() {
        let fields = Fields::parse(b"name=Anna+M%C3%BCller&local=anna&empty=&local=second&bad=%ff%zz").unwrap();
        assert_eq!(fields.get("name"), "Anna Müller");
        assert_eq!(fields.get("local"), "anna");
        assert_eq!(fields.get("bad"), "\u{fffd}%zz");
        assert!(fields.has("empty") && !fields.has("nothing"));
        assert_eq!(fields.get("nothing"), "");
        assert_eq!(Fields::parse("a=1&".repeat(65).as_bytes()).unwrap_err(), FormError::TooLarge);
        assert!(Fields::parse("a=1&".repeat(64).as_bytes()).is_ok());
        assert_eq!(Fields::read(&mut vec![b'a'; limits::BODY + 1].as_slice()).unwrap_err(), FormError::TooLarge);
        assert!(Fields::read(&mut vec![b'a'; limits::BODY].as_slice()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(fields) = Fields::parse(&bytes) {
                prop_assert!(fields.0.len() <= limits::FIELDS);
            }
        }
    }
}
