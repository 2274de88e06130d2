//! Sends recorded clicks over real HTTP.

use futures_util::StreamExt as _;
use reqwest::header::{ACCEPT_LANGUAGE, HeaderName, HeaderValue, REFERER, USER_AGENT};
use reqwest::{Client, StatusCode};
use url::Url;

use super::{Recorded, ReplayError};

/// A header value that can travel: bytes as recorded, control characters left out.
fn value(text: &str) -> Option<HeaderValue> {
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte >= 0x20 && *byte != 0x7f).collect();
    HeaderValue::from_bytes(&bytes).ok()
}

/// Clicks; how many were answered with a redirect.
pub(super) async fn send(
    base: &Url,
    clicks: &[&Recorded],
    concurrency: usize,
    mut tell: impl FnMut(u64),
) -> Result<u64, ReplayError> {
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let answers = futures_util::stream::iter(clicks.iter().map(|click| {
        let mut request = client.get(format!("{base}{}", click.slug));
        let headers: [(HeaderName, &Option<String>); 3] = [
            (USER_AGENT, &click.user_agent),
            (REFERER, &click.referrer),
            (ACCEPT_LANGUAGE, &click.language),
        ];
        for (name, text) in headers {
            if let Some(value) = text.as_deref().and_then(value) {
                request = request.header(name, value);
            }
        }
        async move { Ok::<_, reqwest::Error>(request.send().await?.status()) }
    }));
    let mut answers = answers.buffer_unordered(concurrency);
    let mut answered = 0;
    while let Some(status) = answers.next().await {
        if status? == StatusCode::FOUND {
            answered += 1;
        }
        tell(1);
    }
    Ok(answered)
}
