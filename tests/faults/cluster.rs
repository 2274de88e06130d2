//! A Redis Cluster loses a master, with nobody to follow it or with a replica that is behind.

use std::time::Duration;

use super::matrix::{rounds, seconds};
use super::scene::{Backends, Scene};
use crate::harness::servers::cluster::RedisCluster;
use crate::harness::wait_until;

#[test]
fn a_master_of_the_cluster_is_killed_and_its_shards_wait_for_it() {
    let row = "a_master_of_the_cluster_is_killed_and_its_shards_wait_for_it";
    let mut scene = Scene::begin(row, Backends::with_cluster(RedisCluster::new()));
    for _ in 0..rounds(1, 10) {
        scene.round();
        let place = usize::try_from(scene.chance.below(3)).expect("small");
        scene.backends.cluster().masters[place].kill9();
        scene.endure(seconds(4, 10));
        scene.backends.cluster().masters[place].start();
        scene.backends.cluster().wait_until_whole();
        scene.answers(200);
    }
    scene.end();
}

#[test]
fn a_replica_that_lags_takes_over_and_what_it_never_heard_of_is_sent_again() {
    let row = "a_replica_that_lags_takes_over_and_what_it_never_heard_of_is_sent_again";
    let mut cluster = RedisCluster::new();
    for master in 0..3 {
        cluster.add_replica(master);
    }
    let mut scene = Scene::begin(row, Backends::with_cluster(cluster));
    scene.round();
    let place = usize::try_from(scene.chance.below(3)).expect("small");
    // Nothing of what is written now reaches the replica while it stands still.
    scene.backends.cluster().replicas[place].freeze();
    scene.answers(200);
    scene.backends.cluster().masters[place].kill9();
    scene.backends.cluster().replicas[place].thaw();
    wait_until("the replica is the master now", || {
        let cluster = scene.backends.cluster();
        // Refused while the others do not yet take the old master for dead.
        let _maybe = cluster.replicas[place].command(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
        std::thread::sleep(Duration::from_millis(100));
        let role: String = cluster.replicas[place].ask(&["INFO", "replication"]);
        role.contains("role:master")
    });
    scene.answers(300);
    scene.end();
}
