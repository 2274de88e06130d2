//! Reading a journal from any sequence on, beside a living writer or after a dead one.
//!
//! Frames are taken from the buffer as long as they are intact. Where one is not, [`Reader::judge`] finds out why. Its
//! order of looking is what makes it safe beside a writer: evidence that the spot should be complete by now (the writer
//! is dead, a later segment exists, a later frame is intact) is gathered first, and the spot is read again after that.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::{JournalId, lock_is_held};
use super::error::JournalError;
use super::frame;
use super::segment::{HeaderRead, SEGMENT_HEADER_BYTES, list, read_header};
use super::stats::{JournalStats, count};
use super::window::{Rest, Window};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the journal.
    pub seq: u64,
    /// As given to [`Writer::append`](super::Writer::append).
    pub version: u8,
    /// As given to [`Writer::append`](super::Writer::append).
    pub kind: u8,
    /// As encoded by the appender.
    pub payload: Vec<u8>,
}

/// Why records are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LostWhy {
    /// Their segment was deleted, or cut off exactly behind a record.
    Missing,
    /// Their bytes are there and are wrong.
    Corrupt,
}

/// A range of sequences that no reader will ever see. Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lost {
    /// The first lost sequence.
    pub from: u64,
    /// The last lost sequence.
    pub to: u64,
    /// Why.
    pub why: LostWhy,
}

/// What one call of [`Reader::read`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// At least one record, dense from where the reader stood.
    Records(Vec<Record>),
    /// These are gone; reading goes on behind them.
    Lost(Lost),
    /// Everything appended so far was read; the writer lives.
    CaughtUp,
    /// Everything was read and nothing will follow. `torn_bytes` at the end are no record.
    Ended {
        /// Size of the unfinished rest; 0 when there is none or nothing but zeros.
        torn_bytes: u64,
    },
}

#[derive(Debug)]
struct OpenSegment {
    first_seq: u64,
    path: PathBuf,
    window: Window,
    /// What the frame at the cursor should be numbered; behind the reader's `next_seq` while it is still on the way there.
    at_seq: u64,
    header_judged: bool,
}

/// Reads one journal. Holds one file open and about 256 KiB.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    id: JournalId,
    next_seq: u64,
    /// Without it the reader neither counts nor logs: what skims a journal again and again must not cry each time.
    stats: Option<Arc<JournalStats>>,
    segment: Option<OpenSegment>,
    ended: Option<u64>,
}

impl Reader {
    /// A reader of the journal in `dir` that starts behind `after_seq` (0 for the start).
    ///
    /// # Errors
    /// [`JournalError::NotAJournal`] when `dir` is not named by a journal id, [`JournalError::Gone`] when it does not exist.
    pub fn open(dir: &Path, after_seq: u64) -> Result<Self, JournalError> {
        let id = JournalId::of_dir(dir)?;
        if !dir.is_dir() {
            return Err(JournalError::Gone(dir.to_owned()));
        }
        Ok(Self {
            dir: dir.to_owned(),
            id,
            next_seq: after_seq.saturating_add(1),
            stats: None,
            segment: None,
            ended: None,
        })
    }

    /// Counts losses and damage in `stats`, and logs them.
    pub fn with_stats(mut self, stats: Arc<JournalStats>) -> Self {
        self.stats = Some(stats);
        self
    }

    /// The journal's id.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// The sequence that the next record or loss starts with.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Reads on, without waiting: at most `max_records` records and `max_bytes` of payload, but at least one record.
    /// After [`Step::Ended`] it says the same for ever.
    ///
    /// # Errors
    /// [`JournalError::UnknownFormat`] when a later release wrote on, [`JournalError::Gone`] when the journal was retired,
    /// [`JournalError::Io`] when a file cannot be read. The reader stands where it stood and can be asked again.
    pub fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<Step, JournalError> {
        loop {
            if let Some(torn_bytes) = self.ended {
                return Ok(Step::Ended { torn_bytes });
            }
            if self.segment.is_none()
                && let Some(step) = self.locate()?
            {
                return Ok(step);
            }
            let records = self.take(max_records, max_bytes)?;
            if !records.is_empty() {
                return Ok(Step::Records(records));
            }
            if let Some(step) = self.judge()? {
                return Ok(step);
            }
        }
    }

