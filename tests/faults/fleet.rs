//! Nodes of one installation: processes of the test's own binary, each with its own data directory, that die and come back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::load::Targets;
use super::slot::{Phase, Slot};
use crate::harness::api::{Api, slug};
use crate::harness::process::{Process, command};
use crate::harness::{directory, wait_for, wait_until};
use serde_json::json;

/// Signs and reads the click ids of every installation here.
pub(crate) const SECRET: &str = "6b6579206f66207468652066617573742074657374732c20333220627974657321";
const LINKS: usize = 20;
/// Lines of a node's log that a failure shows.
const LAST_LINES: usize = 12;

/// What all nodes are told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) database: String,
    /// Absent: every node has all roles and reads its own journals.
    pub(crate) redis: Option<String>,
    pub(crate) more: Vec<(&'static str, String)>,
}

struct Node {
    roles: &'static str,
    dir: PathBuf,
    process: Option<Process>,
    redirect: Arc<Slot>,
    api: Arc<Slot>,
    /// For this node only, over the common ones.
    own: BTreeMap<&'static str, String>,
    /// What its dead processes said.
    said: String,
}

pub(crate) struct Fleet {
    settings: Settings,
    nodes: BTreeMap<&'static str, Node>,
    home: TempDir,
}

/// Nodes of an installation without Redis.
const FULL: [(&str, &str); 2] = [("full-0", "redirect,api,worker"), ("full-1", "redirect,api,worker")];
/// Nodes of one with Redis.
const BY_ROLE: [(&str, &str); 6] = [
    ("api-0", "api"),
    ("api-1", "api"),
    ("redirect-0", "redirect"),
    ("redirect-1", "redirect"),
    ("worker-0", "worker"),
    ("worker-1", "worker"),
];

impl Fleet {
    /// Everything serves, and every redirect node knows the links, when this returns.
    pub(crate) fn start(settings: Settings) -> (Self, Targets) {
        let plan: &[_] = if settings.redis.is_some() { &BY_ROLE } else { &FULL };
        let home = directory();
        let node = |&(name, roles): &(&'static str, &'static str)| {
            let node = Node {
                roles,
                dir: home.path().join(name),
                process: None,
                redirect: Arc::new(Slot::new(name.to_owned())),
                api: Arc::new(Slot::new(name.to_owned())),
                own: BTreeMap::new(),
                said: String::new(),
            };
            (name, node)
        };
        let mut nodes: BTreeMap<_, _> = plan.iter().map(node).collect();
        // All at once, on a database without a table.
        let common = &settings;
        std::thread::scope(|scope| {
            for node in nodes.values_mut() {
                scope.spawn(move || node.bring_up(common));
            }
        });
        let fleet = Self { settings, nodes, home };
        let targets = fleet.targets();
        (fleet, targets)
    }

