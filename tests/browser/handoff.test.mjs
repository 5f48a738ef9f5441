// Handing a sign-in on: a QR code on one screen, read from the rendered picture, signs a second profile in; ending the first ends the second.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import jsQR from "jsqr";
import { PNG } from "pngjs";
import { mailTo, picture, somebody, startBrowser, startDev } from "./support.mjs";

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

/** Somebody signed in by the code of a mail, on a page of their own. */
async function signedIn(context, email) {
  const page = await context.newPage();
  await page.goto(server.origin);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("button", { name: "Send me a link" }).click();
  await page.waitForURL("**/wait/*");
  const { code } = await mailTo(server.origin, email);
  await page.locator("input[name=code]").fill(code);
  await page.locator("form", { has: page.locator("input[name=code]") }).getByRole("button").click();
  await page.waitForURL("**/signed-in");
  return page;
}

/** From the list of devices to the code. */
async function handOff(page, label) {
  await page.goto(`${server.origin}/signed-in`);
  await page.getByRole("link", { name: "Sign in on another device" }).click();
  await page.getByLabel("Name of the other device").fill(label);
  await page.getByRole("button", { name: "Show the QR code" }).click();
  await page.waitForURL("**/handoff/*");
}

/** What a camera reads from pixels; a PNG has them. */
function read(png) {
  const { data, width, height } = PNG.sync.read(png);
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

const phoneLike = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

test("a laptop's QR code signs a phone in, the laptop notices, and signing the laptop out signs the phone out", async () => {
  const laptop = await person();
  const phone = await person(phoneLike);
  const page = await signedIn(laptop, "ada@example.com");
  await page.getByRole("link", { name: "Sign in on another device" }).click();
  await picture(page, "handoff-start");
  await handOff(page, "Ada’s phone");
  await page.getByText("Waiting for the other device").waitFor();
  await picture(page, "handoff");
  await page.getByText(/^Works once, for 14:\d\d more\.$/).waitFor();

  // The whole screen, as a camera across the desk has it; also in the dark, and at the phone's own width.
  const link = (await page.locator("#link").textContent()).trim();
  assert.match(link, /\/l\/plk_[A-Za-z0-9_-]{56}$/);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.equal(read(await page.screenshot()), link, colorScheme);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 844 });
  const scanned = read(await page.screenshot());
  assert.equal(scanned, link);
  await page.setViewportSize({ width: 1280, height: 900 });
  const png = await laptop.request.get(`${page.url()}/qr.png`);
  assert.equal(read(await png.body()), link, "the PNG");

  // The other profile: nothing of the first but what it read.
  const other = await phone.newPage();
  await other.goto(scanned);
  await other.getByText("You are about to be signed in on this device as a•••@e•••.com.").waitFor();
  await picture(other, "handoff-confirm");
  assert.equal(await page.getByText("Waiting for the other device").count(), 1, "opening changes nothing");
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.waitForURL("**/signed-in");
  await other.getByText("Via Chrome on Linux").waitFor();
  await picture(other, "handoff-child");

  // The first screen goes on by itself.
  await page.getByRole("heading", { name: "Your other device is signed in" }).waitFor();
  await page.getByText("Ada’s phone").waitFor();
  await picture(page, "handoff-done");
  await page.getByRole("link", { name: "Done" }).click();
  await page.getByRole("button", { name: "Sign out Ada’s phone" }).waitFor();
  await picture(page, "devices");

  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByLabel("E-mail address").waitFor();
  await other.goto(`${server.origin}/signed-in`);
  await other.getByLabel("E-mail address").waitFor();
  assert.ok(!other.url().endsWith("/signed-in"), "the phone is signed out with the laptop");
  await laptop.close();
  await phone.close();
});

test("a person without scripts sees the same, and throws one device out of the list", async () => {
  const laptop = await person({ javaScriptEnabled: false });
  const phone = await person(phoneLike);
  const page = await signedIn(laptop, "grace@example.com");
  await handOff(page, "");
  const other = await phone.newPage();
  await other.goto(read(await page.screenshot()));
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.waitForURL("**/signed-in");
  await page.reload();
  await page.getByRole("heading", { name: "Your other device is signed in" }).waitFor();
  await page.getByRole("button", { name: "Sign it out" }).click();
  await page.waitForURL("**/signed-in");
  assert.equal(await page.getByText("This device").count(), 1);
  await other.reload();
  assert.ok(!other.url().endsWith("/signed-in"));
  // A code that was used shows how it ended.
  await page.goBack();
  await page.reload();
  await page.getByRole("heading", { name: "That device is signed out again" }).waitFor();
  await picture(page, "handoff-ended");
  await laptop.close();
  await phone.close();
});

test("nobody else sees the code", async () => {
  const mine = await person();
  const theirs = await person();
  const page = await signedIn(mine, "alan@example.com");
  await handOff(page, "");
  const path = page.url();
  const stranger = await signedIn(theirs, "barbara@example.com");
  const answer = await stranger.goto(path);
  assert.equal(answer.status(), 404);
  await picture(stranger, "handoff-not-yours");
  for (const kind of ["svg", "png"]) {
    const own = await mine.request.get(`${path}/qr.${kind}`);
    assert.deepEqual([own.status(), own.headers()["cache-control"]], [200, "no-store"]);
    assert.equal((await theirs.request.get(`${path}/qr.${kind}`)).status(), 404);
  }
  await stranger.getByRole("link", { name: "Your devices" }).click();
  await stranger.getByText("barbara@example.com").waitFor();
  await mine.close();
  await theirs.close();
});
