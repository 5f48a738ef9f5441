//! The OpenAPI document, from one table: this dialect's bodies are read field by field, and its objects are written by hand.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

/// Who may call.
#[derive(Clone, Copy)]
enum Who {
    Anybody,
    Key,
    App,
    Person,
}

/// A field of a body or query: name, type, sentence; a `!` before the name says that it is required.
type Field = (&'static str, &'static str, &'static str);

struct Op {
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    who: Who,
    query: &'static [Field],
    body: &'static [Field],
    /// Name of the answer's schema; empty for 204.
    answer: &'static str,
    refusals: &'static [u16],
}

const USER: &str = "Profiles";
const OWN: &str = "The signed-in person";
const GROUPS: &str = "Groups";
const OWN_GROUPS: &str = "The person's groups";
const LINKS: &str = "Links";
const TOKENS: &str = "Tokens and app";
const MAIL: &str = "Sign-in by mail";

const PAGE: &[Field] = &[
    ("page_size", "integer", "1 to 100; 100 by default."),
    ("after", "string", "The id behind which the page begins."),
    ("lookup_filter", "string", "An id, an exact name, or addresses separated by commas."),
];
const PROFILE: &[Field] = &[
    ("!data", "object", "Values by the app's schema. null clears."),
    ("attributes", "object", "Labels of your own: lists of strings by name."),
];
const OWN_PROFILE: &[Field] = &[("!data", "object", "Your own fields; fields of the app must be as they were.")];
const VALUE: &[Field] = &[("!value", "any", "The value; null clears.")];
const GROUP: &[Field] = &[
    ("name", "string", "1 to 100 characters; required to make one."),
    ("admission_policy", "string", "open or invite_only (default)."),
    ("meta", "object", "Anything of yours."),
];
const MEMBER: &[Field] = &[
    ("roles", "strings", "At most 20, each of 1 to 64 bytes."),
    ("user_id", "string", "One of user_id, email and phone."),
    ("email", "string", "Likewise."),
    ("phone", "string", "Likewise."),
    ("state", "string", "active (default), invite_pending or invite_rejected."),
];
const INVITE: &[Field] = &[
    ("!roles", "strings", "The roles that the person will have."),
    ("email", "string", "One of email, phone and user_id."),
    ("phone", "any", "Likewise; a string or a number."),
    ("user_id", "string", "Likewise."),
    ("redirect_url", "string", "Where the link leads."),
];
const SIGN_OUT: &[Field] = &[("sign_out_all", "boolean", "Everywhere.")];
const CHALLENGE: &[Field] = &[("!challenge_id", "string", "From init."), ("email", "string", "As given to init.")];

#[rustfmt::skip]
const OPS: &[Op] = &[
    op("post", "/hub/auth/magic", LINKS, "Makes a sign-in link, or a short link for many people.", Who::App, &[], &[
        ("purpose", "string", "auth (default): signs one person in, once. shorten: a plain redirect, as often as it is followed."),
        ("verification_type", "string", "email or phone: how you deliver the link; redeeming verifies that address. Nothing is verified without it. Also as verification_mode or verification_method."),
        ("data", "object", "Values by the app's schema, written at sign-in; the addresses in it tell who it is."),
        ("redirect_url", "string", "An address, or a place below the app's default_redirect_url, which is the default."),
        ("user_id", "string", "Your own id for somebody new, or __default__, __uuid__, __objectid__, __rowndid__."),
        ("expiration", "string", "Such as 30m, 12h, 7 days; m means minutes; 30d by default and at most."),
        ("group_to_join", "string", "An open group that signing in joins."),
        ("link_data", "object", "Handed back at redemption; at most 8 KiB."),
    ], "Link", &[400, 401, 403, 409, 413, 429]),
    op("get", "/hub/auth/magic", LINKS, "The app's links, newest first, without their secrets.", Who::App, &[("page_size", "integer", "1 to 100."), ("after", "string", "The id of a link.")], &[], "Links", &[400, 401, 403]),
    op("get", "/hub/auth/magic/{id}", LINKS, "Uses a link: for SDKs and, in redirect mode, for browsers. Under the policy confirm a browser gets a page with a button.", Who::Anybody, &[], &[], "Redeemed", &[403, 404, 410, 429]),
    op("delete", "/hub/auth/magic/{id}", LINKS, "Revokes a link.", Who::App, &[], &[], "", &[401, 403, 404]),
    op("post", "/me/auth/magic", LINKS, "Makes a link by which the person signs in on another device, as a child of this session.", Who::Person, &[], &[("redirect_url", "string", "A place of the app, or an address that the operator lists."), ("label", "string", "What the person calls the other device.")], "Link", &[400, 401, 403, 404, 429]),
    op("get", "/me/auth/magic/{link}", LINKS, "How far such a link is; for the session that made it.", Who::Person, &[], &[], "Object", &[401, 403, 404]),
    op("get", "/me/auth/magic/{link}/qr.svg", LINKS, "Its QR code (SVG), while it works; for the session that made it.", Who::Person, &[], &[], "svg", &[401, 403, 404, 410]),
    op("get", "/me/auth/magic/{link}/qr.png", LINKS, "The same as PNG.", Who::Person, &[], &[], "png", &[401, 403, 404, 410]),
    op("get", "/me/sessions", OWN, "The person's sessions: parents, children and what they are called.", Who::Person, &[], &[], "Object", &[401, 403, 404]),
    op("delete", "/me/sessions/{session}", OWN, "Ends one of them, and by the app's policy those that were handed off from it.", Who::Person, &[], &[], "", &[401, 403, 404]),
    op("post", "/hub/auth/init", MAIL, "Mails a link and a code. The answer is the same whether or not the address is known.", Who::Key, &[], &[
        ("!email", "string", "The address."), ("return_url", "string", "Where the link leads."), ("user_data", "object", "Values for somebody new."),
        ("intent", "string", "sign_in or sign_up."), ("group_to_join", "string", "An open group."),
        ("show_number", "boolean", "Your screen shows the number of the answer; then opening the link elsewhere approves this app instead of signing in there."),
    ], "Challenge", &[400, 401, 429, 503]),
    op("post", "/hub/auth/challenge_status", MAIL, "How far it is; with the session, once, when it was approved.", Who::Key, &[], CHALLENGE, "ChallengeStatus", &[400, 401, 404]),
    op("post", "/hub/auth/complete", MAIL, "Finishes with the code of the mail.", Who::Key, &[], &[("!challenge_id", "string", "From init."), ("!token", "string", "The six digits."), ("email", "string", "As given to init.")], "Completed", &[400, 401, 404, 410]),
    op("post", "/hub/auth/token", TOKENS, "Exchanges a refresh token, once. A repeat ends the session.", Who::Anybody, &[], &[("!refresh_token", "string", "The token.")], "Tokens", &[400, 429]),
    op("get", "/hub/auth/keys", TOKENS, "The public keys.", Who::Anybody, &[], &[], "Keys", &[503]),
    op("get", "/hub/auth/.well-known/oauth-authorization-server", TOKENS, "The server's metadata (RFC 8414).", Who::Anybody, &[], &[], "Object", &[503]),
    op("get", "/hub/app-config", TOKENS, "What an app's SDKs ask first.", Who::Key, &[("app_id", "string", "Instead of the key.")], &[], "AppConfig", &[401]),
    op("get", "/applications/{app}/schema", TOKENS, "The app's schema.", Who::Key, &[], &[], "Object", &[401, 403]),
    op("get", "/applications/{app}/users/data", USER, "People, a page of them.", Who::App, &[
        ("fields", "string", "Only these fields, separated by commas."), ("lookup_filter", "string", "Addresses, separated by commas."), ("id_filter", "string", "Ids, separated by commas."),
        ("page_size", "integer", "1 to 1000; 100 by default."), ("after", "string", "Behind this user."), ("sort", "string", "asc (default) or desc."), ("include_duplicates", "boolean", "Accepted."),
    ], &[], "Profiles", &[400, 401, 403]),
    op("put", "/applications/{app}/users/data", USER, "Writes many profiles; one bad one does not stop the others.", Who::App, &[], &[("!users", "list", "At most 1000 objects with user_id and data.")], "Object", &[400, 401, 403, 413]),
    op("post", "/applications/{app}/users/actions", USER, "Removes many users.", Who::App, &[], &[("!actions", "list", "At most 1000 objects with action \"delete\" and user.")], "Object", &[400, 401, 403]),
    op("get", "/applications/{app}/users/{user}/data", USER, "A profile; __sample__ for made-up values.", Who::App, &[("fields", "string", "Only these fields.")], &[], "Profile", &[401, 403, 404]),
    op("put", "/applications/{app}/users/{user}/data", USER, "Writes a whole profile, or makes one; addresses go only with null. The id may be a directive such as __uuid__.", Who::App, &[], PROFILE, "Profile", &[400, 401, 403, 409]),
    op("patch", "/applications/{app}/users/{user}/data", USER, "Changes some fields.", Who::App, &[], PROFILE, "Profile", &[400, 401, 403, 404, 409]),
    op("delete", "/applications/{app}/users/{user}/data", USER, "Removes a user with sessions, links and memberships.", Who::App, &[], &[], "", &[401, 403, 404]),
    op("get", "/applications/{app}/users/{user}/data/fields/{field}", USER, "One field.", Who::App, &[], &[], "Value", &[401, 403, 404]),
    op("put", "/applications/{app}/users/{user}/data/fields/{field}", USER, "Writes one field.", Who::App, &[], VALUE, "Profile", &[400, 401, 403, 404, 409]),
    op("post", "/applications/{app}/users/{user}/state", USER, "Disables or enables a user; disabling ends their sessions.", Who::App, &[], &[("!state", "string", "enabled or disabled.")], "Profile", &[400, 401, 403, 404]),
    op("post", "/applications/{app}/users/{user}/signout", USER, "Ends all sessions of a user.", Who::App, &[], SIGN_OUT, "", &[400, 401, 403, 404]),
    op("get", "/me", OWN, "The person's own profile.", Who::Person, &[("fields", "string", "Only these fields.")], &[], "Profile", &[401, 403, 404]),
    op("get", "/me/meta", OWN, "What the person's devices remember.", Who::Person, &[], &[], "Object", &[401, 403, 404]),
    op("put", "/me/meta", OWN, "Has something remembered.", Who::Person, &[], &[("!meta", "object", "last_passkey_registration_prompt, and texts whose names begin automation_.")], "Object", &[400, 401, 403, 404]),
    op("get", "/me/applications/{app}/data", OWN, "The person's own profile.", Who::Person, &[("fields", "string", "Only these fields.")], &[], "Profile", &[401, 403, 404]),
    op("put", "/me/applications/{app}/data", OWN, "Writes the person's own fields.", Who::Person, &[], OWN_PROFILE, "Profile", &[400, 401, 403, 404, 409]),
    op("delete", "/me/applications/{app}/data", OWN, "Removes the person.", Who::Person, &[], &[], "", &[401, 403, 404]),
    op("get", "/me/applications/{app}/data/fields/{field}", OWN, "One field.", Who::Person, &[], &[], "Value", &[401, 403, 404]),
    op("put", "/me/applications/{app}/data/fields/{field}", OWN, "Writes one field.", Who::Person, &[], VALUE, "Profile", &[400, 401, 403, 404, 409]),
    op("post", "/me/applications/{app}/signout", OWN, "Signs out here, or everywhere.", Who::Person, &[], SIGN_OUT, "", &[400, 401, 403, 404]),
    op("post", "/me/groups/{group}/invites/{invite}/accept", OWN_GROUPS, "Accepts an invitation.", Who::Person, &[], &[], "Object", &[401, 403, 404]),
];

/// Operations that apps have below `/applications/{app}` and people below `/me`.
#[rustfmt::skip]
const GROUP_OPS: &[Op] = &[
    op("post", "", GROUPS, "Makes a group.", Who::App, &[], GROUP, "Group", &[400, 401, 403]),
    op("get", "", GROUPS, "The groups.", Who::App, PAGE, &[], "Groups", &[400, 401, 403]),
    op("get", "/{group}", GROUPS, "A group.", Who::App, &[], &[], "Group", &[401, 403, 404]),
    op("put", "/{group}", GROUPS, "Changes a group; what is not given stays.", Who::App, &[], GROUP, "Group", &[400, 401, 403, 404]),
    op("patch", "/{group}", GROUPS, "The same.", Who::App, &[], GROUP, "Group", &[400, 401, 403, 404]),
    op("delete", "/{group}", GROUPS, "Removes a group with its members and invitations.", Who::App, &[], &[], "", &[401, 403, 404]),
    op("post", "/{group}/members", GROUPS, "Adds a member; the first one is an owner besides. People add only themselves, to an open group.", Who::App, &[], MEMBER, "Member", &[400, 401, 403, 404, 409]),
    op("get", "/{group}/members", GROUPS, "The members.", Who::App, PAGE, &[], "Members", &[400, 401, 403, 404]),
    op("get", "/{group}/members/{member}", GROUPS, "A member.", Who::App, &[], &[], "Member", &[401, 403, 404]),
    op("put", "/{group}/members/{member}", GROUPS, "Changes roles or state.", Who::App, &[], &[("roles", "strings", "All roles."), ("state", "string", "active, invite_pending or invite_rejected.")], "Member", &[400, 401, 403, 404]),
    op("delete", "/{group}/members/{member}", GROUPS, "Takes a member out.", Who::App, &[], &[], "", &[401, 403, 404]),
    op("post", "/{group}/invites", GROUPS, "Invites somebody: a user is made if there is none, and a pending member. The link of an app's invitation signs in and accepts; that of a person's only leads to the app.", Who::App, &[], INVITE, "Invited", &[400, 401, 403, 404, 409]),
    op("get", "/{group}/invites", GROUPS, "The invitations.", Who::App, &[("page_size", "integer", "1 to 100."), ("after", "string", "An invitation."), ("ensured_user_id", "string", "Of this user.")], &[], "Invitations", &[400, 401, 403, 404]),
    op("get", "/{group}/invites/{invite}", GROUPS, "An invitation.", Who::App, &[], &[], "Invitation", &[401, 403, 404]),
    op("put", "/{group}/invites/{invite}", GROUPS, "Changes the roles that the person will have.", Who::App, &[], &[("!roles", "strings", "All roles.")], "Invitation", &[400, 401, 403, 404]),
    op("delete", "/{group}/invites/{invite}", GROUPS, "Takes an invitation back: the link dies, and the pending member goes.", Who::App, &[], &[], "", &[401, 403, 404]),
];

#[expect(clippy::too_many_arguments, reason = "a line of the table above")]
const fn op(
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    who: Who,
    query: &'static [Field],
    body: &'static [Field],
    answer: &'static str,
    refusals: &'static [u16],
) -> Op {
    Op { method, path, tag, summary, who, query, body, answer, refusals }
}

/// Objects of answers: a schema's name and its members.
const SCHEMAS: &[(&str, &[Field])] = &[
    (
        "Link",
        &[
            ("!link", "string", "The address; its last segment is the link's id."),
            ("app_user_id", "string", "Whom it signs in; not for short links."),
        ],
    ),
    (
        "Links",
        &[("!results", "list", "Each with id, purpose, state, redirect_url, created_at, expires_at, consumed_at and opens.")],
    ),
    (
        "Redeemed",
        &[
            ("access_token", "string", "A JWT for an hour."),
            ("refresh_token", "string", "For the next one."),
            ("app_user_id", "string", "Who."),
            ("!app_id", "string", "The app."),
            ("last_sign_in", "string", "How it was proven."),
            ("user_type", "string", "new_user or existing_user."),
            ("redirect_url", "string", "Where to go on."),
            ("!link_data", "object", "As given."),
            ("!link_meta", "object", "The same."),
            ("!magic_link", "string", "The link."),
            ("confirm", "boolean", "A person must confirm first; there are no tokens."),
        ],
    ),
    (
        "Challenge",
        &[
            ("!challenge_id", "string", "To ask with."),
            ("!message", "string", "For people."),
            ("!user_type", "string", "unknown."),
            ("number", "integer", "To show, if asked for."),
        ],
    ),
    (
        "ChallengeStatus",
        &[
            ("!status", "string", "pending, verified or expired."),
            ("!challenge_id", "string", "The challenge."),
            ("access_token", "string", "Once."),
            ("refresh_token", "string", "Once."),
        ],
    ),
    (
        "Completed",
        &[
            ("!result", "string", "success."),
            ("!redirect_url", "string", "Where to go on, with the session."),
            ("access_token", "string", "A JWT."),
            ("refresh_token", "string", "For the next one."),
        ],
    ),
    ("Tokens", &[("!access_token", "string", "A JWT."), ("!refresh_token", "string", "For the next one.")]),
    ("Keys", &[("!keys", "list", "JSON Web Keys, Ed25519.")]),
    ("AppConfig", &[("!config_type", "string", "app."), ("!app", "object", "Id, name, schema and settings.")]),
    (
        "Profile",
        &[
            ("!data", "object", "Values, with user_id."),
            ("!verified_data", "object", "Verified addresses."),
            ("!state", "string", "enabled or disabled."),
            ("!auth_level", "string", "verified or unverified."),
            ("!groups", "list", "Each with group and member."),
            ("!attributes", "object", "Labels."),
            ("!meta", "object", "When things happened."),
            ("rownd_user", "string", "The id, in answers to GET."),
        ],
    ),
    ("Profiles", &[("!total_results", "integer", "Of all pages."), ("!results", "list", "Profiles.")]),
    ("Value", &[("!value", "any", "null when not set.")]),
    (
        "Group",
        &[
            ("!id", "string", "group_…"),
            ("!name", "string", "Its name."),
            ("!admission_policy", "string", "open or invite_only."),
            ("meta", "object", "Anything of yours."),
            ("!created_by", "string", "Key or user."),
        ],
    ),
    ("Groups", &[("!total_results", "integer", "Of all pages."), ("!results", "list", "Groups.")]),
    (
        "Member",
        &[
            ("!id", "string", "member_…"),
            ("!user_id", "string", "Who."),
            ("!roles", "strings", "Their roles."),
            ("!state", "string", "active, invite_pending or invite_rejected."),
            ("!profile", "object", "Their data."),
        ],
    ),
    ("Members", &[("!total_results", "integer", "Of all pages, pending ones included."), ("!results", "list", "Members.")]),
    ("Invited", &[("!link", "string", "The link to deliver."), ("!invitation", "object", "The invitation.")]),
    (
        "Invitation",
        &[
            ("!id", "string", "24 characters."),
            ("!group_id", "string", "The group."),
            ("!roles", "strings", "Roles."),
            ("!state", "string", "pending, accepted or rejected."),
            ("!ensured_user_id", "string", "Who."),
        ],
    ),
    ("Invitations", &[("!total_results", "integer", "Of all pages."), ("!results", "list", "Invitations.")]),
    ("Object", &[]),
    (
        "Error",
        &[
            ("!statusCode", "integer", "The status."),
            ("!error", "string", "Its reason."),
            ("!code", "string", "Such as E_VALIDATION."),
            ("!message", "string", "What is wrong."),
            ("!messages", "strings", "Each of it."),
            ("field_errors", "object", "By field."),
        ],
    ),
];

fn kind(name: &str) -> Value {
    match name {
        "strings" => json!({"type": "array", "items": {"type": "string"}}),
        "list" => json!({"type": "array", "items": {"type": "object"}}),
        "any" => json!({"type": ["string", "number", "boolean", "object", "array", "null"]}),
        name => json!({"type": name}),
    }
}

fn object(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, of, sentence) in fields {
        let bare = name.trim_start_matches('!');
        if bare.len() < name.len() {
            required.push(bare);
        }
        let mut schema = kind(of);
        schema["description"] = json!(sentence);
        properties.insert(bare.to_owned(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "A field is not as it must be.",
        401 => "The credentials are missing or not valid.",
        403 => "Not for these credentials.",
        404 => "There is no such thing.",
        409 => "It belongs to another user, or is there already.",
        410 => "Its time is over, or it was used.",
        413 => "The body is too large.",
        429 => "Too many requests.",
        _ => "Not now; try again.",
    }
}

fn operation(op: &Op, path: &str, who: Who, tag: &str) -> Value {
    let reference = |name: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})).collect();
    for (name, of, sentence) in op.query {
        parameters.push(json!({"name": name, "in": "query", "description": sentence, "required": false, "schema": kind(of)}));
    }
    let mut responses = Map::new();
    match op.answer {
        "svg" => {
            drop(responses.insert("200".to_owned(), json!({"description": "The picture.", "content": {"image/svg+xml": {}}})))
        }
        "png" => drop(responses.insert("200".to_owned(), json!({"description": "The picture.", "content": {"image/png": {}}}))),
        "" => drop(responses.insert("204".to_owned(), json!({"description": "Done."}))),
        name => drop(responses.insert("200".to_owned(), json!({"description": "The answer.", "content": reference(name)}))),
    }
    for status in op.refusals {
        responses.insert(status.to_string(), json!({"description": reason(*status), "content": reference("Error")}));
    }
    let mut operation = json!({"tags": [tag], "summary": op.summary, "responses": responses});
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if !op.body.is_empty() {
        let required = op.body.iter().any(|(name, ..)| name.starts_with('!'));
        operation["requestBody"] = json!({"required": required, "content": {"application/json": {"schema": object(op.body)}}});
    }
    match who {
        Who::Anybody => {}
        Who::Key => operation["security"] = json!([{"key": []}]),
        Who::App => operation["security"] = json!([{"key": [], "secret": []}]),
        Who::Person => operation["security"] = json!([{"bearer": []}]),
    }
    operation
}

