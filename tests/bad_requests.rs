//! Bad requests below the level of bodies: sizes, framing, headers, methods, keys.

mod harness;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use harness::KEY;
use harness::api::{id, problem};
use harness::desk::Desk;
use harness::directory;
use harness::http::Request;
use harness::process::Process;
use serde_json::json;

const MIB: usize = 1 << 20;
/// What the service may grow by while it is sent a body of 20 MiB: the largest body that it takes, and what it does anyway.
const GROWTH_MAX_KIB: u64 = 16 << 10;

/// Sends bytes as they are, a piece at a time until nobody listens, and reads the answer's first line.
fn raw(address: SocketAddr, pieces: impl Iterator<Item = Vec<u8>>) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .expect("a timeout");
    for piece in pieces {
        // Refused before it is complete: the answer is on its way.
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line);
    read.map(|_| line.trim().to_owned()).unwrap_or_default()
}

fn once(text: String) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(text.into_bytes())
}

fn head(method_and_path: &str, more: &str) -> Vec<u8> {
    format!("{method_and_path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {KEY}\r\n{more}\r\n").into_bytes()
}

/// The most memory that a process has had, in KiB.
fn peak_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

#[test]
fn bodies_of_twenty_mib_are_413_however_they_come_and_take_no_memory() {
    let home = directory();
    let process = Process::start(&home.path().join("data"));
    let api = process.api();
    api.stage();
    let before = peak_kib(&process);
    for path in ["/v1/conversions", "/v1/links/bulk", "/v1/influencers"] {
        let post = format!("POST {path}");
        let piece = || vec![b' '; MIB];
        let whole = std::iter::repeat_with(piece).take(20);
        let announced = head(&post, &format!("Content-Length: {}\r\n", 20 * MIB));
        let answer = raw(api.address, std::iter::once(announced).chain(whole));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");

        let chunk = || [format!("{MIB:x}\r\n").as_bytes(), &piece(), b"\r\n"].concat();
        let chunks = std::iter::repeat_with(chunk).take(20);
        let unannounced = head(&post, "Transfer-Encoding: chunked\r\n");
        let pieces = std::iter::once(unannounced).chain(chunks);
        let answer = raw(api.address, pieces.chain(std::iter::once(b"0\r\n\r\n".to_vec())));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");

        // Without a key nobody's body is read.
        let nobody = format!("{post} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", 20 * MIB);
        let answer = raw(api.address, once(nobody));
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    let grown = peak_kib(&process) - before;
    assert!(grown < GROWTH_MAX_KIB, "grew by {grown} KiB");
    problem(
        &api.send(&api.request("POST", "/v1/links/bulk").bytes(vec![b'['; 20 * MIB])),
        413,
    );
    api.get("/v1/links").expect(200);
    process.terminate();
}

#[test]
fn what_is_no_http_is_refused_and_the_next_request_is_answered() {
    let desk = Desk::open();
    let long = "x".repeat(200_000);
    for address in [desk.api.address, desk.service.redirect()] {
        for text in [
            "NONSENSE\r\n\r\n".to_owned(),
            "GET / HTTP/9.9\r\n\r\n".to_owned(),
            "GET /a b HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(),
            format!("GET /{long} HTTP/1.1\r\nHost: test\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: test\r\nX-Long: {long}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "X-Many: x\r\n".repeat(2000)),
            "GET / HTTP/1.1\r\nHost: test\r\nBad Name: x\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: test\r\nX: a\0b\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n".to_owned(),
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
                .to_owned(),
        ] {
            let answer = raw(address, once(text.clone()));
            let status = answer.split(' ').nth(1).unwrap_or_default();
            // A peer that speaks no HTTP may also be hung up on.
            assert!(status.is_empty() || status.starts_with('4'), "{:.60}: {answer}", text);
        }
    }
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "5\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        let start = head("POST /v1/influencers", "Transfer-Encoding: chunked\r\n");
        let answer = raw(desk.api.address, [start, body.as_bytes().to_vec()].into_iter());
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status.is_empty() || status.starts_with('4'), "{body:?}: {answer}");
    }
    desk.api.get("/v1/links").expect(200);
    assert_eq!(desk.service.visit("unknown").status, 404);
    desk.service.stop();
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let desk = Desk::open();
    let link = id(&desk.api.link(&desk.stage, &json!({})));
    for (methods, path, allow) in [
        (
            &["PUT", "PATCH", "DELETE", "TRACE", "QUERY"][..],
            "/v1/links".to_owned(),
            "GET, POST",
        ),
        (&["PUT", "POST"], format!("/v1/links/{link}"), "GET, PATCH, DELETE"),
        (&["GET", "PUT"], "/v1/links/bulk".to_owned(), "POST"),
        (&["POST", "DELETE"], format!("/v1/links/{link}/qr.png"), "GET"),
        (&["POST"], "/v1/reports?by=total".to_owned(), "GET"),
        (&["POST", "PUT"], "/openapi.json".to_owned(), "GET"),
        (&["POST"], "/docs".to_owned(), "GET"),
    ] {
        for method in methods {
            // Whoever asks: what an address takes is no secret.
            for api in [desk.api.clone(), desk.api.without_key()] {
                let answer = api.send(&api.request(method, &path));
                assert_eq!(problem(&answer, 405), [""; 0], "{method} {path}");
                assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
            }
        }
    }
    desk.service.stop();
}

