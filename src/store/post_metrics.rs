//! Post metrics: a post's figures so far, as its platform told them at one instant.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::columns::{self, Value};
use super::{Record, StoreError};
use crate::domain::figures::{Figure, PostFigures};
use crate::domain::id::{BrandId, PostId, PostMetricsId};
use crate::domain::time::Instant;

/// A post's figures, as stored and as the API shows them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PostMetrics {
    /// Their id.
    pub id: PostMetricsId,
    /// Whose they are.
    pub brand_id: BrandId,
    /// The post.
    pub post_id: PostId,
    /// When it stood so.
    pub as_of: Instant,
    /// The figures.
    #[serde(flatten)]
    pub figures: PostFigures,
    /// When they were told here.
    pub created_at: Instant,
}

impl Record for PostMetrics {
    const TABLE: &'static str = "post_metrics";
    const WHAT: &'static str = "post metrics";
    const UNIQUE_FIELD: &'static str = "id";

    fn number(&self) -> i64 {
        self.id.number()
    }

    fn archived_at(&self) -> Option<Instant> {
        None
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let figure = |column| columns::maybe_number::<Figure>(row, column);
        Ok(Self {
            id: columns::id(row, "id")?,
            brand_id: columns::id(row, "brand_id")?,
            post_id: columns::id(row, "post_id")?,
            as_of: columns::instant(row, "as_of_ms")?,
            figures: PostFigures {
                impressions: figure("impressions")?,
                reach: figure("reach")?,
                views: figure("views")?,
                likes: figure("likes")?,
                comments: figure("comments")?,
                shares: figure("shares")?,
                saves: figure("saves")?,
            },
            created_at: columns::instant(row, "created_at_ms")?,
        })
    }

    #[allow(private_interfaces, reason = "only this room calls it")]
    fn values(&self) -> Vec<(&'static str, Value)> {
        let mut values = vec![
            ("id", self.id.into()),
            ("brand_id", self.brand_id.into()),
            ("post_id", self.post_id.into()),
            ("as_of_ms", self.as_of.into()),
            ("created_at_ms", self.created_at.into()),
        ];
        // The columns are called as the figures are.
        let figures = self.figures.named().into_iter();
        values.extend(figures.map(|(name, figure)| (name, Value::Int(figure.map(i64::from)))));
        values
    }
}
