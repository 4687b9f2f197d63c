//! Dates of messages (RFC 5322 §3.3) and of IMAP (RFC 9051 `date-time`), without a clock.

use crate::mime::comment_length;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

/// A moment with the zone it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix: i64,
    /// Minutes east of UTC.
    pub offset: i16,
}

/// A calendar day, as SEARCH compares them: zone and time of day disregarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// Year, 1-9999.
    pub year: i16,
    /// Month, 1-12.
    pub month: u8,
    /// Day, 1-31.
    pub day: u8,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl DateTime {
    /// Reads a Date header with the obsolete zones and two-digit years.
    pub fn parse_rfc5322(text: &[u8]) -> Option<DateTime> {
        let plain = without_comments(text);
        let text = std::str::from_utf8(&plain).ok()?;
        let words: Vec<&str> = text.split([' ', '\t', '\r', '\n', ',']).filter(|w| !w.is_empty()).take(8).collect();
        // The day of the week is optional, and says nothing.
        let words = match words.as_slice() {
            [first, rest @ ..] if !first.starts_with(|c: char| c.is_ascii_digit()) && month(first).is_none() => rest,
            all => all,
        };
        match words {
            // `7-Feb-94 12:00 +0000`, as seen.
            [date, time, zone @ ..] if date.contains('-') => {
                let mut parts = date.splitn(3, '-');
                assemble(parts.next()?, parts.next()?, parts.next()?, time, zone)
            }
            // `Feb 7 12:00:00 1994`, as the C library writes it.
            [name, day, time, year, zone @ ..] if month(name).is_some() && time.contains(':') => {
                assemble(day, name, year, time, zone)
            }
            [day, month, year, time, zone @ ..] => assemble(day, month, year, time, zone),
            _ => None,
        }
    }

    /// `Fri, 21 Nov 2026 11:47:43 +0000`.
    pub fn to_rfc5322(self) -> String {
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let at = self.local();
        let weekday = DAYS[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs()) % 7];
        format!("{weekday}, {:02} {} {:04} {} {}", at.day(), name(at.month()), at.year(), clock(at), self.zone())
    }

    /// Reads `"17-Jul-1996 02:44:25 -0700"` without the quotes; a leading space for a one-digit day.
    pub fn parse_imap(text: &[u8]) -> Option<DateTime> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.strip_prefix(' ').unwrap_or(text).split(' ');
        let day = Day::parse_imap(words.next()?.as_bytes())?;
        let (time, zone) = (words.next()?, words.next()?);
        if words.next().is_some() || time.len() != 8 {
            return None;
        }
        moment(day, hours(time)?, numeric_zone(zone)?)
    }

    /// ` 7-Jul-1996 02:44:25 -0700`.
    pub fn to_imap(self) -> String {
        let at = self.local();
        format!("{:>2}-{}-{:04} {} {}", at.day(), name(at.month()), at.year(), clock(at), self.zone())
    }

    /// The calendar day in its own zone.
    pub fn day(self) -> Day {
        let at = self.local();
        Day { year: at.year(), month: at.month().unsigned_abs(), day: at.day().unsigned_abs() }
    }

    /// The time on the wall; kept within the years that can be written.
    fn local(self) -> civil::DateTime {
        let (first, last) = (civil::date(1, 1, 1).at(0, 0, 0, 0), civil::date(9999, 12, 31).at(23, 59, 59, 0));
        let seconds = self.unix.saturating_add(i64::from(self.offset) * 60);
        match Timestamp::from_second(seconds) {
            Ok(at) => Offset::UTC.to_datetime(at).clamp(first, last),
            Err(_) if seconds < 0 => first,
            Err(_) => last,
        }
    }

    fn zone(self) -> String {
        let minutes = self.offset.unsigned_abs();
        let sign = if self.offset < 0 { '-' } else { '+' };
        format!("{sign}{:02}{:02}", minutes / 60 % 100, minutes % 60)
    }
}

