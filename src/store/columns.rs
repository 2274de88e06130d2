//! Values on their way into and out of rows.
//!
//! Only integers and texts cross this border, which is what lets one SQL text serve two engines.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;

use super::StoreError;
use crate::domain::id::{Id, IdKind};
use crate::domain::time::Instant;

/// One value to bind.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

pub(super) type AnyQuery<'q> = Query<'q, Any, AnyArguments>;

impl Value {
    pub(super) fn bind(self, query: AnyQuery<'_>) -> AnyQuery<'_> {
        match self {
            Self::Int(number) => query.bind(number),
            Self::Text(text) => query.bind(text),
        }
    }

    /// JSON text.
    pub(super) fn json(value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).expect("domain types have plain keys and finite numbers");
        Self::Text(Some(text))
    }

    pub(super) fn text(value: &impl ToString) -> Self {
        Self::Text(Some(value.to_string()))
    }

    pub(super) fn maybe_text<T: ToString>(value: Option<&T>) -> Self {
        Self::Text(value.map(ToString::to_string))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Int(Some(i64::from(flag)))
    }
}

impl From<Instant> for Value {
    fn from(at: Instant) -> Self {
        Self::Int(Some(at.ms()))
    }
}

impl From<Option<Instant>> for Value {
    fn from(at: Option<Instant>) -> Self {
        Self::Int(at.map(Instant::ms))
    }
}

impl<K: IdKind> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Self::Int(Some(id.number()))
    }
}

impl<K: IdKind> From<Option<Id<K>>> for Value {
    fn from(id: Option<Id<K>>) -> Self {
        Self::Int(id.map(Id::number))
    }
}

fn unreadable(column: &'static str, message: impl ToString) -> StoreError {
    StoreError::Unreadable {
        column,
        message: message.to_string(),
    }
}

pub(super) fn int(row: &AnyRow, column: &'static str) -> Result<i64, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn maybe_int(row: &AnyRow, column: &'static str) -> Result<Option<i64>, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn flag(row: &AnyRow, column: &'static str) -> Result<bool, StoreError> {
    Ok(int(row, column)? != 0)
}

pub(super) fn text(row: &AnyRow, column: &'static str) -> Result<String, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn bytes(row: &AnyRow, column: &'static str) -> Result<Vec<u8>, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn maybe_text(row: &AnyRow, column: &'static str) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

pub(super) fn instant(row: &AnyRow, column: &'static str) -> Result<Instant, StoreError> {
    Ok(Instant::from_ms(int(row, column)?))
}

pub(super) fn maybe_instant(row: &AnyRow, column: &'static str) -> Result<Option<Instant>, StoreError> {
    Ok(maybe_int(row, column)?.map(Instant::from_ms))
}

pub(super) fn id<K: IdKind>(row: &AnyRow, column: &'static str) -> Result<Id<K>, StoreError> {
    Id::from_number(int(row, column)?).ok_or_else(|| unreadable(column, "not an id"))
}

pub(super) fn maybe_id<K: IdKind>(row: &AnyRow, column: &'static str) -> Result<Option<Id<K>>, StoreError> {
    let Some(number) = maybe_int(row, column)? else {
        return Ok(None);
    };
    Id::from_number(number)
        .map(Some)
        .ok_or_else(|| unreadable(column, "not an id"))
}

/// A text that a domain type checks again on its way out.
pub(super) fn parsed<T, E: ToString>(
    row: &AnyRow,
    column: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, StoreError> {
    parse(&text(row, column)?).map_err(|error| unreadable(column, error.to_string()))
}

pub(super) fn maybe_parsed<T, E: ToString>(
    row: &AnyRow,
    column: &'static str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, StoreError> {
    let Some(text) = maybe_text(row, column)? else {
        return Ok(None);
    };
    parse(&text)
        .map(Some)
        .map_err(|error| unreadable(column, error.to_string()))
}

pub(super) fn json<T: DeserializeOwned>(row: &AnyRow, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(&text(row, column)?).map_err(|error| unreadable(column, error))
}
