//! What can go wrong in the store, in the store's own terms.

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

use crate::domain::invalid::Invalid;

/// A question or a change that the store did not carry out.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing in this brand.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// The change contradicts what is stored.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// What is stored does not allow it as it stands now.
    #[error("{0}")]
    Conflict(String),
    /// Another writer moved the cursor of this journal: read it again.
    #[error("the cursor of journal {journal} is not where this worker left it")]
    CursorMoved {
        /// The journal.
        journal: String,
    },
    /// A stored value cannot be read by this version.
    #[error("the store holds a value in {column} that this version cannot read: {message}")]
    Unreadable {
        /// The column.
        column: &'static str,
        /// Why.
        message: String,
    },
    /// The engine refused or did not answer.
    #[error("the store did not answer: {0}")]
    Engine(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the store's schema could not be brought up to date: {0}")]
    Schema(#[from] MigrateError),
    /// The schema is another than this program's, and the caller must not change it.
    #[error("the store's schema is {}, and this program's is version {program}", version(*.stored))]
    OtherSchema {
        /// The schema's version; 0 when there is none.
        stored: i64,
        /// The version that this program works on.
        program: i64,
    },
    /// Another writer of this store did not come to an end.
    #[error("another writer keeps the store busy")]
    Busy,
    /// A store task ended without an answer; the process is going down.
    #[error("the store is shutting down")]
    Stopped,
}

fn version(stored: i64) -> String {
    match stored {
        0 => "not there yet".to_owned(),
        stored => format!("version {stored}"),
    }
}

/// What an engine's error says about the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It is not there, or has no room, or does not hold what it should: it was not about the question.
    Away,
    /// It does not let this program in, or not as it is set up.
    ShutOut(&'static str),
    /// It does not take a value that it was given.
    Data,
    /// The question was wrong.
    Question,
}

impl StoreError {
    /// Whether the engine refused what it was given, so that the same will be refused again: a constraint, a value out
    /// of range, a text that it does not take.
    #[must_use]
    pub fn blames_the_data(&self) -> bool {
        self.trouble() == Some(Trouble::Data)
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Stopped | Self::Busy | Self::CursorMoved { .. } => true,
            Self::Engine(_) | Self::Schema(_) => matches!(self.trouble(), Some(Trouble::Away | Trouble::ShutOut(_))),
            _ => false,
        }
    }

    /// What a person must do before this program can work on the store; `None` where waiting may be enough.
    #[must_use]
    pub fn for_a_person(&self) -> Option<&'static str> {
        match (self, self.trouble()) {
            (_, Some(Trouble::ShutOut(advice))) => Some(advice),
            (Self::OtherSchema { stored, program }, _) if stored < program => {
                Some("`linkledger migrate` brings it up to date; so does the start of a node of this version")
            }
            (Self::OtherSchema { .. } | Self::Schema(MigrateError::VersionMissing(_)), _) => {
                Some("a newer linkledger has worked on it: use that version")
            }
            (Self::Schema(MigrateError::VersionMismatch(_)), _) => {
                Some("another program than this one made it: name another database, or start the program that made it")
            }
            _ => None,
        }
    }

    /// Whether it was about the engine and not about the question.
    pub(super) fn is_away(error: &sqlx::Error) -> bool {
        matches!(Trouble::of(error), Trouble::Away | Trouble::ShutOut(_))
    }

    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Engine(error)
            | Self::Schema(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                Some(Trouble::of(error))
            }
            _ => None,
        }
    }
}

