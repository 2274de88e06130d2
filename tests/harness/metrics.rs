//! What the service says of itself on its metrics listener.

use std::net::SocketAddr;

use super::http::{Request, ask};

/// The Prometheus text.
#[track_caller]
pub(crate) fn text(address: SocketAddr) -> String {
    let answer = ask(address, &Request::get("/metrics"));
    assert_eq!(answer.status, 200);
    answer.text()
}

/// One series, such as `linkledger_clicks_dropped_total{reason="journal_full"}`; 0 where it has not
/// been counted yet.
#[track_caller]
pub(crate) fn count(address: SocketAddr, series: &str) -> u64 {
    let text = text(address);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| {
        value.parse().unwrap_or_else(|_| panic!("{series} is {value}"))
    })
}
