// axe finds nothing on any page, at phone and desktop width, light and dark; nothing overflows.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { askByApi, check, mailTo, root, startBrowser, startDev } from "./support.mjs";

let server;
let browser;
before(async () => {
  server = await startDev();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Presses a button, and waits for the page that answers. */
async function press(button) {
  const answered = button.page().waitForEvent("load");
  await button.click();
  await answered;
}

test("every page", async () => {
  const context = await browser.newContext({ bypassCSP: true });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const visit = async (path, name) => {
    await page.goto(path.startsWith("http") ? path : server.origin + path);
    await check(page, name);
  };
  await visit("/", "demo");
  await press(page.getByRole("button", { name: "Send me a link" }));
  await check(page, "demo-error");
  await visit("/inbox", "inbox-empty");
  await page.goto(server.origin);
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await page.getByRole("button", { name: "Send me a link" }).click();
  await page.waitForURL("**/wait/*");
  await check(page, "waiting");
  const bound = await mailTo(server.origin, "ada@example.com");
  await askByApi(server.origin, "grace@example.com");
  const unbound = await mailTo(server.origin, "grace@example.com");
  await visit("/inbox", "inbox");
  await visit(bound.page, "inbox-message");

  const other = await browser.newContext({ bypassCSP: true });
  const elsewhere = await other.newPage();
  await elsewhere.goto(bound.link);
  await check(elsewhere, "elsewhere");
  await elsewhere.locator("input[name=code]").fill("12");
  // The browser itself tells what is missing.
  await elsewhere.locator("form", { has: elsewhere.locator("input[name=code]") }).getByRole("button").click();
  await check(elsewhere, "elsewhere-error");
  await elsewhere.goto(unbound.link);
  await check(elsewhere, "confirm");
  await elsewhere.getByRole("button").click();
  await elsewhere.waitForURL("**/signed-in");
  await check(elsewhere, "signed-in");
  await elsewhere.goto(unbound.link);
  await check(elsewhere, "already-in");

  await elsewhere.goto(`${server.origin}/handoff`);
  await check(elsewhere, "handoff-start");
  await elsewhere.locator("input[name=label]").evaluate((field) => (field.maxLength = 99));
  await elsewhere.locator("input[name=label]").fill("too long ".repeat(9));
  await press(elsewhere.getByRole("button", { name: "Show the QR code" }));
  await check(elsewhere, "handoff-start-error");
  await elsewhere.locator("input[name=label]").fill("Work laptop");
  await elsewhere.getByRole("button", { name: "Show the QR code" }).click();
  await elsewhere.waitForURL("**/handoff/*");
  await check(elsewhere, "handoff");
  const third = await browser.newContext({ bypassCSP: true });
  const handed = await third.newPage();
  await handed.goto(await elsewhere.locator("#link").textContent());
  await check(handed, "handoff-confirm");
  await handed.getByRole("button").click();
  await handed.waitForURL("**/signed-in");
  await check(handed, "devices");
  await elsewhere.getByText("Your other device is signed in").waitFor();
  await check(elsewhere, "handoff-done");
  await elsewhere.goto(`${server.origin}/handoff/nothing`);
  await check(elsewhere, "handoff-not-found");
  await third.close();

  await visit(unbound.link, "used");
  await visit(`${server.origin}/l/plk_${"A".repeat(56)}`, "unknown");
  await visit("/nowhere", "not-found");
  await visit("/docs", "docs");
  await visit("/docs/apphandoff", "docs-apphandoff");
  await visit("/auth/callback", "callback");
  await context.close();
  await other.close();
});

// Pages of every state, also those that take days to come to: as `cargo run -p passlink-http --example gallery` writes them.
test("every state of every page", async () => {
  const folder = mkdtempSync(join(tmpdir(), "passlink-gallery-"));
  execFileSync(join(root, "target/debug/examples/gallery"), [folder]);
  const context = await browser.newContext();
  const page = await context.newPage();
  const names = readdirSync(folder).filter((name) => name.endsWith(".html") && name !== "index.html");
  assert.ok(names.length > 25, `${names.length} pages`);
  for (const name of names) {
    await page.goto(`file://${folder}/${name}`);
    await check(page, name.replace(".html", ""), [[390, "light"], [1280, "dark"]]);
  }
  await context.close();
  rmSync(folder, { recursive: true });
});
