// A person resets and unlocks in a real browser, with scripts and without.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify } from "./identify.mjs";
import { start } from "./product.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env.SCREENSHOTS;
const NEW = "Kancil-Lompat-42!";

let product, chrome;
before(async () => { product = await start(); chrome = await browser(); });
after(async () => { await chrome?.close(); await product?.stop(); });

async function checkPage(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
}

async function accessible(page, name) {
  await page.evaluate(axe);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: values }), tags);
  assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes[0].html}`), []);
}

async function submit(page, form) {
  await page.click(`${form} .actions button:not(.quiet)`);
}

async function choose(page, method, contact) {
  await page.check(`#method-${method}`);
  if (contact) await page.fill(`#contact-${method}`, contact);
  await submit(page, `form:has(input[value=${method}])`);
}

async function enter(page, code) {
  await page.fill("#code", code);
  await submit(page, "form:has(#code)");
}

async function verifyBothSteps(page, login, reason, mail, phone, typed, check) {
  await identify(page, product, login);
  await check?.("2-reason");
  await page.check(`#reason-${reason}`);
  await submit(page, "form:has(#reason-forgotten)");
  await page.waitForURL("**/method");
  await check?.("3-method");
  await choose(page, "email");
  await page.waitForURL("**/code");
  await check?.("4-code");
  await enter(page, await product.code(mail));
  await page.waitForURL("**/method");
  await check?.("5-method");
  await choose(page, "sms", typed);
  await page.waitForURL("**/code");
  await enter(page, await product.code(phone));
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with scripts" : "without scripts";
  const login = javaScriptEnabled ? "weiling" : "hafiz";
  const [mail, phone, typed] = javaScriptEnabled
    ? ["weiling.tan@mail.example", "+60198765432", "019-876 5432"]
    : ["hafiz.i@mail.example", "+601112223334", "0060 1112223334"];

  test(`a whole reset ${how}`, async () => {
    const context = await chrome.newContext({ javaScriptEnabled, locale: "en-MY", bypassCSP: true });
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    const check = javaScriptEnabled
      ? async (name) => { await checkPage(page, name); await accessible(page, name); }
      : undefined;
    await page.goto(product.site);
    await check?.("1-identify");
    await verifyBothSteps(page, login, "forgotten", mail, phone, typed, check);
    await page.waitForURL("**/password");
    await page.fill("#password", "short");
    await page.fill("#confirmation", "short");
    await submit(page, "#new-password");
    await page.waitForSelector("[role=alert]");
    assert.match(await page.title(), /^Error: /);
    await check?.("6-password");
    await page.fill("#password", NEW);
    await page.fill("#confirmation", NEW);
    await submit(page, "#new-password");
    await page.waitForURL("**/done");
    await check?.("7-done");
    await page.reload();
    assert.match(page.url(), /\/done$/);
    await page.goto(`${product.site}/password`);
    assert.match(page.url(), /\/done$/, "the flow stays at its end");
    assert.deepEqual(errors, []);
    await context.close();
  });

  test(`an unlock ${how}`, async () => {
    const context = await chrome.newContext({ javaScriptEnabled, locale: "en-MY" });
    const page = await context.newPage();
    const before = (await product.messages()).filter((one) => one.to === "priya.s@mail.example" && one.code).length;
    await identify(page, product, "priya@staff.contoh.example");
    await page.check("#reason-locked");
    await submit(page, "form:has(#reason-locked)");
    await choose(page, "email");
    await page.waitForURL("**/code");
    await page.goBack();
    await page.waitForURL("**/method");
    await page.goForward();
    await page.waitForURL("**/code");
    await enter(page, await product.code("priya.s@mail.example", before));
    await page.waitForURL("**/method");
    const calls = (await product.messages()).filter((one) => one.to === "+60387654321" && one.code).length;
    await choose(page, "office_call", "03-8765 4321");
    await page.waitForURL("**/code");
    await enter(page, await product.code("+60387654321", calls));
    await page.waitForURL("**/unlock");
    await submit(page, "form[action='/unlock']");
    await page.waitForURL("**/done");
    const priya = (await product.people()).find((one) => one.login === "priya");
    assert.equal(priya.state, "active");
    await context.close();
  });
}

test("stale form does not change replaced flow", async () => {
  const context = await chrome.newContext({ locale: "en-MY" });
  const [first, second] = [await context.newPage(), await context.newPage()];
  await identify(first, product, "james");
  await identify(second, product, "james");
  await first.check("#reason-locked");
  await submit(first, "form:has(#reason-locked)");
  await first.waitForURL("**/reason");
  await context.close();
});

test("double click is idempotent", async () => {
  const context = await chrome.newContext({ locale: "en-MY" });
  const page = await context.newPage();
  const twice = (form) => page.dblclick(`${form} .actions button:not(.quiet)`);
  const isFine = async (path) => {
    await page.waitForURL(`**${path}`);
    assert.equal(await page.locator("[role=alert]").count(), 0, path);
  };
  const [mail, phone] = ["aisyah.rahman@mail.example", "+60123456798"];
  await page.goto(product.site);
  await page.fill("#login", "aisyah");
  await twice("#identify");
  await isFine("/reason");
  await page.check("#reason-forgotten");
  await twice("form:has(#reason-forgotten)");
  await isFine("/method");
  await page.check("#method-email");
  await twice("form:has(input[value=email])");
  await isFine("/code");
  await page.fill("#code", await product.code(mail));
  await twice("form:has(#code)");
  await isFine("/method");
  await page.check("#method-sms");
  await page.fill("#contact-sms", "012-345 6798");
  await twice("form:has(input[value=sms])");
  await isFine("/code");
  await page.fill("#code", await product.code(phone));
  await twice("form:has(#code)");
  await isFine("/password");
  await page.fill("#password", NEW);
  await page.fill("#confirmation", NEW);
  await twice("#new-password");
  await isFine("/done");
  const codes = (await product.messages()).filter((one) => one.code && [mail, phone].includes(one.to));
  assert.equal(codes.length, 2, "each code was sent once");
  await context.close();
});

test("pages support every language and narrow screens", async () => {
  for (const language of ["en", "ms", "zh-Hans", "ta"]) {
    const context = await chrome.newContext({ viewport: { width: 320, height: 640 }, colorScheme: "dark" });
    const page = await context.newPage();
    await page.goto(`${product.site}/?lang=${language}`);
    assert.equal(await page.locator("html").getAttribute("lang"), language);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${language}: ${width} px`);
    await checkPage(page, `narrow-dark-${language}`);
    await context.close();
  }
});
