//! `POST /v0/auth/magic-link`: a link for a business, which the caller delivers itself (contract section 4).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use passlink_engine::email_address::EmailAddress;
use passlink_engine::links::of_group::IssueGroupLink;
use passlink_engine::redirects::RelativePath;
use passlink_engine::time::Lifetime;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Call;
use super::body::{self, Fields};
use super::error::{Refusal, done};
use super::{DOOR, ids, wire};
use crate::web::Web;

/// Minutes a link may live, and its default.
const MINUTES: std::ops::RangeInclusive<i64> = 1..=15;
const DEFAULT_MINUTES: i64 = 5;
/// Seconds its session may live: what their schema says, not what stands in the text beside it.
const SECONDS: std::ops::RangeInclusive<i64> = 1..=7_948_800;
const DEFAULT_SECONDS: i64 = 86_400;
/// Characters a path may have.
const LONGEST_PATH: usize = RelativePath::LONGEST;

/// Asks for a link. One of the two ids is needed; where both are given, they must mean the same business.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field")]
pub(super) struct CreateMagicLink {
    #[schema(required = false, nullable, example = "biz_1BoatSLRHtKNngkdXEeobR")]
    business_id: String,
    #[schema(required = false, nullable)]
    external_business_id: String,
    /// Minutes the link lives: 1 to 15, 5 when not given.
    #[schema(required = false, minimum = 1, maximum = 15, default = 5)]
    ttl: i64,
    /// Seconds the session lives from the moment the link is used: 1 to 7948800, 86400 when not given.
    #[schema(required = false, minimum = 1, maximum = 7_948_800, default = 86_400)]
    session_timeout: i64,
    /// Whom the link is for. Nothing is sent there.
    #[schema(required = false, nullable, example = "ada@example.com")]
    email: String,
    /// Where it leads inside the app.
    #[schema(required = false, nullable, example = "/reports")]
    path: String,
}

/// The link.
#[derive(Serialize, ToSchema)]
pub(super) struct Created {
    /// Deliver it yourself. It works once.
    magic_link: String,
    /// Its id, for logs; no secret.
    magic_link_id: String,
}

/// The answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the answer")]
pub(super) struct CreatedBody {
    data: Created,
}

/// Makes a link for a business.
#[utoipa::path(
    post,
    path = "/v0/auth/magic-link",
    tag = "Authentication",
    security(("client" = ["auth:create"])),
    request_body = CreateMagicLink,
    responses(
        (status = 201, description = "The link.", body = CreatedBody),
        (status = 401, description = "No valid token.", body = wire::ErrorBody),
        (status = 403, description = "The token does not allow this, or the business is inactive.", body = wire::ErrorBody),
        (status = 404, description = "The tenant has no such business.", body = wire::ErrorBody),
        (status = 422, description = "A bad field.", body = wire::ErrorBody),
        (status = 429, description = "Too many requests.", body = wire::ErrorBody),
        (status = 503, description = "Try again.", body = wire::ErrorBody),
    )
)]
pub(super) async fn create(State(web): State<Arc<Web>>, call: Call, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    call.require("link:create")?;
    let mut fields = body::read(&headers, body).await?;
    let businesses = fields.businesses();
    let minutes = fields.integer("ttl", MINUTES).unwrap_or(DEFAULT_MINUTES);
    let seconds = fields.integer("session_timeout", SECONDS).unwrap_or(DEFAULT_SECONDS);
    let (label, path) = (email(&mut fields), path(&mut fields));
    fields.finish()?;
    let group = web.engine.group_to_link(&call.caller, &businesses).await?;
    // A token for one business counted against that before.
    if call.caller.confined_to().is_none() {
        call.budget.count(&web, &call.caller, Some(group.id)).await?;
    }
    let (lifetime, session_lifetime) = (Lifetime::from_minutes(minutes), Lifetime::from_secs(seconds));
    let command = IssueGroupLink { lifetime, session_lifetime, label, path, door: DOOR };
    let issued = web.engine.issue_group_link(&call.caller, &group, command).await?;
    let magic_link_id = ids::show("mlk", issued.id.as_uuid());
    done(StatusCode::CREATED, Created { magic_link: issued.url.expose().to_owned(), magic_link_id })
}

fn email(fields: &mut Fields) -> Option<EmailAddress> {
    let text = fields.text("email")?;
    match EmailAddress::parse(&text) {
        Ok(address) => Some(address),
        Err(_) => {
            fields.refuse("email", "value_error", "must be an e-mail address");
            None
        }
    }
}

/// A place inside the app. Besides what every such place must hold, it is no address of its own and never goes upwards (contract section 4).
fn path(fields: &mut Fields) -> Option<RelativePath> {
    let text = fields.text("path")?;
    let read = place(&text);
    if read.is_none() {
        fields.refuse("path", "value_error", "must be a plain path inside the app, such as /reports");
    }
    read
}

fn place(text: &str) -> Option<RelativePath> {
    if text.chars().count() > LONGEST_PATH {
        return None;
    }
    let mut round = text.to_owned();
    for _ in 0..3 {
        if has_scheme(&round) || goes_up(&round) {
            return None;
        }
        round = percent_decoded(&round);
    }
    match text.starts_with('/') {
        true => RelativePath::parse(text),
        false => RelativePath::parse(&format!("/{text}")),
    }
}

/// Whether it begins like an address with a scheme, also behind what parsers pass over.
fn has_scheme(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn goes_up(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\']).any(|segment| segment == "..")
}

fn percent_decoded(text: &str) -> String {
    // As forms are read, but a plus stays one.
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(kept.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_the_app_are_kept_and_get_their_slash() {
        for (text, kept) in [
            ("/reports", "/reports"),
            ("reports", "/reports"),
            ("", "/"),
            ("/", "/"),
            ("/a/b?from=1&to=2#top", "/a/b?from=1&to=2#top"),
            ("?tab=1", "/?tab=1"),
            ("/a%20b/c+d", "/a%20b/c+d"),
            ("/time/12:30", "/time/12:30"),
            ("/ü/…", "/ü/…"),
            ("/a..b/..c/d..", "/a..b/..c/d.."),
            ("/x?up=../y", "/x?up=../y"),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(place(text).as_ref().map(RelativePath::as_str), Some(kept), "{text}");
        }
        assert!(place(&format!("/{}", "x".repeat(2047))).is_some() && place(&"x".repeat(2049)).is_none());
    }
}
