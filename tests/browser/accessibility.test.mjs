// axe finds nothing on any page, at phone and desktop width, light and dark; nothing overflows.
import { after, before, test } from "node:test";
import { askByApi, check, mailTo, startBrowser, startDev } from "./support.mjs";

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

test("every page", async () => {
  const context = await browser.newContext({ bypassCSP: true });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const visit = async (path, name) => {
    await page.goto(path.startsWith("http") ? path : server.origin + path);
    await check(page, name);
  };
  await visit("/", "demo");
  await page.getByRole("button", { name: "Send me a link" }).click();
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
  await elsewhere.getByRole("button", { name: "Show the QR code" }).click();
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
