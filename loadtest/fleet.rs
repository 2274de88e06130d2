//! Processes of one scaled-out installation on this machine, each with a data directory of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ground::Outcome;
use crate::used::{self, Used};

/// Longer than any start that works.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a drain may take.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// What all nodes share.
pub(crate) struct Shared {
    pub(crate) program: PathBuf,
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) secret: String,
}

/// One running process of `linkledger`.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) metrics: String,
    pub(crate) redirect: Option<String>,
    child: Child,
}

fn free_address() -> Outcome<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

impl Shared {
    /// Starts a node on a data directory of its own, and waits until it is ready.
    pub(crate) fn start(&self, name: &str, role: &str, data_dir: &Path) -> Outcome<Node> {
        let addresses = [free_address()?, free_address()?, free_address()?];
        let [redirect, api, metrics] = &addresses;
        let child = Command::new(&self.program)
            .args(["serve", "--role", role])
            .env("LINKLEDGER_DATA_DIR", data_dir)
            .env("LINKLEDGER_DATABASE_URL", &self.database_url)
            .env("LINKLEDGER_REDIS_URL", &self.redis_url)
            .env("LINKLEDGER_SECRET", &self.secret)
            .env("LINKLEDGER_REDIRECT_ADDR", redirect)
            .env("LINKLEDGER_API_ADDR", api)
            .env("LINKLEDGER_METRICS_ADDR", metrics)
            .env("LINKLEDGER_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut node = Node {
            name: name.to_owned(),
            metrics: metrics.clone(),
            redirect: role.contains("redirect").then(|| redirect.clone()),
            child,
        };
        if let Some(errors) = node.child.stderr.take() {
            let name = name.to_owned();
            std::thread::spawn(move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    eprintln!("{name}: {line}");
                }
            });
        }
        node.wait_until_ready()?;
        Ok(node)
    }
}

impl Node {
    fn wait_until_ready(&mut self) -> Outcome<()> {
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended at its start: {status}", self.name).into());
            }
            if http_get(&self.metrics, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("{} is not ready after {START_PATIENCE:?}", self.name).into())
    }

    /// What it used so far.
    pub(crate) fn used(&self) -> Outcome<Used> {
        used::of_process(self.child.id())
    }

    /// SIGTERM, and the wait for its end.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let told = Instant::now();
        while told.elapsed() < STOP_PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{} did not end", self.name).into())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing is left behind when the bench ends early; after `stop` there is nothing to kill.
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One GET on a connection of its own; the whole answer.
pub(crate) fn http_get(address: &str, path: &str) -> Outcome<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
