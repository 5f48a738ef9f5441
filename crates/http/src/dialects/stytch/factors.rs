//! Addresses of users (contract section 11).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use passlink_engine::ids::IdentifierId;
use passlink_engine::users::{Address, IdentifierKind};
use utoipa::ToSchema;

use super::auth::Call;
use super::body;
use super::error::Refusal;
use super::users::{OneUser, UserCall, email, one, phone};
use super::wire;
use crate::web::Web;

/// Exactly one of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct Exchange {
    #[schema(required = false)]
    email_address: Option<String>,
    #[schema(required = false)]
    phone_number: Option<String>,
}

async fn remove(
    web: &Web,
    call: &Call,
    path: Result<Path<String>, PathRejection>,
    kind: IdentifierKind,
    prefix: &str,
) -> Result<Response, Refusal> {
    let id = path.ok().and_then(|Path(text)| call.env.read(prefix, &text));
    let nobody = || Refusal::new(404, "user_not_found", "No user has an address with this id.");
    let id = IdentifierId::from_uuid(id.ok_or_else(nobody)?);
    let person = web.engine.remove_address(&call.caller, kind, id).await?;
    one(call, &person)
}

/// Takes a mail address away from its user.
#[utoipa::path(
    delete,
    path = "/v1/users/emails/{email_id}",
    tag = "Users",
    security(("project" = [])),
    params(("email_id" = String, Path, description = "The id of the address.")),
    responses(
        (status = 200, description = "The user.", body = OneUser),
        (status = 400, description = "It is the user's only address.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such address.", body = wire::ErrorBody),
    )
)]
pub(super) async fn remove_email(
    State(web): State<Arc<Web>>,
    call: Call,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    remove(&web, &call, path, IdentifierKind::Email, "email").await.map_err(|refusal| refusal.within(call.env))
}

/// Takes a telephone number away from its user.
#[utoipa::path(
    delete,
    path = "/v1/users/phone_numbers/{phone_id}",
    tag = "Users",
    security(("project" = [])),
    params(("phone_id" = String, Path, description = "The id of the number.")),
    responses(
        (status = 200, description = "The user.", body = OneUser),
        (status = 400, description = "It is the user's only address.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such number.", body = wire::ErrorBody),
    )
)]
pub(super) async fn remove_phone(
    State(web): State<Arc<Web>>,
    call: Call,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    remove(&web, &call, path, IdentifierKind::Phone, "phone-number").await.map_err(|refusal| refusal.within(call.env))
}

/// Replaces the only address of a user by another of its kind.
#[utoipa::path(
    put,
    path = "/v1/users/{user_id}/exchange_primary_factor",
    tag = "Users",
    security(("project" = [])),
    params(("user_id" = String, Path, description = "The user's id, or your own.")),
    request_body = Exchange,
    responses(
        (status = 200, description = "The user.", body = OneUser),
        (status = 400, description = "A bad field, a taken address, or a user with several.", body = wire::ErrorBody),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
        (status = 404, description = "There is no such user.", body = wire::ErrorBody),
    )
)]
pub(super) async fn exchange(
    State(web): State<Arc<Web>>,
    UserCall { call, user }: UserCall,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let answer = async {
        let mut fields = body::read(&headers, body).await?;
        let address = match (email(&mut fields, "email_address")?, phone(&mut fields, "phone_number")?) {
            (Some(email), None) => Address::Email(email),
            (None, Some(phone)) => Address::Phone(phone),
            _ => {
                let message = "Exactly one of email_address and phone_number is required.";
                return Err(Refusal::new(400, "invalid_exchange_primary_factor_fields", message));
            }
        };
        let person = web.engine.exchange_address(&call.caller, user, address).await?;
        one(&call, &person)
    };
    answer.await.map_err(|refusal| refusal.within(call.env))
}
