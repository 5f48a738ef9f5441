// Every call of tier 2 that the SDK for Node has: mailed links and codes, proof keys, addresses, the small calls, and the vendor's constants for tests.
// Links and codes are taken out of mails that were really sent. A new call is a line in CALLS and its test.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { client, codeTo, linkTo, mailbox, mailTo, notMade, project, refused } from "./support.mjs";

const CALLS = [
  "magicLinks.email.loginOrCreate",
  "magicLinks.email.send",
  "magicLinks.email.invite",
  "magicLinks.email.revokeInvite",
  "magicLinks.authenticate",
  "otps.email.loginOrCreate",
  "otps.email.send",
  "otps.authenticate",
  "users.deleteEmail",
  "users.deletePhoneNumber",
  "users.exchangePrimaryFactor",
  "debug.whoami",
  "project.metrics",
  "rbac.policy",
];
after(() => assert.deepEqual(notMade(CALLS), [], "calls of tier 2 that no test makes"));

const sdk = client();
const NOBODY = "user-test-11111111-1111-4111-8111-111111111111";
const user = async (email, given = {}) => sdk.users.create({ email, ...given });
const wrong = (code) => (code === "123456" ? "654321" : "123456");

test("magicLinks.email.loginOrCreate: a mailed link makes a user, and proves the address", async () => {
  const email = mailbox();
  const sent = await sdk.magicLinks.email.loginOrCreate({ email, create_user_as_pending: true, signup_expiration_minutes: 30, locale: "en", attributes: { ip_address: "203.0.113.7" } });
  assert.deepEqual(Object.keys(sent).sort(), ["email_id", "request_id", "status_code", "user_created", "user_id"]);
  assert.deepEqual([sent.status_code, sent.user_created], [200, true]);
  assert.match(await mailTo(email), /for 30 minutes/);
  const { link, token } = await linkTo(email);
  assert.match(link, /^https?:\/\/[^/]+\/v1\/magic_links\/redirect\?public_token=public-token-test-[0-9a-f-]{36}&stytch_token_type=magic_links&token=/);
  const done = await sdk.magicLinks.authenticate({ token, session_duration_minutes: 60 });
  assert.deepEqual([done.user_id, done.method_id], [sent.user_id, sent.email_id]);
  assert.deepEqual([done.user.status, done.user.emails], ["active", [{ email_id: sent.email_id, email, verified: true }]]);
  const [factor] = done.session.authentication_factors;
  assert.deepEqual([factor.type, factor.delivery_method, factor.email_factor], ["magic_link", "email", { email_id: sent.email_id, email_address: email }]);
  await refused(sdk.magicLinks.authenticate({ token }), 401, "unable_to_auth_magic_link");

  const again = await sdk.magicLinks.email.loginOrCreate({ email: email.toUpperCase(), login_magic_link_url: "https://app.example.com/other", login_expiration_minutes: 5 });
  assert.deepEqual([again.user_id, again.email_id, again.user_created], [sent.user_id, sent.email_id, false]);
  assert.match(await mailTo(email, 2), /for 5 minutes/);
  assert.equal((await sdk.magicLinks.authenticate({ token: (await linkTo(email, 2)).token })).user_id, sent.user_id);
});

test("magicLinks.email.loginOrCreate: bad fields, and a mailbox that is full", async () => {
  const email = mailbox();
  const ask = (given) => sdk.magicLinks.email.loginOrCreate({ email, ...given });
  await refused(ask({ email: "not an address" }), 400, "invalid_email");
  await refused(ask({ login_expiration_minutes: 4 }), 400, "invalid_expiration");
  await refused(ask({ signup_expiration_minutes: 10081 }), 400, "invalid_expiration");
  await refused(ask({ signup_magic_link_url: "https://app.example.com/elsewhere" }), 400, "no_match_for_provided_magic_link_url");
  await refused(ask({ login_magic_link_url: "not a url" }), 400, "invalid_magic_link_url");
  await refused(ask({ locale: "xx" }), 400, "invalid_locale");
  await refused(ask({ login_template_id: "unknown" }), 400, "email_template_not_found");
  await refused(ask({ code_challenge: "short" }), 400, "invalid_pkce_code_challenge");
  await refused(sdk.magicLinks.email.send({ email }), 404, "email_not_found");
  for (let mails = 0; mails < 3; mails++) await ask({});
  await mailTo(email, 3);
  await refused(ask({}), 429, "too_many_requests");
});

