// The pages without a mouse: every page is walked by Tab, and a reset is done by keys alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { mendFrom, tabTo, walk } from "./keyboard.mjs";
import { start } from "./product.mjs";

let product, chrome;
before(async () => { [product, chrome] = await Promise.all([start(), browser()]); });
after(async () => { await chrome?.close(); await product?.stop(); });

async function open() {
  const page = await (await chrome.newContext({ locale: "en-MY", viewport: { width: 1000, height: 700 } })).newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

const activeId = (page) => page.evaluate(() => document.activeElement.id);

test("a reset needs no mouse", async () => {
  const page = await open();
  const press = async (...keys) => { for (const key of keys) await page.keyboard.press(key); };
  // The picture folds away when the device has done its check, so that one is kept from starting.
  await page.route(/\/assets\/work\./, (route) => route.abort());
  await page.goto(product.site);
  await walk(page, "identify");
  await page.unrouteAll();
  await page.goto(product.site);

  // The first control leads to the main content, and from there to its first control.
  await press("Tab");
  assert.match(await page.evaluate(() => document.activeElement.className), /skip/);
  await press("Enter");
  assert.equal(await activeId(page), "main");
  await press("Tab");
  assert.equal(await activeId(page), "login");
  await press("Enter");
  await mendFrom(page, "login");
  await page.keyboard.type("weiling");
  await press("Enter");
  await page.waitForURL("**/reason");

  await walk(page, "reason");
  await tabTo(page, "form[action$=reason] .actions button:not(.quiet)");
  await press("Enter");
  await mendFrom(page, "reason-forgotten");
  await walk(page, "reason with a mistake");
  await tabTo(page, "#reason-forgotten");
  await press("ArrowDown");
  assert.equal(await activeId(page), "reason-locked");
  await press("ArrowUp", "Enter");
  await page.waitForURL("**/method");

  // Back leads to the page before, and the same choice on.
  await walk(page, "method");
  await tabTo(page, ".back");
  await press("Enter");
  await page.waitForURL("**/reason");
  await tabTo(page, "#reason-forgotten");
  await press("Space", "Enter");
  await page.waitForURL("**/method");

  // Arrows open the panels one by one.
  await tabTo(page, "[name=choice]");
  while (await activeId(page) !== "method-sms") await press("ArrowDown");
  await walk(page, "method with a panel", true);
  await tabTo(page, "#contact-sms");
  await page.keyboard.type("012-000 0000");
  await press("Enter");
  await mendFrom(page, "contact-sms");
  await press("Control+A");
  await page.keyboard.type("019-876 5432");
  await press("Enter");
  await page.waitForURL("**/code");

  assert.equal(await activeId(page), "code");
  for (const key of ["Space", "Enter"]) {
    await tabTo(page, "#help > summary");
    await press(key);
    assert.equal(await page.evaluate(() => document.querySelector("#help").open), key === "Space", key);
  }
  await walk(page, "code");
  await tabTo(page, "#code");
  await page.keyboard.type("1");
  await press("Enter");
  await mendFrom(page, "code");
  await press("Control+A");
  await page.keyboard.type(await product.code("+60198765432"));
  await press("Enter");
  await page.waitForURL("**/method");

  await walk(page, "method of step 2");
  await tabTo(page, "[name=choice]");
  while (await activeId(page) !== "method-email") await press("ArrowDown");
  await tabTo(page, ".choice:has(#method-email) .actions button:not(.quiet)");
  await press("Space");
  await page.waitForURL("**/code");
  await page.keyboard.type(await product.code("weiling.tan@mail.example"));
  await press("Enter");
  await page.waitForURL("**/password");

  await walk(page, "password");
  await tabTo(page, "#suggest");
  await press("Space");
  await page.waitForFunction(() => document.querySelector("#suggested").textContent);
  assert.equal(await activeId(page), "suggest");
  await tabTo(page, "#confirmation");
  await page.keyboard.type("x");
  await press("Enter");
  await mendFrom(page, "confirmation");
  await tabTo(page, ".actions button.quiet");
  await page.evaluate(() => document.querySelector("#password").focus());
  await page.keyboard.type("Kancil-Lompat-42!");
  await tabTo(page, "#show");
  await press("Enter");
  assert.equal(await page.getAttribute("#password", "type"), "text");
  await tabTo(page, "#confirmation");
  await page.keyboard.type("Kancil-Lompat-42!");
  await press("Enter");
  await page.waitForURL("**/done");
  await walk(page, "done");
  await page.context().close();
});

test("security info and the app need no mouse", async () => {
  const page = await open();
  const press = async (...keys) => { for (const key of keys) await page.keyboard.press(key); };
  const [james] = (await product.people()).filter((person) => person.login === "james");
  await page.goto(`${product.site}/security-info`);
  await walk(page, "sign-in");
  await tabTo(page, "#login");
  await page.keyboard.type("james");
  await press("Enter");
  await mendFrom(page, "password");
  await page.keyboard.type(james.password);
  await press("Enter");
  await page.waitForURL("**/security-info/verify");
  await walk(page, "step-up");
  await tabTo(page, "[name=choice]");
  while (await activeId(page) !== "method-email") await press("ArrowDown");
  await press("Tab", "Enter");
  await page.waitForSelector("#code");
  await walk(page, "step-up with a code");
  await tabTo(page, "#code");
  await page.keyboard.type(await product.code("james.oconnor@mail.example"));
  await press("Enter");
  await page.waitForURL("**/security-info");

  await walk(page, "list");
  await page.evaluate(() => { for (const details of document.querySelectorAll("details")) details.open = true; });
  await walk(page, "list, everything open", true);
  await page.reload();
  for (const kind of ["recovery_codes", "totp"]) {
    await tabTo(page, `details:has(> form > input[value=${kind}]) > summary`);
    await press("Enter", "Tab", "Enter");
    await page.waitForURL("**/security-info/confirm");
    await walk(page, `confirm ${kind}`);
    await tabTo(page, ".leave a");
    await press("Enter");
    await page.waitForURL("**/security-info");
  }
  await page.goto(`${product.site}/authenticator`);
  await page.waitForSelector("#pair .actions");
  await walk(page, "authenticator");
  await tabTo(page, "#pair input");
  await press("Enter");
  await page.waitForFunction(() => document.querySelector("#pair .mistake").textContent);
  assert.ok(await page.evaluate(() => document.activeElement.matches("#pair input")), "the mistake leads to its field");
  await page.goto(`${product.site}/security-info`);
  await tabTo(page, "form[action$=sign-out] button");
  await press("Space");
  await page.waitForSelector("form[action$=sign-in]");
  await page.context().close();
});
