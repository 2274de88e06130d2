//! What every kind of stored thing shares: created, listed, read, changed and archived alike.

use sqlx::AnyConnection;
use sqlx::AssertSqlSafe;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::columns::Value;
use super::{Store, StoreError, Work, take_feed};
use crate::domain::id::BrandId;
use crate::domain::invalid::Invalid;
use crate::domain::time::Instant;

/// Whose things are meant: one brand's, or everybody's (an operator asks).
pub type Scope = Option<BrandId>;

/// One page of a list: things created after `after`, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// At most so many.
    pub limit: u16,
    /// The position where the last page ended; 0 for the first.
    pub after: i64,
    /// Whether archived things are listed too.
    pub archived: bool,
}

/// A column, and what must stand in it.
pub type Filter = (&'static str, Value);

/// A page, and where the next one begins.
#[derive(Debug)]
pub struct Listed<R> {
    /// The things.
    pub data: Vec<R>,
    /// `after` of the next page; `None` on the last.
    pub next: Option<i64>,
}

/// A kind of thing that has a table of its own.
pub trait Record: Sized + Clone + Send + Sync + 'static {
    /// The table.
    const TABLE: &'static str;
    /// Its name in messages.
    const WHAT: &'static str;
    /// The column that holds its brand.
    const SCOPE_COLUMN: &'static str = "brand_id";
    /// The field that must be unique, for messages.
    const UNIQUE_FIELD: &'static str;

    /// The id's number.
    fn number(&self) -> i64;
    /// Whether it was archived.
    fn archived_at(&self) -> Option<Instant>;
    #[doc(hidden)]
    fn read(row: &AnyRow) -> Result<Self, StoreError>;
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "only this room implements the trait")]
    fn values(&self) -> Vec<(&'static str, Value)>;
}

