//! Every call of tier 1 that the SDK for Rust has, each with its success and its errors. A new call is a line in `CALLS` and its test.
//!
//! This SDK checks no session's JWT itself; `m2m.authenticate_token` runs its one local check (signature, `aud`, `iss`, times, age, cached keys), and asks for a claim
//! `scope` besides, which these sessions have among their custom claims.

use passlink_stytch_sdk_tests::{
    NOBODY, address, becomes, by_jwt, by_token, client, client_with, kid, link, project, refused, rotate, signed_in, user,
};
use serde_json::{Value, json};
use stytch::consumer::attribute::Attributes;
use stytch::consumer::client::Client;
use stytch::consumer::sessions::{AuthenticationFactorDeliveryMethod, AuthenticationFactorType};
use stytch::consumer::{m2m, magic_links, sessions, users};

const CALLS: [&str; 13] = [
    "magic_links.create",
    "magic_links.authenticate",
    "users.create",
    "users.get",
    "users.search",
    "users.update",
    "users.delete",
    "users.delete_external_id",
    "sessions.get",
    "sessions.authenticate",
    "sessions.revoke",
    "sessions.get_jwks",
    "m2m.authenticate_token",
];

#[test]
fn every_call_of_tier_1_is_made() {
    let code: String = include_str!("tier1.rs").split_whitespace().collect();
    let missing: Vec<&str> = CALLS.into_iter().filter(|call| !code.contains(&format!("sdk.{call}("))).collect();
    assert!(missing.is_empty(), "calls of tier 1 that no test makes: {missing:?}");
}

fn device(ip_address: &str) -> Option<Attributes> {
    Some(Attributes { ip_address: Some(ip_address.to_owned()), user_agent: Some("Firefox".to_owned()) })
}

async fn locally(sdk: &Client, jwt: &str, max_token_age_seconds: Option<u64>) -> stytch::Result<m2m::AuthenticateTokenResponse> {
    let request = m2m::AuthenticateTokenRequest {
        access_token: jwt.to_owned(),
        required_scopes: None,
        max_token_age_seconds,
        scope_authorization_func: None,
    };
    sdk.m2m.authenticate_token(request).await
}

#[tokio::test]
async fn wrong_credentials_are_told_before_anything_else() {
    let request = || users::GetRequest { user_id: NOBODY.to_owned() };
    refused(client_with(&project(), "secret-test-wrong-wrong-wrong").users.get(request()).await, 401, "unauthorized_credentials");
    let other = client_with("project-test-11111111-1111-4111-8111-111111111111", "secret-test-wrong-wrong-wrong");
    refused(other.users.get(request()).await, 401, "unauthorized_credentials");
}

#[tokio::test]
async fn magic_links_create() {
    let sdk = client();
    let user_id = user(&sdk, Some("ada|link")).await;
    let request = |user_id: &str, minutes| magic_links::CreateRequest {
        user_id: user_id.to_owned(),
        expiration_minutes: minutes,
        attributes: device("203.0.113.7"),
    };
    let made = sdk.magic_links.create(request("ada|link", Some(5))).await.unwrap();
    assert_eq!((made.status_code.as_u16(), made.user_id, made.token.len()), (200, user_id.clone(), 44));
    refused(sdk.magic_links.create(request(NOBODY, None)).await, 404, "user_not_found");
    refused(sdk.magic_links.create(request("", None)).await, 400, "invalid_user_id");
    refused(sdk.magic_links.create(request(&user_id, Some(4))).await, 400, "invalid_expiration");
}

