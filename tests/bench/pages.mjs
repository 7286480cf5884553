// What the pages weigh: bytes as sent, with headers, and requests, for each page of a reset in Chromium, from an empty
// cache and again with what the browser kept. It prints a table and asserts nothing.
//
//   cargo build --workspace && node tests/bench/pages.mjs

import { browser } from "../browser/chromium.mjs";
import { start } from "../browser/product.mjs";

const LANGUAGES = ["en", "ms", "zh-CN", "ta"];
const TEXT = { en: "English", ms: "Malay", "zh-CN": "Chinese", ta: "Tamil" };
const PASSWORD = "Kancil-Lompat-42!";
const CHOSEN = ".actions button:not(.quiet)";

/** What one page needs: from the step that leads to it until nothing is loaded any more. */
async function weigh(page, session, step) {
  let bytes = 0, requests = 0;
  // What comes from the cache has no bytes.
  const finished = ({ encodedDataLength: sent }) => { bytes += sent; requests += sent > 0; };
  session.on("Network.loadingFinished", finished);
  await step();
  await page.waitForLoadState("networkidle");
  session.off("Network.loadingFinished", finished);
  return { bytes, requests };
}

/** Resets a password with two steps, and returns what each page needed. */
async function reset(product, context, password) {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  const weights = {};
  const at = async (name, step) => { weights[name] = await weigh(page, session, step); };
  const next = (form, path) => async () => { await page.click(`${form} ${CHOSEN}`); await page.waitForURL(path); };

  await at("who are you", () => page.goto(product.site));
  await at("reason", async () => {
    await page.fill("#login", "weiling");
    await page.click(`#identify ${CHOSEN}`);
    await page.waitForURL("**/reason");
  });
  await page.check("#reason-forgotten");
  await at("step 1", next("form:has(#reason-forgotten)", "**/method"));
  const before = (await product.messages()).length;
  await at("code by mail", next("form:has(> input[value=email])", "**/code"));
  await page.fill("#code", await newCode(product, "weiling.tan@mail.example", before));
  await at("step 2", next("form:has(#code)", "**/method"));
  await page.check("#method-sms");
  await page.fill("#contact-sms", "019-876 5432");
  const sent = (await product.messages()).length;
  await at("code by text", next("form:has(> input[value=sms])", "**/code"));
  await page.fill("#code", await newCode(product, "+60198765432", sent));
  await at("new password", next("form:has(#code)", "**/password"));
  for (const field of ["#password", "#confirmation"]) await page.fill(field, password);
  await at("done", next("#new-password", "**/done"));
  await page.close();
  return weights;
}

async function newCode(product, to, before) {
  const arrived = (all) => all.slice(0, all.length - before).find((message) => message.to === to && message.code);
  return arrived(await product.until((all) => arrived(all))).code;
}

const chrome = await browser();
const table = {};
for (const locale of LANGUAGES) {
  const product = await start();
  const context = await chrome.newContext({ locale });
  table[locale] = { cold: await reset(product, context, PASSWORD) };
  if (locale === LANGUAGES[0]) table[locale].warm = await reset(product, context, `${PASSWORD}2`);
  await context.close();
  await product.stop();
}
await chrome.close();

const cells = ({ bytes, requests }) => `${(bytes / 1000).toFixed(1)} KB, ${requests}`;
const columns = LANGUAGES.map((locale) => ({ title: TEXT[locale], weights: table[locale].cold }));
columns.push({ title: `${TEXT[LANGUAGES[0]]}, again`, weights: table[LANGUAGES[0]].warm });
console.log(`| page | ${columns.map(({ title }) => title).join(" | ")} |`);
console.log(`|---|${columns.map(() => "--:|").join("")}`);
for (const name of Object.keys(columns[0].weights)) {
  console.log(`| ${name} | ${columns.map(({ weights }) => cells(weights[name])).join(" | ")} |`);
}
const sum = ({ weights }) => Object.values(weights).reduce(
  (all, one) => ({ bytes: all.bytes + one.bytes, requests: all.requests + one.requests }), { bytes: 0, requests: 0 });
console.log(`| **the reset** | ${columns.map(sum).map(cells).join(" | ")} |`);