test("a mailed link is opened, by whatever means, and stays unused", async () => {
  const email = mailbox();
  await sdk.magicLinks.email.loginOrCreate({ email });
  assert.match(await mailTo(email), /for 7 days/);
  const { link, token } = await linkTo(email);
  for (const method of ["GET", "HEAD", "GET"]) {
    const answer = await fetch(link, { method, redirect: "manual" });
    assert.equal(answer.status, 200);
    assert.deepEqual([answer.headers.get("referrer-policy"), answer.headers.get("cache-control")], ["no-referrer", "no-store"]);
    assert.ok(!(await answer.text()).includes("app.example.com/welcome"));
  }
  assert.equal((await sdk.magicLinks.authenticate({ token })).status_code, 200);
});

test("magicLinks.email.send: to a user who exists, or a second address for one", async () => {
  const [first, second, third] = [mailbox(), mailbox(), mailbox()];
  const { user_id, email_id } = await user(first, { external_id: "grace|send" });
  const sent = await sdk.magicLinks.email.send({ email: first });
  assert.deepEqual([sent.user_id, sent.email_id], [user_id, email_id]);
  const { session_token } = await sdk.magicLinks.authenticate({ token: (await linkTo(first)).token, session_duration_minutes: 60 });

  const added = await sdk.magicLinks.email.send({ email: second, user_id: "grace|send" });
  assert.equal(added.user_id, user_id);
  const done = await sdk.magicLinks.authenticate({ token: (await linkTo(second)).token });
  assert.equal(done.method_id, added.email_id);
  assert.deepEqual(done.user.emails.map((one) => [one.email, one.verified]), [[first, true], [second, true]]);
  assert.equal((await sdk.magicLinks.email.send({ email: third, session_token })).user_id, user_id);
  const joined = await sdk.magicLinks.authenticate({ token: (await linkTo(third)).token, session_token });
  assert.deepEqual([joined.user.emails.length, joined.session.authentication_factors.length], [3, 2]);

  await refused(sdk.magicLinks.email.send({ email: mailbox(), user_id: NOBODY }), 404, "user_not_found");
  await refused(sdk.magicLinks.email.send({ email: mailbox(), session_token: "x".repeat(44) }), 404, "session_not_found");
  await refused(sdk.magicLinks.email.send({ email: first, user_id, session_token }), 400, "too_many_session_arguments");
  const other = mailbox();
  await user(other);
  await refused(sdk.magicLinks.email.send({ email: other, user_id }), 400, "duplicate_email");
});

test("magicLinks.email.invite and revokeInvite: a pending user until then", async () => {
  const email = mailbox();
  const invited = await sdk.magicLinks.email.invite({
    email,
    invite_magic_link_url: "https://app.example.com/join",
    invite_expiration_minutes: 90,
    name: { first_name: "Grace" },
    trusted_metadata: { plan: "gold" },
  });
  const { status, name, trusted_metadata } = await sdk.users.get({ user_id: invited.user_id });
  assert.deepEqual([status, name.first_name, trusted_metadata], ["pending", "Grace", { plan: "gold" }]);
  assert.match(await mailTo(email), /You are invited to[\s\S]*for 90 minutes/);
  const { token } = await linkTo(email);
  assert.equal((await sdk.magicLinks.email.revokeInvite({ email })).status_code, 200);
  await refused(sdk.magicLinks.authenticate({ token }), 404, "magic_link_not_found");
  await refused(sdk.magicLinks.email.revokeInvite({ email }), 404, "email_not_found");

  await sdk.magicLinks.email.invite({ email });
  const done = await sdk.magicLinks.authenticate({ token: (await linkTo(email, 2)).token });
  assert.deepEqual([done.user.status, done.user.emails[0].verified], ["active", true]);
  await refused(sdk.magicLinks.email.invite({ email }), 400, "user_already_invited");
  await refused(sdk.magicLinks.email.invite({ email: "nobody" }), 400, "invalid_email");
  await refused(sdk.magicLinks.email.invite({ email: mailbox(), invite_expiration_minutes: 4 }), 400, "invalid_expiration");
  await refused(sdk.magicLinks.email.invite({ email: mailbox(), invite_magic_link_url: "https://app.example.com/other" }), 400, "no_match_for_provided_magic_link_url");
});

