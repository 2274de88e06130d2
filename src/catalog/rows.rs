//! Links in memory, made small: there may be millions.

use crate::domain::id::{BrandId, CampaignId, LinkId};
use crate::domain::link::LinkSwitches;
use crate::domain::location::LocationTemplate;
use crate::domain::time::Instant;
use crate::store::LinkChange;

const PAUSED: u8 = 1;
const ARCHIVED: u8 = 2;
const FORWARD_QUERY: u8 = 4;
/// Stands for "never expires": an `Option` would cost eight bytes a link.
const NEVER_MS: i64 = i64::MAX;

/// One link, ready to redirect.
#[derive(Clone)]
pub struct LinkRow {
    /// The link.
    pub id: LinkId,
    /// Its brand.
    pub brand: BrandId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Where it leads.
    pub location: LocationTemplate,
    /// As it was made, where that is not lower case.
    cased: Option<Box<str>>,
    expires_ms: i64,
    created_seq: i64,
    flags: u8,
}

impl LinkRow {
    pub(super) fn new(change: &LinkChange, click_param: Option<&str>) -> Self {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        Self {
            id: change.id,
            brand: change.brand,
            campaign: change.campaign,
            location: LocationTemplate::new(&change.final_url, click_param),
            cased: change
                .slug
                .bytes()
                .any(|b| b.is_ascii_uppercase())
                .then(|| change.slug.as_str().into()),
            expires_ms: change.expires_at.map_or(NEVER_MS, Instant::ms),
            created_seq: change.created_seq,
            flags: flag(change.paused, PAUSED)
                | flag(change.archived, ARCHIVED)
                | flag(change.forward_query, FORWARD_QUERY),
        }
    }

    /// What decides the link's state.
    #[must_use]
    pub const fn switches(&self) -> LinkSwitches {
        LinkSwitches {
            paused: self.flags & PAUSED != 0,
            archived: self.flags & ARCHIVED != 0,
            expires_at: if self.expires_ms == NEVER_MS {
                None
            } else {
                Some(Instant::from_ms(self.expires_ms))
            },
        }
    }

    /// Whether the short link's own query is forwarded.
    #[must_use]
    pub const fn forward_query(&self) -> bool {
        self.flags & FORWARD_QUERY != 0
    }

    /// Whether the link's slug is exactly this one, case included.
    #[must_use]
    pub fn is_spelled(&self, slug: &str) -> bool {
        match &self.cased {
            Some(cased) => **cased == *slug,
            None => !slug.bytes().any(|b| b.is_ascii_uppercase()),
        }
    }

    /// Its slug as it was made, given the slug in lower case.
    pub(super) fn slug<'s>(&'s self, folded: &'s str) -> &'s str {
        self.cased.as_deref().unwrap_or(folded)
    }

    pub(super) fn to_change(&self, folded: &str) -> LinkChange {
        let switches = self.switches();
        LinkChange {
            id: self.id,
            brand: self.brand,
            campaign: self.campaign,
            slug: self.slug(folded).to_owned(),
            final_url: self.location.final_url(),
            forward_query: self.forward_query(),
            expires_at: switches.expires_at,
            paused: switches.paused,
            archived: switches.archived,
            created_seq: self.created_seq,
        }
    }
}

/// The links of one folded slug: nearly always one; imports may keep pairs that differ by case.
/// The one lies in the map's own entry: behind a pointer it would cost 48 bytes more.
pub(super) enum Chain {
    One(LinkRow),
    Many(Box<[LinkRow]>),
}

impl Chain {
    pub(super) const fn one(row: LinkRow) -> Self {
        Self::One(row)
    }

    pub(super) fn rows(&self) -> &[LinkRow] {
        match self {
            Self::One(row) => std::slice::from_ref(row),
            Self::Many(rows) => rows,
        }
    }

    /// The row that was asked for: spelled exactly so, else the same one on every node: a live one
    /// before a deleted one, then the one that was made first.
    pub(super) fn pick(&self, slug: &str, folded: &str) -> &LinkRow {
        let rows = self.rows();
        let spelled = |row: &&LinkRow| row.slug(folded) == slug;
        let rank = |row: &&LinkRow| (row.flags & ARCHIVED != 0, row.created_seq);
        match rows {
            [only] => only,
            _ => rows
                .iter()
                .find(spelled)
                .or_else(|| rows.iter().min_by_key(rank))
                .unwrap_or(&rows[0]),
        }
    }

    /// This chain with one row new or replaced, and whether it is new. A slug is never issued twice, so
    /// its spelling tells which: after a restore the same slug may stand for another link.
    pub(super) fn with(&self, row: LinkRow) -> (Self, bool) {
        let mut rows = self.rows().to_vec();
        let added = match rows.iter_mut().find(|standing| standing.cased == row.cased) {
            Some(standing) => {
                *standing = row;
                false
            }
            None => {
                rows.push(row);
                true
            }
        };
        let chain = match <[LinkRow; 1]>::try_from(rows) {
            Ok([only]) => Self::One(only),
            Err(rows) => Self::Many(rows.into()),
        };
        (chain, added)
    }
}

/// The slug in lower case, in `buffer`; `None` when it is no slug at all.
pub(super) fn fold<'b>(slug: &str, buffer: &'b mut [u8]) -> Option<&'b str> {
    let folded = buffer.get_mut(..slug.len())?;
    folded.copy_from_slice(slug.as_bytes());
    folded.make_ascii_lowercase();
    std::str::from_utf8(folded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slug: &str, id: i64, created_seq: i64, archived: bool) -> LinkRow {
        let change = LinkChange {
            id: LinkId::from_number(id).expect("in range"),
            brand: BrandId::from_number(1).expect("in range"),
            campaign: CampaignId::from_number(1).expect("in range"),
            slug: slug.to_owned(),
            final_url: "https://example.com/".to_owned(),
            forward_query: true,
            expires_at: None,
            paused: false,
            archived,
            created_seq,
        };
        LinkRow::new(&change, Some("ll_click"))
    }

    fn picked(chain: &Chain, slug: &str) -> i64 {
        chain.pick(slug, "abc").id.number()
    }

    #[test]
    fn an_exact_spelling_wins_else_a_live_link_else_the_first_made() {
        let (chain, added) = Chain::one(row("aBc", 1, 20, false)).with(row("ABC", 2, 10, false));
        assert!(added);
        assert_eq!((picked(&chain, "aBc"), picked(&chain, "ABC")), (1, 2));
        assert_eq!(picked(&chain, "abc"), 2);
        let (chain, _) = chain.with(row("ABC", 2, 10, true));
        assert_eq!(picked(&chain, "abc"), 1);
        assert_eq!(picked(&chain, "ABC"), 2, "a deleted link still answers to its own name");
    }

    #[test]
    fn a_slug_that_is_issued_again_after_a_restore_replaces_the_lost_link() {
        let (chain, added) = Chain::one(row("abc", 1, 10, false)).with(row("abc", 2, 10, false));
        assert!(!added);
        assert_eq!(picked(&chain, "abc"), 2);
        assert_eq!(chain.rows().len(), 1);
    }

    #[test]
    fn a_change_reads_back_as_it_was_taken_in() {
        let row = row("aBc", 7, 3, true);
        let change = row.to_change("abc");
        assert_eq!(
            (change.slug.as_str(), change.id.number(), change.archived),
            ("aBc", 7, true)
        );
        assert_eq!(change.final_url, "https://example.com/");
        assert!(row.is_spelled("aBc") && !row.is_spelled("abc"));
    }
}
