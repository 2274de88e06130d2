//! A Redis Cluster of the test's own.

use std::process::Command;

use super::super::wait_until;
use super::program;
use super::redis::PrivateRedis;

/// How long a node may be silent before the others take it for dead.
const NODE_TIMEOUT_MS: &str = "2000";

/// Three masters, and replicas where a test adds them.
pub(crate) struct RedisCluster {
    pub(crate) masters: Vec<PrivateRedis>,
    pub(crate) replicas: Vec<PrivateRedis>,
}

impl RedisCluster {
    pub(crate) fn new() -> Self {
        Self::with_options(&[])
    }

    /// With settings of redis.conf for every node.
    pub(crate) fn with_options(options: &[(&str, &str)]) -> Self {
        let masters: Vec<PrivateRedis> = (0..3).map(|_| node(options)).collect();
        let addresses: Vec<String> = masters.iter().map(address).collect();
        let mut words = vec!["create"];
        words.extend(addresses.iter().map(String::as_str));
        words.push("--cluster-yes");
        let cluster = Self {
            masters,
            replicas: Vec::new(),
        };
        cluster.cli(&words);
        cluster.wait_until_whole();
        cluster
    }

    /// Adds a replica of a master.
    pub(crate) fn add_replica(&mut self, master: usize) {
        let replica = node(&[]);
        let id: String = self.masters[master].ask(&["CLUSTER", "MYID"]);
        let member = address(&self.masters[master]);
        let join = ["add-node", &address(&replica), &member, "--cluster-slave"];
        self.cli(&[&join[..], &["--cluster-master-id", &id]].concat());
        wait_until("the replica follows its master", || {
            replica
                .ask::<String>(&["INFO", "replication"])
                .contains("master_link_status:up")
        });
        self.replicas.push(replica);
        self.wait_until_whole();
    }

    /// Every node, separated by commas, as LINKLEDGER_REDIS_URL takes them.
    pub(crate) fn urls(&self) -> String {
        let nodes = self.masters.iter().chain(&self.replicas);
        nodes.map(PrivateRedis::url).collect::<Vec<_>>().join(",")
    }

    /// `redis-cli --cluster …`; what it said.
    #[track_caller]
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let mut cli = Command::new(program("redis-cli", &[]));
        let output = cli.arg("--cluster").args(words).output().expect("redis-cli runs");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until every node knows all the others and every slot.
    #[track_caller]
    pub(crate) fn wait_until_whole(&self) {
        let nodes: Vec<&PrivateRedis> = self.masters.iter().chain(&self.replicas).collect();
        let known = format!("cluster_known_nodes:{}\r", nodes.len());
        wait_until("every node of the Cluster knows it whole", || {
            nodes.iter().all(|node| {
                let info: String = node.ask(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&known)
            })
        });
    }
}

fn node(options: &[(&str, &str)]) -> PrivateRedis {
    let of_a_cluster = [("cluster-enabled", "yes"), ("cluster-node-timeout", NODE_TIMEOUT_MS)];
    PrivateRedis::with_options(&[&of_a_cluster[..], options].concat())
}

fn address(node: &PrivateRedis) -> String {
    format!("127.0.0.1:{}", node.port())
}
