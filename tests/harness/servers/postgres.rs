//! A Postgres of the test's own.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::super::wait_for;
use super::{Room, Started, on_a_free_port, program};

/// Debian's place for versions beside each other.
const DEBIAN: &str = "/usr/lib/postgresql";
const USER: &str = "linkledger";
/// A locale that sorts as no program should count on: what the service sorts must not depend on its database.
const LOCALE: [&str; 3] = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
];
/// A process that dies loses nothing without them; only a power cut does.
const UNSAFE_SETTINGS: &[&str] = &["fsync=off", "full_page_writes=off"];

/// A cluster of databases that nobody else uses.
pub(crate) struct PrivatePostgres {
    port: u16,
    settings: Vec<&'static str>,
    databases: AtomicU32,
    room: Room,
}

impl PrivatePostgres {
    /// The one that the tests of this process share, each with a database of its own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<PrivatePostgres> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// One that a test may stop and freeze.
    pub(crate) fn new() -> Self {
        Self::with_settings(UNSAFE_SETTINGS)
    }

    /// One that waits for the disk, as in production.
    pub(crate) fn durable() -> Self {
        Self::with_settings(&[])
    }

    pub(crate) fn with_settings(settings: &[&'static str]) -> Self {
        let room = Room::new();
        let mut initdb = room.command(&binary("initdb"));
        initdb.args(["-D", "data", "-A", "trust", "-U", USER, "-E", "UTF8", "--no-sync"]);
        room.run(initdb.args(LOCALE));
        let settings: Vec<&str> = SETTINGS.iter().chain(settings).copied().collect();
        let port = on_a_free_port(&room, |port| launch(&room, port, &settings));
        Self {
            port,
            settings,
            databases: AtomicU32::new(0),
            room,
        }
    }

    /// A database that nobody else has; its address.
    pub(crate) fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        block_on(async {
            let mut conn = connect(&url(self.port, "postgres")).await.expect("the server answers");
            let create = sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")));
            create.execute(&mut conn).await.expect("a database");
            conn.close().await.expect("closes");
        });
        url(self.port, &name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The process that everything of the server descends from, while it runs.
    pub(crate) fn id(&self) -> Option<Pid> {
        self.room.id()
    }

    /// Where everything of the server lies.
    pub(crate) fn path(&self) -> &Path {
        &self.room.path
    }

    /// As if it had crashed: the next start recovers.
    pub(crate) fn stop_immediate(&self) {
        self.room.end(Signal::QUIT);
    }

    /// Again, on the same port, after [`Self::stop_immediate`].
    #[track_caller]
    pub(crate) fn start(&self) {
        self.room.take_in(launch(&self.room, self.port, &self.settings));
    }

    /// Lets it take connections and answer nothing: itself and every process of its own.
    pub(crate) fn freeze(&self) {
        // First, so that it starts no more of them.
        self.room.signal(Signal::STOP);
        for id in self.processes() {
            // One that has ended meanwhile is as still as can be.
            let _ended = kill_process(id, Signal::STOP);
        }
    }

    pub(crate) fn thaw(&self) {
        for id in self.processes() {
            let _ended = kill_process(id, Signal::CONT);
        }
        self.room.signal(Signal::CONT);
    }

    /// The processes that the server started and that still run.
    fn processes(&self) -> Vec<Pid> {
        children(self.id().expect("it runs"))
    }

    /// A copy of everything that is committed, as `pg_basebackup` makes it.
    #[track_caller]
    pub(crate) fn base_backup(&self, name: &str) -> PathBuf {
        let mut backup = self.room.command(&binary("pg_basebackup"));
        let address = format!("host=127.0.0.1 port={} user={USER}", self.port);
        backup.args(["--checkpoint=fast", "--no-sync", "-D", name, "-d", &address]);
        self.room.run(&mut backup);
        self.room.path.join(name)
    }

    /// Puts the state of a [`Self::base_backup`] in the place of the present one; the server is stopped meanwhile.
    #[track_caller]
    pub(crate) fn restore(&self, backup: &Path) {
        if self.id().is_some() {
            self.stop_immediate();
        }
        let data = self.room.path.join("data");
        std::fs::remove_dir_all(&data).expect("the present state");
        std::fs::rename(backup, &data).expect("a backup of this server");
        self.start();
    }
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://{USER}@127.0.0.1:{port}/{database}")
}

fn launch(room: &Room, port: u16, settings: &[&str]) -> Started {
    let mut postgres = room.command(&binary("postgres"));
    postgres.args(["-D", "data", "-p", &port.to_string()]);
    for setting in settings {
        postgres.args(["-c", setting]);
    }
    let mut server = room.serve(&mut postgres);
    let data = room.path.join("data");
    let ready = wait_for("Postgres answers", || {
        if server.has_ended() {
            let log = room.log();
            assert!(log.contains("Address already in use"), "Postgres did not start: {log}");
            return Some(false);
        }
        block_on(async {
            let mut conn = connect(&url(port, "postgres")).await.ok()?;
            let place: String = sqlx::query_scalar("SELECT current_setting('data_directory')")
                .fetch_one(&mut conn)
                .await
                .ok()?;
            // Somebody else's server on the same port is not ours; ours is about to find out.
            (place == data.to_string_lossy()).then_some(true)
        })
    });
    if ready {
        Started::Ready(server)
    } else {
        Started::PortTaken
    }
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::from_str(url)?
        .disable_statement_logging()
        .connect()
        .await
}

/// On a runtime of its own, in a thread of its own: the caller may have one already.
fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(work)
        });
        worker.join().expect("no panic")
    })
}

/// From PATH, or of the newest version that Debian has installed.
#[track_caller]
fn binary(name: &str) -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first: Vec<PathBuf> = versions.into_iter().rev().map(|(_, path)| path).collect();
    program(name, &newest_first)
}

/// The processes that this one started and that still run.
fn children(parent: Pid) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let child = |entry: std::fs::DirEntry| {
        let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name in parentheses: state, parent.
        let its_parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?;
        (its_parent == parent.as_raw_nonzero().to_string()).then_some(id)
    };
    processes.filter_map(child).collect()
}
