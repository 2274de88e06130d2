//! Conversions: what a shop says happened, parsed at the edge and carried through the journal.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::event_id::ConversionId;
use super::id::BrandId;
use super::invalid::Invalid;
use super::money::Money;
use super::text::{Email, ExternalId, TextError};
use super::time::{DAY_MS, Instant};

/// The record kind of conversions in the journal.
pub const CONVERSION_KIND: u8 = 2;
/// The layout written by this version: JSON of [`NewConversion`].
pub const CONVERSION_VERSION: u8 = 1;
/// Click ids that one conversion may carry.
pub const MAX_CLICK_IDS: usize = 10;
/// Promo codes that one conversion may carry.
pub const MAX_PROMO_CODES: usize = 20;
/// A given click id or code is kept for the explanation up to this many bytes.
const GIVEN_TEXT_MAX_BYTES: usize = 256;
/// How far ahead of this node's clock an order may claim to be. Shops' clocks drift by minutes; a
/// day also forgives a node whose own clock is behind.
const OCCURRED_AHEAD_MAX_MS: i64 = DAY_MS;
/// Orders before this are a mistyped year, not history.
const OCCURRED_EARLIEST: Instant = Instant::from_ms(946_684_800_000); // 2000-01-01T00:00:00Z

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Event {
    /// An order.
    Sale,
    /// A contact.
    Lead,
    /// An account.
    Signup,
    /// A download.
    Download,
    /// Something was put into the cart.
    AddToCart,
    /// A further payment of a subscription.
    Renewal,
    /// The brand's own event: 1 to 40 of `[a-z0-9_-]`.
    Custom(String),
}

impl Event {
    /// Whether the event is worth money and must say how much.
    #[must_use]
    pub const fn needs_amount(&self) -> bool {
        matches!(self, Self::Sale | Self::Renewal)
    }
}

impl TryFrom<String> for Event {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        Ok(match text.as_str() {
            "sale" => Self::Sale,
            "lead" => Self::Lead,
            "signup" => Self::Signup,
            "download" => Self::Download,
            "add_to_cart" => Self::AddToCart,
            "renewal" => Self::Renewal,
            other => {
                let name = other.strip_prefix("custom:").filter(|name| {
                    (1..=40).contains(&name.len())
                        && name
                            .bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
                });
                let Some(name) = name else {
                    return Err(TextError::Shape {
                        expected: "sale, lead, signup, download, add_to_cart, renewal or custom:name",
                    });
                };
                Self::Custom(name.to_owned())
            }
        })
    }
}

impl From<Event> for String {
    fn from(event: Event) -> Self {
        event.to_string()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sale => "sale",
            Self::Lead => "lead",
            Self::Signup => "signup",
            Self::Download => "download",
            Self::AddToCart => "add_to_cart",
            Self::Renewal => "renewal",
            Self::Custom(name) => return write!(f, "custom:{name}"),
        })
    }
}

/// Where a conversion came from: `api`, or a webhook source's id.
pub const SOURCE_API: &str = "api";

/// A conversion as a shop posts it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversionInput {
    /// What happened.
    pub event: Event,
    /// The shop's own id of it, unique per event.
    pub external_id: ExternalId,
    /// The click id from the landing page's query.
    #[serde(default)]
    pub click_id: Option<String>,
    /// Several, oldest first.
    #[serde(default)]
    pub click_ids: Option<Vec<String>>,
    /// Codes that were entered at the checkout, the shop's own coupons among them.
    #[serde(default)]
    pub promo_codes: Option<Vec<String>>,
    /// The shop's id of the customer.
    #[serde(default)]
    pub customer_id: Option<ExternalId>,
    /// The customer's address; hashed before anything is stored.
    #[serde(default)]
    pub customer_email: Option<Email>,
    /// Goods after discounts, without tax and shipping.
    #[serde(default)]
    pub amount: Option<Money>,
    /// Everything charged.
    #[serde(default)]
    pub gross_amount: Option<Money>,
    /// Pieces sold.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// The subscription that a sale starts and renewals continue.
    #[serde(default)]
    pub subscription_id: Option<ExternalId>,
    /// Whether the shop says that the customer is new.
    #[serde(default)]
    pub new_customer: Option<bool>,
    /// A test order: stored, never counted.
    #[serde(default)]
    pub test: Option<bool>,
    /// When it happened; absent: now.
    #[serde(default)]
    pub occurred_at: Option<Instant>,
}

