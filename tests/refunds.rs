//! What a shop gives back is taken off its order: once, in whatever order things arrive, and never more than it was.

mod harness;

use harness::api::{Api, id, problem, sale};
use harness::http::Answer;
use harness::service::{Service, Setup};
use harness::shop::Shop;
use harness::{directory, wait_until};
use serde_json::{Value, json};

fn refund(order: &str, refund: &str, cents: i64) -> Value {
    json!({"order_id": order, "refund_id": refund, "amount": {"amount": cents, "currency": "USD"}})
}

fn gross(order: &str, refund: &str, cents: i64) -> Value {
    json!({"order_id": order, "refund_id": refund, "gross_amount": {"amount": cents, "currency": "USD"}})
}

#[track_caller]
fn give_back(api: &Api, body: &Value) -> Answer {
    let request = api.request("POST", "/v1/refunds").header("Prefer", "wait=30");
    api.send(&request.json(body))
}

#[track_caller]
fn refunded(api: &Api, conversion: &str) -> Value {
    api.get(&format!("/v1/conversions/{conversion}")).expect(200)["refunded"].clone()
}

#[test]
fn a_refund_is_taken_off_its_order_and_counts_once() {
    let shop = Shop::open();
    let order = id(&shop.api.convert(&sale("o1", Some(&shop.click()), 9999)).expect(200));
    let accepted = shop.api.post("/v1/refunds", &refund("o1", "r1", 3333)).expect(202);
    assert_eq!(accepted["state"], "accepted");
    let applied = give_back(&shop.api, &refund("o1", "r1", 3333)).expect(200);
    assert_eq!(
        (&applied["id"], &applied["state"]),
        (&accepted["id"], &json!("applied"))
    );
    assert!(id(&applied).starts_with("rfd_"));
    assert_eq!(applied["amount"], json!({"amount": 3333, "currency": "USD"}));
    assert_eq!(refunded(&shop.api, &order), json!({"amount": 3333, "currency": "USD"}));

    let contradiction = give_back(&shop.api, &refund("o1", "r1", 3334));
    let problem = contradiction.expect(409);
    assert_eq!(problem["refund"]["amount"]["amount"], 3333, "the first stands");

    give_back(&shop.api, &refund("o1", "r2", 6666)).expect(200);
    assert_eq!(refunded(&shop.api, &order)["amount"], 9999);
    let explained = shop.api.get(&format!("/v1/conversions/{order}/explain")).expect(200);
    assert_eq!(explained["refunds"].as_array().map(Vec::len), Some(2), "{explained}");
    assert_eq!(shop.service.books().number("SELECT COUNT(*) FROM refunds"), 2);
    shop.service.stop();
}