    /// Opens the segment that holds `next_seq`, or says why there is none.
    fn locate(&mut self) -> Result<Option<Step>, JournalError> {
        loop {
            let live = self.is_live()?;
            let listed = list(&self.dir)?;
            let Some((oldest_seq, _)) = listed.first() else {
                return Ok(Some(if live { Step::CaughtUp } else { self.end(0) }));
            };
            let holds_next = |(first_seq, _): &&(u64, PathBuf)| *first_seq <= self.next_seq;
            let Some((first_seq, path)) = listed.iter().rev().find(holds_next) else {
                return Ok(Some(self.lose(oldest_seq - 1, LostWhy::Missing)));
            };
            match File::open(path) {
                Ok(file) => {
                    let seed = frame::seed(self.id);
                    self.segment = Some(OpenSegment {
                        first_seq: *first_seq,
                        path: path.clone(),
                        window: Window::new(file, seed, SEGMENT_HEADER_BYTES as u64),
                        at_seq: *first_seq,
                        header_judged: false,
                    });
                    return Ok(None);
                }
                // Pruned since it was listed: look again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(JournalError::io("open", path)(error)),
            }
        }
    }

    /// Takes intact frames in sequence, up to the limits or to the first spot that needs judging.
    fn take(&mut self, max_records: usize, max_bytes: usize) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let Some(segment) = &mut self.segment else {
            return Ok(records);
        };
        while records.is_empty() || records.len() < max_records {
            let frame = match segment.window.peek() {
                Ok(Some(frame)) if frame.seq <= self.next_seq => frame,
                Ok(_) => break,
                // What was read so far is good; the error comes again with the next call.
                Err(_) if !records.is_empty() => break,
                Err(error) => return Err(JournalError::io("read", &segment.path)(error)),
            };
            if !segment.header_judged {
                judge_header(segment, self.id, self.stats.as_deref())?;
            }
            let payload = segment.window.payload(&frame);
            if frame.seq == self.next_seq {
                bytes += payload.len();
                if bytes > max_bytes && !records.is_empty() {
                    break;
                }
                records.push(Record {
                    seq: frame.seq,
                    version: frame.version,
                    kind: frame.kind,
                    payload: payload.to_vec(),
                });
                self.next_seq += 1;
            }
            segment.at_seq = frame.seq + 1;
            segment.window.step_over(&frame);
        }
        Ok(records)
    }

    /// Finds out why there is no next frame at the cursor. `None` means: go on reading.
    fn judge(&mut self) -> Result<Option<Step>, JournalError> {
        // First the evidence, in this order, since each item may come to be while the one before is looked at.
        let live = self.is_live()?;
        let Some(segment) = &mut self.segment else {
            return Ok(None);
        };
        let later = |(first_seq, _): &(u64, PathBuf)| *first_seq > segment.first_seq;
        let next_segment = list(&self.dir)?.into_iter().find(later);
        let failed = |error| JournalError::io("read", &segment.path)(error);
        let found = segment.window.find_after(segment.at_seq).map_err(failed)?;

        // Then the spot again, from the file.
        segment.window.seek(segment.window.offset());
        if let Some(frame) = segment.window.peek().map_err(failed)? {
            segment.at_seq = frame.seq;
            let ahead = frame.seq > self.next_seq;
            return Ok(ahead.then(|| self.lose(frame.seq - 1, LostWhy::Corrupt)));
        }
        let rest = rest_of(segment, self.id)?;

        if let Some((offset, seq)) = found {
            segment.window.seek(offset);
            segment.at_seq = seq;
            if seq > self.next_seq {
                return Ok(Some(self.lose(seq - 1, LostWhy::Corrupt)));
            }
            self.damage();
            return Ok(None);
        }
        if let Some((next_first_seq, _)) = next_segment {
            self.segment = None;
            if next_first_seq > self.next_seq {
                let nothing = rest.bytes == 0;
                let why = if nothing { LostWhy::Missing } else { LostWhy::Corrupt };
                return Ok(Some(self.lose(next_first_seq - 1, why)));
            }
            if !rest.all_zero {
                self.damage();
            }
            return Ok(None);
        }
        if live {
            return Ok(Some(Step::CaughtUp));
        }
        Ok(Some(self.end(if rest.all_zero { 0 } else { rest.bytes })))
    }

    fn is_live(&self) -> Result<bool, JournalError> {
        lock_is_held(&self.dir).map_err(|error| JournalError::io("probe the lock of", &self.dir)(error))
    }

    /// Declares everything up to `to` lost and moves behind it.
    fn lose(&mut self, to: u64, why: LostWhy) -> Step {
        let from = self.next_seq;
        self.next_seq = to + 1;
        if let Some(stats) = &self.stats {
            count(&stats.lost_records, to - from + 1);
            if why == LostWhy::Corrupt {
                count(&stats.corrupt_ranges, 1);
            }
            tracing::error!(journal = %self.id, from, to, ?why, "records of the journal are lost");
        }
        Step::Lost(Lost { from, to, why })
    }

    /// Counts bytes that are wrong though no record was lost with them.
    fn damage(&self) {
        if let Some(stats) = &self.stats {
            count(&stats.corrupt_ranges, 1);
            let before_seq = self.next_seq;
            tracing::error!(journal = %self.id, before_seq, "the journal is damaged; no record was lost");
        }
    }

    fn end(&mut self, torn_bytes: u64) -> Step {
        self.ended = Some(torn_bytes);
        // Nothing follows: the file and its window go, though whoever asked may keep the reader.
        self.segment = None;
        if torn_bytes > 0
            && let Some(stats) = &self.stats
        {
            count(&stats.torn_tails, 1);
            let next_seq = self.next_seq;
            tracing::warn!(journal = %self.id, torn_bytes, next_seq, "the journal ends in an unfinished record");
        }
        Step::Ended { torn_bytes }
    }
}

