// Passkeys with Chromium's own authenticator: the page asks, the browser answers, and the product understands it.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify } from "./identify.mjs";
import { start } from "./product.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env.SCREENSHOTS;
const FORM = "form[data-passkey-options]";

let product, chrome, folder, localhost, login;
before(async () => {
  // Nobody has a method here, so decoys have any set of methods, half of them a passkey.
  folder = mkdtempSync(join(tmpdir(), "rekey-passkeys-"));
  const people = join(folder, "people.csv");
  writeFileSync(people, "login,name\naisyah,Nur Aisyah\n");
  product = await start("--people", people);
  localhost = product.site.replace("127.0.0.1", "localhost");
  chrome = await browser();
  login = await loginWith("passkey");
});
after(async () => {
  await chrome?.close();
  await product?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A login whose decoy offers a method. */
async function loginWith(method) {
  const headers = { accept: "application/json", "content-type": "application/json" };
  for (let n = 0; n < 60; n += 1) {
    const { captcha } = await (await fetch(product.site, { headers })).json();
    const body = { login: `student${n}`, captcha_token: captcha.token, captcha_answer: await product.captcha(captcha.token) };
    const opened = await fetch(product.site, { method: "POST", headers, body: JSON.stringify(body) });
    const cookie = opened.headers.get("set-cookie").split(";")[0];
    const reason = JSON.stringify({ reason: "forgotten" });
    const chosen = await fetch(`${product.site}/reason`, { method: "POST", headers: { ...headers, cookie }, body: reason });
    if ((await chosen.json()).methods.some((one) => one.method === method)) return body.login;
  }
  throw new Error(`no decoy of 60 logins offers ${method}; is it in REKEY_METHODS?`);
}

async function asked(page, site) {
  await identify(page, product, login, site);
  await page.check("#reason-forgotten");
  await page.click("form:has(#reason-forgotten) .actions button:not(.quiet)");
  await page.check("#method-passkey");
  await page.click("form:has(input[value=passkey]) .actions button:not(.quiet)");
  await page.waitForURL("**/code");
}

async function authenticator(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  const credentials = async () => (await devtools.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  const verified = (is) => devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: is });
  return { credentials, verified };
}

const use = (page) => page.click(`${FORM} .actions button:not(.quiet)`);
const said = (page, word) => page.waitForFunction(([form, text]) =>
  document.querySelector(`${form} [role=status]`).textContent.includes(text), [FORM, word]);

/** Lets the script of the page register a passkey, as a page with creation options does; what it would send. */
async function register(page, options) {
  const script = await page.locator("script[src*=passkey]").getAttribute("src");
  await page.evaluate((creation) => {
    document.querySelector("form[data-passkey-options]").remove();
    const form = document.createElement("form");
    Object.assign(form.dataset, { passkeyOptions: JSON.stringify(creation), waiting: "…", cancelled: "cancelled", known: "known" });
    form.innerHTML = '<input type="hidden" name="assertion"><div class="actions"><button hidden>Go</button></div><p role="status"></p>';
    form.submit = () => { globalThis.sent = form.elements.assertion.value; };
    document.querySelector("main").append(form);
  }, options);
  await page.addScriptTag({ url: script });
  await use(page);
}

test("browser assertion verifies the passkey step", async () => {
  const context = await chrome.newContext({ locale: "en-MY", bypassCSP: true });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await asked(page, localhost);
  const device = await authenticator(page);
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/passkey.png`, fullPage: true });
  await page.evaluate(axe);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: values }), tags);
  assert.deepEqual(violations.map((one) => `${one.id} ${one.nodes[0].html}`), []);

  const creation = {
    rp: { id: "localhost", name: "Universiti Contoh" },
    user: { id: "dXNlcg", name: login, displayName: "Example" },
    challenge: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
    pubKeyCredParams: [{ type: "public-key", alg: -7 }],
    timeout: 60_000,
    excludeCredentials: [],
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    attestation: "none",
  };
  await register(page, creation);
  await page.waitForFunction(() => globalThis.sent);
  const made = JSON.parse(await page.evaluate(() => globalThis.sent));
  assert.equal((await device.credentials()).length, 1);
  assert.deepEqual(Object.keys(made.response).sort(), ["attestationObject", "clientDataJSON", "transports"]);
  if (process.env.SHOW) console.log(JSON.stringify(made));

  creation.excludeCredentials = [{ type: "public-key", id: made.id, transports: ["internal"] }];
  await page.reload();
  await register(page, creation);
  await said(page, "known");

  await page.reload();
  if (process.env.SHOW) page.on("request", (request) => request.postData() && console.log(decodeURIComponent(request.postData())));
  await use(page);
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").textContent(), /This passkey was not accepted.*Tries left: 9/s);
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/passkey-wrong.png`, fullPage: true });

  await device.verified(false);
  await use(page);
  await said(page, "No passkey was used");
  await page.click("details form button");
  await page.waitForURL("**/code");
  await page.click("a[href='/method']");
  await page.waitForURL("**/method");
  assert.deepEqual(errors, []);
  await context.close();
});

test("unsupported origin shows the passkey origin", async () => {
  const context = await chrome.newContext({ locale: "en-MY" });
  const page = await context.newPage();
  await asked(page, product.site);
  await use(page);
  await said(page, `Passkeys only work at ${localhost}.`);
  await context.close();
});

test("page without scripts explains passkey requirement", async () => {
  for (const [language, scripts] of [["en", "scripts"], ["ms", "skrip"], ["zh-Hans", "JavaScript"], ["ta", "JavaScript"]]) {
    const context = await chrome.newContext({ javaScriptEnabled: false, viewport: { width: 320, height: 640 }, colorScheme: "dark" });
    const page = await context.newPage();
    await asked(page, product.site);
    await page.goto(`${product.site}/code?lang=${language}`);
    assert.ok((await page.locator(".notice:visible").textContent()).includes(scripts));
    assert.equal(await page.locator(`${FORM} .actions button:visible`).count(), 1, "only to cancel");
    assert.ok((await page.locator("main").boundingBox()).width <= 320);
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/passkey-narrow-${language}.png`, fullPage: true });
    await context.close();
  }
});
