//! Texts that clicks repeat are stored once and named by a number.

use std::collections::{BTreeSet, HashMap};

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::batch::ClickRow;

/// Remembered texts per dictionary. Real traffic has some thousands of user agents; a client that
/// makes them up must not fill the memory.
const REMEMBERED_MAX: usize = 50_000;

/// Which dictionary.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dictionary {
    UserAgents,
    Referrers,
    Languages,
}

impl Dictionary {
    const ALL: [Self; 3] = [Self::UserAgents, Self::Referrers, Self::Languages];

    const fn table(self) -> &'static str {
        match self {
            Self::UserAgents => "user_agents",
            Self::Referrers => "referrers",
            Self::Languages => "languages",
        }
    }

    const fn text(self, click: &ClickRow) -> &str {
        match self {
            Self::UserAgents => &click.user_agent,
            Self::Referrers => &click.referrer,
            Self::Languages => &click.language,
        }
    }
}

/// The numbers of the texts seen so far.
#[derive(Debug, Default)]
pub(super) struct Dictionaries {
    known: [HashMap<Box<str>, i64>; 3],
}

impl Dictionaries {
    /// Makes sure that every text of these clicks has a number.
    pub(super) async fn learn(&mut self, conn: &mut SqliteConnection, clicks: &[ClickRow]) -> Result<(), StoreError> {
        for dictionary in Dictionary::ALL {
            let known = &mut self.known[dictionary as usize];
            if known.len() > REMEMBERED_MAX {
                known.clear();
            }
            let texts = clicks.iter().map(|click| dictionary.text(click));
            // A set: each text once, and always in the same order.
            let new: BTreeSet<&str> = texts.filter(|text| !known.contains_key(*text)).collect();
            let table = dictionary.table();
            for text in new {
                let sql = format!(
                    "INSERT INTO {table} (text) VALUES ($1) ON CONFLICT (text) DO UPDATE SET text = text RETURNING id"
                );
                let id: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                    .bind(text)
                    .fetch_one(&mut *conn)
                    .await?;
                known.insert(text.into(), id);
            }
        }
        Ok(())
    }

    /// The number of a text that was learned in this transaction or before.
    pub(super) fn id(&self, dictionary: Dictionary, text: &str) -> i64 {
        self.known[dictionary as usize][text]
    }
}
