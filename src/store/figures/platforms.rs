//! What platforms told of posts and accounts, as gains between snapshots.
//!
//! A snapshot holds totals so far. Its gain is what it adds to the one before it, so that gains within a
//! range add up to the last snapshot in it minus the last before it, however the range is cut. Of two
//! snapshots of one instant the later created one counts.

use std::collections::HashMap;

use sqlx::any::AnyRow;

use super::entity::Source;
use super::sql::Sql;
use super::{EntityKey, Question, keys};
use crate::domain::id::BrandId;
use crate::domain::influencer::Account;
use crate::domain::time::Instant;
use crate::store::{Store, StoreError, columns};

/// What one snapshot of a post adds.
#[derive(Debug, Clone)]
pub struct PostGain {
    /// The group.
    pub keys: Vec<EntityKey>,
    /// When the platform told it.
    pub at_ms: i64,
    /// Whose post it is, and on which platform.
    pub account: (i64, String),
    /// Times it was shown.
    pub impressions: i64,
    /// People who saw it.
    pub reach: i64,
    /// Likes, comments, shares and saves.
    pub engagements: i64,
}

/// What one snapshot of an account adds.
#[derive(Debug, Clone)]
pub struct FollowerGain {
    /// The group.
    pub keys: Vec<EntityKey>,
    /// When the platform told it.
    pub at_ms: i64,
    /// Followers.
    pub gain: i64,
}

const IMPRESSIONS: usize = 0;
const REACH: usize = 1;
/// The columns of a post's figures; those after reach are engagements.
const FIGURES: [&str; 6] = ["impressions", "reach", "likes", "comments", "shares", "saves"];

type Figures = [Option<i64>; FIGURES.len()];

fn figures(row: &AnyRow) -> Result<Figures, StoreError> {
    let mut told = [None; FIGURES.len()];
    for (told, column) in told.iter_mut().zip(FIGURES) {
        *told = columns::maybe_int(row, column)?;
    }
    Ok(told)
}

impl Store {
    /// What posts gained, snapshot by snapshot, in order of time. A figure that a snapshot does not tell stays
    /// what it was.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn post_gains(&self, question: &Question) -> Result<Vec<PostGain>, StoreError> {
        let mut sql = Sql::new(question, Source::Posts);
        sql.each_row(&["post_metrics.as_of_ms", "post_metrics.created_seq"]);
        sql.select
            .extend(FIGURES.map(|figure| format!("post_metrics.{figure} AS {figure}")));
        sql.select.push(
            "posts.id AS post, posts.influencer_id AS influencer, posts.platform AS platform,
            post_metrics.as_of_ms AS as_of_ms"
                .to_owned(),
        );
        sql.conditions.push("post_metrics.archived_at_ms IS NULL".to_owned());
        sql.brand("post_metrics.brand_id", question.brand);
        sql.between("post_metrics.as_of_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut so_far = self.posts_before(question).await?;
        rows.iter()
            .map(|row| {
                let so_far = so_far.entry(columns::int(row, "post")?).or_default();
                let mut gains = [0; FIGURES.len()];
                for ((gain, so_far), told) in gains.iter_mut().zip(so_far).zip(figures(row)?) {
                    if let Some(told) = told {
                        *gain = told.saturating_sub(so_far.unwrap_or(0));
                        *so_far = Some(told);
                    }
                }
                Ok(PostGain {
                    keys: keys(row, &question.by)?,
                    at_ms: columns::int(row, "as_of_ms")?,
                    account: (columns::int(row, "influencer")?, columns::text(row, "platform")?),
                    impressions: gains[IMPRESSIONS],
                    reach: gains[REACH],
                    engagements: gains[REACH + 1..].iter().fold(0, |sum, gain| sum.saturating_add(*gain)),
                })
            })
            .collect()
    }

