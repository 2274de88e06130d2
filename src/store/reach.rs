//! Whether the store is within reach, and who gives up while it is not.
//!
//! A Postgres that freezes, or whose machine is gone, keeps its connections open and says nothing: a question that is
//! under way would hang for as long, and so would its place in the pool. Therefore a serving process asks a question that
//! costs nothing, on a connection of its own, over and over ([`Store::feel`]). While that is not answered in time, every
//! other question ends with an error instead of waiting, new ones fail at once, and their connections are closed, because
//! nobody knows in what state they are. Questions have no time limit beside: a report over very much may take its time as
//! long as the store is alive.
//!
//! SQLite is a part of this process and answers or fails by itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::any::{AnyQueryResult, AnyRow};
use sqlx::{Any, AnyPool, Connection, Either, Execute, Executor};
use tokio::sync::watch;

use super::engine::Engine;
use super::{Store, StoreError};

/// How long the question that costs nothing may take. On a busy machine a healthy store may need a second or two.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the store answers, as far as this process knows. Clones share the knowledge.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    lost: Arc<watch::Sender<bool>>,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            lost: Arc::new(watch::Sender::new(false)),
        }
    }
}

fn out_of_reach() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it is out of reach").into()
}

impl Reach {
    fn set_lost(&self, lost: bool) {
        self.lost
            .send_if_modified(|known| std::mem::replace(known, lost) != lost);
    }

    async fn lost(&self) {
        // The sender lives as long as this.
        let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
    }

    /// Waits for an answer as long as there is hope.
    pub(super) async fn within<T, E: From<sqlx::Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            answer = work => answer,
            () = self.lost() => Err(out_of_reach().into()),
        }
    }

    /// Whether a connection that was used may be used again. Without this the pool would wait for its answer for ever,
    /// and keep its place taken.
    pub(super) async fn usable<C: Connection>(&self, conn: &mut C) -> Result<bool, sqlx::Error> {
        if *self.lost.borrow() {
            return Err(out_of_reach());
        }
        match tokio::time::timeout(PATIENCE, self.within(conn.ping())).await {
            Ok(answer) => answer.map(|()| true),
            Err(_) => Err(out_of_reach()),
        }
    }
}

/// The connections of the control plane: a pool whose questions give up when the store is out of reach.
#[derive(Debug, Clone)]
pub(super) struct Control {
    pool: AnyPool,
    reach: Reach,
}

impl Control {
    pub(super) const fn new(pool: AnyPool, reach: Reach) -> Self {
        Self { pool, reach }
    }
}

impl std::ops::Deref for Control {
    type Target = AnyPool;

    fn deref(&self) -> &AnyPool {
        &self.pool
    }
}

impl<'c> Executor<'c> for &'c Control {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let answers = self.pool.fetch_many(query);
        stream::try_unfold(answers, move |mut answers| async move {
            let next = self.reach.within(answers.try_next()).await?;
            Ok(next.map(|next| (next, answers)))
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> futures_util::future::BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(self.reach.within(self.pool.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: sqlx::SqlStr,
        parameters: &'e [sqlx::any::AnyTypeInfo],
    ) -> futures_util::future::BoxFuture<'e, Result<sqlx::any::AnyStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        Box::pin(self.reach.within(self.pool.prepare_with(sql, parameters)))
    }
}

impl Store {
    /// Asks what costs nothing, and lets everybody know whether the store is within reach. To be called over and over by
    /// whoever serves.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer in time, or is not what it should be.
    pub async fn feel(&self) -> Result<(), StoreError> {
        if self.engine == Engine::Sqlite {
            self.feed_head().await?;
            return self.journals().await.map(drop);
        }
        let question = sqlx::query_scalar::<_, i64>("SELECT seq FROM feed WHERE id = 1").fetch_one(&self.pulse);
        let answer = tokio::time::timeout(PATIENCE, question).await;
        let answer = answer.unwrap_or_else(|_| Err(out_of_reach())).map_err(StoreError::from);
        // Whoever refuses is there.
        self.reach.set_lost(answer.as_ref().is_err_and(StoreError::is_passing));
        answer.map(drop)
    }
}
