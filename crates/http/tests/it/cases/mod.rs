//! Wire cases as files: a request above, the expected answer below, with placeholders for what differs. A new case is a new file.
//!
//! ```text
//! ## What the case shows.
//! # app: allowed=https://app.example.com default=none
//! # repeat: 5
//!
//! POST /api/auth/send-magic-link
//! content-type: application/json
//!
//! {"email": "a<n>@example.com"}
//!
//! ---
//! 200
//! cache-control: no-store
//! !retry-after
//!
//! {"ok": true}
//!
//! ===
//! (and a further step in the same way)
//! ```
//!
//! Directives of the file: `app` (settings, `key=value`), `signed-in` (an address; binds `<access_token>` and `<refresh_token>`), `mails` (how many leave in the end),
//! `leads-to` (where the link in the last mail leads). Of a step: `repeat` (times; every answer is compared), `advance` (seconds), `mailed: yes` (mail
//! leaves before the step; binds `<mailed_to>`, `<mailed_path>`, `<mailed_token>`, `<mailed_code>` of the last one).
//! `!name` means that a header is absent. `<any>`, `<int>`, `<uuid>` and `<text>` match what they say; any other name binds at first sight and must be
//! the same from then on. In requests, `<n>` counts and `<a*300>` is 300 times that letter. An expected object with the key `...` may have more keys.
//! The body `<page>` is any page for people, `<plain>` any text.
//! Bound from the beginning: `<auth>` and `<project>` of a client of the app, `<other_auth>` and `<other_project>` of a client of another app, `<narrow_auth>` of one
//! that may only read users, `<live_auth>` of a live project of the app, `<plain_auth>` of a client whose id says nothing; `<app>` and `<other_app>`, the apps' ids as Rownd shows them. In cases of Asset also `<bearer>`, `<other_bearer>` and `<narrow_bearer>` of the same clients,
//! `<reader_bearer>` with the scope business:read alone, `<biz>` with the external id `ext-1`, `<idle_biz>` (`ext-idle`, inactive), `<other_biz>` of the other app, and
//! `<own_bearer>`, confined to `<biz>`.

mod compare;
mod file;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passlink_engine::apps::{AppSettings, Opening, TokenExpiry};
use passlink_engine::caller::RequestContext;
use passlink_engine::groups::GroupStatus;
use passlink_engine::groups::manage::NewGroup;
use passlink_engine::limits::Limit;
use passlink_engine::redirects::{AllowedOrigin, LandingUrl};
use passlink_engine::time::Lifetime;

use crate::support::{Kind, TestApp, request, strict_settings};
use compare::{Bound, compare, fill};
use file::Case;

