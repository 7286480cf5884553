// A whole reset in Firefox, driven by WebDriver BiDi: what another engine makes of the pages, their work and their forms.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { start } from "./product.mjs";

const CHOSEN = ".actions button:not(.quiet)";

let product, firefox;
before(async () => {
  product = await start();
  firefox = await puppeteer.launch({ browser: "firefox", executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr" });
});
after(async () => { await firefox?.close(); await product?.stop(); });

test("Firefox resets a password with mail and text", async () => {
  const page = await firefox.newPage();
  page.setDefaultTimeout(30_000);
  const at = (path) => page.waitForFunction((path) => location.pathname === path, {}, path);
  const send = async (form, path) => { await page.click(`${form} ${CHOSEN}`); await at(path); };

  await page.goto(product.site);
  await page.type("#login", "weiling");
  // The work begins with the name; Next waits for it.
  await send("#identify", "/reason");
  await page.click("#reason-forgotten");
  await send("form:has(#reason-forgotten)", "/method");

  // A mistake is named, and focused; the browser comes back to the page of methods.
  await page.click("#method-sms");
  await page.type("#contact-sms", "010-000 0000");
  await page.click(`form:has(> input[value=sms]) ${CHOSEN}`);
  await page.waitForSelector("#summary");
  assert.match(await page.title(), /^Error: /);
  assert.equal(await page.evaluate(() => document.activeElement.id), "summary");
  await page.reload();
  assert.equal(await page.$("#summary"), null, "a reload sends no form");

  await page.click("#method-email");
  await send("form:has(> input[value=email])", "/code");
  await page.type("#code", await product.code("weiling.tan@mail.example"));
  await send("form:has(#code)", "/method");
  await page.click("#method-sms");
  await page.type("#contact-sms", "019-876 5432");
  await send("form:has(> input[value=sms])", "/code");
  await page.type("#code", await product.code("+60198765432"));
  await send("form:has(#code)", "/password");

  await page.click("#suggest");
  await page.waitForFunction(() => document.querySelector("#suggested").textContent);
  const [password, confirmation] = await page.$$eval("#password, #confirmation", (fields) => fields.map(({ value }) => value));
  assert.match(password, /^([A-Z][a-z-]+-){4,}\d$/);
  assert.equal(confirmation, password);
  await send("#new-password", "/done");
  assert.match(await page.$eval("main", (main) => main.innerText), /weiling/);
  await page.close();
});
