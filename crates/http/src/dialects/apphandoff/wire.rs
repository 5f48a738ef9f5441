//! The dialect's own types, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// The error body of all operations.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorBody {
    /// What went wrong, for people.
    #[schema(example = "This is not a valid e-mail address")]
    pub error: String,
    /// What went wrong, for programs; stable.
    #[schema(example = "validation_error")]
    pub code: String,
    /// The first message for each bad field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub field_errors: Option<BTreeMap<String, String>>,
    /// Every bad field, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub issues: Option<Vec<Issue>>,
    /// Seconds to wait, with status 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub retry_after: Option<u32>,
}

/// One bad field.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Issue {
    /// Segments joined with `.`; empty for the whole body.
    #[schema(example = "email")]
    pub path: String,
    /// What to change.
    pub message: String,
}

/// Asks for a link.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field, to name every bad one")]
pub(super) struct SendMagicLink {
    /// Where to send it.
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// The origin that receives the sign-in; must be on the allow-list.
    #[schema(format = "uri", max_length = 512, example = "https://app.example.com", required = false, nullable = false)]
    callback_origin: Option<String>,
    /// A path inside the app to go on to; dropped when it is not a safe one.
    #[schema(max_length = 2048, example = "/reports", required = false, nullable = false)]
    callback_next: Option<String>,
}

/// The link was asked for. The answer is the same whether the address is known or not.
#[derive(Serialize, ToSchema)]
pub(super) struct Sent {
    /// Always true.
    pub ok: bool,
}

/// The tokens of the callback's fragment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field, to name every bad one")]
pub(super) struct Exchange {
    /// The access token.
    access_token: String,
    /// The refresh token of the same session.
    refresh_token: String,
    /// A path inside the app to go on to; `/` when it is missing or not a safe one.
    #[schema(required = false, nullable = false)]
    redirect_to: Option<String>,
}

/// Where to go on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exchanged {
    /// A path inside the app.
    #[schema(example = "/")]
    pub redirect_to: String,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The user's id.
    #[schema(format = "uuid")]
    pub id: String,
    /// The user's address.
    #[schema(format = Email)]
    pub email: String,
}

/// Whether the user may go on.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// False while an operator has yet to approve the user.
    pub approved: bool,
}

/// Asks for new tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the request; bodies are read field by field, to name every bad one")]
pub(super) struct Refresh {
    /// The current refresh token.
    refresh_token: String,
}

/// New tokens. The old refresh token works for a few seconds more and gives the same answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Refreshed {
    /// The access token.
    pub access_token: String,
    /// The same access token, under the name the vendor's guide uses.
    pub token: String,
    /// The next refresh token.
    pub refresh_token: String,
    /// Seconds until the access token expires.
    pub expires_in: i64,
}

/// The session is over.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedOut {
    /// Always true.
    pub ok: bool,
}
