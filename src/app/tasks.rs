//! What goes on in the background, each on its own beat.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

use crate::agents::AGENT_DATA_VERSION;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::redirect::{Redirector, Salts, draw_salt};
use crate::shutdown::Stopping;
use crate::store::{Store, StoreError};
use crate::stream::{CursorSource as _, Keeper};

const TEND_JOURNALS_EVERY: Duration = Duration::from_secs(1);
/// Changes made by this process are in force at once; this is for those of others (`key create`, a
/// restored store).
const FOLLOW_FEED_EVERY: Duration = Duration::from_millis(500);
const SALTS_EVERY: Duration = Duration::from_secs(600);
/// Reports add what is not folded yet, so this may be slow; every fold rewrites the sets it touches.
const FOLD_VISITORS_EVERY: Duration = Duration::from_secs(5);
const COUNT_AGENTS_EVERY: Duration = Duration::from_secs(60);
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
const FORGET_REJECTIONS_EVERY: Duration = Duration::from_secs(3600);
const FORGET_CLIENTS_EVERY: Duration = Duration::from_secs(60);

/// Waits for the next beat; `false` when the process is ending.
async fn beat(every: Duration, stopping: &mut Stopping) -> bool {
    tokio::select! {
        () = tokio::time::sleep(every) => true,
        () = stopping.wait() => false,
    }
}

pub(super) async fn keep_journals(keeper: Keeper, store: Store, clock: Clock, mut stopping: Stopping) {
    let keeper = Arc::new(keeper);
    let mut cursors = Arc::new(crate::stream::Cursors::new());
    while beat(TEND_JOURNALS_EVERY, &mut stopping).await {
        // Without cursors nothing may be deleted, but how far behind the store is must still be told.
        let read = match keeper.journals() {
            Ok(journals) => store.cursors(journals).await.ok(),
            Err(error) => {
                tracing::error!(%error, "the journals cannot be listed");
                None
            }
        };
        // A power cut may take back the last commits; what they covered must not be deleted already.
        let durable = !keeper.deletes_soon() || store.make_durable().await.is_ok();
        let may_delete = read.is_some() && durable;
        cursors = read.map(Arc::new).unwrap_or(cursors);
        let (keeper, cursors, now) = (Arc::clone(&keeper), Arc::clone(&cursors), clock.now());
        let round = tokio::task::spawn_blocking(move || keeper.tend(&cursors, may_delete, now)).await;
        match round {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the journals could not be tended"),
            Err(error) => tracing::error!(%error, "tending the journals ended badly"),
        }
    }
}

pub(super) async fn follow_feed(catalog: Arc<Catalog>, store: Store, metrics: Metrics, mut stopping: Stopping) {
    while beat(FOLLOW_FEED_EVERY, &mut stopping).await {
        match catalog.catch_up(&store).await {
            Ok(()) => metrics.store_up.set(1),
            Err(error) => {
                metrics.store_up.set(0);
                tracing::warn!(%error, "the change feed cannot be read; links stay as they are");
            }
        }
    }
}

/// Reads the salts, making those that are missing. Without a store the last ones stay in force.
pub(super) async fn renew_salts(store: &Store, salts: &Salts, clock: &Clock) {
    match store.salts(clock.now(), draw_salt).await {
        Ok(stored) => salts.set(&stored),
        Err(error) => tracing::warn!(%error, "visitor salts cannot be read; the last ones stay in force"),
    }
}

pub(super) async fn keep_salts(store: Store, salts: Arc<Salts>, clock: Clock, mut stopping: Stopping) {
    while beat(SALTS_EVERY, &mut stopping).await {
        renew_salts(&store, &salts, &clock).await;
    }
}

/// Folds clicks into each day's visitors, behind the worker. Of many processes one at a time does.
pub(super) async fn fold_visitors(store: Store, metrics: Metrics, mut stopping: Stopping) {
    while beat(FOLD_VISITORS_EVERY, &mut stopping).await {
        if let Err(error) = fold_all_visitors(&store, &metrics, &stopping).await {
            metrics.visitors_fold_failures.inc();
            tracing::warn!(%error, "visitors were not folded; reports count them from the queue");
        }
    }
}

async fn fold_all_visitors(store: &Store, metrics: &Metrics, stopping: &Stopping) -> Result<(), StoreError> {
    loop {
        // Told before they are folded: while folding fails, the figure grows.
        let waiting = store.unfolded_clicks().await?;
        metrics.visitors_unfolded_clicks.set(waiting);
        if waiting == 0 || stopping.is_set() || !store.fold_visitors().await? {
            return Ok(());
        }
    }
}

/// After an update some clicks count by the old data and some by the new, until somebody has them read again.
pub(super) async fn count_outdated_agents(store: Store, metrics: Metrics, mut stopping: Stopping) {
    loop {
        match store.outdated_agents(AGENT_DATA_VERSION, false).await {
            Ok(count) => metrics
                .user_agents_outdated
                .set(i64::try_from(count).unwrap_or(i64::MAX)),
            Err(error) => tracing::warn!(%error, "outdated user agents could not be counted"),
        }
        if !beat(COUNT_AGENTS_EVERY, &mut stopping).await {
            return;
        }
    }
}

pub(super) async fn write_snapshots(catalog: Arc<Catalog>, path: PathBuf, mut stopping: Stopping) {
    let mut written = None;
    while beat(SNAPSHOT_EVERY, &mut stopping).await {
        let position = catalog.position();
        if written == Some(position) {
            continue;
        }
        let (catalog, path) = (Arc::clone(&catalog), path.clone());
        match tokio::task::spawn_blocking(move || catalog.write_snapshot(&path)).await {
            Ok(Ok(())) => written = Some(position),
            Ok(Err(error)) => tracing::error!(%error, "no snapshot was written"),
            Err(error) => tracing::error!(%error, "writing the snapshot ended badly"),
        }
    }
}

pub(super) async fn forget_quiet_clients(redirector: web::Data<Redirector>, mut stopping: Stopping) {
    while beat(FORGET_CLIENTS_EVERY, &mut stopping).await {
        redirector.forget_quiet_clients();
    }
}

/// Rejections are kept for a month. One more hour does no harm when the store does not answer.
pub(super) async fn forget_rejections(store: Store, clock: Clock, mut stopping: Stopping) {
    loop {
        match store.forget_rejections(clock.now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "rejections older than 30 days were deleted"),
            Err(error) => tracing::warn!(%error, "old rejections could not be deleted"),
        }
        if !beat(FORGET_REJECTIONS_EVERY, &mut stopping).await {
            return;
        }
    }
}
