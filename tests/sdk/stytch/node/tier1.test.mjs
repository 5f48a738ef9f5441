// Every call of tier 1 that the SDK for Node has, each with its success and its errors. A new call is a line in CALLS and its test.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { address, becomes, client, header, notMade, project, refused, refusedLocally, rotate, signedIn } from "./support.mjs";

const CALLS = [
  "magicLinks.create",
  "magicLinks.authenticate",
  "users.create",
  "users.get",
  "users.search",
  "users.searchAll",
  "users.update",
  "users.delete",
  "users.deleteExternalId",
  "sessions.get",
  "sessions.authenticate",
  "sessions.authenticateJwt",
  "sessions.authenticateJwtLocal",
  "sessions.revoke",
  "sessions.getJWKS",
];
after(() => assert.deepEqual(notMade(CALLS), [], "calls of tier 1 that no test makes"));

const sdk = client();
const NOBODY = "user-test-11111111-1111-4111-8111-111111111111";
const link = async (user_id, given = {}) => (await sdk.magicLinks.create({ user_id, ...given })).token;

test("wrong credentials are told before anything else", async () => {
  await refused(client({ secret: "secret-test-wrong-wrong-wrong" }).users.get({ user_id: NOBODY }), 401, "unauthorized_credentials");
  await refused(client({ project_id: "project-test-11111111-1111-4111-8111-111111111111" }).magicLinks.create({ user_id: NOBODY }), 401, "unauthorized_credentials");
});

test("magicLinks.create: a token for a user, by our id or the app's", async () => {
  const { user_id } = await sdk.users.create({ email: address(), external_id: "ada|link" });
  const made = await sdk.magicLinks.create({ user_id: "ada|link", expiration_minutes: 5, attributes: { ip_address: "203.0.113.7", user_agent: "Firefox" } });
  assert.deepEqual(Object.keys(made).sort(), ["request_id", "status_code", "token", "user_id"]);
  assert.equal(made.status_code, 200);
  assert.equal(made.user_id, user_id);
  assert.match(made.token, /^[A-Za-z0-9_-]{44}$/);
  await refused(sdk.magicLinks.create({ user_id: NOBODY }), 404, "user_not_found");
  await refused(sdk.magicLinks.create({ user_id: "" }), 400, "invalid_user_id");
  await refused(sdk.magicLinks.create({ user_id, expiration_minutes: 4 }), 400, "invalid_expiration");
});

test("magicLinks.authenticate: once, without a session unless asked for", async () => {
  const { user_id } = await sdk.users.create({ email: address(), create_user_as_pending: true });
  const token = await link(user_id);
  const done = await sdk.magicLinks.authenticate({ token });
  assert.deepEqual([done.user_id, done.session_token, done.session_jwt, done.reset_sessions], [user_id, "", "", false]);
  assert.equal(done.session ?? null, null);
  assert.match(done.method_id, /./);
  assert.equal(done.user.status, "active");
  assert.equal(done.user.emails[0].verified, false, "nobody knows how the token was delivered");
  await refused(sdk.magicLinks.authenticate({ token }), 401, "unable_to_auth_magic_link");
  await refused(sdk.magicLinks.authenticate({ token: "Unmade3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=" }), 404, "magic_link_not_found");
  await refused(sdk.magicLinks.authenticate({ token: "" }), 400, "invalid_token");
  await refused(sdk.magicLinks.authenticate({ token: await link(user_id), session_duration_minutes: 4 }), 400, "invalid_session_duration_minutes");
});

test("magicLinks.authenticate: a session with claims and attributes", async () => {
  const attributes = { ip_address: "203.0.113.7", user_agent: "Firefox" };
  const done = await signedIn(sdk, { attributes, session_custom_claims: { plan: "gold", "https://app.example.com/team": { id: 7 }, sub: "somebody else" } });
  assert.match(done.session_token, /^[A-Za-z0-9_-]{44}$/);
  assert.match(done.session.session_id, /^session-test-[0-9a-f-]{36}$/);
  assert.deepEqual(done.session.attributes, attributes);
  assert.deepEqual(done.session.custom_claims, { plan: "gold", "https://app.example.com/team": { id: 7 } });
  const [factor] = done.session.authentication_factors;
  assert.deepEqual([factor.type, factor.delivery_method], ["magic_link", "embedded"]);
  assert.match(factor.embeddable_magic_link_factor.embedded_id, /./);
  const lives = (new Date(done.session.expires_at) - new Date(done.session.started_at)) / 60_000;
  assert.ok(Math.abs(lives - 60) < 0.1, `${lives} minutes`);
});

