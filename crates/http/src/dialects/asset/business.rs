//! Businesses (contract section 6): groups with what accounting wants to know of them, which is kept and given back and means nothing here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use passlink_engine::groups::manage::{ChangeAttributes, ChangeGroup, NewGroup};
use passlink_engine::groups::{Admission, Cursor, Group, GroupFilter, GroupRef, GroupStatus, Page};
use passlink_engine::ids::GroupId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::auth::Call;
use super::body::{self, Fields, MALFORMED, business};
use super::error::{Problem, Refusal, done, plain};
use super::wire;
use crate::web::Web;

const STATUS: &[(&str, GroupStatus)] = &[("active", GroupStatus::Active), ("inactive", GroupStatus::Inactive)];
const ENTITY_TYPES: &[(&str, &str)] =
    &[("c-corp", "c-corp"), ("llc", "llc"), ("partnership", "partnership"), ("s-corp", "s-corp"), ("sole-prop", "sole-prop")];

/// A business to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct CreateBusiness {
    #[schema(max_length = 255)]
    name: String,
    /// c-corp, llc, partnership, s-corp or sole-prop.
    #[schema(example = "llc")]
    entity_type: String,
    #[schema(example = "2026-01-01T00:00:00Z")]
    entries_start: String,
    /// The day on which its year ends.
    #[schema(example = "12/31")]
    fiscal_year: String,
    /// Your own id of it, unique.
    #[schema(max_length = 255)]
    external_id: String,
    /// `active` or `inactive`.
    #[schema(required = false, default = "active")]
    status: String,
    #[schema(required = false, nullable, value_type = Value)]
    plan: Value,
    #[schema(required = false, nullable)]
    onboarding_date: String,
}

/// What to change in a business; what is not given stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct ChangeBusiness {
    #[schema(required = false, max_length = 255)]
    name: String,
    /// `active` or `inactive`. Nobody signs in for an inactive business, and its sessions do not hold.
    #[schema(required = false)]
    status: String,
    #[schema(required = false, nullable)]
    onboarding_date: String,
    #[schema(required = false, max_length = 255)]
    external_id: String,
}

/// A business.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the answer")]
pub(super) struct BusinessBody {
    data: wire::Business,
}

/// A page of businesses.
#[derive(Serialize, ToSchema)]
pub(super) struct Businesses {
    data: Vec<wire::Business>,
    pagination: Pagination,
}

/// Where the pages beside this one begin; null where there is none.
#[derive(Serialize, ToSchema)]
pub(super) struct Pagination {
    next_page_token: Option<String>,
    previous_page_token: Option<String>,
}

fn fiscal_year(fields: &mut Fields) -> Option<String> {
    const DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let text = fields.required("fiscal_year")?;
    let number = |part: &str| (part.len() == 2).then(|| part.parse::<u8>().ok()).flatten();
    let day_of = |text: &str| {
        let (month, day) = text.split_once('/')?;
        let most = DAYS.get(usize::from(number(month)?.checked_sub(1)?))?;
        (1..=*most).contains(&number(day)?).then_some(())
    };
    if text.bytes().any(|b| b == b'+') || day_of(&text).is_none() {
        fields.refuse("fiscal_year", "string_pattern_mismatch", "must be month and day, such as 12/31");
        return None;
    }
    Some(text)
}

