//! While nobody can write to the store, visitors and shops notice nothing.

mod harness;

use harness::api::{id, problem, sale};
use harness::shop::Shop;
use harness::wait_until;
use serde_json::json;

#[test]
fn visitors_are_redirected_and_orders_taken_in_while_the_store_takes_nothing() {
    let shop = Shop::open();
    let lock = shop.service.books().lock();
    let mut orders = Vec::new();
    for number in 0..100 {
        let click_id = shop.click();
        let order = sale(&format!("order-{number}"), Some(&click_id), 1000);
        orders.push(id(&shop.api.post("/v1/conversions", &order).expect(202)));
    }
    // A wait runs out instead of failing; reading goes on.
    let waiting = shop.api.request("POST", "/v1/conversions").header("Prefer", "wait=1");
    let waited = shop.api.send(&waiting.json(&sale("order-0", None, 1000)));
    assert_eq!(waited.expect(202)["id"], orders[0]);
    assert_eq!(shop.api.get("/v1/reports?by=total").expect(200)["total"]["clicks"], 0);
    problem(&shop.api.get(&format!("/v1/conversions/{}", orders[0])), 404);
    assert_eq!(shop.service.books().clicks(), 0);

    lock.release();
    shop.service.wait_for_clicks(100);
    wait_until("every order is counted", || {
        shop.service
            .books()
            .number("SELECT COUNT(*) FROM conversions WHERE state = 'attributed'")
            == 100
    });
    let total = shop.api.get("/v1/reports?by=total").expect(200)["total"].clone();
    assert_eq!((&total["clicks"], &total["revenue"]), (&json!(100), &json!(100_000)));
    shop.service.stop();
}
