// The walk of a newcomer, and of people with two devices.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { askByApi, mailTo, picture, somebody, startBrowser, startDev } from "./support.mjs";

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

const person = (options) => somebody(browser, options);

/** Asks on the demo page; answers the waiting screen. */
async function ask(context, email) {
  const page = await context.newPage();
  await page.goto(server.origin);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("button", { name: "Send me a link" }).click();
  await page.waitForURL("**/wait/*");
  return page;
}

const signedIn = (page) => page.waitForURL("**/signed-in");

test("a link is asked for in the browser, opened from the inbox, and both tabs are signed in", async () => {
  const context = await person();
  const waiting = await ask(context, "ada@example.com");
  await picture(waiting, "waiting");
  const inbox = await context.newPage();
  await inbox.goto(`${server.origin}/inbox`);
  await mailTo(server.origin, "ada@example.com");
  await inbox.reload();
  await picture(inbox, "inbox");
  await inbox.getByText("Sign in to").first().click();
  await picture(inbox, "inbox-message");
  // The mail's own button, inside its sandboxed frame: the browser that asked is signed in at once.
  await inbox.frameLocator("iframe").getByRole("link").first().click();
  await signedIn(inbox);
  await inbox.getByText("ada@example.com").waitFor();
  await picture(inbox, "signed-in");
  // The screen that waited goes on by itself.
  await signedIn(waiting);
  await context.close();
});

test("a link asked for by an app is opened, one button pressed, and the person is signed in", async () => {
  await askByApi(server.origin, "grace@example.com");
  const mail = await mailTo(server.origin, "grace@example.com");
  const context = await person();
  const page = await context.newPage();
  await page.goto(mail.page);
  await page.getByRole("link", { name: /open the link/i }).click();
  await picture(page, "confirm");
  assert.equal((await context.cookies()).filter((cookie) => cookie.name.includes("browser")).length, 0, "opening a link proves nothing");
  await page.getByRole("button").click();
  await signedIn(page);
  await page.getByText("grace@example.com").waitFor();

  // The same link again, here and in another browser: it was used, and nothing new is made.
  const sessions = await page.context().cookies();
  await page.goto(mail.link);
  await page.getByText("You are already signed in").waitFor();
  await picture(page, "already-in");
  assert.deepEqual((await context.cookies()).map((c) => c.name + c.value).sort(), sessions.map((c) => c.name + c.value).sort());
  const stranger = await person();
  const other = await stranger.newPage();
  const answer = await other.goto(mail.link);
  assert.equal(answer.status(), 410);
  await other.getByText("already used").first().waitFor();
  await picture(other, "used");
  // From a dead end, two actions: ask for a new one, open it.
  await other.getByRole("button").click();
  await other.waitForURL("**/wait/*");
  let again = mail;
  while (again.link === mail.link) again = await mailTo(server.origin, "grace@example.com");
  const opened = await stranger.newPage();
  await opened.goto(again.link);
  await signedIn(opened);
  await stranger.close();
  await context.close();
});

