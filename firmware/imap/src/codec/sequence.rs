//! Sequence sets (RFC 3501 §9 `sequence-set`, RFC 4315 `uid-set`): as written, and resolved to ascending runs.

use super::lexer::{Bad, Lexer};
use crate::limits;
use std::fmt;

/// One end of a range as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A number, not 0.
    Number(u32),
    /// `*`, the largest number in use.
    Largest,
}

/// A sequence set as written; a single number is a range of equal ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceSet(Vec<(Bound, Bound)>);

/// A set of numbers as ascending runs that neither overlap nor touch; both ends belong to the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(Vec<(u32, u32)>);

impl SequenceSet {
    /// A set of these ranges.
    pub fn new(ranges: Vec<(Bound, Bound)>) -> SequenceSet {
        SequenceSet(ranges)
    }

    /// Reads a set.
    pub fn parse(lexer: &mut Lexer<'_>) -> Result<SequenceSet, Bad> {
        let mut ranges = Vec::new();
        loop {
            let first = Bound::parse(lexer)?;
            let last = if lexer.eat(b':') { Bound::parse(lexer)? } else { first };
            if ranges.len() == limits::SEQUENCE_SET {
                return Err(Bad("Too many numbers in the set"));
            }
            ranges.push((first, last));
            if !lexer.eat(b',') {
                return Ok(SequenceSet(ranges));
            }
        }
    }

    /// The numbers meant when `largest` is the largest in use. With `largest` 0 nothing is in use, and `*` means nothing.
    pub fn resolve(&self, largest: u32) -> Runs {
        let number = |bound| match bound {
            Bound::Number(n) => n,
            Bound::Largest => largest,
        };
        let ends = self.0.iter().map(|&(a, b)| (number(a), number(b)));
        Runs::from_ranges(ends.filter(|&(a, b)| a != 0 && b != 0).map(|(a, b)| (a.min(b), a.max(b))).collect())
    }

    /// The UIDs meant where messages that are gone count too: `*` is above all of them, and `1:*` means all.
    pub fn resolve_ever(&self) -> Runs {
        self.resolve(u32::MAX)
    }

    /// Whether a number above `largest` is named, or `*` though `largest` is 0. No message sequence number may be above the count
    /// (RFC 3501 §9 `seq-number`: BAD).
    pub fn exceeds(&self, largest: u32) -> bool {
        let above = |bound| match bound {
            Bound::Number(n) => n > largest,
            Bound::Largest => largest == 0,
        };
        self.0.iter().any(|&(a, b)| above(a) || above(b))
    }
}

impl Bound {
    fn parse(lexer: &mut Lexer<'_>) -> Result<Bound, Bad> {
        if lexer.eat(b'*') { Ok(Bound::Largest) } else { lexer.nz_number().map(Bound::Number) }
    }
}

impl Runs {
    /// Sorts and joins ranges whose first end is not above the second.
    fn from_ranges(mut ranges: Vec<(u32, u32)>) -> Runs {
        ranges.sort_unstable();
        let mut runs: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match runs.last_mut() {
                Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
                _ => runs.push((first, last)),
            }
        }
        Runs(runs)
    }

    /// The numbers of an ascending sequence.
    pub fn from_ascending(numbers: impl IntoIterator<Item = u32>) -> Runs {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for n in numbers {
            match runs.last_mut() {
                Some(run) if n <= run.1.saturating_add(1) => run.1 = run.1.max(n),
                _ => runs.push((n, n)),
            }
        }
        Runs(runs)
    }

    /// Whether `n` is in the set.
    pub fn contains(&self, n: u32) -> bool {
        let after = self.0.partition_point(|run| run.0 <= n);
        after > 0 && n <= self.0[after - 1].1
    }

    /// What is in the set and in ascending ranges too.
    pub fn within(&self, ranges: impl IntoIterator<Item = (u32, u32)>) -> Runs {
        let mut both = Vec::new();
        for (first, last) in ranges {
            let from = self.0.partition_point(|run| run.1 < first);
            let overlapping = self.0[from..].iter().take_while(|run| run.0 <= last);
            both.extend(overlapping.map(|run| (run.0.max(first), run.1.min(last))));
        }
        Runs::from_ranges(both)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs, ascending.
    pub fn runs(&self) -> &[(u32, u32)] {
        &self.0
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Number(n) => write!(f, "{n}"),
            Bound::Largest => f.write_str("*"),
        }
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ranges(f, &self.0)
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ranges(f, &self.0)
    }
}

fn write_ranges<T: fmt::Display + PartialEq>(f: &mut fmt::Formatter<'_>, ranges: &[(T, T)]) -> fmt::Result {
    for (i, (first, last)) in ranges.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(f, "{comma}{first}")?;
        if first != last {
            write!(f, ":{last}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn parse(text: &str) -> Result<SequenceSet, Bad> {
        let mut lexer = Lexer::new(text.as_bytes());
        let set = SequenceSet::parse(&mut lexer)?;
        lexer.end()?;
        Ok(set)
    }

    #[test]
    fn known_answers() {
        for (text, largest, runs) in [
            ("1", 9, "1"),
            ("2,4:7,9,12:*", 15, "2,4:7,9,12:15"),
            ("*:4,5:7", 10, "4:10"),
            ("*", 3, "3"),
            ("*", 0, ""),
            ("1:*", 0, ""),
            ("559:*", 400, "400:559"),
            ("5:3,3,4", 9, "3:5"),
            ("1,2,3,5", 9, "1:3,5"),
            ("4294967295,1:4294967294", 9, "1:4294967295"),
        ] {
            assert_eq!(parse(text).unwrap().resolve(largest).to_string(), runs, "{text}");
        }
    }

    #[test]
    fn malformed_sets_are_refused() {
        for text in
            ["", "0", "1:", ":1", "1,,2", "1,", ",1", "1:2:3", "a", "-1", "4294967296", "01x", "1 2", "**", "1:0"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&vec!["1"; limits::SEQUENCE_SET].join(",")).is_ok());
        assert!(parse(&vec!["1"; limits::SEQUENCE_SET + 1].join(",")).is_err());
    }

    #[test]
    fn numbers_above_the_count_are_seen() {
        assert!(!parse("1:5").unwrap().exceeds(5));
        assert!(parse("1:6").unwrap().exceeds(5));
        assert!(!parse("1:*").unwrap().exceeds(1));
        assert!(parse("*").unwrap().exceeds(0));
    }

    fn bound() -> impl Strategy<Value = Bound> {
        prop_oneof![4 => (1u32..60).prop_map(Bound::Number), 1 => Just(Bound::Largest)]
    }

    proptest! {
        #[test]
        fn written_and_read_again(ranges in proptest::collection::vec((bound(), bound()), 1..20)) {
            let set = SequenceSet::new(ranges);
            prop_assert_eq!(parse(&set.to_string()), Ok(set));
        }

        #[test]
        fn runs_hold_what_the_ranges_name(ranges in proptest::collection::vec((bound(), bound()), 1..20), largest in 0u32..50) {
            let number = |b| match b { Bound::Number(n) => n, Bound::Largest => largest };
            let mut model = BTreeSet::new();
            for &(a, b) in &ranges {
                let (a, b) = (number(a), number(b));
                if a != 0 && b != 0 {
                    model.extend(a.min(b)..=a.max(b));
                }
            }
            let runs = SequenceSet::new(ranges).resolve(largest);
            prop_assert!((0..100).all(|n| runs.contains(n) == model.contains(&n)));
            prop_assert_eq!(Runs::from_ascending(model), runs);
        }
    }
}
