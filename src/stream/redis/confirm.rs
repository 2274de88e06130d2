//! What a forwarder concludes from the store's cursors; see the [module's papers](super).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::format::{Entry, shard_of};
use super::forwarder::Forwarder;
use super::in_flight::{Heard, InFlight};
use crate::journal::JournalId;
use crate::stream::{Cursors, FeedError, cursor_of};

/// How often the cursors are read.
const CONFIRM_EVERY: Duration = Duration::from_millis(500);

/// The store was asked for cursors.
pub(super) struct Question {
    journals: Vec<JournalId>,
    /// Whether batches of these journals are gone from Redis.
    of_gone: bool,
    answer: JoinHandle<Result<Cursors, FeedError>>,
}

impl Forwarder {
    /// Asks for the cursors when it is time, and draws conclusions from what was answered. Sending does not wait for it.
    pub(super) async fn confirm(&mut self) {
        let Some(question) = self.asking.take() else {
            if self.asked_at.is_none_or(|at| at.elapsed() >= CONFIRM_EVERY) {
                let standing: HashSet<JournalId> = self.journals.ids().into_iter().collect();
                self.in_flight.retain(|id, _| standing.contains(id));
                self.ask(self.journals.ids(), false);
            }
            return;
        };
        if !question.answer.is_finished() {
            self.asking = Some(question);
            return;
        }
        match question.answer.await {
            Ok(Ok(cursors)) => {
                self.store_failed = false;
                if question.of_gone {
                    self.conclude(question.journals, &cursors).await;
                } else {
                    self.take_in(question.journals, &cursors).await;
                }
            }
            Ok(Err(error)) => {
                if !self.store_failed {
                    tracing::warn!(%error, "the cursors cannot be read; what is in Redis waits to be confirmed");
                }
                self.store_failed = true;
            }
            Err(error) => tracing::error!(%error, "reading the cursors ended badly"),
        }
    }

    fn ask(&mut self, journals: Vec<JournalId>, of_gone: bool) {
        self.asked_at = Some(Instant::now());
        let (source, ids) = (Arc::clone(&self.source), journals.clone());
        self.asking = Some(Question {
            journals,
            of_gone,
            answer: tokio::spawn(async move { source.cursors(ids).await }),
        });
    }

    async fn take_in(&mut self, journals: Vec<JournalId>, cursors: &Cursors) {
        let waiting: HashSet<JournalId> = self.journals.waiting().into_iter().map(|(id, _)| id).collect();
        let mut standing_still = Vec::new();
        for id in journals {
            if waiting.contains(&id) {
                self.start(id, cursor_of(cursors, id));
            } else if self.hear(id, cursor_of(cursors, id)).await == Some(Heard::Same) {
                standing_still.push(id);
            }
        }
        let gone = self.gone(standing_still).await;
        if !gone.is_empty() {
            // Only now: a worker commits first and deletes after that, so the cursors read before say nothing.
            self.ask(gone, true);
        }
    }

    async fn conclude(&mut self, gone: Vec<JournalId>, cursors: &Cursors) {
        for id in gone {
            let cursor = cursor_of(cursors, id);
            let oldest = self.in_flight.get(&id).and_then(InFlight::oldest);
            if oldest.is_some_and(|oldest| cursor < oldest.last_seq) {
                self.metrics.stream_rewinds.with_label_values(&["gone"]).inc();
                tracing::warn!(journal = %id, cursor, "records are gone from Redis; they are sent again");
                self.rewind(id, cursor).await;
            } else {
                self.hear(id, cursor).await;
            }
        }
    }

    async fn hear(&mut self, id: JournalId, cursor: u64) -> Option<Heard> {
        let journal = self.in_flight.get_mut(&id)?;
        let before = journal.confirmed();
        let heard = journal.hear(cursor);
        match heard {
            Heard::Same => {}
            Heard::Further => {
                // Records of before a rewind were committed meanwhile: they need not be sent once more.
                if self.journals.position(id) < cursor {
                    self.rewind(id, cursor).await;
                }
                self.progress.committed();
            }
            Heard::Back => {
                self.metrics.stream_rewinds.with_label_values(&["restored"]).inc();
                tracing::warn!(journal = %id, before, cursor, "the store went back; its records are sent again");
                self.rewind(id, cursor).await;
            }
        }
        Some(heard)
    }

    /// Those whose oldest batch in flight is gone from a Redis that answers.
    async fn gone(&self, suspects: Vec<JournalId>) -> Vec<JournalId> {
        let mut gone = Vec::new();
        for id in suspects {
            let Some(oldest) = self.in_flight.get(&id).and_then(InFlight::oldest) else {
                continue;
            };
            let found = self.redis.entry(shard_of(id, self.shards), &oldest.entry).await;
            // A server that was set back gives ids out again: what counts is what lies there.
            let is_ours = |batch: &Vec<u8>| {
                Entry::decode(batch).is_ok_and(|entry| {
                    let place = (entry.journal, entry.first_seq, entry.last_seq);
                    place == (id, oldest.first_seq, oldest.last_seq)
                })
            };
            match found {
                Ok(Some(found)) if found.batch.as_ref().is_some_and(is_ours) => {}
                Ok(_) => gone.push(id),
                Err(error) => tracing::debug!(%error, "Redis does not say whether records are still there"),
            }
        }
        gone
    }

    /// Sends again from behind `cursor`. What may still lie in Redis is deleted, so that it does not pile up there; where
    /// that fails, workers skip it.
    async fn rewind(&mut self, id: JournalId, cursor: u64) {
        let Some(journal) = self.in_flight.get_mut(&id) else {
            return;
        };
        let entries = journal.rewind(cursor);
        self.journals.start(id, cursor);
        if let Err(error) = self.redis.delete(shard_of(id, self.shards), &entries).await {
            tracing::debug!(%error, "entries that are sent again were not deleted");
        }
    }
}
