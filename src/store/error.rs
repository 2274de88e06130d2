//! What can go wrong in the store, in the store's own terms.

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
    Schema(#[from] sqlx::migrate::MigrateError),
    /// A store task ended without an answer; the process is going down.
    #[error("the store is shutting down")]
    Stopped,
}

impl StoreError {
    /// Whether the engine refused what it was given, so that the same will be refused again: a constraint, a value out
    /// of range, a text that it does not take. Sources: Postgres, "Appendix A. Error Codes" (classes 21, 22, 23, 54 and
    /// P0, the exceptions of triggers); SQLite, "Result and Error Codes" (`TOOBIG`, `CONSTRAINT`, `MISMATCH`, `RANGE`).
    #[must_use]
    pub fn blames_the_data(&self) -> bool {
        match self {
            Self::Engine(sqlx::Error::Encode(_)) => true,
            Self::Engine(sqlx::Error::Database(error)) => error.code().is_some_and(|code| refuses_data(&code)),
            _ => false,
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::Stopped | Self::CursorMoved { .. })
    }
}

/// By the engine's own code: five characters in Postgres, a number whose low byte tells the kind in SQLite.
fn refuses_data(code: &str) -> bool {
    const SQLITE: [u32; 4] = [18, 19, 20, 25];
    const POSTGRES: [&str; 5] = ["21", "22", "23", "54", "P0"];
    match code.parse::<u32>() {
        Ok(number) if code.len() != 5 => SQLITE.contains(&(number & 0xff)),
        _ => POSTGRES.iter().any(|class| code.starts_with(class)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_data_is_told_from_a_store_that_is_not_well() {
        // Unique violation, out of range, raised by a trigger; a constraint of SQLite, plain and extended.
        for code in ["23505", "22003", "P0001", "19", "1811"] {
            assert!(refuses_data(code), "{code}");
        }
        // Disk full, shutting down, deadlock, serialisation; SQLite busy, full, I/O error, corrupt.
        for code in ["53100", "57P01", "40P01", "40001", "5", "13", "10", "11"] {
            assert!(!refuses_data(code), "{code}");
        }
    }
}
