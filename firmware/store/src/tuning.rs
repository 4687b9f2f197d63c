//! Sizes that tests make small, and ordering rules that tests break to see that the crash test notices.

use crate::limits;

/// How large things are.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// [`limits::SEGMENT`]
    pub segment: u32,
    /// [`limits::PART`]
    pub part: usize,
    /// [`limits::ATTACHMENT`]
    pub attachment: usize,
    /// [`limits::LOG_BUFFER`]
    pub log_buffer: usize,
    /// [`limits::CHECKPOINT_BYTES`]
    pub checkpoint_bytes: u64,
    /// [`limits::CHECKPOINT_RECORDS`]
    pub checkpoint_records: u64,
    /// [`limits::RECLAIM`]
    pub reclaim: u64,
    /// [`limits::SPARES`]
    pub spares: usize,
    /// [`limits::LEARN`]
    pub learn: u64,
    /// [`limits::DICTIONARY`]
    pub dictionary: usize,
    /// [`limits::GAIN`]
    pub gain: i64,
    /// A dictionary is learned beside the writer, which does not wait for it.
    pub learn_aside: bool,
    /// [`limits::UNREADABLE`]
    pub unreadable: usize,
    /// The rule that does not hold.
    #[cfg(test)]
    pub broken: Option<Rule>,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            segment: limits::SEGMENT,
            part: limits::PART,
            attachment: limits::ATTACHMENT,
            log_buffer: limits::LOG_BUFFER,
            checkpoint_bytes: limits::CHECKPOINT_BYTES,
            checkpoint_records: limits::CHECKPOINT_RECORDS,
            reclaim: limits::RECLAIM,
            spares: limits::SPARES,
            learn: limits::LEARN,
            dictionary: limits::DICTIONARY,
            gain: limits::GAIN,
            learn_aside: true,
            unreadable: limits::UNREADABLE,
            #[cfg(test)]
            broken: None,
        }
    }
}

/// Rules that keep mail safe when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// An answer comes after the flush.
    FlushBeforeAnswer,
    /// The catalogue becomes durable after the log it was made from.
    LogBeforeCheckpoint,
    /// Numbers of records that were in flight are not given again.
    FreshNumbers,
    /// The record that says that there was a start is durable before anything is answered after it.
    StartBeforeAnswer,
    /// What recovery found is durable before it is shown.
    FlushBeforeShowing,
    /// A record counts only whole.
    WholeRecords,
    /// A segment is given back after the snapshot that stands for it, and a header that names it, are durable.
    SnapshotBeforeRecycle,
    /// What was copied out of a segment is durable before the segment is given back.
    CopyBeforeRecycle,
    /// A segment's header and dictionary are durable before its first record.
    HeaderFirst,
    /// What is written is compressed with the dictionary that its segment carries.
    OwnDictionary,
}

impl Tuning {
    /// Whether the rule holds: always, outside of tests.
    pub fn holds(&self, rule: Rule) -> bool {
        #[cfg(test)]
        if self.broken == Some(rule) {
            return false;
        }
        let _ = rule;
        true
    }
}
