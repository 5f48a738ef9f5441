// Tokens: validateToken, and the middleware for Express.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import express from "express";
import { appId, call, claims, id, instance, isError, notMade, other, redeem, signedIn, url } from "./support.mjs";

const sdk = instance();

after(() => assert.deepEqual(notMade(["validateToken", "express.authenticate"]), []));

const payload = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

test("an access token is verified by the published keys, and says who it is", async () => {
  const { access_token, app_user_id } = await signedIn(sdk);
  const { decoded_token: token, user_id, access_token: same } = await sdk.validateToken(access_token);
  assert.deepEqual([user_id, same], [app_user_id, access_token]);
  assert.deepEqual([token.iss, token.aud[0], token.sub], [url, `app:${await appId()}`, app_user_id]);
  assert.deepEqual([token[claims.CLAIM_USER_ID], token[claims.CLAIM_IS_VERIFIED_USER]], [app_user_id, true]);
  assert.equal(token["https://auth.rownd.io/auth_level"], "verified");
  assert.equal(token.exp - token.iat, 3600);
  assert.match(token.jti, /^[0-9a-f-]{36}$/);
  assert.ok(!("https://auth.rownd.io/jwt_type" in token) && !("https://auth.rownd.io/is_anonymous" in token));
});

test("what is no token of ours is not verified", async () => {
  const { access_token } = await signedIn(sdk);
  const [header, body, signature] = access_token.split(".");
  const forged = Buffer.from(JSON.stringify({ ...payload(access_token), sub: "somebody" })).toString("base64url");
  const unsigned = Buffer.from('{"alg":"none"}').toString("base64url");
  for (const bad of [`${header}.${forged}.${signature}`, `${unsigned}.${body}.`, `${header}.${body}.${signature.slice(0, -4)}AAAA`, "x.y.z", ""]) {
    await assert.rejects(sdk.validateToken(bad), bad);
  }
});

test("tokens of two apps are verified by the one key set, and told apart by their audience", async () => {
  const theirs = await signedIn(instance(other), { redirect_url: "https://other.example.com/in" });
  const { decoded_token } = await sdk.validateToken(theirs.access_token);
  assert.deepEqual(decoded_token.aud, [`app:${await appId(other)}`]);
});

test("the metadata and the key set are those of the contract", async () => {
  const { status, body } = await call("GET", "/hub/auth/.well-known/oauth-authorization-server", undefined, {});
  assert.equal(status, 200);
  const addresses = [body.issuer, body.token_endpoint, body.jwks_uri, body.userinfo_endpoint];
  assert.deepEqual(addresses, [url, `${url}/hub/auth/token`, `${url}/hub/auth/keys`, `${url}/me`]);
  assert.deepEqual([body.response_types_supported, body.id_token_signing_alg_values_supported], [["token"], ["EdDSA"]]);
  assert.deepEqual([body.grant_types_supported, body.token_endpoint_auth_methods_supported], [["refresh_token"], ["none"]]);
  const { keys } = (await call("GET", "/hub/auth/keys", undefined, {})).body;
  assert.ok(keys.length > 0);
  for (const key of keys) {
    assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
    assert.deepEqual([key.alg, key.crv, key.kty, key.use], ["EdDSA", "Ed25519", "OKP", "sig"]);
    assert.match(key.kid, /^sig-\d+$/);
  }
  assert.equal(new Set(keys.map((key) => key.kid)).size, keys.length);
});

test("a refresh gives the next pair, once", async () => {
  const first = await signedIn(sdk);
  assert.equal(payload(first.refresh_token)["https://auth.rownd.io/jwt_type"], "refresh_token");
  const exchange = (refresh_token) => call("POST", "/hub/auth/token", { refresh_token }, { "content-type": "application/json" });
  const next = await exchange(first.refresh_token);
  assert.deepEqual([next.status, Object.keys(next.body).sort()], [200, ["access_token", "refresh_token"]]);
  assert.equal((await sdk.validateToken(next.body.access_token)).user_id, first.app_user_id);
  const again = await exchange(first.refresh_token);
  assert.equal(isError(again.body, 400, "E_INVALID_REFRESH_TOKEN").message, "Invalid refresh token: Refresh token has been consumed");
  // Somebody has a copy: what came of it is over.
  isError((await exchange(next.body.refresh_token)).body, 400, "E_INVALID_REFRESH_TOKEN");
});

/** An app of Express with the SDK's middleware; answers what its handler, or its error handler, was given. */
async function asked(authenticate, header) {
  const app = express();
  app.get("/", authenticate, (req, res) => res.json({ tokenInfo: req.tokenInfo, user: req.user, in: req.isAuthenticated }));
  app.use((error, _req, res, _next) => res.status(599).json({ message: error.message, statusCode: error.statusCode }));
  const server = app.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  try {
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: header ? { authorization: header } : {} });
    return { status: answer.status, ...(await answer.json()) };
  } finally {
    await new Promise((done) => server.close(done));
  }
}