pub(super) fn document() -> OpenApi {
    let mut paths = Map::new();
    let mut add = |op: &Op, path: String, who: Who, tag: &str| {
        let operation = operation(op, &path, who, tag);
        paths.entry(path).or_insert_with(|| json!({}))[op.method] = operation;
    };
    for op in OPS {
        add(op, op.path.to_owned(), op.who, op.tag);
    }
    for op in GROUP_OPS {
        add(op, format!("/applications/{{app}}/groups{}", op.path), op.who, op.tag);
    }
    for op in GROUP_OPS {
        add(op, format!("/me/groups{}", op.path), Who::Person, OWN_GROUPS);
    }
    let schemas: Map<String, Value> = SCHEMAS.iter().map(|(name, fields)| ((*name).to_owned(), object(fields))).collect();
    let tags: Vec<Value> = [LINKS, TOKENS, MAIL, USER, OWN, GROUPS, OWN_GROUPS].iter().map(|tag| json!({"name": tag})).collect();
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Passlink: Rownd dialect",
            "version": "1",
            "description": "Links that sign in, shorten or hand off, profiles and groups, for code written against Rownd: use a client of Passlink as app key and secret.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-rownd-app-key"},
                "secret": {"type": "apiKey", "in": "header", "name": "x-rownd-app-secret"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    });
    // The table above is a constant, and a test reads the document it gives.
    serde_json::from_value(document).expect("the table above gives a document")
}
