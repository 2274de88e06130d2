//! Somebody can always make the next key.

mod harness;

use harness::api::{id, problem, text};
use harness::service::Service;
use serde_json::json;

#[test]
fn the_last_operator_key_in_force_cannot_be_revoked() {
    let service = Service::start();
    let api = service.api();
    let keys = api.get("/v1/keys").expect(200)["data"].clone();
    let first = format!("/v1/keys/{}", id(&keys[0]));
    // A brand's own admin key does not make up for it.
    api.make_key("admin");
    problem(&api.delete(&first), 409);
    api.get("/v1/keys").expect(200);

    let made = api
        .post("/v1/keys", &json!({"name": "second", "role": "operator"}))
        .expect(201);
    let second = api.with_key(&text(&made, "key"));
    let other = format!("/v1/keys/{}", id(&made));
    let both = [(&api, &first), (&second, &other)];
    let refused = std::thread::scope(|scope| {
        let clients: Vec<_> = both
            .map(|(caller, path)| scope.spawn(move || caller.delete(path).status))
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect();
        clients.into_iter().filter(|status| *status == 409).count()
    });
    assert_eq!(refused, 1, "of the last two one must stay");
    let left = "SELECT COUNT(*) FROM api_keys WHERE brand_id IS NULL AND archived_at_ms IS NULL";
    assert_eq!(service.books().number(left), 1);
    service.stop();
}

#[test]
fn a_revoked_key_may_be_revoked_again() {
    let service = Service::start();
    let api = service.api();
    let made = api
        .post("/v1/keys", &json!({"name": "second", "role": "operator"}))
        .expect(201);
    let path = format!("/v1/keys/{}", id(&made));
    for _ in 0..2 {
        assert_eq!(api.delete(&path).status, 204);
    }
    service.stop();
}
