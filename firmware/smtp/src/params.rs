//! Parameters of MAIL and RCPT (RFC 5321 §4.1.1.11) and xtext (RFC 3461 §4).

use crate::limits;

/// What is wrong with the parameters, and the reply code for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParamError {
    /// Reply code and enhanced status code.
    pub(crate) code: &'static str,
    /// A sentence for the client's log.
    pub(crate) text: &'static str,
}

/// The parameters of MAIL that are understood here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MailParams {
    /// `SIZE=`: octets the client means to send (RFC 1870).
    pub(crate) size: Option<u64>,
    /// `SMTPUTF8` (RFC 6531).
    pub(crate) utf8: bool,
}

/// Keyword and value.
type Param<'a> = (&'a str, Option<&'a str>);

const fn syntax(text: &'static str) -> ParamError {
    ParamError { code: "501 5.5.4", text }
}
const UNKNOWN: ParamError = ParamError { code: "555 5.5.4", text: "A parameter is not known here" };

impl MailParams {
    /// Reads what follows the reverse-path. `login`: AUTH is on offer here, and with it the parameter AUTH= (RFC 4954 §5).
    pub(crate) fn parse(text: &str, login: bool) -> Result<MailParams, ParamError> {
        let mut params = MailParams::default();
        for (keyword, value) in split(text)? {
            match (keyword.to_ascii_uppercase().as_str(), value) {
                ("SIZE", Some(value)) => params.size = Some(size(value)?),
                ("SMTPUTF8", None) => params.utf8 = true,
                ("SMTPUTF8", Some(_)) => return Err(syntax("SMTPUTF8 takes no value")),
                ("BODY", Some(value)) => body(value)?,
                // Who submitted it first is of no use to anybody here: checked and forgotten (RFC 4954 §5).
                ("AUTH", Some(value)) if login => submitter(value)?,
                _ => return Err(UNKNOWN),
            }
        }
        Ok(params)
    }
}

/// RCPT has no parameters here: DSN is not on offer.
pub(crate) fn none(text: &str) -> Result<(), ParamError> {
    if split(text)?.is_empty() { Ok(()) } else { Err(UNKNOWN) }
}

/// Splits ` KEYWORD=value KEYWORD`, checking the form of each and that none comes twice.
fn split(text: &str) -> Result<Vec<Param<'_>>, ParamError> {
    if !text.is_empty() && !text.starts_with(' ') {
        return Err(syntax("A space has to follow the address"));
    }
    let mut params: Vec<Param<'_>> = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
        if !is_keyword(keyword) || value.is_some_and(str::is_empty) {
            return Err(syntax("A parameter is malformed"));
        }
        if params.iter().any(|(other, _)| other.eq_ignore_ascii_case(keyword)) {
            return Err(syntax("A parameter comes twice"));
        }
        if params.len() == limits::PARAMETERS {
            return Err(syntax("Too many parameters"));
        }
        params.push((keyword, value));
    }
    Ok(params)
}

fn is_keyword(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// At most twenty digits (RFC 1870 §4); more than fits is too much anyway.
fn size(value: &str) -> Result<u64, ParamError> {
    if value.len() > 20 || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(syntax("SIZE= takes a number"));
    }
    Ok(value.parse().unwrap_or(u64::MAX))
}

/// Both are welcome, and bytes over 127 also without saying so (RFC 6152).
fn body(value: &str) -> Result<(), ParamError> {
    if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") {
        Ok(())
    } else {
        Err(ParamError { code: "555 5.6.1", text: "BODY= may be 7BIT or 8BITMIME here" })
    }
}

fn submitter(value: &str) -> Result<(), ParamError> {
    decode_xtext(value).map(drop).ok_or(syntax("AUTH= takes an address in xtext"))
}

/// `+41` stands for `A`; other characters for themselves.
fn decode_xtext(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => decoded.push(upper_hex(bytes.next()?)? * 16 + upper_hex(bytes.next()?)?),
            b'=' => return None,
            b'!'..=b'~' => decoded.push(byte),
            _ => return None,
        }
    }
    Some(decoded)
}

fn upper_hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_of_mail() {
        let parse = |text| MailParams::parse(text, true);
        assert_eq!(parse(""), Ok(MailParams::default()));
        assert_eq!(
            parse(" size=1000 BODY=8bitmime  SMTPUTF8 AUTH=e+3Dmc2@example.org"),
            Ok(MailParams { size: Some(1000), utf8: true })
        );
        assert_eq!(parse(" AUTH=<>"), Ok(MailParams::default()));
        assert_eq!(parse(" SIZE=99999999999999999999").map(|p| p.size), Ok(Some(u64::MAX)));
    }

    #[test]
    fn wrong_parameters() {
        let code = |text| MailParams::parse(text, false).unwrap_err().code;
        for text in [
            "SIZE=1",
            " SIZE=",
            " SIZE=x",
            " SIZE=1 size=2",
            " =1",
            " a_b=1",
            " SMTPUTF8=yes",
            " SIZE=123456789012345678901",
        ] {
            assert_eq!(code(text), "501 5.5.4", "{text}");
        }
        for text in [" RET=FULL", " ENVID=x", " SIZE", " AUTH=<>", " X"] {
            assert_eq!(code(text), "555 5.5.4", "{text}");
        }
        assert_eq!(code(" BODY=BINARYMIME"), "555 5.6.1");
        assert_eq!(MailParams::parse(" AUTH=a+4", true).unwrap_err().code, "501 5.5.4");
        let many: String = (0..=limits::PARAMETERS).map(|i| format!(" X{i}=1")).collect();
        assert_eq!(code(&many), "501 5.5.4");
        assert_eq!(none(" "), Ok(()));
        assert_eq!(none(" NOTIFY=NEVER"), Err(UNKNOWN));
    }

    #[test]
    fn xtext() {
        assert_eq!(decode_xtext("a+2Bb").as_deref(), Some(&b"a+b"[..]));
        for bad in ["+", "+4", "+4g", "+4a", "a=b", "a b", "ä"] {
            assert_eq!(decode_xtext(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn xtext_there_and_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let encoded: String = bytes.iter().map(|&b| match b {
                b'+' | b'=' | 0..=b' ' | 0x7f.. => format!("+{b:02X}"),
                _ => char::from(b).to_string(),
            }).collect();
            prop_assert_eq!(decode_xtext(&encoded), Some(bytes));
        }

        #[test]
        fn any_text_is_survived(text in "[ =A-Z+0-9é]{0,60}") {
            let _ = MailParams::parse(&text, true);
        }
    }
}
