//! Every call of tier 2 that the SDK for Rust has: mailed links and codes, proof keys, addresses, the small calls, and the vendor's constants for tests. Links and
//! codes are taken out of mails that were really sent. A new call is a line in `CALLS` and its test.

use passlink_stytch_sdk_tests::{NOBODY, by_token, client, client_with, code_to, mail_to, mailbox, project, refused, token_to};
use serde_json::json;
use stytch::consumer::client::Client;
use stytch::consumer::project::ProjectMetricMetricType;
use stytch::consumer::sessions::{AuthenticationFactorDeliveryMethod, AuthenticationFactorType};
use stytch::consumer::{debug, magic_links, magic_links_email, otp, otp_email, project as projects, rbac, sessions, users};

const CALLS: [&str; 14] = [
    "magic_links.email.login_or_create",
    "magic_links.email.send",
    "magic_links.email.invite",
    "magic_links.email.revoke_invite",
    "magic_links.authenticate",
    "otps.email.login_or_create",
    "otps.email.send",
    "otps.authenticate",
    "users.delete_email",
    "users.delete_phone_number",
    "users.exchange_primary_factor",
    "debug.whoami",
    "project.metrics",
    "rbac.policy",
];

/// The example of RFC 7636.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn every_call_of_tier_2_is_made() {
    let code: String = include_str!("tier2.rs").split_whitespace().collect();
    let missing: Vec<&str> = CALLS.into_iter().filter(|call| !code.contains(&format!("sdk.{call}("))).collect();
    assert!(missing.is_empty(), "calls of tier 2 that no test makes: {missing:?}");
}

fn ask(email: &str) -> magic_links_email::LoginOrCreateRequest {
    magic_links_email::LoginOrCreateRequest { email: email.to_owned(), ..Default::default() }
}

fn again(email: &str) -> magic_links_email::SendRequest {
    magic_links_email::SendRequest { email: email.to_owned(), ..Default::default() }
}

fn invitation(email: &str) -> magic_links_email::InviteRequest {
    magic_links_email::InviteRequest { email: email.to_owned(), ..Default::default() }
}

fn by_link(token: &str) -> magic_links::AuthenticateRequest {
    magic_links::AuthenticateRequest { token: token.to_owned(), ..Default::default() }
}

fn by_code(method_id: &str, code: &str) -> otp::AuthenticateRequest {
    otp::AuthenticateRequest { method_id: method_id.to_owned(), code: code.to_owned(), ..Default::default() }
}

async fn user(sdk: &Client, email: &str, phone_number: Option<&str>) -> users::CreateResponse {
    let phone_number = phone_number.map(str::to_owned);
    sdk.users.create(users::CreateRequest { email: Some(email.to_owned()), phone_number, ..Default::default() }).await.unwrap()
}

#[tokio::test]
async fn magic_links_email_login_or_create() {
    let (sdk, email) = (client(), mailbox());
    let request = magic_links_email::LoginOrCreateRequest {
        create_user_as_pending: Some(true),
        signup_expiration_minutes: Some(30),
        locale: Some(magic_links_email::LoginOrCreateRequestLocale::Ptbr),
        ..ask(&email)
    };
    let sent = sdk.magic_links.email.login_or_create(request).await.unwrap();
    assert!(sent.user_created && mail_to(&email, 1).await.contains("for 30 minutes"));
    let token = token_to(&email, 1).await;
    let request = magic_links::AuthenticateRequest { session_duration_minutes: Some(60), ..by_link(&token) };
    let done = sdk.magic_links.authenticate(request).await.unwrap();
    assert_eq!((&done.user_id, &done.method_id, done.user.status.as_str()), (&sent.user_id, &sent.email_id, "active"));
    assert!(done.user.emails[0].verified && done.user.emails[0].email == email);
    let factor = &done.session.as_ref().unwrap().authentication_factors[0];
    assert!(matches!(factor.type_, AuthenticationFactorType::MagicLink));
    assert!(matches!(factor.delivery_method, AuthenticationFactorDeliveryMethod::Email));
    let address = factor.email_factor.as_ref().unwrap();
    assert_eq!((&address.email_id, &address.email_address), (&sent.email_id, &email));
    refused(sdk.magic_links.authenticate(by_link(&token)).await, 401, "unable_to_auth_magic_link");

    let request = magic_links_email::LoginOrCreateRequest {
        login_magic_link_url: Some("https://app.example.com/other".to_owned()),
        login_expiration_minutes: Some(5),
        ..ask(&email.to_uppercase())
    };
    let second = sdk.magic_links.email.login_or_create(request).await.unwrap();
    assert_eq!((&second.user_id, second.user_created), (&sent.user_id, false));
    assert!(mail_to(&email, 2).await.contains("for 5 minutes"));
    let done = sdk.magic_links.authenticate(by_link(&token_to(&email, 2).await)).await.unwrap();
    assert_eq!(done.user_id, sent.user_id);
}

