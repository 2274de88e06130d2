//! One entry of a stream: a batch of one journal. The layout is told in the [module's papers](super).

use std::io;

use super::super::{Items, Stretch};
use crate::journal::{JournalId, Lost, LostWhy, MAX_PAYLOAD_BYTES, Purpose, Record};

/// Shards that there may be: a worker looks at the keys of all of them.
pub const SHARDS_MAX: u16 = 256;
/// The one field of an entry.
pub(super) const FIELD: &str = "batch";
/// Layout of the entry.
const VERSION: u8 = 1;
/// Bytes in front of the records, and behind them.
const HEADER_BYTES: usize = 48;
const CRC_BYTES: usize = 4;
/// Bytes in front of each record's payload.
const RECORD_HEADER_BYTES: usize = 6;
/// What a batch's records may take, unpacked. The forwarder fills about half of it; one record of the greatest size fits.
pub(super) const UNPACKED_MAX_BYTES: usize = 2 * MAX_PAYLOAD_BYTES;
/// Fast, and half the size for clicks; the higher levels win little.
const ZSTD_LEVEL: i32 = 1;

const RECORDS: u8 = 1;
const LOST_MISSING: u8 = 2;
const LOST_CORRUPT: u8 = 3;

/// The stream of a shard. The braces are Redis Cluster's hash tag: they spread the shards over the nodes.
#[must_use]
pub fn stream_key(shard: u16) -> String {
    format!("linkledger:{{s{shard:02}}}:events")
}

/// The shard of a journal, where there are `shards` of them: all its batches lie in one stream, in order.
#[must_use]
pub fn shard_of(journal: JournalId, shards: u16) -> u16 {
    let hash = crc32c::crc32c(journal.as_bytes());
    u16::try_from(hash % u32::from(shards.max(1))).expect("a rest of 16 bits")
}

/// A batch in a stream: either dense records of one journal, or a declared loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The journal.
    pub journal: JournalId,
    /// Its tag in click ids.
    pub tag: u32,
    /// Who wrote it.
    pub purpose: Purpose,
    /// The first sequence that the batch covers.
    pub first_seq: u64,
    /// The last.
    pub last_seq: u64,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    /// Still packed: most that is skipped is never unpacked.
    Packed {
        zstd: Vec<u8>,
        unpacked_bytes: usize,
    },
    Lost(LostWhy),
}

/// Why an entry is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// No batch of this program, or a damaged one.
    #[error("the entry is foreign or damaged")]
    Unreadable,
    /// A batch of a later release, intact: it must wait for a worker that can read it.
    #[error("the entry of journal {journal} has version {version}, which this release cannot read")]
    UnknownVersion {
        /// The journal, which lies at the same place in every version.
        journal: JournalId,
        /// The version.
        version: u8,
    },
}

fn purpose_code(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::Redirect => 1,
        Purpose::Api => 2,
    }
}

/// Bytes that a record takes, unpacked.
pub(super) fn unpacked_bytes(record: &Record) -> usize {
    RECORD_HEADER_BYTES + record.payload.len()
}

