//! Servers of the tests' own: Postgres and Redis on free ports, in private directories, as nobody but this test
//! process needs them.
//!
//! Every server belongs to a [`Room`]: a directory, and a small shell that ends its servers and removes the directory
//! when the room is dropped, or when the test process ends, however that ends.

pub(crate) mod cluster;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::fs::File;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use rustix::process::{Pid, Signal};

use super::{directory, random_below};

const GUARD: &str = include_str!("guard.sh");
const LOG_FILE: &str = "log";
/// Ports below those that Linux gives to outgoing connections, so that a server that comes back finds its port free.
/// A node of a Cluster also listens 10 000 above.
const PORTS: std::ops::Range<u16> = 10_000..22_000;
/// So many servers in a row that do not get their ports mean something else.
const PORTS_TO_TRY: u32 = 20;

/// A user that a server may run as, which Postgres refuses for root.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// None where the tests do not run as root: then everything is theirs.
    fn unprivileged() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let find = |name: &str| {
            let user = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = user.split(':').skip(2).map(str::parse);
            let (uid, gid) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            Some(Self { uid, gid })
        };
        Some(
            find("postgres")
                .or_else(|| find("nobody"))
                .expect("a user postgres or nobody"),
        )
    }
}

/// Where servers live, and what ends them.
struct Room {
    path: PathBuf,
    account: Option<Account>,
    guard: Child,
    /// Closing it is the sign for the guard.
    lease: Option<ChildStdin>,
    /// None while it is stopped.
    server: Mutex<Option<Server>>,
}

impl Room {
    fn new() -> Self {
        let path = directory().keep();
        let account = Account::unprivileged();
        if let Some(account) = account {
            chown(&path, Some(account.uid), Some(account.gid)).expect("a directory of the server's user");
        }
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Of its own, so that Ctrl-C reaches the tests and not the guard.
            .process_group(0)
            .spawn()
            .expect("a guard");
        Self {
            lease: guard.stdin.take(),
            path,
            account,
            guard,
            server: Mutex::new(None),
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().expect("no test panicked with the server in hand")
    }

    /// Takes a server in that a start came to.
    #[track_caller]
    fn take_in(&self, started: Started) {
        let Started::Ready(server) = started else {
            panic!("somebody else took the server's port: {}", self.log());
        };
        let before = self.server().replace(server);
        assert!(before.is_none(), "it ran already");
    }

    fn id(&self) -> Option<Pid> {
        self.server().as_ref().map(Server::id)
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        self.server().as_ref().expect("it runs").signal(signal);
    }

    /// Sends the signal and waits for the end.
    #[track_caller]
    fn end(&self, signal: Signal) {
        let mut server = self.server().take().expect("it runs");
        server.signal(signal);
        server.0.wait().expect("the server ends");
    }

    /// The program as the room's user, with nothing of the test's own environment but the path.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").current_dir(&self.path);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Runs a program to its end; what it said on standard output.
    #[track_caller]
    fn run(&self, command: &mut Command) -> String {
        let output = command.stdin(Stdio::null()).output().expect("the program starts");
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a server in the guard's process group. What it says goes to its log, which begins anew.
    fn serve(&self, command: &mut Command) -> Server {
        let log = File::create(self.log_file()).expect("a log");
        let group = i32::try_from(self.guard.id()).expect("a process id");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .process_group(group)
            .spawn();
        Server(child.expect("the server's program starts"))
    }

    fn log_file(&self) -> PathBuf {
        self.path.join(LOG_FILE)
    }

    /// What the server said last.
    fn log(&self) -> String {
        let mut said = Vec::new();
        let log = File::open(self.log_file()).and_then(|mut file| file.read_to_end(&mut said));
        log.expect("the server's log");
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.lease.take());
        let _its_own_signal = self.guard.wait();
        if let Some(mut server) = self.server().take() {
            let _ended_by_the_guard = server.0.wait();
        }
        let left = self.path.exists();
        assert!(
            !left || std::thread::panicking(),
            "{} is left over",
            self.path.display()
        );
    }
}

/// A running server process.
struct Server(Child);

impl Server {
    fn id(&self) -> Pid {
        let id = i32::try_from(self.0.id()).expect("a process id");
        Pid::from_raw(id).expect("a process id")
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.id(), signal).expect("a server to signal");
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }
}

/// What a server that was just started came to.
enum Started {
    Ready(Server),
    /// Somebody else has its port.
    PortTaken,
}

/// Starts a server on one free port after the other until one stays free for it.
#[track_caller]
fn on_a_free_port(room: &Room, start: impl Fn(u16) -> Started) -> u16 {
    for _ in 0..PORTS_TO_TRY {
        let width = u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random_below(width)).expect("within the ports");
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if !(free(port) && free(port + 10_000)) {
            continue;
        }
        let started = start(port);
        if matches!(started, Started::Ready(_)) {
            room.take_in(started);
            return port;
        }
    }
    panic!("no server got any of {PORTS_TO_TRY} ports that were free a moment before");
}

/// The program, from PATH or from one of `elsewhere`.
#[track_caller]
fn program(name: &str, elsewhere: &[PathBuf]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(elsewhere.iter().cloned());
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no {name} here: `apt-get install redis-server postgresql`, or run tests/run, which does")
    })
}
