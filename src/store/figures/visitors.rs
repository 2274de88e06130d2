//! Visitors: distinct within a UTC day, days summed.
//!
//! Whole UTC days come from the sets that are folded per day and link, and from the visits that wait for it.
//! Pieces of days, and whatever is asked by a property of the click, come from raw clicks; where a day's raw clicks
//! were dropped after their retention, such a figure is not known, and says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::entity::Source;
use super::sql::Sql;
use super::{EntityKey, Question, keys};
use crate::domain::time::{DAY_MS, Instant};
use crate::domain::visitors::VisitorSet;
use crate::store::visitors::{sketch, waiting};
use crate::store::{Store, StoreError, columns};

/// A span of time: its first instant, and the first that no longer belongs to it.
pub type Span = (Instant, Instant);

/// The place of the span that holds an instant; spans rise and do not overlap.
fn span_of(spans: &[Span], at: Instant) -> Option<usize> {
    let next = spans.partition_point(|(from, _)| *from <= at);
    let place = next.checked_sub(1)?;
    (at < spans[place].1).then_some(place)
}

/// A stretch of time, and what its visitors are read from; milliseconds, the end left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Days(i64, i64),
    Raw(i64, i64),
}

/// The pieces that spans consist of, in order. Between two spans there are no clicks, so that neighbours of one kind
/// are one piece.
fn pieces(spans: &[Span], by_day: bool) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut add = |piece: Piece| match (pieces.last_mut(), piece) {
        (_, Piece::Days(from, to) | Piece::Raw(from, to)) if from >= to => {}
        (Some(Piece::Days(_, end)), Piece::Days(_, to)) | (Some(Piece::Raw(_, end)), Piece::Raw(_, to)) => *end = to,
        _ => pieces.push(piece),
    };
    for (from, to) in spans {
        let (from, to) = (from.ms(), to.ms());
        let (first, end) = (from + (-from).rem_euclid(DAY_MS), to - to.rem_euclid(DAY_MS));
        if by_day && first < end {
            add(Piece::Raw(from, first));
            add(Piece::Days(first, end));
            add(Piece::Raw(end, to));
        } else {
            add(Piece::Raw(from, to));
        }
    }
    pieces
}

/// A UTC day, a link's keys, and its visitors.
type Waiting = (i64, Vec<EntityKey>, VisitorSet);

/// Visitors by group.
#[derive(Debug)]
pub struct Visitors<G> {
    /// How many; groups without any are left out.
    pub counts: HashMap<G, i64>,
    /// Places of spans of which raw clicks would be needed that are no longer there.
    pub unknown: BTreeSet<usize>,
}

/// The spans, by their places, that need raw clicks of one of these UTC days.
fn in_need_of(days: &[i64], spans: &[Span], by_day: bool) -> BTreeSet<usize> {
    let gone = |piece: Piece| match piece {
        Piece::Raw(from, to) => days.iter().any(|day| from < (day + 1) * DAY_MS && day * DAY_MS < to),
        Piece::Days(..) => false,
    };
    let needs = |span: &Span| pieces(&[*span], by_day).into_iter().any(gone);
    (0..spans.len()).filter(|place| needs(&spans[*place])).collect()
}

/// Links that are asked for in one statement.
const LINKS_AT_ONCE: usize = 500;

/// Sets by UTC day and group. Days are read in order, so that a day before the one being read is done with.
struct Days<G> {
    open: BTreeMap<i64, HashMap<G, VisitorSet>>,
    counts: HashMap<G, i64>,
}

impl<G: Eq + Hash> Days<G> {
    fn of(&mut self, utc_day: i64, group: G) -> &mut VisitorSet {
        self.open.entry(utc_day).or_default().entry(group).or_default()
    }

    fn count_before(&mut self, utc_day: i64) {
        while let Some(day) = self.open.first_entry().filter(|day| *day.key() < utc_day) {
            for (group, visitors) in day.remove() {
                *self.counts.entry(group).or_default() += i64::try_from(visitors.count()).unwrap_or(i64::MAX);
            }
        }
    }
}

