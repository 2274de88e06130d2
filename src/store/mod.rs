//! The only room with SQL: brands, links and everything else that is kept, and the worker's commit.
//!
//! SQL is written once for both engines, SQLite and Postgres, wherever both accept it. The control plane's runs through
//! `sqlx`'s `Any`; the worker's commit has typed connections (`statement.rs`), because it loads clicks in bulk, which
//! `Any` cannot. In SQLite the writes of one process take turns through a fair lock, because SQLite's own is a lottery
//! in which a busy worker starves the API. In Postgres the control plane's writes of all nodes take turns through one
//! advisory lock: what a write checks first (is this slug free?) still holds when it commits, as in SQLite. Workers do
//! not take that lock; their cursors keep them apart.
//!
//! A transaction always runs in a task of its own: a handler that is dropped in the middle (the
//! client hung up) would otherwise hand a connection back with the transaction still open.

mod brands;
mod campaigns;
mod changes;
mod columns;
pub mod commit;
mod conversions;
mod deals;
mod decisions;
mod engine;
mod error;
pub mod figures;
mod follower_counts;
mod influencers;
mod journals;
mod kept_answers;
mod keys;
mod leases;
mod link_history;
mod links;
mod locks;
mod partitions;
mod post_metrics;
mod posts;
mod promo_codes;
mod reach;
mod reclassify;
mod records;
mod refunds;
mod rejections;
mod salts;
mod schema;
mod sealing;
mod statement;
mod verify;
mod verify_visitors;
mod visitors;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AnyConnection, AnyPool};
use tokio::sync::{Mutex, MutexGuard};

pub use brands::Brand;
pub use campaigns::Campaign;
pub use changes::{Changes, FeedHead, LinkChange};
pub use conversions::{ConversionFilter, StoredConversion, StoredCredit, StoredTouchpoint};
pub use deals::{Deal, DealPlace};
pub use decisions::{NewDecision, REJECTED_BY_REVIEW, StoredDecision};
use engine::{Bulk, Engine};
pub use engine::{Location, STORE_FILE};
pub use error::StoreError;
pub use follower_counts::FollowerCount;
pub use influencers::Influencer;
pub use journals::JournalRow;
pub use kept_answers::{Answer, Answering, ONCE_HEADER, OnceKey};
pub use keys::ApiKey;
pub use link_history::{Change, LinkEntry};
pub use links::{Link, LinkDraft, LinkEdit, MintTerms, PostChoice, SlugPolicy};
pub use locks::Claim;
pub use partitions::Partitions;
pub use post_metrics::PostMetrics;
pub use posts::Post;
pub use promo_codes::PromoCode;
use reach::{Control, Reach};
pub use reclassify::{Moved, Reading, StoredAgent};
pub use records::{Filter, Listed, Page, Record, Scope, standing};
pub use refunds::StoredRefund;
pub use rejections::{RejectionId, RejectionIdError, RejectionPosition, StoredRejection};
pub use salts::SALT_DAYS_KEPT;
pub use sealing::{OldDay, Sealing};
use statement::Tx;
pub use verify::{Mismatch, Verified};

/// A future that a transaction runs.
pub type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Held by whoever writes as the control plane, for the length of the transaction.
const CONTROL_LOCK: i64 = 0x6c6c_6374_726c;

/// How long a write of the control plane waits for its turn, and in Postgres for any lock.
const TURN_PATIENCE: Duration = Duration::from_secs(10);

/// The store. Clones share connections.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    reach: Reach,
    pulse: AnyPool,
    /// Reads.
    control: Control,
    /// Short reads that others wait for.
    steps: Control,
    /// The control plane's writes, apart so that no slow report keeps a write waiting. In SQLite one connection, used
    /// under `writing`; in Postgres two, which take turns by [`CONTROL_LOCK`].
    writer: AnyPool,
    bulk: Bulk,
    writing: Arc<Mutex<()>>,
}

