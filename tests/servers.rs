//! The tests' own servers: they are private, come back as they were, and outlive nobody.

mod harness;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::servers::cluster::RedisCluster;
use harness::servers::postgres::PrivatePostgres;
use harness::servers::redis::PrivateRedis;
use harness::{directory, wait_for, wait_until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, query, query_scalar};

/// Tells this test binary, started as a process of its own, where to write down what it started.
const CHILD: &str = "TEST_SERVERS_CHILD";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

async fn sayings(url: &str) -> Vec<String> {
    let mut conn = PgConnection::connect(url).await.expect("a connection");
    let said = query_scalar("SELECT said FROM sayings ORDER BY said")
        .fetch_all(&mut conn)
        .await;
    said.expect("sayings")
}

async fn say(url: &str, saying: &str) {
    let mut conn = PgConnection::connect(url).await.expect("a connection");
    query("CREATE TABLE IF NOT EXISTS sayings (said TEXT NOT NULL)")
        .execute(&mut conn)
        .await
        .expect("a table");
    let insert = query("INSERT INTO sayings (said) VALUES ($1)").bind(saying);
    insert.execute(&mut conn).await.expect("a saying");
}

#[test]
fn a_postgres_that_crashed_comes_back_with_what_was_committed() {
    let postgres = PrivatePostgres::durable();
    let url = postgres.database();
    block_on(say(&url, "once"));
    postgres.stop_immediate();
    assert!(block_on(PgConnection::connect(&url)).is_err());
    postgres.start();
    assert_eq!(block_on(sayings(&url)), ["once"]);
}

#[test]
fn a_frozen_postgres_answers_when_it_thaws() {
    let postgres = PrivatePostgres::new();
    let url = postgres.database();
    block_on(async {
        let mut conn = PgConnection::connect(&url).await.expect("a connection");
        let ask = async |conn: &mut PgConnection| query_scalar::<_, i32>("SELECT 1").fetch_one(conn).await;
        assert_eq!(ask(&mut conn).await.expect("an answer"), 1);
        postgres.freeze();
        let answer = tokio::time::timeout(Duration::from_millis(300), ask(&mut conn)).await;
        assert!(answer.is_err(), "it answered although it was frozen");
        postgres.thaw();
        // The answer to the question of before still comes first.
        assert_eq!(ask(&mut conn).await.expect("an answer"), 1);
    });
}

#[test]
fn a_restored_postgres_knows_nothing_that_came_after_the_backup() {
    let postgres = PrivatePostgres::new();
    let (url, other) = (postgres.database(), postgres.database());
    block_on(say(&url, "before"));
    let backup = postgres.base_backup("backup");
    block_on(say(&url, "later"));
    assert_eq!(block_on(sayings(&url)), ["before", "later"]);
    postgres.restore(&backup);
    assert_eq!(block_on(sayings(&url)), ["before"]);
    block_on(say(&other, "each database has its own"));
    assert_eq!(block_on(sayings(&url)), ["before"]);
}

#[test]
fn a_redis_that_is_killed_comes_back_with_what_it_had_written() {
    let redis = PrivateRedis::with_options(&[("appendonly", "yes"), ("appendfsync", "always")]);
    redis.ask::<()>(&["SET", "a key", "a value"]);
    redis.kill9();
    assert!(redis.command(&["PING"]).is_err());
    redis.start();
    assert_eq!(redis.ask::<String>(&["GET", "a key"]), "a value");
}

#[test]
fn a_cluster_spreads_keys_over_three_masters_and_takes_a_replica() {
    let mut cluster = RedisCluster::new();
    cluster.add_replica(0);
    let set = |node: &&PrivateRedis| node.command(&["SET", "a key", "1"]).is_ok();
    assert_eq!(
        cluster.masters.iter().filter(set).count(),
        1,
        "one master has the key's slot"
    );
    assert_eq!(cluster.urls().split(',').count(), 4);
}

#[test]
fn servers_that_are_dropped_leave_nothing() {
    let (postgres, redis) = (PrivatePostgres::new(), PrivateRedis::new());
    redis.freeze();
    let left = [postgres.id(), redis.id()].map(|id| id.expect("it runs"));
    let directories = [postgres.path(), redis.path()].map(Path::to_owned);
    drop((postgres, redis));
    assert!(left.iter().all(|&id| test_kill_process(id).is_err()));
    assert!(directories.iter().all(|path| !path.exists()));
}

#[test]
fn servers_of_a_test_process_that_is_killed_end_with_it() {
    if let Some(path) = std::env::var_os(CHILD) {
        return start_servers_and_wait(Path::new(&path));
    }
    let home = directory();
    let note = home.path().join("started");
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "servers_of_a_test_process_that_is_killed_end_with_it"])
        .env(CHILD, &note)
        .stdout(Stdio::null())
        .spawn()
        .expect("this binary starts");
    let started = wait_for("the child has started its servers", || {
        std::fs::read_to_string(&note).ok()
    });
    child.kill().expect("a child to kill");
    child.wait().expect("a dead child");
    let started: Vec<(Pid, &Path)> = started
        .lines()
        .map(|line| {
            let (id, path) = line.split_once(' ').expect("a process and a directory");
            let id = Pid::from_raw(id.parse().expect("a number")).expect("a process");
            (id, Path::new(path))
        })
        .collect();
    assert_eq!(started.len(), 2);
    wait_until("nothing is left", || {
        started
            .iter()
            .all(|&(id, path)| test_kill_process(id).is_err() && !path.exists())
    });
}

/// With one of them frozen, as a test may leave it.
fn start_servers_and_wait(note: &Path) {
    let (postgres, redis) = (PrivatePostgres::shared(), PrivateRedis::new());
    postgres.freeze();
    let [postgres_id, redis_id] = [postgres.id(), redis.id()].map(|id| id.expect("it runs").as_raw_nonzero());
    let (postgres, redis) = (postgres.path().display(), redis.path().display());
    let text = format!("{postgres_id} {postgres}\n{redis_id} {redis}\n");
    let draft = note.with_extension("draft");
    std::fs::write(&draft, text).expect("a note");
    std::fs::rename(draft, note).expect("a note");
    let own = rustix::process::getpid();
    kill_process(own, Signal::STOP).expect("it waits to be killed");
}
