//! What deploy/ says fits the program: settings, roles, metrics, files. Plain text scans; no server is started.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linkledger::app::Roles;
use linkledger::config::{Config, SETTING_NAMES, Sources};

const COMPOSE: &str = "deploy/compose.yml";
const DOCKERFILE: &str = "Dockerfile";
const NGINX: &str = "deploy/nginx/linkledger.conf";
const PROMETHEUS: &str = "deploy/prometheus/prometheus.yml";
const ALERTS: &str = "deploy/prometheus/alerts.yml";

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words that begin with `prefix`, with it.
fn words<'t>(text: &'t str, prefix: &str) -> BTreeSet<&'t str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(prefix))
        .collect()
}

/// What stands between two marks, at every place where it does.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    let pieces = text.split(from).skip(1);
    pieces.filter_map(|piece| Some(piece.split_once(to)?.0)).collect()
}

/// The services of the compose file: its names at the second level, and the lines below each.
fn services() -> Vec<(String, String)> {
    let compose = text(COMPOSE);
    let listed = between(&compose, "\nservices:\n", "\nvolumes:\n")[0].to_owned();
    let mut services: Vec<(String, String)> = Vec::new();
    for line in listed.lines() {
        let name = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        match (name, services.last_mut()) {
            (Some(name), _) if !name.starts_with([' ', '#']) => services.push((name.to_owned(), String::new())),
            (_, Some((_, lines))) => *lines += &format!("{line}\n"),
            _ => {}
        }
    }
    services
}

#[test]
fn compose_and_image_use_settings_that_exist() {
    for file in [COMPOSE, DOCKERFILE] {
        let text = text(file);
        let settings = words(&text, "LINKLEDGER_");
        assert!(settings.len() > 3, "{file}");
        for setting in settings {
            let name = setting["LINKLEDGER_".len()..].to_lowercase();
            assert!(SETTING_NAMES.contains(&name.as_str()), "{file}: {setting}");
        }
    }
}

#[test]
fn the_settings_of_the_compose_file_make_a_valid_configuration() {
    let compose = text(COMPOSE);
    let setting = |line: &str| {
        let (name, value) = line.trim().split_once(": ")?;
        name.starts_with("LINKLEDGER_")
            .then(|| (name.to_owned(), value.to_owned()))
    };
    // As compose puts them together: what is asked for is a secret, what has a default has it.
    let filled = |(name, value): (String, String)| {
        let mut value = value;
        while let Some((before, rest)) = value.split_once("${") {
            let (variable, after) = rest.split_once('}').expect("closed");
            let default = variable
                .split_once(":-")
                .map_or_else(|| "ab".repeat(32), |(_, default)| default.to_owned());
            value = format!("{before}{default}{after}");
        }
        (name, value)
    };
    let settings: Vec<_> = compose.lines().filter_map(setting).map(filled).collect();
    let config = Config::load(Sources::new(None, settings.into_iter()).expect("known")).expect("valid");
    assert!(config.redis_urls.is_some() && config.database_url.is_some() && config.secrets.is_some());
    let nginx = config.trusted_proxies[0].addr().to_string();
    let services = services();
    let (_, lines) = services.iter().find(|(name, _)| name == "nginx").expect("nginx");
    assert!(
        lines.contains(&format!("ipv4_address: {nginx}")),
        "only nginx is believed"
    );
}

#[test]
fn every_part_has_its_role_and_a_directory_of_its_own() {
    let mut roles = Vec::new();
    let mut volumes = BTreeSet::new();
    for (name, lines) in services() {
        let Some(role) = between(&lines, "--role, ", "]").first().copied() else {
            continue;
        };
        assert!(role.parse::<Roles>().is_ok(), "{name}: {role}");
        let volume = between(&lines, "volumes: [\"", ":/data\"]")[0].to_owned();
        assert!(volumes.insert(volume), "{name} shares its directory");
        roles.push(role.to_owned());
    }
    assert_eq!(roles, ["redirect", "redirect", "api", "worker", "worker"]);
}

#[test]
fn proxy_and_prometheus_know_the_parts_by_their_names() {
    let services: BTreeSet<String> = services().into_iter().map(|(name, _)| name).collect();
    let nginx = text(NGINX);
    let prometheus = text(PROMETHEUS);
    let servers = between(&nginx, "    server ", ":")
        .into_iter()
        .filter(|name| !name.contains(' '));
    let servers: Vec<&str> = servers.collect();
    // The redirect nodes twice: for a first and for a second attempt.
    let expected = ["redirect-1", "redirect-2", "redirect-1", "redirect-2", "api"];
    assert_eq!(servers, expected);
    let targets: Vec<&str> = prometheus
        .split('"')
        .filter_map(|word| word.strip_suffix(":9464"))
        .collect();
    assert_eq!(targets, ["redirect-1", "redirect-2", "api", "worker-1", "worker-2"]);
    for name in servers.into_iter().chain(targets) {
        assert!(services.contains(name), "{name} is no part of {COMPOSE}");
    }
}

#[test]
fn alerts_and_papers_name_metrics_that_exist() {
    let registered = fs::read_to_string(top().join("src/metrics.rs")).expect("the metrics");
    let names: BTreeSet<&str> = registered.split('"').collect();
    for file in [ALERTS, "README.md"] {
        let text = text(file);
        let metrics: Vec<&str> = words(&text, "linkledger_").into_iter().collect();
        for metric in metrics {
            let known = |name: &str| names.contains(&name["linkledger_".len()..]);
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| metric.strip_suffix(end));
            let view = metric == "linkledger_views";
            assert!(
                known(metric) || of_histogram.is_some_and(known) || view,
                "{file}: {metric}"
            );
        }
    }
    assert!(words(&text(ALERTS), "linkledger_").len() > 10);
}

#[test]
fn files_that_are_mentioned_are_there() {
    let deploy = top().join("deploy");
    for (_, lines) in services() {
        let relative = lines.split(['"', ' ', '\n']).filter_map(|word| word.strip_prefix("./"));
        for path in relative.filter_map(|word| word.split(':').next()) {
            assert!(deploy.join(path).exists(), "{COMPOSE}: {path}");
        }
    }
    assert!(top().join(PROMETHEUS).with_file_name("alerts.yml").exists());
    let ignored = text(".dockerignore");
    for line in text(DOCKERFILE).lines() {
        let Some(copied) = line.strip_prefix("COPY ").filter(|copied| !copied.starts_with("--")) else {
            continue;
        };
        let sources: Vec<&str> = copied.split(' ').collect();
        for source in &sources[..sources.len() - 1] {
            assert!(Path::new(&top()).join(source).exists(), "{DOCKERFILE}: {source}");
            let let_in = ignored
                .lines()
                .any(|line| line.strip_prefix('!').is_some_and(|in_| in_.starts_with(source)));
            assert!(let_in, "{source} is kept out by .dockerignore");
        }
    }
}
