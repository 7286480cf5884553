// Two browsers: one resets, the other is the phone with the authenticator app.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify } from "./identify.mjs";
import { startWithPairing } from "./product.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env.SCREENSHOTS;
const PHONE = { viewport: { width: 320, height: 640 }, locale: "en-MY" };

let product, chrome;
before(async () => { product = await startWithPairing(); chrome = await browser(); });
after(async () => { await chrome?.close(); await product?.stop(); });

async function checkPage(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
  await page.evaluate(axe);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: values }), tags);
  assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes[0].html}`), []);
  const [needed, wide] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needed <= wide, `${name}: ${needed} of ${wide} px`);
}

/** A phone whose errors fail the test. */
async function phone(options = {}) {
  const context = await chrome.newContext({ ...PHONE, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  page.on("console", (line) => { if (line.type() === "error" && line.text().includes("Content Security")) errors.push(line.text()); });
  return { context, page, errors };
}

async function pair(page, login) {
  const pairing = await product.pairing(login);
  await page.goto(`${product.site}/authenticator#pair=${pairing}`);
  await page.click("#pair .actions button");
  const shown = page.locator("#confirm-code");
  await shown.waitFor();
  return { pairing, code: (await shown.textContent()).replaceAll(" ", "") };
}

async function paired(page, login) {
  const { pairing, code } = await pair(page, login);
  assert.ok(await product.confirm(login, pairing, code));
  await page.waitForSelector("#waiting:not([hidden])");
}

/** A browser that has come to the number. */
async function asking(login, options = {}) {
  const context = await chrome.newContext({ locale: "en-MY", ...options });
  const page = await context.newPage();
  await identify(page, product, login);
  await page.check("#reason-forgotten");
  await page.click("form:has(#reason-forgotten) .actions button:not(.quiet)");
  await page.waitForURL("**/method");
  await page.check("#method-push");
  await page.click("form:has(input[value=push]) .actions button:not(.quiet)");
  await page.waitForURL("**/code");
  const number = (await page.locator(".number").textContent()).match(/[0-9]{2}/)[0];
  return { context, page, number };
}

test("paired phone approves and page continues", async () => {
  const { context, page, errors } = await phone();
  await page.goto(`${product.site}/authenticator`);
  await checkPage(page, "app-1-unpaired");
  const { pairing, code } = await pair(page, "aisyah");
  assert.ok(!page.url().includes("#"), "the token has left the address");
  await checkPage(page, "app-2-confirm");
  assert.ok(await product.confirm("aisyah", pairing, code));
  await page.waitForSelector("#waiting:not([hidden])");
  await checkPage(page, "app-3-nothing");

  const reset = await asking("aisyah");
  await checkPage(reset.page, "8-approval");
  // The page asks by itself, so nobody has to.
  assert.ok(await reset.page.locator("#look").isHidden());
  assert.ok(await reset.page.locator("#approved button:not(.quiet)").isHidden());
  await page.waitForSelector(".request");
  await checkPage(page, "app-4-request");
  assert.ok(await page.locator(".request .notice").isVisible(), "nobody has called this browser their own");
  const notification = await page.locator(".request").textContent();
  assert.ok(notification.includes("127.0.0.x") && notification.includes("Chrome") && notification.includes("Universiti Contoh"), notification);
  // Time, network and seconds have digits of their own, which may be the number's by chance.
  const rest = await page.locator(".request").evaluate((form) => {
    const copy = form.cloneNode(true);
    for (const part of copy.querySelectorAll("[data-of=time], [data-of=network], [data-of=left]")) part.remove();
    return copy.textContent;
  });
  assert.ok(rest.includes("Universiti Contoh") && !rest.includes(reset.number), "the number is on the other screen only");
  await page.click(".request .actions button:not(.quiet)");
  assert.ok((await page.locator(".request .mistake").textContent()).includes("two digits"));
  await page.fill(".request input", reset.number);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#said").textContent.includes("Approved"));
  await checkPage(page, "app-5-approved");
  // The page goes on by hand: its button has the focus.
  await reset.page.waitForFunction(() => document.activeElement.closest("#approved"));
  await reset.page.keyboard.press("Enter");
  await reset.page.waitForURL("**/method");
  assert.equal(await reset.page.locator("#method-totp, #method-push").count(), 0);
  assert.deepEqual(errors, []);
  await Promise.all([context.close(), reset.context.close()]);
});

test("denial ends the other browser's visit", async () => {
  const { context, page, errors } = await phone({ colorScheme: "dark" });
  await paired(page, "hafiz");
  const reset = await asking("hafiz");
  await page.waitForSelector(".request");
  await checkPage(page, "app-6-dark");
  await page.click("[data-does=deny]");
  await page.waitForFunction(() => document.querySelector("#said").textContent.includes("denied"));
  await checkPage(page, "app-7-refused");
  await reset.page.waitForFunction(() => document.querySelector("h1").textContent.includes("ended"));
  const notification = await product.until((all) => all.some((one) => /refused|ditolak/.test(one.body)));
  assert.ok(notification.length > 0);
  assert.deepEqual(errors, []);
  await Promise.all([context.close(), reset.context.close()]);
});