/// A conversion that was checked: the journal's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewConversion {
    /// The brand whose key or source brought it.
    pub brand: BrandId,
    /// `api` or a webhook source's id.
    pub source: String,
    /// What happened.
    pub event: Event,
    /// The shop's id of it.
    pub external_id: ExternalId,
    /// As given, oldest first; not yet verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub click_ids: Vec<String>,
    /// As given, in the shop's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promo_codes: Vec<String>,
    /// The shop's id of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<ExternalId>,
    /// Keyed hash of the customer's folded address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_email_hash: Option<String>,
    /// Net amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// Gross amount, never below the net one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gross_amount: Option<Money>,
    /// Pieces sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// The subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<ExternalId>,
    /// What the shop says of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_customer: Option<bool>,
    /// A test order.
    #[serde(default)]
    pub test: bool,
    /// When it happened, where the shop said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Instant>,
    /// When this node took it in, by its clock.
    pub accepted_at: Instant,
}

impl NewConversion {
    /// Checks what a shop posted. `hash_email` is the installation's keyed hash.
    ///
    /// # Errors
    /// [`Invalid`] with every field that is wrong.
    pub fn check(
        brand: BrandId,
        source: &str,
        input: ConversionInput,
        hash_email: impl Fn(&Email) -> String,
        now: Instant,
    ) -> Result<Self, Invalid> {
        let mut wrong = Invalid::default();
        let click_ids = match (input.click_id, input.click_ids) {
            (Some(_), Some(_)) => {
                wrong.add("click_id", "give either click_id or click_ids");
                Vec::new()
            }
            (Some(one), None) => vec![one],
            (None, many) => many.unwrap_or_default(),
        };
        if click_ids.len() > MAX_CLICK_IDS {
            wrong.add("click_ids", format!("at most {MAX_CLICK_IDS} click ids"));
        }
        let promo_codes = input.promo_codes.unwrap_or_default();
        if promo_codes.len() > MAX_PROMO_CODES {
            wrong.add("promo_codes", format!("at most {MAX_PROMO_CODES} codes"));
        }
        check_amounts(
            &input.event,
            input.amount.as_ref(),
            input.gross_amount.as_ref(),
            &mut wrong,
        );
        check_occurred("occurred_at", input.occurred_at, now, &mut wrong);
        wrong.or()?;
        Ok(Self {
            brand,
            source: source.to_owned(),
            event: input.event,
            external_id: input.external_id,
            click_ids: click_ids.iter().map(|id| clean(id)).collect(),
            promo_codes: promo_codes.iter().map(|code| clean(code)).collect(),
            customer_id: input.customer_id,
            customer_email_hash: input.customer_email.as_ref().map(hash_email),
            gross_amount: input.gross_amount.or(input.amount),
            amount: input.amount,
            quantity: input.quantity,
            subscription_id: input.subscription_id,
            new_customer: input.new_customer,
            test: input.test.unwrap_or(false),
            occurred_at: input.occurred_at,
            accepted_at: now,
        })
    }

    /// The id that this conversion and every repeat of it has.
    #[must_use]
    pub fn id(&self) -> ConversionId {
        ConversionId::of(self.brand, &self.source, &self.event, &self.external_id)
    }
}

/// A broken click id or a strange coupon never loses the sale, so it is cut and cleaned, not refused:
/// what is kept is for the explanation, and a genuine one needs neither.
fn clean(given: &str) -> String {
    super::text::cut(given, GIVEN_TEXT_MAX_BYTES).replace(char::is_control, "\u{fffd}")
}

/// When a shop says that something happened: history, but neither a mistyped year nor the future.
pub(super) fn check_occurred(field: &str, at: Option<Instant>, now: Instant, wrong: &mut Invalid) {
    if at.is_some_and(|at| at < OCCURRED_EARLIEST || at.ms() > now.ms() + OCCURRED_AHEAD_MAX_MS) {
        wrong.add(field, "must lie between the year 2000 and tomorrow");
    }
}

fn check_amounts(event: &Event, amount: Option<&Money>, gross: Option<&Money>, wrong: &mut Invalid) {
    for (field, money) in [("amount", amount), ("gross_amount", gross)] {
        if money.is_some_and(|money| money.amount < 0) {
            wrong.add(
                format!("{field}.amount"),
                "must not be negative; post a refund to /v1/refunds",
            );
        }
    }
    match (amount, gross) {
        (None, _) if event.needs_amount() => wrong.add("amount", format!("is required for a {event}")),
        (None, Some(_)) => wrong.add("amount", "is required where gross_amount is given"),
        (Some(net), Some(gross)) if net.currency != gross.currency => {
            wrong.add("gross_amount.currency", "must be the same as amount's");
        }
        (Some(net), Some(gross)) if gross.amount < net.amount => {
            wrong.add(
                "gross_amount.amount",
                "must not be below amount, which is without tax and shipping",
            );
        }
        _ => {}
    }
}
