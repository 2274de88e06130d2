//! Who clicked: people and programs, and where, on what and from where; reports by it, as JSON and CSV; QR codes.
#![allow(missing_docs, reason = "test names are the documentation")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use harness::api::sale;
use harness::http::{Request, ask};
use harness::shop::Shop;
use harness::wait_until;
use serde_json::{Value, json};

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/26.6 Mobile/15E148 Safari/604.1";
const IN_APP: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Mobile/15E148 Instagram 330.0.3.29.90 (iPhone14,5; iOS 17_5; en_US; en; scale=3.00; 1170x2532; 600000000)";
const COMPUTER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn click(shop: &Shop, user_agent: &str, referrer: Option<&str>) -> String {
    let mut request = Request::get(format!("/{}", shop.slug)).header("User-Agent", user_agent);
    if let Some(referrer) = referrer {
        request = request.header("Referer", referrer);
    }
    ask(shop.service.redirect(), &request).click_id()
}

/// Rows of a report by one dimension: name, clicks, people, visitors, sales.
fn rows(shop: &Shop, by: &str, more: &str) -> Vec<(String, i64, i64, i64, i64)> {
    let report = shop
        .api
        .get(&format!("/v1/reports?by={by}&sort=-clicks{more}"))
        .expect(200);
    let mut rows: Vec<_> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let figure = |name: &str| row[name].as_i64().unwrap();
            let name = row["label"][by].as_str().unwrap().to_owned();
            let (clicks, human) = (figure("clicks"), figure("human_clicks"));
            assert_eq!(figure("bot_clicks"), clicks - human);
            (name, clicks, human, figure("unique_visitors"), figure("sales"))
        })
        .collect();
    rows.sort();
    rows
}

fn clicked() -> Shop {
    let shop = Shop::open();
    let id = click(&shop, PHONE, Some("https://l.instagram.com/?u=secret"));
    click(&shop, IN_APP, Some("https://l.instagram.com/"));
    click(&shop, COMPUTER, None);
    click(&shop, COMPUTER, Some("https://T.co:443/abc"));
    click(&shop, "curl/8.5.0", None);
    click(&shop, "facebookexternalhit/1.1", None);
    assert_eq!(
        shop.api.convert(&sale("1", Some(&id), 1000)).expect(200)["state"],
        "attributed"
    );
    wait_until("all clicks are counted", || {
        shop.api.get("/v1/reports?by=total").expect(200)["total"]["clicks"] == json!(6)
    });
    shop
}

fn row(name: &str, clicks: i64, human: i64, visitors: i64, sales: i64) -> (String, i64, i64, i64, i64) {
    (name.to_owned(), clicks, human, visitors, sales)
}

#[test]
fn clicks_are_told_apart_by_browser_system_device_and_referrer() {
    let shop = clicked();
    assert_eq!(
        rows(&shop, "device", ""),
        [
            row("desktop", 2, 2, 1, 0),
            row("mobile", 2, 2, 2, 1),
            row("other", 2, 0, 0, 0)
        ]
    );
    assert_eq!(rows(&shop, "os", "&device=mobile"), [row("iOS", 2, 2, 2, 1)]);
    let browsers = rows(&shop, "browser", "");
    assert!(browsers.contains(&row("Mobile Safari", 1, 1, 1, 1)), "{browsers:?}");
    assert!(browsers.contains(&row("Instagram", 1, 1, 1, 0)), "{browsers:?}");
    assert!(browsers.contains(&row("Firefox", 2, 2, 1, 0)), "{browsers:?}");
    assert_eq!(
        rows(&shop, "referrer", ""),
        [
            row("(none)", 3, 1, 1, 0),
            row("l.instagram.com", 2, 2, 2, 1),
            row("t.co", 1, 1, 1, 0)
        ]
    );
    assert_eq!(rows(&shop, "country", ""), [row("(none)", 6, 4, 3, 1)]);
    // The same from raw clicks as from rollups: no quarter of an hour begins at this instant.
    assert_eq!(
        rows(&shop, "device", "&from=2020-01-01T00:00:01Z"),
        rows(&shop, "device", "")
    );
    shop.service.stop();
}

#[test]
fn a_report_is_written_as_csv_too_and_no_label_is_a_formula() {
    let shop = clicked();
    shop.api
        .patch(
            &format!("/v1/campaigns/{}", shop.stage.campaign),
            &json!({"name": "=1+1, \"x\""}),
        )
        .expect(200);
    let answer = shop.api.get("/v1/reports?by=campaign&format=csv");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = answer.text();
    let lines: Vec<_> = text.split("\r\n").collect();
    assert!(
        lines[0].starts_with("campaign,campaign_label,clicks,human_clicks,"),
        "{text}"
    );
    assert!(lines[0].contains("revenue_usd_minor"), "{text}");
    assert!(lines[1].contains(",\"'=1+1, \"\"x\"\"\",6,4,2,"), "{text}");
    assert_eq!(lines.len(), 3, "{text}");
    shop.service.stop();
}

#[test]
fn a_csv_report_that_is_cut_off_says_where_it_goes_on() {
    let shop = clicked();
    let asked = "/v1/reports?by=browser&format=csv&tz=Asia%2FKolkata";
    let rows = |text: String| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let whole = shop.api.get(asked);
    assert_eq!(whole.header("link"), None);
    let mut next = Some(format!("{asked}&limit=1"));
    let mut met = Vec::new();
    while let Some(page) = next {
        let answer = shop.api.get(&page);
        assert_eq!(answer.status, 200, "{page}");
        let link = answer.header("link").map(str::to_owned);
        let row = rows(answer.text());
        assert_eq!(row.len(), 1, "{page}");
        met.extend(row);
        next = link.map(|link| {
            let address = link
                .strip_prefix('<')
                .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
            address.unwrap_or_else(|| panic!("{link}")).to_owned()
        });
    }
    assert!(met.len() > 1);
    assert_eq!(met, rows(whole.text()));
    shop.service.stop();
}

#[test]
fn a_link_has_its_qr_code_as_svg_and_png() {
    let shop = Shop::open();
    let svg = shop.api.get(&format!("/v1/links/{}/qr.svg", shop.link));
    assert_eq!((svg.status, svg.header("content-type")), (200, Some("image/svg+xml")));
    assert!(svg.text().contains("<svg"));
    let png = shop.api.get(&format!("/v1/links/{}/qr.png", shop.link));
    assert_eq!((png.status, png.header("content-type")), (200, Some("image/png")));
    assert!(png.body.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(shop.api.get("/v1/links/lnk_0000000001/qr.png").status, 404);
    let _: Value = shop.api.get(&format!("/v1/links/{}", shop.link)).expect(200);
    shop.service.stop();
}
