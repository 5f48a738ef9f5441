// Starts the real binary with an empty data folder, and Debian's Chromium.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const binary = process.env.PASSLINK_BINARY ?? join(root, "target/debug/passlink");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** The binary with these words on a free port, until it answers. */
async function start(data, words, port) {
  if (!existsSync(binary)) throw new Error(`build the binary first: cargo build -p passlink-server (${binary} is missing)`);
  const server = spawn(binary, words, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  server.stdout.on("data", (chunk) => (output += chunk));
  server.stderr.on("data", (chunk) => (output += chunk));
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${origin}/readyz`).catch(() => null);
    if (answer?.ok) break;
    if (server.exitCode !== null || tries > 800) throw new Error(`the server did not start:\n${output}`);
    await new Promise((done) => setTimeout(done, 25));
  }
  const stop = async () => {
    const ended = new Promise((done) => (server.exitCode === null ? server.once("exit", done) : done(server.exitCode)));
    server.kill("SIGTERM");
    const code = await ended;
    rmSync(data, { recursive: true, force: true });
    if (code !== 0) throw new Error(`the server ended with ${code}:\n${output}`);
  };
  return { origin, stop, output: () => output };
}

/** `passlink serve` with this configuration beside what every server needs. */
export async function startServer(configuration) {
  const data = mkdtempSync(join(tmpdir(), "passlink-browser-"));
  const port = await freePort();
  const file = join(data, "passlink.toml");
  writeFileSync(
    file,
    `[server]\nlisten = "127.0.0.1:${port}"\npublic_origin = "http://127.0.0.1:${port}"\nsecret = "a server secret for tests, longer than it must be"\ndata = "${data}"\n${configuration}`,
  );
  return start(data, ["serve", "--config", file], port);
}

/** A mail server that takes everything, and shows it as text. */
export async function startMailServer() {
  const messages = [];
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    let text = "";
    let body = null;
    socket.write("220 sink ESMTP\r\n");
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (let end; (end = text.indexOf("\r\n")) >= 0; ) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (body !== null) {
          if (line === ".") {
            messages.push(body.join("\r\n"));
            body = null;
            socket.write("250 2.0.0 Ok\r\n");
          } else body.push(line.replace(/^\./, ""));
        } else if (/^DATA$/i.test(line)) {
          body = [];
          socket.write("354 go on\r\n");
        } else if (/^QUIT$/i.test(line)) socket.end("221 2.0.0 Bye\r\n");
        else socket.write("250 2.0.0 Ok\r\n");
      }
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  // Quoted-printable (RFC 2045 6.7).
  const decoded = (message) => message.replaceAll("=\r\n", "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  const messageTo = async (address) => {
    for (let tries = 0; tries < 400; tries++) {
      const found = messages.find((message) => message.includes(`To: ${address}`) || message.includes(`To: <${address}>`));
      if (found) return decoded(found);
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new Error(`no mail to ${address}; there are ${messages.length}:\n${messages[0] ?? ""}`);
  };
  const stop = () => {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  };
  return { port: server.address().port, messageTo, stop };
}

/** A tiny app: its page takes the token out of the query, and its server exchanges it. */
export async function startApp(exchange) {
  const visits = [];
  const listener = createHttpServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname !== "/authenticate") return response.writeHead(404).end();
    const visit = { query: Object.fromEntries(url.searchParams), referer: request.headers.referer };
    visits.push(visit);
    visit.answer = await exchange(visit.query.token);
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><title>The app</title><h1>${visit.answer.status === 200 ? "Welcome" : "That did not work"}</h1>`);
  });
  await new Promise((done) => listener.listen(0, "localhost", done));
  const stop = () => {
    listener.close();
    listener.closeAllConnections();
  };
  return { page: `http://localhost:${listener.address().port}/authenticate`, visits, stop };
}

/** `passlink dev` on a free port; `command()` runs another command on its folder, `stop()` ends it and removes its data. */
export async function startDev() {
  const data = mkdtempSync(join(tmpdir(), "passlink-browser-"));
  const port = await freePort();
  const server = await start(data, ["dev", "--data", data, "--listen", `127.0.0.1:${port}`], port);
  const command = (...words) => execFileSync(binary, [...words, "--data", data], { encoding: "utf8" });
  return { ...server, command };
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: browserPath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Asks for a link as an app's backend or a terminal would: without a browser. */
export async function askByApi(origin, email) {
  const answer = await fetch(`${origin}/api/auth/send-magic-link`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email }),
  });
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
}

/** The newest mail to an address: its page, link and code, if it has them. Mail leaves a moment after it was asked for: `seen` is the link of the one before. */
export async function mailTo(origin, email, seen) {
  for (let tries = 0; tries < 200; tries++) {
    const list = await (await fetch(`${origin}/inbox`)).text();
    const rows = [...list.matchAll(/href="(\/inbox\/[0-9a-f-]{36})"/g)].map((match) => match[1]);
    for (const row of new Set(rows)) {
      const page = await (await fetch(origin + row)).text();
      if (!page.includes(email)) continue;
      const link = page.match(/https?:\/\/[^"<\s]*(\/l\/plk_[A-Za-z0-9_-]{56}|\/v1\/magic_links\/redirect\?[^"<\s]*)/)[0].replaceAll(/&(amp|#38|#x26);/g, "&");
      const code = page.match(/>(\d{6})</)?.[1];
      if (link === seen) break;
      return { page: origin + row, link, code };
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`no mail to ${email}`);
}

const pictures = process.env.SCREENSHOTS;

/** With SCREENSHOTS=folder: the page at phone and desktop width, light and dark. */
export async function picture(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  const before = page.viewportSize();
  for (const [width, height] of [[390, 844], [1280, 900]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(before);
}

const LOOKS = [[390, "light"], [390, "dark"], [1280, "light"], [1280, "dark"]];

/** Runs axe in the page, at phone and desktop width, light and dark; a policy without scripts does not bind what the test brings along. */
export async function check(page, name, looks = LOOKS) {
  await page.waitForLoadState("load");
  await picture(page, `axe-${name}`);
  for (const [width, colorScheme] of looks) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    const told = found.violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.html).join(" | ")}`);
    assert.deepEqual(told, [], `${name} at ${width}, ${colorScheme}`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, `${name} at ${width} is ${wider} pixels too wide`);
  }
}

/** Somebody with a browser of their own: a context that shares nothing with others. */
export async function somebody(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(10_000);
  return context;
}
