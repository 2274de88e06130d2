//! Leases: which worker reads which shard of the stream. Only Postgres has them, because only there several share a store.
//!
//! # Constraints
//! Leases save work and guard nothing: whoever reads a shard without one is told by the cursors. So an expired or a
//! doubled lease costs a batch that is rolled back, never a click.
//!
//! # Operation
//! Every worker calls [`Store::hold_shards`] on a beat. It says that it is alive, renews what it has, gives back what is
//! more than its share, and takes what nobody holds. One at a time, by an advisory lock, and by the store's clock: the
//! nodes' may be wrong.
//!
//! Whoever takes over would wait for the locks of a commit that froze with its process. The server gives them back by
//! itself, except in the middle of COPY: neither a statement's time limit nor that of idle transactions holds while the
//! server reads rows. So every beat ends connections that have been waiting there for too long.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::engine::{NOW_MS, WORKER};
use super::{Store, StoreError, Tx, Work};

/// A worker that has not been heard of for so long is dead, in ms. Its shards are taken over at the next beat.
const LEASE_MS: i64 = 6_000;
/// Held for the length of one beat.
const LEASES_LOCK: i64 = 0x6c6c_6c65_6173;
/// Ends the workers' connections whose COPY began long ago and that wait for rows. A batch is sent in one go.
const END_FROZEN: &str = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = $1
        AND state = 'active' AND query LIKE 'COPY %' AND wait_event = 'ClientRead'
        AND query_start < now() - INTERVAL '10 seconds'";

impl Store {
    /// Says that `worker` is alive, and returns what it reads from now on: its share of `shards`, in order. In SQLite,
    /// all of them.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; then the worker keeps what it has.
    pub async fn hold_shards(&self, worker: &str, shards: Vec<i64>) -> Result<Vec<i64>, StoreError> {
        let worker = worker.to_owned();
        self.transact_bulk(move |tx| -> Work<'_, _> {
            Box::pin(async move {
                match tx {
                    Tx::Sqlite(_) => Ok(shards),
                    Tx::Postgres(conn) => hold(conn, &worker, &shards).await,
                }
            })
        })
        .await
    }

    /// Gives everything back that a worker holds, so that nobody waits for its leases to end.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; then the leases end by themselves.
    pub async fn release_shards(&self, worker: &str) -> Result<(), StoreError> {
        let worker = worker.to_owned();
        self.transact_bulk(move |tx| -> Work<'_, _> {
            Box::pin(async move {
                if let Tx::Postgres(conn) = tx {
                    take_turn(conn).await?;
                    give_back(conn, &worker, 0).await?;
                    let gone = sqlx::query("DELETE FROM workers WHERE worker = $1");
                    gone.bind(&worker).execute(&mut **conn).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

async fn take_turn(conn: &mut PgConnection) -> Result<(), StoreError> {
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LEASES_LOCK);
    lock.execute(conn).await?;
    Ok(())
}

async fn hold(conn: &mut PgConnection, worker: &str, shards: &[i64]) -> Result<Vec<i64>, StoreError> {
    take_turn(conn).await?;
    let ended: i64 = sqlx::query_scalar(END_FROZEN)
        .bind(WORKER)
        .fetch_one(&mut *conn)
        .await?;
    if ended > 0 {
        tracing::warn!(ended, "commits of workers that do not move were broken off");
    }
    let now = AssertSqlSafe(format!("SELECT {NOW_MS}"));
    let now_ms: i64 = sqlx::query_scalar(now).fetch_one(&mut *conn).await?;
    let until_ms = now_ms + LEASE_MS;
    let alive = "INSERT INTO workers (worker, until_ms) VALUES ($1, $2)
        ON CONFLICT (worker) DO UPDATE SET until_ms = excluded.until_ms";
    sqlx::query(alive)
        .bind(worker)
        .bind(until_ms)
        .execute(&mut *conn)
        .await?;
    for dead in [
        "DELETE FROM workers WHERE until_ms < $1",
        "DELETE FROM leases WHERE until_ms < $1",
    ] {
        sqlx::query(dead).bind(now_ms).execute(&mut *conn).await?;
    }
    let workers: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM workers")
        .fetch_one(&mut *conn)
        .await?;
    let workers = usize::try_from(workers).unwrap_or(1).max(1);
    let share = i64::try_from(shards.len().div_ceil(workers)).unwrap_or(i64::MAX);
    // Shards that were read to their end and are written to no more.
    let unwanted = sqlx::query("DELETE FROM leases WHERE worker = $1 AND shard <> ALL($2)");
    unwanted.bind(worker).bind(shards).execute(&mut *conn).await?;
    give_back(conn, worker, share).await?;
    let renew = sqlx::query("UPDATE leases SET until_ms = $2 WHERE worker = $1");
    renew.bind(worker).bind(until_ms).execute(&mut *conn).await?;
    let take = "INSERT INTO leases (shard, worker, until_ms)
        SELECT shard, $1, $2 FROM UNNEST($3::bigint[]) AS wanted (shard)
        WHERE NOT EXISTS (SELECT 1 FROM leases WHERE leases.shard = wanted.shard)
        ORDER BY shard LIMIT GREATEST($4 - (SELECT COUNT(*) FROM leases WHERE worker = $1), 0)";
    let query = sqlx::query(take).bind(worker).bind(until_ms).bind(shards).bind(share);
    query.execute(&mut *conn).await?;
    let held = sqlx::query_scalar("SELECT shard FROM leases WHERE worker = $1 ORDER BY shard").bind(worker);
    Ok(held.fetch_all(conn).await?)
}

/// Gives back all but the first `keep` shards.
async fn give_back(conn: &mut PgConnection, worker: &str, keep: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM leases WHERE worker = $1 AND shard NOT IN
        (SELECT shard FROM leases WHERE worker = $1 ORDER BY shard LIMIT $2)";
    sqlx::query(sql).bind(worker).bind(keep).execute(conn).await?;
    Ok(())
}
