//! `linkledger tail`: the streams as JSON lines.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Failure;
use crate::config::Config;
use crate::domain::click::{CLICK_KIND, CLICK_VERSION, Click, ClickFlags};
use crate::domain::conversion::{CONVERSION_KIND, CONVERSION_VERSION};
use crate::domain::refund::{REFUND_KIND, REFUND_VERSION};
use crate::journal::{LostWhy, Record};
use crate::metrics::Metrics;
use crate::stream::{Items, Redis, SHARDS_MAX, Seen, Stretch, Tail};

/// How often it looks for more with `--follow`.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

/// What a click's request said about itself, in words.
const FLAGS: [(ClickFlags, &str); 4] = [
    (ClickFlags::HEAD, "head"),
    (ClickFlags::PREFETCH, "prefetch"),
    (ClickFlags::PREVIEW, "preview"),
    (ClickFlags::LOCAL_SALT, "local_salt"),
];

/// Prints what the streams hold, one record a line; takes nothing out.
///
/// # Errors
/// [`Failure`]; a reader that hangs up is none.
pub async fn tail(config: &Config, shard: Option<u16>, follow: bool) -> Result<ExitCode, Failure> {
    let urls = config.redis_urls.as_ref().ok_or(Failure::NoRedis)?;
    let redis =
        Redis::new(urls, Metrics::new()).map_err(|error| Failure::Redis(format!("LINKLEDGER_REDIS_URL: {error}")))?;
    let shards = shard.map_or(0..SHARDS_MAX, |shard| shard..shard + 1);
    let mut tails: Vec<(u16, Tail)> = shards.map(|shard| (shard, Tail::new(redis.clone(), shard))).collect();
    loop {
        for (shard, tail) in &mut tails {
            loop {
                let seen = tail.read().await.map_err(|error| Failure::Redis(error.to_string()))?;
                if seen.is_empty() {
                    break;
                }
                match print(*shard, &seen) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                    printed => printed.map_err(|source| Failure::System {
                        doing: "printing",
                        source,
                    })?,
                }
            }
        }
        if !follow {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

fn print(shard: u16, seen: &[Seen]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for seen in seen {
        match seen {
            Seen::Batch(stretch) => print_stretch(&mut out, stretch)?,
            Seen::Unreadable { entry, why } => {
                let line = json!({"shard": shard, "entry": entry, "unreadable": why.to_string()});
                writeln!(out, "{line}")?;
            }
        }
    }
    out.flush()
}

fn print_stretch(out: &mut impl io::Write, stretch: &Stretch) -> io::Result<()> {
    let journal = stretch.journal.to_string();
    match &stretch.items {
        Items::Records(records) => records
            .iter()
            .try_for_each(|record| writeln!(out, "{}", line(&journal, record))),
        Items::Lost(lost) => {
            let why = match lost.why {
                LostWhy::Missing => "missing",
                LostWhy::Corrupt => "corrupt",
            };
            let lost = json!({"from": lost.from, "to": lost.to, "why": why});
            writeln!(out, "{}", json!({"journal": journal, "kind": "lost", "lost": lost}))
        }
    }
}

/// One record; what it is under the name of its kind.
fn line(journal: &str, record: &Record) -> Value {
    let (kind, content) = match (record.kind, record.version) {
        (CLICK_KIND, CLICK_VERSION) => ("click", click(&record.payload)),
        (CONVERSION_KIND, CONVERSION_VERSION) => ("conversion", serde_json::from_slice(&record.payload).ok()),
        (REFUND_KIND, REFUND_VERSION) => ("refund", serde_json::from_slice(&record.payload).ok()),
        _ => ("unknown", None),
    };
    // Of what this release cannot read it tells at least what it claims to be.
    let content = content.unwrap_or_else(
        || json!({"record_kind": record.kind, "version": record.version, "bytes": record.payload.len()}),
    );
    let mut line = Map::new();
    line.insert("journal".to_owned(), journal.into());
    line.insert("seq".to_owned(), record.seq.into());
    line.insert("kind".to_owned(), kind.into());
    line.insert(kind.to_owned(), content);
    Value::Object(line)
}

fn click(payload: &[u8]) -> Option<Value> {
    let click = Click::decode(payload).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let country = click
        .country
        .iter()
        .all(u8::is_ascii_alphabetic)
        .then(|| text(&click.country));
    Some(json!({
        "at": click.at.to_string(),
        "link": click.link.to_string(),
        "state": click.state.name(),
        "flags": FLAGS.iter().filter(|(flag, _)| click.flags.has(*flag)).map(|(_, name)| name).collect::<Vec<_>>(),
        "visitor": format!("{:016x}", click.visitor),
        "country": country,
        "user_agent": text(click.user_agent),
        "referrer": text(click.referrer),
        "language": text(click.language),
    }))
}
