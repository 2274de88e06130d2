//! Appending. One writer per journal, for as long as it holds the lock.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use std::{io, mem};

use super::budget::Budget;
use super::directory::{JournalId, take_new_lock, unpublished_dir};
use super::error::{AppendError, JournalError, SyncError};
use super::frame::{self, FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES};
use super::segment::{Purpose, SEGMENT_HEADER_BYTES, SegmentHeader, segment_path, unix_ms};
use super::stats::{JournalStats, count};
use super::sync::{SegmentFile, SyncHandle};

/// When a segment is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterOptions {
    /// A record that would make the segment larger goes to the next one, unless it is the segment's first.
    pub segment_max_bytes: u64,
    /// A record goes to the next segment when the first one of this segment is older.
    pub segment_max_age_ms: u64,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            segment_max_bytes: 64 << 20,
            segment_max_age_ms: 3_600_000,
        }
    }
}

/// The bytes of a header, as a file position.
const HEADER_BYTES: u64 = SEGMENT_HEADER_BYTES as u64;

/// A scratch buffer that an unusually large record blew up beyond this is given back.
const SCRATCH_KEPT_BYTES: usize = 256 << 10;

/// The only one who may append to a journal.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    header: SegmentHeader,
    options: WriterOptions,
    budget: Arc<Budget>,
    stats: Arc<JournalStats>,
    sync: SyncHandle,
    failures_reported: u64,
    segment: Arc<SegmentFile>,
    /// Everything before is whole frames; the next frame goes here.
    good_bytes: u64,
    /// When the segment's first record was appended; `None` while it has none.
    filling_since: Option<Instant>,
    /// A failed append may have left bytes behind `good_bytes`.
    untrimmed: bool,
    /// The file system refuses to let the segment grow, though there may be room for another.
    outgrown: bool,
    next_seq: u64,
    crc_seed: u32,
    scratch: Vec<u8>,
    /// Held for its lock; the last field, so that nobody takes the journal for dead before the rest is dropped.
    _lock: File,
}

impl Writer {
    /// Makes a new, empty journal under `root` (made too if need be), locked and on disk.
    ///
    /// # Errors
    /// [`JournalError::Full`] when the disk has no room; nothing is left behind. A used-up budget is no obstacle: the
    /// header is counted, and appends wait for room. Anything else is a broken environment.
    pub fn create(
        root: &Path,
        purpose: Purpose,
        options: WriterOptions,
        budget: Arc<Budget>,
        stats: Arc<JournalStats>,
    ) -> Result<Self, JournalError> {
        fs::create_dir_all(root).map_err(JournalError::io("make", root))?;
        let header = SegmentHeader {
            id: JournalId::random(),
            tag: nonzero_random()?,
            purpose,
            first_seq: 1,
            created_at_ms: unix_ms(SystemTime::now()),
        };
        let building = unpublished_dir(root, header.id);
        let dir = root.join(header.id.to_string());
        budget.take(HEADER_BYTES);
        let made = publish(root, &building, &dir, &header).inspect_err(|_| {
            // What cannot be removed now is found by `discover` and removed by `retire`.
            let _unremoved = fs::remove_dir_all(&building);
            budget.release(HEADER_BYTES);
        });
        let (lock, directory, segment) = made.map_err(JournalError::io("make", &dir))?;
        let segment = Arc::new(SegmentFile::new(segment, HEADER_BYTES, HEADER_BYTES));
        let sync = SyncHandle::new(directory, Arc::clone(&segment), Arc::clone(&stats));
        Ok(Self {
            dir,
            header,
            options,
            budget,
            stats,
            sync,
            failures_reported: 0,
            segment,
            good_bytes: HEADER_BYTES,
            filling_since: None,
            untrimmed: false,
            outgrown: false,
            next_seq: 1,
            crc_seed: frame::seed(header.id),
            scratch: Vec::new(),
            _lock: lock,
        })
    }

    /// The journal's id.
    pub fn id(&self) -> JournalId {
        self.header.id
    }

    /// The journal's random tag, never 0.
    pub fn tag(&self) -> u32 {
        self.header.tag
    }

    /// The journal's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The sequence the next append will return.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// What a [`Syncer`](super::Syncer) needs.
    pub fn sync_handle(&self) -> SyncHandle {
        self.sync.clone()
    }

