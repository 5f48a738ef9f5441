//! The dialect's own types, field by field (contract section 4).

use passlink_engine::sessions::{Channel, Factor, Method, SignedIn};
use passlink_engine::users::Person;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ids::Env;

/// The error body of all operations.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what error.rs writes")]
pub(super) struct ErrorBody {
    /// The HTTP status.
    status_code: u16,
    /// The id by which the operator finds the request.
    request_id: String,
    /// What went wrong, for programs; stable.
    #[schema(example = "user_not_found")]
    error_type: String,
    /// What went wrong, for people.
    error_message: String,
    /// Where to read more.
    error_url: String,
}

/// A mail address of a user.
#[derive(Serialize, ToSchema)]
pub(super) struct Email {
    pub email_id: String,
    pub email: String,
    pub verified: bool,
}

/// A telephone number of a user.
#[derive(Serialize, ToSchema)]
pub(super) struct Phone {
    pub phone_id: String,
    pub phone_number: String,
    pub verified: bool,
}

/// A name; parts that are not known are null.
#[derive(Serialize, ToSchema)]
pub(super) struct Name {
    pub first_name: Option<String>,
    pub middle_name: Option<String>,
    pub last_name: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    pub user_id: String,
    /// `active`, or `pending` until the first sign-in of an invited user.
    pub status: &'static str,
    pub emails: Vec<Email>,
    pub phone_numbers: Vec<Phone>,
    /// Always empty, as all factors that Passlink does not know.
    pub webauthn_registrations: Vec<Value>,
    pub providers: Vec<Value>,
    pub totps: Vec<Value>,
    pub crypto_wallets: Vec<Value>,
    pub biometric_registrations: Vec<Value>,
    pub is_locked: bool,
    pub roles: Vec<String>,
    pub name: Name,
    pub created_at: String,
    #[schema(value_type = Option<Object>)]
    pub password: Option<Value>,
    pub lock_created_at: Option<String>,
    pub lock_expires_at: Option<String>,
    #[schema(value_type = Object)]
    pub trusted_metadata: Map<String, Value>,
    #[schema(value_type = Object)]
    pub untrusted_metadata: Map<String, Value>,
    pub external_id: Option<String>,
}

impl User {
    pub(super) fn of(person: &Person, env: Env) -> Self {
        let emails = person.emails().map(|(i, email)| Email {
            email_id: env.show("email", i.id),
            email: email.to_string(),
            verified: i.verified_at.is_some(),
        });
        let phones = person.phones().map(|(i, phone)| Phone {
            phone_id: env.show("phone-number", i.id),
            phone_number: phone.to_string(),
            verified: i.verified_at.is_some(),
        });
        let name = &person.profile.name;
        Self {
            user_id: env.show("user", person.user.id),
            status: if person.user.is_pending { "pending" } else { "active" },
            emails: emails.collect(),
            phone_numbers: phones.collect(),
            webauthn_registrations: Vec::new(),
            providers: Vec::new(),
            totps: Vec::new(),
            crypto_wallets: Vec::new(),
            biometric_registrations: Vec::new(),
            is_locked: false,
            roles: person.profile.roles.clone(),
            name: Name { first_name: name.first.clone(), middle_name: name.middle.clone(), last_name: name.last.clone() },
            created_at: person.user.created_at.to_rfc3339(),
            password: None,
            lock_created_at: None,
            lock_expires_at: None,
            trusted_metadata: person.profile.trusted.clone(),
            untrusted_metadata: person.profile.untrusted.clone(),
            external_id: person.external_id.as_ref().map(ToString::to_string),
        }
    }
}

/// What the caller knows of the person's device.
#[derive(Serialize, ToSchema)]
pub(super) struct Attributes {
    pub ip_address: String,
    pub user_agent: String,
}

