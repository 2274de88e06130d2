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
    /// Whether trying again later may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::Stopped | Self::CursorMoved { .. })
    }
}
