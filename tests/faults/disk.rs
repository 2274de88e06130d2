//! Journals without room, and journals that are damaged: what is stated happens, an alarm is raised, and everything that can
//! be read is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use linkledger::journal::{Purpose, discover, segments};

use super::matrix::{rounds, seconds};
use super::scene::{Backends, Scene};
use crate::harness::{metrics, wait_until};

/// A file system of 64 MiB; gone when the test is over, however it ends.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(dir: &Path) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "none"])
            .arg(dir)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir.to_owned()));
        }
        eprintln!("SKIPPED: cannot mount a small tmpfs here, so a full disk was NOT tested");
        None
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).expect("a filler");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn full(row: &'static str, backends: Backends, name: &'static str) {
    let mut scene = Scene::quiet(row, backends, Vec::new());
    scene.fleet.terminate(name);
    let Some(disk) = SmallDisk::mount(&scene.fleet.dir(name).join("journals")) else {
        return scene.abandon();
    };
    scene.fleet.bring_up(name);
    scene.expect.unrecorded = true;
    scene.start_load();
    for _ in 0..rounds(2, 10) {
        scene.round();
        disk.fill();
        wait_until("the alarm says that clicks are dropped", || dropped(&scene, name) > 0);
        scene.endure(seconds(1, 5));
        disk.make_room();
        scene.answers(300);
    }
    let mut told = 0;
    let figures = scene.end_with(|scene| told = dropped(scene, name));
    assert_eq!(
        figures.unrecorded as u64, told,
        "{row}: what is not recorded is counted"
    );
    drop(disk);
}

fn dropped(scene: &Scene, name: &str) -> u64 {
    let metrics = scene.fleet.process(name).metrics;
    metrics::count(metrics, "linkledger_clicks_dropped_total{reason=\"journal_full\"}")
}

/// The newest segment of a dead node's largest journal of clicks.
fn segment(scene: &Scene, name: &str) -> PathBuf {
    let journals = discover(&scene.fleet.dir(name).join("journals")).expect("journals");
    let of_clicks = journals.into_iter().filter(|entry| {
        let purpose = entry.header.map(|header| header.purpose);
        purpose == Some(Purpose::Redirect)
    });
    let last = of_clicks.map(|entry| segments(&entry.dir).expect("segments").pop().expect("a segment").path);
    last.max_by_key(|path| fs::metadata(path).expect("a file").modified().expect("a time"))
        .expect("a journal")
}

/// Where the frames end: behind is nothing but zeros.
fn written(path: &Path) -> u64 {
    let bytes = fs::read(path).expect("a segment");
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last as u64 + 1)
}

/// A bit turns over in the middle of what was written.
fn flip(scene: &mut Scene, path: &Path) {
    let end = written(path);
    let at = end / 2 + scene.chance.below(end / 4);
    let mut file = OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.read_exact(&mut byte))
        .expect("a byte");
    byte[0] ^= 1 << scene.chance.below(8);
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.write_all(&byte))
        .expect("a byte");
}

/// The last bytes never reached the disk.
fn tear(scene: &mut Scene, path: &Path) {
    let end = written(path);
    let file = OpenOptions::new().write(true).open(path).expect("a segment");
    file.set_len(end - 1 - scene.chance.below(60)).expect("a shorter file");
}

fn damaged(row: &'static str, backends: Backends, name: &'static str, damage: fn(&mut Scene, &Path), kind: &str) {
    let mut scene = Scene::begin(row, backends);
    scene.expect.damaged = true;
    for _ in 0..rounds(2, 20) {
        scene.round();
        // What nobody has confirmed is still needed.
        scene.backends.postgres.stop_immediate();
        scene.answers(200);
        scene.fleet.kill(name);
        let path = segment(&scene, name);
        damage(&mut scene, &path);
        scene.backends.postgres.start();
        scene.fleet.bring_up(name);
        let series = format!("linkledger_journal_faults_total{{kind=\"{kind}\"}}");
        wait_until("the alarm is raised", || {
            metrics::count(scene.fleet.process(name).metrics, &series) > 0
        });
        scene.answers(100);
    }
    let rounds = rounds(2, 20);
    let figures = scene.end();
    assert!(
        figures.missing <= rounds,
        "{row}: {rounds} damages of one record each cost {figures:?}"
    );
}

#[test]
fn full_nodes_send_visitors_on_when_the_journal_is_full_and_count_what_they_drop() {
    let row = "full_nodes_send_visitors_on_when_the_journal_is_full_and_count_what_they_drop";
    full(row, Backends::without_redis(), "full-0");
}

#[test]
fn a_flipped_bit_costs_one_click_which_is_declared_lost() {
    let row = "a_flipped_bit_costs_one_click_which_is_declared_lost";
    damaged(row, Backends::without_redis(), "full-0", flip, "corrupt");
}

#[test]
fn a_torn_tail_costs_the_click_that_it_tears() {
    let row = "a_torn_tail_costs_the_click_that_it_tears";
    damaged(row, Backends::without_redis(), "full-0", tear, "torn_tail");
}
