//! What damage left of messages: parts that lie in the segments, whether anything still says so or not.

use crate::limits;
use crate::model::BlobId;
use crate::record::{Extent, HEADER, Kind, PartHead, Position, footprint};
use crate::segment::{self, Segments, Window};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

/// A part as it lies there: its place, octets it stores, octets before compression.
#[derive(Debug, Clone, Copy)]
struct Lying {
    at: Position,
    stored: u32,
    raw: u32,
}

/// All parts in the segments, by their message (or their own number, if messages share them) and their place in it.
#[derive(Debug, Default)]
pub struct Parts(BTreeMap<(u64, u64), Vec<Lying>>);

impl Parts {
    /// Reads all segments for them.
    pub fn look(segments: &Segments) -> io::Result<Parts> {
        let mut parts = Parts::default();
        for number in segment::numbers(segments.disk().as_ref())? {
            let mut window = Window::new(segments.file(number)?)?;
            let mut at = limits::BLOCK;
            while u64::from(at) + (HEADER as u64) <= window.len() {
                let here = Position { segment: number, offset: at };
                at += parts.note(segments, &mut window, here)?;
            }
        }
        Ok(parts)
    }

    /// Notes the part in a place, if one is there; answers how far on to look for the next record.
    fn note(&mut self, segments: &Segments, window: &mut Window, at: Position) -> io::Result<u32> {
        let offset = u64::from(at.offset);
        // length, checksum and number are never all zero
        if window.get(offset, 16)?.is_none_or(|start| start == [0; 16]) {
            return Ok(8);
        }
        let Some(header) = window.record(segments.seed(at.segment), offset, &segments.tuning)? else { return Ok(8) };
        let payload = window.get(offset + HEADER as u64, header.len as usize)?;
        if header.kind == Kind::Part
            && let Some((head, data)) = payload.and_then(PartHead::decode)
        {
            let owner = if head.blob == 0 { header.lsn } else { head.blob };
            let lying = Lying { at, stored: data.len() as u32, raw: head.raw };
            self.0.entry((owner, head.position)).or_default().push(lying);
        }
        Ok(footprint(header.len as usize) as u32)
    }

    /// The octets of a part of a message, wherever a copy of it is.
    pub fn read(&self, segments: &Segments, blob: BlobId, position: u64, extent: &Extent) -> Option<Vec<u8>> {
        let key = extent.shared.map_or((blob.0, position), |shared| (shared.part, 0));
        let copies = self.0.get(&key)?.iter();
        copies
            .map(|lying| Extent { at: lying.at, stored: lying.stored, ..*extent })
            .find_map(|extent| segments.read_extent(blob, &extent).ok())
    }

    /// All that there is of a message, in its order.
    pub fn whole(&self, segments: &Segments, blob: BlobId) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        for ((_, position), lying) in self.0.range((blob.0, 0)..=(blob.0, u64::MAX)) {
            let Some(Lying { at, stored, raw }) = lying.first().copied() else { continue };
            let extent = Extent { at, stored, len: raw, line: 0, shared: None };
            octets.extend(self.read(segments, blob, *position, &extent).unwrap_or_default());
        }
        (!octets.is_empty()).then_some(octets)
    }

    /// Hands on what there is of each message that is not `known`, until `each` has enough. Attachments that could be shared do not say
    /// whose they are, and are missing.
    pub fn unknown<B>(
        &self,
        segments: &Segments,
        known: impl Fn(u64) -> bool,
        mut each: impl FnMut(Vec<u8>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut last = 0;
        for (owner, _) in self.0.keys() {
            if *owner == std::mem::replace(&mut last, *owner) || known(*owner) {
                continue;
            }
            if let Some(octets) = self.whole(segments, BlobId(*owner)) {
                each(octets)?;
            }
        }
        ControlFlow::Continue(())
    }
}
