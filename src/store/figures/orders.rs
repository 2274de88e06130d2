//! Orders and other conversions, their refunds, and the codes that they carried.

use sqlx::any::AnyRow;

use super::entity::Source;
use super::sql::Sql;
use super::{EntityKey, Question, keys, quarter_of};
use crate::store::{Store, StoreError, columns};

/// Conversions of one group, event and currency.
#[derive(Debug, Clone)]
pub struct ConversionSum {
    /// The group; empty for what nobody earned.
    pub keys: Vec<EntityKey>,
    /// Its quarter of an hour; 0 where it was not asked for.
    pub quarter_ms: i64,
    /// sale, lead…
    pub event: String,
    /// `None` where it came without an amount.
    pub currency: Option<String>,
    /// How many.
    pub count: i64,
    /// How many of them had an eligible click.
    pub with_click: i64,
    /// Their amounts, in minor units.
    pub amount: i128,
}

/// Refunds of one group and currency.
#[derive(Debug, Clone)]
pub struct RefundSum {
    /// The group; empty for refunds of what nobody earned.
    pub keys: Vec<EntityKey>,
    /// Its quarter of an hour; 0 where it was not asked for.
    pub quarter_ms: i64,
    /// The currency.
    pub currency: String,
    /// Their amounts, in minor units.
    pub amount: i128,
}

/// Orders of one group that carried a code.
#[derive(Debug, Clone)]
pub struct UseSum {
    /// The group, by what the code belongs to.
    pub keys: Vec<EntityKey>,
    /// Its quarter of an hour; 0 where it was not asked for.
    pub quarter_ms: i64,
    /// Pairs of an order and a code.
    pub count: i64,
}

/// Amounts are added up in two parts, because one shop's mistake must not overflow a sum and take the reports with it.
const AMOUNT_PART: i64 = 1_000_000_000;

/// Adds up a column of amounts; [`amount`] reads the sum.
fn sum_amounts(sql: &mut Sql, column: &str) {
    sql.select.push(format!(
        "CAST(COALESCE(SUM({column} / {AMOUNT_PART}), 0) AS BIGINT) AS amount_high,
        CAST(COALESCE(SUM({column} % {AMOUNT_PART}), 0) AS BIGINT) AS amount_low"
    ));
}

fn amount(row: &AnyRow) -> Result<i128, StoreError> {
    let (high, low) = (columns::int(row, "amount_high")?, columns::int(row, "amount_low")?);
    Ok(i128::from(high) * i128::from(AMOUNT_PART) + i128::from(low))
}

/// Whether a click was eligible, whoever got the credit: the contract's "sales with an eligible click".
const WITH_CLICK: &str = "CASE WHEN EXISTS (SELECT 1 FROM touchpoints
        WHERE touchpoints.conversion_id = conversions.id AND touchpoints.kind = 'click'
            AND touchpoints.verdict <> 'ineligible')
    THEN 1 ELSE 0 END";

/// The same question about what nobody earned: it belongs to nothing.
fn alone(question: &Question) -> Question {
    Question {
        by: Vec::new(),
        only: Vec::new(),
        ..question.clone()
    }
}

