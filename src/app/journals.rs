//! The journals of this process and what they share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::StartError;
use super::files::DataDir;
use super::listeners::JournalPool;
use crate::config::Config;
use crate::journal::{Budget, JournalError, JournalStats, Purpose, Syncer, Writer, WriterOptions};
use crate::metrics::Metrics;
use crate::stream::{Keeper, LiveJournal};

/// The journals.
pub(super) struct Journals {
    root: PathBuf,
    options: WriterOptions,
    budget: Arc<Budget>,
    pub(super) stats: Arc<JournalStats>,
    pub(super) syncer: Syncer,
    live: Mutex<Vec<LiveJournal>>,
}

impl Journals {
    pub(super) fn open(data_dir: &DataDir, config: &Config) -> Result<Self, StartError> {
        let root = data_dir.journals();
        std::fs::create_dir_all(&root).map_err(|source| StartError::DataDir {
            path: root.clone(),
            source,
        })?;
        Ok(Self {
            budget: Arc::new(Budget::scan(&root, config.journal_max_bytes)?),
            options: WriterOptions {
                segment_max_bytes: config.journal_segment_bytes,
                ..WriterOptions::default()
            },
            stats: Arc::default(),
            syncer: Syncer::start(config.journal_sync_ms).map_err(StartError::Thread)?,
            live: Mutex::default(),
            root,
        })
    }

    pub(super) fn create(&self, purpose: Purpose) -> Result<Writer, JournalError> {
        let writer = Writer::create(
            &self.root,
            purpose,
            self.options,
            Arc::clone(&self.budget),
            Arc::clone(&self.stats),
        )?;
        // The intake syncs its own journal before every answer; a second syncer would only be in its way.
        if purpose == Purpose::Redirect {
            self.syncer.register(writer.sync_handle());
        }
        let journal = LiveJournal {
            id: writer.id(),
            handle: writer.sync_handle(),
        };
        self.live.lock().unwrap_or_else(PoisonError::into_inner).push(journal);
        Ok(writer)
    }

    /// One journal per redirect thread. On a full disk the threads start without: visitors first.
    pub(super) fn pool(&self, threads: usize) -> Result<JournalPool, StartError> {
        let mut writers = Vec::with_capacity(threads);
        for _ in 0..threads {
            match self.create(Purpose::Redirect) {
                Ok(writer) => writers.push(writer),
                Err(JournalError::Full) => {
                    tracing::error!("no room for a click journal: clicks of this thread will be counted as dropped");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Arc::new(Mutex::new(writers)))
    }

    pub(super) fn live(&self) -> Vec<LiveJournal> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whoever looks after them, once all that this process writes are there.
    pub(super) fn keeper(&self, config: &Config, metrics: &Metrics) -> Keeper {
        Keeper {
            root: self.root.clone(),
            budget: Arc::clone(&self.budget),
            stats: Arc::clone(&self.stats),
            live: self.live(),
            retention_ms: u64::from(config.journal_retention_hours) * 3_600_000,
            metrics: metrics.clone(),
            ended: Mutex::default(),
            sightings: Mutex::default(),
        }
    }
}