#[tokio::test]
async fn magic_links_authenticate() {
    let sdk = client();
    let user_id = user(&sdk, None).await;
    let request = |token: &str| magic_links::AuthenticateRequest { token: token.to_owned(), ..Default::default() };
    let token = link(&sdk, &user_id).await;
    let done = sdk.magic_links.authenticate(request(&token)).await.unwrap();
    assert_eq!((done.user_id.as_str(), done.session_token.as_str(), done.session_jwt.as_str()), (user_id.as_str(), "", ""));
    assert!(done.session.is_none() && !done.reset_sessions && !done.method_id.is_empty());
    assert!(!done.user.emails[0].verified);
    refused(sdk.magic_links.authenticate(request(&token)).await, 401, "unable_to_auth_magic_link");
    let unknown = "Unmade3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=";
    refused(sdk.magic_links.authenticate(request(unknown)).await, 404, "magic_link_not_found");
    refused(sdk.magic_links.authenticate(request("")).await, 400, "invalid_token");

    let token = link(&sdk, &user_id).await;
    let short = magic_links::AuthenticateRequest { session_duration_minutes: Some(4), ..request(&token) };
    refused(sdk.magic_links.authenticate(short).await, 400, "invalid_session_duration_minutes");
    let options = Some(magic_links::Options { ip_match_required: true, user_agent_match_required: false });
    let other = magic_links::AuthenticateRequest { options, attributes: device("203.0.113.8"), ..request(&token) };
    refused(sdk.magic_links.authenticate(other).await, 401, "attribute_mismatch");
    let claims = json!({"plan": "gold", "https://app.example.com/team": {"id": 7}});
    let with_session = magic_links::AuthenticateRequest {
        session_duration_minutes: Some(60),
        session_custom_claims: Some(claims.clone()),
        attributes: device("203.0.113.7"),
        ..request(&token)
    };
    let session = sdk.magic_links.authenticate(with_session).await.unwrap().session.expect("a session");
    assert_eq!(session.custom_claims, Some(claims));
    assert_eq!(session.attributes.unwrap().ip_address.as_deref(), Some("203.0.113.7"));
    let factor = &session.authentication_factors[0];
    assert!(matches!(factor.type_, AuthenticationFactorType::MagicLink));
    assert!(matches!(factor.delivery_method, AuthenticationFactorDeliveryMethod::Embedded));
    assert!(!factor.embeddable_magic_link_factor.as_ref().unwrap().embedded_id.is_empty());
}

#[tokio::test]
async fn magic_links_authenticate_joins_a_session() {
    let sdk = client();
    let first = signed_in(&sdk, None).await;
    let session_id = first.session.as_ref().unwrap().session_id.as_str();
    let token = link(&sdk, &first.user_id).await;
    let request =
        magic_links::AuthenticateRequest { token, session_token: Some(first.session_token.clone()), ..Default::default() };
    let joined = sdk.magic_links.authenticate(request).await.unwrap();
    let token = link(&sdk, &first.user_id).await;
    let request = magic_links::AuthenticateRequest { token, session_jwt: Some(joined.session_jwt), ..Default::default() };
    let again = sdk.magic_links.authenticate(request).await.unwrap().session.unwrap();
    assert_eq!((joined.session.unwrap().session_id.as_str(), again.session_id.as_str()), (session_id, session_id));
    assert_eq!(again.authentication_factors.len(), 3);

    let (other, token) = (signed_in(&sdk, None).await, link(&sdk, &first.user_id).await);
    let request = |session_token: &str, session_jwt: Option<&str>| magic_links::AuthenticateRequest {
        token: token.clone(),
        session_token: Some(session_token.to_owned()),
        session_jwt: session_jwt.map(str::to_owned),
        ..Default::default()
    };
    refused(sdk.magic_links.authenticate(request(&other.session_token, None)).await, 400, "user_id_mismatch");
    refused(sdk.magic_links.authenticate(request(&"x".repeat(44), None)).await, 404, "session_not_found");
    let both = request(&first.session_token, Some(&first.session_jwt));
    refused(sdk.magic_links.authenticate(both).await, 400, "too_many_session_arguments");
}