/// A stretch as an entry's bytes. Its records take at most [`UNPACKED_MAX_BYTES`].
///
/// # Errors
/// Those of the compression, which has no reason to fail.
pub(super) fn encode(stretch: &Stretch) -> io::Result<Vec<u8>> {
    let first_seq = stretch.after_seq + 1;
    let (what, last_seq, unpacked) = match &stretch.items {
        Items::Records(records) => {
            let mut unpacked = Vec::with_capacity(records.iter().map(unpacked_bytes).sum());
            for record in records {
                let len = u32::try_from(record.payload.len()).map_err(io::Error::other)?;
                unpacked.extend_from_slice(&[record.version, record.kind]);
                unpacked.extend_from_slice(&len.to_le_bytes());
                unpacked.extend_from_slice(&record.payload);
            }
            (RECORDS, stretch.after_seq + records.len() as u64, unpacked)
        }
        Items::Lost(lost) => {
            let what = match lost.why {
                LostWhy::Missing => LOST_MISSING,
                LostWhy::Corrupt => LOST_CORRUPT,
            };
            (what, lost.to, Vec::new())
        }
    };
    let unpacked_len = u32::try_from(unpacked.len()).map_err(io::Error::other)?;
    let packed = match what {
        RECORDS => zstd::bulk::compress(&unpacked, ZSTD_LEVEL)?,
        _ => Vec::new(),
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + packed.len() + CRC_BYTES);
    bytes.extend_from_slice(b"LL");
    bytes.extend_from_slice(&[VERSION, what]);
    bytes.extend_from_slice(stretch.journal.as_bytes());
    bytes.extend_from_slice(&stretch.tag.to_le_bytes());
    bytes.extend_from_slice(&[purpose_code(stretch.purpose), 0, 0, 0]);
    bytes.extend_from_slice(&first_seq.to_le_bytes());
    bytes.extend_from_slice(&last_seq.to_le_bytes());
    bytes.extend_from_slice(&unpacked_len.to_le_bytes());
    bytes.extend_from_slice(&packed);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl Entry {
    /// Reads an entry's bytes; its records stay packed.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let (head, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(EntryError::Unreadable)?;
        if !head.starts_with(b"LL") || crc32c::crc32c(head) != u32::from_le_bytes(*crc) {
            return Err(EntryError::Unreadable);
        }
        let journal: Option<&[u8; 16]> = head.get(4..).and_then(|rest| rest.first_chunk());
        let journal = JournalId::from_bytes(*journal.ok_or(EntryError::Unreadable)?);
        match head[2] {
            VERSION => Self::decode_intact(head, journal).ok_or(EntryError::Unreadable),
            version => Err(EntryError::UnknownVersion { journal, version }),
        }
    }

    fn decode_intact(head: &[u8], journal: JournalId) -> Option<Self> {
        let packed = head.get(HEADER_BYTES..)?;
        let unpacked_bytes = usize::try_from(u32_at(head, 44)?).ok()?;
        let body = match head[3] {
            RECORDS => Body::Packed {
                zstd: packed.to_vec(),
                unpacked_bytes,
            },
            LOST_MISSING => Body::Lost(LostWhy::Missing),
            LOST_CORRUPT => Body::Lost(LostWhy::Corrupt),
            _ => return None,
        };
        let entry = Self {
            journal,
            tag: u32_at(head, 20)?,
            purpose: match head[24] {
                1 => Purpose::Redirect,
                2 => Purpose::Api,
                _ => return None,
            },
            first_seq: u64_at(head, 28)?,
            last_seq: u64_at(head, 36)?,
            body,
        };
        // Sequences are signed in the store.
        let ordered = 1 <= entry.first_seq && entry.first_seq <= entry.last_seq;
        let possible = ordered && i64::try_from(entry.last_seq).is_ok() && unpacked_bytes <= UNPACKED_MAX_BYTES;
        possible.then_some(entry)
    }

    /// What the batch holds behind `after_seq`, which lies before or within it.
    ///
    /// # Errors
    /// [`EntryError::Unreadable`] when the records are not what the entry says.
    pub fn unpack(&self, after_seq: u64) -> Result<Stretch, EntryError> {
        let after_seq = after_seq.max(self.first_seq - 1);
        let items = match &self.body {
            Body::Lost(why) => Items::Lost(Lost {
                from: after_seq + 1,
                to: self.last_seq,
                why: *why,
            }),
            Body::Packed { zstd, unpacked_bytes } => {
                // One byte of room more than was told, so that a longer text is known by its length.
                let unpacked = zstd::bulk::decompress(zstd, unpacked_bytes + 1).map_err(|_| EntryError::Unreadable)?;
                if unpacked.len() != *unpacked_bytes {
                    return Err(EntryError::Unreadable);
                }
                Items::Records(self.records(&unpacked, after_seq).ok_or(EntryError::Unreadable)?)
            }
        };
        Ok(Stretch {
            journal: self.journal,
            tag: self.tag,
            purpose: self.purpose,
            after_seq,
            items,
        })
    }

    fn records(&self, mut unpacked: &[u8], after_seq: u64) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        let mut seq = self.first_seq;
        while !unpacked.is_empty() {
            let (header, rest) = unpacked.split_first_chunk::<RECORD_HEADER_BYTES>()?;
            let len = usize::try_from(u32_at(header, 2)?).ok()?;
            let (payload, rest) = rest.split_at_checked(len)?;
            if seq > after_seq {
                records.push(Record {
                    seq,
                    version: header[0],
                    kind: header[1],
                    payload: payload.to_vec(),
                });
            }
            seq += 1;
            unpacked = rest;
        }
        (seq == self.last_seq + 1).then_some(records)
    }

    /// Bytes of its records, unpacked.
    pub(super) fn unpacked_bytes(&self) -> usize {
        match self.body {
            Body::Packed { unpacked_bytes, .. } => unpacked_bytes,
            Body::Lost(_) => 0,
        }
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
