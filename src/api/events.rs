//! Events on their way in: journaled without the store, and waited for where the caller asks for it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

use super::Api;
use super::problem::{PROBLEM_JSON, Problem};
use crate::intake::{Receipt, Submission};

/// The longest that a caller may ask to wait, in seconds.
const WAIT_MAX_SECONDS: u64 = 30;
/// How often a waiting request looks when no worker of this process tells it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What an event is told as until it is counted.
pub(super) fn accepted(id: &impl Serialize) -> Value {
    json!({"id": id, "state": "accepted"})
}

/// Journals and syncs; from here on nothing is lost.
pub(super) async fn submit(api: &Api, records: Vec<Submission>) -> Result<Receipt, Problem> {
    let receipt = api.intake.submit(records).await?;
    api.progress.hurry();
    Ok(receipt)
}

/// `Prefer: wait=5` (RFC 7240); other preferences are not ours and are ignored.
pub(super) fn wait_wanted(request: &HttpRequest) -> Result<Option<Duration>, Problem> {
    for header in request.headers().get_all("prefer") {
        let Ok(text) = header.to_str() else { continue };
        for preference in text.split([',', ';']) {
            let Some((name, value)) = preference.split_once('=') else {
                continue;
            };
            if !name.trim().eq_ignore_ascii_case("wait") {
                continue;
            }
            let seconds: u64 = value
                .trim()
                .trim_matches('"')
                .parse()
                .map_err(|_| Problem::unparsable("Prefer: wait takes whole seconds, as in `Prefer: wait=5`."))?;
            return Ok(Some(Duration::from_secs(seconds.min(WAIT_MAX_SECONDS))));
        }
    }
    Ok(None)
}

/// Whether the store has this very submission before the wait runs out.
pub(super) async fn wait_until_counted(api: &Api, receipt: Receipt, wait: Option<Duration>) -> bool {
    let Some(wait) = wait else { return false };
    let journal = receipt.journal.to_string();
    let wanted = i64::try_from(receipt.last_seq).unwrap_or(i64::MAX);
    let mut commits = api.progress.commits();
    let counted = async {
        loop {
            // Marked as seen before looking, so that no commit falls between.
            commits.borrow_and_update();
            if api.store.cursor(&journal).await.is_ok_and(|cursor| cursor >= wanted) {
                return;
            }
            let _ = tokio::time::timeout(LOOK_EVERY, commits.changed()).await;
        }
    };
    tokio::time::timeout(wait, counted).await.is_ok()
}

/// What a caller who waited is told.
pub(super) struct Waited {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Waited {
    pub(super) const fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body }
    }

    /// The same identity was counted before with another amount; `first` is what stands, under `name`.
    pub(super) fn contradicted(name: &str, first: Value) -> Self {
        let detail = "This event was counted before with another amount. The first stands; this one is not counted.";
        let mut waited = Self::refused(Problem::new(StatusCode::CONFLICT, detail));
        waited.body[name] = first;
        waited
    }

    pub(super) fn refused(problem: Problem) -> Self {
        Self {
            status: problem.status(),
            body: serde_json::to_value(problem).unwrap_or_default(),
        }
    }
}

impl From<Waited> for HttpResponse {
    fn from(waited: Waited) -> Self {
        let mut answer = Self::build(waited.status);
        if waited.status.is_client_error() {
            answer.insert_header((CONTENT_TYPE, PROBLEM_JSON));
        }
        answer.json(waited.body)
    }
}