test("magicLinks.authenticate: the device must be the same where that is asked for", async () => {
  const { user_id } = await sdk.users.create({ email: address() });
  const token = await link(user_id, { attributes: { ip_address: "203.0.113.7", user_agent: "Firefox" } });
  const options = { ip_match_required: true, user_agent_match_required: true };
  const elsewhere = { token, options, attributes: { ip_address: "203.0.113.8", user_agent: "Firefox" } };
  await refused(sdk.magicLinks.authenticate(elsewhere), 401, "attribute_mismatch");
  const same = { token, options, attributes: { ip_address: "203.0.113.7", user_agent: "Firefox" } };
  assert.equal((await sdk.magicLinks.authenticate(same)).user_id, user_id);
});

test("magicLinks.authenticate: a second proof joins a session, by its token or its JWT", async () => {
  const first = await signedIn(sdk);
  const joined = await sdk.magicLinks.authenticate({ token: await link(first.user_id), session_token: first.session_token, session_custom_claims: { step: 2 } });
  assert.equal(joined.session.session_id, first.session.session_id);
  assert.equal(joined.session_token, first.session_token);
  assert.equal(joined.session.authentication_factors.length, 2);
  const again = await sdk.magicLinks.authenticate({ token: await link(first.user_id), session_jwt: joined.session_jwt, session_duration_minutes: 90 });
  assert.equal(again.session.session_id, first.session.session_id);
  assert.equal(again.session.authentication_factors.length, 3);
  assert.deepEqual(again.session.custom_claims, { step: 2 });
  assert.ok(new Date(again.session.expires_at) > new Date(first.session.expires_at));
  assert.equal((await sdk.sessions.get({ user_id: first.user_id })).sessions.length, 1);

  const { session_token } = await signedIn(sdk);
  const token = await link(first.user_id);
  await refused(sdk.magicLinks.authenticate({ token, session_token }), 400, "user_id_mismatch");
  await refused(sdk.magicLinks.authenticate({ token, session_token: "x".repeat(44) }), 404, "session_not_found");
  await refused(sdk.magicLinks.authenticate({ token, session_token, session_jwt: first.session_jwt }), 400, "too_many_session_arguments");
  assert.equal((await sdk.magicLinks.authenticate({ token })).status_code, 200, "refusals use nothing up");
});

test("users.create: with everything", async () => {
  const email = address();
  const made = await sdk.users.create({
    email: email.toUpperCase(),
    phone_number: "+12025550162",
    name: { first_name: "Ada", last_name: "Lovelace" },
    create_user_as_pending: true,
    trusted_metadata: { plan: "gold", nested: { a: [1, null] } },
    untrusted_metadata: { theme: "dark" },
    external_id: "create|1.a_b-c",
    roles: ["editor"],
  });
  assert.equal(made.status, "pending");
  assert.equal(made.user.user_id, made.user_id);
  assert.match(made.user_id, /^user-test-[0-9a-f-]{36}$/);
  assert.match(made.email_id, /^email-test-/);
  assert.match(made.phone_id, /^phone-number-test-/);
  assert.deepEqual(made.user.emails, [{ email_id: made.email_id, email, verified: false }]);
  assert.deepEqual(made.user.trusted_metadata, { plan: "gold", nested: { a: [1, null] } });
  assert.deepEqual(made.user.untrusted_metadata, { theme: "dark" });
  assert.deepEqual(made.user.roles, ["editor"]);
  assert.equal(made.user.external_id, "create|1.a_b-c");
  assert.deepEqual([made.user.name.first_name, made.user.name.last_name], ["Ada", "Lovelace"]);
  const plain = await sdk.users.create({ email: address() });
  assert.deepEqual([plain.status, plain.phone_id], ["active", ""]);

  await refused(sdk.users.create({ email }), 400, "duplicate_email");
  await refused(sdk.users.create({ email: address(), phone_number: "+12025550162" }), 400, "duplicate_phone_number");
  await refused(sdk.users.create({ email: address(), external_id: "create|1.a_b-c" }), 400, "duplicate_user_external_id");
  await refused(sdk.users.create({ email: "not an address" }), 400, "invalid_email");
  await refused(sdk.users.create({}), 400, "invalid_create_user_request");
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, key) => [`key${key}`, key]));
  await refused(sdk.users.create({ email: address(), trusted_metadata: many }), 400, "metadata_too_many_keys");
});

