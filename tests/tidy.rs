//! Style as a test: what the rooms may import, how long a file may be, and that the settings file and the papers say what
//! the code does. Plain text scans of code that is not itself a test; simple enough to be read, strict enough to bite.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use linkledger::config::{Config, ConfigError, SETTING_NAMES, Sources};

/// The rooms from the top down: each may import only those in rows below its own. `src/lib.rs` lists them in this order.
const ROOMS: &[&[&str]] = &[
    &["command"],
    &["demo", "replay"],
    &["traffic"],
    &["app"],
    &["api"],
    &["redirect"],
    &["intake"],
    &["worker"],
    &["agents"],
    &["stream"],
    &["report"],
    &["catalog"],
    &["store"],
    &["journal"],
    &["config"],
    &["clock", "metrics", "shutdown", "telemetry"],
    &["domain"],
];

const MAX_LINES: usize = 400;
/// Dependencies that may stand under one comment.
const MAX_DEPENDENCIES_A_COMMENT: usize = 2;

/// One source file: its path from the top of the repository, and its code.
struct Source {
    path: String,
    /// Without comment lines, and without what is compiled for tests only.
    code: Vec<(usize, String)>,
    lines: usize,
}

impl Source {
    /// The room a file of `src` belongs to; `None` for `main.rs` and `lib.rs`.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let name = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(name, "main" | "lib")).then_some(name)
    }
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// Every Rust file under these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        files(&top().join(folder), "rs", &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty());
    let read = |path: &PathBuf| {
        let inside = path.strip_prefix(top()).expect("under the top");
        let text = fs::read_to_string(path).expect("UTF-8");
        let path = inside.to_str().expect("UTF-8").to_owned();
        let only_for_tests = path.ends_with("_tests.rs") || path.ends_with("/test_support.rs");
        Source {
            lines: text.lines().count(),
            code: if only_for_tests { Vec::new() } else { code_of(&text) },
            path,
        }
    };
    paths.iter().map(read).collect()
}

/// Numbered lines of code. What follows `#[cfg(test)]` is left out: one item that ends in `;`, or the rest of the file,
/// because that is where a file's own tests stand.
fn code_of(text: &str) -> Vec<(usize, String)> {
    let mut code = Vec::new();
    let mut of_a_test = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("//") {
            continue;
        }
        if of_a_test {
            if line.ends_with('{') {
                break;
            }
            of_a_test = !line.ends_with(';');
        } else if line == "#[cfg(test)]" {
            of_a_test = true;
        } else {
            code.push((number + 1, line.to_owned()));
        }
    }
    code
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|row| row.contains(&room))
}

/// The names that follow `prefix` in a line.
fn names_after<'l>(line: &'l str, prefix: &str) -> Vec<&'l str> {
    let after = line.match_indices(prefix).map(|(at, _)| &line[at + prefix.len()..]);
    let name = |rest: &'l str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
    after.filter_map(name).collect()
}

/// Lines of code that a rule forbids, as `path:line: text`.
fn offenders(sources: &[Source], forbidden: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in &source.code {
            if forbidden(source, line) {
                found.push(format!("{}:{number}: {line}", source.path));
            }
        }
    }
    found
}

#[track_caller]
fn none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn the_map_lists_the_rooms_in_the_order_of_this_test() {
    let lib = text("src/lib.rs");
    let mapped: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(mapped, ROOMS.concat());
    let standing: BTreeSet<String> = sources(&["src"])
        .iter()
        .filter_map(|s| Some(s.room()?.to_owned()))
        .collect();
    assert_eq!(standing, mapped.iter().map(ToString::to_string).collect());
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    let upwards = offenders(&sources(&["src"]), |source, line| {
        let Some(own) = source.room() else { return false };
        let own_rank = rank(own).unwrap_or_else(|| panic!("{own} is no room of this test"));
        let from_the_top = names_after(line, "crate::").into_iter();
        // A path that climbs out of its room; inside a room nothing bears another room's name.
        let climbed = names_after(line, "super::super::").into_iter();
        from_the_top.chain(climbed).any(|name| match rank(name) {
            Some(rank) => name != own && rank <= own_rank,
            None => false,
        })
    });
    none(upwards, "these lines import a room that is not below their own");
    // `use crate::{…}` would hide from the scan above.
    let hidden = offenders(&sources(&["src"]), |_, line| {
        line.contains("crate::{") || line.contains("crate::*")
    });
    none(hidden, "one `use crate::room…` a line, please");
}

#[test]
fn only_app_puts_the_parts_together() {
    let parts = [
        "Forwarder::new(",
        "HttpServer::new",
        "Intake::start(",
        "Keeper {",
        "LocalFeed::new(",
        "Redirector::new(",
        "RedisFeed::new(",
        "Syncer::start(",
        "Worker {",
        "Writer::create(",
    ];
    let elsewhere = offenders(&sources(&["src"]), |source, line| {
        let making = parts.iter().any(|part| line.contains(part));
        let defined = line.contains("struct ") || line.contains("impl ");
        making && !defined && source.room() != Some("app")
    });
    none(elsewhere, "only src/app wires these");
    // The commands that work on a store while nothing is served open it themselves.
    let stores = offenders(&sources(&["src"]), |source, line| {
        (line.contains("Store::open(") || line.contains("Store::at("))
            && !matches!(source.room(), Some("app" | "command"))
    });
    none(stores, "only src/app and src/command open a store");
}

