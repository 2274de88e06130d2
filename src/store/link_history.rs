//! A link's history: what became of it, when, and by which key. Written in the transaction that changes the link.

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::AnyConnection;
use utoipa::ToSchema;

use super::columns;
use super::{Link, Store, StoreError};
use crate::domain::id::{KeyId, LinkId};
use crate::domain::time::Instant;

/// Who changes something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// The API key.
    pub key: KeyId,
    /// Now.
    pub at: Instant,
}

/// What became of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Created,
    Updated,
    Archived,
    Moved,
}

impl Action {
    const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Archived => "archived",
            Self::Moved => "moved",
        }
    }
}

/// One entry, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkEntry {
    /// When.
    pub at: Instant,
    /// created, updated, archived, or moved by a change of its campaign.
    pub action: String,
    /// By which key; `None`: it followed its campaign.
    pub key_id: Option<KeyId>,
    /// Each changed field, from what to what.
    pub changes: Value,
}

/// Every field that differs. What a link began with is not told: the changes since lead back to it.
fn differences(before: &Link, after: &Link) -> Map<String, Value> {
    let fields = |link: &Link| serde_json::to_value(link).expect("records have plain keys");
    let (before, after) = (fields(before), fields(after));
    let all = after.as_object().into_iter().flatten();
    all.filter(|(name, to)| before[name.as_str()] != **to)
        .map(|(name, to)| (name.clone(), json!({"from": before[name.as_str()], "to": to})))
        .collect()
}

async fn note(
    conn: &mut AnyConnection,
    link: LinkId,
    at: Instant,
    key: Option<KeyId>,
    (action, changes): (Action, Map<String, Value>),
) -> Result<(), StoreError> {
    let sql = "INSERT INTO link_history (link_id, at_ms, key_id, action, changes) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(link.number())
        .bind(at.ms())
        .bind(key.map(KeyId::number))
        .bind(action.name())
        .bind(Value::Object(changes).to_string())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn created(conn: &mut AnyConnection, link: &Link, key: Option<KeyId>) -> Result<(), StoreError> {
    note(conn, link.id, link.created_at, key, (Action::Created, Map::new())).await
}

/// Nothing, where nothing changed.
pub(super) async fn updated(
    conn: &mut AnyConnection,
    before: &Link,
    after: &Link,
    change: Change,
) -> Result<(), StoreError> {
    let changes = differences(before, after);
    if changes.is_empty() {
        return Ok(());
    }
    note(conn, after.id, change.at, Some(change.key), (Action::Updated, changes)).await
}

pub(super) async fn archived(conn: &mut AnyConnection, link: LinkId, change: Change) -> Result<(), StoreError> {
    let changes = Map::from_iter([("archived_at".to_owned(), json!({"from": null, "to": change.at}))]);
    note(conn, link, change.at, Some(change.key), (Action::Archived, changes)).await
}

/// A change of its campaign gave the link another address.
pub(super) async fn moved(conn: &mut AnyConnection, before: &Link, to: &str, at: Instant) -> Result<(), StoreError> {
    let changes = Map::from_iter([("final_url".to_owned(), json!({"from": before.final_url, "to": to}))]);
    note(conn, before.id, at, None, (Action::Moved, changes)).await
}

impl Store {
    /// A page of a link's history, newest first. `before` is where the last page ended.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn link_history(
        &self,
        link: LinkId,
        before: Option<i64>,
        limit: u16,
    ) -> Result<(Vec<LinkEntry>, Option<i64>), StoreError> {
        let sql = "SELECT id, at_ms, key_id, action, changes FROM link_history
            WHERE link_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        let query = sqlx::query(sql)
            .bind(link.number())
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit) + 1);
        let rows = query.fetch_all(&self.control).await?;
        let limit = usize::from(limit);
        let next = match rows.get(limit) {
            Some(_) => Some(columns::int(&rows[limit - 1], "id")?),
            None => None,
        };
        let entries = rows.iter().take(limit).map(|row| {
            Ok(LinkEntry {
                at: columns::instant(row, "at_ms")?,
                action: columns::text(row, "action")?,
                key_id: columns::maybe_id(row, "key_id")?,
                changes: columns::json(row, "changes")?,
            })
        });
        Ok((entries.collect::<Result<_, StoreError>>()?, next))
    }
}
