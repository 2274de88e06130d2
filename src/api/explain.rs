//! `/v1/conversions/{id}/explain`: why somebody earned a sale, or nobody did.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Api;
use super::caller::Caller;
use super::conversions;
use super::decisions;
use super::parameters::Parameters;
use super::problem::Problem;
use super::refunds;
use crate::domain::attribution::Why;
use crate::domain::role::Need;
use crate::store::StoredTouchpoint;

pub(super) async fn explain(
    api: web::Data<Api>,
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let brand = caller.brand(Need::Read)?;
    Parameters::of(&request).done()?;
    let (id, stored) = conversions::find(&api, brand, &path).await?;
    let touchpoints = api.store.touchpoints(&id).await?;
    let decisions = api.store.decisions(&id).await?;
    let refunds = api.store.refunds_of(&id).await?;
    let deciding = touchpoints
        .iter()
        .find(|touch| touch.verdict == "credited" && touch.window_days.is_some());
    let window_days = deciding.or(touchpoints.last()).and_then(|touch| touch.window_days);
    let mut explained = conversions::shown(&stored);
    let credited = |kind: &str| {
        touchpoints
            .iter()
            .any(|touch| touch.kind == kind && touch.verdict == "credited")
    };
    let credited = (credited("click"), credited("promo_code"));
    explained["why"] = match decisions.last() {
        // What a person decided last is why it stands as it does.
        Some(last) => last.decision.sentence().into(),
        None => sentence(&stored.state, stored.reason.as_deref(), credited).into(),
    };
    explained["rule"] = json!({"model": "last_touch", "window_days": window_days});
    explained["deal"] = Value::Null;
    explained["touchpoints"] = touchpoints.iter().map(shown).collect::<Vec<_>>().into();
    explained["decisions"] = decisions.iter().map(decisions::shown).collect::<Vec<_>>().into();
    explained["refunds"] = refunds.iter().map(refunds::shown).collect::<Vec<_>>().into();
    Ok(HttpResponse::Ok().json(explained))
}

/// `credited`: whether a click earned it, and whether a code did.
fn sentence(state: &str, reason: Option<&str>, credited: (bool, bool)) -> String {
    match (state, reason.and_then(Why::from_code)) {
        ("test", _) => "A test order: stored, never counted.".to_owned(),
        (_, Some(why)) => why.sentence().to_owned(),
        _ => match credited {
            (true, true) => "The last eligible click and the promo code of the same influencer earned it.",
            (false, true) => "The first eligible promo code of the order earned it.",
            _ => "The last eligible click before the order earned it.",
        }
        .to_owned(),
    }
}

fn shown(touch: &StoredTouchpoint) -> Value {
    let why = touch.why.as_deref().and_then(Why::from_code).map(Why::sentence);
    let credited = match touch.kind.as_str() {
        _ if touch.verdict != "credited" => None,
        "promo_code" => Some("The first eligible promo code of the order."),
        _ => Some("The last eligible click before the order."),
    };
    json!({
        "kind": touch.kind,
        "id": touch.given,
        "at": touch.at,
        "link_id": touch.link_id,
        "verdict": touch.verdict,
        "reason": touch.why,
        "why": why.or(credited),
    })
}
