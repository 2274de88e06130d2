//! What a conversion came to.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

/// The state of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversionState {
    /// Safe on disk, not yet counted.
    Accepted,
    /// Waits for something, such as a payment.
    Pending,
    /// Somebody earned it.
    Attributed,
    /// It counts, and nobody earned it.
    Unattributed,
    /// A person must decide.
    Held,
    /// A person decided against it.
    Rejected,
    /// A test: stored, never counted.
    Test,
    /// Cancelled.
    Void,
}

/// The text names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is none of accepted, pending, attributed, unattributed, held, rejected, test, void")]
pub struct StateError;

impl ConversionState {
    const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Pending,
        Self::Attributed,
        Self::Unattributed,
        Self::Held,
        Self::Rejected,
        Self::Test,
        Self::Void,
    ];

    /// The stable name in the API, the store and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Attributed => "attributed",
            Self::Unattributed => "unattributed",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Test => "test",
            Self::Void => "void",
        }
    }
}

impl fmt::Display for ConversionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ConversionState {
    type Err = StateError;

    fn from_str(name: &str) -> Result<Self, StateError> {
        let named = Self::ALL.into_iter().find(|state| state.name() == name);
        named.ok_or(StateError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_called_the_same_everywhere() {
        for state in ConversionState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).ok(), Some(state.name().into()));
            assert!(StateError.to_string().contains(state.name()));
        }
        assert_eq!("open".parse::<ConversionState>(), Err(StateError));
    }
}
