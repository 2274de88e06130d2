//! Lives through the two weeks: sends every click, order and refund when its time has come.

use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::header::{ACCEPT_LANGUAGE, HeaderName, LOCATION, REFERER, USER_AGENT};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::calendar::{Calendar, STEPS};
use super::crowd::referrer;
use super::desk::Desk;
use super::mint::Minted;
use super::orders::Order;
use super::plan::{Click, Clicker, Plan};
use super::refunds::{Given, Refund};
use super::{DemoError, Stage};
use crate::clock::Clock;
use crate::traffic::{self, Visit};

/// Orders that are told at the same time.
const ORDERS_AT_ONCE: usize = 32;
/// Characters that a click id loses when it is cut on its way.
const CUT_CHARS: usize = 5;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const COUNTRY: HeaderName = HeaderName::from_static("cf-ipcountry");
const PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

/// Where everything goes.
pub(super) struct Stand<'a> {
    pub(super) plan: &'a Plan,
    pub(super) minted: &'a Minted,
    pub(super) desk: &'a Desk,
    pub(super) calendar: &'a Calendar,
    pub(super) clock: &'a Clock,
    pub(super) public_url: &'a Url,
    pub(super) concurrency: usize,
}

/// The entries of a list in the order of time that belong to one step.
fn at_step<T>(all: &[T], step: u32, of: impl Fn(&T) -> u32) -> std::ops::Range<usize> {
    all.partition_point(|one| of(one) < step)..all.partition_point(|one| of(one) <= step)
}