#[test]
fn sql_stays_in_the_store_and_http_at_the_edges() {
    let code = sources(&["src"]);
    let sql = offenders(&code, |source, line| {
        line.contains("sqlx") && source.room() != Some("store")
    });
    none(sql, "only src/store speaks SQL");
    let http = offenders(&code, |source, line| {
        line.contains("actix_web") && !matches!(source.room(), Some("api" | "redirect" | "app"))
    });
    none(http, "only api, redirect and app speak HTTP");
}

#[test]
fn files_stay_short() {
    let long = sources(&["src", "tests", "loadtest"])
        .iter()
        .filter(|source| source.lines > MAX_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.lines))
        .collect();
    none(long, "at most 400 lines a file");
}

#[test]
fn nothing_unsafe_unwrapped_or_unfinished() {
    let code = sources(&["src"]);
    let words = |line: &str, word: &str| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|w| w == word)
    };
    none(offenders(&code, |_, line| words(line, "unsafe")), "no unsafe code");
    none(
        offenders(&code, |_, line| line.contains(".unwrap()")),
        "say with expect() why it cannot fail, or return the error",
    );
    // Comments too: a note to oneself is an issue that nobody sees.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    let mut paths = Vec::new();
    for folder in ["src", "tests", "loadtest"] {
        files(&top().join(folder), "rs", &mut paths);
    }
    let unfinished = paths
        .iter()
        .filter(|path| {
            let text = fs::read_to_string(path).expect("UTF-8");
            marks.iter().any(|mark| text.contains(mark))
        })
        .map(|path| path.display().to_string())
        .collect();
    none(unfinished, "finish it, or open an issue");
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let mut unexplained = Vec::new();
    let (mut among_dependencies, mut covered) = (false, 0);
    for line in text("Cargo.toml").lines() {
        if line.starts_with('[') {
            among_dependencies = line.contains("dependencies]");
            covered = 0;
        } else if line.starts_with('#') {
            covered = MAX_DEPENDENCIES_A_COMMENT;
        } else if line.is_empty() {
            covered = 0;
        } else if among_dependencies {
            if covered == 0 {
                unexplained.push(line.to_owned());
            }
            covered = covered.saturating_sub(1);
        }
    }
    none(unexplained, "a comment above says why each dependency is there");
}

#[test]
fn what_the_papers_point_at_exists() {
    let mut papers = vec![top().join("README.md")];
    files(&top().join("loadtest"), "md", &mut papers);
    let mut broken = Vec::new();
    for paper in papers {
        let text = fs::read_to_string(&paper).unwrap_or_else(|error| panic!("{}: {error}", paper.display()));
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            let here = paper.parent().expect("a file stands in a folder").join(path);
            if !target.contains("://") && !path.is_empty() && !here.exists() {
                broken.push(format!("{}: {target}", paper.display()));
            }
        }
    }
    none(broken, "these point at nothing");
}

const SETTINGS_FILE: &str = "deploy/linkledger.toml";
/// `name = value` without its `# `, for every setting of the file.
fn documented() -> Vec<(String, String)> {
    let file = text(SETTINGS_FILE);
    let setting = |line: &str| {
        let line = line.strip_prefix("# ")?;
        let (name, _) = line.split_once(" = ")?;
        let is_name = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_name.then(|| (name.to_owned(), line.to_owned()))
    };
    file.lines().filter_map(setting).collect()
}

fn load(file: &str) -> Result<Config, ConfigError> {
    Config::load(Sources::new(Some((SETTINGS_FILE, file)), std::iter::empty())?)
}

#[test]
fn the_settings_file_documents_every_setting_and_no_other() {
    let documented: Vec<String> = documented().into_iter().map(|(name, _)| name).collect();
    let unique: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), documented.len(), "a setting stands there twice");
    assert_eq!(unique, SETTING_NAMES.iter().copied().collect());
    // In running text, too, a setting is spelled as it is called.
    let file = text(SETTINGS_FILE);
    for variable in names_after(&file, "LINKLEDGER_") {
        let known = SETTING_NAMES.contains(&variable.to_lowercase().as_str()) || variable == "CONFIG";
        assert!(known || variable.is_empty(), "LINKLEDGER_{variable} is no setting");
    }
}

#[test]
fn the_settings_file_changes_nothing_as_it_stands() {
    let file = load(&text(SETTINGS_FILE)).expect("valid");
    assert_eq!(format!("{file:?}"), format!("{:?}", Config::default()));
}

#[test]
fn the_settings_file_shows_the_defaults_and_examples_that_work() {
    let lines: Vec<String> = documented().into_iter().map(|(_, line)| line).collect();
    let config = load(&lines.join("\n")).expect("every line can be uncommented");
    // These have no default to show, or one that depends on the machine: what is shown is an example.
    assert!(config.public_url.is_some() && config.api_public_url.is_some() && config.secrets.is_some());
    assert!(config.operator_key.is_some() && !config.trusted_proxies.is_empty());
    assert!(config.geoip_db.is_some() && config.database_url.is_some() && config.redis_urls.is_some());
    let shown = Config {
        public_url: None,
        api_public_url: None,
        secrets: None,
        operator_key: None,
        trusted_proxies: Vec::new(),
        geoip_db: None,
        database_url: None,
        redis_urls: None,
        redirect_threads: Config::default().redirect_threads,
        ..config
    };
    assert_eq!(format!("{shown:?}"), format!("{:?}", Config::default()));
}
