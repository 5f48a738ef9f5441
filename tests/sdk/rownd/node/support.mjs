// The SDK as an app would make it, a record of what was called, and what the vendor's other SDKs do with a link.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import rownd from "@rownd/node";

const { SDK_URL, SDK_KEY, SDK_SECRET, SDK_OTHER_KEY, SDK_OTHER_SECRET } = process.env;
export const url = SDK_URL;
export const shop = { app_key: SDK_KEY, app_secret: SDK_SECRET };
export const other = { app_key: SDK_OTHER_KEY, app_secret: SDK_OTHER_SECRET };
export const { claims } = rownd;
export const { version } = createRequire(import.meta.url)("@rownd/node/package.json");

const made = new Set();

/** The SDK, whose calls are remembered by name; its own code and objects stay as they are. */
function recorded(object, name = "") {
  return new Proxy(object, {
    get(target, key) {
      const value = target[key];
      const called = name + String(key);
      if (typeof value === "function") {
        return (...given) => {
          made.add(called);
          return value.apply(target, given);
        };
      }
      return value !== null && typeof value === "object" && key === "express" ? recorded(value, `${called}.`) : value;
    },
  });
}

/** An instance with empty caches of its own; key sets and metadata are kept for the whole process, by the SDK's design. */
// Its timers run on after the answer came, and would hold up the end of each file by the ten seconds that are the default.
export const instance = (given = {}) => recorded(rownd.createInstance({ api_url: url, timeout: 2000, ...shop, ...given }));

/** Of these calls, those that nobody has made. */
export const notMade = (calls) => calls.filter((call) => !made.has(call));

let number = 0;
export const address = () => `ada${++number}.${process.pid}@example.com`;
export const phone = () => `+1202555${String(1000 + ((process.pid * 37 + ++number) % 9000))}`;
/** An id of the app's own. */
export const id = () => `own-${process.pid}-${++number}`;

export const ROWND_ID = /^user_[a-z][a-z0-9]{23}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** What a call of the app's own server would send. */
export const headers = ({ app_key, app_secret } = shop) => ({ "x-rownd-app-key": app_key, "x-rownd-app-secret": app_secret, "content-type": "application/json" });

export async function call(method, path, body, given = headers()) {
  const answer = await fetch(url + path, { method, headers: given, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text && JSON.parse(text) };
}

export const appId = async (keys = shop) => (await call("GET", "/hub/app-config", undefined, { "x-rownd-app-key": keys.app_key })).body.app.id;

/** What the vendor's SDKs for apps do with a link that the system hands them. */
export async function redeem(link) {
  const answer = await fetch(link, { headers: { "user-agent": "Rownd SDK for Node.js tests", "x-rownd-app-key": shop.app_key } });
  return { status: answer.status, body: await answer.json() };
}

/** Somebody who signed in by a link. */
export async function signedIn(sdk, given = {}) {
  const { link } = await sdk.createSmartLink({ email: address(), redirect_url: "https://app.example.com/in", ...given });
  const { status, body } = await redeem(link);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

/** The five members that every error has. */
export function isError(body, status, code) {
  assert.deepEqual([body.statusCode, body.code], [status, code], JSON.stringify(body));
  for (const name of ["error", "message"]) assert.ok(typeof body[name] === "string" && body[name].length > 2, JSON.stringify(body));
  assert.ok(Array.isArray(body.messages) && body.messages.length > 0, JSON.stringify(body));
  return body;
}

/** The error of a call, as the SDK's HTTP client throws it. */
export async function refused(promise, status, code) {
  const error = await promise.then(
    (value) => assert.fail(`accepted: ${JSON.stringify(value)}`),
    (error) => error,
  );
  assert.equal(error.name, "HTTPError", String(error));
  const body = typeof error.response.body === "string" ? JSON.parse(error.response.body) : error.response.body;
  assert.equal(error.response.statusCode, status, JSON.stringify(body));
  return isError(body, status, code);
}

/** A profile as the contract has it. */
export function isProfile(profile, { named = true } = {}) {
  const names = ["attributes", "auth_level", "connection_map", "data", "groups", "meta", "redacted", "state", "verified_data"];
  assert.deepEqual(Object.keys(profile).sort(), named ? [...names, "rownd_user"].sort() : names);
  assert.deepEqual([profile.redacted, profile.connection_map, profile.state], [[], {}, "enabled"]);
  if (named) assert.equal(profile.rownd_user, profile.data.user_id);
  assert.match(profile.meta.created, INSTANT);
  assert.match(profile.meta.modified, INSTANT);
  // What is not set is not there: clients read `undefined`, never `null`.
  assert.ok(!Object.values(profile.data).includes(null), JSON.stringify(profile.data));
  return profile;
}