test("users.get: by our id and by the app's, reserved characters and all", async () => {
  const { user_id } = await sdk.users.create({ email: address(), external_id: "ada|1" });
  const found = await sdk.users.get({ user_id: "ada|1" });
  assert.deepEqual([found.user_id, found.external_id], [user_id, "ada|1"]);
  assert.deepEqual({ ...(await sdk.users.get({ user_id })), request_id: "" }, { ...found, request_id: "" });
  await refused(sdk.users.get({ user_id: NOBODY }), 404, "user_not_found");
  await refused(sdk.users.get({ user_id: "ada|1/../ada+1@example.com" }), 404, "user_not_found");
});

test("users.search and users.searchAll: filters and pages", async () => {
  const found = [];
  for (let made = 0; made < 5; made++) found.push(await sdk.users.create({ email: `searched${made}@example.org` }));
  const query = { operator: "AND", operands: [{ filter_name: "email_address_fuzzy", filter_value: "searched" }, { filter_name: "email_verified", filter_value: false }] };
  const first = await sdk.users.search({ limit: 2, query });
  assert.equal(first.results.length, 2);
  assert.ok([5, -1].includes(first.results_metadata.total), "-1: matches beyond this page were not counted");
  assert.notEqual(first.results_metadata.next_cursor, null);
  const pages = [];
  for await (const page of sdk.users.searchAll({ limit: 2, query })) pages.push(page.map((user) => user.user_id));
  assert.deepEqual(pages.map((page) => page.length), [2, 2, 1]);
  assert.deepEqual(pages.flat().sort(), found.map((user) => user.user_id).sort());
  const either = { operator: "OR", operands: [{ filter_name: "user_id", filter_value: [found[0].user_id] }, { filter_name: "email_address", filter_value: ["searched3@example.org"] }] };
  assert.equal((await sdk.users.search({ query: either })).results_metadata.total, 2);
  assert.ok((await sdk.users.search({})).results.length >= 5);
  await refused(sdk.users.search({ limit: 1001 }), 400, "user_search_invalid_limit");
  await refused(sdk.users.search({ cursor: "nonsense" }), 400, "user_search_invalid_cursor");
  await refused(sdk.users.search({ query: { operator: "AND", operands: [{ filter_name: "shoe_size", filter_value: 1 }] } }), 400, "user_search_filter_name_not_recognized");
});

test("users.update: merges, and removes what is null", async () => {
  const { user_id } = await sdk.users.create({ email: address(), name: { first_name: "Ada" }, trusted_metadata: { a: 1, b: 2 } });
  const changed = await sdk.users.update({ user_id, name: { last_name: "Lovelace" }, trusted_metadata: { a: null, c: 3 }, external_id: "ada|update", roles: ["admin"] });
  assert.deepEqual([changed.user.name.first_name, changed.user.name.last_name], ["Ada", "Lovelace"]);
  assert.deepEqual(changed.user.trusted_metadata, { b: 2, c: 3 });
  assert.deepEqual(changed.user.roles, ["admin"]);
  assert.deepEqual([changed.emails.length, changed.phone_numbers, changed.crypto_wallets], [1, [], []]);
  const again = await sdk.users.update({ user_id: "ada|update", untrusted_metadata: { theme: "dark" } });
  assert.deepEqual([again.user_id, again.user.untrusted_metadata], [user_id, { theme: "dark" }]);
  await refused(sdk.users.update({ user_id: NOBODY, name: {} }), 404, "user_not_found");
  await refused(sdk.users.update({ user_id, trusted_metadata: { big: "x".repeat(5000) } }), 400, "metadata_too_large");
});

test("users.deleteExternalId: the id is free again", async () => {
  const { user_id } = await sdk.users.create({ email: address(), external_id: "ada|gone" });
  const done = await sdk.users.deleteExternalId({ user_id: "ada|gone" });
  assert.deepEqual([done.user_id, done.user.external_id], [user_id, null]);
  await refused(sdk.users.get({ user_id: "ada|gone" }), 404, "user_not_found");
  await refused(sdk.users.deleteExternalId({ user_id: "ada|gone" }), 404, "user_not_found");
  assert.equal((await sdk.users.create({ email: address(), external_id: "ada|gone" })).status_code, 200);
});

