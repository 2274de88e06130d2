//! What a key may do.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The role of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Role {
    /// Everything, in every brand.
    Operator,
    /// Everything within one brand.
    Admin,
    /// Posts conversions and refunds of one brand.
    Ingest,
    /// Reads one brand.
    Read,
}

super::object::only_from_words!(Role);

/// What a request needs to be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Manage brands and other brands' keys.
    Operate,
    /// Change a brand's campaigns, links, influencers and keys.
    Manage,
    /// Post conversions and refunds.
    Ingest,
    /// Read.
    Read,
}

impl Role {
    /// Whether this role covers a need.
    #[must_use]
    pub const fn covers(self, need: Need) -> bool {
        matches!(
            (self, need),
            (Self::Operator, _)
                | (Self::Admin, Need::Manage | Need::Ingest | Need::Read)
                | (Self::Ingest, Need::Ingest)
                | (Self::Read, Need::Read)
        )
    }

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Ingest => "ingest",
            Self::Read => "read",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Operator, Self::Admin, Self::Ingest, Self::Read]
            .into_iter()
            .find(|role| role.name() == name)
    }
}
