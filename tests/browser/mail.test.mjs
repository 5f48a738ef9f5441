// As in production: `passlink serve` hands its mail to a mail server by SMTP, a person opens what came, and the app's server exchanges the token.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { picture, somebody, startApp, startBrowser, startMailServer, startServer } from "./support.mjs";

const id = "project-test-shop";
const secret = "secret-test-0123456789";
let mail;
let app;
let server;
let browser;
before(async () => {
  mail = await startMailServer();
  app = await startApp((token) => call("/v1/magic_links/authenticate", { token, session_duration_minutes: 60 }));
  server = await startServer(`
[senders.mail]
kind = "smtp"
host = "127.0.0.1"
port = ${mail.port}
security = "plain"
[apps.shop]
display_name = "Shop"
sender = "mail"
from_address = "signin@shop.example.com"
sign_in_urls = ["${app.page}"]
sign_up_urls = ["${app.page}"]
page_for_client_links = true
[[apps.shop.clients]]
client_id = "${id}"
client_secret = "${secret}"
`);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  app?.stop();
  mail?.stop();
});

/** A call of the app's backend. */
async function call(path, body) {
  const headers = { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`, "content-type": "application/json" };
  const answer = await fetch(server.origin + path, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

/** Opens a link and presses its one button; what the app's server was told. */
async function pressed(link, name) {
  const context = await somebody(browser);
  const page = await context.newPage();
  assert.equal((await page.goto(link)).status(), 200);
  assert.equal(await page.getByRole("button").count(), 1);
  await picture(page, name);
  await page.getByRole("button").click();
  await page.waitForURL(`${app.page}?*`);
  await page.getByRole("heading", { name: "Welcome" }).waitFor();
  await context.close();
  return app.visits.at(-1).answer.body;
}

test("a link that came by mail signs in: asked for by the SDK's call, sent by SMTP, pressed, exchanged", async () => {
  const asked = await call("/v1/magic_links/email/login_or_create", { email: "ada@example.com" });
  assert.equal(asked.status, 200, JSON.stringify(asked.body));
  const message = await mail.messageTo("ada@example.com");
  assert.match(message, /^From: .*signin@shop\.example\.com/m);
  const link = message.match(/https?:\/\/\S*\/v1\/magic_links\/redirect\?[^\s"<>]*/)[0].replaceAll("&amp;", "&");
  const body = await pressed(link, "mailed");
  assert.deepEqual([body.user_id, body.user.emails], [asked.body.user_id, [{ email_id: asked.body.email_id, email: "ada@example.com", verified: true }]]);
  assert.equal(body.session.authentication_factors[0].delivery_method, "email");
  assert.equal((await call("/v1/sessions/authenticate", { session_token: body.session_token })).status, 200);
});

test("a link that the app delivers by itself has a page too, and verifies nothing", async () => {
  const user = await call("/v1/users", { email: "grace@example.com" });
  const made = await call("/v1/magic_links", { user_id: user.body.user_id });
  assert.ok(made.body.url.startsWith(server.origin), JSON.stringify(made.body));
  const body = await pressed(made.body.url, "embeddable");
  assert.deepEqual([body.user_id, body.user.emails[0].verified], [user.body.user_id, false]);
  assert.equal(body.session.authentication_factors[0].delivery_method, "embedded");
  // Once.
  const again = await call("/v1/magic_links/authenticate", { token: made.body.token });
  assert.deepEqual([again.status, again.body.error_type], [401, "unable_to_auth_magic_link"]);
});
