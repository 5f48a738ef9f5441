// The SDK as an app would make it, and a record of what was called.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import stytch from "stytch";

const { SDK_URL: url, SDK_PROJECT, SDK_SECRET: secret, SDK_PYTHON, SDK_ROTATE, SDK_MAIL } = process.env;
export const project = SDK_PROJECT;

// `custom_base_url` is for https only. The SDK warns of any other `env`, which would fill the output.
const where = url.startsWith("https") ? { custom_base_url: url } : { env: `${url}/` };
console.warn = () => {};

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
      // Rooms such as users, and rooms in rooms such as magicLinks.email.
      return value !== null && typeof value === "object" ? recorded(value, `${called}.`) : value;
    },
  });
}

/** A client as an app makes it, with empty caches. */
export const client = (given = {}) => recorded(new stytch.Client({ project_id: project, secret, ...where, ...given }));

/** Of these calls, those that nobody has made. */
export const notMade = (calls) => calls.filter((call) => !made.has(call));

/** The SDK's own error, with everything that it promises. */
export async function refused(promise, status, type) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof stytch.StytchError, String(error));
    assert.deepEqual([error.status_code, error.error_type], [status, type], error.message);
    assert.ok(error.error_message.length > 5, error.message);
    assert.match(error.request_id, /^request-id-test-[0-9a-f-]{36}$/);
    assert.ok(error.error_url.endsWith(`#${type}`), error.error_url);
    return true;
  });
}

/** The error of a check that the SDK makes itself. */
export async function refusedLocally(promise, code) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof stytch.ClientError, String(error));
    assert.equal(error.code, code);
    return true;
  });
}

/** See ../rotate. */
export const rotate = () => execFileSync(SDK_PYTHON, [SDK_ROTATE], { stdio: ["ignore", "ignore", "inherit"] });

/** Asks again and again until it is so: the server reads its keys anew every two seconds. */
export async function becomes(what) {
  for (const end = Date.now() + 20_000; !(await what()); ) {
    assert.ok(Date.now() < end, "it does not happen");
    await new Promise((done) => setTimeout(done, 50));
  }
}

export const header = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[0], "base64url"));

let number = 0;
export const address = () => `ada${++number}@example.com`;

/** A new user, and a session of hers. */
export async function signedIn(sdk, { minutes = 60, ...given } = {}) {
  const { user_id } = await sdk.users.create({ email: address() });
  const { token } = await sdk.magicLinks.create({ user_id });
  return sdk.magicLinks.authenticate({ token, session_duration_minutes: minutes, ...given });
}

/** Addresses for mail; the files of tests run side by side. */
export const mailbox = () => `grace${++number}@example.net`;

/** The text of the first mail to an address, or a later one, as it arrived; see ../mail_server.py. */
export async function mailTo(email, which = 1) {
  let text;
  await becomes(async () => (text = await readFile(`${SDK_MAIL}/${email}/${which}.txt`, "utf8").catch(() => undefined)) !== undefined);
  return text;
}

/** The link of a mail, and the token in it. */
export async function linkTo(email, which = 1) {
  const link = (await mailTo(email, which)).match(/https?:\/\/\S+\/v1\/magic_links\/redirect\?\S+/)[0];
  return { link, token: new URL(link).searchParams.get("token") };
}

/** The code of a mail. */
export const codeTo = async (email, which = 1) => (await mailTo(email, which)).match(/\b\d{6}\b/)[0];
