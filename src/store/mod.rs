//! The only room with SQL: brands, links and everything else that is kept, and the worker's commit.
//!
//! The control plane's SQL is written once for both engines and runs through `sqlx`'s `Any`; the
//! worker's bulk commit is typed. Writes of one process take turns through a fair lock, because
//! SQLite's own is a lottery in which a busy worker starves the API.
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
mod error;
pub mod figures;
mod follower_counts;
mod influencers;
mod journals;
mod kept_answers;
mod keys;
mod link_history;
mod links;
mod post_metrics;
mod posts;
mod promo_codes;
mod reclassify;
mod records;
mod refunds;
mod rejections;
mod salts;
mod schema;
mod verify;
mod verify_visitors;
mod visitors;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _, SqlitePool};
use tokio::sync::Mutex;

pub use brands::Brand;
pub use campaigns::Campaign;
pub use changes::{Changes, LinkChange};
pub use conversions::{ConversionFilter, StoredConversion, StoredCredit, StoredTouchpoint};
pub use deals::{Deal, DealPlace};
pub use decisions::{NewDecision, REJECTED_BY_REVIEW, StoredDecision};
pub use error::StoreError;
pub use follower_counts::FollowerCount;
pub use influencers::Influencer;
pub use journals::JournalRow;
pub use kept_answers::{Answer, Answering, ONCE_HEADER, OnceKey};
pub use keys::ApiKey;
pub use link_history::{Change, LinkEntry};
pub use links::{Link, LinkDraft, LinkEdit, MintTerms, PostChoice, SlugPolicy};
pub use post_metrics::PostMetrics;
pub use posts::Post;
pub use promo_codes::PromoCode;
pub use reclassify::{Moved, Reading, StoredAgent};
pub use records::{Filter, Listed, Page, Record, Scope, standing};
pub use refunds::StoredRefund;
pub use rejections::{RejectionId, RejectionIdError, RejectionPosition, StoredRejection};
pub use verify::{Mismatch, Verified};

/// A future that a transaction runs.
pub type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// The store's file in the data directory.
pub const STORE_FILE: &str = "linkledger.db";
/// Connections that read at the same time. Readers never wait for the writer (WAL).
const READERS: u32 = 4;
/// For every connection of the control plane.
const PRAGMAS: &[&str] = &[
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = memory",
    // Visitor salts are destroyed, not just unlinked.
    "PRAGMA secure_delete = ON",
];

/// The store. Clones share connections.
#[derive(Debug, Clone)]
pub struct Store {
    /// Reads.
    control: AnyPool,
    /// The control plane's writes: one connection, used under `writing`, so that no slow report keeps a
    /// write waiting while it keeps everybody else from writing.
    writer: AnyPool,
    bulk: SqlitePool,
    writing: Arc<Mutex<()>>,
}

impl Store {
    /// Opens (or creates) the SQLite store in a data directory and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened or its schema is newer than this program.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let file = data_dir.join(STORE_FILE);
        // The worker's commit may be lost by a power cut without harm: its cursor goes with it, and
        // the journal sends the records again. Hence NORMAL here and FULL for the control plane,
        // whose 201 must survive.
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(std::time::Duration::from_secs(30))
            .pragma("wal_autocheckpoint", "4000")
            .pragma("cache_size", "-65536")
            .pragma("temp_store", "memory")
            .disable_statement_logging();
        let bulk = SqlitePoolOptions::new()
            .max_connections(1)
            // When SQLite undoes a transaction by itself (the disk is full), the driver goes on taking it for open,
            // and the connection would refuse every later one.
            .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
            .connect_with(options)
            .await?;
        schema::migrate(&bulk).await?;

        sqlx::any::install_default_drivers();
        let address = url::Url::from_file_path(std::path::absolute(&file).map_err(sqlx::Error::Io)?)
            .map_err(|()| sqlx::Error::Configuration("the data directory is not a plain path".into()))?;
        // A report over much is slow, and its SQL is no news for whoever reads the log.
        let address: AnyConnectOptions = format!("sqlite://{}", address.path()).parse()?;
        let address = address.disable_statement_logging();
        let control = AnyPoolOptions::new()
            .max_connections(READERS)
            .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
            .after_connect(|conn, _| {
                Box::pin(async move {
                    for pragma in PRAGMAS {
                        sqlx::query(*pragma).execute(&mut *conn).await?;
                    }
                    Ok(())
                })
            });
        let writer = control.clone().max_connections(1);
        Ok(Self {
            control: control.connect_with(address.clone()).await?,
            writer: writer.connect_with(address).await?,
            bulk,
            writing: Arc::new(Mutex::new(())),
        })
    }

    /// Closes every connection; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.control.close().await;
        self.writer.close().await;
        self.bulk.close().await;
    }

    /// Whether the store can be read: from its file, not from what the driver knows by heart.
    pub async fn answers(&self) -> bool {
        self.feed_head().await.is_ok() && self.journals().await.is_ok()
    }

    /// Brings everything committed so far to the disk. A worker's commit is not, at first: see
    /// [`Store::open`].
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn make_durable(&self) -> Result<(), StoreError> {
        let _turn = self.writing.lock().await;
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&self.writer)
            .await?;
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
            let _turn = store.writing.lock().await;
            let mut tx = store.writer.begin_with("BEGIN IMMEDIATE").await?;
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
        });
        task.await.map_err(|_| StoreError::Stopped)?
    }

    /// The same for bulk work that a power cut may take back, because it is done again: see [`Store::open`].
    async fn transact_bulk<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        let store = self.clone();
        let task = tokio::spawn(async move {
            let _turn = store.writing.lock().await;
            let mut tx = store.bulk.begin_with("BEGIN IMMEDIATE").await?;
            let answer = work(&mut tx).await?;
            tx.commit().await?;
            Ok(answer)
        });
        task.await.map_err(|_| StoreError::Stopped)?
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
