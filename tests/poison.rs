//! A record that the store refuses takes its place as a rejection; everything around it counts.

mod harness;

use harness::api::sale;
use harness::shop::Shop;
use harness::wait_until;
use serde_json::json;

/// Makes the store refuse one order, as a constraint that somebody added or a broken trigger would.
fn refuse_one_order(shop: &Shop) {
    let books = shop.service.books();
    if books.are_in_postgres() {
        books.alter(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'this order is refused'; END $$",
        );
        books.alter(
            "CREATE TRIGGER refuse BEFORE INSERT ON conversions FOR EACH ROW WHEN (NEW.external_id = 'poison')
                EXECUTE FUNCTION refuse()",
        );
    } else {
        books.alter(
            "CREATE TRIGGER refuse BEFORE INSERT ON conversions WHEN NEW.external_id = 'poison'
                BEGIN SELECT RAISE(ABORT, 'this order is refused'); END",
        );
    }
}

fn take_back(shop: &Shop) {
    let books = shop.service.books();
    books.alter(if books.are_in_postgres() {
        "DROP TRIGGER refuse ON conversions"
    } else {
        "DROP TRIGGER refuse"
    });
}

#[test]
fn an_order_that_the_store_refuses_stops_nothing_and_can_be_sent_in_again() {
    let shop = Shop::open();
    refuse_one_order(&shop);
    let click = shop.click();
    let orders: Vec<_> = (0..40)
        .map(|number| match number {
            17 => sale("poison", Some(&click), 700),
            number => sale(&format!("order-{number}"), Some(&click), 100),
        })
        .collect();
    shop.api.post("/v1/conversions", &json!(orders)).expect(202);
    let later = shop.click();
    wait_until("every record is decided", || {
        shop.service.books().number("SELECT COUNT(*) FROM rejections") == 1
            && shop.service.books().number("SELECT COUNT(*) FROM conversions") == 39
    });
    shop.service.wait_for_clicks(2);
    let rejections = shop.api.get("/v1/rejections").expect(200);
    let rejection = &rejections["data"][0];
    assert_eq!(rejection["reason"], "refused_by_store");
    assert_eq!(rejection["kind"], "conversion");
    assert!(shop.service.count("linkledger_worker_retries_total") > 0);

    // Whoever made the mistake takes it back, and sends the order in again.
    take_back(&shop);
    let id = rejection["id"].as_str().expect("an id");
    shop.api
        .post(&format!("/v1/rejections/{id}/retry"), &json!({}))
        .expect(202);
    wait_until("the order is counted", || {
        shop.service.books().number("SELECT COUNT(*) FROM conversions") == 40
    });
    assert_ne!(click, later);
    shop.service.stop();
}
