//! Brings what a dead node left in its data directory into the store.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::scale::{self, Pipeline};
use super::{DataDir, StartError, close, tasks};
use crate::agents::Agents;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::click_id::ClickIdKeys;
use crate::domain::email_hash::EmailKey;
use crate::journal::{JournalError, JournalId, JournalStats, discover, last_seq};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::stream::{CursorSource as _, JOURNALS_DIR, Progress, cursor_of};
use crate::worker::Worker;

/// How often the store is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// When nothing was confirmed for so long, somebody has to look into it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far a data directory's journals are in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Records that the journals gave out, those among them that are lost.
    pub records: u64,
    /// Of them those that the store has confirmed.
    pub confirmed: u64,
    /// Journals that are not confirmed to their end.
    pub journals_left: usize,
}

/// Takes the directory's lock and brings its journals into the store: through Redis if it is configured, else directly.
/// Ends when the store has confirmed everything, or nothing for a minute, or when asked to by Ctrl-C; the store is closed.
///
/// # Errors
/// [`StartError`], [`StartError::Locked`] above all when the node is not dead.
pub async fn drain(
    config: &Config,
    dir: &Path,
    store: &Store,
    mut tell: impl FnMut(Drained),
) -> Result<Drained, StartError> {
    if !dir.join(JOURNALS_DIR).is_dir() {
        return Err(StartError::NoJournals(dir.to_owned()));
    }
    let data_dir = DataDir::take(dir)?;
    let ends = ends(&data_dir.journals())?;
    let metrics = Metrics::new();
    let pipeline = Pipeline {
        redis: scale::redis(config, &metrics)?,
        root: data_dir.journals(),
        stats: Arc::<JournalStats>::default(),
        store: store.clone(),
        shards: config.stream_shards,
        progress: Progress::default(),
        metrics: metrics.clone(),
    };
    let (shutdown, stopping) = Shutdown::new();
    // Else nobody would give up a question that a frozen store does not answer.
    let mut lasting = JoinSet::new();
    lasting.spawn(tasks::feel_store(store.clone(), metrics.clone()));
    let mut working = JoinSet::new();
    if pipeline.redis.is_some() {
        pipeline.forward(&mut working, &stopping);
    } else {
        let secrets = data_dir.secrets(config.secrets.as_ref())?;
        let worker = Worker {
            store: store.clone(),
            feed: pipeline.local(),
            agents: Agents::default(),
            keys: Arc::new(ClickIdKeys::new(&secrets)),
            email_key: Arc::new(EmailKey::new(&secrets)),
            progress: pipeline.progress.clone(),
            clock: Clock::system(),
            metrics,
        };
        // A worker that is told to stop ends when everything is committed.
        shutdown.begin();
        working.spawn(worker.run(stopping, Duration::MAX));
    }
    let drained = watch(store, &ends, &mut working, &mut tell).await;
    working.shutdown().await;
    close(store).await;
    Ok(drained)
}

/// Every journal with its last sequence. They are dead, so it is the last for good.
fn ends(root: &Path) -> Result<Vec<(JournalId, u64)>, JournalError> {
    let end = |entry: crate::journal::JournalEntry| Ok((entry.id, last_seq(&entry.dir)?));
    let published = |entry: &crate::journal::JournalEntry| entry.dir.ends_with(entry.id.to_string());
    discover(root)?.into_iter().filter(published).map(end).collect()
}

async fn watch(
    store: &Store,
    ends: &[(JournalId, u64)],
    tasks: &mut JoinSet<()>,
    tell: &mut impl FnMut(Drained),
) -> Drained {
    let mut drained = Drained {
        records: ends.iter().map(|(_, last)| last).sum(),
        confirmed: 0,
        journals_left: ends.len(),
    };
    let mut moved_at = Instant::now();
    let mut over = false;
    // One for all rounds: it must also be heard while the store is asked.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        if let Ok(cursors) = store.cursors(ends.iter().map(|(id, _)| *id).collect()).await {
            let confirmed = |(id, last): &(JournalId, u64)| cursor_of(&cursors, *id).min(*last);
            let before = drained.confirmed;
            drained.confirmed = ends.iter().map(confirmed).sum();
            drained.journals_left = ends.iter().filter(|end| confirmed(end) < end.1).count();
            if drained.confirmed != before {
                moved_at = Instant::now();
            }
            tell(drained);
        }
        if drained.journals_left == 0 || over || moved_at.elapsed() >= PATIENCE {
            return drained;
        }
        tokio::select! {
            // Looked at once more after that: its last commit may be younger than the cursors.
            _ = tasks.join_next() => over = true,
            _ = &mut interrupted => return drained,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