impl Day {
    /// Reads IMAP's `1-Feb-1994` (SEARCH).
    pub fn parse_imap(text: &[u8]) -> Option<Day> {
        let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '-');
        let (day, month, year) = (number(parts.next()?, 2)?, month(parts.next()?)?, parts.next()?);
        let year = number(year, 4).filter(|_| year.len() == 4)?;
        Day::new(year, month, day)
    }

    /// A day that the calendar knows.
    fn new(year: i16, month: u8, day: i16) -> Option<Day> {
        let date = civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        (year > 0).then_some(Day { year, month, day: date.day().unsigned_abs() })
    }
}

fn name(month: i8) -> &'static str {
    MONTHS[usize::from(month.unsigned_abs()).clamp(1, 12) - 1]
}

fn clock(at: civil::DateTime) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// The number of a month by its first three letters.
fn month(name: &str) -> Option<u8> {
    let start = name.get(..3)?;
    (1..).zip(MONTHS).find(|(_, m)| m.eq_ignore_ascii_case(start)).map(|(number, _)| number)
}

/// An unsigned number of at most `digits` digits.
fn number(text: &str, digits: usize) -> Option<i16> {
    let fits = !text.is_empty() && text.len() <= digits && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

fn assemble(day: &str, month_name: &str, year: &str, time: &str, zone: &[&str]) -> Option<DateTime> {
    let year = match (number(year, 4)?, year.len()) {
        // RFC 5322 §4.3.
        (short @ 0..=49, 2) => short + 2000,
        (short, 2 | 3) => short + 1900,
        (full, _) => full,
    };
    let day = Day::new(year, month(month_name)?, number(day, 2)?)?;
    let offset = zone.first().map_or(0, |first| any_zone(first, zone.get(1).copied()));
    moment(day, hours(time)?, offset)
}

fn moment(day: Day, (hour, minute, second): (i8, i8, i8), offset: i16) -> Option<DateTime> {
    // jiff knows no leap second: the second after the 59th is added by hand.
    let leap = i64::from(second == 60);
    let date = civil::Date::new(day.year, i8::try_from(day.month).ok()?, i8::try_from(day.day).ok()?).ok()?;
    let wall = date.at(hour, minute, second.min(59), 0);
    let unix = Offset::UTC.to_timestamp(wall).ok()?.as_second();
    Some(DateTime { unix: unix + leap - i64::from(offset) * 60, offset })
}

/// `hh:mm` or `hh:mm:ss`.
fn hours(text: &str) -> Option<(i8, i8, i8)> {
    let mut parts = text.splitn(3, ':').map(|p| number(p, 2).and_then(|n| i8::try_from(n).ok()));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (hour < 24 && minute < 60 && second <= 60).then_some((hour, minute, second))
}

/// Minutes east of UTC out of `+hhmm`.
fn numeric_zone(text: &str) -> Option<i16> {
    let (sign, digits) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let value = number(digits, 4).filter(|_| digits.len() == 4)?;
    let (hours, minutes) = (value / 100, value % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// A zone of a Date header; what is not known counts as UTC (RFC 5322 §4.3).
fn any_zone(text: &str, next: Option<&str>) -> i16 {
    if let Some(offset) = numeric_zone(text) {
        return offset;
    }
    let hours = match text.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        // `GMT +0200` and `GMT+0200`, as seen.
        "GMT" | "UT" | "UTC" => return next.and_then(numeric_zone).unwrap_or(0),
        other => return other.strip_prefix("GMT").and_then(numeric_zone).unwrap_or(0),
    };
    hours * 60
}

fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = memchr::memchr(b'(', rest) {
        out.extend_from_slice(&rest[..start]);
        out.push(b' ');
        rest = &rest[start..];
        rest = &rest[comment_length(rest).unwrap_or(rest.len())..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(i64, i16)> {
        DateTime::parse_rfc5322(text.as_bytes()).map(|d| (d.unix, d.offset))
    }

    #[test]
    fn dates_of_messages() {
        // 1994-02-08T05:52:25Z and its like, as Python's email.utils reads them.
        let expected = Some((760_686_745, -480));
        for text in [
            "Mon, 7 Feb 1994 21:52:25 -0800 (PST)",
            "Mon, 7 Feb 1994 21:52:25 PST",
            "7 Feb 94 21:52:25 PST",
            " Mon,7 Feb 1994\r\n\t21 :52".replace(" :", ":").replace(":52", ":52:25 -0800").as_str(),
            "Mon (day), (a (nested) comment) 07 Feb 1994 21:52:25 -0800",
            "Mon, 07-Feb-94 21:52:25 -0800",
            "Monday, 7 February 1994 21:52:25 -0800",
            "Mon Feb  7 21:52:25 1994 PST",
            "Mon, 7 Feb 094 21:52:25 -0800",
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn zones() {
        for (zone, minutes) in [
            ("", 0),
            ("GMT", 0),
            ("UT", 0),
            ("Z", 0),
            ("X", 0),
            ("EDT", -240),
            ("mst", -420),
            ("+0530", 330),
            ("-0000", 0),
            ("GMT+0200", 120),
            ("GMT +0200", 120),
            ("CEST", 0),
            ("+9999", 0),
        ] {
            let read = read(&format!("1 Jan 2020 00:00 {zone}"));
            assert_eq!(read, Some((1_577_836_800 - i64::from(minutes) * 60, minutes)), "{zone}");
        }
    }

    #[test]
    fn two_digit_years() {
        for (text, year) in [("49", 2049), ("50", 1950), ("99", 1999), ("00", 2000), ("103", 2003), ("2103", 2103)] {
            let read = DateTime::parse_rfc5322(format!("1 Mar {text} 00:00:00 +0000").as_bytes()).unwrap();
            assert_eq!(read.day().year, year);
        }
    }

    #[test]
    fn no_dates() {
        for text in [
            "",
            "yesterday",
            "32 Jan 2020 00:00",
            "29 Feb 2021 00:00",
            "1 Jan 2020",
            "1 Jan 2020 24:00",
            "1 Jan 0 00:00",
            "(",
            "\u{e9} Jan",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn imap_dates() {
        let date = DateTime::parse_imap(b"17-Jul-1996 02:44:25 -0700").unwrap();
        assert_eq!(date, DateTime { unix: 837_596_665, offset: -420 });
        assert_eq!(date.to_imap(), "17-Jul-1996 02:44:25 -0700");
        assert_eq!(date.to_rfc5322(), "Wed, 17 Jul 1996 02:44:25 -0700");
        assert_eq!(date.day(), Day { year: 1996, month: 7, day: 17 });
        let date = DateTime::parse_imap(b" 7-jul-1996 23:59:60 +0545").unwrap();
        assert_eq!(date.to_imap(), " 8-Jul-1996 00:00:00 +0545");
        for bad in [
            "17-Jul-1996",
            "17-Jul-96 02:44:25 -0700",
            "17-Jul-1996 2:44:25 -0700",
            "17-Jul-1996 02:44:25 PST",
            "17-Jul-1996 02:44:25 -0700 x",
        ] {
            assert_eq!(DateTime::parse_imap(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Day::parse_imap(b"1-Feb-1994"), Some(Day { year: 1994, month: 2, day: 1 }));
        assert_eq!(Day::parse_imap(b"30-Feb-1994"), None);
    }

    #[test]
    fn any_moment_can_be_written() {
        for unix in [i64::MIN, -1, 0, i64::MAX, 253_402_300_799] {
            for offset in [i16::MIN, 0, i16::MAX] {
                let date = DateTime { unix, offset };
                assert_eq!(date.to_imap().len(), 26);
                assert_eq!(date.to_rfc5322().len(), 31);
                assert!((1..=9999).contains(&date.day().year));
            }
        }
    }
}
