//! Reports against an independent count, in every dimension, zone and range.

mod harness;

use std::collections::BTreeMap;

use harness::api::Api;
use harness::service::Service;
use harness::tally::{Dice, LinkFacts, Tally, Zone, ms};
use linkledger::clock::Clock;
use linkledger::domain::time::Instant;
use serde_json::{Value, json};

const START: &str = "2026-10-20T11:22:33.444Z";
const EVERYTHING: (&str, &str) = ("2026-10-01T00:00:00Z", "2026-11-10T00:00:00Z");
const ENTITIES: [&str; 5] = ["link", "campaign", "influencer", "platform", "post"];
const TIMES: [&str; 4] = ["hour", "day", "week", "month"];

/// A service on which two weeks around the end of summer time have happened.
struct Fortnight {
    service: Service,
    api: Api,
    clock: Clock,
    tally: Tally,
}

impl Fortnight {
    fn new(seed: u64) -> Self {
        let clock = Clock::fixed(Instant::from_ms(ms(START)));
        let service = Service::start_with(|setup| setup.clock(&clock));
        let api = service.api();
        let mut tally = Tally::stage(&api);
        let mut dice = Dice::new(seed);
        // Some days closely, some loosely, and the night of the change minute by minute.
        tally.happen(&service, &clock, &mut dice, 150, 3_600_000);
        clock.set(Instant::from_ms(ms("2026-10-24T21:30:00Z").max(clock.now().ms())));
        tally.happen(&service, &clock, &mut dice, 150, 240_000);
        tally.happen(&service, &clock, &mut dice, 60, 20_000_000);
        Self {
            service,
            api,
            clock,
            tally,
        }
    }

    #[track_caller]
    fn report(&self, question: &str) -> Value {
        self.api.get(&format!("/v1/reports?{question}")).expect(200)
    }

    /// One report, row by row and in total, against the tally.
    #[track_caller]
    fn check(&self, by: &[&str], zone: Zone, range: (&str, &str), filter: &str, only: impl Fn(&LinkFacts) -> bool) {
        let question = format!(
            "by={}&from={}&to={}&tz={}&limit=10000{filter}",
            by.join(","),
            range.0,
            range.1,
            zone.name()
        );
        let report = self.report(&question);
        let within = (ms(range.0), ms(range.1));
        let expected = self.tally.rows(by, zone, within, &only);
        let written: BTreeMap<String, Value> = expected.iter().map(|(key, row)| (key.clone(), row.written())).collect();
        assert_eq!(rows(&report, by), written, "{question}");
        let must_have_rows = range == EVERYTHING && filter.is_empty();
        assert!(!must_have_rows || written.len() > 1, "nothing to compare: {question}");

        let total = self.tally.rows(&[], zone, within, &only).remove("").unwrap_or_default();
        assert_eq!(measures(&report["total"]), total.written(), "{question}");
        let euros = match total.euros {
            (0, _) => json!([]),
            (conversions, revenue) => json!([{"currency": "EUR", "conversions": conversions, "revenue": revenue}]),
        };
        assert_eq!(report["total"]["other_currencies"], euros, "{question}");
        let unattributed = self.tally.unattributed(within);
        let told = (
            &report["total"]["unattributed_conversions"],
            &report["total"]["unattributed_revenue"],
        );
        if filter.is_empty() {
            assert_eq!(
                told,
                (&json!(unattributed.conversions), &json!(unattributed.revenue)),
                "{question}"
            );
        } else {
            assert_eq!(
                told,
                (&json!(0), &json!(0)),
                "what nobody earned belongs to no link: {question}"
            );
        }
        for additive in [
            "clicks",
            "human_clicks",
            "bot_clicks",
            "conversions",
            "sales",
            "leads",
            "revenue",
        ] {
            let sum: i64 = written.values().filter_map(|row| row[additive].as_i64()).sum();
            assert_eq!(report["total"][additive], sum, "{additive}: {question}");
        }
    }
}

/// A row without its key and label, a total without what only it has.
fn measures(row: &Value) -> Value {
    let mut row = row.clone();
    let map = row.as_object_mut().expect("a row");
    for other in [
        "key",
        "label",
        "unattributed_conversions",
        "unattributed_revenue",
        "unattributed_refunds",
        "other_currencies",
    ] {
        map.remove(other);
    }
    row
}

fn key(row: &Value, by: &[&str]) -> String {
    let keys = row["key"].as_object().expect("a key");
    assert_eq!(keys.keys().collect::<Vec<_>>(), by, "dimensions in the order asked");
    keys.values()
        .map(|value| value.as_str().unwrap_or("null"))
        .collect::<Vec<_>>()
        .join("|")
}