test("proof keys: only who asked for the link can exchange it", async () => {
  const email = mailbox();
  const code_verifier = randomBytes(32).toString("base64url");
  const code_challenge = createHash("sha256").update(code_verifier).digest("base64url");
  await sdk.magicLinks.email.loginOrCreate({ email, code_challenge });
  const { token } = await linkTo(email);
  await refused(sdk.magicLinks.authenticate({ token }), 400, "pkce_expected_code_verifier");
  await refused(sdk.magicLinks.authenticate({ token, code_verifier: "short" }), 400, "invalid_pkce_code_verifier");
  await refused(sdk.magicLinks.authenticate({ token, code_verifier: code_challenge }), 400, "pkce_mismatch");
  assert.equal((await sdk.magicLinks.authenticate({ token, code_verifier })).status_code, 200);
  await sdk.magicLinks.email.send({ email });
  const { token: without } = await linkTo(email, 2);
  await refused(sdk.magicLinks.authenticate({ token: without, code_verifier }), 400, "pkce_did_not_expect_code_verifier");
  await sdk.magicLinks.email.send({ email, code_challenge });
  assert.equal((await sdk.magicLinks.authenticate({ token: (await linkTo(email, 3)).token, code_verifier })).status_code, 200);
});

test("otps.email.loginOrCreate, send and authenticate: a code proves the address, once", async () => {
  const [email, second] = [mailbox(), mailbox()];
  const sent = await sdk.otps.email.loginOrCreate({ email, expiration_minutes: 10, create_user_as_pending: true });
  assert.deepEqual([sent.status_code, sent.user_created], [200, true]);
  const method_id = sent.email_id;
  const code = await codeTo(email);
  await refused(sdk.otps.authenticate({ method_id, code: wrong(code) }), 404, "otp_code_not_found");
  await refused(sdk.otps.authenticate({ method_id, code: "12345" }), 400, "invalid_code");
  await refused(sdk.otps.authenticate({ method_id: "", code }), 400, "invalid_method_id");
  const done = await sdk.otps.authenticate({ method_id, code, session_duration_minutes: 60, session_custom_claims: { plan: "gold" } });
  assert.deepEqual([done.user_id, done.method_id, done.user.status, done.user.emails[0].verified], [sent.user_id, method_id, "active", true]);
  const [factor] = done.session.authentication_factors;
  assert.deepEqual([factor.type, factor.delivery_method, factor.email_factor.email_address], ["otp", "email", email]);
  assert.deepEqual(done.session.custom_claims, { plan: "gold" });
  await refused(sdk.otps.authenticate({ method_id, code }), 401, "unable_to_auth_otp_code");

  assert.deepEqual({ ...(await sdk.otps.email.send({ email })), request_id: "" }, { status_code: 200, request_id: "", user_id: sent.user_id, email_id: method_id });
  const joined = await sdk.otps.authenticate({ method_id, code: await codeTo(email, 2), session_token: done.session_token });
  assert.equal(joined.session.session_id, done.session.session_id);
  assert.equal((await sdk.otps.email.loginOrCreate({ email })).user_created, false);
  const added = await sdk.otps.email.send({ email: second, session_jwt: joined.session_jwt });
  assert.equal(added.user_id, sent.user_id);
  const both = await sdk.otps.authenticate({ method_id: added.email_id, code: await codeTo(second) });
  assert.deepEqual(both.user.emails.map((one) => one.verified), [true, true]);

  await refused(sdk.otps.email.send({ email: mailbox() }), 404, "email_not_found");
  await refused(sdk.otps.email.send({ email: second, expiration_minutes: 11 }), 400, "invalid_expiration_otp");
  await refused(sdk.otps.email.loginOrCreate({ email: "nobody" }), 400, "invalid_email");
  await refused(sdk.otps.email.loginOrCreate({ email: second, expiration_minutes: 0 }), 400, "invalid_expiration_otp");
});

test("otps.authenticate: five wrong codes end it, and the newest code is the only one", async () => {
  const email = mailbox();
  const { email_id: method_id } = await sdk.otps.email.loginOrCreate({ email });
  const first = await codeTo(email);
  await sdk.otps.email.send({ email });
  const code = await codeTo(email, 2);
  if (first !== code) await refused(sdk.otps.authenticate({ method_id, code: first }), 404, "otp_code_not_found");
  for (let tries = first === code ? 0 : 1; tries < 5; tries++) await refused(sdk.otps.authenticate({ method_id, code: wrong(code) }), 404, "otp_code_not_found");
  await refused(sdk.otps.authenticate({ method_id, code }), 401, "unable_to_auth_otp_code");
});