#[tokio::test]
async fn users_create() {
    let sdk = client();
    let email = address();
    let everything = || users::CreateRequest {
        email: Some(email.clone()),
        name: Some(users::Name { first_name: Some("Ada".to_owned()), middle_name: None, last_name: Some("Lovelace".to_owned()) }),
        attributes: device("203.0.113.7"),
        phone_number: Some("+12025550162".to_owned()),
        create_user_as_pending: Some(true),
        trusted_metadata: Some(json!({"plan": "gold", "nested": {"a": [1, null]}})),
        untrusted_metadata: Some(json!({"theme": "dark"})),
        external_id: Some("create|1.a_b-c".to_owned()),
        roles: Some(vec!["editor".to_owned()]),
    };
    let made = sdk.users.create(everything()).await.unwrap();
    assert_eq!((made.status.as_str(), &made.user.user_id), ("pending", &made.user_id));
    assert_eq!((made.user.emails[0].email.as_str(), &made.user.emails[0].email_id), (email.as_str(), &made.email_id));
    assert_eq!(
        (made.user.phone_numbers[0].phone_number.as_str(), &made.user.phone_numbers[0].phone_id),
        ("+12025550162", &made.phone_id)
    );
    assert_eq!(made.user.trusted_metadata, Some(json!({"plan": "gold", "nested": {"a": [1, null]}})));
    assert_eq!((made.user.external_id.as_deref(), made.user.roles), (Some("create|1.a_b-c"), vec!["editor".to_owned()]));
    assert_eq!(made.user.name.unwrap().last_name.as_deref(), Some("Lovelace"));

    refused(sdk.users.create(everything()).await, 400, "duplicate_email");
    let same_id = users::CreateRequest { email: Some(address()), phone_number: None, ..everything() };
    refused(sdk.users.create(same_id).await, 400, "duplicate_user_external_id");
    let bad = users::CreateRequest { email: Some("not an address".to_owned()), ..Default::default() };
    refused(sdk.users.create(bad).await, 400, "invalid_email");
    refused(sdk.users.create(users::CreateRequest::default()).await, 400, "invalid_create_user_request");
}

#[tokio::test]
async fn users_get() {
    let sdk = client();
    let user_id = user(&sdk, Some("ada|1")).await;
    let request = |user_id: &str| users::GetRequest { user_id: user_id.to_owned() };
    let found = sdk.users.get(request("ada|1")).await.unwrap();
    assert_eq!((found.user_id.as_str(), found.external_id.as_deref()), (user_id.as_str(), Some("ada|1")));
    assert_eq!(sdk.users.get(request(&user_id)).await.unwrap().created_at, found.created_at);
    refused(sdk.users.get(request(NOBODY)).await, 404, "user_not_found");
    refused(sdk.users.get(request("ada|1/../ada+1@example.com")).await, 404, "user_not_found");
}

#[tokio::test]
async fn users_search() {
    let sdk = client();
    for number in 0..5 {
        let email = Some(format!("searched{number}@example.org"));
        sdk.users.create(users::CreateRequest { email, ..Default::default() }).await.unwrap();
    }
    let request = |cursor, limit, operand: Value| users::SearchRequest {
        cursor,
        limit: Some(limit),
        query: Some(users::SearchUsersQuery { operator: users::SearchUsersQueryOperator::AND, operands: vec![operand] }),
    };
    let operand = || json!({"filter_name": "email_address_fuzzy", "filter_value": "searched"});
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let page = sdk.users.search(request(cursor, 2, operand())).await.unwrap();
        pages.push(page.results.len());
        cursor = page.results_metadata.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 1]);
    // Everything is absent, which this SDK says as null.
    assert!(sdk.users.search(users::SearchRequest::default()).await.unwrap().results_metadata.total >= 5);
    refused(sdk.users.search(request(None, 0, operand())).await, 400, "user_search_invalid_limit");
    refused(sdk.users.search(request(Some("nonsense".to_owned()), 2, operand())).await, 400, "user_search_invalid_cursor");
    let unknown = json!({"filter_name": "shoe_size", "filter_value": 1});
    refused(sdk.users.search(request(None, 2, unknown)).await, 400, "user_search_filter_name_not_recognized");
}

#[tokio::test]
async fn users_update() {
    let sdk = client();
    let user_id = user(&sdk, None).await;
    let request = |user_id: &str, trusted: Value| users::UpdateRequest {
        user_id: user_id.to_owned(),
        trusted_metadata: Some(trusted),
        ..Default::default()
    };
    let with_id =
        users::UpdateRequest { external_id: Some("ada|update".to_owned()), ..request(&user_id, json!({"a": 1, "b": 2})) };
    sdk.users.update(with_id).await.unwrap();
    let changed = sdk.users.update(request("ada|update", json!({"a": null, "c": 3}))).await.unwrap();
    assert_eq!((changed.user_id, changed.emails.len()), (user_id.clone(), 1));
    assert_eq!(changed.user.trusted_metadata, Some(json!({"b": 2, "c": 3})));
    refused(sdk.users.update(request(NOBODY, json!({}))).await, 404, "user_not_found");
    refused(sdk.users.update(request(&user_id, json!({"big": "x".repeat(5000)}))).await, 400, "metadata_too_large");
}