#[track_caller]
fn rows(report: &Value, by: &[&str]) -> BTreeMap<String, Value> {
    assert_eq!(report["next_cursor"], Value::Null);
    let rows = report["rows"].as_array().expect("rows");
    let by_key: BTreeMap<_, _> = rows.iter().map(|row| (key(row, by), measures(row))).collect();
    assert_eq!(by_key.len(), rows.len(), "a key came twice: {report}");
    by_key
}

#[test]
fn every_dimension_and_every_pair_agrees_with_an_independent_count() {
    let fortnight = Fortnight::new(1);
    for entity in ENTITIES {
        fortnight.check(&[entity], Zone::Utc, EVERYTHING, "", |_| true);
        for other in ENTITIES.iter().filter(|other| **other != entity) {
            fortnight.check(&[entity, other], Zone::Utc, EVERYTHING, "", |_| true);
        }
        for time in TIMES {
            fortnight.check(&[entity, time], Zone::Berlin, EVERYTHING, "", |_| true);
            fortnight.check(&[time, entity], Zone::Kolkata, EVERYTHING, "", |_| true);
        }
    }
    fortnight.service.stop();
}

#[test]
fn hours_days_weeks_and_months_follow_the_zone_through_half_hours_and_clock_changes() {
    let fortnight = Fortnight::new(2);
    for zone in Zone::ALL {
        for time in TIMES {
            fortnight.check(&[time], zone, EVERYTHING, "", |_| true);
        }
    }
    // The hour that Berlin met twice is two rows, in their order.
    let question = "by=hour&from=2026-10-25T00:00:00Z&to=2026-10-25T02:00:00Z&tz=Europe/Berlin";
    let hours = fortnight.report(question);
    let hours: Vec<_> = hours["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["key"]["hour"].clone())
        .collect();
    assert_eq!(hours, ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]);
    // A date is a whole local day: Berlin's was 25 hours long.
    for (zone, day, range) in [
        (
            Zone::Berlin,
            "2026-10-25",
            ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ),
        (
            Zone::Kolkata,
            "2026-10-25",
            ("2026-10-24T18:30:00Z", "2026-10-25T18:30:00Z"),
        ),
        (
            Zone::Kathmandu,
            "2026-10-25",
            ("2026-10-24T18:15:00Z", "2026-10-25T18:15:00Z"),
        ),
    ] {
        let question = format!("by=link&from={day}&to={day}&tz={}", zone.name());
        let report = fortnight.report(&question);
        assert_eq!(
            (&report["from"], &report["to"], &report["tz"]),
            (&json!(day), &json!(day), &json!(zone.name()))
        );
        let within = (ms(range.0), ms(range.1));
        let expected = fortnight.tally.rows(&["link"], zone, within, |_| true);
        let written: BTreeMap<_, _> = expected.iter().map(|(key, row)| (key.clone(), row.written())).collect();
        assert_eq!(rows(&report, &["link"]), written, "{question}");
    }
    fortnight.service.stop();
}

#[test]
fn ranges_that_end_between_quarters_count_to_the_millisecond() {
    let fortnight = Fortnight::new(3);
    let mut dice = Dice::new(33);
    let (first, last) = (ms("2026-10-20T00:00:00Z"), fortnight.clock.now().ms() + 1);
    let span = u64::try_from(last - first).expect("forward");
    let mut instant = || {
        let at_ms = first + i64::try_from(dice.below(span)).expect("small");
        Instant::from_ms(at_ms).to_string()
    };
    for _ in 0..15 {
        let (a, b) = (instant(), instant());
        let range = if ms(&a) < ms(&b) { (&*a, &*b) } else { (&*b, &*a) };
        fortnight.check(&["link"], Zone::Utc, range, "", |_| true);
        fortnight.check(&["platform", "hour"], Zone::Kathmandu, range, "", |_| true);
        fortnight.check(&["day"], Zone::Berlin, range, "", |_| true);
    }
    // Within one quarter, on its edges, and empty.
    for range in [
        ("2026-10-25T00:01:00Z", "2026-10-25T00:02:30.5Z"),
        ("2026-10-25T00:14:59.999Z", "2026-10-25T00:15:00.001Z"),
        ("2026-10-25T00:15:00Z", "2026-10-25T00:30:00Z"),
        ("2026-10-25T00:20:00Z", "2026-10-25T00:20:00Z"),
        ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),
    ] {
        fortnight.check(&["link"], Zone::Utc, range, "", |_| true);
    }
    fortnight.service.stop();
}

