//! The dialect's own types (contract sections 2 to 6).

use passlink_engine::groups::{Group, GroupStatus};
use passlink_engine::sessions::of_group::GroupSession;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ids::show;

/// The error body of all operations.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what error.rs writes")]
pub(super) struct ErrorBody {
    /// What went wrong, for people; the code of RFC 6749 at /v0/auth/token.
    #[schema(nullable)]
    error: String,
    /// Each bad field as `{loc, msg, type}`, or null.
    #[schema(nullable, value_type = Value)]
    data: Value,
}

/// A business: the customer of a tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct Business {
    #[schema(example = "biz_1BoatSLRHtKNngkdXEeobR")]
    id: String,
    tenant_id: String,
    name: String,
    #[schema(nullable)]
    industry: Value,
    /// c-corp, llc, partnership, s-corp or sole-prop; kept as it was given.
    #[schema(nullable)]
    entity_type: Value,
    #[schema(nullable)]
    entries_start: Value,
    #[schema(nullable)]
    fiscal_year: Value,
    /// Your own id of it.
    external_id: Option<String>,
    /// `active` or `inactive`.
    status: &'static str,
    #[schema(nullable)]
    plan: Value,
    #[schema(nullable)]
    onboarding_date: Value,
}

impl Business {
    pub(super) fn of(group: &Group) -> Self {
        let kept = |name: &str| group.attributes.as_ref().and_then(|kept| kept.get(name)).cloned().unwrap_or(Value::Null);
        Self {
            id: show("biz", group.id.as_uuid()),
            tenant_id: tenant(group.app),
            name: group.name.clone(),
            industry: kept("industry"),
            entity_type: kept("entity_type"),
            entries_start: kept("entries_start"),
            fiscal_year: kept("fiscal_year"),
            external_id: group.external_id.clone(),
            status: match group.status {
                GroupStatus::Active => "active",
                GroupStatus::Inactive => "inactive",
            },
            plan: kept("plan"),
            onboarding_date: kept("onboarding_date"),
        }
    }
}

/// The tenant as it is shown.
pub(in crate::dialects) fn tenant(app: passlink_engine::ids::AppId) -> String {
    show("ten", app.as_uuid())
}

/// A session of a business.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    session_id: String,
    business_id: String,
    external_business_id: Option<String>,
    /// Whom the link was made for, as its maker said; not proven.
    email: Option<String>,
    magic_link_id: Option<String>,
    /// Unix seconds; the session is never prolonged.
    expires_at: i64,
}

impl Session {
    pub(super) fn of(session: &GroupSession) -> Self {
        Self {
            session_id: show("ses", session.id.as_uuid()),
            business_id: show("biz", session.group.id.as_uuid()),
            external_business_id: session.group.external_id.clone(),
            email: session.label.as_ref().map(ToString::to_string),
            magic_link_id: session.link.map(|link| show("mlk", link.as_uuid())),
            expires_at: session.expires_at.as_secs(),
        }
    }
}
