//! Redis dies, forgets, refuses and freezes: visitors are answered all the while, and everything is sent again.

use std::time::Duration;

use super::matrix::{rounds, seconds};
use super::scene::{Backends, Scene};
use crate::harness::servers::redis::PrivateRedis;

/// Between two faults, at most.
const BETWEEN_MS: u64 = 600;

/// Kills Redis and starts it again on whatever it kept.
fn killed(scene: &mut Scene) {
    for _ in 0..rounds(3, 50) {
        scene.round();
        std::thread::sleep(scene.chance.moment(BETWEEN_MS));
        scene.backends.redis().kill9();
        std::thread::sleep(scene.chance.moment(BETWEEN_MS));
        scene.backends.redis().start();
    }
}

fn wiped(scene: &mut Scene) {
    for _ in 0..rounds(4, 50) {
        scene.round();
        std::thread::sleep(scene.chance.moment(BETWEEN_MS));
        let _answer: String = scene.backends.redis().ask(&["FLUSHALL"]);
    }
}

/// Keys of the shards of the stream.
fn streams(redis: &PrivateRedis) -> Vec<String> {
    redis.ask(&["KEYS", "linkledger:{*}:events"])
}

fn deleted(scene: &mut Scene) {
    let mut hit = 0;
    for _ in 0..rounds(20, 200) {
        scene.round();
        std::thread::sleep(scene.chance.moment(BETWEEN_MS / 3));
        // With the workers stopped for a moment there is something in the streams to delete.
        let keys = streams(scene.backends.redis());
        let Some(last) = keys.len().checked_sub(1) else {
            continue;
        };
        let key = &keys[usize::try_from(scene.chance.below(last as u64 + 1)).expect("small")];
        hit += scene.backends.redis().ask::<usize>(&["DEL", key]);
    }
    eprintln!("{hit} streams deleted");
}

/// No room for anything, for a while.
fn without_memory(scene: &mut Scene) {
    for _ in 0..rounds(2, 20) {
        scene.round();
        let _ok: String = scene.backends.redis().ask(&["CONFIG", "SET", "maxmemory", "1"]);
        scene.endure(seconds(2, 5));
        let _ok: String = scene.backends.redis().ask(&["CONFIG", "SET", "maxmemory", "0"]);
        scene.answers(100);
    }
}

/// Room for little, and whatever is there may be thrown away for it.
fn evicting(scene: &mut Scene) {
    let used = |redis: &PrivateRedis| {
        let info: String = redis.ask(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.and_then(|text| text.trim().parse::<u64>().ok())
            .expect("the memory that is used")
    };
    let _ok: String = scene
        .backends
        .redis()
        .ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    let mut evicted = String::new();
    for _ in 0..rounds(4, 20) {
        scene.round();
        // Less than what is used now: every write throws something away first.
        let most = used(scene.backends.redis()).saturating_sub(20_000).to_string();
        let _ok: String = scene.backends.redis().ask(&["CONFIG", "SET", "maxmemory", &most]);
        scene.endure(Duration::from_millis(700));
        let _ok: String = scene.backends.redis().ask(&["CONFIG", "SET", "maxmemory", "0"]);
        let info: String = scene.backends.redis().ask(&["INFO", "stats"]);
        evicted = info
            .lines()
            .find(|line| line.starts_with("evicted_keys"))
            .unwrap_or_default()
            .to_owned();
    }
    eprintln!("{evicted}");
}

fn down(scene: &mut Scene) {
    scene.round();
    scene.backends.redis().kill9();
    scene.endure(seconds(4, 60));
    scene.backends.redis().start();
}

fn frozen(scene: &mut Scene) {
    scene.round();
    scene.backends.redis().freeze();
    scene.endure(seconds(4, 60));
    scene.backends.redis().thaw();
}

fn row(name: &'static str, options: &[(&str, &str)], fault: fn(&mut Scene)) {
    let mut scene = Scene::begin(name, Backends::with_redis(options));
    fault(&mut scene);
    scene.end();
}

/// Snapshots only: it comes back as it was a moment ago.
const RDB: &[(&str, &str)] = &[("save", "1 1"), ("appendonly", "no")];
const AOF: &[(&str, &str)] = &[("appendonly", "yes"), ("appendfsync", "everysec")];

macro_rules! rows {
    ($($options:expr, $fault:ident: $name:ident;)+) => {$(
        #[test]
        fn $name() {
            row(stringify!($name), $options, $fault);
        }
    )+};
}

rows! {
    RDB, killed: redis_with_snapshots_is_killed_and_comes_back_as_it_was_a_moment_ago;
    AOF, killed: redis_with_a_log_is_killed_and_comes_back;
    &[], wiped: redis_is_emptied_under_load_and_the_forwarders_send_again;
    &[], deleted: streams_are_deleted_under_load_and_the_forwarders_send_again;
    &[], without_memory: redis_without_memory_refuses_everything_for_a_while;
    &[], evicting: redis_throws_streams_away_to_make_room;
    &[], down: redis_is_down_and_visitors_are_answered_all_the_while;
    &[], frozen: redis_is_frozen_and_visitors_are_answered_all_the_while;
}
