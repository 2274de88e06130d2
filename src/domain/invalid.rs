//! What is wrong with a well-formed input: field by field, in words that say what to do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field's path, such as `amount.currency` or `click_ids[3]`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything found wrong with one input. Never empty when returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; "))]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    /// Wrong in one field.
    pub fn one(field: impl Into<String>, message: impl ToString) -> Self {
        let mut all = Self::default();
        all.add(field, message);
        all
    }

    /// Notes one more wrong field.
    pub fn add(&mut self, field: impl Into<String>, message: impl ToString) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.to_string(),
        });
    }

    /// `Err(self)` when anything was noted.
    ///
    /// # Errors
    /// Itself, when it is not empty.
    pub fn or(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}