impl Trouble {
    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Away,
            sqlx::Error::Encode(_) => Self::Data,
            sqlx::Error::Configuration(_) => Self::ShutOut("LINKLEDGER_DATABASE_URL does not name a database"),
            sqlx::Error::Tls(_) => {
                Self::ShutOut("see `sslmode` in LINKLEDGER_DATABASE_URL, and the server's certificate")
            }
            sqlx::Error::Migrate(error) => match &**error {
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::of(error),
                _ => Self::Question,
            },
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                if error.try_downcast_ref::<PgDatabaseError>().is_some() {
                    Self::of_sqlstate(&code)
                } else {
                    Self::of_sqlite(code.parse().unwrap_or_default())
                }
            }
            _ => Self::Question,
        }
    }

    /// By the classes of Postgres's Appendix A.
    fn of_sqlstate(code: &str) -> Self {
        match code {
            // The server went over to one that only reads.
            "25006" | "25P03" | "55P03" => return Self::Away,
            "3D000" => {
                return Self::ShutOut("create the database, or name another one in LINKLEDGER_DATABASE_URL");
            }
            "42501" => return Self::ShutOut("the user of LINKLEDGER_DATABASE_URL must own the database's schema"),
            _ => {}
        }
        match code.get(..2) {
            // Connection, rolled back, out of something, told to stop, its system failed.
            Some("08" | "40" | "53" | "57" | "58") => Self::Away,
            Some("28") => {
                Self::ShutOut("see user and password in LINKLEDGER_DATABASE_URL, and the server's pg_hba.conf")
            }
            // Cardinality, data, constraints, limits, and what triggers raise.
            Some("21" | "22" | "23" | "54" | "P0") => Self::Data,
            _ => Self::Question,
        }
    }

    /// By SQLite's primary result code, the lowest byte.
    fn of_sqlite(code: u32) -> Self {
        const BUSY: u32 = 5;
        const LOCKED: u32 = 6;
        const NOMEM: u32 = 7;
        const READONLY: u32 = 8;
        const IOERR: u32 = 10;
        const CORRUPT: u32 = 11;
        const FULL: u32 = 13;
        const CANTOPEN: u32 = 14;
        const PROTOCOL: u32 = 15;
        const TOOBIG: u32 = 18;
        const CONSTRAINT: u32 = 19;
        const MISMATCH: u32 = 20;
        const RANGE: u32 = 25;
        const NOTADB: u32 = 26;
        match code & 0xff {
            BUSY | LOCKED | NOMEM | READONLY | IOERR | CORRUPT | FULL | CANTOPEN | PROTOCOL | NOTADB => Self::Away,
            TOOBIG | CONSTRAINT | MISMATCH | RANGE => Self::Data,
            _ => Self::Question,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_away_comes_back_and_a_wrong_question_stays_wrong() {
        for code in [
            "08006", "40001", "40P01", "53100", "53300", "57P01", "57P03", "58030", "25006",
        ] {
            assert_eq!(Trouble::of_sqlstate(code), Trouble::Away, "{code}");
        }
        for code in ["42601", "42P01", "XX000", ""] {
            assert_eq!(Trouble::of_sqlstate(code), Trouble::Question, "{code}");
        }
        // Unique violation, out of range, raised by a trigger.
        for code in ["23505", "22003", "P0001"] {
            assert_eq!(Trouble::of_sqlstate(code), Trouble::Data, "{code}");
        }
        for code in ["28P01", "28000", "3D000", "42501"] {
            assert!(matches!(Trouble::of_sqlstate(code), Trouble::ShutOut(_)), "{code}");
        }
        // SQLITE_BUSY_SNAPSHOT, SQLITE_IOERR_SHORT_READ, SQLITE_NOTADB; SQLITE_CONSTRAINT_UNIQUE, SQLITE_ERROR.
        for (code, expected) in [(517, Trouble::Away), (522, Trouble::Away), (26, Trouble::Away)] {
            assert_eq!(Trouble::of_sqlite(code), expected, "{code}");
        }
        assert_eq!(Trouble::of_sqlite(2067), Trouble::Data);
        assert_eq!(Trouble::of_sqlite(1), Trouble::Question);
    }

    #[test]
    fn a_newer_schema_waits_for_a_person_and_a_full_pool_for_nobody() {
        let newer = StoreError::from(MigrateError::VersionMissing(9));
        assert!(newer.for_a_person().is_some_and(|advice| advice.contains("newer")));
        assert!(!newer.is_passing());
        let full = StoreError::from(sqlx::Error::PoolTimedOut);
        assert!(full.for_a_person().is_none() && full.is_passing());
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_passing());
    }
}
