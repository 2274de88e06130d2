//! The real binary as a child.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output};

use tempfile::TempDir;

use super::api::Api;
use super::{KEY, directory, engine, wait_for};

/// The binary on this run's servers, with nothing of the test's own environment but the path.
pub(crate) fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkledger"));
    command.env_clear().env("LINKLEDGER_DATA_DIR", data_dir);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    for name in ["REDIRECT", "API", "METRICS"] {
        command.env(format!("LINKLEDGER_{name}_ADDR"), "127.0.0.1:0");
    }
    command.envs(engine::settings(data_dir));
    command
}

/// Runs a command of the binary to its end.
pub(crate) fn run(data_dir: &Path, arguments: &[&str]) -> Output {
    command(data_dir).args(arguments).output().expect("the binary runs")
}

/// The same with settings of the test's own.
pub(crate) fn run_with(data_dir: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = command(data_dir);
    command.args(arguments).envs(settings.iter().copied());
    command.output().expect("the binary runs")
}

/// What a command that must fail, and must not panic, says on standard error.
#[track_caller]
pub(crate) fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("panicked"),
        "{output:?}"
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `linkledger verify` must find nothing.
#[track_caller]
pub(crate) fn verify(data_dir: &Path) {
    let output = run(data_dir, &["verify"]);
    assert!(output.status.success(), "{output:?}");
}

/// Where a child that has both HTTP roles listens.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) redirect: SocketAddr,
    api: SocketAddr,
}

impl Addresses {
    pub(crate) fn api(&self) -> Api {
        Api::new(self.api, KEY)
    }
}

/// A serving child.
pub(crate) struct Process {
    child: Child,
    ended: Option<ExitStatus>,
    logs: TempDir,
    pub(crate) redirect: Option<SocketAddr>,
    pub(crate) api: Option<SocketAddr>,
    pub(crate) metrics: SocketAddr,
}

impl Process {
    /// Starts `linkledger` with the tests' operator key and waits until it serves.
    #[track_caller]
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, |command| command)
    }

    #[track_caller]
    pub(crate) fn start_with(data_dir: &Path, change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let logs = directory();
        let mut command = command(data_dir);
        command.env("LINKLEDGER_OPERATOR_KEY", KEY);
        change(&mut command);
        let file = |name| File::create(logs.path().join(name)).expect("a log file");
        let child = command.stdout(file("out")).stderr(file("err")).spawn();
        let mut process = Self {
            child: child.expect("the binary starts"),
            ended: None,
            logs,
            redirect: None,
            api: None,
            metrics: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        // The line of the metrics listener is the last of the three.
        let metrics = wait_for("the child prints its addresses", || {
            process.refuse_death();
            let greeting = process.printed();
            let line = greeting.lines().find(|line| line.starts_with("  metrics"))?;
            Some(line.split("http://").nth(1)?.strip_suffix("/metrics")?.parse())
        });
        process.metrics = metrics.expect("an address");
        let greeting = process.printed();
        let address = |start| {
            let line = greeting.lines().find(|line| line.starts_with(start))?;
            let address = line.split("listening on ").nth(1)?.strip_suffix(')')?;
            Some(address.parse().expect("an address"))
        };
        process.redirect = address("  short links");
        process.api = address("  API");
        process
    }

    #[track_caller]
    fn refuse_death(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            self.ended = Some(status);
            panic!("the child ended with {status}: {}", self.complained());
        }
    }

    /// Standard output so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(self.logs.path().join("out")).expect("the child's output")
    }

    /// Standard error so far.
    pub(crate) fn complained(&self) -> String {
        std::fs::read_to_string(self.logs.path().join("err")).expect("the child's complaints")
    }

    pub(crate) fn redirect(&self) -> SocketAddr {
        self.redirect.expect("the redirect role")
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.api.expect("the API role"), KEY)
    }

    pub(crate) fn addresses(&self) -> Addresses {
        Addresses {
            redirect: self.redirect(),
            api: self.api.expect("the API role"),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, once it has; for children that die by themselves.
    pub(crate) fn death(&mut self) -> Option<ExitStatus> {
        self.ended = self.child.try_wait().expect("a child");
        self.ended
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child to kill");
        let status = self.child.wait().expect("a dead child");
        self.ended = Some(status);
        assert_eq!(
            status.signal(),
            Some(9),
            "it was to die by our hand: {}",
            self.complained()
        );
    }

    /// Waits until it dies by its own hand, at a fail point.
    #[track_caller]
    pub(crate) fn wait_for_abort(mut self) {
        let status = wait_for("the child aborts", || self.child.try_wait().expect("a child"));
        self.ended = Some(status);
        assert_eq!(status.signal(), Some(6), "{}", self.complained());
    }

    /// `kill -TERM`; the exit must follow.
    pub(crate) fn begin_to_terminate(&self) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("a process id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a child to signal");
    }

    /// Waits for the end after [`Process::begin_to_terminate`].
    #[track_caller]
    pub(crate) fn wait_for_success(mut self) {
        let status = wait_for("the child ends", || self.child.try_wait().expect("a child"));
        self.ended = Some(status);
        assert!(status.success(), "it ended with {status}: {}", self.complained());
    }

    #[track_caller]
    pub(crate) fn terminate(self) {
        self.begin_to_terminate();
        self.wait_for_success();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        assert!(std::thread::panicking(), "the test left its child running");
    }
}
