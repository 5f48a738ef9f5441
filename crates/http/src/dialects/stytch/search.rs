//! Finding users (contract section 6, search filters).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::{IdentifierId, UserId};
use passlink_engine::phone_number::PhoneNumber;
use passlink_engine::time::Timestamp;
use passlink_engine::users::IdentifierKind::{Email, Phone};
use passlink_engine::users::search::{Condition, Search};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::auth::Call;
use super::body;
use super::error::{Refusal, done};
use super::ids::Env;
use super::users::user_ref;
use super::wire;
use crate::web::Web;

/// The fewest characters of a fuzzy filter.
const FUZZY: usize = 3;
/// Operands of one search, and values of one operand.
const MOST: usize = 100;
/// Strings in one filter.
const MOST_STRINGS: usize = 1000;

/// What to find.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct SearchUsers {
    /// From the answer before.
    #[schema(required = false)]
    cursor: Option<String>,
    /// From 1 to 1000; 100 when not given.
    #[schema(required = false, minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    #[schema(required = false)]
    query: Option<Query>,
}

/// Conditions and how they are joined.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Query {
    /// `AND` or `OR`.
    operator: String,
    operands: Vec<Operand>,
}

/// One condition.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Operand {
    #[schema(example = "email_address")]
    filter_name: String,
    #[schema(value_type = Object)]
    filter_value: Value,
}

/// A page of users. It may hold fewer than asked for and still have a next one.
#[derive(Serialize, ToSchema)]
pub(super) struct Found {
    results: Vec<wire::User>,
    results_metadata: Metadata,
}

/// About the page.
#[derive(Serialize, ToSchema)]
pub(super) struct Metadata {
    /// How many match in all; -1 when that was not counted.
    total: i64,
    /// Null on the last page.
    next_cursor: Option<String>,
}

/// Finds users.
#[utoipa::path(
    post,
    path = "/v1/users/search",
    tag = "Users",
    security(("project" = [])),
    request_body = SearchUsers,
    responses(
        (status = 200, description = "A page.", body = Found),
        (status = 400, description = "A bad field or filter.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
    )
)]
pub(super) async fn search(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    search_in(&web, &call, &headers, body).await.map_err(|refusal| refusal.within(call.env))
}

async fn search_in(web: &Web, call: &Call, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut fields = body::read(headers, body).await?;
    let limit = fields.integer("limit")?.unwrap_or(100);
    let limit = u32::try_from(limit).ok().filter(|limit| (1..=1000).contains(limit));
    let limit = limit.ok_or_else(|| Refusal::new(400, "user_search_invalid_limit", "limit: must be from 1 to 1000."))?;
    let after = match fields.filled("cursor")? {
        Some(text) => Some(read_cursor(&text).ok_or_else(|| {
            Refusal::new(400, "user_search_invalid_cursor", "cursor: must be the next_cursor of an answer before.")
        })?),
        None => None,
    };
    let (mut conditions, mut any) = (Vec::new(), false);
    if let Some(mut query) = fields.object("query")? {
        let operator = query.text("operator")?;
        let operands = query.list("operands")?.unwrap_or_default();
        any = match operator.as_deref() {
            Some("OR") => true,
            Some("AND") => false,
            None if operands.is_empty() => false,
            _ => return Err(Refusal::new(400, "user_search_invalid_operator", "query.operator: must be AND or OR.")),
        };
        if operands.len() > MOST {
            return Err(Refusal::bad_request(format!("query.operands: must be at most {MOST}.")));
        }
        for operand in operands {
            conditions.extend(condition(call.env, operand, any)?);
        }
    }
    let found = web.engine.search_users(&call.caller, Search { conditions, any, after, newest_first: false, limit }).await?;
    let page = Found {
        results: found.people.iter().map(|person| wire::User::of(person, call.env)).collect(),
        results_metadata: Metadata {
            total: found.total.map_or(-1, |total| i64::try_from(total).unwrap_or(-1)),
            next_cursor: found.next.map(write_cursor),
        },
    };
    done(call.env, page)
}

fn write_cursor(id: UserId) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

fn read_cursor(text: &str) -> Option<UserId> {
    UserId::from_bytes(&URL_SAFE_NO_PAD.decode(text).ok()?)
}

/// A filter's value, read as the type that the filter wants.
struct Filter {
    name: String,
    value: Value,
}

impl Filter {
    fn wrong(&self, error_type: &'static str, what: &str) -> Refusal {
        Refusal::new(400, error_type, format!("filter_value of {}: must be {what}.", self.name))
    }