impl Store {
    /// Conversions that somebody earned, summed up by event and currency.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_conversions(&self, question: &Question) -> Result<Vec<ConversionSum>, StoreError> {
        let mut sql = Sql::new(question, Source::Credits);
        sql.conditions.push("conversions.state = 'attributed'".to_owned());
        self.sum_events(sql, question, WITH_CLICK).await
    }

    /// Conversions that nobody earned.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_unattributed(&self, question: &Question) -> Result<Vec<ConversionSum>, StoreError> {
        let alone = alone(question);
        let mut sql = Sql::of_table("conversions".to_owned());
        sql.conditions.push("conversions.state = 'unattributed'".to_owned());
        self.sum_events(sql, &alone, "0").await
    }

    async fn sum_events(
        &self,
        mut sql: Sql,
        question: &Question,
        with_click: &str,
    ) -> Result<Vec<ConversionSum>, StoreError> {
        sql.quarter(question, "conversions.occurred_at_ms");
        sql.select
            .push("conversions.event AS event, conversions.currency AS currency".to_owned());
        sql.group.push("conversions.event, conversions.currency".to_owned());
        sql.select.push("COUNT(*) AS count".to_owned());
        sum_amounts(&mut sql, "conversions.amount");
        sql.select
            .push(format!("CAST(COALESCE(SUM({with_click}), 0) AS BIGINT) AS with_click"));
        sql.brand("conversions.brand_id", question.brand);
        sql.between("conversions.occurred_at_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self).await?;
        rows.iter()
            .map(|row| {
                Ok(ConversionSum {
                    keys: keys(row, &question.by)?,
                    quarter_ms: quarter_of(row, question)?,
                    event: columns::text(row, "event")?,
                    currency: columns::maybe_text(row, "currency")?,
                    count: columns::int(row, "count")?,
                    with_click: columns::int(row, "with_click")?,
                    amount: amount(row)?,
                })
            })
            .collect()
    }

    /// Refunds of conversions that somebody earned, dated by themselves.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_refunds(&self, question: &Question) -> Result<Vec<RefundSum>, StoreError> {
        let mut sql = Sql::new(question, Source::Credits);
        sql.conditions.push("conversions.state = 'attributed'".to_owned());
        self.sum_refunds_of(sql, question).await
    }

    /// Refunds of conversions that nobody earned.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_unattributed_refunds(&self, question: &Question) -> Result<Vec<RefundSum>, StoreError> {
        let alone = alone(question);
        let mut sql = Sql::of_table("conversions".to_owned());
        sql.conditions.push("conversions.state = 'unattributed'".to_owned());
        self.sum_refunds_of(sql, &alone).await
    }

    async fn sum_refunds_of(&self, mut sql: Sql, question: &Question) -> Result<Vec<RefundSum>, StoreError> {
        sql.tables
            .push_str(" JOIN refunds ON refunds.conversion_id = conversions.id");
        sql.conditions.push("refunds.state = 'applied'".to_owned());
        sql.quarter(question, "refunds.refunded_at_ms");
        sql.select.push("refunds.currency AS currency".to_owned());
        sql.group.push("refunds.currency".to_owned());
        sum_amounts(&mut sql, "refunds.amount");
        sql.brand("refunds.brand_id", question.brand);
        sql.between("refunds.refunded_at_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self).await?;
        rows.iter()
            .map(|row| {
                Ok(RefundSum {
                    keys: keys(row, &question.by)?,
                    quarter_ms: quarter_of(row, question)?,
                    currency: columns::text(row, "currency")?,
                    amount: amount(row)?,
                })
            })
            .collect()
    }

    /// Counted orders that carried an influencer's code, whoever got the credit.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn sum_code_uses(&self, question: &Question) -> Result<Vec<UseSum>, StoreError> {
        let mut sql = Sql::new(question, Source::Uses);
        sql.quarter(question, "conversions.occurred_at_ms");
        sql.select.push("COUNT(*) AS count".to_owned());
        sql.conditions.extend(
            [
                "conversions.state IN ('attributed', 'unattributed')",
                "conversions.event IN ('sale', 'renewal')",
                "touchpoints.kind = 'promo_code'",
                "(touchpoints.why IS NULL OR touchpoints.why <> 'repeated')",
            ]
            .map(str::to_owned),
        );
        sql.brand("conversions.brand_id", question.brand);
        sql.between("conversions.occurred_at_ms", question.from.ms(), question.to.ms());
        let rows = sql.fetch(self).await?;
        rows.iter()
            .map(|row| {
                Ok(UseSum {
                    keys: keys(row, &question.by)?,
                    quarter_ms: quarter_of(row, question)?,
                    count: columns::int(row, "count")?,
                })
            })
            .collect()
    }
}
