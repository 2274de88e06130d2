//! Nodes whose clocks are wrong: places count, and places never come from clocks.

use std::path::PathBuf;

use super::matrix::rounds;
use super::scene::{Backends, Scene};

const CLOCKS: [&str; 4] = ["+1h", "-1h", "@1970-01-02 00:00:00", "@2099-06-01 12:00:00"];

/// `libfaketime`, where Debian installs it.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let folders = folders.map(|entry| entry.path()).chain([PathBuf::from("/usr/lib")]);
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no libfaketime here (apt-get install faketime), so wrong clocks were NOT tested");
    }
    found
}

fn wrong_clocks(row: &'static str, backends: impl FnOnce() -> Backends, roles: &[&str]) {
    let Some(library) = library() else { return };
    let mut scene = Scene::begin(row, backends());
    // Which click came before which order is what clocks do decide.
    scene.expect.credit = false;
    for round in 0..rounds(4, 12) {
        scene.round();
        for role in roles {
            // The first node of a role is wrong, the second right.
            let name = scene.fleet.names(role)[0];
            let fleet = &mut scene.fleet;
            fleet.set(name, "LD_PRELOAD", library.to_str());
            fleet.set(name, "FAKETIME", Some(CLOCKS[round % CLOCKS.len()]));
            // Only the time of day is wrong; how long things take is not.
            fleet.set(name, "FAKETIME_DONT_FAKE_MONOTONIC", Some("1"));
            fleet.set(name, "DONT_FAKE_MONOTONIC", Some("1"));
            fleet.terminate(name);
            fleet.bring_up(name);
        }
        scene.answers(250);
    }
    scene.end();
}

#[test]
fn full_nodes_with_wrong_clocks_count_every_click_once() {
    let row = "full_nodes_with_wrong_clocks_count_every_click_once";
    wrong_clocks(row, Backends::without_redis, &[""]);
}

#[test]
fn redirect_nodes_and_workers_with_wrong_clocks_count_every_click_once() {
    let row = "redirect_nodes_and_workers_with_wrong_clocks_count_every_click_once";
    wrong_clocks(row, || Backends::with_redis(&[]), &["redirect", "api", "worker"]);
}
