//! Small calls about a project (contract section 11).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Call;
use super::error::{Refusal, done};
use super::wire;
use crate::web::Web;

/// The project of the credentials.
#[derive(Serialize, ToSchema)]
pub(super) struct Whoami {
    project_id: String,
    name: String,
}

/// Whose credentials these are.
#[utoipa::path(
    get,
    path = "/v1/debug/whoami",
    tag = "Project",
    security(("project" = [])),
    responses(
        (status = 200, description = "The project.", body = Whoami),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
    )
)]
pub(super) async fn whoami(call: Call) -> Result<Response, Refusal> {
    let name = call.caller.app.display_name().to_owned();
    done(call.env, Whoami { project_id: call.project.clone(), name })
}

/// A number.
#[derive(Serialize, ToSchema)]
pub(super) struct Metric {
    metric_type: &'static str,
    count: u64,
}

/// What is counted.
#[derive(Serialize, ToSchema)]
pub(super) struct Metrics {
    project_id: String,
    metrics: Vec<Metric>,
}

/// How many users there are.
#[utoipa::path(
    get,
    path = "/v1/projects/metrics",
    tag = "Project",
    security(("project" = [])),
    responses(
        (status = 200, description = "The numbers.", body = Metrics),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
    )
)]
pub(super) async fn metrics(State(web): State<Arc<Web>>, call: Call) -> Result<Response, Refusal> {
    let count = web.engine.count_users(&call.caller).await.map_err(|e| Refusal::from(e).within(call.env))?;
    let metrics = vec![Metric { metric_type: "USER_COUNT", count }];
    done(call.env, Metrics { project_id: call.project.clone(), metrics })
}

/// No roles are defined.
#[derive(Serialize, ToSchema)]
pub(super) struct Policy {
    #[schema(value_type = Vec<Object>)]
    roles: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    resources: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    scopes: Vec<Value>,
}

/// The policy.
#[derive(Serialize, ToSchema)]
pub(super) struct Shown {
    policy: Policy,
}

/// The policy of roles, which is empty.
#[utoipa::path(
    get,
    path = "/v1/rbac/policy",
    tag = "Project",
    security(("project" = [])),
    responses(
        (status = 200, description = "The policy.", body = Shown),
        (status = 401, description = "The credentials are not valid.", body = wire::ErrorBody),
    )
)]
pub(super) async fn policy(call: Call) -> Result<Response, Refusal> {
    let policy = Policy { roles: Vec::new(), resources: Vec::new(), scopes: Vec::new() };
    done(call.env, Shown { policy })
}
