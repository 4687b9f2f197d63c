//! Dates of messages (RFC 5322 §3.3) and of IMAP (RFC 9051 `date-time`), without a clock.

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

impl DateTime {
    /// Reads a Date header with the obsolete zones and two-digit years.
    pub fn parse_rfc5322(_text: &[u8]) -> Option<DateTime> {
        todo!()
    }
    /// `Fri, 21 Nov 2026 11:47:43 +0000`.
    pub fn to_rfc5322(self) -> String {
        todo!()
    }
    /// Reads `"17-Jul-1996 02:44:25 -0700"` without the quotes; a leading space for a one-digit day.
    pub fn parse_imap(_text: &[u8]) -> Option<DateTime> {
        todo!()
    }
    /// ` 7-Jul-1996 02:44:25 -0700`.
    pub fn to_imap(self) -> String {
        todo!()
    }
    /// The calendar day in its own zone.
    pub fn day(self) -> Day {
        todo!()
    }
}

impl Day {
    /// Reads IMAP's `1-Feb-1994` (SEARCH).
    pub fn parse_imap(_text: &[u8]) -> Option<Day> {
        todo!()
    }
}
