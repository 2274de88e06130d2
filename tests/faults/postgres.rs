//! The database goes, stops in the middle of a commit, freezes, and comes back as it was yesterday.

use super::matrix::{rounds, seconds};
use super::scene::{Backends, Scene};

fn down(row: &'static str, backends: Backends) {
    let mut scene = Scene::begin(row, backends);
    scene.round();
    scene.backends.postgres.stop_immediate();
    scene.endure(seconds(4, 60));
    scene.backends.postgres.start();
    scene.end();
}

fn stops_again_and_again(row: &'static str, backends: Backends) {
    let mut scene = Scene::begin(row, backends);
    for _ in 0..rounds(3, 30) {
        scene.round();
        // The moment of the fault: commits are under way nearly all the time.
        std::thread::sleep(scene.chance.moment(900));
        scene.backends.postgres.stop_immediate();
        std::thread::sleep(scene.chance.moment(300));
        scene.backends.postgres.start();
    }
    scene.end();
}

fn frozen(row: &'static str, backends: Backends) {
    let mut scene = Scene::begin(row, backends);
    scene.round();
    scene.backends.postgres.freeze();
    scene.endure(seconds(4, 30));
    scene.backends.postgres.thaw();
    scene.end();
}

fn restored(row: &'static str, backends: Backends) {
    let mut scene = Scene::begin(row, backends);
    for round in 0..rounds(1, 5) {
        scene.round();
        let backup = scene.backends.postgres.base_backup(&format!("backup-{round}"));
        // What is committed now is not in the backup.
        scene.answers(600);
        let before = scene
            .ledger
            .number("SELECT COUNT(*) FROM clicks")
            .expect("the database answers");
        scene.backends.postgres.restore(&backup);
        let after = scene
            .ledger
            .number("SELECT COUNT(*) FROM clicks")
            .expect("the database answers");
        eprintln!("{row}: {before} clicks before, {after} right after the backup was put in place");
        scene.answers(300);
    }
    scene.end();
}

macro_rules! rows {
    ($($backends:expr, $fault:ident: $name:ident;)+) => {$(
        #[test]
        fn $name() {
            $fault(stringify!($name), $backends);
        }
    )+};
}

rows! {
    Backends::with_redis(&[]), down: nodes_answer_and_accept_while_the_database_is_down;
    Backends::with_redis(&[]), stops_again_and_again: workers_count_once_when_the_database_stops_in_a_commit;
    Backends::with_redis(&[]), frozen: nodes_answer_and_accept_while_the_database_is_frozen;
    Backends::with_redis(&[]), restored: forwarders_send_again_what_a_restored_database_has_forgotten;
    Backends::without_redis(), down: full_nodes_answer_and_accept_while_the_database_is_down;
    Backends::without_redis(), stops_again_and_again: full_nodes_count_once_when_the_database_stops_in_a_commit;
    Backends::without_redis(), frozen: full_nodes_answer_and_accept_while_the_database_is_frozen;
    Backends::without_redis(), restored: full_nodes_send_again_what_a_restored_database_has_forgotten;
}
