// The page where people register, as a person uses it: in Chromium, with its own authenticator and without scripts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify } from "./identify.mjs";
import { start } from "./product.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const NEW = "Kancil-Lompat-42!";

let product, chrome, localhost, people;
before(async () => {
  product = await start();
  localhost = product.site.replace("127.0.0.1", "localhost");
  chrome = await browser();
  people = Object.fromEntries((await product.people()).map((person) => [person.login, person]));
});
after(async () => { await chrome?.close(); await product?.stop(); });

/** A page with an authenticator of its own, as a computer with a fingerprint reader has one. */
async function pageWithAuthenticator() {
  const page = await (await chrome.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true,
  };
  await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  return page;
}

/** Signs in, and verifies the second step by a text. */
async function signIn(page, site, login, number) {
  await page.goto(`${site}/security-info`);
  await page.fill("#login", login);
  await page.fill("#password", people[login].password);
  await page.click("form[action$=sign-in] button");
  await page.waitForURL("**/security-info/verify");
  const before = (await product.messages()).filter((message) => message.to === number && message.code).length;
  await page.check("#method-sms");
  await page.click("form.panel:has(input[value=sms]) button");
  await page.waitForSelector("#code");
  await page.fill("#code", await product.code(number, before));
  await page.click("form:has(#code) .actions button");
  await page.waitForURL("**/security-info");
}

async function add(page, kind) {
  await page.locator(`details:is(.add, .change):has(input[value=${kind}]) > summary`).click();
  await page.locator(`form:has(> input[value=${kind}]) .actions button`).first().click();
  await page.waitForURL("**/security-info/confirm");
}

test("enrolled passkey and text reset the password", async () => {
  const page = await pageWithAuthenticator();
  await signIn(page, localhost, "mei", "+60162345678");
  await add(page, "passkey");
  await page.click("form[data-passkey-options] button");
  await page.waitForURL("**/security-info");
  assert.match(await page.locator(".entries").innerText(), /Passkey/);

  await identify(page, product, "mei", localhost);
  await page.check("#reason-forgotten");
  await page.click("form:has(#reason-forgotten) .actions button:not(.quiet)");
  await page.check("#method-passkey");
  await page.click("form:has(input[value=passkey]) .actions button:not(.quiet)");
  await page.waitForURL("**/code");
  await page.click("form[data-passkey-options] button:not(.quiet)");
  await page.waitForURL("**/method");
  const before = (await product.messages()).filter((message) => message.to === "+60162345678" && message.code).length;
  await page.check("#method-sms");
  await page.fill("#contact-sms", "016-234 5678");
  await page.click("form:has(input[value=sms]) .actions button:not(.quiet)");
  await page.waitForURL("**/code");
  await page.fill("#code", await product.code("+60162345678", before));
  await page.click("form:has(#code) .actions button:not(.quiet)");
  await page.waitForURL("**/password");
  await page.fill("#password", NEW);
  await page.fill("#confirmation", NEW);
  await page.click("#new-password .actions button:not(.quiet)");
  await page.waitForURL("**/done");
});

test("totp and recovery codes enrol without scripts", async () => {
  const options = { viewport: { width: 320, height: 640 }, javaScriptEnabled: false };
  const page = await (await chrome.newContext(options)).newPage();
  page.setDefaultTimeout(20_000);
  // What the page shows is judged in a context with scripts, which axe needs.
  const judge = await (await chrome.newContext({ viewport: options.viewport, bypassCSP: true })).newPage();
  const judged = async (name) => {
    await judge.goto(product.site);
    await judge.setContent(await page.content());
    await judge.evaluate(axe);
    const found = await judge.evaluate(() => globalThis.axe.run({ rules: { "color-contrast": { enabled: false } } }));
    assert.deepEqual(found.violations.map((violation) => violation.id), [], name);
  };
  await signIn(page, product.site, "weiling", "+60198765432");
  await judged("the list");
  await add(page, "totp");
  await judged("the app");
  assert.match(await page.locator("code").innerText(), /^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
  assert.equal(await page.locator(".qr svg").count(), 1);
  await page.goto(`${product.site}/security-info`);
  await add(page, "recovery_codes");
  await judged("the codes");
  assert.equal(await page.locator(".codes li").count(), 10);
  await page.click("form[action$=confirm] button");
  await page.waitForURL("**/security-info");
  await judged("the list with codes");
  assert.match(await page.locator(".entries").innerText(), /10 left|10/);
});

test("sign-in requires CAPTCHA after two wrong passwords", async () => {
  const page = await (await chrome.newContext({ locale: "en-MY", viewport: { width: 320, height: 640 }, bypassCSP: true })).newPage();
  page.setDefaultTimeout(60_000);
  const attempt = async (password) => {
    await page.fill("#login", "aisyah");
    await page.fill("#password", password);
    await page.click(".actions button");
  };
  await page.goto(`${product.site}/security-info`);
  for (let attempts = 0; attempts < 3; attempts += 1) {
    assert.equal(await page.locator("#captcha").count(), 0, "none yet");
    await attempt("Wrong-Password-1");
    await page.waitForSelector("[role=alert]");
  }
  assert.equal(await page.locator("#login").inputValue(), "aisyah");
  assert.match(await page.locator("#work .hint").textContent(), /this check takes longer/);
  assert.equal(await page.locator("#picture, #captcha-answer, #refresh").count(), 0, "only the work passes");
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(found.violations.map((violation) => violation.id), []);
  await attempt(people.aisyah.password);
  await page.waitForURL("**/security-info/verify");
});
