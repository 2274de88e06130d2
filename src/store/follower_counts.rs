//! Follower counts: what an account had at one instant. The newest one is what the influencer has.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Answer, Answering, Influencer, Record, Store, StoreError, Work, records, take_feed};
use crate::domain::figures::Followers;
use crate::domain::id::{BrandId, FollowerCountId, InfluencerId};
use crate::domain::text::Platform;
use crate::domain::time::Instant;

/// A follower count, as stored and as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FollowerCount {
    /// Its id.
    pub id: FollowerCountId,
    /// Whose it is.
    pub brand_id: BrandId,
    /// Whose account; null: the brand's own.
    pub influencer_id: Option<InfluencerId>,
    /// Where the account is.
    pub platform: Platform,
    /// When it had so many.
    pub as_of: Instant,
    /// How many.
    pub followers: Followers,
    /// When it was told here.
    pub created_at: Instant,
}

impl Record for FollowerCount {
    const TABLE: &'static str = "follower_counts";
    const WHAT: &'static str = "follower count";
    const UNIQUE_FIELD: &'static str = "id";

    fn number(&self) -> i64 {
        self.id.number()
    }

    fn archived_at(&self) -> Option<Instant> {
        None
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns::id(row, "id")?,
            brand_id: columns::id(row, "brand_id")?,
            influencer_id: columns::maybe_id(row, "influencer_id")?,
            platform: columns::parsed(row, "platform", Platform::parse)?,
            as_of: columns::instant(row, "as_of_ms")?,
            followers: columns::number(row, "followers")?,
            created_at: columns::instant(row, "created_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("influencer_id", self.influencer_id.into()),
            ("platform", Value::text(&self.platform)),
            ("as_of_ms", self.as_of.into()),
            ("followers", i64::from(self.followers).into()),
            ("created_at_ms", self.created_at.into()),
        ]
    }
}

impl Store {
    /// Writes a count and answers it. Where it is the newest of its account, the influencer takes it over.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when there is no such influencer, or the key was used for something else.
    pub async fn count_followers_once(
        &self,
        count: FollowerCount,
        answering: Answering<FollowerCount>,
    ) -> Result<Answer, StoreError> {
        self.transact_once(answering, move |conn| -> Work<'_, FollowerCount> {
            Box::pin(async move {
                let seq = take_feed(conn, 1).await?;
                if let Some(influencer) = count.influencer_id {
                    let found = records::find(conn, Some(count.brand_id), influencer.number()).await;
                    let influencer: Influencer = records::standing(found, "influencer_id")?;
                    if is_newest(conn, &count).await? {
                        take_over(conn, influencer, &count, seq).await?;
                    }
                }
                records::insert(conn, &count, seq).await?;
                Ok(count)
            })
        })
        .await
    }
}

/// Of two counts of one instant the one that was told later is the newer one.
async fn is_newest(conn: &mut AnyConnection, count: &FollowerCount) -> Result<bool, StoreError> {
    let sql = "SELECT COUNT(*) FROM follower_counts
        WHERE brand_id = $1 AND influencer_id = $2 AND platform = $3 AND as_of_ms > $4";
    let newer: i64 = sqlx::query_scalar(sql)
        .bind(count.brand_id.number())
        .bind(count.influencer_id.map(InfluencerId::number))
        .bind(count.platform.as_str())
        .bind(count.as_of.ms())
        .fetch_one(conn)
        .await?;
    Ok(newer == 0)
}

/// Only where it is clear which account is meant: of two on one platform a count says nothing about either.
async fn take_over(
    conn: &mut AnyConnection,
    mut influencer: Influencer,
    count: &FollowerCount,
    seq: i64,
) -> Result<(), StoreError> {
    let on_platform = influencer
        .accounts
        .iter_mut()
        .filter(|account| account.platform == count.platform);
    if let [account] = on_platform.collect::<Vec<_>>().as_mut_slice() {
        account.followers = count.followers;
        records::save(conn, &influencer, seq).await?;
    }
    Ok(())
}