pub(super) async fn insert<R: Record>(conn: &mut AnyConnection, record: &R, seq: i64) -> Result<(), StoreError> {
    let mut values = record.values();
    values.push(("created_seq", seq.into()));
    values.push(("feed_seq", seq.into()));
    let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
    let places: Vec<_> = (1..=values.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        R::TABLE,
        names.join(", "),
        places.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (_, value) in values {
        query = value.bind(query);
    }
    query.execute(conn).await.map_err(taken::<R>)?;
    Ok(())
}

pub(super) async fn save<R: Record>(conn: &mut AnyConnection, record: &R, seq: i64) -> Result<(), StoreError> {
    let mut values = record.values();
    values.push(("feed_seq", seq.into()));
    let sets: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(i, (name, _))| format!("{name} = ${}", i + 1))
        .collect();
    let sql = format!(
        "UPDATE {} SET {} WHERE id = ${}",
        R::TABLE,
        sets.join(", "),
        values.len() + 1
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (_, value) in values {
        query = value.bind(query);
    }
    query.bind(record.number()).execute(conn).await.map_err(taken::<R>)?;
    Ok(())
}

/// Whether it was not archived before.
pub(super) async fn archive<R: Record>(
    conn: &mut AnyConnection,
    scope: Scope,
    number: i64,
    at: Instant,
) -> Result<bool, StoreError> {
    let seq = take_feed(conn, 1).await?;
    find::<R>(conn, scope, number).await?;
    let sql = format!(
        "UPDATE {} SET archived_at_ms = $1, feed_seq = $2 WHERE id = $3 AND archived_at_ms IS NULL",
        R::TABLE
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(at.ms()).bind(seq).bind(number);
    Ok(query.execute(conn).await?.rows_affected() == 1)
}

fn taken<R: Record>(error: sqlx::Error) -> StoreError {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => {
            let message = format!("is taken by another {}", R::WHAT);
            Invalid::one(R::UNIQUE_FIELD, message).into()
        }
        _ => error.into(),
    }
}

pub(super) async fn find<R: Record>(conn: &mut AnyConnection, scope: Scope, number: i64) -> Result<R, StoreError> {
    let scoped = scope.map_or(String::new(), |_| format!(" AND {} = $2", R::SCOPE_COLUMN));
    let sql = format!("SELECT * FROM {} WHERE id = $1{scoped}", R::TABLE);
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(number);
    if let Some(brand) = scope {
        query = query.bind(brand.number());
    }
    match query.fetch_optional(conn).await? {
        Some(row) => R::read(&row),
        None => Err(StoreError::NotFound { what: R::WHAT }),
    }
}

impl Store {
    /// Writes a new thing.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when its unique field is taken.
    pub async fn create<R: Record>(&self, record: R) -> Result<R, StoreError> {
        self.transact(move |conn| -> Work<'_, R> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                insert(conn, &record, seq).await?;
                Ok(record)
            })
        })
        .await
    }

    /// Reads one thing, archived or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the scope holds no such id.
    pub async fn get<R: Record>(&self, scope: Scope, number: i64) -> Result<R, StoreError> {
        self.reach
            .within(async { find(&mut *self.control.acquire().await?, scope, number).await })
            .await
    }

    /// Lists things in the order of their creation. `filters` are columns that must equal a value.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list<R: Record>(&self, scope: Scope, filters: &[Filter], page: Page) -> Result<Listed<R>, StoreError> {
        let mut conditions = vec!["created_seq > $1".to_owned()];
        let mut bound = vec![Value::from(page.after)];
        if !page.archived {
            conditions.push("archived_at_ms IS NULL".to_owned());
        }
        let scoped = scope.map(|brand| (R::SCOPE_COLUMN, brand.into()));
        for (column, value) in scoped.iter().chain(filters) {
            bound.push(value.clone());
            conditions.push(format!("{column} = ${}", bound.len()));
        }
        bound.push((i64::from(page.limit) + 1).into());
        let sql = format!(
            "SELECT * FROM {} WHERE {} ORDER BY created_seq LIMIT ${}",
            R::TABLE,
            conditions.join(" AND "),
            bound.len()
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in bound {
            query = value.bind(query);
        }
        let rows = query.fetch_all(&self.control).await?;
        let limit = usize::from(page.limit);
        let next = match rows.get(limit) {
            Some(_) => Some(rows[limit - 1].try_get("created_seq")?),
            None => None,
        };
        let data = rows.iter().take(limit).map(R::read).collect::<Result<_, _>>()?;
        Ok(Listed { data, next })
    }

    /// Changes one thing: `edit` sees it as it is inside the transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what `edit` found wrong.
    pub async fn update<R: Record>(
        &self,
        scope: Scope,
        number: i64,
        edit: impl FnOnce(&mut R) -> Result<(), Invalid> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.transact(move |conn| -> Work<'_, R> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                let mut record: R = find(conn, scope, number).await?;
                refuse_archived(&record)?;
                edit(&mut record)?;
                save(conn, &record, seq).await?;
                Ok(record)
            })
        })
        .await
    }

    /// Archives one thing: it keeps its history and is listed no more. Twice does no harm.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the scope holds no such id.
    pub async fn archive<R: Record>(&self, scope: Scope, number: i64, at: Instant) -> Result<(), StoreError> {
        self.transact(move |conn| -> Work<'_, ()> {
            Box::pin(async move {
                archive::<R>(conn, scope, number, at).await?;
                Ok(())
            })
        })
        .await
    }
}

pub(super) fn refuse_archived<R: Record>(record: &R) -> Result<(), Invalid> {
    match record.archived_at() {
        None => Ok(()),
        Some(_) => Err(Invalid::one(
            "id",
            format!("this {} is archived and can no longer be changed", R::WHAT),
        )),
    }
}

/// What a field of a request refers to: it must be there and not archived, else that field is wrong.
///
/// # Errors
/// [`StoreError::Invalid`] naming `field`; other errors as they were found.
pub fn standing<R: Record>(found: Result<R, StoreError>, field: &str) -> Result<R, StoreError> {
    match found {
        Err(StoreError::NotFound { what }) => {
            Err(Invalid::one(field, format!("there is no such {what} in this brand")).into())
        }
        Ok(record) if record.archived_at().is_some() => {
            Err(Invalid::one(field, format!("this {} is archived", R::WHAT)).into())
        }
        other => other,
    }
}