    fn texts(&self) -> Result<Vec<String>, Refusal> {
        let wrong = || self.wrong("user_search_expected_array_of_string", "a list of strings");
        let list = self.value.as_array().ok_or_else(wrong)?;
        if list.len() > MOST_STRINGS {
            return Err(Refusal::bad_request(format!("filter_value of {}: must be at most {MOST_STRINGS} strings.", self.name)));
        }
        list.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    fn text(&self) -> Result<String, Refusal> {
        let text = self.value.as_str().map(str::to_owned);
        text.ok_or_else(|| self.wrong("user_search_expected_string", "a string"))
    }

    fn fuzzy(&self) -> Result<String, Refusal> {
        let text = self.text()?;
        if text.chars().count() < FUZZY {
            return Err(self.wrong("user_search_expected_string", "a string of at least 3 characters"));
        }
        Ok(text)
    }

    fn flag(&self) -> Result<bool, Refusal> {
        self.value.as_bool().ok_or_else(|| self.wrong("user_search_expected_bool", "true or false"))
    }

    fn time_of(&self, value: &Value) -> Result<Timestamp, Refusal> {
        let time = value.as_str().and_then(Timestamp::parse_rfc3339);
        let wrong = || self.wrong("user_search_expected_timestamp", "a time such as 2026-01-31T12:00:00Z");
        time.ok_or_else(wrong)
    }

    fn identifiers(&self, env: Env, prefix: &str) -> Result<Vec<IdentifierId>, Refusal> {
        let texts = self.texts()?;
        Ok(texts.iter().filter_map(|text| env.read(prefix, text)).map(IdentifierId::from_uuid).collect())
    }
}

fn condition(env: Env, operand: Value, any: bool) -> Result<Vec<Condition>, Refusal> {
    let Value::Object(mut operand) = operand else {
        return Err(Refusal::bad_request("query.operands: each must be an object."));
    };
    let name = match take(&mut operand, "filter_name") {
        Some(Value::String(name)) => name,
        None => return Err(Refusal::new(400, "user_search_missing_filter_name", "filter_name: is required.")),
        Some(_) => return Err(Refusal::bad_request("filter_name: must be a string.")),
    };
    let missing = || Refusal::new(400, "user_search_missing_filter_value", format!("filter_value of {name}: is required."));
    let value = take(&mut operand, "filter_value").ok_or_else(missing)?;
    let filter = Filter { name, value };
    Ok(vec![match filter.name.as_str() {
        "created_at_greater_than" => Condition::CreatedAfter(filter.time_of(&filter.value)?),
        "created_at_less_than" => Condition::CreatedBefore(filter.time_of(&filter.value)?),
        "created_at_between" => return between(&filter, any),
        "status" => match filter.text()?.as_str() {
            "pending" => Condition::IsPending(true),
            "active" => Condition::IsPending(false),
            _ => return Err(filter.wrong("user_search_expected_string", "active or pending")),
        },
        "user_id" => Condition::Ids(filter.texts()?.iter().filter_map(|text| user_ref(env, text).ok()).collect()),
        "email_address" => Condition::Emails(filter.texts()?.iter().filter_map(|text| EmailAddress::parse(text).ok()).collect()),
        "email_id" => Condition::Identifiers(Email, filter.identifiers(env, "email")?),
        "phone_number" => Condition::Phones(filter.texts()?.iter().filter_map(|text| PhoneNumber::parse(text).ok()).collect()),
        "phone_id" => Condition::Identifiers(Phone, filter.identifiers(env, "phone-number")?),
        "email_verified" => Condition::Verified(Email, filter.flag()?),
        "phone_verified" => Condition::Verified(Phone, filter.flag()?),
        "email_address_fuzzy" => Condition::EmailContains(filter.fuzzy()?),
        "phone_number_fuzzy" => Condition::PhoneContains(filter.fuzzy()?),
        "full_name_fuzzy" => Condition::NameContains(filter.fuzzy()?),
        // Factors that nobody has here.
        "oauth_provider" | "totp_id" | "webauthn_registration_id" | "crypto_wallet_id" | "crypto_wallet_address" => {
            filter.texts()?;
            Condition::Constant(false)
        }
        "totp_verified" | "webauthn_registration_verified" | "crypto_wallet_verified" | "password_exists" => {
            Condition::Constant(!filter.flag()?)
        }
        _ => {
            let message = format!("filter_name: \"{}\" is not known.", filter.name.chars().take(64).collect::<String>());
            return Err(Refusal::new(400, "user_search_filter_name_not_recognized", message));
        }
    }])
}

fn between(filter: &Filter, any: bool) -> Result<Vec<Condition>, Refusal> {
    let wrong = || filter.wrong("user_search_expected_timestamp", "an object with greater_than and less_than");
    let bounds = filter.value.as_object().ok_or_else(wrong)?;
    let bound = |name| bounds.get(name).ok_or_else(wrong).and_then(|value| filter.time_of(value));
    let (after, before) = (bound("greater_than")?, bound("less_than")?);
    Ok(if any {
        vec![Condition::CreatedBetween(after, before)]
    } else {
        vec![Condition::CreatedAfter(after), Condition::CreatedBefore(before)]
    })
}

fn take(operand: &mut Map<String, Value>, field: &str) -> Option<Value> {
    operand.remove(field).filter(|value| !value.is_null())
}
