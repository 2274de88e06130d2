//! Recounts everything from the raw rows and says where the books do not agree.
//!
//! Takes no lock: it reads one snapshot, while the service goes on writing.

use sqlx::AnyConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Store, StoreError, verify_visitors};

/// One place where the books do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was checked.
    pub check: &'static str,
    /// Where, and by how much.
    pub detail: String,
}

/// What was recounted.
#[derive(Debug, Default)]
pub struct Verified {
    /// Raw clicks.
    pub clicks: i64,
    /// Conversions.
    pub conversions: i64,
    /// Journals.
    pub journals: i64,
    /// Records that their journals no longer had when they were sent again.
    pub lost: i64,
    /// User agents that were read by data of another version: their clicks' classes are not checked.
    pub outdated_agents: i64,
    /// What does not agree; at most 20 of each check.
    pub mismatches: Vec<Mismatch>,
}

/// A check: rows that come back are mismatches, described by their only column. `:current` stands for the version of
/// the user agents' data, `:unsealed(t)` for whether the day of the time t still has all of its raw clicks.
struct Check {
    name: &'static str,
    sql: &'static str,
}

const CHECKS: &[Check] = &[
    Check {
        name: "cursor = clicks + others + lost",
        sql: "SELECT 'journal ' || uuid || ': cursor ' || seq || ', accounted for ' || (clicks + others + lost) AS d
            FROM journals WHERE seq <> clicks + others + lost",
    },
    Check {
        name: "a journal's clicks = its raw clicks and the sealed ones",
        sql: "SELECT 'journal ' || journals.uuid || ': ' || journals.clicks || ' counted, ' || COALESCE(raw.n, 0)
                || ' stored, ' || COALESCE(sealed.n, 0) || ' sealed' AS d
            FROM journals LEFT JOIN (SELECT journal_num, COUNT(*) AS n FROM clicks GROUP BY journal_num) raw
                ON raw.journal_num = journals.num
                LEFT JOIN (SELECT journal_num, SUM(clicks) AS n FROM sealed_clicks GROUP BY journal_num) sealed
                ON sealed.journal_num = journals.num
            WHERE journals.clicks <> COALESCE(raw.n, 0) + COALESCE(sealed.n, 0)",
    },
    Check {
        name: "no click is stored twice",
        sql: "SELECT 'journal number ' || journal_num || ', sequence ' || seq || ': ' || COUNT(*) || ' times' AS d
            FROM clicks GROUP BY journal_num, seq HAVING COUNT(*) > 1",
    },
    Check {
        name: "every click belongs to a journal",
        sql: "SELECT 'journal number ' || raw.journal_num || ': ' || raw.n || ' clicks, and no such journal' AS d
            FROM (SELECT journal_num, COUNT(*) AS n FROM clicks GROUP BY journal_num) AS raw
            WHERE NOT EXISTS (SELECT 1 FROM journals WHERE journals.num = raw.journal_num)",
    },
    Check {
        name: "no click lies behind its journal's cursor",
        sql: "SELECT 'journal ' || journals.uuid || ', sequence ' || clicks.seq || ', cursor ' || journals.seq AS d
            FROM clicks JOIN journals ON journals.num = clicks.journal_num
            WHERE clicks.seq > journals.seq OR clicks.seq < 1",
    },
    Check {
        name: "a journal's losses are declared",
        sql: "SELECT 'journal ' || journals.uuid || ': ' || journals.lost || ' lost, ' || COALESCE(declared.n, 0)
                || ' declared' AS d
            FROM journals LEFT JOIN (SELECT journal_num, SUM(to_seq - from_seq + 1) AS n FROM lost_ranges
                GROUP BY journal_num) declared ON declared.journal_num = journals.num
            WHERE journals.lost <> COALESCE(declared.n, 0)",
    },
    Check {
        name: "rollups = a recount of the raw clicks",
        sql: "SELECT 'link number ' || link_id || ', quarter ' || quarter_ms || ': ' || SUM(rolled) || ' rolled up, '
                || SUM(raw) || ' stored; people ' || SUM(rolled_human) || ' and ' || SUM(raw_human) AS d
            FROM (
                SELECT link_id, quarter_ms, clicks AS rolled, human AS rolled_human, 0 AS raw, 0 AS raw_human
                FROM click_rollups WHERE :unsealed(quarter_ms)
                UNION ALL
                SELECT link_id, at_ms - at_ms % 900000, 0, 0, COUNT(*), SUM(CASE WHEN class = 0 THEN 1 ELSE 0 END)
                FROM clicks WHERE :unsealed(at_ms) GROUP BY link_id, at_ms - at_ms % 900000
            ) AS both_counts
            GROUP BY link_id, quarter_ms HAVING SUM(rolled) <> SUM(raw) OR SUM(rolled_human) <> SUM(raw_human)",
    },
    Check {
        name: "a sealed day's rollups = its sealed clicks and those that came later",
        sql: "SELECT 'UTC day ' || utc_day || ': ' || SUM(rolled) || ' rolled up, ' || SUM(kept) || ' sealed or stored; people '
                || SUM(rolled_human) || ' and ' || SUM(kept_human) AS d
            FROM (
                SELECT utc_day, 0 AS rolled, 0 AS rolled_human, clicks AS kept, human AS kept_human FROM sealed_days
                UNION ALL
                SELECT quarter_ms / 86400000, SUM(clicks), SUM(human), 0, 0 FROM click_rollups
                WHERE NOT :unsealed(quarter_ms) GROUP BY quarter_ms / 86400000
                UNION ALL
                SELECT at_ms / 86400000, 0, 0, COUNT(*), SUM(CASE WHEN class = 0 THEN 1 ELSE 0 END)
                FROM clicks WHERE NOT :unsealed(at_ms) GROUP BY at_ms / 86400000
            ) AS both_counts
            GROUP BY utc_day HAVING SUM(rolled) <> SUM(kept) OR SUM(rolled_human) <> SUM(kept_human)",
    },
    Check {
        name: "a sealed day's clicks = those of its journals, and its visitors are there",
        sql: "SELECT 'UTC day ' || sealed_days.utc_day || ': ' || sealed_days.clicks || ' sealed, '
                || COALESCE(of_journals.n, 0) || ' of journals; visitors of ' || links || ' links, now of '
                || COALESCE(visited.n, 0) AS d
            FROM sealed_days
                LEFT JOIN (SELECT utc_day, SUM(clicks) AS n FROM sealed_clicks GROUP BY utc_day) of_journals
                ON of_journals.utc_day = sealed_days.utc_day
                LEFT JOIN (SELECT utc_day, COUNT(*) AS n FROM visitor_days GROUP BY utc_day) visited
                ON visited.utc_day = sealed_days.utc_day
            WHERE sealed_days.clicks <> COALESCE(of_journals.n, 0) OR COALESCE(visited.n, 0) < links",
    },
    Check {
        name: "a click's class is that of its flags and its user agent",
        sql: "SELECT 'journal number ' || journal_num || ', sequence ' || seq || ': class ' || class || ' (' || reason
                || '), should be ' || right_class || ' (' || right_reason || ')' AS d
            FROM (
                SELECT clicks.journal_num, clicks.seq, clicks.class, clicks.reason,
                    CASE WHEN flags & 2 <> 0 THEN 2 WHEN flags & 4 <> 0 THEN 3 WHEN flags & 1 <> 0 THEN 1
                        ELSE user_agents.class END AS right_class,
                    CASE WHEN flags & 2 <> 0 THEN 'purpose_prefetch' WHEN flags & 4 <> 0 THEN 'purpose_preview'
                        WHEN flags & 1 <> 0 THEN 'head_request' ELSE user_agents.reason END AS right_reason
                FROM clicks JOIN user_agents ON user_agents.id = clicks.user_agent_id
                WHERE user_agents.version = :current AND :unsealed(at_ms)
            ) AS judged
            WHERE class <> right_class OR reason <> right_reason",
    },
    // Made-up names of a hundred bytes are cut in facets, so the longest are not told apart here. While user agents
    // wait to be read again, some clicks are rolled up by their old readings and some by the new ones.
    Check {
        name: "rollups by facet = a recount of the raw clicks",
        sql: "SELECT 'link number ' || link_id || ', quarter ' || quarter_ms || ', ' || country || '/' || device || '/'
                || os || '/' || browser || '/' || referrer || ': ' || SUM(rolled) || ' rolled up, ' || SUM(raw)
                || ' stored; people ' || SUM(rolled_human) || ' and ' || SUM(raw_human) AS d
            FROM (
                SELECT link_id, quarter_ms, rolled, rolled_human, raw, raw_human, country, device,
                    CASE WHEN octet_length(os) > 96 THEN 'long' ELSE os END AS os,
                    CASE WHEN octet_length(browser) > 96 THEN 'long' ELSE browser END AS browser,
                    CASE WHEN octet_length(referrer) > 96 THEN 'long' ELSE referrer END AS referrer
                FROM (
                    SELECT link_id, quarter_ms, clicks AS rolled, human AS rolled_human, 0 AS raw, 0 AS raw_human,
                        country, device, os, browser, referrer
                    FROM click_rollups JOIN facets ON facets.id = click_rollups.facet_id WHERE :unsealed(quarter_ms)
                    UNION ALL
                    SELECT link_id, quarter_ms, 0, 0, n, human, country, device, os, browser, referrers.host
                    FROM (
                        SELECT link_id, at_ms - at_ms % 900000 AS quarter_ms, country, user_agent_id, referrer_id,
                            COUNT(*) AS n, SUM(CASE WHEN class = 0 THEN 1 ELSE 0 END) AS human
                        FROM clicks WHERE :unsealed(at_ms)
                        GROUP BY link_id, at_ms - at_ms % 900000, country, user_agent_id, referrer_id
                    ) AS counted JOIN user_agents ON user_agents.id = counted.user_agent_id
                        JOIN referrers ON referrers.id = counted.referrer_id
                ) AS both_counts
                WHERE NOT EXISTS (SELECT 1 FROM user_agents WHERE version <> :current)
            ) AS cut
            GROUP BY link_id, quarter_ms, country, device, os, browser, referrer
            HAVING SUM(rolled) <> SUM(raw) OR SUM(rolled_human) <> SUM(raw_human)",
    },
    Check {
        name: "an attributed or held conversion's shares are whole, others have none",
        sql: "SELECT conversions.id || ' is ' || conversions.state || ' with ' || COALESCE(SUM(credits.share_bps), 0)
                || ' of 10000' AS d
            FROM conversions LEFT JOIN credits ON credits.conversion_id = conversions.id
            GROUP BY conversions.id, conversions.state
            HAVING COALESCE(SUM(credits.share_bps), 0)
                <> CASE WHEN conversions.state IN ('attributed', 'held') THEN 10000 ELSE 0 END",
    },
    Check {
        name: "an uncredited conversion has its reason",
        sql: "SELECT id || ' is ' || state || ' without a reason' AS d
            FROM conversions WHERE state IN ('unattributed', 'held') AND reason IS NULL",
    },
    Check {
        name: "refunds stay within their order",
        sql: "SELECT conversions.id || ': ' || SUM(refunds.amount) || ' refunded of ' || conversions.amount AS d
            FROM refunds JOIN conversions ON conversions.id = refunds.conversion_id WHERE refunds.state = 'applied'
            GROUP BY conversions.id, conversions.amount, conversions.gross_amount
            HAVING SUM(refunds.amount) > conversions.amount OR SUM(refunds.gross_amount) > conversions.gross_amount",
    },
    Check {
        name: "an applied refund has its order, and none waits for an order that is there",
        sql: "SELECT refunds.id || ' is ' || refunds.state || ', its order is ' || COALESCE(conversions.id, 'missing') AS d
            FROM refunds LEFT JOIN conversions ON conversions.brand_id = refunds.brand_id
                AND conversions.source = refunds.source AND conversions.external_id = refunds.order_id
                AND conversions.event IN ('sale', 'renewal')
            WHERE (refunds.state = 'applied' AND (conversions.id IS NULL OR refunds.amount IS NULL))
                OR (refunds.state = 'pending_order' AND conversions.id IS NOT NULL)",
    },
    Check {
        name: "every credit belongs to a conversion",
        sql: "SELECT 'credit of ' || conversion_id AS d FROM credits
            WHERE NOT EXISTS (SELECT 1 FROM conversions WHERE conversions.id = credits.conversion_id)",
    },
];

