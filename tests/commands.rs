//! The commands beside `serve`, and the settings.

mod harness;

use harness::api::slug;
use harness::books::Books;
use harness::http::{ask, visit};
use harness::process::{Process, command, complaint, run, verify};
use harness::{KEY, directory, engine, files, wait_until};
use serde_json::json;

#[test]
fn verify_says_where_the_books_do_not_agree() {
    let home = directory();
    let process = Process::start(home.path());
    let api = process.api();
    let slug = slug(&api.link(&api.stage(), &json!({})));
    let mut click_id = String::new();
    for _ in 0..10 {
        click_id = ask(process.redirect(), &visit(&slug)).click_id();
    }
    api.convert(&harness::api::sale("o", Some(&click_id), 100)).expect(200);
    wait_until("the clicks are committed", || Books::of(home.path()).clicks() == 10);
    // It takes no lock: it may run beside the service.
    verify(home.path());
    process.terminate();

    let books = Books::of(home.path());
    for (tampering, undoing, told) in [
        (
            "UPDATE click_rollups SET clicks = clicks + 1",
            "UPDATE click_rollups SET clicks = clicks - 1",
            "rollups",
        ),
        (
            "UPDATE click_rollups SET human = human - 1",
            "UPDATE click_rollups SET human = human + 1",
            "rollups",
        ),
        (
            "UPDATE journals SET seq = seq + 1 WHERE purpose = 'redirect'",
            "UPDATE journals SET seq = seq - 1 WHERE purpose = 'redirect'",
            "cursor",
        ),
        (
            "UPDATE journals SET clicks = clicks - 1, others = others + 1 WHERE clicks > 0",
            "UPDATE journals SET clicks = clicks + 1, others = others - 1 WHERE clicks > 0",
            "raw clicks",
        ),
        (
            "UPDATE clicks SET seq = seq + 1000",
            "UPDATE clicks SET seq = seq - 1000",
            "behind its journal's cursor",
        ),
        (
            "UPDATE credits SET share_bps = 9999",
            "UPDATE credits SET share_bps = 10000",
            "shares",
        ),
        (
            "UPDATE conversions SET state = 'unattributed'",
            "UPDATE conversions SET state = 'attributed'",
            "reason",
        ),
        (
            "INSERT INTO credits (conversion_id, place, campaign_id, influencer_id, share_bps) \
             SELECT 'cnv_x', 0, campaign_id, influencer_id, 10000 FROM credits",
            "DELETE FROM credits WHERE conversion_id = 'cnv_x'",
            "cnv_x",
        ),
    ] {
        books.tamper(tampering);
        let output = run(home.path(), &["verify"]);
        assert_eq!(output.status.code(), Some(1), "{tampering}: {output:?}");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            printed.contains("MISMATCH") && printed.contains(told),
            "{tampering}: {printed}"
        );
        books.tamper(undoing);
        verify(home.path());
    }
    books.tamper("INSERT INTO clicks SELECT * FROM clicks WHERE seq = 1 LIMIT 1");
    let output = run(home.path(), &["verify"]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        printed.contains("no click is stored twice") && printed.contains("2 times"),
        "{printed}"
    );
}

#[test]
fn where_no_store_is_none_is_made_by_looking_for_it() {
    if !engine::is_embedded("a Postgres database is there before its first service") {
        return;
    }
    let home = directory();
    for arguments in [&["verify"][..], &["key", "create"], &["reclassify"]] {
        let told = complaint(&run(home.path(), arguments));
        assert!(told.contains("there is no store"), "{arguments:?}: {told}");
    }
    assert_eq!(files(home.path()), Vec::<std::path::PathBuf>::new(), "nothing was made");
}

#[test]
fn a_key_made_beside_a_running_service_works_within_a_moment() {
    let home = directory();
    let process = Process::start(home.path());
    let create = |arguments: &[&str]| {
        let mut all = vec!["key", "create"];
        all.extend(arguments);
        run(home.path(), &all)
    };
    for (role, status) in [("read", 200), ("admin", 200), ("operator", 200), ("ingest", 403)] {
        let output = create(&["--brand", "default", "--role", role]);
        assert!(output.status.success(), "{output:?}");
        let key = String::from_utf8(output.stdout).expect("a key").trim().to_owned();
        assert!(
            key.starts_with("llk_") && !key.contains('\n'),
            "standard output is the key alone: {key}"
        );
        let api = process.api().with_key(&key);
        wait_until("the service takes the key up", || api.get("/v1/links").status != 401);
        assert_eq!(api.get("/v1/links").status, status, "{role}");
    }
    for wrong in [
        &["--brand", "nobody", "--role", "read"][..],
        &["--role", "king"],
        &["--name", ""],
    ] {
        complaint(&create(wrong));
    }
    let operator = process.api();
    assert_eq!(
        operator.get("/v1/keys").expect(200)["data"].as_array().map(Vec::len),
        Some(5)
    );
    process.terminate();

    // Another operator key in the settings replaces the one before.
    let other = "llk_another_operator_of_the_tests_0";
    let process = Process::start_with(home.path(), |command| command.env("LINKLEDGER_OPERATOR_KEY", other));
    assert_eq!(process.api().with_key(other).get("/v1/links").status, 200);
    assert_eq!(process.api().with_key(KEY).get("/v1/links").status, 401);
    process.terminate();
}