test("users.delete: sessions and links go too", async () => {
  const { user_id, session_token } = await signedIn(sdk);
  const token = await link(user_id);
  await sdk.users.update({ user_id, external_id: "ada|deleted" });
  assert.equal((await sdk.users.delete({ user_id: "ada|deleted" })).user_id, user_id);
  await refused(sdk.users.delete({ user_id }), 404, "user_not_found");
  await refused(sdk.sessions.authenticate({ session_token }), 404, "session_not_found");
  await refused(sdk.magicLinks.authenticate({ token }), 404, "magic_link_not_found");
});

test("sessions.get: those that live, by the app's id too", async () => {
  const { user_id, session } = await signedIn(sdk);
  await sdk.users.update({ user_id, external_id: "ada|sessions" });
  const { sessions } = await sdk.sessions.get({ user_id: "ada|sessions" });
  assert.deepEqual(sessions.map((one) => [one.session_id, one.user_id]), [[session.session_id, user_id]]);
  await refused(sdk.sessions.get({ user_id: NOBODY }), 404, "user_not_found");
});

test("sessions.authenticate: by token and by JWT; longer, and with other claims", async () => {
  const { user_id, session, session_token, session_jwt } = await signedIn(sdk, { session_custom_claims: { a: 1, b: 2 } });
  const longer = await sdk.sessions.authenticate({ session_token, session_duration_minutes: 600, session_custom_claims: { a: null, c: 3 } });
  assert.deepEqual(longer.session.custom_claims, { b: 2, c: 3 });
  assert.ok(new Date(longer.session.expires_at) > new Date(session.expires_at));
  assert.deepEqual([longer.session.user_id, longer.user.user_id, longer.session_token], [user_id, user_id, session_token]);
  const by = await sdk.sessions.authenticate({ session_jwt });
  assert.deepEqual([by.session.session_id, by.session.expires_at], [session.session_id, longer.session.expires_at]);
  await refused(sdk.sessions.authenticate({}), 400, "no_session_arguments");
  await refused(sdk.sessions.authenticate({ session_token, session_jwt }), 400, "too_many_session_arguments");
  await refused(sdk.sessions.authenticate({ session_token: "x".repeat(44) }), 404, "session_not_found");
  await refused(sdk.sessions.authenticate({ session_jwt: `${session_jwt.slice(0, -8)}AAAAAAAA` }), 400, "unable_to_parse_session_jwt");
  await refused(sdk.sessions.authenticate({ session_token, authorization_check: { resource_id: "documents", action: "read" } }), 403, "session_authorization_error");
});

test("sessions.authenticateJwtLocal: the SDK verifies alone, and reads everything", async () => {
  const { user_id, session, session_jwt } = await signedIn(sdk, { session_custom_claims: { plan: "gold" }, attributes: { ip_address: "203.0.113.7", user_agent: "Firefox" } });
  const local = await sdk.sessions.authenticateJwtLocal({ session_jwt });
  assert.deepEqual(
    [local.session_id, local.user_id, local.custom_claims, local.attributes, local.roles],
    [session.session_id, user_id, { plan: "gold" }, { ip_address: "203.0.113.7", user_agent: "Firefox" }, []],
  );
  assert.equal(new Date(local.expires_at).getTime(), new Date(session.expires_at).getTime(), "the session's own end, not the token's");
  assert.equal(local.authentication_factors[0].delivery_method, "embedded");
  await refusedLocally(sdk.sessions.authenticateJwtLocal({ session_jwt, max_token_age_seconds: 0 }), "jwt_too_old");
  await refusedLocally(sdk.sessions.authenticateJwtLocal({ session_jwt, current_date: new Date(Date.now() + 301_000) }), "jwt_invalid");
  await refusedLocally(sdk.sessions.authenticateJwtLocal({ session_jwt: `${session_jwt.slice(0, -8)}AAAAAAAA` }), "jwt_invalid");
  assert.equal((await sdk.sessions.authenticateJwtLocal({ session_jwt, max_token_age_seconds: 240 })).user_id, user_id);
});