/// A proof that was given in a session.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthenticationFactor {
    /// `magic_link` or `otp`.
    pub r#type: &'static str,
    /// `embedded` or `email`.
    pub delivery_method: &'static str,
    pub last_authenticated_at: String,
    pub created_at: String,
    pub updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_factor: Option<EmailFactor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddable_magic_link_factor: Option<EmbeddedFactor>,
}

/// The address that was proven.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailFactor {
    pub email_id: String,
    pub email_address: String,
}

/// The link that the caller delivered itself.
#[derive(Serialize, ToSchema)]
pub(super) struct EmbeddedFactor {
    pub embedded_id: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    pub session_id: String,
    pub user_id: String,
    pub authentication_factors: Vec<AuthenticationFactor>,
    pub roles: Vec<String>,
    pub started_at: String,
    pub last_accessed_at: String,
    pub expires_at: String,
    pub attributes: Attributes,
    #[schema(value_type = Object)]
    pub custom_claims: Map<String, Value>,
}

/// The id of a link that the caller delivers itself.
pub(super) const EMBEDDED: &str = "embedded-magic-link";

fn factor(factor: &Factor, env: Env) -> AuthenticationFactor {
    let (email_factor, embedded) = match (factor.channel, &factor.identifier) {
        (Channel::Email, Some(id)) => {
            let email_address = factor.address.clone().unwrap_or_default();
            (Some(EmailFactor { email_id: env.show("email", id), email_address }), None)
        }
        _ => (None, Some(EmbeddedFactor { embedded_id: env.show(EMBEDDED, factor.link) })),
    };
    AuthenticationFactor {
        r#type: match factor.method {
            Method::Link => "magic_link",
            Method::Code => "otp",
        },
        delivery_method: if embedded.is_some() { "embedded" } else { "email" },
        last_authenticated_at: factor.last_at.to_rfc3339(),
        created_at: factor.first_at.to_rfc3339(),
        updated_at: factor.last_at.to_rfc3339(),
        email_factor,
        embeddable_magic_link_factor: embedded,
    }
}

impl Session {
    /// A session; one that began on Passlink's own pages has the factor of its mail.
    pub(super) fn of(signed_in: &SignedIn, person: &Person, env: Env) -> Self {
        let session = &signed_in.session;
        let details = &session.details;
        let own = || {
            let (identifier, email) = person.emails().find(|(identifier, _)| identifier.is_primary)?;
            Some(Factor {
                method: session.method,
                channel: Channel::Email,
                link: session.link?,
                identifier: Some(identifier.id),
                address: Some(email.to_string()),
                first_at: session.created_at,
                last_at: session.created_at,
            })
        };
        let factors = if details.factors.is_empty() { own().into_iter().collect() } else { details.factors.clone() };
        Self {
            session_id: env.show("session", session.id),
            user_id: env.show("user", session.user),
            authentication_factors: factors.iter().map(|f| factor(f, env)).collect(),
            roles: person.profile.roles.clone(),
            started_at: session.created_at.to_rfc3339(),
            last_accessed_at: session.accessed_at.unwrap_or(session.refreshed_at).to_rfc3339(),
            expires_at: session.expires_at.to_rfc3339(),
            attributes: Attributes {
                ip_address: details.client.ip_address.clone().unwrap_or_default(),
                user_agent: details.client.user_agent.clone().unwrap_or_default(),
            },
            custom_claims: details.claims.clone(),
        }
    }
}

/// What the exchange of a token or code answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Authenticated {
    pub user_id: String,
    /// The address, or for a link that the caller delivered itself the link.
    pub method_id: String,
    /// Empty when no session was asked for.
    pub session_token: String,
    /// Likewise.
    pub session_jwt: String,
    pub user: User,
    pub reset_sessions: bool,
    pub session: Option<Session>,
    #[schema(value_type = Option<Object>)]
    pub user_device: Option<Value>,
}

/// A session with its tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct HeldSession {
    pub session: Session,
    pub session_token: String,
    pub session_jwt: String,
    pub user: User,
    #[schema(value_type = Option<Object>)]
    pub verdict: Option<Value>,
}
