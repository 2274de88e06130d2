//! A report's answer: rows sorted, paged and named.

use std::collections::HashMap;

use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::{Map, Value as Json};

use super::dimension::Dimension;
use super::gather::{Gathering, Group};
use super::measures::{Measures, OtherCurrency, Value};
use super::question::ReportQuestion;
use crate::domain::id::{CampaignId, Id, IdKind, InfluencerId, LinkId, PostId, PromoCodeId};
use crate::store::figures::{Entity, EntityKey};
use crate::store::{Brand, Store, StoreError};

/// A report's answer, in the shape that the API shows.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The brand's currency: the one of every amount in it.
    pub currency: String,
    /// As asked.
    pub from: String,
    /// As asked.
    pub to: String,
    /// The zone of days and hours.
    pub tz: String,
    /// How credit is split.
    pub model: &'static str,
    /// One page of rows.
    pub rows: Vec<Row>,
    /// Over all rows, not just this page.
    pub total: Total,
    /// Asks for the next page.
    pub next_cursor: Option<String>,
}

/// One row.
#[derive(Debug)]
pub struct Row {
    pub(super) key: Map<String, Json>,
    pub(super) label: Map<String, Json>,
    pub(super) measures: Measures,
}

/// The sums of everything asked for, and what nobody earned.
#[derive(Debug)]
pub struct Total {
    measures: Measures,
    unattributed: Measures,
    other_currencies: Vec<OtherCurrency>,
}

impl Row {
    /// The value of one measure, as JSON.
    #[must_use]
    pub fn measure(&self, name: &str) -> Option<Json> {
        let value = self.measures.values().into_iter().find(|(known, _)| *known == name)?.1;
        serde_json::to_value(value).ok()
    }

    /// What the row's things are called, in the order of the dimensions.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        self.label
            .values()
            .map(|label| label.as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("label", &self.label)?;
        for (name, value) in self.measures.values() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

impl Serialize for Total {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.measures.values() {
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("unattributed_conversions", &self.unattributed.conversions())?;
        map.serialize_entry("unattributed_revenue", &self.unattributed.revenue())?;
        map.serialize_entry("unattributed_refunds", &self.unattributed.refunds())?;
        map.serialize_entry("other_currencies", &self.other_currencies)?;
        map.end()
    }
}

/// Answers a question about one brand.
///
/// # Errors
/// [`StoreError`] when the store does not answer.
pub async fn run(store: &Store, brand: &Brand, question: &ReportQuestion) -> Result<Report, StoreError> {
    let gathering = Gathering::new(store, brand, question).await?;
    let groups = gathering.rows().await?;
    let total = gathering.total().await?;
    let other_currencies = total.measures.other_currencies();
    let mut rows: Vec<(Group, Measures)> = groups.into_iter().collect();
    sort(&mut rows, question);
    let more = rows.len() > question.skip.saturating_add(question.limit);
    let page: Vec<_> = rows.into_iter().skip(question.skip).take(question.limit).collect();
    let labels = labels(store, question, &page).await?;
    let zone = question.tz.zone();
    let rows = page
        .into_iter()
        .map(|(group, measures)| row(question, &zone, group, measures, &labels))
        .collect();
    Ok(Report {
        currency: brand.currency.to_string(),
        from: question.from_shown.clone(),
        to: question.to_shown.clone(),
        tz: question.tz.to_string(),
        model: "last_touch",
        rows,
        total: Total {
            measures: total.measures,
            unattributed: total.unattributed,
            other_currencies,
        },
        next_cursor: more.then(|| format!("row_{}", question.skip + question.limit)),
    })
}

fn sort(rows: &mut [(Group, Measures)], question: &ReportQuestion) {
    let rank = |measures: &Measures, name: &str| {
        let values = measures.values();
        values
            .into_iter()
            .find(|(known, _)| *known == name)
            .map_or(0.0, |(_, value): (_, Value)| value.rank())
    };
    rows.sort_by(|(a_group, a), (b_group, b)| {
        let by_measure = |name: &str| rank(b, name).total_cmp(&rank(a, name));
        let order = match question.sort.measure {
            Some(name) if question.sort.descending => by_measure(name),
            Some(name) => by_measure(name).reverse(),
            None if question.bucket().is_some() => a_group.1.cmp(&b_group.1),
            None => by_measure("revenue"),
        };
        // The same question always gives the same order, or pages would overlap.
        order
            .then_with(|| by_measure("clicks"))
            .then_with(|| a_group.cmp(b_group))
    });
}

type Labels = HashMap<(Entity, i64), String>;

async fn labels(store: &Store, question: &ReportQuestion, page: &[(Group, Measures)]) -> Result<Labels, StoreError> {
    let mut labels = HashMap::new();
    let keyed = question.by.iter().filter(|by| !matches!(by, Dimension::Time(_)));
    for (place, dimension) in keyed.enumerate() {
        let Dimension::Entity(entity) = dimension else {
            continue;
        };
        let mut ids: Vec<i64> = page
            .iter()
            .filter_map(|((keys, _), _)| match keys[place] {
                EntityKey::Number(id) => Some(id),
                _ => None,
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        labels.extend(
            store
                .labels(*entity, &ids)
                .await?
                .into_iter()
                .map(|(id, label)| ((*entity, id), label)),
        );
    }
    Ok(labels)
}

fn id_text(entity: Entity, number: i64) -> Option<String> {
    fn text<K: IdKind>(id: Option<Id<K>>) -> Option<String> {
        id.map(|id| id.to_string())
    }
    match entity {
        Entity::Campaign => text(CampaignId::from_number(number)),
        Entity::Influencer => text(InfluencerId::from_number(number)),
        Entity::Link => text(LinkId::from_number(number)),
        Entity::Post => text(PostId::from_number(number)),
        Entity::PromoCode => text(PromoCodeId::from_number(number)),
        _ => None,
    }
}

fn row(
    question: &ReportQuestion,
    zone: &jiff::tz::TimeZone,
    (keys, start): Group,
    measures: Measures,
    labels: &Labels,
) -> Row {
    let (mut key, mut label) = (Map::new(), Map::new());
    let mut keys = keys.into_iter();
    for dimension in &question.by {
        let (value, shown) = match dimension {
            Dimension::Time(bucket) => {
                let name = start.map(|start| bucket.name(start, zone)).unwrap_or_default();
                (Json::from(name.clone()), name)
            }
            Dimension::Entity(_) | Dimension::Tier => match (dimension, keys.next()) {
                (Dimension::Entity(entity), Some(EntityKey::Number(number))) => {
                    let id = id_text(*entity, number).unwrap_or_default();
                    let shown = labels.get(&(*entity, number)).cloned().unwrap_or_else(|| id.clone());
                    (Json::from(id), shown)
                }
                (_, Some(EntityKey::Text(text))) => (Json::from(text.clone()), text),
                _ => (Json::Null, "(none)".to_owned()),
            },
        };
        key.insert(dimension.name().to_owned(), value);
        label.insert(dimension.name().to_owned(), Json::from(shown));
    }
    Row { key, label, measures }
}
