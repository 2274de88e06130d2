//! Where clicks come from: a database of the operator's, else a trusted proxy's word.
#![allow(missing_docs, reason = "test names are the documentation")]

mod harness;

use harness::http::visit;
use harness::mmdb::{Database, Value};
use harness::process::{command, complaint};
use harness::service::Service;
use harness::{directory, files};
use serde_json::{Value as Json, json};

fn database() -> Vec<u8> {
    Database::new("Test-Country")
        .with("203.0.113.0/24", Value::country("DE"))
        .with(
            "198.51.100.0/24",
            Value::Map(vec![("registered_country", Value::iso_code("FR"))]),
        )
        .with("2001:db8:7::/48", Value::Map(vec![("country_code", Value::Text("BR"))]))
        .bytes()
}

#[test]
fn clicks_have_the_country_of_their_address_and_no_address_is_kept() {
    let home = directory();
    let path = home.path().join("countries.mmdb");
    std::fs::write(&path, database()).expect("written");
    let service = Service::start_with(|setup| {
        setup
            .set("TRUSTED_PROXIES", "127.0.0.0/8")
            .set("GEOIP_DB", path.to_str().expect("a path"))
    });
    // Read once: what becomes of the file afterwards changes nothing.
    std::fs::write(&path, b"").expect("written");
    let api = service.api();
    let link = api.link(&api.stage(), &json!({}));
    let slug = link["slug"].as_str().expect("a slug");
    for (client, told) in [
        ("203.0.113.9", None),
        // The database wins over the proxy.
        ("203.0.113.10", Some("US")),
        // What a visitor claims of himself stands further left and counts for nothing.
        ("203.0.113.11, 198.51.100.1", None),
        ("[2001:db8:7::1]:4711", None),
        // Where the database knows nothing the proxy is asked.
        ("192.0.2.1", Some("nl")),
        ("192.0.2.2", Some("XX")),
        ("2001:db8:8::1", None),
    ] {
        let mut request = visit(slug).header("X-Forwarded-For", client);
        if let Some(told) = told {
            request = request.header("CF-IPCountry", told);
        }
        service.answer(&request).location();
    }
    service.wait_for_clicks(7);
    let report = api.get("/v1/reports?by=country&sort=-clicks").expect(200);
    let mut counted: Vec<(&str, i64)> = report["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row: &Json| {
            let name = row["label"]["country"].as_str().expect("a name");
            (name, row["clicks"].as_i64().expect("a count"))
        })
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, [("(none)", 2), ("BR", 1), ("DE", 2), ("FR", 1), ("NL", 1)]);
    for file in files(&service.dir) {
        let stored = std::fs::read(&file).expect("a file of the data directory");
        for address in [&b"203.0.113."[..], b"198.51.100.", b"2001:db8", &[203, 0, 113, 9]] {
            let held = stored.windows(address.len()).any(|window| window == address);
            assert!(!held, "{} holds an address", file.display());
        }
    }
    service.stop();
}

#[test]
fn a_database_that_cannot_tell_countries_refuses_the_start() {
    let home = directory();
    let path = home.path().join("countries.mmdb");
    let dir = home.path().join("data");
    let numbers = Value::Map(vec![("autonomous_system_number", Value::Whole(64500))]);
    for (content, why) in [
        (None, "cannot read"),
        (Some(b"<html>".to_vec()), "is not an .mmdb database"),
        (
            Some(Database::new("Test-ASN").with("203.0.113.0/24", numbers).bytes()),
            "`Test-ASN`, which knows no countries",
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(&path, content).expect("written");
        }
        let output = command(&dir)
            .env("LINKLEDGER_GEOIP_DB", &path)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let complaint = complaint(&output);
        assert!(
            complaint.contains("LINKLEDGER_GEOIP_DB") && complaint.contains(why),
            "{complaint}"
        );
        assert!(
            !dir.exists(),
            "nothing is made before the settings are known to be good"
        );
    }
}
