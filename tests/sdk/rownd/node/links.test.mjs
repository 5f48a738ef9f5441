// Smart links: createSmartLink, and what redeeming one does.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ROWND_ID, address, appId, id, instance, isError, isProfile, notMade, phone, redeem, refused, signedIn, url } from "./support.mjs";

const sdk = instance();
const read = (user_id) => instance().fetchUserInfo({ user_id });
const target = "https://app.example.com/dashboard?tab=1";

after(() => assert.deepEqual(notMade(["createSmartLink", "fetchUserInfo"]), []));

/** The SDK's own error around that of the call; it says 500 whatever the status was. */
async function wrapped(promise, status, code) {
  const error = await promise.then(
    (value) => assert.fail(`accepted: ${JSON.stringify(value)}`),
    (error) => error,
  );
  assert.match(error.message, /^Failed to generate the requested smart link\. Reason: Response code/);
  assert.equal(error.statusCode, 500);
  assert.equal(error.innerError.response.statusCode, status);
  const { body } = error.innerError.response;
  return isError(typeof body === "string" ? JSON.parse(body) : body, status, code);
}

test("a link by mail makes a user when it is redeemed, and not before", async () => {
  const email = address();
  const made = await sdk.createSmartLink({ email, redirect_url: target, data: { first_name: "Ada" } });
  assert.deepEqual(Object.keys(made).sort(), ["app_user_id", "link"]);
  assert.match(made.app_user_id, ROWND_ID);
  assert.ok(made.link.startsWith(`${url}/hub/auth/magic/`), made.link);
  assert.match(made.link.split("/").pop(), /^[0-9A-Za-z]{22,}$/);
  await refused(read(made.app_user_id), 404, "E_USER_NOT_FOUND");

  const { status, body } = await redeem(made.link);
  assert.equal(status, 200, JSON.stringify(body));
  const { access_token, refresh_token, ...rest } = body;
  assert.ok(access_token.split(".").length === 3 && refresh_token.split(".").length === 3);
  const expected = { app_user_id: made.app_user_id, app_id: await appId(), last_sign_in: "email", user_type: "new_user", redirect_url: target };
  assert.deepEqual(rest, { ...expected, link_data: {}, link_meta: {}, magic_link: made.link });

  const profile = isProfile(await read(made.app_user_id));
  assert.deepEqual(profile.data, { user_id: made.app_user_id, email, first_name: "Ada" });
  assert.deepEqual([profile.verified_data, profile.auth_level], [{ email }, "verified"]);
  assert.deepEqual([profile.meta.first_sign_in_method, profile.meta.last_sign_in_method], ["email", "email"]);
  isError((await redeem(made.link)).body, 410, "E_LINK_CONSUMED");
});

test("a link by telephone proves the number", async () => {
  const number = phone();
  const body = await signedIn(sdk, { email: undefined, phone: number });
  assert.equal(body.last_sign_in, "phone");
  const profile = await read(body.app_user_id);
  assert.deepEqual([profile.data.phone_number, profile.verified_data, profile.auth_level], [number, { phone_number: number }, "verified"]);
});

test("the same new address keeps the id it will have, and a known one has the user's", async () => {
  const email = address();
  const ids = new Set();
  const links = [];
  for (let turn = 0; turn < 3; turn++) {
    const made = await sdk.createSmartLink({ email, redirect_url: target });
    ids.add(made.app_user_id);
    links.push(made.link);
  }
  assert.equal(ids.size, 1);
  assert.equal((await redeem(links[1])).body.user_type, "new_user");
  const later = await sdk.createSmartLink({ email: email.toUpperCase(), redirect_url: target, data: { last_name: "Lovelace" } });
  assert.ok(ids.has(later.app_user_id));
  assert.equal((await redeem(later.link)).body.user_type, "existing_user");
  assert.equal((await read(later.app_user_id)).data.last_name, "Lovelace");
});

test("a user whom the app made is signed in by the address it wrote", async () => {
  const [user, email] = [id(), address()];
  await sdk.createOrUpdateUser({ id: user, data: { email, first_name: "Ada" } });
  const made = await sdk.createSmartLink({ email, redirect_url: target });
  assert.equal(made.app_user_id, user);
  const { body } = await redeem(made.link);
  assert.deepEqual([body.app_user_id, body.user_type], [user, "existing_user"]);
  assert.deepEqual((await read(user)).verified_data, { email });
});

test("places within the app, and none", async () => {
  const landing = async (redirect_url) => (await redeem((await sdk.createSmartLink({ email: address(), redirect_url })).link)).body.redirect_url;
  assert.equal(await landing("/inbox?a=1"), "https://app.example.com/home/inbox?a=1");
  assert.equal(await landing("inbox"), "https://app.example.com/home/inbox");
  assert.equal(await landing(undefined), "https://app.example.com/home");
  assert.equal(await landing("myapp://open/here"), "myapp://open/here");
});

test("what cannot be a link is refused with the reason", async () => {
  const ask = (given) => sdk.createSmartLink({ email: address(), redirect_url: target, ...given });
  await wrapped(ask({ email: undefined }), 400, "E_VALIDATION");
  await wrapped(ask({ email: "not an address" }), 400, "E_VALIDATION");
  for (const redirect_url of ["javascript:alert(1)", "data:text/html,x", "//evil.test", "\\\\evil.test"]) {
    const body = await wrapped(ask({ redirect_url }), 400, "E_VALIDATION");
    assert.deepEqual(Object.keys(body.field_errors ?? {}), ["redirect_url"], redirect_url);
  }
  const body = await wrapped(ask({ data: { shoe_size: 38 } }), 400, "E_VALIDATION");
  assert.deepEqual(Object.keys(body.field_errors).length, 1);
  const [one, two] = [address(), phone()];
  await signedIn(sdk, { email: one });
  await signedIn(sdk, { email: undefined, phone: two });
  await wrapped(ask({ email: one, phone: two }), 409, "E_CONFLICT");
  await wrapped(instance({ app_secret: "ras_wrong" }).createSmartLink({ email: address(), redirect_url: target }), 401, "E_UNAUTHORIZED");
});

test("of many that redeem at once, one is signed in", async () => {
  const { link } = await sdk.createSmartLink({ email: address(), redirect_url: target });
  const answers = await Promise.all(Array.from({ length: 12 }, () => redeem(link)));
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, ...Array(11).fill(410)]);
});

test("neither a look at the headers, nor a prefetch, nor a browser uses a link up", async () => {
  const { link } = await sdk.createSmartLink({ email: address(), redirect_url: target });
  const open = (method, headers) => fetch(link, { method, headers, redirect: "manual" });
  const agent = { "user-agent": "Rownd SDK for Node.js tests" };
  assert.equal((await open("HEAD", agent)).status, 200);
  assert.equal((await open("GET", { ...agent, "sec-purpose": "prefetch;prerender" })).status, 204);
  const page = await open("GET", { accept: "text/html", "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0" });
  assert.deepEqual([page.status, page.headers.get("cache-control")], [200, "no-store"]);
  assert.match(await page.text(), /<form method="post"/);
  const program = await open("GET", { accept: "application/json" });
  const told = await program.json();
  assert.deepEqual([told.confirm, told.access_token], [true, undefined]);
  assert.equal((await redeem(link)).status, 200);
});