    /// The figures of posts before the range, each as last told; only of posts that are told of within it.
    async fn posts_before(&self, question: &Question) -> Result<HashMap<i64, Figures>, StoreError> {
        let mut sql = Sql::of_table("posts".to_owned());
        let from = sql.bind(EntityKey::Number(question.from.ms()));
        let to = sql.bind(EntityKey::Number(question.to.ms()));
        sql.select.push("posts.id AS post".to_owned());
        sql.select.extend(FIGURES.map(|figure| {
            format!(
                "(SELECT m.{figure} FROM post_metrics AS m WHERE m.post_id = posts.id AND m.archived_at_ms IS NULL
                    AND m.as_of_ms < {from} AND m.{figure} IS NOT NULL
                    ORDER BY m.as_of_ms DESC, m.created_seq DESC LIMIT 1) AS {figure}"
            )
        }));
        sql.brand("posts.brand_id", question.brand);
        sql.conditions.push(format!(
            "EXISTS (SELECT 1 FROM post_metrics AS m WHERE m.post_id = posts.id AND m.as_of_ms >= {from}
                AND m.as_of_ms < {to})"
        ));
        let rows = sql.fetch(self).await?;
        rows.iter()
            .map(|row| Ok((columns::int(row, "post")?, figures(row)?)))
            .collect()
    }

    /// What accounts gained in followers. Before its first snapshot an account has gained nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn follower_gains(&self, question: &Question) -> Result<Vec<FollowerGain>, StoreError> {
        let mut sql = Sql::new(question, Source::Followers);
        sql.each_row(&["follower_counts.as_of_ms", "follower_counts.created_seq"]);
        let from = sql.bind(EntityKey::Number(question.from.ms()));
        sql.select.push(format!(
            "follower_counts.influencer_id AS influencer, follower_counts.platform AS platform,
            follower_counts.as_of_ms AS as_of_ms, follower_counts.followers AS followers,
            (SELECT f.followers FROM follower_counts AS f WHERE f.brand_id = follower_counts.brand_id
                AND f.influencer_id IS NOT DISTINCT FROM follower_counts.influencer_id
                AND f.platform = follower_counts.platform AND f.archived_at_ms IS NULL AND f.as_of_ms < {from}
                ORDER BY f.as_of_ms DESC, f.created_seq DESC LIMIT 1) AS before"
        ));
        sql.conditions.push("follower_counts.archived_at_ms IS NULL".to_owned());
        sql.brand("follower_counts.brand_id", question.brand);
        sql.between("follower_counts.as_of_ms", question.from.ms(), question.to.ms());
        // Of each account and instant the last row stands.
        let mut told: Vec<((Option<i64>, String), i64, i64, Option<i64>, Vec<EntityKey>)> = Vec::new();
        for row in sql.fetch(self).await? {
            let account = (
                columns::maybe_int(&row, "influencer")?,
                columns::text(&row, "platform")?,
            );
            let (at_ms, followers) = (columns::int(&row, "as_of_ms")?, columns::int(&row, "followers")?);
            let same_instant = told.iter_mut().rev().take_while(|earlier| earlier.1 == at_ms);
            if let Some(earlier) = same_instant.into_iter().find(|earlier| earlier.0 == account) {
                earlier.2 = followers;
                continue;
            }
            let before = columns::maybe_int(&row, "before")?;
            told.push((account, at_ms, followers, before, keys(&row, &question.by)?));
        }
        let mut so_far: HashMap<(Option<i64>, String), i64> = HashMap::new();
        let gains = told.into_iter().map(|(account, at_ms, followers, before, keys)| {
            let last = so_far.insert(account, followers).or(before);
            FollowerGain {
                keys,
                at_ms,
                gain: followers - last.unwrap_or(followers),
            }
        });
        Ok(gains.collect())
    }

    /// The accounts of every influencer of a brand, as the brand keeps them.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn accounts(&self, brand: BrandId) -> Result<HashMap<i64, Vec<Account>>, StoreError> {
        let rows = sqlx::query("SELECT id, accounts FROM influencers WHERE brand_id = $1")
            .bind(brand.number())
            .fetch_all(&self.control)
            .await?;
        rows.iter()
            .map(|row| Ok((columns::int(row, "id")?, columns::json(row, "accounts")?)))
            .collect()
    }

    /// Followers of influencers' accounts by influencer and platform: as last told before `to`, else as the
    /// brand keeps them.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn followers(&self, brand: BrandId, to: Instant) -> Result<HashMap<(i64, String), i64>, StoreError> {
        let mut followers: HashMap<(i64, String), i64> = HashMap::new();
        for (influencer, accounts) in self.accounts(brand).await? {
            for account in accounts {
                let key = (influencer, account.platform.as_str().to_owned());
                *followers.entry(key).or_default() += i64::from(account.followers);
            }
        }
        let sql = "SELECT influencer_id, platform, followers FROM (
                SELECT influencer_id, platform, followers, ROW_NUMBER() OVER (PARTITION BY influencer_id, platform
                    ORDER BY as_of_ms DESC, created_seq DESC) AS place
                FROM follower_counts
                WHERE brand_id = $1 AND as_of_ms < $2 AND influencer_id IS NOT NULL AND archived_at_ms IS NULL
            ) AS placed WHERE place = 1";
        let told = sqlx::query(sql).bind(brand.number()).bind(to.ms());
        for row in told.fetch_all(&self.control).await? {
            let key = (columns::int(&row, "influencer_id")?, columns::text(&row, "platform")?);
            followers.insert(key, columns::int(&row, "followers")?);
        }
        Ok(followers)
    }
}