fn configure(settings: &mut AppSettings, key: &str, value: &str) {
    let list = || value.split(',').filter(|v| *v != "none").map(str::to_owned);
    let optional = || Some(value.to_owned()).filter(|v| v != "none");
    match key {
        "allowed" => settings.allowed_origins = list().map(|origin| AllowedOrigin::parse(&origin).unwrap()).collect(),
        "default" => settings.default_origin = optional(),
        "sender" => settings.sender = optional(),
        "hosts" => settings.hosts = list().collect(),
        "dialects_off" => settings.dialects_off = list().collect(),
        "callback_path" => settings.callback_path = value.to_owned(),
        "next_parameter" => settings.next_parameter = value.to_owned(),
        "session_lifetime_ceiling" => settings.session_lifetime_ceiling = Lifetime::parse(value).unwrap(),
        "sign_in_urls" => settings.sign_in_urls = list().map(|url| LandingUrl::parse(&url).unwrap()).collect(),
        "sign_up_urls" => settings.sign_up_urls = list().map(|url| LandingUrl::parse(&url).unwrap()).collect(),
        "invite_urls" => settings.invite_urls = list().map(|url| LandingUrl::parse(&url).unwrap()).collect(),
        "page_for_client_links" => settings.page_for_client_links = value == "true",
        "sandbox" => settings.sandbox = value == "true",
        "session_lifetime" => settings.session_lifetime = Lifetime::parse(value).unwrap(),
        "client_link_lifetime_ceiling" => settings.client_link_lifetime_ceiling = Lifetime::parse(value).unwrap(),
        "token_expiry" if value == "seconds" => settings.token_expiry = TokenExpiry::Seconds,
        "limit_requests_per_app" => settings.limit_requests_per_app = Limit::parse(&value.replace('_', " ")).unwrap(),
        "limit_requests_per_group" => settings.limit_requests_per_group = Limit::parse(&value.replace('_', " ")).unwrap(),
        "opening" => {
            settings.opening = if value == "immediate" { Opening::Immediate } else { Opening::Confirm };
        }
        "default_redirect_url" => settings.default_redirect_url = optional(),
        "client_redirect_origins" => settings.client_redirect_origins = list().collect(),
        "audiences" => settings.audiences = list().collect(),
        "user_id_format" => settings.user_id_format = serde_json::from_value(value.into()).unwrap(),
        "schema" => settings.schema = Some(serde_json::from_str(value).unwrap()),
        "refresh_reuse_allowed" => settings.refresh_reuse_allowed = value == "true",
        "tell_unknown_users" => settings.tell_unknown_users = value == "true",
        "native" => settings.native = value == "true",
        other => panic!("app: there is no \"{other}\""),
    }
}

/// The credentials of the clients that every case may use.
async fn clients(app: &TestApp) -> Bound {
    let mut bound = Bound::new();
    let other = app.engine.directory().app_by_name("other").expect("the other app").name.clone();
    let own = app.app().name.clone();
    for (name, app_name, project, scopes) in [
        ("", own.as_str(), "project-test-00000000-0000-4000-8000-000000000001", "*"),
        ("other_", other.as_str(), "project-test-00000000-0000-4000-8000-000000000002", "*"),
        ("narrow_", own.as_str(), "project-test-00000000-0000-4000-8000-000000000003", "user:read"),
        ("live_", own.as_str(), "project-live-00000000-0000-4000-8000-000000000004", "*"),
        ("plain_", own.as_str(), "client_00000000000000000000000000000005", "*"),
    ] {
        app.save_client(app_name, project, scopes).await;
        let basic = STANDARD.encode(format!("{project}:secret-test-0123456789"));
        bound.insert(format!("{name}auth"), format!("Basic {basic}"));
        bound.insert(format!("{name}project"), project.to_owned());
        let config = app.anonymous("GET", "/hub/app-config", &[("x-rownd-app-key", project)], "").await;
        bound.insert(format!("{name}app"), config.json()["app"]["id"].as_str().unwrap_or_default().to_owned());
    }
    bound
}

