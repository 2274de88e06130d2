//! Query parameters: known ones are taken, whatever is left is refused.

use std::str::FromStr;

use actix_web::HttpRequest;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::domain::id::{CampaignId, InfluencerId};
use crate::store::{Filter, Page};

/// Things on a page where the caller names no number, and at most.
const PAGE_DEFAULT: u16 = 50;
const PAGE_MAX: u16 = 500;

/// What [`Parameters::page`] takes, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is taken one by one")]
pub(super) struct PageParameters {
    /// Things on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^seq_[0-9]{1,18}$")]
    cursor: Option<String>,
    /// Whether archived things are listed, too.
    archived: Option<bool>,
}

/// What [`Parameters::limit`] and [`Parameters::position`] take, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is taken one by one")]
pub(super) struct CursorParameters {
    /// Things on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^seq_[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// What [`Parameters::owners`] takes, described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is taken one by one")]
pub(super) struct OwnerParameters {
    /// Only of this campaign.
    campaign_id: Option<CampaignId>,
    /// Only of this influencer.
    influencer_id: Option<InfluencerId>,
}

/// The parameters of one request.
pub(super) struct Parameters {
    given: Vec<(String, String)>,
}

impl Parameters {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
        Self {
            given: pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        }
    }

    /// All of them, for whoever parses them himself.
    pub(super) fn into_pairs(self) -> Result<Vec<(String, String)>, Problem> {
        for (name, value) in &self.given {
            refuse_nul(name, value)?;
        }
        Ok(self.given)
    }

    /// Takes one; twice the same name is refused.
    pub(super) fn take<T>(&mut self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(place) = self.given.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, value) = self.given.swap_remove(place);
        if self.given.iter().any(|(given, _)| given == name) {
            return Err(Problem::parameter(name, "is given twice"));
        }
        refuse_nul(name, &value)?;
        value
            .parse()
            .map(Some)
            .map_err(|error: T::Err| Problem::parameter(name, error.to_string()))
    }

    /// Takes `limit`: 1 to 500.
    pub(super) fn limit(&mut self) -> Result<u16, Problem> {
        let limit = self.take::<u16>("limit")?.unwrap_or(PAGE_DEFAULT);
        if (1..=PAGE_MAX).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::parameter("limit", format!("must be from 1 to {PAGE_MAX}")))
        }
    }

    /// Takes `cursor`: where the last page ended.
    pub(super) fn position(&mut self) -> Result<Option<i64>, Problem> {
        let cursor = self.take::<String>("cursor")?;
        cursor.map(|cursor| read_cursor(&cursor)).transpose()
    }

    /// Takes `limit`, `cursor` and `archived`.
    pub(super) fn page(&mut self) -> Result<Page, Problem> {
        let limit = self.limit()?;
        let after = self.position()?.unwrap_or(0);
        let archived = self.take::<bool>("archived")?.unwrap_or(false);
        Ok(Page { limit, after, archived })
    }

    /// Takes `campaign_id` and `influencer_id`: the columns that a list is narrowed down by.
    pub(super) fn owners(&mut self) -> Result<Vec<Filter>, Problem> {
        let mut filters = Vec::new();
        if let Some(id) = self.take::<CampaignId>("campaign_id")? {
            filters.push(("campaign_id", id.into()));
        }
        if let Some(id) = self.take::<InfluencerId>("influencer_id")? {
            filters.push(("influencer_id", id.into()));
        }
        Ok(filters)
    }

    /// Nothing may be left.
    pub(super) fn done(self) -> Result<(), Problem> {
        match self.given.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::parameter(name, "is not a parameter of this address")),
        }
    }
}

/// Nothing stored holds a NUL, and Postgres takes none to compare with.
fn refuse_nul(name: &str, value: &str) -> Result<(), Problem> {
    if value.contains('\0') {
        return Err(Problem::parameter(name, "must hold no NUL"));
    }
    Ok(())
}

/// The cursor of a list, from the position where a page ended.
pub(super) fn cursor(after: i64) -> String {
    format!("seq_{after}")
}

fn read_cursor(cursor: &str) -> Result<i64, Problem> {
    let position = cursor.strip_prefix("seq_").and_then(|digits| digits.parse().ok());
    position
        .filter(|after| *after >= 0)
        .ok_or_else(|| Problem::parameter("cursor", "must be a next_cursor of this list"))
}
