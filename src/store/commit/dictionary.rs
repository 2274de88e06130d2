//! Texts that clicks repeat, and combinations of them, are stored once and named by a number.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::batch::ClickRow;
use super::{StoreError, Tx};
use crate::domain::agent::{Agent, Device, referrer_host};

/// Remembered texts per dictionary. Real traffic has some thousands of user agents; a client that
/// makes them up must not fill the memory.
const REMEMBERED_MAX: usize = 50_000;
/// Families and hosts are cut here, in bytes: what is longer was made up.
const FACET_MAX_BYTES: usize = 100;

/// A family or a host among the facets.
fn family(text: &str) -> &str {
    crate::domain::text::cut(text, FACET_MAX_BYTES)
}

/// A facet in words: country, device, system, browser and referrer.
pub(in crate::store) type FacetTexts = [String; 5];

/// The facet of what stored rows say.
pub(in crate::store) fn facet_texts([country, device, os, browser, referrer]: [&str; 5]) -> FacetTexts {
    [country, device, family(os), family(browser), family(referrer)].map(str::to_owned)
}

/// What rollups tell clicks apart by, besides link and time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Facet {
    country: Box<str>,
    device: Device,
    os: Box<str>,
    browser: Box<str>,
    referrer: Box<str>,
}

impl Facet {
    pub(super) fn of(click: &ClickRow) -> Self {
        Self {
            country: click.country.clone(),
            device: click.agent.device,
            os: family(&click.agent.os).into(),
            browser: family(&click.agent.browser).into(),
            referrer: family(&referrer_host(&click.referrer)).into(),
        }
    }
}

impl Facet {
    fn texts(&self) -> [&str; 5] {
        [
            &self.country,
            self.device.name(),
            &self.os,
            &self.browser,
            &self.referrer,
        ]
    }
}

/// The numbers of what was met so far.
#[derive(Debug, Default)]
pub(super) struct Dictionaries {
    /// The token of the store that gave the numbers.
    store: String,
    user_agents: HashMap<Box<str>, i64>,
    referrers: HashMap<Box<str>, i64>,
    languages: HashMap<Box<str>, i64>,
    facets: HashMap<Facet, i64>,
}

fn make_room<K>(known: &mut HashMap<K, i64>) {
    if known.len() > REMEMBERED_MAX {
        known.clear();
    }
}

/// What is not known yet: each once, and always in the same order.
fn unknown<'a, K, Q>(known: &HashMap<K, i64>, met: impl Iterator<Item = &'a Q>) -> BTreeSet<&'a Q>
where
    K: std::borrow::Borrow<Q> + Eq + Hash,
    Q: ?Sized + Ord + Eq + Hash + 'a,
{
    met.filter(|item| !known.contains_key(*item)).collect()
}

impl Dictionaries {
    /// Forgets everything that a store with another token said: after a restore its numbers may stand for nothing, or for
    /// something else.
    pub(super) fn trust(&mut self, store: String) {
        if self.store != store {
            *self = Self {
                store,
                ..Self::default()
            };
        }
    }

    /// Makes sure that everything these clicks repeat has a number. `facets` are theirs, in order.
    pub(super) async fn learn(
        &mut self,
        tx: &mut Tx,
        clicks: &[ClickRow],
        facets: &[Facet],
        agent_version: i64,
    ) -> Result<(), StoreError> {
        make_room(&mut self.user_agents);
        let new: BTreeMap<&str, &Agent> = clicks
            .iter()
            .filter(|click| !self.user_agents.contains_key(&click.user_agent))
            .map(|click| (&*click.user_agent, &*click.agent))
            .collect();
        for (text, agent) in new {
            let id = insert_agent(tx, text, agent, agent_version).await?;
            self.user_agents.insert(text.into(), id);
        }

        make_room(&mut self.referrers);
        for text in unknown(&self.referrers, clicks.iter().map(|click| &*click.referrer)) {
            let sql = "INSERT INTO referrers (text, host) VALUES ($1, $2)
                ON CONFLICT (text) DO UPDATE SET text = excluded.text RETURNING id";
            let (id,): (i64,) = tx.query(sql).bind(text).bind(referrer_host(text)).one().await?;
            self.referrers.insert(text.into(), id);
        }

        make_room(&mut self.languages);
        for text in unknown(&self.languages, clicks.iter().map(|click| &*click.language)) {
            let sql = "INSERT INTO languages (text) VALUES ($1)
                ON CONFLICT (text) DO UPDATE SET text = excluded.text RETURNING id";
            let (id,) = tx.query(sql).bind(text).one().await?;
            self.languages.insert(text.into(), id);
        }

        make_room(&mut self.facets);
        for facet in unknown(&self.facets, facets.iter()) {
            let id = facet_id(tx, &facet.texts()).await?;
            self.facets.insert(facet.clone(), id);
        }
        Ok(())
    }

    /// The numbers of a click's user agent, referrer and language, learned in this transaction or before.
    pub(super) fn texts(&self, click: &ClickRow) -> [i64; 3] {
        [
            self.user_agents[&click.user_agent],
            self.referrers[&click.referrer],
            self.languages[&click.language],
        ]
    }

    /// The number of a facet, learned in this transaction or before.
    pub(super) fn facet(&self, facet: &Facet) -> i64 {
        self.facets[facet]
    }
}

async fn insert_agent(tx: &mut Tx, text: &str, agent: &Agent, version: i64) -> Result<i64, StoreError> {
    let sql = "INSERT INTO user_agents (text, version, class, reason, browser, os, device)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (text) DO UPDATE SET text = excluded.text RETURNING id";
    let (id,): (i64,) = tx
        .query(sql)
        .bind(text)
        .bind(version)
        .bind(i64::from(agent.class.code()))
        .bind(&*agent.reason)
        .bind(&agent.browser)
        .bind(&agent.os)
        .bind(agent.device.name())
        .one()
        .await?;
    Ok(id)
}

/// The number of a facet, which is made where it is new.
pub(in crate::store) async fn facet_id(tx: &mut Tx, facet: &[impl AsRef<str>; 5]) -> Result<i64, StoreError> {
    let sql = "INSERT INTO facets (country, device, os, browser, referrer) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (country, device, os, browser, referrer) DO UPDATE SET country = excluded.country RETURNING id";
    let mut query = tx.query(sql);
    for text in facet {
        query = query.bind(text.as_ref());
    }
    let (id,) = query.one().await?;
    Ok(id)
}
