// A link that an app's backend has us mail: a person's press leads on to the app's page, whose server exchanges the token.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { check, mailTo, picture, somebody, startApp, startBrowser, startDev } from "./support.mjs";

let server;
let browser;
let app;
before(async () => {
  server = await startDev();
  app = await startApp((token) => call("/v1/magic_links/authenticate", { token, session_duration_minutes: 60 }));
  server.command("app", "save", "demo", "--set", `sign_in_urls=${app.page}`, "--set", `sign_up_urls=${app.page}`);
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  app?.stop();
  await server?.stop();
});

/** A call of the app's backend. */
async function call(path, body) {
  const [id, secret] = ["client_id", "client_secret"].map((name) => server.output().match(new RegExp(`${name} +(\\S+)`))[1]);
  const headers = { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`, "content-type": "application/json" };
  const answer = await fetch(server.origin + path, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

/** Asks until the server has read its settings anew. */
const mailed = new Map();

async function ask(email, given = {}) {
  for (const end = Date.now() + 15_000; ; ) {
    const sent = await call("/v1/magic_links/email/login_or_create", { email, login_magic_link_url: app.page, signup_magic_link_url: app.page, ...given });
    if (sent.status === 200) {
      const { link } = await mailTo(server.origin, email, mailed.get(email));
      mailed.set(email, link);
      return link;
    }
    assert.ok(Date.now() < end && sent.body.error_type === "no_match_for_provided_magic_link_url", JSON.stringify(sent.body));
    await new Promise((done) => setTimeout(done, 100));
  }
}

const person = (options) => somebody(browser, options);

test("a person presses the one button and lands in the app, whose server exchanges the token", async () => {
  const link = await ask("ada@example.com");
  const context = await person();
  const page = await context.newPage();
  const opened = await page.goto(link);
  assert.equal(opened.status(), 200);
  assert.equal(await page.getByRole("button").count(), 1);
  assert.ok(!(await page.content()).includes("ada@example.com"), "whoever opens it does not learn the whole address");
  await page.getByText("This link works for 7 days more").waitFor();
  await picture(page, "forward");
  const before = app.visits.length;
  await page.getByRole("button").click();
  await page.waitForURL(`${app.page}?*`);
  await page.getByRole("heading", { name: "Welcome" }).waitFor();
  assert.equal(app.visits.length, before + 1);
  const { query, answer, referer } = app.visits.at(-1);
  assert.deepEqual(query, { stytch_token_type: "magic_links", token: new URL(link).searchParams.get("token"), stytch_redirect_type: "signup" });
  assert.deepEqual([answer.status, answer.body.user.emails[0].email, answer.body.user.emails[0].verified], [200, "ada@example.com", true]);
  assert.equal(referer, undefined, "the address of our page, which has the token, is told to nobody");

  assert.equal((await page.goto(link)).status(), 410);
  await page.getByText("already used").first().waitFor();
  assert.equal(app.visits.length, before + 1);
  await context.close();

  // Whoever was there before is led on as one who signs in.
  const second = await person({ javaScriptEnabled: false });
  const again = await second.newPage();
  const newer = await ask("ada@example.com");
  assert.notEqual(newer, link);
  await again.goto(newer);
  await again.getByRole("button").click();
  await again.waitForURL(`${app.page}?*`);
  assert.deepEqual([app.visits.at(-1).query.stytch_redirect_type, app.visits.at(-1).answer.status], ["login", 200]);
  await second.close();
});

test("a visitor that runs scripts and only loads the page is not led on, nor does it use the link up", async () => {
  const link = await ask("grace@example.com");
  const before = app.visits.length;
  for (let visit = 0; visit < 2; visit++) {
    const context = await person();
    const page = await context.newPage();
    await page.goto(link, { waitUntil: "networkidle" });
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.waitForTimeout(1500);
    assert.equal(page.url(), link);
    // Nor is one that submits the form from inside: that is no person's press.
    const submitted = page.waitForResponse((response) => response.request().method() === "POST");
    await page.addInitScript(() => addEventListener("load", () => setTimeout(() => document.forms[0]?.requestSubmit(), 50)));
    await page.goto(link);
    assert.equal((await submitted).status(), 403);
    await context.close();
  }
  assert.equal(app.visits.length, before);
  const token = new URL(link).searchParams.get("token");
  assert.equal((await call("/v1/magic_links/authenticate", { token })).status, 200);
});

test("axe finds nothing on the page, nor on that of a used link", async () => {
  const link = await ask("alan@example.com");
  const context = await person({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(link);
  await check(page, "forward");
  await call("/v1/magic_links/authenticate", { token: new URL(link).searchParams.get("token") });
  await page.goto(link);
  await page.getByText("already used").first().waitFor();
  await check(page, "forward-used");
  await context.close();
});

test("where opening is enough, the page goes on by itself; without scripts it has its button", async () => {
  server.command("app", "save", "demo", "--set", "opening=immediate");
  const link = await ask("edsger@example.com");
  const plain = await person({ javaScriptEnabled: false });
  const without = await plain.newPage();
  const before = app.visits.length;
  await without.goto(link);
  // The settings are read anew within seconds; then the page has a script.
  for (const end = Date.now() + 15_000; !(await without.content()).includes("<script"); await without.reload()) assert.ok(Date.now() < end);
  assert.equal(await without.getByRole("button").count(), 1);
  assert.equal(app.visits.length, before);
  const context = await person();
  const page = await context.newPage();
  await page.goto(link);
  await page.waitForURL(`${app.page}?*`);
  await page.getByRole("heading", { name: "Welcome" }).waitFor();
  assert.deepEqual([app.visits.length, app.visits.at(-1).answer.status], [before + 1, 200]);
  await plain.close();
  await context.close();
});