#[tokio::test]
async fn magic_links_email_bad_fields_and_a_full_mailbox() {
    let (sdk, email) = (client(), mailbox());
    type Request = magic_links_email::LoginOrCreateRequest;
    let elsewhere = Some("https://app.example.com/elsewhere".to_owned());
    let bad = [
        (ask("not an address"), "invalid_email"),
        (Request { login_expiration_minutes: Some(4), ..ask(&email) }, "invalid_expiration"),
        (Request { signup_expiration_minutes: Some(10_081), ..ask(&email) }, "invalid_expiration"),
        (Request { signup_magic_link_url: elsewhere, ..ask(&email) }, "no_match_for_provided_magic_link_url"),
        (Request { login_magic_link_url: Some("not a url".to_owned()), ..ask(&email) }, "invalid_magic_link_url"),
        (Request { login_template_id: Some("unknown".to_owned()), ..ask(&email) }, "email_template_not_found"),
        (Request { code_challenge: Some("short".to_owned()), ..ask(&email) }, "invalid_pkce_code_challenge"),
    ];
    for (request, error_type) in bad {
        refused(sdk.magic_links.email.login_or_create(request).await, 400, error_type);
    }
    refused(sdk.magic_links.email.send(again(&email)).await, 404, "email_not_found");
    for _ in 0..3 {
        sdk.magic_links.email.login_or_create(ask(&email)).await.unwrap();
    }
    mail_to(&email, 3).await;
    refused(sdk.magic_links.email.login_or_create(ask(&email)).await, 429, "too_many_requests");
}

#[tokio::test]
async fn magic_links_email_send() {
    let (sdk, first, second, third) = (client(), mailbox(), mailbox(), mailbox());
    let made = user(&sdk, &first, None).await;
    let sent = sdk.magic_links.email.send(again(&first)).await.unwrap();
    assert_eq!((&sent.user_id, &sent.email_id), (&made.user_id, &made.email_id));
    let token = token_to(&first, 1).await;
    let request = magic_links::AuthenticateRequest { session_duration_minutes: Some(60), ..by_link(&token) };
    let session_token = sdk.magic_links.authenticate(request).await.unwrap().session_token;

    type Request = magic_links_email::SendRequest;
    let to_user = Request { user_id: Some(made.user_id.clone()), ..again(&second) };
    let added = sdk.magic_links.email.send(to_user).await.unwrap();
    let done = sdk.magic_links.authenticate(by_link(&token_to(&second, 1).await)).await.unwrap();
    assert_eq!((&done.user_id, &done.method_id), (&made.user_id, &added.email_id));
    assert!(done.user.emails.len() == 2 && done.user.emails.iter().all(|one| one.verified));
    let to_session = Request { session_token: Some(session_token.clone()), ..again(&third) };
    sdk.magic_links.email.send(to_session).await.unwrap();
    let token = token_to(&third, 1).await;
    let request = magic_links::AuthenticateRequest { session_token: Some(session_token.clone()), ..by_link(&token) };
    let joined = sdk.magic_links.authenticate(request).await.unwrap();
    assert_eq!((joined.user.emails.len(), joined.session.unwrap().authentication_factors.len()), (3, 2));

    let request = Request { user_id: Some(NOBODY.to_owned()), ..again(&mailbox()) };
    refused(sdk.magic_links.email.send(request).await, 404, "user_not_found");
    let request = Request { session_token: Some("x".repeat(44)), ..again(&mailbox()) };
    refused(sdk.magic_links.email.send(request).await, 404, "session_not_found");
    let both = Request { user_id: Some(made.user_id), session_token: Some(session_token), ..again(&first) };
    refused(sdk.magic_links.email.send(both).await, 400, "too_many_session_arguments");
}

