//! The kinds of requests, one entry each.

use serde_json::{Value, json};

use super::call::{Call, Content};
use super::world::{KEY, LANDING, World, new_business, send_magic_link};
use crate::support::APP;

/// One kind of request.
pub struct Target {
    /// Method and path of each route that is fuzzed here, as declared; the first one is its name.
    pub routes: &'static [&'static str],
    /// Valid requests, one at least for each route.
    pub seeds: fn(&World) -> Vec<Call>,
}

const fn target(routes: &'static [&'static str], seeds: fn(&World) -> Vec<Call>) -> Target {
    Target { routes, seeds }
}

/// An AppHandoff operation below both of its bases.
fn apphandoff(operation: &str, call: impl Fn(String) -> Call) -> Vec<Call> {
    ["/api/auth", "/auth"].iter().map(|base| call(format!("{base}/{operation}"))).collect()
}

/// A Stytch operation at both of its paths.
fn stytch(world: &World, method: &str, path: &str, body: Value) -> Vec<Call> {
    let call = |path: String| Call { method: method.to_owned(), ..Call::post_json(path, body.clone()) };
    ["/v1", "//v1"].iter().map(|base| call(format!("{base}/{path}")).with(&[("authorization", &world.project.basic)])).collect()
}

/// An Asset operation with a client's token.
fn asset(world: &World, method: &str, path: &str, body: Value) -> Call {
    let call = Call { method: method.to_owned(), ..Call::post_json(path, body) };
    call.with(&[("authorization", &world.machine.bearer)])
}

/// An Asset operation with a session: its token, or a browser's cookie.
fn asset_session(world: &World, method: &str) -> Vec<Call> {
    let call = || Call { method: method.to_owned(), ..Call::get("/v0/auth/session") };
    let token = &world.machine.session_token;
    let (bearer, cookie) = (format!("Bearer {token}"), format!("__Host-passlink-session={token}"));
    vec![call().with(&[("authorization", &bearer)]), call().with(&[("cookie", &cookie)])]
}

/// A call of the shop's own server.
fn shop(world: &World, method: &str, path: &str, body: Value) -> Vec<Call> {
    let path = path.replace("{app}", &world.shop.app).replace("{user}", &world.shop.user).replace("{group}", &world.shop.group);
    let call = if body.is_null() { Call::get(path) } else { Call::post_json(path, body) };
    vec![Call { method: method.to_owned(), ..call }.with(&KEY)]
}

/// A call of a person of the shop.
fn own(world: &World, method: &str, path: &str, body: Value) -> Vec<Call> {
    let mut calls = shop(world, method, path, body);
    let bearer = format!("Bearer {}", world.shop.access);
    for call in &mut calls {
        call.headers.retain(|(name, _)| !name.starts_with("x-rownd"));
        *call = call.clone().with(&[("authorization", &bearer)]);
    }
    calls
}

/// The same operation for apps and, below `/me`, for people.
fn both(world: &World, method: &str, below: &str, body: Value) -> Vec<Call> {
    let mut calls = shop(world, method, &format!("/applications/{{app}}/groups{below}"), body.clone());
    calls.extend(own(world, method, &format!("/me/groups{below}"), body));
    calls
}

