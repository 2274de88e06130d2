//! Nodes that are replaced under load, with other settings than before; and two where one is meant.

use rustix::process::Signal;

use super::matrix::{rounds, seconds};
use super::scene::{Backends, Scene};
use crate::harness::process::complaint;

fn roll(row: &'static str, backends: Backends) {
    let mut scene = Scene::begin(row, backends);
    for round in 0..rounds(1, 10) {
        scene.round();
        let threads = ["1", "3", "2"][round % 3];
        let shards = ["5", "2", "3"][round % 3];
        scene.fleet.set_all("LINKLEDGER_REDIRECT_THREADS", threads.to_owned());
        scene.fleet.set_all("LINKLEDGER_STREAM_SHARDS", shards.to_owned());
        for name in scene.fleet.names("") {
            scene.fleet.terminate(name);
            scene.answers(50);
            scene.fleet.bring_up(name);
            scene.answers(50);
        }
    }
    // Nothing was killed, so not one click may be there that nobody was told of.
    let figures = scene.end();
    assert_eq!((figures.in_flight, figures.surplus), (0, 0), "{row}: {figures:?}");
}

#[test]
fn full_nodes_are_replaced_under_load_and_the_books_are_equal_to_the_visitors() {
    let row = "full_nodes_are_replaced_under_load_and_the_books_are_equal_to_the_visitors";
    roll(row, Backends::without_redis());
}

#[test]
fn every_role_is_replaced_under_load_and_the_books_are_equal_to_the_visitors() {
    let row = "every_role_is_replaced_under_load_and_the_books_are_equal_to_the_visitors";
    roll(row, Backends::with_redis(&[]));
}

#[test]
fn a_data_directory_that_is_served_refuses_a_second_process() {
    let row = "a_data_directory_that_is_served_refuses_a_second_process";
    let mut scene = Scene::begin(row, Backends::without_redis());
    for _ in 0..rounds(2, 10) {
        scene.round();
        let name = scene.chance.one_of(&scene.fleet.names(""));
        let said = complaint(&scene.fleet.intrude(name));
        assert!(said.contains("serves the data directory"), "{said}");
        scene.answers(20);
    }
    scene.end();
}

/// A worker that stands still loses its leases to the other, and does not know it when it goes on.
#[test]
fn two_workers_on_one_shard_commit_every_batch_once() {
    let row = "two_workers_on_one_shard_commit_every_batch_once";
    let more = vec![("LINKLEDGER_STREAM_SHARDS", "1".to_owned())];
    let mut scene = Scene::quiet(row, Backends::with_redis(&[]), more);
    scene.start_load();
    let workers = scene.fleet.names("worker");
    for round in 0..rounds(1, 20) {
        scene.round();
        let name = workers[round % workers.len()];
        // The moment of the fault: in the middle of a batch as likely as not.
        std::thread::sleep(scene.chance.moment(300));
        scene.fleet.signal(name, Signal::STOP);
        scene.endure(seconds(8, 15));
        scene.fleet.signal(name, Signal::CONT);
        scene.answers(100);
    }
    scene.end();
}