#[tokio::test]
async fn magic_links_email_invite_and_revoke_invite() {
    let (sdk, email) = (client(), mailbox());
    type Request = magic_links_email::InviteRequest;
    let request = Request {
        invite_magic_link_url: Some("https://app.example.com/join".to_owned()),
        invite_expiration_minutes: Some(90),
        name: Some(users::Name { first_name: Some("Grace".to_owned()), middle_name: None, last_name: None }),
        trusted_metadata: Some(json!({"plan": "gold"})),
        ..invitation(&email)
    };
    let invited = sdk.magic_links.email.invite(request).await.unwrap();
    let person = sdk.users.get(users::GetRequest { user_id: invited.user_id }).await.unwrap();
    assert_eq!((person.status.as_str(), person.trusted_metadata), ("pending", Some(json!({"plan": "gold"}))));
    let mail = mail_to(&email, 1).await;
    assert!(mail.contains("You are invited to") && mail.contains("for 90 minutes"), "{mail}");
    let revoke = || magic_links_email::RevokeInviteRequest { email: email.clone() };
    sdk.magic_links.email.revoke_invite(revoke()).await.unwrap();
    let token = token_to(&email, 1).await;
    refused(sdk.magic_links.authenticate(by_link(&token)).await, 404, "magic_link_not_found");
    refused(sdk.magic_links.email.revoke_invite(revoke()).await, 404, "email_not_found");

    sdk.magic_links.email.invite(invitation(&email)).await.unwrap();
    let done = sdk.magic_links.authenticate(by_link(&token_to(&email, 2).await)).await.unwrap();
    assert_eq!((done.user.status.as_str(), done.user.emails[0].verified), ("active", true));
    refused(sdk.magic_links.email.invite(invitation(&email)).await, 400, "user_already_invited");
    refused(sdk.magic_links.email.invite(invitation("nobody")).await, 400, "invalid_email");
    let short = Request { invite_expiration_minutes: Some(4), ..invitation(&mailbox()) };
    refused(sdk.magic_links.email.invite(short).await, 400, "invalid_expiration");
    let url = Some("https://app.example.com/other".to_owned());
    let elsewhere = Request { invite_magic_link_url: url, ..invitation(&mailbox()) };
    refused(sdk.magic_links.email.invite(elsewhere).await, 400, "no_match_for_provided_magic_link_url");
}

#[tokio::test]
async fn proof_keys() {
    let (sdk, email) = (client(), mailbox());
    let with = |token: &str, verifier: &str| magic_links::AuthenticateRequest {
        code_verifier: Some(verifier.to_owned()),
        ..by_link(token)
    };
    let code_challenge = || Some(CHALLENGE.to_owned());
    let request = magic_links_email::LoginOrCreateRequest { code_challenge: code_challenge(), ..ask(&email) };
    sdk.magic_links.email.login_or_create(request).await.unwrap();
    let token = token_to(&email, 1).await;
    refused(sdk.magic_links.authenticate(by_link(&token)).await, 400, "pkce_expected_code_verifier");
    refused(sdk.magic_links.authenticate(with(&token, "short")).await, 400, "invalid_pkce_code_verifier");
    refused(sdk.magic_links.authenticate(with(&token, CHALLENGE)).await, 400, "pkce_mismatch");
    sdk.magic_links.authenticate(with(&token, VERIFIER)).await.unwrap();
    sdk.magic_links.email.send(again(&email)).await.unwrap();
    let without = token_to(&email, 2).await;
    refused(sdk.magic_links.authenticate(with(&without, VERIFIER)).await, 400, "pkce_did_not_expect_code_verifier");
    let request = magic_links_email::SendRequest { code_challenge: code_challenge(), ..again(&email) };
    sdk.magic_links.email.send(request).await.unwrap();
    sdk.magic_links.authenticate(with(&token_to(&email, 3).await, VERIFIER)).await.unwrap();
}

fn wrong(code: &str) -> &'static str {
    if code == "123456" { "654321" } else { "123456" }
}

