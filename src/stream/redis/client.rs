//! Connections to one Redis server or to a Cluster, behind one small type.
//!
//! Every command has an end: an answer, or an error after [`PATIENCE`]. After an error that says nothing about what
//! became of the command (no answer in time, a lost connection, a server that is a replica now) the connection is thrown
//! away and the next command makes a new one; those that wait for it meanwhile fail with it. That of a Cluster is many connections, and mends itself when one server is
//! gone: it is thrown away after several such errors in a row. Nothing here blocks on the server's side, so that one
//! connection serves all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;

use crate::config::RedisUrls;
use crate::metrics::Metrics;

/// A command or a connection that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3);
/// A Cluster is asked for its plan by way of several servers, of which some may be dead.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(8);
const CLUSTER_CONNECT_PATIENCE: Duration = Duration::from_secs(1);
/// Errors in a row after which the connection to a Cluster is made anew.
const CLUSTER_FAILURES: u32 = 5;
/// In a Cluster the driver itself asks again so often when a slot has moved.
const CLUSTER_RETRIES: u32 = 2;
/// It waits between, in ms, at most.
const CLUSTER_RETRY_WAIT_MS: u64 = 200;

/// A client. Clones share the connection.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Servers,
    live: Mutex<Live>,
    /// Errors since the last answer.
    failures: AtomicU32,
    /// Connections that did not come about.
    unmade: AtomicU64,
    metrics: Metrics,
}

enum Servers {
    One(Box<redis::Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

#[derive(Default)]
struct Live {
    connection: Option<Connection>,
    /// Goes up with every connection, so that a late failure does not throw away a younger one.
    generation: u64,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses may hold passwords.
        f.write_str("Redis")
    }
}

impl Redis {
    /// A client of these servers. Nothing connects before the first command.
    ///
    /// # Errors
    /// [`RedisError`] when an address cannot be one.
    pub fn new(urls: &RedisUrls, metrics: Metrics) -> RedisResult<Self> {
        let servers = if urls.is_cluster() {
            let builder = ClusterClient::builder(urls.expose())
                .connection_timeout(CLUSTER_CONNECT_PATIENCE)
                .response_timeout(PATIENCE)
                .retries(CLUSTER_RETRIES)
                .max_retry_wait(CLUSTER_RETRY_WAIT_MS);
            Servers::Cluster(Box::new(builder.build()?))
        } else {
            let url = urls.expose().next().unwrap_or_default();
            Servers::One(Box::new(redis::Client::open(url)?))
        };
        Ok(Self {
            shared: Arc::new(Shared {
                servers,
                live: Mutex::default(),
                failures: AtomicU32::new(0),
                unmade: AtomicU64::new(0),
                metrics,
            }),
        })
    }

    /// Whether keys may lie on several servers, so that one that fails says nothing about the others.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.shared.servers, Servers::Cluster(_))
    }

    /// Whether the server answers, or some server of the Cluster.
    pub async fn answers(&self) -> bool {
        self.run(&redis::cmd("PING")).await.is_ok()
    }

    /// Runs a command. It may have been carried out in spite of an error.
    pub(super) async fn run(&self, cmd: &Cmd) -> RedisResult<Value> {
        let outcome = self.try_run(cmd).await;
        let up = match &outcome {
            Ok(_) => true,
            // It answers, though not as one would like.
            Err(error) => !is_lost(error),
        };
        self.shared.metrics.redis_up.set(i64::from(up));
        outcome
    }

    async fn try_run(&self, cmd: &Cmd) -> RedisResult<Value> {
        let (mut connection, generation) = self.connection().await?;
        let answer = async {
            match &mut connection {
                Connection::One(one) => one.req_packed_command(cmd).await,
                Connection::Cluster(cluster) => cluster.req_packed_command(cmd).await,
            }
        };
        let outcome = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(value)) => value.extract_error(),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(no_answer()),
        };
        if !outcome.as_ref().is_err_and(is_lost) {
            self.shared.failures.store(0, Ordering::Relaxed);
            return outcome;
        }
        let failures = self.shared.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.is_cluster() || failures >= CLUSTER_FAILURES {
            let mut live = self.shared.live.lock().await;
            if live.generation == generation {
                live.connection = None;
            }
        }
        outcome
    }

    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        let unmade = self.shared.unmade.load(Ordering::Relaxed);
        let mut live = self.shared.live.lock().await;
        if let Some(connection) = &live.connection {
            return Ok((connection.clone(), live.generation));
        }
        // Many send at once: each of them trying in turn would take many times as long.
        if self.shared.unmade.load(Ordering::Relaxed) != unmade {
            return Err(no_answer());
        }
        let connect = async {
            Ok(match &self.shared.servers {
                Servers::One(client) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(PATIENCE))
                        .set_response_timeout(Some(PATIENCE));
                    Connection::One(client.get_multiplexed_async_connection_with_config(&config).await?)
                }
                Servers::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
            })
        };
        let patience = if self.is_cluster() { CLUSTER_PATIENCE } else { PATIENCE };
        let made = tokio::time::timeout(patience, connect).await;
        let connection = made.unwrap_or_else(|_| Err(no_answer())).inspect_err(|_| {
            self.shared.unmade.fetch_add(1, Ordering::Relaxed);
        })?;
        self.shared.failures.store(0, Ordering::Relaxed);
        live.generation += 1;
        live.connection = Some(connection.clone());
        Ok((connection, live.generation))
    }
}

fn no_answer() -> RedisError {
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
    RedisError::from(error)
}

/// Whether the error leaves open what the server is and has done; not when the server refused in so many words.
fn is_lost(error: &RedisError) -> bool {
    !matches!(error.kind(), ErrorKind::Server(kind) if kind != ServerErrorKind::ReadOnly)
        && !matches!(error.kind(), ErrorKind::Extension)
}