fn raw_clicks(question: &Question) -> Sql {
    let mut sql = Sql::new(question, Source::RawClicks);
    sql.each_row(&["clicks.at_ms"]);
    sql.select
        .push("clicks.at_ms AS at_ms, clicks.visitor AS visitor".to_owned());
    sql.conditions.push("clicks.class = 0".to_owned());
    sql.brand("links.brand_id", question.brand);
    sql
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
    ) -> Result<Visitors<G>, StoreError> {
        let mut days = Days {
            open: BTreeMap::new(),
            counts: HashMap::new(),
        };
        let mut asked_by = question.by.iter().chain(question.only.iter().map(|(entity, _)| entity));
        let by_day = !asked_by.any(|entity| entity.is_facet());
        let pieces = pieces(spans, by_day);
        let group_at = |keys, at| group(keys, span_of(spans, at)?);
        for piece in pieces {
            match piece {
                Piece::Raw(from, to) => {
                    let mut sql = raw_clicks(question);
                    sql.between("clicks.at_ms", from, to);
                    sql.for_each(self, |row| {
                        let at = columns::instant(row, "at_ms")?;
                        days.count_before(at.utc_day());
                        if let Some(group) = group_at(keys(row, &question.by)?, at) {
                            let visitor = columns::int(row, "visitor")?.cast_unsigned();
                            days.of(at.utc_day(), group).insert(visitor);
                        }
                        Ok(())
                    })
                    .await?;
                }
                Piece::Days(from, to) => {
                    // What waits first: what is folded meanwhile is met twice, which a set does not mind.
                    for (utc_day, keys, visitors) in self.waiting(question, from / DAY_MS, to / DAY_MS).await? {
                        if let Some(group) = group_at(keys, Instant::from_ms(utc_day * DAY_MS)) {
                            days.of(utc_day, group).unite(&visitors);
                        }
                    }
                    let mut sql = Sql::new(question, Source::VisitorDays);
                    sql.each_row(&["visitor_days.utc_day"]);
                    sql.select
                        .push("visitor_days.utc_day AS utc_day, visitor_days.sketch AS sketch".to_owned());
                    sql.brand("links.brand_id", question.brand);
                    sql.between("visitor_days.utc_day", from / DAY_MS, to / DAY_MS);
                    sql.for_each(self, |row| {
                        let utc_day = columns::int(row, "utc_day")?;
                        days.count_before(utc_day);
                        if let Some(group) = group_at(keys(row, &question.by)?, Instant::from_ms(utc_day * DAY_MS)) {
                            days.of(utc_day, group).unite(&sketch(row)?);
                        }
                        Ok(())
                    })
                    .await?;
                }
            }
        }
        days.count_before(i64::MAX);
        // Asked afterwards: a day that is dropped meanwhile is not missed.
        let sealed = self.sealed_days(question.from.ms(), question.to.ms()).await?;
        Ok(Visitors {
            counts: days.counts,
            unknown: in_need_of(&sealed, spans, by_day),
        })
    }

    /// Visitors that wait to be folded, by UTC day and link, of the links that are asked for: with their keys.
    async fn waiting(&self, question: &Question, from: i64, to: i64) -> Result<Vec<Waiting>, StoreError> {
        let mut days = waiting(&self.control, from, to).await?;
        let links: BTreeSet<i64> = days.values().flat_map(|sets| sets.keys().copied()).collect();
        let links: Vec<i64> = links.into_iter().collect();
        let mut asked = Vec::new();
        for links in links.chunks(LINKS_AT_ONCE) {
            let mut sql = Sql::new(question, Source::Links);
            sql.each_row(&[]);
            sql.select.push("links.id AS link_id".to_owned());
            sql.brand("links.brand_id", question.brand);
            sql.one_of("links.id", links);
            sql.for_each(self, |row| {
                let link = columns::int(row, "link_id")?;
                for (utc_day, sets) in &mut days {
                    if let Some(visitors) = sets.remove(&link) {
                        asked.push((*utc_day, keys(row, &question.by)?, visitors));
                    }
                }
                Ok(())
            })
            .await?;
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        (Instant::from_ms(from), Instant::from_ms(to))
    }

    #[test]
    fn spans_are_cut_at_utc_days_without_gap_or_overlap() {
        let day = DAY_MS;
        for (spans, cut) in [
            (vec![span(0, day)], vec![Piece::Days(0, day)]),
            (vec![span(5, 7)], vec![Piece::Raw(5, 7)]),
            (vec![span(7, 7)], vec![]),
            (vec![span(5, day + 5)], vec![Piece::Raw(5, day + 5)]),
            (
                vec![span(-5, 2 * day + 5)],
                vec![
                    Piece::Raw(-5, 0),
                    Piece::Days(0, 2 * day),
                    Piece::Raw(2 * day, 2 * day + 5),
                ],
            ),
            // Days in a row, days with one left out, and days that are no UTC days.
            (vec![span(0, day), span(day, 2 * day)], vec![Piece::Days(0, 2 * day)]),
            (
                vec![span(0, day), span(2 * day, 3 * day)],
                vec![Piece::Days(0, 3 * day)],
            ),
            (
                vec![span(5, day + 5), span(day + 5, 2 * day + 5)],
                vec![Piece::Raw(5, 2 * day + 5)],
            ),
        ] {
            assert_eq!(pieces(&spans, true), cut, "{spans:?}");
        }
        assert_eq!(pieces(&[span(0, day)], false), [Piece::Raw(0, day)]);
    }

    #[test]
    fn a_span_that_needs_raw_clicks_of_a_sealed_day_is_not_known() {
        let day = DAY_MS;
        let spans = [
            span(0, day),
            span(day, 2 * day + 5),
            span(2 * day + 5, 4 * day),
            span(4 * day, 5 * day),
        ];
        let needs = |days: &[i64], by_day| in_need_of(days, &spans, by_day).into_iter().collect::<Vec<_>>();
        assert_eq!(needs(&[0, 1, 3], true), Vec::<usize>::new());
        assert_eq!(needs(&[2], true), [1, 2]);
        assert_eq!(needs(&[0, 3], false), [0, 2]);
    }

    #[test]
    fn an_instant_belongs_to_the_span_that_holds_it() {
        let spans = [span(0, 10), span(10, 20), span(30, 40)];
        let places = [-1, 0, 9, 10, 19, 20, 29, 30, 39, 40].map(|at| span_of(&spans, Instant::from_ms(at)));
        let expected = [
            None,
            Some(0),
            Some(0),
            Some(1),
            Some(1),
            None,
            None,
            Some(2),
            Some(2),
            None,
        ];
        assert_eq!(places, expected);
    }
}