#[test]
fn a_key_in_any_other_form_opens_nothing_and_another_brand_s_header_neither() {
    let desk = Desk::open();
    let nobody = desk.api.without_key();
    let lower = KEY.to_uppercase();
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        KEY.to_owned(),
        format!("Basic {KEY}"),
        format!("Token {KEY}"),
        format!("Bearer{KEY}"),
        format!("Bearer {KEY}x"),
        format!("Bearer {}", &KEY[1..]),
        format!("Bearer {lower}"),
        format!("Bearer \"{KEY}\""),
        format!("Bearer {KEY},{KEY}"),
        format!("Bearer {KEY} {KEY}"),
        format!("Bearer Bearer {KEY}"),
        "Bearer null".to_owned(),
        "Bearer é".to_owned(),
        format!("Bearer {}", "x".repeat(8000)),
    ] {
        let request = nobody.request("GET", "/v1/links").header("Authorization", &value);
        let answer = nobody.send(&request);
        problem(&answer, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{value}");
    }
    // Two of them: which one is meant, nobody can say.
    for (first, second) in [(KEY, "llk_wrong"), ("llk_wrong", KEY)] {
        let twice = nobody
            .request("GET", "/v1/links")
            .header("Authorization", &format!("Bearer {first}"))
            .header("Authorization", &format!("Bearer {second}"));
        problem(&nobody.send(&twice), 401);
    }
    for path in [format!("/v1/links?key={KEY}"), format!("/v1/links?access_token={KEY}")] {
        problem(&nobody.get(&path), 401);
    }
    let other = desk.api.post("/v1/brands", &json!({"name": "other"})).expect(201);
    let mine = desk.api.with_key(&desk.api.make_key("admin"));
    for brand in [
        id(&other),
        "other".to_owned(),
        "OTHER".to_owned(),
        "unknown".to_owned(),
        String::new(),
        "é".to_owned(),
    ] {
        let as_other = mine.for_brand(&brand);
        problem(&as_other.get("/v1/links"), 403);
        let body = json!({"handle": "intruder", "name": "Intruder"});
        problem(&as_other.post("/v1/influencers", &body), 403);
    }
    for brand in ["unknown", "", "é", "brd_000000000000"] {
        problem(&desk.api.for_brand(brand).get("/v1/links"), 404);
    }
    let twice = desk
        .api
        .for_brand("default")
        .request("GET", "/v1/links")
        .header("Linkledger-Brand", "other");
    problem(&desk.api.send(&twice), 400);
    assert_eq!(desk.service.books().number("SELECT COUNT(*) FROM influencers"), 1);
    desk.service.stop();
}

#[test]
fn json_is_taken_for_json_whatever_its_content_type_says() {
    let desk = Desk::open();
    for (number, kind) in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "nonsense",
    ]
    .iter()
    .enumerate()
    {
        let body = json!({"handle": format!("h{number}"), "name": "H"});
        let request = Request {
            ..desk.api.request("POST", "/v1/influencers")
        };
        desk.api
            .send(&request.header("Content-Type", kind).json(&body))
            .expect(201);
    }
    // What is packed is not unpacked: it is no JSON.
    let packed = desk
        .api
        .request("POST", "/v1/influencers")
        .header("Content-Encoding", "gzip");
    problem(&desk.api.send(&packed.bytes(b"\x1f\x8b\x08\x00".to_vec())), 400);
    desk.service.stop();
}
