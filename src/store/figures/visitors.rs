//! Visitors: distinct within a UTC day, days summed.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::entity::Source;
use super::sql::Sql;
use super::{EntityKey, Question, keys};
use crate::domain::time::Instant;
use crate::domain::visitors::VisitorSet;
use crate::store::{Store, StoreError, columns};

/// A span of time: its first instant, and the first that no longer belongs to it.
pub type Span = (Instant, Instant);

/// The place of the span that holds an instant; spans rise and do not overlap.
fn span_of(spans: &[Span], at: Instant) -> Option<usize> {
    let next = spans.partition_point(|(from, _)| *from <= at);
    let place = next.checked_sub(1)?;
    (at < spans[place].1).then_some(place)
}

impl Store {
    /// Visitors of human clicks within spans of time. `group` says which group a click with these keys and in the
    /// span at this place belongs to, or `None`: a visitor of two links counts once a day in a group of both.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn count_visitors<G: Clone + Eq + Hash>(
        &self,
        question: &Question,
        spans: &[Span],
        group: impl Fn(Vec<EntityKey>, usize) -> Option<G>,
    ) -> Result<HashMap<G, i64>, StoreError> {
        let mut days: BTreeMap<i64, HashMap<G, VisitorSet>> = BTreeMap::new();
        let mut sql = Sql::new(question, Source::RawClicks);
        sql.each_row(&[]);
        sql.select
            .push("clicks.at_ms AS at_ms, clicks.visitor AS visitor".to_owned());
        sql.conditions.push("clicks.class = 0".to_owned());
        sql.brand("links.brand_id", question.brand);
        sql.between("clicks.at_ms", question.from.ms(), question.to.ms());
        sql.for_each(self, |row| {
            let at = columns::instant(row, "at_ms")?;
            let Some(span) = span_of(spans, at) else {
                return Ok(());
            };
            if let Some(group) = group(keys(row, &question.by)?, span) {
                let visitors = days.entry(at.utc_day()).or_default().entry(group).or_default();
                visitors.insert(columns::int(row, "visitor")?.cast_unsigned());
            }
            Ok(())
        })
        .await?;
        let mut counts = HashMap::new();
        for (group, visitors) in days.into_values().flatten() {
            *counts.entry(group).or_default() += i64::try_from(visitors.count()).unwrap_or(i64::MAX);
        }
        Ok(counts)
    }
}
