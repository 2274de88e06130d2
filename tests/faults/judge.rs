//! The promises, checked against the rows; and where something was last seen that is missing.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use linkledger::domain::click_id::ClickIdKeys;
use linkledger::domain::secret::Secrets;
use linkledger::journal::{Reader, Step, discover, last_seq};
use sqlx::Row as _;

use super::fleet::{Fleet, SECRET};
use super::ledger::{Ledger, Place};
use super::log::{Click, Log};

/// From the end of a fault until everything is committed.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);
/// After this, what is missing is lost and not late.
const PATIENCE: Duration = Duration::from_secs(75);
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Missing things that are looked for one by one.
const SEARCHED: usize = 4;

/// What a row has to take into account beside the promises.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expect {
    /// Clocks agree, so that each order is credited to the click before it.
    pub(crate) credit: bool,
    /// The journal may be full.
    pub(crate) unrecorded: bool,
    /// Journals were damaged by hand: what could not be read is declared, or stood at a torn end.
    pub(crate) damaged: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            credit: true,
            unrecorded: false,
            damaged: false,
        }
    }
}

/// What a row did, for the matrix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) answered: usize,
    pub(crate) in_flight: usize,
    pub(crate) surplus: usize,
    pub(crate) unrecorded: usize,
    /// Clicks that damaged journals no longer had.
    pub(crate) missing: usize,
    pub(crate) orders: usize,
    pub(crate) drain: Duration,
    pub(crate) slowest: Duration,
}

/// The clicks that clients were told of, by place.
pub(crate) struct Promises {
    clicks: HashMap<Place, Click>,
    /// Answered while the journal was full.
    unrecorded: usize,
}

impl Promises {
    pub(crate) fn of(log: &Log) -> Self {
        let keys = ClickIdKeys::new(&Secrets::parse(SECRET).expect("a secret"));
        let mut promises = Self {
            clicks: HashMap::new(),
            unrecorded: 0,
        };
        for click in log.clicks() {
            match keys.decode(&click.id) {
                Ok(read) if read.seq == 0 => promises.unrecorded += 1,
                Ok(read) => {
                    if let Some(twin) = promises.clicks.insert((read.tag, read.seq), click.clone()) {
                        log.violate(format!("two visitors were given one place: {twin:?} and {click:?}"));
                    }
                }
                Err(error) => log.violate(format!("{click:?}: {error}")),
            }
        }
        promises
    }

    fn missing(&self, stored: &HashMap<Place, usize>) -> Vec<Place> {
        let mut missing: Vec<_> = self
            .clicks
            .keys()
            .filter(|place| !stored.contains_key(place))
            .copied()
            .collect();
        missing.sort_unstable();
        missing
    }
}

/// Whether everything that was promised is there; `Err` says what is not, or that nobody answers.
fn all_there(ledger: &Ledger, promises: &Promises, log: &Log, expect: Expect) -> Result<(), String> {
    let stored = ledger.clicks().map_err(|error| error.to_string())?;
    let missing = promises.missing(&stored);
    if let Some(first) = missing.first()
        && !(expect.damaged && gone(ledger, &missing).map_err(|error| error.to_string())?)
    {
        return Err(format!("{} clicks, the first at {first:?}", missing.len()));
    }
    let conversions = ledger.conversions().map_err(|error| error.to_string())?;
    let refunds = ledger.refunds().map_err(|error| error.to_string())?;
    let orders = log
        .orders()
        .iter()
        .filter(|order| !conversions.contains_key(&order.id))
        .count();
    let sent_back = log
        .refunds()
        .iter()
        .filter(|refund| !refunds.contains_key(&refund.id))
        .count();
    if orders + sent_back > 0 {
        return Err(format!("{orders} conversions and {sent_back} refunds"));
    }
    Ok(())
}

/// Whether each of these lies before its journal's cursor, or behind everything that could be read of it.
fn gone(ledger: &Ledger, missing: &[Place]) -> Result<bool, sqlx::Error> {
    let mut cursors = HashMap::new();
    for row in ledger.rows("SELECT tag, seq FROM journals")? {
        let (tag, seq): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        cursors.insert(
            u32::try_from(tag).expect("a tag"),
            u64::try_from(seq).expect("a sequence"),
        );
    }
    // A torn tail is one record: everything before it is committed.
    let known = |(tag, seq): &Place| cursors.get(tag).is_some_and(|cursor| *seq <= cursor + 1);
    Ok(missing.iter().all(known))
}

