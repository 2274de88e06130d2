//! Bad input: every row of the table is refused with exactly its answer, and leaves nothing behind.

mod harness;

use std::collections::BTreeMap;

use harness::api::{Api, id, problem, sale, text};
use harness::desk::Desk;
use harness::http::Answer;
use harness::service::Service;
use serde_json::json;

/// The rows, and how to read them.
const TABLES: [&str; 3] = [
    include_str!("data/bad-input.txt"),
    include_str!("data/bad-input-more.txt"),
    include_str!("data/bad-input-product.txt"),
];
/// What the short links start with: a name that no row may lead back to.
const PUBLIC_URL: &str = "https://go.brand.example/";
/// How far the store has read all journals together.
const READ: &str = "records read from journals";
/// What may grow by one: the last click may fall into a quarter of an hour or a day of its own, and onto a thread with
/// a journal of its own.
const SUMS: [&str; 3] = ["click_rollups", "journals", "visitor_days"];
const METHODS: [&str; 5] = ["POST", "PUT", "GET", "PATCH", "DELETE"];

/// One row: a request and its exact answer.
struct Row {
    method: &'static str,
    path: Vec<u8>,
    header: Option<(String, String)>,
    body: Option<Vec<u8>>,
    status: u16,
    fields: Vec<String>,
    /// As it stands in the table.
    text: String,
}

/// A service whose short links have a public name, with a link, and what must not change.
struct Counter {
    desk: Desk,
    /// Ids by the names that rows call them by.
    ids: BTreeMap<&'static str, String>,
}

impl Counter {
    fn open() -> Self {
        let service = Service::start_with(|setup| setup.set("PUBLIC_URL", PUBLIC_URL));
        let api = service.api();
        let stage = api.stage();
        let link = api.link(
            &stage,
            &json!({"slug": "good", "url": "https://shop.example.com/p?a=1", "platform": "x", "post": "p"}),
        );
        // A first click and order, so that what every click needs once is there already.
        let click = service.visit("good").click_id();
        service.wait_for_clicks(1);
        let first = api.convert(&sale("first", Some(&click), 100)).expect(200);
        let missed = api.convert(&sale("missed", None, 100)).expect(200);
        let zoe = json!({"influencer_id": api.influencer("zoe")});
        let mut ids = BTreeMap::from([
            ("CAMPAIGN", stage.campaign.clone()),
            ("INFLUENCER", stage.influencer.clone()),
            ("LINK", id(&link)),
            ("POST", text(&link, "post_id")),
            ("SALE", id(&first)),
            ("MISSED", id(&missed)),
            (
                "OTHERS_CODE",
                id(&api.post("/v1/promo-codes", &stage.link(&zoe)).expect(201)),
            ),
        ]);
        ids.extend(Self::foreign(&api));
        Self {
            desk: Desk { service, api, stage },
            ids,
        }
    }

