// Profiles: fetchUserInfo, createOrUpdateUser, deleteUser.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, test } from "node:test";
import { ROWND_ID, address, appId, call, id, instance, isProfile, notMade, other, phone, refused, shop, signedIn, url } from "./support.mjs";

const sdk = instance();
/** Read anew: an instance keeps profiles for five minutes. */
const read = (user_id) => instance().fetchUserInfo({ user_id });

after(() => assert.deepEqual(notMade(["fetchUserInfo", "createOrUpdateUser", "deleteUser"]), []));

test("a user is made under an id of the app's, read and written again", async () => {
  const user = id();
  const email = address();
  const made = await sdk.createOrUpdateUser({ id: user, data: { email, first_name: "Ada" } });
  isProfile(made, { named: false });
  assert.deepEqual(made.data, { user_id: user, email, first_name: "Ada" });
  assert.deepEqual([made.verified_data, made.auth_level, made.groups], [{}, "unverified", []]);
  const profile = isProfile(await read(user));
  assert.deepEqual(profile.data, made.data);
  // Whole profiles go back as they came.
  const again = await sdk.createOrUpdateUser({ id: user, data: { ...profile.data, last_name: "Lovelace" } });
  assert.deepEqual(again.data, { user_id: user, email, first_name: "Ada", last_name: "Lovelace" });
});

test("a write replaces, but for identifiers, which go with null only", async () => {
  const user = id();
  const [email, phone_number] = [address(), phone()];
  await sdk.createOrUpdateUser({ id: user, data: { email, phone_number, first_name: "Ada", last_name: "Lovelace" } });
  const partial = await sdk.createOrUpdateUser({ id: user, data: { first_name: "Augusta" } });
  assert.deepEqual(partial.data, { user_id: user, email, phone_number, first_name: "Augusta" });
  const cleared = await sdk.createOrUpdateUser({ id: user, data: { phone_number: null } });
  assert.deepEqual(cleared.data, { user_id: user, email });
});

test("the id may stand in the data, and may be a directive", async () => {
  const user = id();
  const named = await sdk.createOrUpdateUser({ data: { user_id: user, first_name: "Ada" } });
  assert.equal(named.data.user_id, user);
  const drawn = [
    ["__uuid__", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/],
    ["__UUID__", /^[0-9a-f]{8}-[0-9a-f]{4}-4/],
    ["__objectid__", /^[0-9a-f]{24}$/],
    ["__rowndid__", ROWND_ID],
    ["__default__", ROWND_ID],
  ];
  for (const [directive, form] of drawn) {
    const { data } = await sdk.createOrUpdateUser({ id: directive, data: { first_name: "Ada" } });
    assert.match(data.user_id, form, directive);
    assert.equal((await read(data.user_id)).data.first_name, "Ada", directive);
  }
  await refused(sdk.createOrUpdateUser({ id: "__nonsense__", data: {} }), 400, "E_VALIDATION");
});

test("ids go into the path as they are", async () => {
  for (const user of [`auth0|${id()}`, `a+b.${id()}`, `urn:x:${id()}`, `${id()}@example.com`]) {
    const made = await sdk.createOrUpdateUser({ id: user, data: { first_name: "Ada" } });
    assert.equal(made.data.user_id, user);
    assert.equal((await read(user)).data.user_id, user);
    await sdk.deleteUser(user);
    await refused(read(user), 404, "E_USER_NOT_FOUND");
  }
});

test("what does not fit the schema is refused, and every field is named", async () => {
  const user = id();
  const body = await refused(sdk.createOrUpdateUser({ id: user, data: { shoe_size: 38, first_name: 5, email: "not an address" } }), 400, "E_USER_UPDATE_FAILED");
  assert.deepEqual(Object.keys(body.field_errors).sort(), ["email", "first_name", "shoe_size"]);
  for (const told of Object.values(body.field_errors)) assert.ok(Array.isArray(told) && told.every((text) => text.length > 3));
  await refused(read(user), 404, "E_USER_NOT_FOUND");
});

test("an id in the data is the one of the path", async () => {
  const body = await refused(sdk.createOrUpdateUser({ id: id(), data: { user_id: id() } }), 400, "E_USER_UPDATE_FAILED");
  assert.deepEqual(Object.keys(body.field_errors), ["user_id"]);
});

test("an address that somebody proved is nobody else's", async () => {
  const email = address();
  await signedIn(sdk, { email });
  await refused(sdk.createOrUpdateUser({ id: id(), data: { email } }), 409, "E_CONFLICT");
});

test("a user is deleted, and then is unknown", async () => {
  const user = id();
  await sdk.createOrUpdateUser({ id: user, data: { first_name: "Ada" } });
  assert.equal(await sdk.deleteUser(user), undefined);
  await refused(read(user), 404, "E_USER_NOT_FOUND");
  await refused(sdk.deleteUser(user), 404, "E_USER_NOT_FOUND");
});

test("credentials that are wrong, and those of another app", async () => {
  const user = id();
  await sdk.createOrUpdateUser({ id: user, data: { first_name: "Ada" } });
  const wrong = await refused(instance({ app_secret: "ras_wrong" }).fetchUserInfo({ user_id: user }), 401, "E_UNAUTHORIZED");
  const missing = await refused(instance({ app_secret: undefined }).fetchUserInfo({ user_id: user }), 401, "E_UNAUTHORIZED");
  assert.equal(wrong.message, missing.message);
  await refused(instance(other).fetchUserInfo({ user_id: user }), 404, "E_USER_NOT_FOUND");
  await refused(instance(other).fetchUserInfo({ user_id: user, app_id: await appId() }), 403, "E_FORBIDDEN");
  await refused(sdk.fetchUserInfo({ user_id: user, app_id: await appId(other) }), 403, "E_FORBIDDEN");
});

test("what an app is, as instances ask for it when they are made", async () => {
  const answer = await call("GET", "/hub/app-config", undefined, { "x-rownd-app-key": shop.app_key });
  assert.equal(answer.status, 200);
  const { config_type, app } = answer.body;
  assert.equal(config_type, "app");
  assert.match(app.id, /^app_[a-z][a-z0-9]{23}$/);
  assert.deepEqual(Object.keys(app.schema).sort(), ["email", "first_name", "google_id", "last_name", "phone_number"]);
  assert.deepEqual([app.user_verification_field, app.user_verification_fields], ["email", ["email", "phone_number"]]);
  assert.equal(app.config.default_redirect_url, "https://app.example.com/home");
  assert.ok(!JSON.stringify(answer.body).includes(shop.app_secret));
});

test("an unknown key ends the caller's process, as it does at the vendor's", async () => {
  const program = 'require("@rownd/node").createInstance({ api_url: process.env.SDK_URL, app_key: "key_unknown", app_secret: "ras_unknown" })';
  const { code, told } = await new Promise((done) => {
    execFile(process.execPath, ["-e", program], { cwd: import.meta.dirname, env: { ...process.env, SDK_URL: url } }, (error, _, told) => done({ code: error?.code ?? 0, told }));
  });
  assert.equal(code, 1);
  assert.match(told, /Failed to fetch app config: Response code 401 \(Unauthorized\)/);
});