pub const TARGETS: &[Target] = &[
    target(&["POST /v0/auth/token"], |world| {
        let form = |pairs: &[(&str, &str)]| Call {
            method: "POST".to_owned(),
            headers: vec![("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec())],
            content: Content::Form(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()),
            ..Call::get("/v0/auth/token")
        };
        let all = [
            ("grant_type", "client_credentials"),
            ("client_id", "machine-1"),
            ("client_secret", "secret-test-0123456789"),
            ("scope", "auth:create business:read"),
            ("business_id", world.machine.business.as_str()),
            ("expires_in", "600"),
            ("resource", "https://auth.example.test/"),
            ("resource", "https://api.example.com/v0"),
        ];
        let password =
            [("grant_type", "password"), ("username", "machine-1"), ("password", "secret-test-0123456789"), ("scope", "")];
        let basic = form(&[("expires_in", "99999999")]).with(&[("authorization", &world.machine.basic)]);
        vec![form(&all), form(&password), basic]
    }),
    target(&["POST /v0/auth/magic-link"], |world| {
        let both = json!({
            "business_id": world.machine.business,
            "external_business_id": "ext-1",
            "ttl": 5,
            "session_timeout": 86400,
            "email": "eve@example.com",
            "path": "/reports?month=1#top",
        });
        let one = json!({"business_id": null, "external_business_id": "ext-1", "email": null, "path": null});
        [both, one].map(|body| asset(world, "POST", "/v0/auth/magic-link", body)).to_vec()
    }),
    target(&["GET /v0/auth/session"], |world| asset_session(world, "GET")),
    target(&["DELETE /v0/auth/session"], |world| asset_session(world, "DELETE")),
    target(&["POST /v0/auth/session"], |world| {
        vec![asset(world, "POST", "/v0/auth/session", json!({"code": world.machine.code}))]
    }),
    target(&["POST /v0/business"], |world| {
        let mut body = new_business();
        body["external_id"] = json!("ext-2");
        vec![asset(world, "POST", "/v0/business", body)]
    }),
    target(&["GET /v0/business"], |world| {
        ["/v0/business", "/v0/business?page_size=1&page_token="].map(|path| asset(world, "GET", path, json!({}))).to_vec()
    }),
    target(&["GET /v0/business/{business_id}"], |world| {
        vec![asset(world, "GET", &format!("/v0/business/{}", world.machine.business), json!({}))]
    }),
    target(&["PATCH /v0/business/{business_id}"], |world| {
        let body = json!({"name": "New", "status": "inactive", "onboarding_date": "2026-02-01", "external_id": "ext-3"});
        vec![asset(world, "PATCH", &format!("/v0/business/{}", world.machine.business), body)]
    }),
    target(&["GET /magic-link", "GET /magic-link/", "GET /magic-link/{*place}"], |world| {
        let plain = world.machine.link.replace("/magic-link/reports", "/magic-link");
        vec![
            world.navigation(&world.machine.link),
            Call::get(&world.machine.link),
            Call::get(plain.replace('?', "/?")),
            Call::get(plain),
        ]
    }),
    target(&["POST /magic-link", "POST /magic-link/", "POST /magic-link/{*place}"], |world| {
        vec![world.press("POST /magic-link"), world.press("POST /magic-link/{*place}")]
    }),
    target(&["POST /hub/auth/magic"], |world| {
        let body = json!({
            "purpose": "auth", "verification_type": "email", "data": {"email": "xia@example.com", "first_name": "Xia", "phone": "+12025550164", "last_name": null},
            "redirect_url": "/account?x=1#top", "user_id": "__uuid__", "expiration": "1.5 h", "group_to_join": world.shop.group, "link_data": {"a": [1, {"b": null}]},
        });
        let short = json!({"purpose": "shorten", "redirect_url": APP, "expiration": "30d"});
        [shop(world, "POST", "/hub/auth/magic", body), shop(world, "POST", "/hub/auth/magic", short)].concat()
    }),
    target(&["GET /hub/auth/magic"], |world| shop(world, "GET", "/hub/auth/magic?page_size=5&after=", Value::Null)),
    target(&["GET /hub/auth/magic/{id}"], |world| {
        let sdk = [("user-agent", "Rownd SDK for iOS/3")];
        let shop = &world.shop;
        vec![
            Call::get(shop.link.clone()).with(&sdk),
            Call::get(format!("{}?a=1&b=2", shop.short)).with(&[("accept", "text/html")]),
            Call::get(shop.short.clone()).with(&sdk),
            Call::get(format!("{}?utm=x", shop.other_link)).with(&[("accept", "application/json")]),
            Call::get(shop.other_link.clone()).with(&[("accept", "text/html")]),
        ]
    }),
    target(&["POST /hub/auth/magic/{id}"], |world| vec![world.press("POST /hub/auth/magic/{id}")]),
    target(&["DELETE /hub/auth/magic/{id}"], |world| shop(world, "DELETE", &world.shop.other_link, Value::Null)),
    target(&["GET /hub/auth/magic/robots.txt"], |_| vec![Call::get("/hub/auth/magic/robots.txt")]),
    target(&["GET /hub/auth/magic/.well-known/apple-app-site-association"], |_| {
        vec![Call::get("/hub/auth/magic/.well-known/apple-app-site-association")]
    }),
    target(&["GET /hub/auth/magic/.well-known/assetlinks.json"], |_| {
        vec![Call::get("/hub/auth/magic/.well-known/assetlinks.json")]
    }),
    target(&["GET /hub/auth/magic/download"], |_| vec![Call::get("/hub/auth/magic/download")]),
    target(&["POST /me/auth/magic"], |world| own(world, "POST", "/me/auth/magic", json!({"redirect_url": "/x"}))),
    target(&["GET /me/auth/magic/{link}", "GET /me/auth/magic/{link}/qr.svg", "GET /me/auth/magic/{link}/qr.png"], |world| {
        let at = |end: &str| own(world, "GET", &format!("/me/auth/magic/{}{end}", world.shop.handoff), Value::Null);
        [at(""), at("/qr.svg"), at("/qr.png")].concat()
    }),
    target(&["GET /me/sessions"], |world| own(world, "GET", "/me/sessions", Value::Null)),
    target(&["DELETE /me/sessions/{session}"], |world| {
        own(world, "DELETE", &format!("/me/sessions/{}", world.shop.session), Value::Null)
    }),
    target(&["POST /hub/auth/init"], |world| {
        let body = json!({
            "email": "yve@example.com", "return_url": "/in", "redirect": false, "user_data": {"first_name": "Yve"}, "intent": "sign_up", "group_to_join": world.shop.group,
            "show_number": true,
        });
        shop(world, "POST", "/hub/auth/init", body)
    }),
    target(&["POST /hub/auth/challenge_status"], |world| {
        shop(
            world,
            "POST",
            "/hub/auth/challenge_status",
            json!({"challenge_id": world.shop.challenge, "email": "tom@example.com"}),
        )
    }),
    target(&["POST /hub/auth/complete"], |world| {
        shop(world, "POST", "/hub/auth/complete", json!({"challenge_id": world.shop.challenge, "token": world.shop.code}))
    }),
    target(&["POST /hub/auth/token"], |world| {
        vec![Call::post_json("/hub/auth/token", json!({"refresh_token": world.shop.refresh}))]
    }),
    target(&["GET /hub/auth/keys"], |_| vec![Call::get("/hub/auth/keys")]),
    target(&["GET /hub/auth/.well-known/oauth-authorization-server"], |_| {
        vec![Call::get("/hub/auth/.well-known/oauth-authorization-server")]
    }),
    target(&["GET /hub/app-config"], |world| {
        [
            shop(world, "GET", "/hub/app-config", Value::Null),
            vec![Call::get(format!("/hub/app-config?app_id={}", world.shop.app))],
        ]
        .concat()
    }),
    target(&["GET /applications/{app}/schema"], |world| shop(world, "GET", "/applications/{app}/schema", Value::Null)),
    target(&["GET /applications/{app}/users/data"], |world| {
        let query = "fields=email,first_name&lookup_filter=sam@example.com,+12025550163&page_size=10&sort=desc&after=sam&include_duplicates=true";
        let mut calls = shop(world, "GET", &format!("/applications/{{app}}/users/data?{query}"), Value::Null);
        calls.extend(shop(world, "GET", "/applications/{app}/users/data?id_filter=sam,{user}", Value::Null));
        calls
    }),
    target(&["PUT /applications/{app}/users/data"], |world| {
        let users =
            json!({"users": [{"user_id": "__uuid__", "data": {"first_name": "A"}}, {"user_id": "sam", "data": {"email": null}}]});
        shop(world, "PUT", "/applications/{app}/users/data", users)
    }),
    target(&["POST /applications/{app}/users/actions"], |world| {
        let actions = json!({"actions": [{"action": "delete", "user": {"data": {"email": "sam@example.com"}}}]});
        shop(world, "POST", "/applications/{app}/users/actions", actions)
    }),
    target(&["GET /applications/{app}/users/{user}/data"], |world| {
        shop(world, "GET", "/applications/{app}/users/{user}/data?fields=email", Value::Null)
    }),
    target(&["PUT /applications/{app}/users/{user}/data"], |world| {
        let body = json!({"data": {"user_id": "zed", "email": "zed@example.com", "first_name": "Zed", "google_id": null}, "attributes": {"team": ["a", "b"]}});
        shop(world, "PUT", "/applications/{app}/users/zed/data", body)
    }),
    target(&["PATCH /applications/{app}/users/{user}/data"], |world| {
        shop(
            world,
            "PATCH",
            "/applications/{app}/users/{user}/data",
            json!({"data": {"last_name": "Z", "phone_number": "+12025550165"}}),
        )
    }),
    target(&["DELETE /applications/{app}/users/{user}/data"], |world| {
        shop(world, "DELETE", "/applications/{app}/users/sam/data", Value::Null)
    }),
    target(
        &["GET /applications/{app}/users/{user}/data/fields/{field}", "GET /me/applications/{app}/data/fields/{field}"],
        |world| {
            let mut calls = shop(world, "GET", "/applications/{app}/users/{user}/data/fields/email", Value::Null);
            calls.extend(own(world, "GET", "/me/applications/{app}/data/fields/email", Value::Null));
            calls
        },
    ),
    target(
        &["PUT /applications/{app}/users/{user}/data/fields/{field}", "PUT /me/applications/{app}/data/fields/{field}"],
        |world| {
            let mut calls =
                shop(world, "PUT", "/applications/{app}/users/{user}/data/fields/email", json!({"value": "rio@example.com"}));
            calls.extend(own(world, "PUT", "/me/applications/{app}/data/fields/first_name", json!({"value": "R"})));
            calls
        },
    ),
    target(&["POST /applications/{app}/users/{user}/state"], |world| {
        shop(world, "POST", "/applications/{app}/users/sam/state", json!({"state": "disabled"}))
    }),
    target(&["POST /applications/{app}/users/{user}/signout"], |world| {
        shop(world, "POST", "/applications/{app}/users/{user}/signout", json!({"sign_out_all": true}))
    }),
    target(&["GET /me", "GET /me/applications/{app}/data"], |world| {
        [own(world, "GET", "/me", Value::Null), own(world, "GET", "/me/applications/{app}/data?fields=email", Value::Null)]
            .concat()
    }),
    target(&["GET /me/meta"], |world| own(world, "GET", "/me/meta", Value::Null)),
    target(&["PUT /me/meta"], |world| {
        let meta = json!({"meta": {"last_passkey_registration_prompt": "2027-01-31T00:00:00Z", "automation_x": "y", "automation_z": null}});
        own(world, "PUT", "/me/meta", meta)
    }),
    target(&["PUT /me/applications/{app}/data"], |world| {
        let data = json!({"data": {"user_id": world.shop.user, "email": "rita@example.com", "first_name": "Rita"}});
        own(world, "PUT", "/me/applications/{app}/data", data)
    }),
    target(&["DELETE /me/applications/{app}/data"], |world| own(world, "DELETE", "/me/applications/{app}/data", Value::Null)),
    target(&["POST /me/applications/{app}/signout"], |world| {
        own(world, "POST", "/me/applications/{app}/signout", json!({"sign_out_all": false}))
    }),
    target(&["POST /applications/{app}/groups", "POST /me/groups"], |world| {
        both(world, "POST", "", json!({"name": "Crew", "admission_policy": "invite_only", "meta": {"a": 1}}))
    }),
    target(&["GET /applications/{app}/groups", "GET /me/groups"], |world| {
        both(world, "GET", "?page_size=3&lookup_filter=Team&after={group}", Value::Null)
    }),
    target(&["GET /applications/{app}/groups/{group}", "GET /me/groups/{group}"], |world| {
        [
            own(world, "POST", "/me/groups", json!({"name": "Own"})),
            shop(world, "GET", "/applications/{app}/groups/{group}", Value::Null),
        ]
        .concat()
    }),
    target(&["PUT /applications/{app}/groups/{group}", "PUT /me/groups/{group}"], |world| {
        shop(world, "PUT", "/applications/{app}/groups/{group}", json!({"name": "Crew", "meta": null}))
    }),
    target(&["PATCH /applications/{app}/groups/{group}", "PATCH /me/groups/{group}"], |world| {
        shop(world, "PATCH", "/applications/{app}/groups/{group}", json!({"admission_policy": "invite_only"}))
    }),
    target(&["DELETE /applications/{app}/groups/{group}", "DELETE /me/groups/{group}"], |world| {
        shop(world, "DELETE", "/applications/{app}/groups/{group}", Value::Null)
    }),
    target(&["POST /applications/{app}/groups/{group}/members", "POST /me/groups/{group}/members"], |world| {
        // The person is invited already, so somebody else is added.
        shop(
            world,
            "POST",
            "/applications/{app}/groups/{group}/members",
            json!({"user_id": "tea", "roles": ["editor"], "state": "active"}),
        )
    }),
    target(&["GET /applications/{app}/groups/{group}/members", "GET /me/groups/{group}/members"], |world| {
        shop(world, "GET", "/applications/{app}/groups/{group}/members?page_size=3&lookup_filter=sam", Value::Null)
    }),
    target(&["GET /applications/{app}/groups/{group}/members/{member}", "GET /me/groups/{group}/members/{member}"], |world| {
        shop(world, "GET", &format!("/applications/{{app}}/groups/{{group}}/members/{}", world.shop.member), Value::Null)
    }),
    target(&["PUT /applications/{app}/groups/{group}/members/{member}", "PUT /me/groups/{group}/members/{member}"], |world| {
        let body = json!({"roles": ["viewer"], "state": "active"});
        shop(world, "PUT", &format!("/applications/{{app}}/groups/{{group}}/members/{}", world.shop.member), body)
    }),
    target(
        &["DELETE /applications/{app}/groups/{group}/members/{member}", "DELETE /me/groups/{group}/members/{member}"],
        |world| {
            shop(world, "DELETE", &format!("/applications/{{app}}/groups/{{group}}/members/{}", world.shop.member), Value::Null)
        },
    ),
    target(&["POST /applications/{app}/groups/{group}/invites", "POST /me/groups/{group}/invites"], |world| {
        let body = json!({"roles": ["editor"], "phone": 12025550166_u64, "redirect_url": "/x"});
        shop(world, "POST", "/applications/{app}/groups/{group}/invites", body)
    }),
    target(&["GET /applications/{app}/groups/{group}/invites", "GET /me/groups/{group}/invites"], |world| {
        shop(world, "GET", "/applications/{app}/groups/{group}/invites?page_size=3&ensured_user_id={user}", Value::Null)
    }),
    target(&["GET /applications/{app}/groups/{group}/invites/{invite}", "GET /me/groups/{group}/invites/{invite}"], |world| {
        shop(world, "GET", &format!("/applications/{{app}}/groups/{{group}}/invites/{}", world.shop.invite), Value::Null)
    }),
    target(&["PUT /applications/{app}/groups/{group}/invites/{invite}", "PUT /me/groups/{group}/invites/{invite}"], |world| {
        shop(
            world,
            "PUT",
            &format!("/applications/{{app}}/groups/{{group}}/invites/{}", world.shop.invite),
            json!({"roles": ["x"]}),
        )
    }),
    target(
        &["DELETE /applications/{app}/groups/{group}/invites/{invite}", "DELETE /me/groups/{group}/invites/{invite}"],
        |world| {
            shop(world, "DELETE", &format!("/applications/{{app}}/groups/{{group}}/invites/{}", world.shop.invite), Value::Null)
        },
    ),
    target(&["POST /me/groups/{group}/invites/{invite}/accept"], |world| {
        own(world, "POST", &format!("/me/groups/{{group}}/invites/{}/accept", world.shop.own_invite), json!({}))
    }),
    target(&["POST /auth/send-magic-link", "POST /api/auth/send-magic-link"], |world| {
        let mut calls = apphandoff("send-magic-link", |path| Call::post_json(path, send_magic_link()).with(&[("origin", APP)]));
        let by_header = [("x-apphandoff-callback-origin", APP), ("sec-fetch-site", "same-site")];
        calls.push(Call::post_json("/auth/send-magic-link", json!({"email": "eve@example.com"})).with(&by_header));
        let mut known = Call::post_json("/auth/send-magic-link", json!({"email": "carol@example.com"}));
        known.headers.extend(world.person.iter().filter(|(name, _)| name == "cookie").cloned());
        calls.push(known.with(&[("referer", "https://app.example.com/x")]));
        calls
    }),
    target(&["POST /auth/exchange-supabase-token", "POST /api/auth/exchange-supabase-token"], |world| {
        let body = json!({"access_token": world.access, "refresh_token": world.refresh, "redirect_to": "/reports"});
        apphandoff("exchange-supabase-token", |path| Call::post_json(path, body.clone()).with(&[("origin", APP)]))
    }),
    target(&["GET /auth/me", "GET /api/auth/me"], |world| {
        let bearer = format!("Bearer {}", world.access);
        let mut calls = apphandoff("me", |path| Call::get(path).with(&[("authorization", &bearer), ("origin", APP)]));
        calls.push(Call::get("/auth/me").with(&[("cookie", &format!("sb-access-token={}", world.access))]));
        calls
    }),
    target(&["GET /auth/status", "GET /api/auth/status"], |world| {
        let bearer = format!("Bearer {}", world.access);
        apphandoff("status", |path| Call::get(path).with(&[("authorization", &bearer)]))
    }),
    target(&["POST /auth/refresh", "POST /api/auth/refresh"], |world| {
        apphandoff("refresh", |path| Call::post_json(path, json!({"refresh_token": world.refresh})))
    }),
    target(&["POST /auth/logout", "POST /api/auth/logout"], |world| {
        let cookie = format!("sb-access-token={}; sb-refresh-token={}", world.access, world.refresh);
        apphandoff("logout", |path| {
            Call { method: "POST".to_owned(), ..Call::get(path) }.with(&[("cookie", &cookie), ("origin", APP)])
        })
    }),
    target(&["POST /v1/magic_links", "POST //v1/magic_links"], |world| {
        let attributes = json!({"ip_address": "203.0.113.1", "user_agent": "A"});
        let body = json!({"user_id": world.project.user, "expiration_minutes": 60, "attributes": attributes});
        stytch(world, "POST", "magic_links", body)
    }),
    target(&["POST /v1/magic_links/authenticate", "POST //v1/magic_links/authenticate"], |world| {
        let body = json!({
            "token": world.project.token,
            "session_duration_minutes": 60,
            "session_custom_claims": {"plan": "pro", "old": null},
            "attributes": {"ip_address": "203.0.113.1", "user_agent": "A"},
            "options": {"ip_match_required": false, "user_agent_match_required": null},
        });
        let join = json!({"token": world.project.token, "session_jwt": world.project.session_jwt});
        [stytch(world, "POST", "magic_links/authenticate", body), stytch(world, "POST", "magic_links/authenticate", join)]
            .concat()
    }),
    target(&["POST /v1/users", "POST //v1/users"], |world| {
        let body = json!({
            "email": "yan@example.com",
            "phone_number": "+12025550162",
            "name": {"first_name": "Yan", "last_name": null},
            "create_user_as_pending": true,
            "trusted_metadata": {"a": 1},
            "untrusted_metadata": {"b": [1, {"c": null}]},
            "external_id": "yan|1",
            "roles": ["editor"],
        });
        stytch(world, "POST", "users", body)
    }),
    target(&["POST /v1/users/search", "POST //v1/users/search"], |world| {
        let filter = |name: &str, value: Value| json!({"filter_name": name, "filter_value": value});
        let between = json!({"greater_than": "2020-01-01T00:00:00Z", "less_than": "2100-01-01T00:00:00Z"});
        let operands = json!([
            filter("email_address", json!(["zoe@example.com"])),
            filter("created_at_between", between),
            filter("email_verified", json!(false)),
            filter("email_address_fuzzy", json!("zoe@")),
        ]);
        stytch(world, "POST", "users/search", json!({"limit": 10, "query": {"operator": "AND", "operands": operands}}))
    }),
    target(&["GET /v1/users/{user_id}", "GET //v1/users/{user_id}"], |world| {
        stytch(world, "GET", &format!("users/{}", world.project.user), json!({}))
    }),
    target(&["PUT /v1/users/{user_id}", "PUT //v1/users/{user_id}"], |world| {
        let body =
            json!({"name": {"first_name": "Zoe"}, "trusted_metadata": {"a": null, "b": 2}, "external_id": "zoe|2", "roles": []});
        stytch(world, "PUT", "users/zoe", body)
    }),
    target(&["DELETE /v1/users/{user_id}", "DELETE //v1/users/{user_id}"], |world| {
        stytch(world, "DELETE", &format!("users/{}", world.project.user), json!({}))
    }),
    target(&["DELETE /v1/users/{user_id}/external_id", "DELETE //v1/users/{user_id}/external_id"], |world| {
        stytch(world, "DELETE", "users/zoe/external_id", json!({}))
    }),
    target(&["GET /v1/sessions", "GET //v1/sessions"], |world| {
        stytch(world, "GET", &format!("sessions?user_id={}", world.project.user), json!({}))
    }),
    target(&["POST /v1/sessions/authenticate", "POST //v1/sessions/authenticate"], |world| {
        let project = &world.project;
        let by_token = json!({
            "session_token": project.session_token,
            "session_duration_minutes": 30,
            "session_custom_claims": {"a": 1},
        });
        let by_jwt = json!({"session_jwt": project.session_jwt});
        [by_token, by_jwt].map(|body| stytch(world, "POST", "sessions/authenticate", body)).concat()
    }),
    target(&["POST /v1/sessions/revoke", "POST //v1/sessions/revoke"], |world| {
        let project = &world.project;
        let bodies = [
            json!({"session_id": project.session}),
            json!({"session_token": project.session_token}),
            json!({"session_jwt": project.session_jwt}),
        ];
        bodies.map(|body| stytch(world, "POST", "sessions/revoke", body)).concat()
    }),
    target(&["GET /v1/sessions/jwks/{project_id}", "GET //v1/sessions/jwks/{project_id}"], |world| {
        stytch(world, "GET", &format!("sessions/jwks/{}", world.project.id), json!({}))
    }),
    target(&["POST /v1/magic_links/email/send", "POST //v1/magic_links/email/send"], |world| {
        let body = json!({
            "email": "zoe@example.com",
            "login_magic_link_url": LANDING,
            "login_expiration_minutes": 60,
            "signup_expiration_minutes": 10080,
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "locale": "en",
        });
        let added = json!({"email": "more@example.com", "session_token": world.project.session_token});
        [body, added].map(|body| stytch(world, "POST", "magic_links/email/send", body)).concat()
    }),
    target(&["POST /v1/magic_links/email/login_or_create", "POST //v1/magic_links/email/login_or_create"], |world| {
        let body = json!({"email": "new@example.com", "signup_magic_link_url": LANDING, "create_user_as_pending": true});
        stytch(world, "POST", "magic_links/email/login_or_create", body)
    }),
    target(&["POST /v1/magic_links/email/invite", "POST //v1/magic_links/email/invite"], |world| {
        let body = json!({
            "email": "guest@example.com",
            "invite_magic_link_url": LANDING,
            "invite_expiration_minutes": 60,
            "name": {"first_name": "Guest"},
            "trusted_metadata": {"a": 1},
        });
        stytch(world, "POST", "magic_links/email/invite", body)
    }),
    target(&["POST /v1/magic_links/email/revoke_invite", "POST //v1/magic_links/email/revoke_invite"], |world| {
        stytch(world, "POST", "magic_links/email/revoke_invite", json!({"email": "invited@example.com"}))
    }),
    target(&["POST /v1/otps/email/send", "POST //v1/otps/email/send"], |world| {
        let added = json!({"email": "more@example.com", "user_id": world.project.user});
        [json!({"email": "zoe@example.com", "expiration_minutes": 10}), added]
            .map(|body| stytch(world, "POST", "otps/email/send", body))
            .concat()
    }),
    target(&["POST /v1/otps/email/login_or_create", "POST //v1/otps/email/login_or_create"], |world| {
        stytch(world, "POST", "otps/email/login_or_create", json!({"email": "new@example.com", "expiration_minutes": 2}))
    }),
    target(&["POST /v1/otps/authenticate", "POST //v1/otps/authenticate"], |world| {
        let project = &world.project;
        let body = json!({"method_id": project.email_id, "code": project.code, "session_duration_minutes": 60});
        stytch(world, "POST", "otps/authenticate", body)
    }),
    target(&["DELETE /v1/users/emails/{email_id}", "DELETE //v1/users/emails/{email_id}"], |world| {
        stytch(world, "DELETE", &format!("users/emails/{}", world.project.email_id), json!({}))
    }),
    target(&["DELETE /v1/users/phone_numbers/{phone_id}", "DELETE //v1/users/phone_numbers/{phone_id}"], |world| {
        stytch(world, "DELETE", &format!("users/phone_numbers/{}", world.project.phone_id), json!({}))
    }),
    target(&["PUT /v1/users/{user_id}/exchange_primary_factor", "PUT //v1/users/{user_id}/exchange_primary_factor"], |world| {
        let path = format!("users/{}/exchange_primary_factor", world.project.other);
        stytch(world, "PUT", &path, json!({"email_address": "renamed@example.com"}))
    }),
    target(
        &[
            "GET /v1/debug/whoami",
            "GET //v1/debug/whoami",
            "GET /v1/projects/metrics",
            "GET //v1/projects/metrics",
            "GET /v1/rbac/policy",
            "GET //v1/rbac/policy",
        ],
        |world| ["debug/whoami", "projects/metrics", "rbac/policy"].map(|path| stytch(world, "GET", path, json!({}))).concat(),
    ),
    target(&["GET /v1/magic_links/redirect"], |world| vec![world.navigation(&world.forward), Call::get(&world.forward)]),
    target(&["POST /v1/magic_links/redirect"], |world| vec![world.press("POST /v1/magic_links/redirect")]),
    target(&["GET /l/{token}"], |world| {
        vec![world.navigation(&world.link), world.navigation(&world.bound_link), Call::get(&world.bound_link)]
    }),
    target(&["GET /l/{token}/number", "GET /l/{token}/code", "GET /l/{token}/refuse", "GET /l/{token}/again"], |world| {
        ["number", "code", "refuse", "again"].map(|action| Call::get(format!("{}/{action}", world.link))).to_vec()
    }),
    target(&["POST /l/{token}"], |world| vec![world.press("POST /l/{token}")]),
    target(&["POST /l/{token}/number"], |world| vec![world.press("POST /l/{token}/number")]),
    target(&["POST /l/{token}/code"], |world| vec![world.press("POST /l/{token}/code")]),
    target(&["POST /l/{token}/refuse"], |world| vec![world.press("POST /l/{token}/refuse")]),
    target(&["POST /l/{token}/again"], |world| vec![world.press("POST /l/{token}/again")]),
    target(
        &[
            "GET /wait/{id}",
            "GET /wait/{id}/status",
            "GET /wait/{id}/events",
            "GET /wait/{id}/code",
            "GET /wait/{id}/again",
            "GET /wait/{id}/finish",
        ],
        |world| {
            let ends = ["", "/status", "/events", "/code", "/again", "/finish"];
            ends.map(|end| world.navigation(format!("{}{end}", world.screen))).to_vec()
        },
    ),
    target(&["POST /wait/{id}/code"], |world| vec![world.press("POST /wait/{id}/code")]),
    target(&["POST /wait/{id}/again"], |world| vec![world.press("POST /wait/{id}/again")]),
    target(&["POST /wait/{id}/finish"], |world| vec![world.press("POST /wait/{id}/finish")]),
    target(&["POST /"], |world| vec![world.press("POST /")]),
    target(&["POST /sign-out"], |world| vec![world.press("POST /sign-out")]),
    target(&["POST /sign-out/{id}"], |world| vec![world.press("POST /sign-out/{id}")]),
    target(&["POST /handoff"], |world| vec![world.press("POST /handoff")]),
    target(
        &[
            "GET /handoff/{id}",
            "GET /handoff/{id}/status",
            "GET /handoff/{id}/qr.svg",
            "GET /handoff/{id}/qr.png",
            "GET /handoff",
            "GET /sign-out/{id}",
        ],
        |world| {
            let ends = ["", "/status", "/qr.svg", "/qr.png"];
            let by_minter = |target: String| Call { headers: world.minter.clone(), ..Call::get(target) };
            let mut calls = ends.map(|end| by_minter(format!("{}{end}", world.handoff))).to_vec();
            calls.extend([by_minter("/handoff".to_owned()), by_minter("/sign-out/x".to_owned())]);
            calls
        },
    ),
    target(&["POST /inbox/delete"], |world| vec![world.press("POST /inbox/delete")]),
    target(&["GET /inbox/{id}", "GET /inbox/{id}/html"], |world| {
        ["", "/html"].map(|end| Call::get(format!("/inbox/{}{end}", world.message))).to_vec()
    }),
    target(
        &[
            "GET /",
            "GET /auth/callback",
            "GET /inbox",
            "GET /signed-in",
            "GET /docs",
            "GET /docs/{dialect}",
            "GET /openapi/{file}",
            "GET /assets/{*path}",
            "GET /healthz",
            "GET /readyz",
            "GET /robots.txt",
            "GET /.well-known/jwks.json",
        ],
        |world| {
            let paths = [
                "/",
                "/auth/callback",
                "/inbox",
                "/signed-in",
                "/docs",
                "/docs/apphandoff",
                "/openapi/apphandoff.json",
                "/assets/passlink.css?v=1",
                "/healthz",
                "/readyz",
                "/robots.txt",
                "/.well-known/jwks.json",
            ];
            paths.map(|path| world.navigation(path)).to_vec()
        },
    ),
];