    /// What another brand has.
    fn foreign(api: &Api) -> [(&'static str, String); 5] {
        api.post("/v1/brands", &json!({"name": "other"})).expect(201);
        let other = api.for_brand("other");
        let stage = other.stage();
        let link = other.link(&stage, &json!({"platform": "x", "post": "p"}));
        let code = other.post("/v1/promo-codes", &stage.link(&json!({}))).expect(201);
        let sale = other.convert(&sale("first", None, 100)).expect(200);
        [
            ("FOREIGN_CAMPAIGN", stage.campaign),
            ("FOREIGN_INFLUENCER", stage.influencer),
            ("FOREIGN_POST", text(&link, "post_id")),
            ("FOREIGN_CODE", id(&code)),
            ("FOREIGN_SALE", id(&sale)),
        ]
    }

    /// How many rows every table has, and how far the store has read each journal.
    fn counts(&self) -> BTreeMap<String, i64> {
        // Else it would hang on the background how many wait to be folded.
        self.desk.service.fold_visitors();
        let books = self.desk.service.books();
        let tables = books.tables();
        let mut counts: BTreeMap<String, i64> = tables
            .into_iter()
            .map(|table| {
                let sql: &'static str = format!("SELECT COUNT(*) FROM {table}").leak();
                (table, books.number(sql))
            })
            .collect();
        assert!(counts.len() > 10);
        let read = "SELECT CAST(COALESCE(SUM(clicks + others), 0) AS BIGINT) FROM journals";
        counts.insert(READ.to_owned(), books.number(read));
        counts
    }

    /// That everything is as it was, and works: one click and one order later there is one click and one order more.
    fn nothing_happened_since(self, before: &BTreeMap<String, i64>) {
        let service = &self.desk.service;
        let clicked = service.count("linkledger_clicks_journaled_total");
        let click = service.visit("good").click_id();
        service.wait_for_clicks(clicked + 1);
        let counted = self.desk.api.convert(&sale("good", Some(&click), 100)).expect(200);
        assert_eq!(counted["state"], "attributed", "{counted}");
        // What these two leave behind, and nothing else: whatever a row had journaled would be read before them.
        let mut expected = before.clone();
        for table in ["clicks", "conversions", "credits", "touchpoints"] {
            *expected.get_mut(table).expect(table) += 1;
        }
        *expected.get_mut(READ).expect(READ) += 2;
        let mut after = self.counts();
        for sums in SUMS {
            let (then, now) = (expected.remove(sums).expect(sums), after.remove(sums).expect(sums));
            assert!((then..=then + 1).contains(&now), "{sums}: {then}, then {now}");
        }
        assert_eq!(after, expected);
        self.desk.service.stop();
    }

    /// Fills in what a row names.
    fn fill(&self, hole: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = hole;
        while let Some((text, tail)) = rest.split_once('<') {
            bytes.extend_from_slice(text.as_bytes());
            let Some((name, after)) = tail.split_once('>') else {
                rest = &rest[text.len()..];
                break;
            };
            match self.named(name) {
                Some(filled) => {
                    bytes.extend(filled);
                    rest = after;
                }
                None => {
                    bytes.push(b'<');
                    rest = tail;
                }
            }
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    }

    fn named(&self, name: &str) -> Option<Vec<u8>> {
        if let Some((count, text)) = name.split_once('*') {
            return Some(text.repeat(count.parse().ok()?).into_bytes());
        }
        let text = match name {
            "API" => self.desk.api.address.to_string(),
            "REDIRECT" => self.desk.service.redirect().to_string(),
            byte if byte.len() == 2 => return Some(vec![u8::from_str_radix(byte, 16).ok()?]),
            _ => self.ids.get(name)?.clone(),
        };
        Some(text.into_bytes())
    }

    fn rows(&self, table: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut request = None;
        for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            let method = METHODS.into_iter().find(|method| line.starts_with(method));
            if let Some(method) = method {
                request = Some((method, line[method.len()..].trim()));
                continue;
            }
            let (method, shape) = request.expect("a request stands above its rows");
            rows.push(self.row(method, shape, line));
        }
        rows
    }

    fn row(&self, method: &'static str, shape: &str, line: &str) -> Row {
        let (status, rest) = line.split_once(' ').expect("a status");
        let (fields, hole) = rest.split_once(' ').expect("fields");
        let hole = self.fill(hole.trim_start());
        let put = |shape: &str| -> Vec<u8> {
            let shape = String::from_utf8(self.fill(shape)).expect("UTF-8");
            match shape.split_once('@') {
                Some((before, after)) => [before.as_bytes(), hole.as_slice(), after.as_bytes()].concat(),
                None => shape.into_bytes(),
            }
        };
        let (path, rest) = shape.split_once(' ').unwrap_or((shape, ""));
        let (header, body) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(") ")) {
            Some((header, body)) => (Some(header), body),
            None => (None, rest),
        };
        let header = header.map(|header| {
            let header = String::from_utf8(put(header)).expect("UTF-8");
            let (name, value) = header.split_once(": ").expect("a header");
            (name.to_owned(), value.to_owned())
        });
        Row {
            method,
            path: put(path),
            header,
            body: (!body.is_empty()).then(|| put(body)),
            status: status.parse().expect("a status"),
            fields: if fields == "-" {
                Vec::new()
            } else {
                fields.split(',').map(str::to_owned).collect()
            },
            text: format!("{method} {shape}: {line}"),
        }
    }