impl Store {
    /// Opens (or creates) the store and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be opened or its schema is newer than this program.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        let store = Self::at(location)?;
        store.prepare().await?;
        Ok(store)
    }

    /// The store at this place, without a look at it: nothing connects before it is asked something.
    ///
    /// # Errors
    /// [`StoreError`] when the place is none.
    pub fn at(location: &Location) -> Result<Self, StoreError> {
        let pools = engine::pools(location)?;
        Ok(Self {
            engine: pools.engine,
            reach: pools.reach,
            pulse: pools.pulse,
            control: pools.control,
            steps: pools.steps,
            writer: pools.writer,
            bulk: pools.bulk,
            writing: Arc::new(Mutex::new(())),
        })
    }

    /// Creates what is missing and brings the schema up to date. Ten nodes may do so at once.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or its schema is newer than this program.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        match &self.bulk {
            Bulk::Sqlite(pool) => schema::migrate_sqlite(pool).await,
            Bulk::Postgres(pool) => self.reach.within(schema::migrate_postgres(pool)).await,
        }
    }

    /// Makes sure that the schema is this program's, and changes nothing: for whoever works on a store that nodes of
    /// another version may be using.
    ///
    /// # Errors
    /// [`StoreError::OtherSchema`] when it is not.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let known = async { schema::stored_version(&mut *self.control.acquire().await?).await };
        let stored = self.reach.within(known).await?;
        let program = schema::version(self.engine);
        if stored == program {
            Ok(())
        } else {
            Err(StoreError::OtherSchema { stored, program })
        }
    }

    /// Whether [`Store::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.control.is_closed()
    }

    /// Closes every connection; SQLite's write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.pulse.close().await;
        self.control.close().await;
        self.steps.close().await;
        self.writer.close().await;
        match &self.bulk {
            Bulk::Sqlite(pool) => pool.close().await,
            Bulk::Postgres(pool) => pool.close().await,
        }
    }

    /// Whether the store can be read: from its file, not from what the driver knows by heart.
    pub async fn answers(&self) -> bool {
        self.feed_head().await.is_ok() && (self.engine == Engine::Postgres || self.journals().await.is_ok())
    }

    /// Brings everything committed so far to the disk. A worker's commit is not, at first: see
    /// `engine.rs`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn make_durable(&self) -> Result<(), StoreError> {
        if self.engine == Engine::Sqlite {
            let _turn = self.writing.lock().await;
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                .execute(&self.writer)
                .await?;
        }
        Ok(())
    }

    /// Runs `work` in one write transaction, in a task of its own, and commits if it returns `Ok`.
    async fn transact<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T> + Send + 'static,
    {
        let store = self.clone();
        let task = tokio::spawn(async move {
            let turn = tokio::time::timeout(TURN_PATIENCE, store.take_turn());
            let _turn = turn.await.map_err(|_| StoreError::Busy)?;
            store.reach.within(store.write(work)).await
        });
        task.await.map_err(|_| StoreError::Stopped)?
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Work<'c, T>,
    {
        let mut tx = self.writer.begin_with(self.engine.begin_write()).await?;
        if self.engine == Engine::Postgres {
            let sql = "SELECT 1 FROM (SELECT set_config('lock_timeout', $1, true), pg_advisory_xact_lock($2)) AS taken";
            let patience = format!("{}ms", TURN_PATIENCE.as_millis());
            sqlx::query(sql)
                .bind(patience)
                .bind(CONTROL_LOCK)
                .execute(&mut *tx)
                .await?;
        }
        match work(&mut tx).await {
            Ok(answer) => {
                tx.commit().await?;
                Ok(answer)
            }
            Err(error) => {
                // The first error says more than this one, which only means that nothing was left to undo.
                let _undone_already = tx.rollback().await;
                Err(error)
            }
        }
    }

    /// The same for bulk work that a power cut may take back, because it is done again: see `engine.rs`.
    async fn transact_bulk<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, T> + Send + 'static,
    {
        let store = self.clone();
        let task = tokio::spawn(async move {
            let _turn = store.take_turn().await;
            store.reach.within(store.write_bulk(work)).await
        });
        task.await.map_err(|_| StoreError::Stopped)?
    }

    async fn write_bulk<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut Tx) -> Work<'c, T>,
    {
        let mut tx = Tx::begin(&self.bulk).await?;
        match work(&mut tx).await {
            Ok(answer) => {
                tx.commit().await?;
                Ok(answer)
            }
            Err(error) => {
                let _undone_already = tx.rollback().await;
                Err(error)
            }
        }
    }

    /// In SQLite, whose only writer this process then is.
    async fn take_turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.engine {
            Engine::Sqlite => Some(self.writing.lock().await),
            Engine::Postgres => None,
        }
    }
}

/// Takes `count` positions of the change feed; returns the first. Holding the feed's row until
/// commit is what makes sequence order commit order.
async fn take_feed(conn: &mut AnyConnection, count: i64) -> Result<i64, StoreError> {
    let last: i64 = sqlx::query_scalar("UPDATE feed SET seq = seq + $1 WHERE id = 1 RETURNING seq")
        .bind(count)
        .fetch_one(conn)
        .await?;
    Ok(last - count + 1)
}