    /// Appends one record and returns its sequence. On return the record survives the death of the process.
    ///
    /// `encode` appends the payload to the buffer it is given; it must leave alone what is in there.
    ///
    /// # Errors
    /// [`AppendError`]. The journal is then as it was before, and the next append gets the same sequence.
    pub fn append(&mut self, version: u8, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> Result<u64, AppendError> {
        let mut scratch = mem::take(&mut self.scratch);
        scratch.clear();
        scratch.resize(FRAME_HEADER_BYTES, 0);
        encode(&mut scratch);
        let outcome = self.append_frame(version, kind, &mut scratch);
        if scratch.capacity() <= SCRATCH_KEPT_BYTES {
            self.scratch = scratch;
        }
        outcome
    }

    fn append_frame(&mut self, version: u8, kind: u8, frame: &mut [u8]) -> Result<u64, AppendError> {
        let Some(payload_bytes) = frame.len().checked_sub(FRAME_HEADER_BYTES) else {
            return Err(AppendError::Io(io::ErrorKind::InvalidInput.into()));
        };
        if payload_bytes > MAX_PAYLOAD_BYTES {
            return Err(AppendError::TooLarge { payload_bytes });
        }
        let bytes = frame.len() as u64;
        if self.segment.has_failed() || self.outgrown {
            self.rotate()?;
        } else if self.is_full(bytes)
            && let Err(error) = self.rotate()
        {
            // Limits are for tidiness: a record that still fits in the old segment is worth more.
            tracing::debug!(%error, "no new segment; staying in the old one");
        }
        frame::seal(frame, self.crc_seed, self.next_seq, version, kind);
        self.budget.reserve_or_full(bytes)?;
        if let Err(error) = self.write(frame) {
            self.budget.release(bytes);
            self.outgrown = error.kind() == io::ErrorKind::FileTooLarge;
            return Err(error.into());
        }
        self.good_bytes += bytes;
        self.segment.set_written_bytes(self.good_bytes);
        self.filling_since.get_or_insert_with(Instant::now);
        let seq = self.next_seq;
        self.next_seq += 1;
        self.sync.set_next_seq(self.next_seq);
        count(&self.stats.appended, 1);
        Ok(seq)
    }

    /// Writes the frame at the good end, or leaves the file as it was.
    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        if self.untrimmed {
            self.trim();
        }
        // Continues after a partial write; a reader sees an unfinished frame until the last byte is there.
        let outcome = self.segment.file().write_all_at(frame, self.good_bytes);
        if outcome.is_err() {
            self.trim();
        }
        outcome
    }

    /// Cuts off what a failed append left. When even that fails the next frame overwrites it, and a reader never takes it
    /// for a record, since it is unfinished.
    fn trim(&mut self) {
        self.untrimmed = self.segment.file().set_len(self.good_bytes).is_err();
    }

    fn is_full(&self, frame_bytes: u64) -> bool {
        let Some(since) = self.filling_since else {
            return false;
        };
        self.good_bytes + frame_bytes > self.options.segment_max_bytes
            || since.elapsed() >= Duration::from_millis(self.options.segment_max_age_ms)
    }

    /// Goes on in a new segment. On failure everything is as before.
    fn rotate(&mut self) -> io::Result<()> {
        let header = SegmentHeader {
            first_seq: self.next_seq,
            created_at_ms: unix_ms(SystemTime::now()),
            ..self.header
        };
        let path = segment_path(&self.dir, self.next_seq);
        let file = if self.filling_since.is_some() {
            self.budget.reserve_or_full(HEADER_BYTES)?;
            create_segment(&path, &header).inspect_err(|_| {
                let _unremoved = fs::remove_file(&path);
                self.budget.release(HEADER_BYTES);
            })?
        } else {
            // The name is taken by a segment that failed before its first record. Writing the header afresh makes its
            // pages dirty again, so that syncing them is a first try and not a second.
            create_segment(&path, &header)?
        };
        self.segment = Arc::new(SegmentFile::new(file, HEADER_BYTES, 0));
        self.sync.rotate(Arc::clone(&self.segment));
        self.good_bytes = HEADER_BYTES;
        self.filling_since = None;
        self.untrimmed = false;
        self.outgrown = false;
        Ok(())
    }

    /// Brings every record appended so far to disk. Waits for a sync that is under way in the background.
    ///
    /// # Errors
    /// [`SyncError`] when any sync since the last call failed, here or in the background: of the records appended since
    /// then, none can be promised. The next append opens a new segment, and the next sync speaks for that.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        let outcome = self.sync.sync();
        let failures = self.sync.failures();
        if failures != mem::replace(&mut self.failures_reported, failures) {
            return Err(outcome.err().unwrap_or(SyncError::Earlier));
        }
        outcome
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sync.set_writer_gone();
    }
}

/// Builds the journal under a provisional name, and gives it its own when it is complete, locked and on disk.
fn publish(root: &Path, building: &Path, dir: &Path, header: &SegmentHeader) -> io::Result<(File, File, File)> {
    fs::create_dir(building)?;
    let lock = take_new_lock(building)?;
    let segment = create_segment(&segment_path(building, header.first_seq), header)?;
    segment.sync_all()?;
    let directory = File::open(building)?;
    directory.sync_all()?;
    fs::rename(building, dir)?;
    if let Err(error) = File::open(root).and_then(|root| root.sync_all()) {
        let _unremoved = fs::remove_dir_all(dir);
        return Err(error);
    }
    Ok((lock, directory, segment))
}

/// Opens an empty segment with its header. Truncates what is there: it can only be the leftover of a failed attempt.
fn create_segment(path: &Path, header: &SegmentHeader) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all_at(&header.encode(), 0)?;
    Ok(file)
}

/// The tag of a new journal.
fn nonzero_random() -> Result<u32, JournalError> {
    loop {
        let tag = getrandom::u32().map_err(JournalError::Random)?;
        if tag != 0 {
            return Ok(tag);
        }
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