    /// Names of the nodes with a role; of all with "".
    pub(crate) fn names(&self, role: &str) -> Vec<&'static str> {
        let with_role = self.nodes.iter().filter(|(_, node)| node.roles.contains(role));
        with_role.map(|(name, _)| *name).collect()
    }

    fn targets(&self) -> Targets {
        let api = self.api();
        let stage = api.stage();
        let mint = |_| slug(&api.link(&stage, &json!({})));
        let targets = Targets {
            slugs: (0..LINKS).map(mint).collect(),
            redirects: self
                .names("redirect")
                .iter()
                .map(|name| Arc::clone(&self.nodes[name].redirect))
                .collect(),
            apis: self
                .names("api")
                .iter()
                .map(|name| Arc::clone(&self.nodes[name].api))
                .collect(),
        };
        // Asked of the metric: a visit would be a click that nobody logs.
        for name in self.names("redirect") {
            let process = self.nodes[name].process.as_ref().expect("just started");
            wait_until("every node knows the links", || {
                crate::harness::metrics::count(process.metrics, "linkledger_links_loaded") >= LINKS as u64
            });
        }
        targets
    }

    /// The first node that has the API.
    pub(crate) fn api(&self) -> Api {
        let serving = self.nodes.values().filter(|node| node.roles.contains("api"));
        let process = serving.filter_map(|node| node.process.as_ref()).next();
        process.expect("a node with the API").api()
    }

    /// A setting of one node, from its next start on; `None` takes it back.
    pub(crate) fn set(&mut self, name: &str, setting: &'static str, value: Option<&str>) {
        let own = &mut self.node(name).own;
        match value {
            Some(value) => own.insert(setting, value.to_owned()),
            None => own.remove(setting),
        };
    }

    /// A setting of all nodes, from their next starts on.
    pub(crate) fn set_all(&mut self, setting: &'static str, value: String) {
        self.settings.more.retain(|(known, _)| *known != setting);
        self.settings.more.push((setting, value));
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    pub(crate) fn dir(&self, name: &str) -> &Path {
        &self.nodes[name].dir
    }

    pub(crate) fn dirs(&self) -> Vec<(&'static str, &Path)> {
        self.nodes
            .iter()
            .map(|(name, node)| (*name, node.dir.as_path()))
            .collect()
    }

    /// The settings as a node or a command of the installation gets them.
    fn prepare(settings: &Settings, command: &mut Command) {
        command
            .env("LINKLEDGER_DATABASE_URL", &settings.database)
            .env("LINKLEDGER_SECRET", SECRET)
            .env("LINKLEDGER_LOG", "info,sqlx=warn,actix_server=warn,actix_http=off")
            .env("LINKLEDGER_REDIRECT_THREADS", "2");
        if let Some(redis) = &settings.redis {
            command
                .env("LINKLEDGER_REDIS_URL", redis)
                .env("LINKLEDGER_STREAM_SHARDS", "3");
        }
        command.envs(settings.more.iter().map(|(name, value)| (*name, value)));
    }

    pub(crate) fn bring_up(&mut self, name: &str) {
        let settings = self.settings.clone();
        self.node(name).bring_up(&settings);
    }

    /// Tries to start a second process on a node's data directory.
    pub(crate) fn intrude(&self, name: &str) -> Output {
        let node = &self.nodes[name];
        let mut command = command(&node.dir);
        Self::prepare(&self.settings, &mut command);
        command
            .args(["serve", "--role", node.roles])
            .output()
            .expect("the binary runs")
    }

    pub(crate) fn process(&self, name: &str) -> &Process {
        self.nodes[name].process.as_ref().expect("a running node")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, name: &str) {
        let node = self.node(name);
        let process = node.process.take().expect("a running node");
        node.enter(Phase::Doomed);
        node.said += &process.complained();
        process.kill();
        node.enter(Phase::Killed);
    }

    /// Lets a process stand still (STOP) or go on (CONT).
    pub(crate) fn signal(&self, name: &str, signal: Signal) {
        let id = i32::try_from(self.process(name).id()).expect("a process id");
        let id = Pid::from_raw(id).expect("a process id");
        kill_process(id, signal).expect("a child to signal");
    }

    /// Waits until a fail point has ended the process.
    pub(crate) fn wait_for_death(&mut self, name: &str) {
        let node = self.node(name);
        let mut process = node.process.take().expect("a running node");
        let status = wait_for("the fail point kills its process", || process.death());
        assert!(
            !status.success(),
            "{name} ended with {status}: {}",
            process.complained()
        );
        node.said += &process.complained();
        node.enter(Phase::Killed);
    }

    /// `kill -TERM` and the end that follows.
    pub(crate) fn terminate(&mut self, name: &str) {
        let node = self.node(name);
        let process = node.process.take().expect("a running node");
        node.enter(Phase::Draining);
        node.said += &process.complained();
        process.terminate();
    }

    pub(crate) fn terminate_all(&mut self) {
        // Those that feed first, those that commit last.
        for role in ["redirect", "api", "worker"] {
            for name in self.names(role) {
                if self.nodes[name].process.is_some() {
                    self.terminate(name);
                }
            }
        }
    }

    /// A command of the installation, beside its nodes.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = command(&self.home.path().join("elsewhere"));
        Self::prepare(&self.settings, &mut command);
        command.args(arguments).output().expect("the binary runs")
    }

    /// The last lines that each node wrote.
    pub(crate) fn last_words(&self) -> String {
        let mut words = String::new();
        for (name, node) in &self.nodes {
            let mut said = node.said.clone();
            if let Some(process) = &node.process {
                said += &process.complained();
            }
            let lines: Vec<&str> = said.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            words += &format!("--- {name}\n{}\n", last.join("\n"));
        }
        words
    }
}

impl Node {
    fn bring_up(&mut self, settings: &Settings) {
        assert!(self.process.is_none(), "{} runs already", self.redirect.name);
        let own = &self.own;
        let process = Process::start_with(&self.dir, |command| {
            Fleet::prepare(settings, command);
            command.envs(own).args(["serve", "--role", self.roles])
        });
        let phase = if own.contains_key("FAILPOINTS") {
            Phase::Doomed
        } else {
            Phase::Serving
        };
        if let Some(address) = process.redirect {
            self.redirect.serve(address, phase);
        }
        if let Some(address) = process.api {
            self.api.serve(address, phase);
        }
        self.process = Some(process);
    }

    fn enter(&self, phase: Phase) {
        self.redirect.enter(phase);
        self.api.enter(phase);
    }
}
