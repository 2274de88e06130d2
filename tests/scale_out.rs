//! Several processes on one Redis and one Postgres: what dies, and what `drain` and `tail` do about it.

mod harness;

use std::path::Path;
use std::process::{Command, Output};

use harness::api::{Api, sale, slug};
use harness::engine::SECRET;
use harness::http::{Request, ask, once, visit};
use harness::process::{Process, command};
use harness::servers::postgres::PrivatePostgres;
use harness::servers::redis::PrivateRedis;
use harness::{directory, metrics, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The servers of one installation.
struct Site {
    database: String,
    redis: PrivateRedis,
}

impl Site {
    fn new() -> Self {
        Self {
            database: PrivatePostgres::shared().database(),
            redis: PrivateRedis::new(),
        }
    }

    fn settings<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("LINKLEDGER_DATABASE_URL", &self.database)
            .env("LINKLEDGER_REDIS_URL", self.redis.url())
            .env("LINKLEDGER_SECRET", SECRET)
    }

    fn node(&self, home: &TempDir, roles: &str) -> Process {
        self.dying_node(home, roles, "")
    }

    /// A node that dies at these fail points.
    fn dying_node(&self, home: &TempDir, roles: &str, fail_points: &str) -> Process {
        Process::start_with(home.path(), |command| {
            self.settings(command)
                .args(["serve", "--role", roles])
                .env("FAILPOINTS", fail_points)
        })
    }

    fn run(&self, data_dir: &Path, arguments: &[&str]) -> Output {
        let mut command = command(data_dir);
        self.settings(&mut command).args(arguments).output().expect("it runs")
    }

    /// What `tail` prints.
    fn tail(&self) -> Vec<Value> {
        let output = self.run(directory().path(), &["tail"]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[track_caller]
    fn agrees(&self) {
        let output = self.run(directory().path(), &["verify"]);
        assert!(output.status.success(), "{output:?}");
    }
}

fn link(api: &Api) -> String {
    slug(&api.link(&api.stage(), &json!({})))
}

fn clicks(api: &Api) -> Value {
    api.get("/v1/reports?by=total").expect(200)["total"]["clicks"].clone()
}

#[track_caller]
fn click(node: &Process, slug: &str, times: usize) -> String {
    let ids: Vec<String> = (0..times)
        .map(|_| ask(node.redirect(), &visit(slug)).click_id())
        .collect();
    ids.last().expect("a click").clone()
}

#[test]
fn clicks_and_orders_of_one_node_are_committed_by_another() {
    let site = Site::new();
    let (front, back) = (directory(), directory());
    let front = site.node(&front, "redirect,api");
    let back = site.node(&back, "worker");
    let api = front.api();
    let slug = link(&api);
    let click_id = click(&front, &slug, 100);
    let order = api.convert(&sale("order-1", Some(&click_id), 1000)).expect(200);
    assert_eq!(order["state"], "attributed");
    wait_until("all clicks are committed", || clicks(&api) == 100);
    assert_eq!(site.tail(), Vec::<Value>::new());
    front.terminate();
    back.terminate();
    site.agrees();
}

#[test]
fn tail_tells_what_no_worker_has_committed() {
    let site = Site::new();
    let (home, back) = (directory(), directory());
    let front = site.node(&home, "redirect,api");
    let api = front.api();
    let slug = link(&api);
    click(&front, &slug, 3);
    api.post("/v1/conversions", &sale("order-1", None, 1000)).expect(202);
    wait_until("four records are forwarded", || site.tail().len() == 4);
    let lines = site.tail();
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((of_kind("click"), of_kind("conversion")), (3, 1));
    let first = lines.iter().find(|line| line["kind"] == "click").expect("a click");
    assert_eq!((&first["seq"], &first["click"]["state"]), (&json!(1), &json!("live")));
    let back = site.node(&back, "worker");
    wait_until("nothing is left", || site.tail().is_empty());
    back.terminate();
    front.terminate();
}

#[test]
fn what_a_dead_node_left_is_drained_by_another_machine() {
    let site = Site::new();
    let (home, dead, back) = (directory(), directory(), directory());
    let front = site.node(&home, "redirect,api");
    let api = front.api();
    let slug = link(&api);
    let doomed = site.node(&dead, "redirect");
    click(&doomed, &slug, 200);
    let running = site.run(home.path(), &["drain", &dead.path().display().to_string()]);
    assert!(!running.status.success(), "its node lives: {running:?}");
    doomed.kill();
    site.redis.ask::<()>(&["FLUSHALL"]);
    let back = site.node(&back, "worker");
    let drained = site.run(home.path(), &["drain", &dead.path().display().to_string()]);
    assert!(drained.status.success(), "{drained:?}");
    assert_eq!(clicks(&api), 200);
    back.terminate();
    front.terminate();
    site.agrees();
}

#[test]
fn a_node_that_is_only_a_worker_now_forwards_what_it_has_journaled_before() {
    let site = Site::new();
    let (home, other) = (directory(), directory());
    let front = site.node(&home, "redirect,api");
    let api = front.api();
    let slug = link(&api);
    let doomed = site.node(&other, "redirect");
    click(&doomed, &slug, 50);
    doomed.kill();
    site.redis.ask::<()>(&["FLUSHALL"]);
    let worker = site.node(&other, "worker");
    wait_until("all clicks are committed", || clicks(&api) == 50);
    worker.terminate();
    front.terminate();
    site.agrees();
}

#[test]
fn a_node_that_is_stopped_forwards_what_it_has_journaled() {
    let site = Site::new();
    let (home, other, back) = (directory(), directory(), directory());
    let front = site.node(&home, "redirect,api");
    let api = front.api();
    let slug = link(&api);
    let leaving = site.node(&other, "redirect");
    click(&leaving, &slug, 50);
    leaving.terminate();
    drop(other);
    assert_eq!(site.tail().len(), 50);
    let back = site.node(&back, "worker");
    wait_until("all clicks are committed", || clicks(&api) == 50);
    back.terminate();
    front.terminate();
    site.agrees();
}

#[test]
fn a_death_at_any_named_point_costs_no_click_and_counts_none_twice() {
    for (roles, point) in [
        ("worker", "before_commit"),
        ("worker", "after_commit"),
        ("worker", "after_xdel"),
        ("redirect", "after_xadd"),
    ] {
        let site = Site::new();
        let (home, dying, again) = (directory(), directory(), directory());
        let front = site.node(&home, "redirect,api");
        let api = front.api();
        let slug = link(&api);
        let doomed = site.dying_node(&dying, roles, &format!("{point}=return"));
        let at = if roles == "redirect" { &doomed } else { &front };
        click(at, &slug, 1);
        doomed.wait_for_abort();
        // The same directory once more, this time without the point; and somebody who commits.
        let risen = site.node(&dying, roles);
        let back = (roles != "worker").then(|| site.node(&again, "worker"));
        wait_until(&format!("the click is committed after {point}"), || clicks(&api) == 1);
        for node in [Some(risen), back, Some(front)].into_iter().flatten() {
            node.terminate();
        }
        site.agrees();
    }
}

#[test]
fn a_click_whose_answer_never_left_is_one_of_those_in_flight() {
    let site = Site::new();
    let (home, dying, back) = (directory(), directory(), directory());
    let front = site.node(&home, "redirect,api");
    let api = front.api();
    let slug = link(&api);
    let doomed = site.dying_node(&dying, "redirect", "after_append=return");
    let address = doomed.redirect();
    assert!(once(address, &visit(&slug)).is_err(), "the answer never left");
    doomed.wait_for_abort();
    let risen = site.node(&dying, "redirect");
    let back = site.node(&back, "worker");
    wait_until("the click is committed", || clicks(&api) == 1);
    for node in [risen, back, front] {
        node.terminate();
    }
    site.agrees();
}

#[test]
fn redirects_and_probes_answer_while_redis_is_gone() {
    let site = Site::new();
    let (home, back) = (directory(), directory());
    let front = site.node(&home, "redirect,api");
    let back = site.node(&back, "worker");
    let api = front.api();
    let slug = link(&api);
    site.redis.kill9();
    click(&front, &slug, 20);
    wait_until("the node says that Redis is down", || {
        let ready = ask(front.metrics, &Request::get("/readyz"));
        ready.status == 200 && ready.json()["redis"] == "down"
    });
    assert_eq!(metrics::count(front.metrics, "linkledger_redis_up"), 0);
    site.redis.start();
    wait_until("all clicks are committed", || clicks(&api) == 20);
    front.terminate();
    back.terminate();
    site.agrees();
}