test("Express: requests with a token are authenticated, with the profile if it is wanted", async () => {
  const { access_token, app_user_id } = await signedIn(sdk, { data: { first_name: "Ada" } });
  const bearer = `Bearer ${access_token}`;
  const plain = await asked(sdk.express.authenticate(), bearer);
  assert.deepEqual([plain.status, plain.in, plain.tokenInfo.user_id, plain.user], [200, true, app_user_id, undefined]);
  const known = await asked(sdk.express.authenticate({ fetchUserInfo: true }), bearer.replace("Bearer", "bearer"));
  assert.deepEqual([known.user.user_id, known.user.first_name], [app_user_id, "Ada"]);
  const whole = await asked(instance().express.authenticate({ fetchUserInfo: true, setFullUserProfile: true }), bearer);
  assert.deepEqual([whole.user.data.first_name, whole.user.state], ["Ada", "enabled"]);
});

test("Express: those without are not, and a user who is gone is missed", async () => {
  const missing = await asked(sdk.express.authenticate(), undefined);
  assert.match(missing.message, /^Missing or badly formatted authorization header/);
  const wrong = await asked(sdk.express.authenticate(), "Bearer nonsense");
  assert.deepEqual([wrong.status, wrong.statusCode], [599, 401]);
  const lenient = await asked(sdk.express.authenticate({ errOnInvalidToken: false }), "Bearer nonsense");
  assert.deepEqual([lenient.status, lenient.in], [200, false]);

  const { access_token, app_user_id } = await signedIn(sdk);
  await sdk.deleteUser(app_user_id);
  const gone = await asked(instance().express.authenticate({ fetchUserInfo: true, errOnMissingUser: true }), `Bearer ${access_token}`);
  assert.equal(gone.statusCode, 404);
  assert.match(gone.message, new RegExp(`^The user '${app_user_id}' could not be retrieved\\. Reason: Response code 404`));
});

test("a sign-out ends what the server itself is asked, at once", async () => {
  const { access_token, refresh_token, app_user_id } = await signedIn(sdk);
  const me = () => call("GET", "/me", undefined, { authorization: `Bearer ${access_token}` });
  assert.equal((await me()).body.data.user_id, app_user_id);
  const out = await call("POST", `/applications/${await appId()}/users/${app_user_id}/signout`, { sign_out_all: true });
  assert.equal(out.status, 204);
  isError((await me()).body, 401, "E_UNAUTHORIZED");
  isError((await call("POST", "/hub/auth/token", { refresh_token }, { "content-type": "application/json" })).body, 400, "E_INVALID_REFRESH_TOKEN");
  // Whoever checks the signature alone sees it when the token expires.
  assert.equal((await sdk.validateToken(access_token)).user_id, app_user_id);
});

test("somebody who is signed in signs another device in, whose session ends with theirs", async () => {
  const parent = await signedIn(sdk);
  const bearer = { authorization: `Bearer ${parent.access_token}` };
  // The vendor's SDKs for apps send neither a body nor its type.
  const made = await call("POST", "/me/auth/magic", undefined, bearer);
  assert.deepEqual([made.status, Object.keys(made.body).sort(), made.body.app_user_id], [200, ["app_user_id", "link"], parent.app_user_id]);
  const { status, body: child } = await redeem(made.body.link);
  assert.deepEqual([status, child.app_user_id, child.user_type], [200, parent.app_user_id, "existing_user"]);
  assert.equal((await sdk.validateToken(child.access_token)).user_id, parent.app_user_id);
  isError((await redeem(made.body.link)).body, 410, "E_LINK_CONSUMED");

  const me = () => call("GET", "/me", undefined, { authorization: `Bearer ${child.access_token}` });
  assert.equal((await me()).status, 200);
  const pending = (await call("POST", "/me/auth/magic", undefined, bearer)).body.link;
  const out = await call("POST", `/me/applications/${await appId()}/signout`, {}, { ...bearer, "content-type": "application/json" });
  assert.equal(out.status, 204);
  isError((await me()).body, 401, "E_UNAUTHORIZED");
  isError((await redeem(pending)).body, 410, "E_LINK_CONSUMED");
});

test("a disabled user is refused with a code of its own", async () => {
  const { access_token, app_user_id } = await signedIn(sdk);
  const state = await call("POST", `/applications/${await appId()}/users/${app_user_id}/state`, { state: "disabled" });
  assert.deepEqual([state.status, state.body.state], [200, "disabled"]);
  isError((await call("GET", "/me", undefined, { authorization: `Bearer ${access_token}` })).body, 403, "E_USER_DISABLED");
  const nobody = await call("GET", `/applications/${await appId()}/users/${id()}/data`);
  isError(nobody.body, 404, "E_USER_NOT_FOUND");
});
