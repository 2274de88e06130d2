//! COPY in its binary format.
//!
//! # Format
//! The signature, flags and a header extension of no bytes; per row the number of columns (i16) and per column its
//! length (i32, −1 for NULL) and its bytes; −1 (i16) at the end. Integers are big-endian.
//! Source: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use sqlx::postgres::PgConnection;

use super::{Numbered, RollupKey, Tally};
use crate::store::StoreError;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const COLUMNS: i16 = 14;
/// What a click takes in the stream, about.
const ROW_BYTES: usize = 140;
const COPY: &str = "COPY clicks (at_ms, clock_at_ms, journal_num, seq, link_id, state, flags, class, reason,
    visitor, country, user_agent_id, referrer_id, language_id) FROM STDIN (FORMAT binary)";

/// Rows on their way into COPY.
struct Copy(Vec<u8>);

impl Copy {
    fn of(rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(rows * ROW_BYTES + 32);
        bytes.extend_from_slice(SIGNATURE);
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    fn value(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let length = i32::try_from(bytes.len()).map_err(|_| too_large("a text"))?;
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn bigint(&mut self, value: i64) -> Result<(), StoreError> {
        self.value(&value.to_be_bytes())
    }

    fn maybe_bigint(&mut self, value: Option<i64>) -> Result<(), StoreError> {
        match value {
            Some(value) => self.bigint(value),
            None => {
                self.0.extend_from_slice(&(-1_i32).to_be_bytes());
                Ok(())
            }
        }
    }

    /// The number of a dictionary's row or of a journal.
    fn integer(&mut self, value: i64) -> Result<(), StoreError> {
        let value = i32::try_from(value).map_err(|_| too_large("a dictionary's number"))?;
        self.value(&value.to_be_bytes())
    }

    fn smallint(&mut self, value: u8) -> Result<(), StoreError> {
        self.value(&i16::from(value).to_be_bytes())
    }

    fn row(&mut self, numbered: &Numbered<'_>) -> Result<(), StoreError> {
        let click = numbered.click;
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
        self.bigint(click.at_ms)?;
        self.maybe_bigint(click.clock_at_ms)?;
        self.integer(numbered.journal_num)?;
        self.bigint(click.seq)?;
        self.bigint(click.link_id)?;
        self.smallint(click.state)?;
        self.smallint(click.flags)?;
        self.smallint(click.class)?;
        self.value(click.reason.as_bytes())?;
        self.bigint(click.visitor)?;
        self.value(click.country.as_bytes())?;
        self.integer(numbered.user_agent)?;
        self.integer(numbered.referrer)?;
        self.integer(numbered.language)
    }
}

fn too_large(what: &'static str) -> StoreError {
    StoreError::Engine(sqlx::Error::Encode(format!("{what} is larger than its column").into()))
}

pub(super) async fn copy(conn: &mut PgConnection, clicks: &[Numbered<'_>]) -> Result<(), StoreError> {
    let mut rows = Copy::of(clicks.len());
    for numbered in clicks {
        rows.row(numbered)?;
    }
    rows.0.extend_from_slice(&(-1_i16).to_be_bytes());
    let mut stream = conn.copy_in_raw(COPY).await?;
    stream.send(rows.0).await?;
    stream.finish().await?;
    Ok(())
}

pub(super) async fn add_rollups(
    conn: &mut PgConnection,
    shard: i64,
    rollups: &[(RollupKey, Tally)],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO click_rollups (link_id, quarter_ms, shard, facet_id, clicks, human, inactive)
        SELECT link_id, quarter_ms, $1, facet_id, clicks, human, inactive
        FROM UNNEST($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
            AS added (link_id, quarter_ms, facet_id, clicks, human, inactive)
        ON CONFLICT (link_id, quarter_ms, shard, facet_id) DO UPDATE SET
            clicks = click_rollups.clicks + excluded.clicks, human = click_rollups.human + excluded.human,
            inactive = click_rollups.inactive + excluded.inactive";
    let column = |of: fn(&(RollupKey, Tally)) -> i64| rollups.iter().map(of).collect::<Vec<i64>>();
    sqlx::query(sql)
        .bind(shard)
        .bind(column(|(key, _)| key.0))
        .bind(column(|(key, _)| key.1))
        .bind(column(|(key, _)| key.2))
        .bind(column(|(_, tally)| tally.clicks))
        .bind(column(|(_, tally)| tally.human))
        .bind(column(|(_, tally)| tally.inactive))
        .execute(conn)
        .await?;
    Ok(())
}
