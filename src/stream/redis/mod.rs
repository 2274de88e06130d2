//! Streams in Redis between the nodes that have journals and the workers.
//!
//! # Constraints
//!
//! - Redis may lose anything at any time: all of it, one stream, the last second, an entry in the middle. It may come back
//!   with entries that were deleted already, refuse to write for a while, or freeze. None of it costs a record.
//! - Redis is never trusted with a record that its journal could not send again, and is never asked what was processed:
//!   the cursor in the store says that.
//! - A visitor or a shop never waits for any of this.
//!
//! # Format
//!
//! One stream for each shard, under the key `linkledger:{sNN}:events`, NN being the shard in at least two digits. A
//! journal's batches lie in the stream `crc32c(uuid) mod shards`. Each entry has one field, `batch`:
//!
//! ```text
//! batch  = "LL" | version u8 | what u8 | uuid 16 | tag u32 | purpose u8 | 0 0 0 | first_seq u64 | last_seq u64
//!        | unpacked_len u32 | packed | crc32c u32
//! what     1 records, 2 a loss (missing), 3 a loss (corrupt); a loss has an empty `packed`
//! purpose  1 redirect, 2 api
//! packed   one zstd frame of unpacked_len bytes, at most 2 MiB: one record after the other, from first_seq to last_seq
//! record = version u8 | kind u8 | len u32 | payload
//! ```
//!
//! Integers are little-endian. The checksum is over everything before it. Version (1), uuid and checksum lie at the same
//! place in every version. A record's version, kind and payload are those of the journal. Entries are deleted once they
//! are committed, so other consumers read along without a group, and as fast as the workers: `linkledger tail --follow`
//! does. A batch may come more than once, and a later one may come before an earlier one that is sent again.
//!
//! # Operation
//!
//! The [`Forwarder`] reads the journals of its data directory from the store's cursors on and appends batches with
//! `XADD *`. It remembers what is in flight, bounded by bytes; the rest waits on disk. An answer that does not come, or any
//! error, means: send again, which at worst makes a batch lie there twice. Twice a second it reads its journals' cursors.
//! At or past a batch: confirmed. Standing still, while the oldest batch in flight is gone from a Redis that answers, and
//! still below it when read once more after that: everything behind the cursor is sent again. Lower than before: an older
//! store was restored, and everything behind that cursor is sent again.
//!
//! The [`RedisFeed`] reads each shard from its start, skips what the cursor covers, and deletes entries once they are
//! committed. A batch that leaves a gap is deleted unread: that is what makes its forwarder look. Both judgements are made
//! only with a cursor that was read after the entries, because one that is out of date looks like a gap, or like a repeat.
//! Any worker may read any shard, two at once as well: the store's compare-and-set lets one win.
//!
//! The number of shards is the writing node's affair. Workers look at the configured shards all the time, and every few
//! seconds at every key that there can be: no list of shards could be lost, and another number needs no migration.
//!
//! # What recovery never does
//!
//! There is no recovery step. Whoever starts reads the cursors, and the rest follows. It never
//! - takes a batch for processed because Redis lost it, or because an id is lower or higher than another;
//! - deletes an intact batch that no cursor covers, unless it leaves a gap in front of it, or waits for a newer worker;
//! - skips what a journal no longer has without declaring it lost, under the sequences that are gone;
//! - sends anything again because a cursor stands still: Postgres may be down for hours.

mod client;
mod commands;
mod confirm;
mod feed;
mod format;
mod forwarder;
mod in_flight;
mod lot;
mod tail;

pub use client::Redis;
pub use feed::{OwnedShards, RedisFeed, all_shards};
pub use format::{Entry, EntryError, SHARDS_MAX, shard_of, stream_key};
pub use forwarder::Forwarder;
pub use tail::{Seen, Tail};
