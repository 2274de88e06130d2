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

#[test]
fn full_nodes_on_one_database_are_killed_and_nothing_is_lost() {
    let row = "full_nodes_on_one_database_are_killed_and_nothing_is_lost";
    kill_again_and_again(row, Backends::without_redis(), "", 4);
}