#[test]
fn filters_narrow_every_measure() {
    let fortnight = Fortnight::new(4);
    let links = &fortnight.tally.links;
    let (link, other) = (&links[2], &links[5]);
    for by in [&["link"][..], &["day"], &["influencer", "week"]] {
        fortnight.check(by, Zone::Utc, EVERYTHING, &format!("&link={}", link.id), |one| {
            one.id == link.id
        });
        let campaign = format!("&campaign={}", link.campaign);
        fortnight.check(by, Zone::Berlin, EVERYTHING, &campaign, |one| {
            one.campaign == link.campaign
        });
        let influencer = format!("&influencer={}", link.influencer);
        fortnight.check(by, Zone::Kolkata, EVERYTHING, &influencer, |one| {
            one.influencer == link.influencer
        });
        let platform = |one: &LinkFacts| one.platform.as_deref() == Some("tiktok");
        fortnight.check(by, Zone::Utc, EVERYTHING, "&platform=TikTok", platform);
        let post = format!("&post={}", other.post.as_deref().expect("a post"));
        fortnight.check(by, Zone::Utc, EVERYTHING, &post, |one| one.post == other.post);
        let both = format!("{campaign}&platform=tiktok");
        let of_both = |one: &LinkFacts| one.campaign == link.campaign && platform(one);
        fortnight.check(
            by,
            Zone::Utc,
            ("2026-10-22T01:02:03Z", "2026-10-26T04:05:06Z"),
            &both,
            of_both,
        );
        fortnight.check(by, Zone::Utc, EVERYTHING, "&platform=nowhere", |_| false);
    }
    fortnight.service.stop();
}

#[test]
fn rows_are_sorted_and_pages_join_without_gap_or_overlap() {
    let fortnight = Fortnight::new(5);
    let range = "from=2026-10-01&to=2026-11-09";
    let by = ["link", "day"];
    for sort in [
        "",
        "&sort=-clicks",
        "&sort=clicks",
        "&sort=-revenue",
        "&sort=value_per_sale",
        "&sort=-conversion_rate",
    ] {
        let whole = fortnight.report(&format!("by=link,day&{range}{sort}"));
        let all: Vec<Value> = whole["rows"].as_array().expect("rows").clone();
        if let Some((_, measure)) = sort.split_once('=') {
            let (name, descending) = measure.strip_prefix('-').map_or((measure, false), |name| (name, true));
            let values: Vec<f64> = all
                .iter()
                .map(|row| row[name].as_f64().unwrap_or(f64::NEG_INFINITY))
                .collect();
            let ordered = |pair: &[f64]| {
                if descending {
                    pair[0] >= pair[1]
                } else {
                    pair[0] <= pair[1]
                }
            };
            assert!(values.windows(2).all(ordered), "{sort}: {values:?}");
        } else {
            let days: Vec<_> = all.iter().map(|row| row["key"]["day"].to_string()).collect();
            assert!(days.is_sorted(), "{days:?}");
        }
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = fortnight.report(&format!("by=link,day&{range}{sort}&limit=7{cursor}"));
            assert_eq!(page["total"], whole["total"], "the total is over all rows");
            pages.extend(page["rows"].as_array().expect("rows").clone());
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(pages, all, "{sort}");
        assert_eq!(rows(&whole, &by).len(), all.len());
    }
    let labels = fortnight.report(&format!("by=influencer,campaign&{range}"));
    for row in labels["rows"].as_array().expect("rows") {
        let (handle, campaign) = (&row["label"]["influencer"], &row["label"]["campaign"]);
        assert!([json!("ada"), json!("bo"), json!("cy")].contains(handle), "{row}");
        assert!([json!("Spring"), json!("Autumn")].contains(campaign), "{row}");
    }
    fortnight.service.stop();
}

#[test]
fn a_report_without_dates_is_the_last_thirty_days_of_the_brand_s_own_zone() {
    let fortnight = Fortnight::new(6);
    fortnight.clock.set(Instant::from_ms(ms("2026-11-21T18:45:00Z")));
    let brands = fortnight.api.get("/v1/brands").expect(200);
    let brand = harness::api::id(&brands["data"][0]);
    fortnight
        .api
        .patch(&format!("/v1/brands/{brand}"), &json!({"timezone": "Asia/Kolkata"}))
        .expect(200);
    let report = fortnight.report("by=total");
    // 18:45 UTC is already the 22nd there.
    let told = [
        &report["from"],
        &report["to"],
        &report["tz"],
        &report["currency"],
        &report["model"],
    ];
    assert_eq!(told, ["2026-10-24", "2026-11-22", "Asia/Kolkata", "USD", "last_touch"]);
    let within = (ms("2026-10-23T18:30:00Z"), ms("2026-11-22T18:30:00Z"));
    let expected = fortnight.tally.rows(&[], Zone::Kolkata, within, |_| true);
    assert_eq!(measures(&report["rows"][0]), expected[""].written());
    assert_eq!(report["rows"][0]["key"], json!({}));
    assert_eq!(measures(&report["total"]), expected[""].written());
    let nothing = fortnight.report("by=total&from=2020-01-01&to=2020-01-01");
    assert_eq!(
        nothing["rows"].as_array().map(Vec::len),
        Some(1),
        "a total is always one row"
    );
    fortnight.service.stop();
}