#[tokio::test]
async fn users_delete_external_id() {
    let sdk = client();
    let user_id = user(&sdk, Some("ada|gone")).await;
    let request = || users::DeleteExternalIdRequest { user_id: "ada|gone".to_owned() };
    let done = sdk.users.delete_external_id(request()).await.unwrap();
    assert_eq!((done.user_id, done.user.external_id), (user_id, None));
    refused(sdk.users.delete_external_id(request()).await, 404, "user_not_found");
}

#[tokio::test]
async fn users_delete() {
    let sdk = client();
    let held = signed_in(&sdk, None).await;
    let token = link(&sdk, &held.user_id).await;
    let request = || users::DeleteRequest { user_id: held.user_id.clone() };
    assert_eq!(sdk.users.delete(request()).await.unwrap().user_id, held.user_id);
    refused(sdk.users.delete(request()).await, 404, "user_not_found");
    refused(sdk.sessions.authenticate(by_token(&held.session_token)).await, 404, "session_not_found");
    let request = magic_links::AuthenticateRequest { token, ..Default::default() };
    refused(sdk.magic_links.authenticate(request).await, 404, "magic_link_not_found");
}

#[tokio::test]
async fn sessions_get() {
    let sdk = client();
    let held = signed_in(&sdk, None).await;
    let id = Some("ada|sessions".to_owned());
    sdk.users.update(users::UpdateRequest { user_id: held.user_id, external_id: id, ..Default::default() }).await.unwrap();
    let found = sdk.sessions.get(sessions::GetRequest { user_id: "ada|sessions".to_owned() }).await.unwrap();
    let found: Vec<String> = found.sessions.into_iter().map(|session| session.session_id).collect();
    assert_eq!(found, [held.session.unwrap().session_id]);
    refused(sdk.sessions.get(sessions::GetRequest { user_id: NOBODY.to_owned() }).await, 404, "user_not_found");
}

#[tokio::test]
async fn sessions_authenticate() {
    let sdk = client();
    let held = signed_in(&sdk, Some(json!({"a": 1, "b": 2}))).await;
    let longer = sessions::AuthenticateRequest {
        session_duration_minutes: Some(600),
        session_custom_claims: Some(json!({"a": null, "c": 3})),
        ..by_token(&held.session_token)
    };
    let longer = sdk.sessions.authenticate(longer).await.unwrap();
    assert_eq!((longer.session.custom_claims, longer.user.user_id), (Some(json!({"b": 2, "c": 3})), held.user_id));
    assert!(longer.session.expires_at > held.session.unwrap().expires_at && longer.verdict.is_none());
    let refreshed = sdk.sessions.authenticate(by_jwt(&held.session_jwt)).await.unwrap();
    assert_eq!(
        (refreshed.session.session_id, refreshed.session.expires_at),
        (longer.session.session_id, longer.session.expires_at)
    );
    refused(sdk.sessions.authenticate(sessions::AuthenticateRequest::default()).await, 400, "no_session_arguments");
    let both = sessions::AuthenticateRequest { session_jwt: Some(held.session_jwt.clone()), ..by_token(&held.session_token) };
    refused(sdk.sessions.authenticate(both).await, 400, "too_many_session_arguments");
    refused(sdk.sessions.authenticate(by_token(&"x".repeat(44))).await, 404, "session_not_found");
    refused(sdk.sessions.authenticate(by_jwt("no.jwt.atall")).await, 400, "unable_to_parse_session_jwt");
    let check = sessions::AuthorizationCheck { resource_id: "documents".to_owned(), action: "read".to_owned() };
    let checked = sessions::AuthenticateRequest { authorization_check: Some(check), ..by_token(&held.session_token) };
    refused(sdk.sessions.authenticate(checked).await, 403, "session_authorization_error");
}

