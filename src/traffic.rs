//! Clicks over real HTTP against a service of this process: what `replay` and `demo` share.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use url::Url;

use crate::app::Running;
use crate::config::Config;

/// How long the worker may stand still before one gives up on it.
pub const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// The worker stopped committing.
#[derive(Debug, thiserror::Error)]
#[error("the worker committed nothing for {} s; see the log", COMMIT_PATIENCE.as_secs())]
pub struct Stuck;

/// The same settings on free ports of this machine, so that nobody else's service is in the way.
#[must_use]
pub fn on_free_ports(config: &Config) -> Config {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    Config {
        redirect_addr: anywhere,
        api_addr: anywhere,
        metrics_addr: anywhere,
        public_url: None,
        api_public_url: None,
        ..config.clone()
    }
}

/// A client that stays where it is sent: it follows no redirect and knows no proxy.
///
/// # Errors
/// [`reqwest::Error`] when the system gives it nothing to stand on.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// One request for a short link.
#[derive(Debug)]
pub struct Visit<'a> {
    /// GET or HEAD.
    pub method: Method,
    /// What is asked for.
    pub slug: &'a str,
    /// Sent as they are, control characters left out.
    pub headers: Vec<(HeaderName, &'a str)>,
}

/// A header value that can travel: bytes as given, control characters left out.
fn value(text: &str) -> Option<HeaderValue> {
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte >= 0x20 && *byte != 0x7f).collect();
    HeaderValue::from_bytes(&bytes).ok()
}

/// Sends visits, so many at the same time; `answered` gets the place of each and its answer.
///
/// # Errors
/// The first visit that could not be sent.
pub async fn send<'a>(
    client: &Client,
    base: &Url,
    visits: impl Iterator<Item = Visit<'a>>,
    concurrency: usize,
    mut answered: impl FnMut(usize, &Response),
) -> Result<(), reqwest::Error> {
    let answers = futures_util::stream::iter(visits.enumerate().map(|(place, visit)| {
        let mut request = client.request(visit.method, format!("{base}{}", visit.slug));
        for (name, text) in visit.headers {
            if let Some(value) = value(text) {
                request = request.header(name, value);
            }
        }
        async move { Ok::<_, reqwest::Error>((place, request.send().await?)) }
    }));
    let mut answers = answers.buffer_unordered(concurrency);
    while let Some(answer) = answers.next().await {
        let (place, response) = answer?;
        answered(place, &response);
    }
    Ok(())
}

/// Waits until this process has committed so many clicks.
///
/// # Errors
/// [`Stuck`] when nothing is committed for [`COMMIT_PATIENCE`].
pub async fn wait_for_commit(running: &Running, clicks: u64) -> Result<(), Stuck> {
    let mut commits = running.progress.commits();
    running.progress.hurry();
    loop {
        commits.borrow_and_update();
        if running.metrics.clicks_committed.get() >= clicks {
            return Ok(());
        }
        if tokio::time::timeout(COMMIT_PATIENCE, commits.changed()).await.is_err() {
            return Err(Stuck);
        }
    }
}
