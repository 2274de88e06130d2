//! What a request tells about the click: borrowed from its headers, cut, never interpreted here.

use actix_web::HttpRequest;
use actix_web::http::{Method, header};

use super::client::Client;
use super::geo::{self, Countries};
use crate::domain::click::{ClickFlags, LANGUAGE_MAX_BYTES, REFERRER_MAX_BYTES, USER_AGENT_MAX_BYTES};

/// Country headers of common proxies, in the order in which they are believed.
const COUNTRY_HEADERS: [&str; 3] = ["cf-ipcountry", "cloudfront-viewer-country", "x-country-code"];
/// Headers by which browsers and networks say that nobody may be looking yet.
const PURPOSE_HEADERS: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

pub(super) struct Captured<'r> {
    pub(super) flags: ClickFlags,
    pub(super) country: [u8; 2],
    pub(super) user_agent: &'r [u8],
    pub(super) referrer: &'r [u8],
    pub(super) language: &'r [u8],
}

fn bytes(request: &HttpRequest, name: impl header::AsHeaderName, max_bytes: usize) -> &[u8] {
    let value = request
        .headers()
        .get(name)
        .map_or(&b""[..], header::HeaderValue::as_bytes);
    &value[..value.len().min(max_bytes)]
}

pub(super) fn capture<'r>(request: &'r HttpRequest, client: Client, countries: Option<&Countries>) -> Captured<'r> {
    let head = if request.method() == Method::HEAD {
        ClickFlags::HEAD
    } else {
        ClickFlags::default()
    };
    Captured {
        flags: head.with(purpose(request)),
        country: country(request, client, countries),
        user_agent: bytes(request, header::USER_AGENT, USER_AGENT_MAX_BYTES),
        referrer: without_secrets(bytes(request, header::REFERER, usize::MAX)),
        language: bytes(request, header::ACCEPT_LANGUAGE, LANGUAGE_MAX_BYTES),
    }
}

fn purpose(request: &HttpRequest) -> ClickFlags {
    let mut flags = ClickFlags::default();
    for name in PURPOSE_HEADERS {
        let Some(value) = request.headers().get(name) else {
            continue;
        };
        let value = value.as_bytes().to_ascii_lowercase();
        // `prefetch;prerender` and the like: the first word decides.
        if value.starts_with(b"prefetch") || value.starts_with(b"prerender") {
            flags = flags.with(ClickFlags::PREFETCH);
        } else if value.starts_with(b"preview") {
            flags = flags.with(ClickFlags::PREVIEW);
        }
    }
    flags
}

/// The operator's own database before a proxy's word: whoever sets one up means it.
fn country(request: &HttpRequest, client: Client, countries: Option<&Countries>) -> [u8; 2] {
    let told = || {
        let headers = COUNTRY_HEADERS.iter().filter(|_| client.behind_proxy);
        let mut values = headers.filter_map(|name| request.headers().get(*name));
        values.find_map(|value| geo::code(value.as_bytes()))
    };
    let looked_up = countries.and_then(|countries| countries.of(client.address));
    looked_up.or_else(told).unwrap_or([0; 2])
}

/// A referrer without query, fragment and credentials: they hold search words, tokens and names.
fn without_secrets(referrer: &[u8]) -> &[u8] {
    let end = referrer
        .iter()
        .position(|b| matches!(b, b'?' | b'#'))
        .unwrap_or(referrer.len());
    let referrer = &referrer[..end];
    let authority = referrer.windows(3).position(|w| w == b"://").map_or(0, |at| at + 3);
    let authority_end = referrer[authority..]
        .iter()
        .position(|b| *b == b'/')
        .map_or(end, |at| authority + at);
    if referrer[authority..authority_end].contains(&b'@') {
        return b"";
    }
    &referrer[..referrer.len().min(REFERRER_MAX_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use std::net::IpAddr;

    #[test]
    fn referrers_lose_query_fragment_and_credentials() {
        for (given, kept) in [
            ("https://t.co/abc?x=1#y", "https://t.co/abc"),
            ("https://shop.example/a@b", "https://shop.example/a@b"),
            ("https://user:secret@shop.example/", ""),
            (
                "android-app://com.google.android.gm",
                "android-app://com.google.android.gm",
            ),
            ("", ""),
        ] {
            assert_eq!(without_secrets(given.as_bytes()), kept.as_bytes(), "{given}");
        }
    }

    #[test]
    fn prefetches_previews_and_heads_are_seen_in_all_their_forms() {
        let flags = |name: &'static str, value: &'static str| {
            let request = TestRequest::default().insert_header((name, value)).to_http_request();
            purpose(&request)
        };
        assert_eq!(flags("sec-purpose", "prefetch;prerender"), ClickFlags::PREFETCH);
        assert_eq!(flags("purpose", "Prefetch"), ClickFlags::PREFETCH);
        assert_eq!(flags("x-moz", "prefetch"), ClickFlags::PREFETCH);
        assert_eq!(flags("purpose", "preview"), ClickFlags::PREVIEW);
        assert_eq!(flags("x-purpose", "preview"), ClickFlags::PREVIEW);
        assert_eq!(flags("sec-purpose", "something"), ClickFlags::default());
    }

    #[test]
    fn only_a_trusted_proxy_may_name_the_country() {
        let request = TestRequest::default()
            .insert_header(("cf-ipcountry", "DE"))
            .to_http_request();
        let address = IpAddr::from([127, 0, 0, 1]);
        let of = |behind_proxy| capture(&request, Client { address, behind_proxy }, None).country;
        assert_eq!(of(true), *b"DE");
        assert_eq!(of(false), [0, 0]);
    }
}