impl Stand<'_> {
    /// Sends everything, and waits until the orders count.
    pub(super) async fn live(&self, tell: &mut impl FnMut(Stage)) -> Result<(), DemoError> {
        let client = traffic::client()?;
        // Of the clicks that an order follows, the click ids.
        let mut ids: Vec<Option<String>> = vec![None; self.plan.clicks.len()];
        for click in self.plan.orders.iter().flat_map(|order| &order.clicks) {
            ids[*click] = Some(String::new());
        }
        let mut told = Vec::with_capacity(self.plan.orders.len());
        for step in 0..STEPS {
            self.clock.set(self.calendar.at(step));
            self.click(&client, step, &mut ids, tell).await?;
            for place in at_step(&self.plan.orders, step, |order| order.step) {
                told.push(self.order(&self.plan.orders[place], &ids));
            }
            let bodies = &told[at_step(&self.plan.orders, step, |order| order.step)];
            self.sell(step, bodies, tell).await?;
            self.refund(step, tell).await?;
        }
        self.clock.set(self.calendar.now());
        tell(Stage::Committing);
        // The API's journal is read in order: when its last entry counts, so does all before it.
        match told.last() {
            Some(last) => self.desk.tell_and_wait("v1/conversions", last).await.map(drop),
            None => Ok(()),
        }
    }

    async fn click(
        &self,
        client: &Client,
        step: u32,
        ids: &mut [Option<String>],
        tell: &mut impl FnMut(Stage),
    ) -> Result<(), DemoError> {
        let places = at_step(&self.plan.clicks, step, |click| click.step);
        let first = places.start;
        let addresses: Vec<String> = places
            .clone()
            .map(|place| {
                let number = u32::try_from(place).unwrap_or(u32::MAX);
                self.plan.clicks[place].visitor.address(number).to_string()
            })
            .collect();
        let visits = self.plan.clicks[places]
            .iter()
            .zip(&addresses)
            .map(|(click, address)| self.visit(click, address));
        let mut refused = None;
        let answered = |place: usize, answer: &Response| {
            tell(Stage::Clicked(1));
            let location = answer
                .headers()
                .get(LOCATION)
                .and_then(|location| location.to_str().ok());
            match location {
                Some(location) if answer.status() == StatusCode::FOUND => {
                    if let Some(id) = &mut ids[first + place] {
                        *id = click_id(location).unwrap_or_default();
                    }
                }
                _ => refused = Some(answer.status()),
            }
        };
        traffic::send(client, self.public_url, visits, self.concurrency, answered).await?;
        match refused {
            None => Ok(()),
            Some(status) => Err(DemoError::Refused {
                what: "a click".to_owned(),
                status,
                body: String::new(),
            }),
        }
    }

    fn visit<'a>(&'a self, click: &'a Click, address: &'a str) -> Visit<'a> {
        let visitor = &click.visitor;
        let mut headers = vec![
            (FORWARDED_FOR, address),
            (COUNTRY, visitor.country),
            (USER_AGENT, visitor.agent),
        ];
        if !matches!(click.clicker, Clicker::Program | Clicker::Preview) {
            headers.push((ACCEPT_LANGUAGE, visitor.language));
            let from = referrer(self.plan.links[click.link].platform);
            headers.extend(from.map(|from| (REFERER, from)));
        }
        if click.clicker == Clicker::Prefetch {
            headers.push((PURPOSE, "prefetch"));
        }
        Visit {
            method: if click.clicker == Clicker::Head {
                Method::HEAD
            } else {
                Method::GET
            },
            slug: &self.minted.slugs[click.link],
            headers,
        }
    }

    /// An order as the shop tells it.
    fn order(&self, order: &Order, ids: &[Option<String>]) -> Value {
        let mut clicks: Vec<&str> = order.clicks.iter().filter_map(|click| ids[*click].as_deref()).collect();
        if order.cut {
            for id in &mut clicks {
                *id = &id[..id.len().saturating_sub(CUT_CHARS)];
            }
        }
        let code = order.code.map(|code| self.minted.codes[code].to_lowercase());
        let codes: Vec<String> = code.into_iter().chain(order.coupon.map(str::to_owned)).collect();
        let mut body = json!({"event": order.event, "external_id": order.external_id});
        match clicks.as_slice() {
            [] => {}
            [one] => body["click_id"] = (*one).into(),
            several => body["click_ids"] = several.into(),
        }
        if !codes.is_empty() {
            body["promo_codes"] = codes.into();
        }
        if let Some(amount) = order.amount {
            body["amount"] = dollars(amount);
        }
        if let Some(gross) = order.gross {
            body["gross_amount"] = dollars(gross);
        }
        if let Some(email) = &order.email {
            body["customer_email"] = email.as_str().into();
        }
        if order.test {
            body["test"] = true.into();
        }
        if let Some(placed) = order.placed {
            body["occurred_at"] = self.calendar.at(placed).to_string().into();
        }
        body
    }

    async fn sell(&self, step: u32, bodies: &[Value], tell: &mut impl FnMut(Stage)) -> Result<(), DemoError> {
        let orders = &self.plan.orders[at_step(&self.plan.orders, step, |order| order.step)];
        let times = |order: &Order| if order.sent_twice { 2 } else { 1 };
        let all = orders
            .iter()
            .zip(bodies)
            .flat_map(|(order, body)| vec![body; times(order)]);
        let mut told = futures_util::stream::iter(all)
            .map(|body| self.desk.tell("v1/conversions", body))
            .buffer_unordered(ORDERS_AT_ONCE);
        while told.try_next().await?.is_some() {
            tell(Stage::Ordered(1));
        }
        Ok(())
    }

    async fn refund(&self, step: u32, tell: &mut impl FnMut(Stage)) -> Result<(), DemoError> {
        for refund in &self.plan.refunds[at_step(&self.plan.refunds, step, |refund| refund.step)] {
            self.desk.tell("v1/refunds", &self.refund_body(refund)).await?;
            tell(Stage::Refunded(1));
        }
        Ok(())
    }

    fn refund_body(&self, refund: &Refund) -> Value {
        let mut body = json!({
            "order_id": self.plan.orders[refund.order].external_id,
            "refund_id": refund.refund_id,
            "refunded_at": self.calendar.at(refund.step),
        });
        match refund.given {
            Given::Net(amount) => body["amount"] = dollars(amount),
            Given::Gross(amount) => body["gross_amount"] = dollars(amount),
        }
        body
    }
}

fn dollars(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

/// The click id in the address that a visitor is sent to.
fn click_id(location: &str) -> Option<String> {
    let url = Url::parse(location).ok()?;
    let found = url.query_pairs().find(|(name, _)| name == "ll_click");
    found.map(|(_, id)| id.into_owned())
}