test("users.deleteEmail, deletePhoneNumber and exchangePrimaryFactor: never without any", async () => {
  const email = mailbox();
  const { user_id, email_id, phone_id } = await user(email, { phone_number: "+12025550170", external_id: "grace|factor" });
  await refused(sdk.users.exchangePrimaryFactor({ user_id, email_address: mailbox() }), 400, "invalid_exchange_primary_factor_user");
  const left = await sdk.users.deletePhoneNumber({ phone_id });
  assert.deepEqual([left.user_id, left.user.phone_numbers, left.user.emails.length], [user_id, [], 1]);
  await refused(sdk.users.deleteEmail({ email_id }), 400, "cannot_delete_last_primary_factor");
  await refused(sdk.users.deletePhoneNumber({ phone_id }), 404, "user_not_found");
  const next = mailbox();
  const changed = await sdk.users.exchangePrimaryFactor({ user_id: "grace|factor", email_address: next });
  assert.deepEqual(changed.user.emails.map((one) => [one.email, one.verified]), [[next, false]]);
  await refused(sdk.users.exchangePrimaryFactor({ user_id }), 400, "invalid_exchange_primary_factor_fields");
  await refused(sdk.users.exchangePrimaryFactor({ user_id: NOBODY, email_address: mailbox() }), 404, "user_not_found");
  await user(email);
  await refused(sdk.users.exchangePrimaryFactor({ user_id, email_address: email }), 400, "duplicate_email");

  const two = await user(mailbox(), { phone_number: "+12025550171" });
  const called = await sdk.users.deleteEmail({ email_id: two.email_id });
  assert.deepEqual([called.user.emails, called.user.phone_numbers[0].phone_number], [[], "+12025550171"]);
  await refused(sdk.users.deletePhoneNumber({ phone_id: two.phone_id }), 400, "cannot_delete_last_primary_factor");
});

test("debug.whoami, project.metrics and rbac.policy", async () => {
  const stranger = client({ secret: "secret-test-wrong-wrong-wrong" });
  const who = await sdk.debug.whoami({});
  assert.deepEqual([who.project_id, who.name], [project, "shop"]);
  const count = async () => {
    const { project_id, metrics } = await sdk.project.metrics();
    assert.deepEqual([project_id, metrics.length, metrics[0].metric_type], [project, 1, "USER_COUNT"]);
    return metrics[0].count;
  };
  const before = await count();
  await user(mailbox());
  assert.ok((await count()) > before);
  assert.deepEqual((await sdk.rbac.policy()).policy, { roles: [], resources: [], scopes: [] });
  await refused(stranger.debug.whoami({}), 401, "unauthorized_credentials");
  await refused(stranger.project.metrics(), 401, "unauthorized_credentials");
  await refused(stranger.rbac.policy(), 401, "unauthorized_credentials");
});

test("the vendor's constants for tests, where they are switched on", async () => {
  const email = "sandbox@stytch.com";
  const user_id = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
  const calls = [sdk.magicLinks.email.loginOrCreate, sdk.magicLinks.email.send, sdk.magicLinks.email.invite, sdk.otps.email.loginOrCreate, sdk.otps.email.send];
  for (const call of calls) {
    assert.equal((await call({ email })).user_id, user_id);
  }
  assert.equal((await sdk.magicLinks.email.revokeInvite({ email })).status_code, 200);
  const token = "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=";
  for (let times = 0; times < 2; times++) {
    const done = await sdk.magicLinks.authenticate({ token, session_duration_minutes: 60 });
    assert.deepEqual([done.user_id, done.session_token], [user_id, "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"]);
    const local = await sdk.sessions.authenticateJwt({ session_jwt: done.session_jwt });
    assert.equal(local.session.user_id, user_id);
  }
  await refused(sdk.magicLinks.authenticate({ token: "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=" }), 401, "unable_to_auth_magic_link");
  await refused(sdk.magicLinks.authenticate({ token: "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=" }), 404, "magic_link_not_found");
  const held = await sdk.sessions.authenticate({ session_token: "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY" });
  assert.equal(held.session.authentication_factors[0].email_factor.email_address, email);
  assert.equal(new Date(held.session.started_at).getTime(), Date.parse("2021-08-28T00:41:58.935Z"));
  await refused(sdk.sessions.authenticate({ session_token: "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw" }), 404, "session_not_found");
  const { email_id: method_id } = await sdk.otps.email.send({ email });
  assert.equal((await sdk.otps.authenticate({ method_id, code: "000000" })).user_id, user_id);
  await refused(sdk.otps.authenticate({ method_id, code: "000001" }), 404, "otp_code_not_found");
  await refused(sdk.sessions.get({ user_id }), 404, "user_not_found");
});
