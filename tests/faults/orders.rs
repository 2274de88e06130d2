//! Conversions that come many times, at once, in any order, at several nodes.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::matrix::rounds;
use super::scene::{Backends, Scene};
use crate::harness::api::{Api, id, sale};
use crate::harness::{KEY, random_below};

const ORDERS: usize = 40;
const DELIVERIES: usize = 10;
const CENTS: i64 = 1999;
const BACK_CENTS: i64 = 700;

/// Every event in every delivery, each delivery in an order of its own.
fn deliver_all_at_once(scene: &Scene, events: &[(&'static str, Value)]) {
    let barrier = &Barrier::new(DELIVERIES);
    std::thread::scope(|scope| {
        for delivery in 0..DELIVERIES {
            let apis = &scene.targets.apis;
            let address = apis[delivery % apis.len()].view().expect("a serving node").address;
            let api = Api::new(address, KEY);
            scope.spawn(move || {
                let mut events = events.to_vec();
                for place in (1..events.len()).rev() {
                    let other = usize::try_from(random_below(place as u64 + 1)).expect("small");
                    events.swap(place, other);
                }
                barrier.wait();
                for (path, body) in events {
                    api.post(path, &body).expect(202);
                }
            });
        }
    });
}

fn deliver(row: &'static str, backends: Backends) {
    let mut scene = Scene::quiet(row, backends, Vec::new());
    for round in 0..rounds(1, 10) {
        scene.round();
        let mut events = Vec::new();
        for number in 0..ORDERS {
            let order = format!("order-{round}-{number}");
            events.push(("/v1/conversions", sale(&order, Some(&scene.visit()), CENTS)));
            let refund = json!({
                "order_id": order, "refund_id": format!("back-{order}"),
                "amount": {"amount": BACK_CENTS, "currency": "USD"},
            });
            events.push(("/v1/refunds", refund));
        }
        deliver_all_at_once(&scene, &events);
        // Once more, to be told the ids.
        let api = scene.fleet.api();
        for (path, body) in &events {
            let known = id(&api.post(path, body).expect(202));
            match *path {
                "/v1/refunds" => scene.log.refunded(known, BACK_CENTS),
                _ => scene.log.ordered(known, CENTS),
            }
        }
    }
    let orders = i64::try_from(scene.log.orders().len()).expect("small");
    scene.end_with(|scene| {
        let total = &scene.fleet.api().get("/v1/reports?by=total").expect(200)["rows"][0];
        assert_eq!(total["sales"], orders, "{total}");
        assert_eq!(total["revenue"], orders * CENTS, "{total}");
        assert_eq!(total["refunds"], orders * BACK_CENTS, "{total}");
    });
}

#[test]
fn full_nodes_count_an_order_once_that_ten_deliveries_bring_in_any_order() {
    let row = "full_nodes_count_an_order_once_that_ten_deliveries_bring_in_any_order";
    deliver(row, Backends::without_redis());
}

#[test]
fn an_order_counts_once_that_ten_deliveries_bring_in_any_order_to_two_api_nodes() {
    let row = "an_order_counts_once_that_ten_deliveries_bring_in_any_order_to_two_api_nodes";
    deliver(row, Backends::with_redis(&[]));
}