    fn ask(&self, row: &Row) -> Answer {
        let path = String::from_utf8(row.path.clone()).expect("an address is ASCII");
        let mut request = self.desk.api.request(row.method, &path);
        if let Some((name, value)) = &row.header {
            request = request.header(name, value);
        }
        if let Some(body) = &row.body {
            request = request.bytes(body.clone());
        }
        self.desk.api.send(&request)
    }
}

#[test]
fn every_row_of_the_table_is_refused_as_it_says_and_leaves_nothing_behind() {
    let counter = Counter::open();
    let before = counter.counts();
    let mut wrong = Vec::new();
    let mut tried = 0;
    for row in TABLES.iter().flat_map(|table| counter.rows(table)) {
        tried += 1;
        let answer = counter.ask(&row);
        let told = if answer.status == row.status {
            Some(problem(&answer, row.status))
        } else {
            None
        };
        if told.as_deref() != Some(&row.fields) {
            wrong.push(format!("{}\n    {} {}", row.text, answer.status, answer.text()));
        }
    }
    assert!(tried >= 600, "{tried}");
    assert!(
        wrong.is_empty(),
        "{} of {tried} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    counter.nothing_happened_since(&before);
}

#[test]
fn a_short_link_s_query_changes_neither_its_destination_nor_its_headers_nor_its_click_id() {
    let counter = Counter::open();
    let service = &counter.desk.service;
    let long = "x".repeat(4000);
    for query in [
        "redir_url=https://evil.example/",
        "url=//evil.example&redirect=https:evil.example&next=javascript:alert(1)&u=%2F%2Fevil.example",
        "final_url=https://evil.example/&destination_url=https://evil.example/",
        "https://evil.example/",
        "//evil.example/",
        "@evil.example/",
        "#@evil.example",
        "%23@evil.example",
        "\\\\evil.example",
        "a=1%0d%0aLocation:%20https://evil.example/",
        "%0d%0aSet-Cookie:%20a=b",
        "a=%0D%0A%0D%0A<html>",
        "a=%E5%98%8A%E5%98%8DSet-Cookie:x",
        "a=%00",
        "a=%",
        "a=%f",
        "a=\"><script>",
        "ll_click=forged",
        "LL_CLICK=forged&ll%5Fclick=forged&ll_click=",
        "%6cl_click=forged",
        "x=1&ll_click=forged&ll_click=twice",
        "ll_click",
        &format!("a={long}"),
        &format!("ll_click={long}"),
    ] {
        let answer = service.visit(&format!("good?{query}"));
        if answer.status == 400 {
            // No address of HTTP: nothing of it comes back.
            assert!(answer.header("location").is_none() && answer.body.is_empty(), "{query}");
            continue;
        }
        let location = answer.location();
        assert!(
            location.starts_with("https://shop.example.com/p?a=1&"),
            "{query}: {location}"
        );
        assert!(location.bytes().all(|b| b.is_ascii_graphic()), "{query}: {location}");
        assert!(
            !location.contains("forged") && !location.contains('#'),
            "{query}: {location}"
        );
        assert!(answer.header("set-cookie").is_none(), "{query}");
        // Exactly one click id, and one of ours: reading it panics otherwise.
        assert_eq!(answer.click_id().len(), 40, "{query}");
    }
    for path in [
        "good%0d%0aSet-Cookie:a=b",
        "good%0d%0a",
        "good%00",
        "good%2f..%2fother",
        "%67ood/../x",
        "good;a=b",
        "good@evil.example",
        "https:%2f%2fevil.example",
        "%ff%fe",
    ] {
        let answer = service.visit(path);
        assert!(matches!(answer.status, 404 | 429), "{path}: {}", answer.status);
        assert!(
            answer.header("location").is_none() && answer.header("set-cookie").is_none(),
            "{path}"
        );
        assert!(!answer.text().contains("Set-Cookie"), "{path}");
    }
    counter.desk.service.stop();
}