test("page without scripts continues by button", async () => {
  const { context, page } = await phone();
  await paired(page, "weiling");
  const reset = await asking("weiling", { javaScriptEnabled: false });
  await reset.page.click("#approved .actions button:not(.quiet)");
  await reset.page.waitForURL("**/code");
  await page.waitForSelector(".request");
  await page.fill(".request input", reset.number);
  await page.click(".request .actions button:not(.quiet)");
  await page.waitForFunction(() => document.querySelector("#said").textContent.includes("Approved"));
  await reset.page.click("#approved .actions button:not(.quiet)");
  await reset.page.waitForURL("**/method");
  await Promise.all([context.close(), reset.context.close()]);
});

test("wrong number ends request on both sides", async () => {
  const { context, page } = await phone();
  await paired(page, "james");
  const reset = await asking("james");
  await page.waitForSelector(".request");
  await page.fill(".request input", reset.number === "42" ? "43" : "42");
  await page.click(".request .actions button:not(.quiet)");
  await page.waitForFunction(() => document.querySelector("#said").textContent.includes("right number"));
  await reset.page.waitForSelector("#ask-again", { state: "attached" });
  await checkPage(reset.page, "9-approval-over");
  // Asked again too early: the page says how long to wait, asks for nothing by itself, and shows no number that is over.
  const posts = [];
  reset.page.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
  await reset.page.click("button[form=ask-again]");
  await reset.page.waitForSelector("#summary");
  assert.match(await reset.page.innerText("#summary"), /wait \d+ seconds/);
  assert.equal(await reset.page.locator(".number").count(), 0);
  await reset.page.waitForTimeout(5000);
  assert.equal(posts.length, 1, posts.join(" "));
  await Promise.all([context.close(), reset.context.close()]);
});

test("app opens offline and removes an account", async () => {
  const { context, page } = await phone();
  await paired(page, "aisyah");
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload();
  await page.waitForFunction(async () => (await (await caches.open("authenticator-1")).keys()).length > 2);
  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector("#offline:not([hidden])");
  assert.ok((await page.locator("#accounts").textContent()).includes("aisyah"));
  await checkPage(page, "app-8-offline");
  await page.click("#accounts summary");
  await page.click("#accounts button");
  await page.waitForSelector("#accounts", { state: "hidden" });
  await context.close();
});

// Controls: C-094.
test("device key is not extractable", async () => {
  const { context, page } = await phone();
  await pair(page, "aisyah");
  const taken = await page.evaluate(() => new Promise((resolve, reject) => {
    const open = indexedDB.open("rekey-authenticator");
    open.onsuccess = () => {
      const all = open.result.transaction("accounts").objectStore("accounts").getAll();
      all.onsuccess = () => crypto.subtle.exportKey("pkcs8", all.result[0].key.privateKey).then(() => resolve("taken"), () => resolve("kept"));
      all.onerror = reject;
    };
    open.onerror = reject;
  }));
  assert.equal(taken, "kept");
  await context.close();
});

test("used pairing token is rejected", async () => {
  const { context, page } = await phone();
  const { pairing } = await pair(page, "aisyah");
  const second = await phone();
  await second.page.goto(`${product.site}/authenticator#pair=${pairing}`);
  await second.page.click("#pair .actions button");
  await second.page.waitForFunction(() => document.querySelector("#pairing-mistake").textContent.includes("expired or was already used"));
  await checkPage(second.page, "app-9-used");
  await Promise.all([context.close(), second.context.close()]);
});

test("app is installable", async () => {
  const { context, page } = await phone();
  await page.goto(`${product.site}/authenticator`);
  const session = await context.newCDPSession(page);
  const { errors, url } = await session.send("Page.getAppManifest");
  assert.deepEqual(errors, []);
  assert.ok(url.endsWith("/authenticator/manifest.webmanifest"));
  const manifest = await (await page.request.get(url)).json();
  assert.equal(manifest.scope, "/authenticator");
  for (const { src, sizes } of manifest.icons) {
    const icon = await (await page.request.get(product.site + src)).body();
    assert.equal(`${icon.readUInt32BE(16)}x${icon.readUInt32BE(20)}`, sizes, src);
  }
  await context.close();
});

test("app supports every language", async () => {
  for (const language of ["en", "ms", "zh-Hans", "ta"]) {
    const { context, page } = await phone();
    await page.goto(`${product.site}/authenticator?lang=${language}`);
    await page.waitForSelector("#pair h2:visible");
    await checkPage(page, `app-${language}`);
    await context.close();
  }
});
