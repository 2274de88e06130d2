//! Reports as the API describes them: made from the same tables that questions are read with.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::dimension::{DIMENSIONS, Dimension};
use super::measures::Measures;
use super::question::{DEFAULT_LIMIT, LIMIT};
use super::{Report, ReportQuestion};
use crate::domain::id::{CampaignId, InfluencerId, LinkId, PostId, PromoCodeId};
use crate::domain::tier::Tier;
use crate::store::figures::Entity;

/// What `from` and `to` take.
const EDGE: &str = concat!(
    r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])",
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:0[0-9]|1[0-2]):[0-5][0-9]))?$"
);

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn parameter(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    let required = if name == "by" { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn by_pattern() -> String {
    let all = DIMENSIONS.map(|(name, _)| name).join("|");
    let times = DIMENSIONS.iter().filter(|(_, of)| matches!(of, Dimension::Time(_)));
    let times = times.map(|(name, _)| *name).collect::<Vec<_>>().join("|");
    // Not twice the same, and not two spans of time.
    format!(r"^(?:total|(?!(?:{times}),(?:{times})$)({all})(?:,(?!\1$)(?:{all}))?)$")
}

/// What rows can be narrowed down to.
fn filter(name: &str, entity: Entity) -> Parameter {
    let schema = match entity {
        Entity::Campaign => CampaignId::schema(),
        Entity::Influencer => InfluencerId::schema(),
        Entity::Link => LinkId::schema(),
        Entity::Post => PostId::schema(),
        Entity::PromoCode => PromoCodeId::schema(),
        Entity::Platform => text().pattern(Some("^[a-z0-9_-]{1,32}$")).into(),
        _ => text().into(),
    };
    parameter(name, "Only this one.", schema)
}

impl IntoParams for ReportQuestion {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let names = Measures::names();
        let sorts = names.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]);
        let rows = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .minimum(Some(u32::try_from(*LIMIT.start()).unwrap_or(u32::MAX)))
            .maximum(Some(u32::try_from(*LIMIT.end()).unwrap_or(u32::MAX)))
            .default(Some(DEFAULT_LIMIT.into()));
        let mut parameters = vec![
            parameter(
                "by",
                "`total`, or one or two dimensions.",
                text().pattern(Some(by_pattern())),
            ),
            parameter(
                "from",
                "A date in `tz`, or an instant; absent: 30 days before `to`.",
                text().pattern(Some(EDGE)),
            ),
            parameter(
                "to",
                "A date, inclusive, or an instant; absent: today.",
                text().pattern(Some(EDGE)),
            ),
            parameter("tz", "An IANA time zone; absent: the brand's.", text()),
            parameter(
                "model",
                "How credit is split.",
                text().enum_values(Some(["last_touch"])),
            ),
            parameter(
                "format",
                "How it is written.",
                text().enum_values(Some(["json", "csv"])),
            ),
            parameter(
                "sort",
                "A measure; with `-` the largest first.",
                text().enum_values(Some(sorts)),
            ),
            parameter("limit", "Rows of a page.", rows),
            parameter(
                "cursor",
                "`next_cursor` of the page before.",
                text().pattern(Some("^row_[0-9]{1,15}$")),
            ),
        ];
        parameters.extend(DIMENSIONS.iter().filter_map(|(name, dimension)| match dimension {
            Dimension::Entity(entity) => Some(filter(name, *entity)),
            Dimension::Tier => {
                let tiers = text().enum_values(Some(Tier::ALL.map(Tier::as_str)));
                Some(parameter(name, "Only influencers of this size.", tiers))
            }
            Dimension::Time(_) => None,
        }));
        parameters
    }
}

/// An object with every measure.
fn measured() -> ObjectBuilder {
    Measures::names().into_iter().fold(Object::builder(), |object, name| {
        let value = if Measures::is_word(name) {
            Type::String
        } else {
            Type::Number
        };
        let types = SchemaType::from_iter([value, Type::Null]);
        object
            .property(name, Object::builder().schema_type(types))
            .required(name)
    })
}

impl PartialSchema for Report {
    fn schema() -> RefOr<Schema> {
        let texts = || Object::builder().additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let row = measured()
            .property("key", texts())
            .required("key")
            .property("label", texts())
            .required("label");
        let whole = || Object::builder().schema_type(SchemaType::Type(Type::Integer));
        let other = Object::builder()
            .property("currency", text())
            .property("conversions", whole())
            .property("revenue", whole());
        let total = measured()
            .property("unattributed_conversions", whole())
            .required("unattributed_conversions")
            .property("unattributed_revenue", whole())
            .required("unattributed_revenue")
            .property("unattributed_refunds", whole())
            .required("unattributed_refunds")
            .property("other_currencies", other.to_array_builder())
            .required("other_currencies");
        let cursor = Object::builder().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let texts = ["currency", "from", "to", "tz", "model"];
        texts
            .into_iter()
            .fold(Object::builder(), |object, name| {
                object.property(name, text()).required(name)
            })
            .property("rows", row.to_array_builder())
            .required("rows")
            .property("total", total)
            .required("total")
            .property("next_cursor", cursor)
            .required("next_cursor")
            .description(Some("One page of rows, and the sums over all."))
            .into()
    }
}

impl ToSchema for Report {}
