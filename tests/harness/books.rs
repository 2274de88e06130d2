//! A look into the store, with nothing between the test and the rows.

use std::collections::BTreeMap;
use std::path::Path;

use linkledger::agents::AGENT_DATA_VERSION;
use linkledger::domain::click_id::{ClickId, ClickIdKeys};
use linkledger::domain::secret::Secrets;
use linkledger::store::{Location, STORE_FILE, Store};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tokio::runtime::Runtime;
use url::Url;

use super::engine;

/// Every table, so that whoever wants to write waits, whatever it is.
const LOCK_POSTGRES: &str = "DO $$
    DECLARE name TEXT;
    BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename LOOP
            EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', name);
        END LOOP;
    END $$";

/// The store of one service.
pub(crate) struct Books {
    location: Location,
    runtime: Runtime,
}

/// Where a click lies: the journal's tag and the sequence.
pub(crate) type Place = (u32, u64);

/// A raw click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Click {
    pub(crate) link: i64,
    pub(crate) at_ms: i64,
}

impl Books {
    /// Of the data directory's service on this run's servers.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self::at(engine::location(data_dir))
    }

    pub(crate) fn at(location: Location) -> Self {
        sqlx::any::install_default_drivers();
        Self {
            location,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
        }
    }

    pub(crate) fn are_in_postgres(&self) -> bool {
        matches!(self.location, Location::Postgres(_))
    }

    fn connect(&self, read_only: bool) -> AnyConnection {
        let url = match &self.location {
            Location::Postgres(url) => url.clone(),
            Location::Directory(path) => {
                let path = std::path::absolute(path.join(STORE_FILE)).expect("a path");
                let mode = if read_only { "ro" } else { "rw" };
                format!(
                    "sqlite://{}?mode={mode}",
                    Url::from_file_path(path).expect("a path").path()
                )
            }
        };
        self.runtime.block_on(async {
            let mut conn = AnyConnection::connect(&url).await.expect("the store opens");
            if !self.are_in_postgres() {
                let patience = sqlx::query("PRAGMA busy_timeout = 30000").execute(&mut conn);
                patience.await.expect("the store answers");
            }
            conn
        })
    }

    pub(crate) fn rows(&self, sql: &'static str) -> Vec<AnyRow> {
        let mut conn = self.connect(true);
        self.runtime.block_on(async {
            let rows = sqlx::query(sql).fetch_all(&mut conn).await.expect(sql);
            conn.close().await.expect("closes");
            rows
        })
    }

    pub(crate) fn number(&self, sql: &'static str) -> i64 {
        self.rows(sql)[0].get(0)
    }

    pub(crate) fn numbers(&self, sql: &'static str) -> Vec<i64> {
        self.rows(sql).iter().map(|row| row.get(0)).collect()
    }

    pub(crate) fn texts(&self, sql: &'static str) -> Vec<String> {
        self.rows(sql).iter().map(|row| row.get(0)).collect()
    }

    /// The names of all tables; partitions are part of theirs.
    pub(crate) fn tables(&self) -> Vec<String> {
        self.texts(match self.location {
            Location::Directory(_) => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            }
            Location::Postgres(_) => {
                "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
                    AND relnamespace = 'public'::regnamespace"
            }
        })
    }

    /// Tampers with the store; only for tests of what notices it.
    pub(crate) fn tamper(&self, sql: &'static str) {
        let mut conn = self.connect(false);
        self.runtime.block_on(async {
            let done = sqlx::query(sql).execute(&mut conn).await.expect(sql);
            assert!(done.rows_affected() > 0, "nothing was tampered with: {sql}");
            conn.close().await.expect("closes");
        });
    }

    /// Changes the store's schema, as an administrator might.
    pub(crate) fn alter(&self, sql: &'static str) {
        let mut conn = self.connect(false);
        self.runtime.block_on(async {
            sqlx::query(sql).execute(&mut conn).await.expect(sql);
            conn.close().await.expect("closes");
        });
    }

    /// Keeps everybody else from writing, as a backup or a stuck administrator would.
    pub(crate) fn lock(self) -> Locked {
        let mut conn = self.connect(false);
        let locks: &[&'static str] = match self.location {
            Location::Directory(_) => &["BEGIN IMMEDIATE"],
            Location::Postgres(_) => &["BEGIN", LOCK_POSTGRES],
        };
        self.runtime.block_on(async {
            for lock in locks {
                sqlx::query(*lock).execute(&mut conn).await.expect("the write lock");
            }
        });
        Locked { conn, books: self }
    }

    pub(crate) fn clicks(&self) -> usize {
        usize::try_from(self.number("SELECT COUNT(*) FROM clicks")).expect("a count")
    }

    /// Every raw click by its place; more than one at a place are listed there.
    pub(crate) fn clicks_by_place(&self) -> BTreeMap<Place, Vec<Click>> {
        let sql = "SELECT journals.tag, clicks.seq, clicks.link_id, clicks.at_ms
            FROM clicks JOIN journals ON journals.num = clicks.journal_num";
        let mut places: BTreeMap<Place, Vec<Click>> = BTreeMap::new();
        for row in self.rows(sql) {
            let (tag, seq): (i64, i64) = (row.get(0), row.get(1));
            let place = (
                u32::try_from(tag).expect("a tag"),
                u64::try_from(seq).expect("a sequence"),
            );
            let click = Click {
                link: row.get(2),
                at_ms: row.get(3),
            };
            places.entry(place).or_default().push(click);
        }
        places
    }

    /// What is wrong, by the program's own recount.
    pub(crate) fn mismatches(&self) -> Vec<String> {
        self.runtime.block_on(async {
            let store = Store::open(&self.location).await.expect("the store opens");
            let verified = store.verify(AGENT_DATA_VERSION, |_| ()).await.expect("verify answers");
            store.close().await;
            let told = |m: &linkledger::store::Mismatch| format!("{}: {}", m.check, m.detail);
            verified.mismatches.iter().map(told).collect()
        })
    }
}

/// A store that nobody can write to.
pub(crate) struct Locked {
    conn: AnyConnection,
    books: Books,
}

impl Locked {
    pub(crate) fn release(self) {
        self.books
            .runtime
            .block_on(self.conn.close())
            .expect("the lock is given back");
    }
}

/// Reads click ids with the secret of an installation.
pub(crate) struct ClickIds(ClickIdKeys);

impl ClickIds {
    pub(crate) fn of(data_dir: &Path) -> Self {
        let secret = if engine::on_redis() {
            engine::SECRET.to_owned()
        } else {
            std::fs::read_to_string(data_dir.join("secret")).expect("the first start made a secret")
        };
        Self(ClickIdKeys::new(&Secrets::parse(secret.trim()).expect("a secret")))
    }

    #[track_caller]
    pub(crate) fn read(&self, id: &str) -> ClickId {
        self.0.decode(id).unwrap_or_else(|error| panic!("{id}: {error}"))
    }
}
