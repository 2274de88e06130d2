//! The three listeners.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use super::StartError;
use super::closing::{self, Gate};
use super::probes::{self, Probes};
use crate::api::{self, Api};
use crate::config::Config;
use crate::journal::Writer;
use crate::redirect::{self, Redirector, ThreadJournal};

/// Journals waiting for the redirect threads to pick them up.
pub(super) type JournalPool = Arc<Mutex<Vec<Writer>>>;

/// Idle connections are kept longer than common proxies keep theirs, so that it is the proxy that
/// closes and no request meets a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Requests under way may finish for so long after SIGTERM.
const FINISH_SECONDS: u64 = 10;
const API_THREADS: usize = 2;

/// A bound listener that is to be run.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) handle: ServerHandle,
    pub(super) gate: Gate,
    pub(super) run: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Binds, names the setting in the error, and hands the running server back.
macro_rules! serve {
    ($server:expr, $address:expr, $setting:literal) => {{
        let server = $server
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout(FINISH_SECONDS)
            .disable_signals();
        let failed = |source| StartError::Bind { address: $address, setting: $setting, source };
        let (listener, gate) = closing::bind($address).map_err(failed)?;
        let server = server.listen(listener).map_err(failed)?;
        let address = server.addrs().first().copied().unwrap_or($address);
        let server = server.run();
        let handle = server.handle();
        let run = Box::pin(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, setting = $setting, "a listener ended badly");
            }
        });
        Server { address, handle, gate, run }
    }};
}

pub(super) fn redirect(
    config: &Config,
    redirector: web::Data<Redirector>,
    pool: JournalPool,
) -> Result<Server, StartError> {
    let server = HttpServer::new(move || {
        // Each thread takes one journal; a thread that was started in place of one that panicked
        // finds none left, redirects, and counts its clicks as dropped.
        let writer = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let journal: ThreadJournal = Rc::new(RefCell::new(writer));
        App::new()
            .app_data(redirector.clone())
            .app_data(journal)
            .configure(redirect::routes)
    })
    .workers(config.redirect_threads);
    Ok(serve!(server, config.redirect_addr, "LINKLEDGER_REDIRECT_ADDR"))
}

/// The API's socket, bound before the API is made, because the API must know its own address.
pub(super) struct ApiListener {
    socket: std::net::TcpListener,
    gate: Gate,
    asked: SocketAddr,
}

impl ApiListener {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let asked = config.api_addr;
        let (socket, gate) = closing::bind(asked).map_err(|source| failed(asked, source))?;
        Ok(Self { socket, gate, asked })
    }

    pub(super) fn address(&self) -> Result<SocketAddr, StartError> {
        self.socket.local_addr().map_err(|source| failed(self.asked, source))
    }

    pub(super) fn serve(self, api: Api) -> Result<Server, StartError> {
        let address = self.address()?;
        let api = web::Data::new(api);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(api.clone())
                .wrap(from_fn(api::with_request_id))
                .configure(api::routes)
        })
        .workers(API_THREADS)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(FINISH_SECONDS)
        .disable_signals();
        let server = server
            .listen(self.socket)
            .map_err(|source| failed(self.asked, source))?
            .run();
        let handle = server.handle();
        let run = Box::pin(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the API listener ended badly");
            }
        });
        Ok(Server {
            address,
            handle,
            gate: self.gate,
            run,
        })
    }
}

fn failed(address: SocketAddr, source: std::io::Error) -> StartError {
    StartError::Bind {
        address,
        setting: "LINKLEDGER_API_ADDR",
        source,
    }
}

pub(super) fn probes(config: &Config, probes: Probes) -> Result<Server, StartError> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(probes.clone()))
            .configure(probes::routes)
    })
    .workers(1);
    Ok(serve!(server, config.metrics_addr, "LINKLEDGER_METRICS_ADDR"))
}