/// Reports a header that is wrong though frames follow it. Only then: without frames it may be still in the making.
fn judge_header(segment: &mut OpenSegment, id: JournalId, stats: Option<&JournalStats>) -> Result<(), JournalError> {
    segment.header_judged = true;
    if !is_header_intact(segment, id)?
        && let Some(stats) = stats
    {
        count(&stats.corrupt_ranges, 1);
        tracing::error!(segment = %segment.path.display(), "the segment's header is damaged; its records are not");
    }
    Ok(())
}

/// What is left of the segment behind the last intact frame; all of it when not even the header is intact.
fn rest_of(segment: &OpenSegment, id: JournalId) -> Result<Rest, JournalError> {
    let at_start = segment.window.offset() == SEGMENT_HEADER_BYTES as u64;
    let from = if is_header_intact(segment, id)? || !at_start {
        segment.window.offset()
    } else {
        0
    };
    let rest = segment.window.rest(from);
    rest.map_err(JournalError::io("read", &segment.path))
}

fn is_header_intact(segment: &OpenSegment, id: JournalId) -> Result<bool, JournalError> {
    let header =
        read_header(segment.window.file(), id, segment.first_seq).map_err(JournalError::io("read", &segment.path))?;
    match header {
        HeaderRead::Intact(_) => Ok(true),
        HeaderRead::Unreadable => Ok(false),
        HeaderRead::UnknownFormat(format) => Err(JournalError::UnknownFormat {
            path: segment.path.clone(),
            format,
        }),
    }
}