/// Makes a business.
#[utoipa::path(
    post,
    path = "/v0/business",
    tag = "Businesses",
    security(("client" = ["business:create"])),
    request_body = CreateBusiness,
    responses(
        (status = 201, description = "The business.", body = BusinessBody),
        (status = 401, description = "No valid token.", body = wire::ErrorBody),
        (status = 403, description = "The token does not allow this.", body = wire::ErrorBody),
        (status = 422, description = "A bad field, or the external id is taken.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn create(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    call.require("group:create")?;
    let mut fields = body::read(&headers, body).await?;
    let (name, external_id) = (fields.required("name"), fields.required("external_id"));
    let status = fields.one_of("status", STATUS).unwrap_or_default();
    let mut kept = Map::new();
    let mut keep = |name: &str, value: Option<Value>| value.and_then(|value| kept.insert(name.to_owned(), value));
    fields.must_have("entity_type");
    keep("entity_type", fields.one_of("entity_type", ENTITY_TYPES).map(Value::from));
    fields.must_have("entries_start");
    keep("entries_start", fields.moment("entries_start").map(Value::from));
    keep("fiscal_year", fiscal_year(&mut fields).map(Value::from));
    keep("onboarding_date", fields.moment("onboarding_date").map(Value::from));
    keep("industry", fields.text("industry").map(Value::from));
    keep("plan", fields.take("plan"));
    fields.finish()?;
    let new = NewGroup {
        name: name.unwrap_or_default(),
        admission: Admission::InviteOnly,
        status,
        external_id,
        attributes: Some(kept),
    };
    let group = web.engine.create_group(&call.caller, new).await?;
    done(StatusCode::CREATED, wire::Business::of(&group))
}

/// The business that a path names.
fn named(path: Result<Path<String>, PathRejection>) -> Result<GroupRef, Refusal> {
    let text = path.map(|Path(text)| text).unwrap_or_default();
    business(&text).ok_or_else(|| Refusal::invalid(&[Problem::new("path", "business_id", "string_pattern_mismatch", MALFORMED)]))
}

/// Counts a call against the business it is about, unless its token did so before.
async fn count(web: &Web, call: &Call, group: &Group) -> Result<(), Refusal> {
    if call.caller.confined_to().is_none() {
        call.budget.count(web, &call.caller, Some(group.id)).await?;
    }
    Ok(())
}

/// The business with this id.
#[utoipa::path(
    get,
    path = "/v0/business/{business_id}",
    tag = "Businesses",
    security(("client" = ["business:read"])),
    params(("business_id" = String, Path, description = "The id.")),
    responses(
        (status = 200, description = "The business.", body = BusinessBody),
        (status = 401, description = "No valid token.", body = wire::ErrorBody),
        (status = 403, description = "The token does not allow this.", body = wire::ErrorBody),
        (status = 404, description = "The tenant has no such business.", body = wire::ErrorBody),
        (status = 422, description = "Not an id.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn find(
    State(web): State<Arc<Web>>,
    call: Call,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    call.require("group:read")?;
    let group = web.engine.find_group(&call.caller, named(path)?).await?;
    count(&web, &call, &group).await?;
    done(StatusCode::OK, wire::Business::of(&group))
}

/// Changes a business.
#[utoipa::path(
    patch,
    path = "/v0/business/{business_id}",
    tag = "Businesses",
    security(("client" = ["business:update"])),
    params(("business_id" = String, Path, description = "The id.")),
    request_body = ChangeBusiness,
    responses(
        (status = 200, description = "The business as it is now.", body = BusinessBody),
        (status = 401, description = "No valid token.", body = wire::ErrorBody),
        (status = 403, description = "The token does not allow this.", body = wire::ErrorBody),
        (status = 404, description = "The tenant has no such business.", body = wire::ErrorBody),
        (status = 422, description = "A bad field, or the external id is taken.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn update(
    State(web): State<Arc<Web>>,
    call: Call,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    call.require("group:update")?;
    let group = named(path)?;
    let mut fields = body::read(&headers, body).await?;
    // Given as null, the day is forgotten.
    let clears_date = fields.is_given("onboarding_date");
    let date = fields.moment("onboarding_date");
    let change = ChangeGroup {
        name: fields.text("name"),
        admission: None,
        status: fields.one_of("status", STATUS),
        external_id: fields.text("external_id").map(Some),
        attributes: clears_date.then(|| ChangeAttributes::Merge(Map::from_iter([("onboarding_date".to_owned(), json!(date))]))),
    };
    fields.finish()?;
    let group = web.engine.change_group(&call.caller, group, change).await?;
    count(&web, &call, &group).await?;
    done(StatusCode::OK, wire::Business::of(&group))
}

/// Which page.
#[derive(Deserialize)]
pub(super) struct Asked {
    page_size: Option<String>,
    page_token: Option<String>,
}

/// A page token: its direction and the business at its edge. It holds no secret and gives no right.
fn show_token(direction: u8, id: GroupId) -> String {
    URL_SAFE_NO_PAD.encode([&[direction], id.as_bytes()].concat())
}

fn read_token(text: &str) -> Option<Cursor<GroupId>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (direction, id) = bytes.split_first()?;
    let id = GroupId::from_bytes(id)?;
    match direction {
        b'n' => Some(Cursor::After(id)),
        b'p' => Some(Cursor::Before(id)),
        _ => None,
    }
}

impl Pagination {
    fn of(page: &Page<Group>) -> Self {
        let edge = |direction, is_there: bool, group: Option<&Group>| {
            group.filter(|_| is_there).map(|group| show_token(direction, group.id))
        };
        Self {
            next_page_token: edge(b'n', page.has_next, page.items.last()),
            previous_page_token: edge(b'p', page.has_previous, page.items.first()),
        }
    }
}

/// The tenant's businesses, oldest first.
#[utoipa::path(
    get,
    path = "/v0/business",
    tag = "Businesses",
    security(("client" = ["business:read"])),
    params(
        ("page_size" = Option<i64>, Query, description = "1 to 100; 100 when not given.", minimum = 1, maximum = 100),
        ("page_token" = Option<String>, Query, description = "From the page beside."),
    ),
    responses(
        (status = 200, description = "The page.", body = Businesses),
        (status = 401, description = "No valid token.", body = wire::ErrorBody),
        (status = 403, description = "The token does not allow this.", body = wire::ErrorBody),
        (status = 422, description = "A bad field.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    call: Call,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    call.require("group:read")?;
    let bad = |field: &str, kind, message: &str| Problem::new("query", field, kind, message);
    let Ok(Query(asked)) = asked else {
        return Err(Refusal::invalid(&[bad("", "value_error", "must be parameters that come once")]));
    };
    let mut problems = Vec::new();
    let is_number = |text: &String| text.bytes().all(|b| b.is_ascii_digit());
    let size =
        asked.page_size.as_ref().map(|text| text.parse::<u32>().ok().filter(|size| is_number(text) && (1..=100).contains(size)));
    if size == Some(None) {
        problems.push(bad("page_size", "less_than_equal", "must be from 1 to 100"));
    }
    let cursor = asked.page_token.as_deref().filter(|token| !token.is_empty()).map(read_token);
    if cursor == Some(None) {
        problems.push(bad("page_token", "value_error", "must be a token from a page beside"));
    }
    if !problems.is_empty() {
        return Err(Refusal::invalid(&problems));
    }
    let cursor = cursor.flatten().unwrap_or(Cursor::Start);
    let page = web.engine.list_groups(&call.caller, GroupFilter::default(), cursor, size.flatten().unwrap_or(100)).await?;
    let pagination = Pagination::of(&page);
    plain(&Businesses { data: page.items.iter().map(wire::Business::of).collect(), pagination })
}
