//! Bodies: JSON or nothing, and every mistake named by its field.

use std::future::Future;
use std::pin::Pin;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::parameters::Parameters;
use super::problem::Problem;
use crate::domain::invalid::FieldError;

/// The largest body, in bytes: 1,000 links or 500 conversions with room to spare.
pub(super) const BODY_MAX_BYTES: usize = 4 << 20;
/// What a mistake in the body as a whole is filed under.
pub(super) const WHOLE_BODY: &str = "(body)";

/// A body that is valid UTF-8 and valid JSON; its types are still to be checked.
pub(super) struct Body(web::Bytes);

impl FromRequest for Body {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let bytes = web::Bytes::from_request(request, payload);
        // What is written stands in the body, so no address that takes one has parameters.
        let parameters = Parameters::of(request).done();
        Box::pin(async move {
            parameters?;
            let bytes = bytes.await.map_err(|error| match error.as_error::<PayloadError>() {
                Some(PayloadError::Overflow) => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("A body has at most {BODY_MAX_BYTES} bytes."),
                ),
                _ => Problem::unparsable("The body ended before it was complete."),
            })?;
            if std::str::from_utf8(&bytes).is_err() {
                return Err(Problem::unparsable("The body is not valid UTF-8."));
            }
            serde_json::from_slice::<IgnoredAny>(&bytes)
                .map_err(|error| Problem::unparsable(format!("The body is not JSON: {error}.")))?;
            Ok(Self(bytes))
        })
    }
}

impl Body {
    /// The body as `T`.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        read(self.text()).map_err(|error| Problem::invalid(vec![error]))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when the body was taken in")
    }
}

/// Reads an object from JSON that is known to be JSON.
pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, FieldError> {
    // serde would take an array for an object whose fields come in order.
    if !json.trim_start().starts_with('{') {
        return Err(FieldError {
            field: WHOLE_BODY.to_owned(),
            message: "expected an object".to_owned(),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        // serde_json ends its messages with a place, which says nothing to whoever made the JSON by program.
        let message = message
            .rsplit_once(" at line ")
            .map_or(message.as_str(), |(message, _)| message);
        FieldError {
            field: field(&path, message),
            message: message.to_owned(),
        }
    })
}

/// The path of the field that is meant: for missing and repeated fields it ends where their object begins, and serde names
/// them in its message.
fn field(path: &str, message: &str) -> String {
    let path = if path == "." { "" } else { path };
    let starts = ["missing field `", "duplicate field `"];
    let named = starts.iter().find_map(|start| {
        let rest = message.strip_prefix(start)?;
        rest.split_once('`').map(|(name, _)| name)
    });
    match named {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None if path.is_empty() => WHOLE_BODY.to_owned(),
        None => path.to_owned(),
    }
}

/// For fields of a PATCH: absent leaves a thing as it is, `null` is a value like any other.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read by the test's eyes")]
    struct Outer {
        name: String,
        inner: Option<Inner>,
        amount: Option<Inner>,
        #[serde(default, deserialize_with = "given")]
        end: Option<Option<i64>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read by the test's eyes")]
    struct Inner {
        amount: i64,
    }

    #[test]
    fn every_mistake_is_named_by_its_field() {
        for (json, field) in [
            (r#"{"nam":"x"}"#, "nam"),
            (r"{}", "name"),
            (r#"{"name":"x","name":"y"}"#, "name"),
            (r#"{"name":"x","inner":{"amount":1,"amount":2}}"#, "inner.amount"),
            (r#"{"name":1}"#, "name"),
            (r#"{"name":"x","inner":{}}"#, "inner.amount"),
            (r#"{"name":"x","inner":{"amount":1.5}}"#, "inner.amount"),
            (r#"{"name":"x","amount":{}}"#, "amount.amount"),
            (r#"{"name":"x","amount":{"amount":1,"amount":1}}"#, "amount.amount"),
            (r#"{"name":"x","amount":{"amount":1,"name":1}}"#, "amount.name"),
            (r#"{"name":"x","inner":{"amount":1,"x":2}}"#, "inner.x"),
            (r"[]", "(body)"),
            (r#"["x"]"#, "(body)"),
            (r"7", "(body)"),
        ] {
            let error = read::<Outer>(json).expect_err(json);
            assert_eq!(error.field, field, "{json}: {}", error.message);
        }
    }

    #[test]
    fn a_patch_tells_null_from_absent() {
        let end = |json| read::<Outer>(json).expect("valid").end;
        assert_eq!(end(r#"{"name":"x"}"#), None);
        assert_eq!(end(r#"{"name":"x","end":null}"#), Some(None));
        assert_eq!(end(r#"{"name":"x","end":4}"#), Some(Some(4)));
    }
}