test("sec 13: asked for on the laptop, opened on the phone: the number signs the laptop in, and only the laptop", async () => {
  const laptop = await person();
  const phone = await person({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const waiting = await ask(laptop, "alan@example.com");
  const number = (await waiting.locator(".number-digits").textContent()).trim();
  const { link } = await mailTo(server.origin, "alan@example.com");
  const page = await phone.newPage();
  await page.goto(link);
  await picture(page, "elsewhere");
  await page.locator("input[name=number]").fill(number);
  await page.locator("form", { has: page.locator("input[name=number]") }).getByRole("button").click();
  await page.getByText("Look at your other screen").waitFor();
  await picture(page, "approved");
  await signedIn(waiting);
  await waiting.getByText("alan@example.com").waitFor();
  await page.goto(`${server.origin}/signed-in`);
  assert.ok(!page.url().endsWith("/signed-in"), "the phone is not signed in");
  await laptop.close();
  await phone.close();
});

test("the code of the mail signs in where it was asked for, without any script", async () => {
  const context = await person({ javaScriptEnabled: false });
  const waiting = await ask(context, "barbara@example.com");
  const { code } = await mailTo(server.origin, "barbara@example.com");
  const wrong = code === "000000" ? "000001" : "000000";
  await waiting.locator("input[name=code]").fill(wrong);
  await waiting.locator("form", { has: waiting.locator("input[name=code]") }).getByRole("button").click();
  await waiting.getByText(/tries left/).waitFor();
  await waiting.locator("input[name=code]").fill(`${code.slice(0, 3)} ${code.slice(3)}`);
  await waiting.locator("form", { has: waiting.locator("input[name=code]") }).getByRole("button").click();
  await signedIn(waiting);
  await waiting.getByRole("button", { name: "Sign out" }).click();
  await waiting.getByLabel("E-mail address").waitFor();
  await context.close();
});

/** Submits one form from inside the page, as a script there would: without a person's gesture, which the driver's own calls would carry. */
function submitFromInside([form, way]) {
  addEventListener("load", () => {
    scrollTo(0, document.body.scrollHeight);
    const target = document.forms[form];
    if (!target || sessionStorage.getItem("done")) return;
    sessionStorage.setItem("done", "1");
    for (const field of target.querySelectorAll("input:not([type=hidden])")) field.value = field.name === "number" ? "12" : "123456";
    setTimeout(() => (way === "click" ? target.querySelector("button").click() : target[way]()), 100);
  });
}

/** An automatic visitor of links: runs scripts, waits, scrolls, submits every form in every way; with `hands`, it also presses everything for real,
 * guessing `guess` for the number. */
async function machine(link, hands, guess) {
  const context = await person();
  const first = await context.newPage();
  await first.goto(link);
  const forms = await first.locator("form").count();
  for (let form = 0; form < forms; form++) {
    for (const way of ["submit", "requestSubmit", "click"]) {
      const page = await context.newPage();
      await page.addInitScript(submitFromInside, [form, way]);
      const submitted = page.waitForResponse((response) => response.request().method() === "POST");
      await page.goto(link);
      assert.equal((await submitted).status(), 403, `form ${form} by ${way}`);
      await page.getByRole("heading").first().waitFor();
      await page.close();
    }
    if (!hands) continue;
    await first.goto(link);
    const target = first.locator("form").nth(form);
    for (const field of await target.locator("input:not([type=hidden])").all()) await field.fill((await field.getAttribute("name")) === "number" ? guess : "123456");
    const pressed = first.waitForResponse((response) => response.request().method() === "POST");
    await target.getByRole("button").first().click();
    await pressed;
    await first.getByRole("heading").first().waitFor();
  }
  await first.goto(`${server.origin}/signed-in`);
  const inside = first.url().endsWith("/signed-in");
  await context.close();
  return inside;
}

/** A visitor that loads the page and stays. */
async function stays(link, milliseconds) {
  const context = await person();
  const page = await context.newPage();
  await page.goto(link, { waitUntil: "networkidle" });
  await page.waitForTimeout(milliseconds);
  assert.equal(page.url(), link);
  assert.equal(await page.getByRole("button").count(), 1);
  await context.close();
}

test("sec 10: a machine that runs scripts, submits every form, or stays for half a minute neither gets in nor burns the link", async () => {
  await askByApi(server.origin, "edsger@example.com");
  const { link } = await mailTo(server.origin, "edsger@example.com");
  const [inside] = await Promise.all([machine(link, false), stays(link, 30_000)]);
  assert.equal(inside, false);
  const context = await person();
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole("button").click();
  await signedIn(page);
  await context.close();
});

test("a machine with hands, that presses every button too, cannot use a link that a browser asked for", async () => {
  const context = await person();
  const waiting = await ask(context, "donald@example.com");
  const { link } = await mailTo(server.origin, "donald@example.com");
  const number = (await waiting.locator(".number-digits").textContent()).trim();
  assert.equal(await machine(link, true, number === "12" ? "13" : "12"), false);
  assert.ok(waiting.url().includes("/wait/"), "nor does it sign in the browser that asked");
  const page = await context.newPage();
  await page.goto(link);
  await signedIn(page);
  await context.close();
});