/// E: waits until everything is there, and tells how long after the fault's end that was.
pub(crate) fn settle(ledger: &Ledger, log: &Log, expect: Expect, fault_ended: Instant) -> Duration {
    let promises = Promises::of(log);
    loop {
        let standing = all_there(ledger, &promises, log, expect);
        let since = fault_ended.elapsed();
        match standing {
            Ok(()) => {
                if since > DRAINED_WITHIN {
                    log.violate(format!("E: drained only {since:?} after the fault ended"));
                }
                return since;
            }
            Err(missing) if since > PATIENCE => {
                log.violate(format!(
                    "E: not drained {since:?} after the fault ended; missing: {missing}"
                ));
                return since;
            }
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

/// A, B, C and D, when everything has stopped.
pub(crate) fn judge(fleet: &Fleet, ledger: &Ledger, log: &Log, expect: Expect, drain: Duration) -> Figures {
    let promises = Promises::of(log);
    let stored = ledger.clicks().expect("the database answers");
    let missing = promises.missing(&stored);
    if promises.unrecorded > 0 && !expect.unrecorded {
        log.violate(format!(
            "A: {} clicks were answered and not recorded",
            promises.unrecorded
        ));
    }
    let declared = ledger.number("SELECT CAST(COALESCE(SUM(lost), 0) AS BIGINT) FROM journals");
    let declared = usize::try_from(declared.expect("the database answers")).expect("a count");
    if declared > 0 && !expect.damaged {
        log.violate(format!("A: {declared} records are declared lost"));
    }
    let excused = missing.is_empty() || expect.damaged && gone(ledger, &missing).expect("the database answers");
    if !excused {
        let places = missing.iter().take(SEARCHED);
        let traces: Vec<_> = places
            .map(|place| trace(fleet, ledger, *place, &promises.clicks[place]))
            .collect();
        log.violate(format!(
            "A: {} clicks are missing\n  {}",
            missing.len(),
            traces.join("\n  ")
        ));
    }
    for (place, count) in stored.iter().filter(|(_, count)| **count > 1).take(SEARCHED) {
        log.violate(format!("A: the click at {place:?} is stored {count} times"));
    }
    let surplus = stored
        .keys()
        .filter(|place| !promises.clicks.contains_key(place))
        .count();
    let in_flight = log.in_flight.load(Ordering::SeqCst);
    if surplus > in_flight {
        log.violate(format!(
            "B: {surplus} clicks that nobody was told of, {in_flight} were under way at kills"
        ));
    }
    events(ledger, log, expect);
    let verified = fleet.run(&["verify"]);
    if !verified.status.success() {
        log.violate(format!("C: verify: {verified:?}"));
    }
    Figures {
        requests: log.sent.load(Ordering::SeqCst),
        answered: log.answers(),
        in_flight,
        surplus,
        unrecorded: promises.unrecorded,
        missing: missing.len(),
        orders: log.orders().len(),
        drain,
        slowest: log.slowest(),
    }
}

/// D: shops repeat what was not acknowledged, so what is stored is exactly what they were told of.
fn events(ledger: &Ledger, log: &Log, expect: Expect) {
    let mut conversions = ledger.conversions().expect("the database answers");
    for order in log.orders() {
        match conversions.remove(&order.id) {
            Some((state, amount)) if amount == order.cents && (state == "attributed" || !expect.credit) => {}
            other => log.violate(format!("D: {order:?} is stored as {other:?}")),
        }
    }
    let mut refunds = ledger.refunds().expect("the database answers");
    for refund in log.refunds() {
        match refunds.remove(&refund.id) {
            Some((state, amount)) if state == "applied" && amount == refund.cents => {}
            other => log.violate(format!("D: {refund:?} is stored as {other:?}")),
        }
    }
    if conversions.len() + refunds.len() > 0 {
        log.violate(format!(
            "D: stored, and acknowledged to nobody: {conversions:?} {refunds:?}"
        ));
    }
    let rejected = ledger
        .number("SELECT COUNT(*) FROM rejections")
        .expect("the database answers");
    if rejected > 0 {
        log.violate(format!("D: {rejected} events are rejected"));
    }
}

/// Where a click was last seen.
fn trace(fleet: &Fleet, ledger: &Ledger, (tag, seq): Place, click: &Click) -> String {
    let mut seen = format!("{} (tag {tag}, seq {seq}, answered by {}):", click.id, click.node);
    let sql = format!(
        "SELECT 'cursor ' || seq || ' of journal ' || uuid || ', clicks ' || clicks || ', lost ' || lost
         FROM journals WHERE tag = {tag}"
    );
    match ledger.rows(&sql) {
        Ok(rows) if rows.is_empty() => seen += " the store does not know the journal;",
        Ok(rows) => {
            for row in rows {
                let told: String = row.get(0);
                seen += &format!(" {told};");
            }
        }
        Err(error) => seen += &format!(" the store does not answer: {error};"),
    }
    let mut found = false;
    for (name, dir) in fleet.dirs() {
        let entries = discover(&dir.join("journals")).unwrap_or_default();
        for entry in entries
            .iter()
            .filter(|entry| entry.header.is_some_and(|header| header.tag == tag))
        {
            found = true;
            let readable = Reader::open(&entry.dir, seq - 1).and_then(|mut reader| reader.read(1, 1 << 20));
            let readable = match readable {
                Ok(Step::Records(records)) => format!("readable, {} bytes", records[0].payload.len()),
                other => format!("{other:?}"),
            };
            seen += &format!(
                " on disk in {name}: journal {} (live {}, last sequence {:?}), record {readable};",
                entry.id,
                entry.live,
                last_seq(&entry.dir)
            );
        }
    }
    if !found {
        seen += " no journal on any disk has this tag;";
    }
    seen
}
