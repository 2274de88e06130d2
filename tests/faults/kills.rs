//! `kill -9`, at random moments.

use super::matrix::rounds;
use super::scene::{Backends, Scene};

/// Between two kills, at most.
const BETWEEN_MS: u64 = 700;

/// Kills one of these nodes at a time and starts it again, at random moments.
fn kill_again_and_again(row: &'static str, backends: Backends, role: &str, short: usize) {
    let mut scene = Scene::begin(row, backends);
    let names = scene.fleet.names(role);
    for _ in 0..rounds(short, 50) {
        scene.round();
        let name = scene.chance.one_of(&names);
        // The moment of the fault.
        std::thread::sleep(scene.chance.moment(BETWEEN_MS));
        scene.fleet.kill(name);
        std::thread::sleep(scene.chance.moment(BETWEEN_MS));
        scene.fleet.bring_up(name);
    }
    scene.end();
}

/// Ends one of these nodes at a fail point, again and again.
fn die_at(row: &'static str, role: &str, point: &str, short: usize) {
    let mut scene = Scene::begin(row, Backends::with_redis(&[]));
    let name = scene.fleet.names(role)[0];
    for _ in 0..rounds(short, 50) {
        scene.round();
        scene.fleet.kill(name);
        // So many times it is passed, and then it kills.
        let passed = scene.chance.below(30);
        scene
            .fleet
            .set(name, "FAILPOINTS", Some(&format!("{point}={passed}*off->return")));
        scene.fleet.bring_up(name);
        scene.fleet.wait_for_death(name);
        scene.fleet.set(name, "FAILPOINTS", None);
        scene.fleet.bring_up(name);
        scene.answers(20);
    }
    scene.end();
}

macro_rules! rows {
    ($($role:literal $point:literal: $name:ident;)+) => {$(
        #[test]
        fn $name() {
            die_at(stringify!($name), $role, $point, 1);
        }
    )+};
}

rows! {
    "redirect" "after_append": a_redirect_node_dies_between_its_journal_and_its_answer;
    "redirect" "after_xadd": a_redirect_node_dies_when_redis_has_what_it_sent;
    "api" "after_intake_sync": an_api_node_dies_between_its_journal_and_its_answer;
    "worker" "before_commit": a_worker_dies_before_it_commits;
    "worker" "after_commit": a_worker_dies_right_after_it_committed;
    "worker" "after_xdel": a_worker_dies_when_it_has_cleaned_up;
}

#[test]
fn redirect_nodes_are_killed_and_every_answer_counts() {
    kill_again_and_again(
        "redirect_nodes_are_killed_and_every_answer_counts",
        Backends::with_redis(&[]),
        "redirect",
        4,
    );
}

#[test]
fn api_nodes_are_killed_and_every_acknowledged_order_counts_once() {
    let row = "api_nodes_are_killed_and_every_acknowledged_order_counts_once";
    kill_again_and_again(row, Backends::with_redis(&[]), "api", 3);
}

#[test]
fn workers_are_killed_and_others_go_on_where_they_stopped() {
    kill_again_and_again(
        "workers_are_killed_and_others_go_on_where_they_stopped",
        Backends::with_redis(&[]),
        "worker",
        4,
    );
}

#[test]
fn full_nodes_on_one_database_are_killed_and_nothing_is_lost() {
    let row = "full_nodes_on_one_database_are_killed_and_nothing_is_lost";
    kill_again_and_again(row, Backends::without_redis(), "", 3);
}

#[test]
fn a_dead_worker_s_shards_are_another_s() {
    let row = "a_dead_worker_s_shards_are_another_s";
    let mut scene = Scene::begin(row, Backends::with_redis(&[]));
    scene.round();
    let workers = scene.fleet.names("worker");
    let name = scene.chance.one_of(&workers);
    scene.fleet.kill(name);
    // It does not come back.
    scene.end();
}