#[test]
fn every_command_explains_itself_and_wrong_ones_are_refused() {
    let home = directory();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["serve", "--help"],
        &["replay", "--help"],
        &["verify", "--help"],
        &["reclassify", "--help"],
        &["migrate", "--help"],
        &["key", "--help"],
        &["key", "create", "--help"],
        &["help"],
    ] {
        let output = run(home.path(), arguments);
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{arguments:?}: {output:?}"
        );
    }
    for wrong in [
        &["dance"][..],
        &["serve", "--role", "juggler"],
        &["serve", "--role", ""],
        &["replay"],
        &["replay", "x", "--concurrency", "0"],
        &["key"],
        &["verify", "now"],
    ] {
        complaint(&run(home.path(), wrong));
    }
    assert_eq!(files(home.path()), Vec::<std::path::PathBuf>::new(), "nothing was made");
    for _ in 0..2 {
        assert!(run(home.path(), &["migrate"]).status.success());
    }
    verify(home.path());
}

#[test]
fn a_setting_that_does_not_exist_or_cannot_be_is_refused_by_name() {
    let home = directory();
    for (name, value, told) in [
        ("LINKLEDGER_SLUG_LENGHT", "9", "LINKLEDGER_SLUG_LENGTH"),
        ("LINKLEDGER_COLOUR", "red", "LINKLEDGER_COLOUR"),
        ("LINKLEDGER_SLUG_LENGTH", "3", "LINKLEDGER_SLUG_LENGTH"),
        ("LINKLEDGER_JOURNAL_MAX_BYTES", "1k", "LINKLEDGER_JOURNAL_MAX_BYTES"),
        ("LINKLEDGER_OPERATOR_KEY", "short", "LINKLEDGER_OPERATOR_KEY"),
        ("LINKLEDGER_SECRET", "abc", "LINKLEDGER_SECRET"),
        (
            "LINKLEDGER_PUBLIC_URL",
            "https://go.example/path",
            "LINKLEDGER_PUBLIC_URL",
        ),
        ("LINKLEDGER_TRUSTED_PROXIES", "everybody", "everybody"),
        ("LINKLEDGER_REDIS_URL", "redis://127.0.0.1", "LINKLEDGER_REDIS_URL"),
        ("LINKLEDGER_LOG", "=", "LINKLEDGER_LOG"),
    ] {
        // The rules between settings are those of a service that was told nothing else.
        let output = command(home.path())
            .env_remove("LINKLEDGER_DATABASE_URL")
            .env(name, value)
            .output()
            .expect("it runs");
        let complaint = complaint(&output);
        assert!(complaint.contains(told), "{name}={value}: {complaint}");
    }
    let file = home.path().join("settings.toml");
    std::fs::write(&file, "slug_length = 5\ncolour = \"red\"\n").expect("a file");
    let output = run(home.path(), &["--config", file.to_str().expect("a path"), "verify"]);
    assert!(complaint(&output).contains("colour"), "{output:?}");
    std::fs::write(&file, "slug_length = 5\nlog = \"warn\"\n").expect("a file");
    let dir = home.path().join("data");
    let process = Process::start_with(&dir, |command| command.arg("--config").arg(&file));
    let api = process.api();
    assert_eq!(slug(&api.link(&api.stage(), &json!({}))).len(), 5);
    process.terminate();
}

#[test]
fn an_empty_directory_name_is_refused_before_anything_is_written() {
    let home = directory();
    let output = command(std::path::Path::new(""))
        .current_dir(home.path())
        .output()
        .expect("it runs");
    let told = complaint(&output);
    assert!(told.contains("LINKLEDGER_DATA_DIR"), "{told}");
    assert_eq!(std::fs::read_dir(home.path()).expect("a directory").count(), 0);
}

#[test]
fn a_secret_that_is_gone_from_a_directory_in_use_is_told() {
    if !engine::makes_its_secret() {
        return;
    }
    let home = directory();
    Process::start(home.path()).terminate();
    std::fs::remove_file(home.path().join("secret")).expect("the secret");
    let process = Process::start(home.path());
    assert!(
        process.complained().contains("the secret is gone"),
        "{}",
        process.complained()
    );
    process.terminate();
}

#[test]
fn strangers_cannot_fill_the_log() {
    let home = directory();
    let process = Process::start(home.path());
    let before = process.complained();
    for _ in 0..50 {
        let mut stream = std::net::TcpStream::connect(process.redirect()).expect("a connection");
        std::io::Write::write_all(&mut stream, b"nonsense\r\n\r\n").expect("it is taken");
        let mut answer = Vec::new();
        let _cut = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 400"));
    }
    assert_eq!(process.complained(), before);
    process.terminate();
}
