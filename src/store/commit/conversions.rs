//! Conversions, their credits and touchpoints.

use super::batch::{CONTRADICTS_FIRST, Decided, Outcome};
use super::rejections::NotCounted;
use super::{StoreError, Tx};
use crate::domain::attribution::{Credit, Touchpoint};
use crate::domain::time::Instant;

pub(super) async fn write(
    tx: &mut Tx,
    conversions: &[Decided],
    journal_nums: &[i64],
    now: Instant,
) -> Result<Vec<Outcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(conversions.len());
    for decided in conversions {
        let id = decided.conversion.id();
        if insert(tx, decided, journal_nums[decided.part]).await? {
            for (place, credit) in decided.attribution.credits.iter().enumerate() {
                if !decided.conversion.test {
                    insert_credit(tx, id.as_str(), place, credit).await?;
                }
            }
            for (place, touch) in decided.attribution.touchpoints.iter().enumerate() {
                insert_touchpoint(tx, id.as_str(), place, touch).await?;
            }
            outcomes.push(Outcome::Counted(id));
            continue;
        }
        let stored: (Option<i64>, Option<String>) = tx
            .query("SELECT amount, currency FROM conversions WHERE id = $1")
            .bind(id.as_str())
            .one()
            .await?;
        let amount = decided.conversion.amount.as_ref();
        let given = (amount.map(|m| m.amount), amount.map(|m| m.currency.to_string()));
        if stored == given {
            outcomes.push(Outcome::Repeated(id));
            continue;
        }
        let rejected = NotCounted {
            journal_num: journal_nums[decided.part],
            seq: decided.seq,
            brand: Some(decided.conversion.brand.number()),
            kind: "conversion",
            reason: CONTRADICTS_FIRST,
            facts: &facts(decided),
        };
        rejected.write(tx, now).await?;
        outcomes.push(Outcome::Contradicted(id));
    }
    Ok(outcomes)
}

fn facts(decided: &Decided) -> String {
    serde_json::to_string(&decided.conversion).expect("domain types have plain keys")
}

/// Whether the row is new.
async fn insert(tx: &mut Tx, decided: &Decided, journal_num: i64) -> Result<bool, StoreError> {
    let sql = "INSERT INTO conversions (id, brand_id, source, event, external_id, state, reason, amount,
            gross_amount, currency, quantity, occurred_at_ms, accepted_at_ms, facts, journal_num, seq)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        ON CONFLICT (id) DO NOTHING";
    let conversion = &decided.conversion;
    let amount = conversion.amount.as_ref();
    let done = tx
        .query(sql)
        .bind(conversion.id().as_str())
        .bind(conversion.brand.number())
        .bind(&conversion.source)
        .bind(conversion.event.to_string())
        .bind(conversion.external_id.as_str())
        .bind(decided.state().name())
        .bind(decided.reason().map(|why| why.code()))
        .bind(amount.map(|money| money.amount))
        .bind(conversion.gross_amount.as_ref().map(|money| money.amount))
        .bind(amount.map(|money| money.currency.to_string()))
        .bind(conversion.quantity.map(i64::from))
        .bind(decided.occurred_at.ms())
        .bind(conversion.accepted_at.ms())
        .bind(facts(decided))
        .bind(journal_num)
        .bind(decided.seq)
        .execute()
        .await?;
    Ok(done == 1)
}

fn place_number(place: usize) -> i64 {
    i64::try_from(place).expect("a conversion has few touchpoints")
}

async fn insert_credit(tx: &mut Tx, id: &str, place: usize, credit: &Credit) -> Result<(), StoreError> {
    let sql = "INSERT INTO credits (conversion_id, place, link_id, promo_code_id, campaign_id, influencer_id, post_id,
            share_bps, click_at_ms, click_tag, click_seq)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let click = credit.click.as_ref();
    let seq = click.and_then(|click| i64::try_from(click.seq).ok());
    tx.query(sql)
        .bind(id)
        .bind(place_number(place))
        .bind(credit.owner.link.map(|link| link.number()))
        .bind(credit.owner.promo_code.map(|code| code.number()))
        .bind(credit.owner.campaign.number())
        .bind(credit.owner.influencer.number())
        .bind(credit.owner.post.map(|post| post.number()))
        .bind(credit.share_bps)
        .bind(click.map(|click| click.at.ms()))
        .bind(click.map(|click| i64::from(click.tag)))
        .bind(seq)
        .execute()
        .await?;
    Ok(())
}

async fn insert_touchpoint(tx: &mut Tx, id: &str, place: usize, touch: &Touchpoint) -> Result<(), StoreError> {
    let sql = "INSERT INTO touchpoints (conversion_id, place, kind, given, at_ms, link_id, promo_code_id, window_days,
            verdict, why)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    tx.query(sql)
        .bind(id)
        .bind(place_number(place))
        .bind(touch.kind.name())
        .bind(&touch.given)
        .bind(touch.at.map(Instant::ms))
        .bind(touch.owner.and_then(|owner| owner.link).map(|link| link.number()))
        .bind(touch.owner.and_then(|owner| owner.promo_code).map(|code| code.number()))
        .bind(touch.window_days.map(i64::from))
        .bind(touch.verdict.name())
        .bind(touch.why.map(|why| why.code()))
        .execute()
        .await?;
    Ok(())
}