#[tokio::test]
async fn otps() {
    let (sdk, email, second) = (client(), mailbox(), mailbox());
    let ask = |email: &str, expiration_minutes| otp_email::LoginOrCreateRequest {
        email: email.to_owned(),
        expiration_minutes,
        ..Default::default()
    };
    let send = |email: &str| otp_email::SendRequest { email: email.to_owned(), ..Default::default() };
    let sent = sdk.otps.email.login_or_create(ask(&email, Some(10))).await.unwrap();
    let (method, code) = (sent.email_id.as_str(), code_to(&email, 1).await);
    assert!(sent.user_created);
    refused(sdk.otps.authenticate(by_code(method, wrong(&code))).await, 404, "otp_code_not_found");
    refused(sdk.otps.authenticate(by_code(method, "12345")).await, 400, "invalid_code");
    refused(sdk.otps.authenticate(by_code("", &code)).await, 400, "invalid_method_id");
    let request = otp::AuthenticateRequest { session_duration_minutes: Some(60), ..by_code(method, &code) };
    let done = sdk.otps.authenticate(request).await.unwrap();
    assert_eq!((done.user_id.as_str(), done.method_id.as_str()), (sent.user_id.as_str(), method));
    assert!(done.user.emails[0].verified);
    let session = done.session.unwrap();
    let factor = &session.authentication_factors[0];
    assert!(matches!(factor.type_, AuthenticationFactorType::OTP));
    assert!(matches!(factor.delivery_method, AuthenticationFactorDeliveryMethod::Email));
    assert_eq!(factor.email_factor.as_ref().unwrap().email_address, email);
    refused(sdk.otps.authenticate(by_code(method, &code)).await, 401, "unable_to_auth_otp_code");

    assert_eq!(sdk.otps.email.send(send(&email)).await.unwrap().email_id, method);
    let code = code_to(&email, 2).await;
    let request = otp::AuthenticateRequest { session_token: Some(done.session_token), ..by_code(method, &code) };
    let joined = sdk.otps.authenticate(request).await.unwrap();
    assert_eq!(joined.session.unwrap().session_id, session.session_id);
    let request = otp_email::SendRequest { session_jwt: Some(joined.session_jwt), ..send(&second) };
    let added = sdk.otps.email.send(request).await.unwrap();
    let both = sdk.otps.authenticate(by_code(&added.email_id, &code_to(&second, 1).await)).await.unwrap();
    assert!(both.user.emails.len() == 2 && both.user.emails.iter().all(|one| one.verified));

    refused(sdk.otps.email.send(send(&mailbox())).await, 404, "email_not_found");
    refused(sdk.otps.email.login_or_create(ask("nobody", None)).await, 400, "invalid_email");
    for minutes in [0, 11] {
        refused(sdk.otps.email.login_or_create(ask(&second, Some(minutes))).await, 400, "invalid_expiration_otp");
    }
    sdk.otps.email.send(send(&second)).await.unwrap();
    let code = code_to(&second, 2).await;
    for _ in 0..5 {
        refused(sdk.otps.authenticate(by_code(&added.email_id, wrong(&code))).await, 404, "otp_code_not_found");
    }
    refused(sdk.otps.authenticate(by_code(&added.email_id, &code)).await, 401, "unable_to_auth_otp_code");
}

#[tokio::test]
async fn users_addresses() {
    let (sdk, email, new) = (client(), mailbox(), mailbox());
    let made = user(&sdk, &email, Some("+12025550170")).await;
    let exchange = |user_id: &str, email: Option<&str>| users::ExchangePrimaryFactorRequest {
        user_id: user_id.to_owned(),
        email_address: email.map(str::to_owned),
        phone_number: None,
    };
    let request = exchange(&made.user_id, Some(&new));
    refused(sdk.users.exchange_primary_factor(request).await, 400, "invalid_exchange_primary_factor_user");
    let by_phone = |phone_id: &str| users::DeletePhoneNumberRequest { phone_id: phone_id.to_owned() };
    let by_email = |email_id: &str| users::DeleteEmailRequest { email_id: email_id.to_owned() };
    let left = sdk.users.delete_phone_number(by_phone(&made.phone_id)).await.unwrap();
    assert_eq!((&left.user_id, left.user.phone_numbers.len(), left.user.emails.len()), (&made.user_id, 0, 1));
    refused(sdk.users.delete_email(by_email(&made.email_id)).await, 400, "cannot_delete_last_primary_factor");
    refused(sdk.users.delete_phone_number(by_phone(&made.phone_id)).await, 404, "user_not_found");
    let changed = sdk.users.exchange_primary_factor(exchange(&made.user_id, Some(&new))).await.unwrap();
    assert!(changed.user.emails[0].email == new && !changed.user.emails[0].verified);
    let request = exchange(&made.user_id, None);
    refused(sdk.users.exchange_primary_factor(request).await, 400, "invalid_exchange_primary_factor_fields");
    let request = exchange(NOBODY, Some(&mailbox()));
    refused(sdk.users.exchange_primary_factor(request).await, 404, "user_not_found");

    let two = user(&sdk, &mailbox(), Some("+12025550171")).await;
    assert!(sdk.users.delete_email(by_email(&two.email_id)).await.unwrap().user.emails.is_empty());
    let request = by_phone(&two.phone_id);
    refused(sdk.users.delete_phone_number(request).await, 400, "cannot_delete_last_primary_factor");
}