/// What cases of Asset may use besides: businesses, and tokens of the clients.
async fn businesses(app: &TestApp, bound: &mut Bound) {
    for (name, app_name, external_id, status) in [
        ("biz", app.app().name.as_str(), "ext-1", GroupStatus::Active),
        ("idle_biz", app.app().name.as_str(), "ext-idle", GroupStatus::Inactive),
        ("other_biz", "other", "ext-1", GroupStatus::Active),
    ] {
        let operator = app.engine.operator(&RequestContext::default(), app_name).unwrap();
        let new = NewGroup { name: name.to_owned(), status, external_id: Some(external_id.to_owned()), ..NewGroup::default() };
        let group = app.engine.create_group(&operator, new).await.unwrap();
        app.clock.advance_secs(1);
        bound.insert(name.to_owned(), crate::asset::business_id(group.id));
    }
    let own = format!("business_id={}", bound["biz"]);
    for (name, client, form) in [
        ("bearer", "auth", ""),
        ("other_bearer", "other_auth", ""),
        ("narrow_bearer", "narrow_auth", ""),
        ("reader_bearer", "auth", "scope=business%3Aread"),
        ("own_bearer", "auth", own.as_str()),
    ] {
        let headers = [("authorization", bound[client].as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let answer = app.anonymous("POST", "/v0/auth/token", &headers, form.to_owned()).await;
        let token = answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{name}: {}", answer.body)).to_owned();
        bound.insert(name.to_owned(), format!("Bearer {token}"));
    }
    // Whatever that cost is forgiven.
    app.clock.advance_secs(60);
}

async fn run(case: &Case, dialect: &str) -> Result<(), String> {
    let app = TestApp::with(|setup| {
        setup.app = strict_settings();
        for (key, value) in &case.app {
            configure(&mut setup.app, key, value);
        }
        setup.more_apps.push(("other", strict_settings()));
    })
    .await;
    let mut bound = clients(&app).await;
    if dialect == "asset" {
        businesses(&app, &mut bound).await;
    }
    if let Some(email) = &case.signed_in {
        let answer = app.browser(Kind::Chrome).redeem(app.link_for(email).await.path()).await;
        bound.extend(["access_token", "refresh_token"].map(|name| (name.to_owned(), answer.handed(name))));
    }
    let mails_before = app.sender.sent.lock().unwrap().len();
    let mut count = 0;
    for (number, step) in case.steps.iter().enumerate() {
        app.clock.advance_secs(step.advance);
        if step.mailed {
            let sent = app.dispatch().await;
            let mail = sent.last().ok_or_else(|| format!("step {}: no mail left", number + 1))?;
            let parameter = |name: &str| mail.link.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)).unwrap_or_default();
            bound.insert("mailed_to".to_owned(), mail.to.clone());
            bound.insert("mailed_path".to_owned(), if mail.link.is_empty() { String::new() } else { mail.path().to_owned() });
            bound.insert("mailed_token".to_owned(), parameter("token=").to_owned());
            bound.insert("mailed_code".to_owned(), mail.code.clone());
        }
        for _ in 0..step.repeat {
            count += 1;
            bound.insert("n".to_owned(), count.to_string());
            let headers: Vec<(String, String)> = step.headers.iter().map(|(n, v)| (n.clone(), fill(v, &bound))).collect();
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let answer = app.call(request(&step.method, &fill(&step.path, &bound), &headers, fill(&step.body, &bound))).await;
            compare(step, &answer, &mut bound).map_err(|wrong| format!("step {}: {wrong}", number + 1))?;
        }
    }
    app.dispatch().await;
    let mails = app.sender.sent.lock().unwrap().split_off(mails_before);
    if let Some(expected) = case.mails.filter(|expected| *expected != mails.len()) {
        return Err(format!("{expected} mails were expected, {} left", mails.len()));
    }
    if let Some(expected) = &case.leads_to {
        let mail = mails.last().ok_or("no mail left, so it leads nowhere")?;
        let answer = app.browser(Kind::Chrome).redeem(mail.path()).await;
        let target = answer.location().split('#').next().unwrap_or_default().to_owned();
        if target != *expected {
            return Err(format!("the link should lead to {expected}, it leads to {target}"));
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "http")).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_apphandoff_case_holds() {
    every_case_holds("apphandoff", 60).await;
}

#[tokio::test]
async fn every_stytch_case_holds() {
    every_case_holds("stytch", 60).await;
}

#[tokio::test]
async fn every_asset_case_holds() {
    every_case_holds("asset", 60).await;
}

#[tokio::test]
async fn every_rownd_case_holds() {
    every_case_holds("rownd", 80).await;
}

async fn every_case_holds(dialect: &str, at_least: usize) {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(dialect));
    assert!(files.len() >= at_least, "cases are missing: {}", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let case = file::parse(&std::fs::read_to_string(&path).unwrap());
        if let Err(what) = run(&case, dialect).await {
            wrong.push(format!("{}: {what}", path.file_name().unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{} cases do not hold:\n\n{}", wrong.len(), wrong.join("\n\n"));
}
