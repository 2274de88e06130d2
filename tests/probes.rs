//! What the metrics listener tells, and what no listener minds.

mod harness;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use harness::api::slug;
use harness::http::{Connection, Request, ask, visit};
use harness::metrics;
use harness::shop::Shop;
use serde_json::json;

#[test]
fn metrics_tell_every_outcome_and_name_nobody() {
    let shop = Shop::open();
    let gone = slug(
        &shop
            .api
            .link(&shop.stage, &json!({"paused": true, "slug": "PausedOne"})),
    );
    for _ in 0..3 {
        shop.click();
    }
    assert_eq!(shop.service.visit(&gone).status, 410);
    assert_eq!(shop.service.visit("nowhere").status, 404);
    let click_id = shop.click();
    let order = json!({
        "event": "sale", "external_id": "order-of-ann", "click_id": click_id, "customer_email": "ann@example.com",
        "customer_id": "ann-77", "amount": {"amount": 100, "currency": "USD"},
    });
    shop.api.convert(&order).expect(200);
    shop.api.convert(&order).expect(200);
    shop.api
        .convert(&json!({"event": "custom:ann", "external_id": "x"}))
        .expect(200);
    shop.service.wait_for_clicks(4);

    let redirects = |outcome| {
        shop.service
            .count(&format!("linkledger_redirects_total{{outcome=\"{outcome}\"}}"))
    };
    assert_eq!(
        ["redirected", "gone", "unknown", "inactive", "limited"].map(redirects),
        [4, 1, 1, 0, 0]
    );
    let conversions = |event, state| {
        let labels = format!("event=\"{event}\",source=\"api\",state=\"{state}\"");
        shop.service.count(&format!("linkledger_conversions_total{{{labels}}}"))
    };
    assert_eq!(conversions("sale", "attributed"), 1);
    assert_eq!(conversions("sale", "repeated"), 1);
    assert_eq!(conversions("custom", "unattributed"), 1);
    for (series, expected) in [
        ("linkledger_clicks_journaled_total", 4),
        ("linkledger_clicks_committed_total", 4),
        ("linkledger_clicks_lost_total", 0),
        ("linkledger_redirect_duration_seconds_count", 6),
        ("linkledger_attribution_total{outcome=\"attributed\"}", 1),
        ("linkledger_attribution_total{outcome=\"no_touchpoint\"}", 1),
        ("linkledger_visitors_fold_failures_total", 0),
        ("linkledger_user_agents_outdated", 0),
        ("linkledger_links_loaded", 2),
        ("linkledger_store_up", 1),
    ] {
        assert_eq!(shop.service.count(series), expected, "{series}");
    }
    let text = metrics::text(shop.service.metrics());
    for name in [
        "clicks_dropped_total",
        "journal_bytes",
        "journal_unconfirmed_events",
        "journal_oldest_unconfirmed_seconds",
        "commit_delay_seconds_bucket",
        "worker_batch_seconds_bucket",
        "visitors_unfolded_clicks",
        "build_info",
    ] {
        assert!(
            text.contains(&format!("linkledger_{name}")),
            "{name} is missing: {text}"
        );
    }
    let lower = text.to_lowercase();
    let secrets = [
        &shop.slug,
        &gone,
        &shop.link,
        &shop.stage.influencer,
        &shop.stage.campaign,
        &click_id,
    ];
    let names = ["mia", "ann", "order-of", "nowhere", "127.0.0.1"];
    for name in secrets.into_iter().map(String::as_str).chain(names) {
        assert!(!lower.contains(&name.to_lowercase()), "the metrics name {name}");
    }
    shop.service.stop();
}

#[test]
fn livez_and_readyz_answer_and_say_what_runs() {
    let shop = Shop::open();
    let probe = |path: &str| ask(shop.service.metrics(), &Request::get(path));
    assert_eq!(probe("/livez").status, 200);
    let ready = probe("/readyz").expect(200);
    assert_eq!(
        (&ready["status"], &ready["store"], &ready["links_loaded"]),
        (&json!("ready"), &json!("up"), &json!(1))
    );
    assert_eq!(ready["roles"], json!({"redirect": true, "api": true, "worker": true}));
    assert_eq!(probe("/other").status, 404);
    shop.service.stop();
}

#[test]
fn garbage_and_half_requests_disturb_nobody_else() {
    let shop = Shop::open();
    let addresses = [shop.service.redirect(), shop.api.address, shop.service.metrics()];
    let long_header = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(5000));
    let garbage: [&[u8]; 11] = [
        b"",
        b"\0\0\0\0",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /  HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        long_header.as_bytes(),
        long_target.as_bytes(),
        many_headers.as_bytes(),
    ];
    let mut held_open = Vec::new();
    for address in addresses {
        // A visitor in the middle of it all, on one connection.
        let mut visitor = Connection::open(shop.service.redirect()).expect("a connection");
        for bytes in garbage {
            let mut stream = TcpStream::connect(address).expect("a connection");
            // The server may hang up before it has read everything.
            let _cut_off = stream.write_all(bytes);
            let _cut_off = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _reset = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
            visitor.exchange(&visit(&shop.slug)).expect("an answer").click_id();
        }
        let mut half = TcpStream::connect(address).expect("a connection");
        half.write_all(b"GET /half HTTP/1.1\r\nHost").expect("half a request");
        held_open.push(half);
    }
    shop.service.wait_for_clicks(33);
    assert_eq!(shop.service.books().clicks(), 33);
    // Half a request does not keep the service from stopping.
    shop.service.stop();
    drop(held_open);
}
