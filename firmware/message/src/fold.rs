//! Folding for i;unicode-casemap (RFC 5051 §2): letters to one case, then compatibility decomposition, in canonical order.

use crate::limits;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

/// Folds text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Combining characters and their classes until the next starter; their order is canonical (UAX #15).
    marks: Vec<(u8, char)>,
}

impl Folder {
    /// Folds the next piece onto `out`, as UTF-8.
    pub fn feed(&mut self, text: &str, out: &mut Vec<u8>) {
        let mut rest = text;
        while !rest.is_empty() {
            let ascii = rest.bytes().position(|b| !b.is_ascii()).unwrap_or(rest.len());
            let (plain, other) = rest.split_at(ascii);
            if !plain.is_empty() {
                self.flush(out);
                out.extend(plain.bytes().map(|b| b.to_ascii_uppercase()));
            }
            let mut chars = other.chars();
            if let Some(first) = chars.next() {
                self.char(first, out);
            }
            rest = chars.as_str();
        }
    }

    /// Ends the text.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
    }

    fn char(&mut self, c: char, out: &mut Vec<u8>) {
        // Once more after the decomposition: some characters have their case only inside.
        decompose_compatible(upper(c), |part| self.mark(upper(part), out));
    }

    fn mark(&mut self, c: char, out: &mut Vec<u8>) {
        let class = canonical_combining_class(c);
        if class == 0 || self.marks.len() >= limits::COMBINING {
            self.flush(out);
        }
        if class == 0 {
            push(c, out);
        } else {
            self.marks.push((class, c));
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        self.marks.sort_by_key(|(class, _)| *class);
        for (_, c) in self.marks.drain(..) {
            push(c, out);
        }
    }
}

/// The simple case mapping: a character that would become several stays as it is, as in RFC 5051.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
