//! A service inside the test's own process, with a clock that the test may set.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use linkledger::app::{self, DataDir, Roles, Running};
use linkledger::clock::Clock;
use linkledger::config::{Config, Sources};
use linkledger::store::Location;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::api::Api;
use super::books::Books;
use super::http::{Answer, Request, ask, visit};
use super::{KEY, directory, engine, metrics, wait_until};

/// How a service is to be started.
pub(crate) struct Setup {
    dir: PathBuf,
    roles: Roles,
    clock: Clock,
    settings: Vec<(String, String)>,
}

impl Setup {
    pub(crate) fn in_directory(dir: &Path) -> Self {
        let setup = Self {
            dir: dir.to_owned(),
            roles: Roles::ALL,
            clock: Clock::system(),
            settings: Vec::new(),
        };
        setup.set("OPERATOR_KEY", KEY).set("REDIRECT_THREADS", "2")
    }

    /// As on the command line: `redirect,api`.
    pub(crate) fn roles(mut self, roles: &str) -> Self {
        self.roles = roles.parse().expect("roles");
        self
    }

    pub(crate) fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((format!("LINKLEDGER_{name}"), value.to_owned()));
        self
    }

    pub(crate) fn start(self) -> Service {
        let free_ports = ["REDIRECT_ADDR", "API_ADDR", "METRICS_ADDR"];
        let mut setup = self;
        for name in free_ports {
            setup = setup.set(name, "127.0.0.1:0");
        }
        let dir = setup.dir.display().to_string();
        let mut setup = setup.set("DATA_DIR", &dir);
        for (name, value) in engine::settings(&setup.dir) {
            // A test that brings its own servers has said so.
            if !setup.settings.iter().any(|(given, _)| given == name) {
                setup.settings.push((name.to_owned(), value));
            }
        }
        let sources = Sources::new(None, setup.settings.into_iter()).expect("known settings");
        let config = Config::load(sources).expect("valid settings");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let running = runtime
            .block_on(app::start(&config, setup.roles, setup.clock))
            .expect("the service starts");
        Service {
            dir: setup.dir,
            store: app::store_location(&config),
            home: None,
            runtime: Some(runtime),
            running: Some(running),
        }
    }
}

/// A running service. A test must stop it; stopping checks that the books agree and that nothing
/// was left behind.
pub(crate) struct Service {
    pub(crate) dir: PathBuf,
    store: Location,
    home: Option<TempDir>,
    runtime: Option<Runtime>,
    running: Option<Running>,
}

impl Service {
    /// Everything, in a directory of its own.
    pub(crate) fn start() -> Self {
        Self::start_with(|setup| setup)
    }

    pub(crate) fn start_with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let home = directory();
        // A directory below the temporary one: the first start makes it.
        let mut service = change(Setup::in_directory(&home.path().join("data"))).start();
        service.home = Some(home);
        service
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs until it is stopped")
    }

    pub(crate) fn redirect(&self) -> SocketAddr {
        self.running().addresses.redirect.expect("the redirect role")
    }

    pub(crate) fn metrics(&self) -> SocketAddr {
        self.running().addresses.metrics
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.running().addresses.api.expect("the API role"), KEY)
    }

    pub(crate) fn books(&self) -> Books {
        Books::at(self.store.clone())
    }

    /// What a browser gets for a slug.
    #[track_caller]
    pub(crate) fn visit(&self, target: &str) -> Answer {
        self.answer(&visit(target))
    }

    #[track_caller]
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        ask(self.redirect(), request)
    }

    #[track_caller]
    pub(crate) fn count(&self, series: &str) -> u64 {
        metrics::count(self.metrics(), series)
    }

    /// Waits until so many clicks of this process are in the store.
    #[track_caller]
    pub(crate) fn wait_for_clicks(&self, clicks: u64) {
        wait_until(&format!("{clicks} clicks committed"), || {
            self.count("linkledger_clicks_committed_total") >= clicks
        });
    }

    /// Folds visitors until none wait, as the service does in the background.
    pub(crate) fn fold_visitors(&self) {
        let runtime = self.runtime.as_ref().expect("a runtime");
        let store = &self.running().store;
        let fold_all = async {
            while store.unfolded_clicks().await? > 0 {
                store.fold_visitors().await?;
            }
            Ok::<_, linkledger::store::StoreError>(())
        };
        runtime.block_on(fold_all).expect("the store answers");
    }

    /// Stops it as SIGTERM does.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Option<TempDir> {
        let (runtime, running) = (self.runtime.take(), self.running.take());
        let (runtime, running) = (runtime.expect("a runtime"), running.expect("a service"));
        runtime.block_on(running.stop());
        wait_until("every task of the service has ended", || {
            runtime.metrics().num_alive_tasks() == 0
        });
        runtime.shutdown_background();
        DataDir::take(&self.dir).expect("nobody holds the data directory any more");
        assert_eq!(self.books().mismatches(), Vec::<String>::new());
        self.home.take()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.running.is_some() && !std::thread::panicking() {
            panic!("the test left its service running");
        }
    }
}
