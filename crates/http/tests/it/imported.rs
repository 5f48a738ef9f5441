//! A user who came from a vendor is found by the old id in every call that takes one, and is shown under it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passlink_engine::caller::RequestContext;
use passlink_engine::groups::manage::NewGroup;
use passlink_engine::phone_number::PhoneNumber;
use passlink_engine::users::import::ImportedUser;
use passlink_engine::users::{Address, ExternalId};
use serde_json::{Value, json};

use crate::support::TestApp;

const UUID: &str = "16d9ba61-97a1-4ba4-9720-b03761dc50c6";

#[tokio::test]
async fn an_imported_user_is_found_and_shown_by_the_old_id() {
    let app = TestApp::new().await;
    let operator = app.engine.operator(&RequestContext::default(), &app.app().name).unwrap();
    let project = "project-live-11111111-1111-4111-8111-111111111111";
    app.save_client("example", project, "*").await;
    let person = ImportedUser {
        id: Some(UUID.parse().unwrap()),
        addresses: vec![(Address::Email("ada@example.com".parse().unwrap()), true)],
        external_id: Some(ExternalId::parse("shop|1").unwrap()),
        ..ImportedUser::default()
    };
    app.engine.import_user(&operator, person).await.unwrap();
    let auth = format!("Basic {}", STANDARD.encode(format!("{project}:secret-test-0123456789")));
    let call = async |method: &str, path: &str, body: Value| {
        let headers = [("authorization", auth.as_str()), ("content-type", "application/json")];
        let answer = app.anonymous(method, path, &headers, body.to_string()).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()
    };
    let old = format!("user-live-{UUID}");
    for which in [old.as_str(), "shop%7C1"] {
        assert_eq!(call("GET", &format!("/v1/users/{which}"), json!({})).await["user_id"], old);
    }
    let found = json!({"query": {"operator": "AND", "operands": [{"filter_name": "user_id", "filter_value": [old]}]}});
    assert_eq!(call("POST", "/v1/users/search", found).await["results"][0]["user_id"], old);
    let all = call("POST", "/v1/users/search", json!({})).await;
    assert_eq!((&all["results"][0]["user_id"], &all["results_metadata"]["total"]), (&json!(old), &json!(1)));
    let made = call("POST", "/v1/magic_links", json!({"user_id": old})).await;
    assert_eq!(made["user_id"], old);
    let shown = json!({"token": made["token"], "session_duration_minutes": 60});
    let signed_in = call("POST", "/v1/magic_links/authenticate", shown).await;
    assert_eq!((&signed_in["user_id"], &signed_in["user"]["emails"][0]["verified"]), (&json!(old), &json!(true)));
    let jwt = signed_in["session_jwt"].as_str().unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["sub"], old, "the app's own checks go by it");
    let sessions = call("GET", &format!("/v1/sessions?user_id={old}"), json!({})).await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    let changed = call("PUT", &format!("/v1/users/{old}"), json!({"trusted_metadata": {"plan": "pro"}})).await;
    assert_eq!((&changed["user_id"], &changed["user"]["trusted_metadata"]["plan"]), (&json!(old), &json!("pro")));
    assert_eq!(call("DELETE", &format!("/v1/users/{old}/external_id"), json!({})).await["user_id"], old);
    assert_eq!(call("DELETE", &format!("/v1/users/{old}"), json!({})).await["user_id"], old);
}

/// As the vendor drew them.
const OLD: &str = "user_fmpsrdqfcqzyicf3msor42e8";

#[tokio::test]
async fn somebody_from_rownd_signs_in_as_who_they_were() {
    let app = TestApp::with(|setup| setup.app.default_redirect_url = Some("https://app.example.com/".to_owned())).await;
    let operator = app.engine.operator(&RequestContext::default(), &app.app().name).unwrap();
    app.save_client("example", "key_shop", "*").await;
    let new = NewGroup { name: "Team".to_owned(), external_id: Some("group_old".to_owned()), ..NewGroup::default() };
    let (group, is_new) = app.engine.import_group(&operator, new.clone()).await.unwrap();
    assert!(is_new && app.engine.import_group(&operator, new).await.unwrap() == (group, false));
    let values = json!({"first_name": "Ada", "google_id": "g"}).as_object().cloned().unwrap();
    let ada = ImportedUser {
        addresses: vec![(Address::Email("ada@example.com".parse().unwrap()), true)],
        typed: vec![Address::Phone(PhoneNumber::parse("+12025550162").unwrap())],
        external_id: Some(ExternalId::parse(OLD).unwrap()),
        values,
        groups: vec![(group, vec!["editor".to_owned()])],
        ..ImportedUser::default()
    };
    app.engine.import_user(&operator, ada).await.unwrap();
    let eve = ImportedUser {
        addresses: vec![(Address::Email("eve@example.com".parse().unwrap()), true)],
        external_id: Some(ExternalId::parse("eve").unwrap()),
        is_disabled: true,
        ..ImportedUser::default()
    };
    app.engine.import_user(&operator, eve).await.unwrap();
    app.clock.advance_secs(1);
    let call = async |method: &str, path: &str, body: Value| {
        let headers = [
            ("x-rownd-app-key", "key_shop"),
            ("x-rownd-app-secret", "secret-test-0123456789"),
            ("content-type", "application/json"),
            ("user-agent", "Rownd SDK for tests"),
        ];
        app.anonymous(method, path, &headers, if body.is_null() { String::new() } else { body.to_string() }).await
    };
    let id = call("GET", "/hub/app-config", Value::Null).await.json()["app"]["id"].as_str().unwrap().to_owned();
    let profile = call("GET", &format!("/applications/{id}/users/{OLD}/data"), Value::Null).await.json();
    let data = json!({"user_id": OLD, "email": "ada@example.com", "phone_number": "+12025550162", "first_name": "Ada", "google_id": "g"});
    assert_eq!((&profile["data"], &profile["verified_data"]), (&data, &json!({"email": "ada@example.com"})));
    assert_eq!(profile["groups"][0]["member"]["roles"], json!(["editor"]), "no owner for being the first");
    let link = async |data: Value| {
        let made = call("POST", "/hub/auth/magic", json!({"verification_type": "email", "data": data})).await.json();
        (made["link"].as_str().unwrap().strip_prefix(&app.public).unwrap().to_owned(), made["app_user_id"].clone())
    };
    let (path, user) = link(json!({"email": "Ada@Example.com"})).await;
    assert_eq!(user, OLD);
    let signed_in = call("GET", &path, Value::Null).await.json();
    assert_eq!((&signed_in["app_user_id"], &signed_in["user_type"]), (&json!(OLD), &json!("existing_user")));
    let claims = signed_in["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["sub"], OLD);
    // Nobody verified the number, so whoever has it is somebody else.
    let other = call("POST", "/hub/auth/magic", json!({"data": {"phone_number": "+12025550162"}})).await.json();
    assert_ne!(other["app_user_id"], OLD);
    let (path, _) = link(json!({"email": "eve@example.com"})).await;
    let refused = call("GET", &path, Value::Null).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "E_USER_DISABLED"));
}