/// Mismatches of one check that are told: the first ones say enough.
const TOLD_MAX: usize = 20;

async fn count(conn: &mut AnyConnection, sql: &'static str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(sql).fetch_one(conn).await?)
}

impl Store {
    /// How many checks [`Store::verify`] makes.
    #[must_use]
    pub const fn verify_steps() -> u64 {
        CHECKS.len() as u64 + 1
    }

    /// Recounts everything in one read snapshot. `step` is told before each check. What hangs on user agents is held
    /// against those that were read by data of this version.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; a mismatch is no error but an answer.
    pub async fn verify(&self, agent_version: i64, mut step: impl FnMut(&'static str)) -> Result<Verified, StoreError> {
        // Reads only, so a dropped future leaves nothing behind that matters; the snapshot begins
        // with the first read.
        let mut tx = self.control.begin_with(self.engine.begin_snapshot()).await?;
        let mut verified = Verified {
            clicks: count(&mut tx, "SELECT COUNT(*) FROM clicks").await?,
            conversions: count(&mut tx, "SELECT COUNT(*) FROM conversions").await?,
            journals: count(&mut tx, "SELECT COUNT(*) FROM journals").await?,
            lost: count(&mut tx, "SELECT CAST(COALESCE(SUM(lost), 0) AS BIGINT) FROM journals").await?,
            outdated_agents: sqlx::query_scalar("SELECT COUNT(*) FROM user_agents WHERE version <> $1")
                .bind(agent_version)
                .fetch_one(&mut *tx)
                .await?,
            mismatches: Vec::new(),
        };
        for check in CHECKS {
            step(check.name);
            let sql = check
                .sql
                .replace(":current", &agent_version.to_string())
                .replace(
                    ":unsealed(quarter_ms)",
                    "(quarter_ms / 86400000 NOT IN (SELECT utc_day FROM sealed_days))",
                )
                .replace(
                    ":unsealed(at_ms)",
                    "(at_ms / 86400000 NOT IN (SELECT utc_day FROM sealed_days))",
                );
            let sql = format!("{sql} LIMIT {TOLD_MAX}");
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *tx).await? {
                verified.mismatches.push(Mismatch {
                    check: check.name,
                    detail: row.try_get("d")?,
                });
            }
        }
        step(verify_visitors::CHECK);
        verified
            .mismatches
            .extend(verify_visitors::check(&mut tx, TOLD_MAX).await?);
        tx.rollback().await?;
        Ok(verified)
    }
}
