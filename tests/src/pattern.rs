//! Variables and patterns of transcripts: filling in what is sent, matching what comes back.

use std::collections::BTreeMap;

/// The values of variables.
pub type Variables = BTreeMap<String, String>;

/// A piece of a line.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Cuts a line into text and variables. `$$` is a dollar sign; a `$` without a word in lower case after it is itself.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        let length = word_length(after);
        if let Some(escaped) = after.strip_prefix('$') {
            pieces.push(Piece::Text(&rest[..=at]));
            rest = escaped;
        } else if length == 0 {
            pieces.push(Piece::Text(&rest[..=at]));
            rest = after;
        } else {
            pieces.push(Piece::Text(&rest[..at]));
            pieces.push(Piece::Variable(&after[..length]));
            rest = &after[length..];
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The length of a variable's name: a lower-case letter, then lower-case letters, digits and `_`; a word that goes on in
/// upper case is no name.
fn word_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len())
}

/// Puts the values of variables into a line.
pub fn fill(line: &str, variables: &Variables) -> Result<String, String> {
    let mut out = String::new();
    for piece in pieces(line) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(name) => out.push_str(variables.get(name).ok_or(format!("${name} has no value yet"))?),
        }
    }
    repeat(&out)
}

/// Writes out `{{300 x}}`.
fn repeat(line: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
        let (count, text) = inside.split_once(' ').ok_or("`{{` needs a number, a space and a text")?;
        let count: usize = count.parse().map_err(|_| format!("`{count}` is no number"))?;
        out.push_str(before);
        out.push_str(&text.repeat(count));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The bytes of a `=` line.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [bytes.next().unwrap_or(b'?'), bytes.next().unwrap_or(b'?')];
                let digits = std::str::from_utf8(&digits).map_err(|e| e.to_string())?;
                u8::from_str_radix(digits, 16).map_err(|_| format!("`\\x{digits}` is no byte"))?
            }
            other => return Err(format!("unknown escape `\\{}`", other.map_or(' ', char::from))),
        });
    }
    Ok(out)
}

/// Whether a line is what a pattern says; binds its new variables if so.
pub fn matches(pattern: &str, line: &[u8], variables: &mut Variables) -> bool {
    let (pattern, open) = match pattern.strip_suffix("...") {
        Some(before) => (before, true),
        None => (pattern, false),
    };
    let Ok(pattern) = repeat(pattern) else { return false };
    let mut bound = variables.clone();
    let mut rest = line;
    for piece in pieces(&pattern) {
        let expected = match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Variable(name) => {
                if !bound.contains_key(name) {
                    let Some(value) = value(rest) else { return false };
                    bound.insert(name.to_owned(), value);
                }
                bound[name].as_bytes()
            }
        };
        match rest.strip_prefix(expected) {
            Some(after) => rest = after,
            // `250 2.0.0 ...` also stands for a line that ends at `250 2.0.0`.
            None => return open && rest == expected.trim_ascii_end() && expected.ends_with(b" "),
        }
    }
    if open || rest.is_empty() {
        *variables = bound;
        return true;
    }
    false
}

/// What a new variable takes: everything up to a space, a quote or a bracket.
fn value(rest: &[u8]) -> Option<String> {
    let end = rest.iter().position(|b| b" \"()[]{}<>".contains(b)).unwrap_or(rest.len());
    let value = std::str::from_utf8(&rest[..end]).ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whether a line has all these words and none of those with `!`. Words end at spaces and brackets.
pub fn has_words(words: &[String], line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let there: Vec<&str> = line.split([' ', '(', ')', '[', ']']).collect();
    words.iter().all(|word| match word.strip_prefix('!') {
        Some(absent) if !absent.is_empty() => !there.contains(&absent),
        _ => there.contains(&word.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_and_compares_variables() {
        let mut v = Variables::new();
        assert!(matches("* OK [UIDVALIDITY $v] ...", b"* OK [UIDVALIDITY 17] yes", &mut v));
        assert_eq!(v["v"], "17");
        assert!(matches("{$v}", b"{17}", &mut v));
        assert!(!matches("{$v}", b"{18}", &mut v));
        assert!(!matches("a $w b", b"a 1 c", &mut v) && !v.contains_key("w"), "a mismatch binds nothing");
    }

    #[test]
    fn matches_exactly_unless_the_end_is_open() {
        let v = &mut Variables::new();
        assert!(matches("1 OK", b"1 OK", v) && !matches("1 OK", b"1 OK ", v) && !matches("1 OK done", b"1 OK", v));
        assert!(matches("1 OK ...", b"1 OK fetched", v) && matches("1 OK ...", b"1 OK", v));
        assert!(!matches("1 OK ...", b"1 OKAY", v) && !matches("1 OK ...", b"1", v));
        assert!(matches("($Forwarded $$x)", b"($Forwarded $x)", v));
    }

    #[test]
    fn fills_in_values_and_repetitions() {
        let v = Variables::from([("a".to_owned(), "x@y".to_owned())]);
        assert_eq!(fill("<$a> $Junk $$a {{3 ab}}.", &v).unwrap(), "<x@y> $Junk $a ababab.");
        assert!(fill("$b", &v).is_err());
    }

    #[test]
    fn unescapes_bytes() {
        assert_eq!(unescape("a\\r\\n\\0\\\\\\xfe").unwrap(), b"a\r\n\0\\\xfe");
        assert!(unescape("\\q").is_err() && unescape("\\x1").is_err());
    }

    #[test]
    fn looks_for_words() {
        let words = |t: &str| t.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(has_words(&words("IDLE !STARTTLS"), b"* OK [CAPABILITY IMAP4rev1 IDLE] hi"));
        assert!(!has_words(&words("IDL"), b"* CAPABILITY IDLE"));
        assert!(!has_words(&words("!IDLE"), b"* CAPABILITY IDLE"));
    }
}
