//! A store in Postgres with clicks committed straight into it, at whatever times a test wants.

use std::borrow::Cow;
use std::sync::Arc;

use linkledger::agents::AGENT_DATA_VERSION;
use linkledger::domain::agent::{Agent, Device};
use linkledger::domain::click::ClickClass;
use linkledger::domain::time::Instant;
use linkledger::store::commit::{Batch, ClickRow, Committer, JournalPart};
use linkledger::store::{Location, Store};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, query, query_scalar};

use super::servers::postgres::PrivatePostgres;

/// When the worker that commits says it is.
const NOW: &str = "2026-11-27T12:00:00Z";

pub(crate) struct History {
    pub(crate) url: String,
    pub(crate) store: Store,
    committer: Committer,
    conn: PgConnection,
    seq: i64,
}

impl History {
    pub(crate) async fn new() -> Self {
        let url = PrivatePostgres::shared().database();
        let store = Store::open(&Location::Postgres(url.clone()))
            .await
            .expect("the store opens");
        Self {
            committer: Committer::new(store.clone(), AGENT_DATA_VERSION),
            conn: PgConnection::connect(&url).await.expect("a connection"),
            store,
            url,
            seq: 0,
        }
    }

    pub(crate) fn now() -> Instant {
        Instant::parse(NOW).expect("valid")
    }

    /// Commits a click of a person for each visitor and time, on link number 7. Each has a journal of few, so that
    /// later ones are of the same journal.
    pub(crate) async fn commit(&mut self, visits: &[(i64, Instant)]) {
        let batch = self.batch(visits);
        self.committer.commit(batch, Self::now()).await.expect("committed");
    }

    /// The next batch of the journal.
    pub(crate) fn batch(&mut self, visits: &[(i64, Instant)]) -> Batch {
        let agent = Arc::new(Agent {
            class: ClickClass::Human,
            reason: Cow::Borrowed(""),
            browser: "Firefox".to_owned(),
            os: "Linux".to_owned(),
            device: Device::Desktop,
        });
        let after_seq = self.seq;
        let click = |(place, (visitor, at)): (usize, &(i64, Instant))| ClickRow {
            part: 0,
            seq: after_seq + 1 + i64::try_from(place).expect("few"),
            at_ms: at.ms(),
            clock_at_ms: None,
            link_id: 7,
            state: 0,
            flags: 0,
            class: ClickClass::Human.code(),
            human: true,
            reason: Cow::Borrowed(""),
            visitor: *visitor,
            country: "DE".into(),
            user_agent: "Mozilla/5.0 (X11; Linux) Firefox/140".into(),
            agent: Arc::clone(&agent),
            referrer: "".into(),
            language: "".into(),
        };
        let clicks: Vec<ClickRow> = visits.iter().enumerate().map(click).collect();
        let count = i64::try_from(clicks.len()).expect("few");
        self.seq += count;
        Batch {
            parts: vec![JournalPart {
                journal: "00000000-0000-4000-8000-000000000001".to_owned(),
                tag: 77,
                purpose: "redirect",
                after_seq,
                last_seq: self.seq,
                clicks: count,
                others: 0,
                lost: None,
            }],
            clicks,
            ..Batch::default()
        }
    }

    pub(crate) async fn count(&mut self, sql: &'static str) -> i64 {
        query_scalar(sql).fetch_one(&mut self.conn).await.expect(sql)
    }

    /// Whatever a test wants to be otherwise.
    pub(crate) async fn tamper(&mut self, sql: &'static str) {
        let done = query(sql).execute(&mut self.conn).await.expect(sql);
        assert!(done.rows_affected() > 0, "nothing was tampered with: {sql}");
    }

    pub(crate) async fn close(self) {
        self.conn.close().await.expect("closes");
        self.store.close().await;
    }
}
