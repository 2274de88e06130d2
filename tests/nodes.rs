//! Many nodes on one store: what one does is in force on all, and what can be done once is done once.

mod harness;

use std::thread;

use harness::api::{Api, id, problem, sale, slug};
use harness::books::Books;
use harness::directory;
use harness::engine::SECRET;
use harness::process::{Process, complaint, run_with};
use harness::servers::postgres::PrivatePostgres;
use harness::service::{Service, Setup};
use harness::wait_until;
use linkledger::store::Location;
use serde_json::json;

/// A node of an installation whose store is this database.
fn node(dir: &std::path::Path, database: &str, roles: &str) -> Service {
    let setup = Setup::in_directory(dir).roles(roles);
    setup.set("DATABASE_URL", database).set("SECRET", SECRET).start()
}

fn at_once<T: Send>(apis: [&Api; 2], ask: impl Fn(&Api) -> T + Sync) -> [T; 2] {
    thread::scope(|scope| {
        let ask = &ask;
        apis.map(|api| scope.spawn(move || ask(api)))
            .map(|asked| asked.join().expect("an answer"))
    })
}

#[test]
fn ten_nodes_that_start_together_make_one_schema_one_brand_and_one_key() {
    let home = directory();
    let database = PrivatePostgres::shared().database();
    let starting = (0..10).map(|number| {
        let (dir, database) = (home.path().join(number.to_string()), database.clone());
        thread::spawn(move || {
            Process::start_with(&dir, |command| {
                command
                    .env_remove("LINKLEDGER_OPERATOR_KEY")
                    .env("LINKLEDGER_DATABASE_URL", &database)
                    .env("LINKLEDGER_SECRET", SECRET)
            })
        })
    });
    let starting: Vec<_> = starting.collect();
    let nodes: Vec<Process> = starting
        .into_iter()
        .map(|node| node.join().expect("it starts"))
        .collect();
    let books = Books::at(Location::Postgres(database));
    assert_eq!(books.number("SELECT COUNT(*) FROM brands"), 1);
    assert_eq!(books.number("SELECT COUNT(*) FROM api_keys"), 1);
    let shown = nodes.iter().filter(|node| node.printed().contains("llk_"));
    assert_eq!(shown.count(), 1, "the key is shown by the node that made it");
    for node in nodes {
        node.terminate();
    }
}

#[test]
fn what_one_node_changes_is_in_force_on_the_others() {
    let home = directory();
    let database = PrivatePostgres::shared().database();
    let one = node(&home.path().join("one"), &database, "redirect,api,worker");
    let other = node(&home.path().join("other"), &database, "redirect,api");
    let api = one.api();
    let stage = api.stage();
    let link = api.link(&stage, &json!({}));
    let path = format!("/{}", slug(&link));
    let status = || other.visit(path.trim_start_matches('/')).status;
    wait_until("the link is known to the other node", || status() == 302);

    api.patch(&format!("/v1/links/{}", id(&link)), &json!({"paused": true}))
        .expect(200);
    wait_until("the link is paused there", || status() == 410);
    let fallback = json!({"fallback_url": "https://example.org/later"});
    api.patch(&format!("/v1/campaigns/{}", stage.campaign), &fallback)
        .expect(200);
    wait_until("the campaign's fallback is taken there", || status() == 302);

    let key = api
        .post("/v1/keys", &json!({"name": "shop", "role": "ingest"}))
        .expect(201);
    let shop = other.api().with_key(key["key"].as_str().expect("the key"));
    let order = sale("order-1", None, 100);
    wait_until("the key is taken there", || {
        shop.post("/v1/conversions", &order).status == 202
    });
    api.delete(&format!("/v1/keys/{}", id(&key))).expect(204);
    wait_until("the revoked key is refused there", || {
        shop.post("/v1/conversions", &order).status == 401
    });

    let brand = json!({"name": "Second", "currency": "EUR"});
    api.post("/v1/brands", &brand).expect(201);
    wait_until("the brand is known there", || {
        other.api().for_brand("second").get("/v1/links").status == 200
    });
    other.stop();
    one.stop();
}

#[test]
fn what_two_nodes_take_at_once_is_taken_once() {
    let home = directory();
    let database = PrivatePostgres::shared().database();
    let one = node(&home.path().join("one"), &database, "redirect,api,worker");
    let other = node(&home.path().join("other"), &database, "api");
    let apis = [&one.api(), &other.api()];
    let stage = apis[0].stage();
    for number in 0..10 {
        let link = stage.link(&json!({"slug": format!("wanted-{number}")}));
        let mut answers = at_once(apis, |api| api.post("/v1/links", &link));
        answers.sort_by_key(|answer| answer.status);
        answers[0].expect(201);
        assert_eq!(problem(&answers[1], 422), ["slug"]);

        let code = json!({
            "campaign_id": stage.campaign, "influencer_id": stage.influencer, "code": format!("WANTED{number}"),
        });
        let mut answers = at_once(apis, |api| api.post("/v1/promo-codes", &code));
        answers.sort_by_key(|answer| answer.status);
        answers[0].expect(201);
        assert_eq!(problem(&answers[1], 422), ["code"]);

        // One creation, sent to both: both get the first one's answer.
        let ask = |api: &Api| {
            let request = api.request("POST", "/v1/links");
            let request = request.header("Idempotency-Key", &format!("once-{number}"));
            id(&api.send(&request.json(&stage.link(&json!({})))).expect(201))
        };
        let [first, second] = at_once(apis, ask);
        assert_eq!(first, second);
    }
    other.stop();
    one.stop();
}

#[test]
fn commands_leave_a_store_of_another_version_alone() {
    let home = directory();
    let database = PrivatePostgres::shared().database();
    let run = |arguments: &[&str]| run_with(home.path(), arguments, &[("LINKLEDGER_DATABASE_URL", &database)]);
    for arguments in [&["verify"][..], &["key", "create"]] {
        let refused = complaint(&run(arguments));
        assert!(refused.contains("linkledger migrate"), "{refused}");
    }
    assert!(run(&["migrate"]).status.success());
    assert!(run(&["verify"]).status.success());
    let books = Books::at(Location::Postgres(database.clone()));
    books.tamper(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later version', true, 'x', 0)",
    );
    for arguments in [&["verify"][..], &["key", "create"], &["migrate"], &["serve"]] {
        let refused = complaint(&run(arguments));
        assert!(refused.contains("newer linkledger"), "{refused}");
    }
}

#[test]
fn a_database_that_is_not_there_is_told_to_a_person_without_the_password() {
    let home = directory();
    let database = PrivatePostgres::shared().database();
    let (server, _) = database.rsplit_once('/').expect("a URL");
    let missing = server.replace("linkledger@", "linkledger:hush-hush@") + "/nowhere";
    let settings = [("LINKLEDGER_DATABASE_URL", missing.as_str())];
    for roles in ["redirect,api,worker", "worker"] {
        let refused = complaint(&run_with(home.path(), &["serve", "--role", roles], &settings));
        assert!(refused.contains("create the database"), "{refused}");
        assert!(!refused.contains("hush"), "{refused}");
    }
}
