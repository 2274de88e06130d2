//! What one journal has in flight, and what a cursor says about it. Pure: nothing here asks anybody.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::commands::EntryId;

/// Waits after a batch that was not appended for sure: from, doubling, up to.
const BACKOFF_MS: std::ops::RangeInclusive<u64> = 50..=1_000;

/// A batch that is being appended.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) bytes: Vec<u8>,
}

/// A batch that Redis has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) entry: EntryId,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    bytes: usize,
}

/// What a cursor means for a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing new.
    Same,
    /// More is confirmed.
    Further,
    /// The store went back: an older one was restored.
    Back,
}

/// One journal on its way into a stream.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// The cursor, as last read.
    confirmed: u64,
    /// What is to be appended next; kept until Redis has acknowledged it.
    pub(super) pending: Option<Batch>,
    sent: VecDeque<Sent>,
    bytes: usize,
    failures: u32,
    not_before: Option<Instant>,
}

impl InFlight {
    /// A journal whose records behind `after_seq` are to be sent.
    pub(super) fn from(after_seq: u64) -> Self {
        Self {
            confirmed: after_seq,
            ..Self::default()
        }
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Bytes that lie in Redis, as far as is known.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest batch that is not confirmed.
    pub(super) fn oldest(&self) -> Option<&Sent> {
        self.sent.front()
    }

    /// Whether it may try now.
    pub(super) fn may_send(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }

    /// The pending batch was appended.
    pub(super) fn appended(&mut self, entry: EntryId) {
        self.failures = 0;
        self.not_before = None;
        if let Some(batch) = self.pending.take() {
            self.bytes += batch.bytes.len();
            self.sent.push_back(Sent {
                entry,
                first_seq: batch.first_seq,
                last_seq: batch.last_seq,
                bytes: batch.bytes.len(),
            });
        }
    }

    /// It may or may not have been appended: it stays pending.
    pub(super) fn unknown(&mut self) {
        let wait_ms = (BACKOFF_MS.start() << self.failures.min(8)).min(*BACKOFF_MS.end());
        self.failures += 1;
        self.not_before = Some(Instant::now() + Duration::from_millis(wait_ms));
    }

    /// A cursor was read.
    pub(super) fn hear(&mut self, cursor: u64) -> Heard {
        let before = self.confirmed;
        if cursor < before {
            return Heard::Back;
        }
        self.confirmed = cursor;
        while self.sent.front().is_some_and(|sent| sent.last_seq <= cursor) {
            self.bytes -= self.sent.pop_front().map_or(0, |sent| sent.bytes);
        }
        if self.pending.as_ref().is_some_and(|batch| batch.last_seq <= cursor) {
            self.pending = None;
        }
        if cursor > before { Heard::Further } else { Heard::Same }
    }

    /// Forgets everything in flight, to send again from behind `cursor`. Returns the entries that may still lie in Redis.
    pub(super) fn rewind(&mut self, cursor: u64) -> Vec<EntryId> {
        self.confirmed = cursor;
        self.pending = None;
        self.bytes = 0;
        self.sent.drain(..).map(|sent| sent.entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(batches: &[(u64, u64)]) -> InFlight {
        let mut journal = InFlight::from(0);
        for (first_seq, last_seq) in batches {
            journal.pending = Some(Batch {
                first_seq: *first_seq,
                last_seq: *last_seq,
                bytes: vec![0; 10],
            });
            journal.appended(format!("{last_seq}-0"));
        }
        journal
    }

    fn is_empty(journal: &InFlight) -> bool {
        journal.sent.is_empty() && journal.pending.is_none()
    }

    #[test]
    fn a_batch_is_confirmed_only_by_a_cursor_at_or_past_its_end() {
        let mut journal = with(&[(1, 10), (11, 20), (21, 30)]);
        assert_eq!(journal.hear(9), Heard::Further);
        assert_eq!(journal.bytes(), 30);
        assert_eq!(journal.hear(20), Heard::Further);
        assert_eq!(
            (journal.bytes(), journal.oldest().map(|sent| sent.first_seq)),
            (10, Some(21))
        );
        assert_eq!(journal.hear(20), Heard::Same);
        assert_eq!(journal.hear(30), Heard::Further);
        assert!(is_empty(&journal));
    }

    #[test]
    fn a_lower_cursor_changes_nothing_until_the_journal_is_rewound() {
        let mut journal = with(&[(1, 10), (11, 20)]);
        assert_eq!(journal.hear(10), Heard::Further);
        assert_eq!(journal.hear(5), Heard::Back);
        assert_eq!(journal.confirmed(), 10);
        assert_eq!(journal.rewind(5), vec!["20-0".to_owned()]);
        assert_eq!((journal.confirmed(), journal.bytes(), is_empty(&journal)), (5, 0, true));
    }

    #[test]
    fn a_batch_stays_pending_until_it_was_appended_for_sure() {
        let mut journal = with(&[(1, 10)]);
        journal.pending = Some(Batch {
            first_seq: 11,
            last_seq: 20,
            bytes: Vec::new(),
        });
        for _ in 0..20 {
            journal.unknown();
        }
        assert!(journal.pending.is_some() && !journal.may_send());
        // Its first attempt had arrived, and a worker has committed it.
        assert_eq!(journal.hear(20), Heard::Further);
        assert!(is_empty(&journal));
    }
}
