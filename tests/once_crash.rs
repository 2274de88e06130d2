//! `Idempotency-Key` across `kill -9`: whether the answer arrived or not, the repeat is told what was made.

mod harness;

use std::time::Duration;

use harness::api::Api;
use harness::http;
use harness::process::{Process, verify};
use serde_json::json;

const ROUNDS: usize = 6;
/// A kill comes up to this long after the request was sent.
const KILLED_WITHIN_MS: u64 = 12;

#[test]
fn a_kill_between_commit_and_answer_costs_nothing() {
    let home = harness::directory();
    let dir = home.path().join("data");
    let mut process = Process::start(&dir);
    let stage = process.api().stage();
    for round in 0..ROUNDS {
        let body = stage.link(&json!({"slug": format!("round-{round}")}));
        let api = process.api();
        let request = move |api: &Api| {
            let request = api.request("POST", "/v1/links").json(&body);
            request.header("Idempotency-Key", &format!("round {round}"))
        };
        let first = request(&api);
        let sender = std::thread::spawn(move || http::once(api.address, &first));
        // The moment of the fault.
        std::thread::sleep(Duration::from_millis(harness::random_below(KILLED_WITHIN_MS)));
        process.kill();
        let before = sender.join().expect("the sender");

        process = Process::start(&dir);
        let again = http::ask(process.api().address, &request(&process.api()));
        again.expect(201);
        if let Ok(before) = before {
            assert_eq!(before.text(), again.text(), "round {round}");
        }
        let once_more = http::ask(process.api().address, &request(&process.api()));
        assert_eq!(once_more.text(), again.text(), "round {round}");
    }
    process.terminate();
    verify(&dir);
}