#[test]
fn a_refund_beyond_its_order_or_in_another_currency_is_refused_and_kept_as_a_rejection() {
    let shop = Shop::open();
    let order = id(&shop.api.convert(&sale("o1", None, 1000)).expect(200));
    give_back(&shop.api, &refund("o1", "r1", 600)).expect(200);
    assert_eq!(
        problem(&give_back(&shop.api, &refund("o1", "r2", 401)), 422),
        ["amount.amount"]
    );
    assert_eq!(
        problem(&give_back(&shop.api, &gross("o1", "r3", 1001)), 422),
        ["gross_amount.amount"]
    );
    let yen = json!({"order_id": "o1", "refund_id": "r4", "amount": {"amount": 1, "currency": "JPY"}});
    assert_eq!(problem(&give_back(&shop.api, &yen), 422), ["amount.currency"]);
    assert_eq!(refunded(&shop.api, &order)["amount"], 600);

    let listed = shop.api.get("/v1/rejections").expect(200);
    let reasons: Vec<_> = listed["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| r["reason"].clone())
        .collect();
    assert_eq!(
        reasons,
        ["refund_in_other_currency", "refund_beyond_order", "refund_beyond_order"]
    );
    // A refund that was refused may come again, smaller.
    give_back(&shop.api, &refund("o1", "r2", 400)).expect(200);
    assert_eq!(refunded(&shop.api, &order)["amount"], 1000);
    assert_eq!(
        shop.service
            .count("linkledger_rejections_total{reason=\"refund_beyond_order\"}"),
        2
    );
    shop.service.stop();
}

#[test]
fn a_gross_refund_takes_its_share_and_all_of_them_take_exactly_the_net_amount() {
    let shop = Shop::open();
    let mut order = sale("o1", Some(&shop.click()), 3000);
    order["gross_amount"] = json!({"amount": 3300, "currency": "USD"});
    let order = id(&shop.api.convert(&order).expect(200));
    for (place, net) in [("r1", 1500), ("r2", 1500)] {
        let applied = give_back(&shop.api, &gross("o1", place, 1650)).expect(200);
        assert_eq!(applied["amount"]["amount"], net);
        assert_eq!(applied["gross_amount"]["amount"], 1650);
    }
    assert_eq!(refunded(&shop.api, &order)["amount"], 3000);
    assert_eq!(
        problem(&give_back(&shop.api, &gross("o1", "r3", 1)), 422),
        ["gross_amount.amount"]
    );
    shop.service.stop();
}

#[test]
fn a_refund_before_its_order_waits_for_it() {
    let shop = Shop::open();
    let waiting = give_back(&shop.api, &refund("late", "r1", 700)).expect(200);
    assert_eq!(
        (&waiting["state"], &waiting["amount"]),
        (&json!("pending_order"), &Value::Null)
    );
    // Two that wait, of which only one fits: the one that was given back first.
    for (name, at) in [("r2", "2026-03-02T00:00:00Z"), ("r3", "2026-03-01T00:00:00Z")] {
        let mut body = refund("late", name, 200);
        body["refunded_at"] = at.into();
        assert_eq!(give_back(&shop.api, &body).expect(200)["state"], "pending_order");
    }
    let order = id(&shop.api.convert(&sale("late", None, 1000)).expect(200));
    assert_eq!(
        refunded(&shop.api, &order)["amount"],
        400,
        "r3 and r2 fit, and then r1 does not"
    );
    let states = shop
        .service
        .books()
        .texts("SELECT refund_id || ' ' || state FROM refunds ORDER BY refund_id");
    assert_eq!(states, ["r1 rejected", "r2 applied", "r3 applied"]);
    // An order of another event has nothing to do with it.
    give_back(&shop.api, &refund("lead-only", "r1", 1)).expect(200);
    let lead = json!({"event": "lead", "external_id": "lead-only"});
    shop.api.convert(&lead).expect(200);
    assert_eq!(
        give_back(&shop.api, &refund("lead-only", "r1", 1)).expect(200)["state"],
        "pending_order"
    );
    // A renewal is refunded like a sale.
    let renewal = json!({"event": "renewal", "external_id": "sub-2", "amount": {"amount": 500, "currency": "USD"}});
    shop.api.convert(&renewal).expect(200);
    assert_eq!(
        give_back(&shop.api, &refund("sub-2", "r1", 500)).expect(200)["state"],
        "applied"
    );
    shop.service.stop();
}

#[test]
fn whatever_order_orders_and_refunds_arrive_in_they_come_to_the_same() {
    let shop = Shop::open();
    let orders: Vec<Value> = (0..40).map(|n| sale(&format!("o{n}"), None, 1000 + n)).collect();
    let refunds: Vec<Value> = (0..40)
        .flat_map(|n| (0..3).map(move |part| refund(&format!("o{n}"), &format!("r{part}"), 300)))
        .collect();
    // Everything twice, from four clients at once.
    std::thread::scope(|scope| {
        for client in 0..4_usize {
            let (api, orders, refunds) = (&shop.api, &orders, &refunds);
            scope.spawn(move || {
                for (place, order) in orders.iter().enumerate().filter(|(n, _)| n % 2 == client % 2) {
                    let first = &refunds[3 * place..];
                    for body in first.iter().take(if client < 2 { 3 } else { 2 }) {
                        api.post("/v1/refunds", body).expect(202);
                    }
                    api.post("/v1/conversions", order).expect(202);
                    for body in first.iter().take(3) {
                        api.post("/v1/refunds", body).expect(202);
                    }
                }
            });
        }
    });
    // The last in line, so everything before it is counted.
    shop.api.convert(&sale("last", None, 1)).expect(200);
    let books = shop.service.books();
    assert_eq!(
        books.number("SELECT COUNT(*) FROM refunds WHERE state = 'applied'"),
        120
    );
    assert_eq!(books.number("SELECT CAST(SUM(amount) AS BIGINT) FROM refunds"), 36_000);
    assert_eq!(books.number("SELECT COUNT(*) FROM rejections"), 0);
    shop.service.stop();
}

#[test]
fn a_refund_that_was_acknowledged_outlives_the_process() {
    let home = directory();
    let dir = home.path().join("data");
    let first = Setup::in_directory(&dir).roles("redirect,api").start();
    first.api().post("/v1/refunds", &refund("o1", "r1", 250)).expect(202);
    first.api().post("/v1/conversions", &sale("o1", None, 1000)).expect(202);
    first.stop();
    let second: Service = Setup::in_directory(&dir).start();
    let books = second.books();
    wait_until("the refund of the first process is applied", || {
        books.number("SELECT COUNT(*) FROM refunds WHERE state = 'applied' AND amount = 250") == 1
    });
    second.stop();
}

#[test]
fn mistakes_in_a_refund_are_named_and_never_journaled() {
    let shop = Shop::open();
    let over = |more: Value| {
        let mut body = refund("o", "r", 100);
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    let usd = |amount: i64| json!({"amount": amount, "currency": "USD"});
    for (body, field) in [
        (json!({}), "order_id"),
        (json!({"order_id": "o"}), "refund_id"),
        (json!({"order_id": "o", "refund_id": "r"}), "amount"),
        (over(json!({"gross_amount": usd(100)})), "gross_amount"),
        (over(json!({"amount": usd(0)})), "amount.amount"),
        (over(json!({"amount": usd(-5)})), "amount.amount"),
        (
            over(json!({"amount": {"amount": 1.5, "currency": "USD"}})),
            "amount.amount",
        ),
        (
            over(json!({"amount": null, "gross_amount": usd(0)})),
            "gross_amount.amount",
        ),
        (over(json!({"source": "src_elsewhere"})), "source"),
        (over(json!({"refunded_at": "yesterday"})), "refunded_at"),
        (over(json!({"refunded_at": "1999-01-01T00:00:00Z"})), "refunded_at"),
        (over(json!({"order_id": ""})), "order_id"),
        (over(json!({"refund_id": 7})), "refund_id"),
        (over(json!({"note": "x"})), "note"),
    ] {
        assert_eq!(problem(&shop.api.post("/v1/refunds", &body), 422), [field], "{body}");
    }
    let key = shop.api.make_key("read");
    problem(&shop.api.with_key(&key).post("/v1/refunds", &refund("o", "r", 1)), 403);
    shop.api.convert(&sale("last", None, 1)).expect(200);
    let others = "SELECT CAST(SUM(others) AS BIGINT) FROM journals";
    assert_eq!(shop.service.books().number(others), 1, "the last order alone");
    shop.service.stop();
}