#[tokio::test]
async fn small_calls() {
    let sdk = client();
    let who = sdk.debug.whoami(debug::WhoamiRequest {}).await.unwrap();
    assert_eq!((who.project_id, who.name.as_str()), (project(), "shop"));
    let count = async || {
        let counted = sdk.project.metrics(projects::MetricsRequest {}).await.unwrap();
        assert_eq!((counted.project_id, counted.metrics.len()), (project(), 1));
        assert!(matches!(counted.metrics[0].metric_type, ProjectMetricMetricType::USERCOUNT));
        counted.metrics[0].count
    };
    let before = count().await;
    user(&sdk, &mailbox(), None).await;
    assert!(count().await > before);
    let policy = sdk.rbac.policy(rbac::PolicyRequest {}).await.unwrap().policy.unwrap();
    assert!(policy.roles.is_empty() && policy.resources.is_empty() && policy.scopes.is_empty());
    let stranger = client_with(&project(), "secret-test-wrong-wrong-wrong");
    refused(stranger.debug.whoami(debug::WhoamiRequest {}).await, 401, "unauthorized_credentials");
    refused(stranger.project.metrics(projects::MetricsRequest {}).await, 401, "unauthorized_credentials");
    refused(stranger.rbac.policy(rbac::PolicyRequest {}).await, 401, "unauthorized_credentials");
}

#[tokio::test]
async fn the_vendors_constants_for_tests() {
    let (sdk, email) = (client(), "sandbox@stytch.com");
    let user_id = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
    assert_eq!(sdk.magic_links.email.login_or_create(ask(email)).await.unwrap().user_id, user_id);
    assert_eq!(sdk.magic_links.email.invite(invitation(email)).await.unwrap().user_id, user_id);
    let revoke = magic_links_email::RevokeInviteRequest { email: email.to_owned() };
    sdk.magic_links.email.revoke_invite(revoke).await.unwrap();
    let sent = sdk.magic_links.email.send(again(email)).await.unwrap();
    assert_eq!(sent.user_id, user_id);
    for _ in 0..2 {
        let works = by_link("DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=");
        let request = magic_links::AuthenticateRequest { session_duration_minutes: Some(60), ..works };
        let done = sdk.magic_links.authenticate(request).await.unwrap();
        assert_eq!((done.user_id.as_str(), done.session.unwrap().user_id.as_str()), (user_id, user_id));
    }
    let used = by_link("3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=");
    refused(sdk.magic_links.authenticate(used).await, 401, "unable_to_auth_magic_link");
    let unknown = by_link("CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=");
    refused(sdk.magic_links.authenticate(unknown).await, 404, "magic_link_not_found");
    let held = sdk.sessions.authenticate(by_token("WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY")).await.unwrap();
    assert_eq!(held.session.authentication_factors[0].email_factor.as_ref().unwrap().email_address, email);
    let ended = by_token("59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw");
    refused(sdk.sessions.authenticate(ended).await, 404, "session_not_found");
    let code = sdk.otps.authenticate(by_code(&sent.email_id, "000000")).await.unwrap();
    assert_eq!(code.user_id, user_id);
    let request = sessions::GetRequest { user_id: user_id.to_owned() };
    refused(sdk.sessions.get(request).await, 404, "user_not_found");
}