test("sessions.authenticateJwt: locally while it can, else a fresh JWT from the server", async () => {
  const { session, session_jwt } = await signedIn(sdk);
  const local = await sdk.sessions.authenticateJwt({ session_jwt });
  assert.deepEqual([local.session_jwt, "session_token" in local], [session_jwt, false], "no call was made");
  // For the SDK the token has expired: it asks the server, which answers with a fresh one.
  const stale = await sdk.sessions.authenticateJwt({ session_jwt, current_date: new Date(Date.now() + 301_000) });
  assert.equal(stale.session.session_id, session.session_id);
  assert.ok("session_token" in stale);
  assert.equal((await sdk.sessions.authenticateJwtLocal({ session_jwt: stale.session_jwt })).session_id, session.session_id);
  const forced = await sdk.sessions.authenticateJwt({ session_jwt, max_token_age_seconds: 0, session_duration_minutes: 600, session_custom_claims: { plan: "gold" } });
  assert.deepEqual(forced.session.custom_claims, { plan: "gold" });
  await refused(sdk.sessions.authenticateJwt({ session_jwt: "no.jwt.atall" }), 400, "unable_to_parse_session_jwt");
});

test("sessions.revoke: by id, token or JWT; a JWT passes local checks until it expires", async () => {
  for (const by of [({ session }) => ({ session_id: session.session_id }), ({ session_token }) => ({ session_token }), ({ session_jwt }) => ({ session_jwt })]) {
    const held = await signedIn(sdk);
    assert.equal((await sdk.sessions.revoke(by(held))).status_code, 200);
    const { session_token, session_jwt } = held;
    await refused(sdk.sessions.authenticate({ session_token }), 404, "session_not_found");
    await refused(sdk.sessions.authenticateJwt({ session_jwt, max_token_age_seconds: 0 }), 404, "session_not_found");
    assert.equal((await sdk.sessions.authenticateJwtLocal({ session_jwt })).user_id, held.user_id);
    assert.deepEqual((await sdk.sessions.get({ user_id: held.user_id })).sessions, []);
  }
  await refused(sdk.sessions.revoke({}), 400, "no_session_revoke_arguments");
  await refused(sdk.sessions.revoke({ session_id: "session-test-11111111-1111-4111-8111-111111111111", session_token: "x" }), 400, "too_many_session_revoke_arguments");
});

test("sessions.getJWKS: keys with everything that the SDKs want, and nothing private", async () => {
  const { session_jwt } = await signedIn(sdk);
  const { keys } = await sdk.sessions.getJWKS({ project_id: project });
  assert.ok(keys.some((key) => key.kid === header(session_jwt).kid));
  for (const key of keys) {
    assert.deepEqual(Object.keys(key).sort(), ["alg", "e", "key_ops", "kid", "kty", "n", "use", "x5c", "x5tS256"]);
    assert.deepEqual([key.kty, key.alg, key.use, key.key_ops, key.e], ["RSA", "RS256", "sig", ["verify"], "AQAB"]);
  }
  await refused(sdk.sessions.getJWKS({ project_id: "project-test-11111111-1111-4111-8111-111111111111" }), 404, "project_not_found");
});

test("a signing key is rotated, and nobody's check fails", async () => {
  const { session_token, session_jwt: old } = await signedIn(sdk);
  const before = (await sdk.sessions.getJWKS({ project_id: project })).keys.length;
  rotate();
  await becomes(async () => (await sdk.sessions.getJWKS({ project_id: project })).keys.length > before);
  // An SDK that fetches its keys during the lead, and keeps them over the change.
  const cached = client();
  assert.ok(await cached.sessions.authenticateJwtLocal({ session_jwt: old }));
  assert.equal(header((await sdk.sessions.authenticate({ session_token })).session_jwt).kid, header(old).kid, "published, and not yet used");
  let fresh = old;
  await becomes(async () => {
    ({ session_jwt: fresh } = await sdk.sessions.authenticate({ session_token }));
    return header(fresh).kid !== header(old).kid;
  });
  for (const one of [cached, client()]) {
    assert.ok(await one.sessions.authenticateJwtLocal({ session_jwt: fresh }));
    assert.ok(await one.sessions.authenticateJwtLocal({ session_jwt: old }), "the old key stays published");
  }
  assert.ok(await sdk.sessions.authenticate({ session_jwt: old }), "and the server goes on with the old token");
});
