//! The journal: a local, append-only log that every event passes through before anyone is answered.
//!
//! # Constraints
//!
//! - An append must cost about as much as one `write(2)`; the redirect thread waits for nothing else, not for
//!   a lock, not for the disk, not for a reader.
//! - What was appended survives the death of the process. What was synced survives the death of the machine.
//! - A full disk, or a used-up [`Budget`], is an error that goes away when there is room again.
//! - Readers live in other threads or other processes and share nothing with the writer but the files.
//!
//! # On disk
//!
//! ```text
//! <root>/<uuid>.new/                  a journal being made, or one whose making was interrupted; holds no record
//! <root>/<uuid>/lock                  held with flock by the writer for as long as it lives
//! <root>/<uuid>/{first_seq:020}.seg   segments, in order of sequence
//!
//! segment  = header frame*
//! header   = magic 8 | format u16 | purpose u8 | 0 | tag u32 | uuid 16 | first_seq u64 | created_at_ms u64 | 0 × 12 | crc32c u32
//! frame    = len u32 | crc32c u32 | seq u64 | version u8 | kind u8 | 0 0 | payload (at most 1 MiB)
//! ```
//!
//! Integers are little-endian. `len` counts what follows the checksum, so it is at least 12, and 0 says that
//! nothing was written here (yet). A frame's checksum starts from the checksum of the journal's uuid: a stale block
//! that belonged to another journal never passes. Sequences are dense from 1 and continue from segment to segment.
//!
//! # Operation
//!
//! A [`Writer`] makes a new journal at every start: it fills the directory under its `.new` name, takes the lock, syncs,
//! and renames, so a directory under its plain name was complete and locked when it appeared, and is dead for good once
//! the lock is free. Appends go to the last segment, which is sealed by size, by age, or by a failed sync. A [`Syncer`]
//! calls `fdatasync` in the background; [`Writer::sync`] does it now. A [`Reader`] follows from any sequence, whether the
//! writer lives or not. [`prune`] and [`retire`] delete what the store has confirmed. Of a dead journal that had records they
//! leave a trace, an empty segment that is named by the sequence behind the last one, so that a store that forgets again what
//! it had confirmed is told what it has lost. Traces are few and small; [`forget_traces`] removes the oldest.
//!
//! # Recovery
//!
//! There is no recovery step: reading is recovery. The name of a segment and the frames are what counts; a damaged header
//! is reported and the frames behind it are read all the same.
//!
//! Reading never
//! - writes, truncates or renames anything;
//! - returns a record whose checksum does not fit, or returns one twice, or out of order;
//! - steps over a missing sequence without a [`Step::Lost`] that names it;
//! - takes the unfinished end of a live journal for damage, or the torn end of a dead one for a reason to stop earlier.

mod budget;
#[cfg(test)]
mod damage_tests;
mod directory;
mod error;
mod frame;
mod reader;
mod retention;
mod segment;
mod stats;
mod sync;
mod syncer;
#[cfg(test)]
mod test_support;
mod trace;
mod window;
mod writer;

pub use budget::Budget;
pub use directory::{JournalEntry, JournalHeader, JournalId, discover};
pub use error::{AppendError, JournalError, SyncError};
pub use frame::MAX_PAYLOAD_BYTES;
pub use reader::{Lost, LostWhy, Reader, Record, Step};
pub use retention::{Backlog, KeptWhy, PrunePolicy, Pruned, Retired, backlog, last_seq, prune, retire};
pub use segment::{Purpose, SegmentInfo, segments};
pub use stats::JournalStats;
pub use sync::SyncHandle;
pub use syncer::Syncer;
pub use trace::forget_traces;
pub use writer::{Writer, WriterOptions};