#[tokio::test]
async fn a_jwt_is_verified_locally_and_a_stale_one_is_refreshed() {
    let sdk = client();
    let held = signed_in(&sdk, Some(json!({"scope": "read write", "plan": "gold"}))).await;
    let local = locally(&sdk, &held.session_jwt, Some(240)).await.unwrap();
    assert_eq!((&local.client_id, local.scopes), (&held.user_id, vec!["read".to_owned(), "write".to_owned()]));
    assert_eq!(local.custom_claims["plan"], "gold");
    assert_eq!(local.custom_claims["https://stytch.com/session"]["id"], held.session.as_ref().unwrap().session_id);
    let tampered = format!("{}AAAAAAAA", &held.session_jwt[..held.session_jwt.len() - 8]);
    assert!(matches!(locally(&sdk, &tampered, None).await, Err(stytch::Error::JWTError(_))));
    // Too old for the SDK: the app asks the server, which answers with a fresh one.
    assert!(matches!(locally(&sdk, &held.session_jwt, Some(0)).await, Err(stytch::Error::JWTError(_))));
    let fresh = sdk.sessions.authenticate(by_jwt(&held.session_jwt)).await.unwrap();
    assert_eq!(locally(&sdk, &fresh.session_jwt, Some(240)).await.unwrap().client_id, held.user_id);
}

#[tokio::test]
async fn sessions_revoke() {
    let sdk = client();
    type Named = fn(&magic_links::AuthenticateResponse) -> sessions::RevokeRequest;
    let ways: [Named; 3] = [
        |held| sessions::RevokeRequest { session_id: Some(held.session.clone().unwrap().session_id), ..Default::default() },
        |held| sessions::RevokeRequest { session_token: Some(held.session_token.clone()), ..Default::default() },
        |held| sessions::RevokeRequest { session_jwt: Some(held.session_jwt.clone()), ..Default::default() },
    ];
    for way in ways {
        let held = signed_in(&sdk, Some(json!({"scope": "read"}))).await;
        assert_eq!(sdk.sessions.revoke(way(&held)).await.unwrap().status_code.as_u16(), 200);
        refused(sdk.sessions.authenticate(by_token(&held.session_token)).await, 404, "session_not_found");
        refused(sdk.sessions.authenticate(by_jwt(&held.session_jwt)).await, 404, "session_not_found");
        // Until it expires.
        assert!(locally(&sdk, &held.session_jwt, None).await.is_ok());
    }
    refused(sdk.sessions.revoke(sessions::RevokeRequest::default()).await, 400, "no_session_revoke_arguments");
    let several =
        sessions::RevokeRequest { session_token: Some("x".to_owned()), session_jwt: Some("y".to_owned()), session_id: None };
    refused(sdk.sessions.revoke(several).await, 400, "too_many_session_revoke_arguments");
}

#[tokio::test]
async fn sessions_get_jwks() {
    let sdk = client();
    let held = signed_in(&sdk, None).await;
    let request = |project_id: String| sessions::GetJWKSRequest { project_id };
    let keys = sdk.sessions.get_jwks(request(project())).await.unwrap().keys;
    assert!(keys.iter().any(|key| key.kid == kid(&held.session_jwt)));
    assert!(keys.iter().all(|key| (key.kty.as_str(), key.alg.as_str(), key.use_.as_str()) == ("RSA", "RS256", "sig")));
    let unknown = "project-test-11111111-1111-4111-8111-111111111111".to_owned();
    refused(sdk.sessions.get_jwks(request(unknown)).await, 404, "project_not_found");
}

#[tokio::test]
async fn a_signing_key_is_rotated_and_nobodys_check_fails() {
    let sdk = client();
    let held = signed_in(&sdk, Some(json!({"scope": "read"}))).await;
    let (token, old) = (held.session_token, held.session_jwt);
    let published = async || sdk.sessions.get_jwks(sessions::GetJWKSRequest { project_id: project() }).await.unwrap().keys.len();
    let before = published().await;
    rotate();
    becomes(async || published().await > before).await;
    // It fetches the keys during the lead, and never looks again within five minutes, not even for a key that it does not know.
    let cached = client();
    locally(&cached, &old, None).await.unwrap();
    let fresh = async || sdk.sessions.authenticate(by_token(&token)).await.unwrap().session_jwt;
    assert_eq!(kid(&fresh().await), kid(&old), "published, and not yet used");
    becomes(async || kid(&fresh().await) != kid(&old)).await;
    let new = fresh().await;
    for one in [cached, client()] {
        locally(&one, &new, None).await.unwrap();
        // The old key stays published.
        locally(&one, &old, None).await.unwrap();
    }
    sdk.sessions.authenticate(by_jwt(&old)).await.unwrap();
}
