// Every page in one mode and language with axe-core, and one page in every mode and language. With ACCESSIBILITY=all, as
// tests/run --deep sets it, every page in every mode and language, and the Nu HTML checker over all of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify, NEXT } from "./identify.mjs";
import { start } from "./product.mjs";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const ALL = process.env.ACCESSIBILITY === "all";
const LANGUAGES = ["en", "ms", "zh-Hans", "ta"];
const TREES = join(dirname(fileURLToPath(import.meta.url)), "snapshots");

/** What a person may have set: the window, the size of text, the colours, the direction of the script. */
const MODES = {
  light: {},
  dark: { colorScheme: "dark" },
  forced: { forcedColors: "active" },
  narrow: { width: 320 },
  large: { text: "200%" },
  "narrow and large": { width: 320, text: "200%" },
  mirrored: { width: 320, dir: "rtl" },
};

/** The documents that the server sent, by page, language and text; and those that every mode is checked on. */
const served = new Set(), pages = [];

let product, chrome, people;
before(async () => {
  product = await start();
  chrome = await browser();
  people = Object.fromEntries((await product.people()).map((person) => [person.login, person]));
});
after(async () => { await chrome?.close(); await product?.stop(); });

async function setMode(page, { colorScheme = "light", forcedColors = "none", width = 1000, text = "", dir = "ltr" }) {
  await page.emulateMedia({ colorScheme, forcedColors });
  await page.setViewportSize({ width, height: 800 });
  await page.evaluate(([text, dir]) => {
    document.documentElement.style.fontSize = text;
    document.documentElement.dir = dir;
  }, [text, dir]);
}

/** Checks the page as it stands: rules of axe-core, ids, and the layout. */
async function check(page, name) {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => globalThis.axe.run({
    runOnly: values, rules: { "target-size": { enabled: true } }, resultTypes: ["violations"],
  }), TAGS);
  assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes[0].html}`), []);
  const [over, widest, covered, cut, dangling] = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.querySelectorAll("body *")]
      .filter((element) => {
        const { left, right } = element.getBoundingClientRect();
        return (right > width + 1 || left < -1) && !element.closest(".unseen, .skip");
      });
    const ids = [...document.querySelectorAll("[aria-describedby], [aria-labelledby], [aria-controls], label[for]")]
      .flatMap((element) => ["aria-describedby", "aria-labelledby", "aria-controls", "for"]
        .flatMap((name) => element.getAttribute(name)?.split(" ") ?? []));
    const controls = [...document.querySelectorAll("a[href]:not(.skip), button, input:not([type=hidden]), select, summary, audio")]
      .filter((element) => element.checkVisibility({ visibilityProperty: true }));
    // A link may break into lines, so its boxes are compared, not the one around them.
    const boxes = controls.map((element) => [...element.getClientRects()]);
    const isOver = (one, other) => Math.min(one.right, other.right) - Math.max(one.left, other.left) > 2
      && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 2;
    const covered = controls.filter((_, index) => boxes.some((other, nth) => nth < index
      && boxes[index].some((box) => other.some((one) => isOver(one, box)))));
    const cut = controls.concat(...document.querySelectorAll("h1, h2, legend, label, li, p"))
      .filter((element) => !element.matches("input, audio, .unseen") && element.checkVisibility() && element.clientWidth > 0)
      .filter((element) => element.scrollWidth > element.clientWidth + 1);
    const named = (elements) => elements.map((element) => element.outerHTML.slice(0, 100)).slice(0, 3);
    return [
      document.documentElement.scrollWidth - width,
      named(wide), named(covered), named(cut),
      ids.filter((id) => !document.getElementById(id)),
    ];
  });
  assert.ok(over <= 0, `${name}: ${over} px too wide: ${widest.join(" ")}`);
  assert.deepEqual(covered, [], `${name}: stands over another control`);
  assert.deepEqual(cut, [], `${name}: wider than its box`);
  assert.deepEqual(dangling, [], `${name}: ids that nothing has`);
}

/** Checks a page in light mode. With ACCESSIBILITY=all it is kept in every language, for the last tests. */
async function visit(page, name) {
  await setMode(page, MODES.light);
  await check(page, name);
  if (!ALL) return;
  const url = page.url().replace(/[?#].*/, "");
  pages.push({ name: `${name}, en`, url, html: await page.document });
  // A page that answers a form can't be asked for in another language.
  if (await page.locator("#summary, #said").count() > 0 || /\/code\/send$|\/cancel$/.test(url)) return;
  for (const language of LANGUAGES.slice(1)) {
    const html = await page.evaluate(async (url) => (await fetch(url, { headers: { accept: "text/html" } })).text(), `${url}?lang=${language}`);
    assert.match(html, new RegExp(`<html lang="${language}"`));
    served.add(html);
    pages.push({ name: `${name}, ${language}`, url, html });
  }
  await page.goto(`${url}?lang=en`);
}

/** Compares what a screen reader is given with a file. INSTA_UPDATE=always writes it. */
async function tree(page, name) {
  const file = join(TREES, `${name}.yaml`);
  const seen = (await page.locator("body").ariaSnapshot())
    .replaceAll(product.site, "")
    .replace(/\d{1,2} \w+ \d{4}( at|,) \d{1,2}:\d\d( [ap]m)?/g, "[time]")
    .replace(/about \d+ minutes/, "about [n] minutes")
    .replace(/in \d+ seconds/, "in [n] seconds")
    .replace(/\/captcha\/[^/]+\//g, "/captcha/[token]/")
    .replace(/\b[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}\b/g, "[code]")
    .concat("\n");
  if (process.env.INSTA_UPDATE === "always") {
    mkdirSync(TREES, { recursive: true });
    writeFileSync(file, seen);
  }
  assert.ok(existsSync(file), `${file} is missing; INSTA_UPDATE=always writes it`);
  assert.equal(seen, readFileSync(file, "utf8"), `${name}: the accessibility tree differs`);
}

/** The code of an authenticator app at this time (RFC 6238). */
function totp(secret) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const code = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, "0");
}

/** A page that keeps the HTML of every document it gets, and fails for a script's error. */
async function opened(t) {
  const context = await chrome.newContext({ locale: "en-MY", timezoneId: "Asia/Kuala_Lumpur", bypassCSP: true });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("response", (response) => {
    if (response.request().resourceType() !== "document" || response.status() >= 300 && response.status() < 400) return;
    page.document = response.text().catch(() => "");
    page.document.then((html) => html && served.add(html));
  });
  t.after(async () => { await context.close(); assert.deepEqual(errors, []); });
  return page;
}

const submit = (page, form) => page.click(`${form} .actions button:not(.quiet)`);
test("every page of a reset is accessible", async (t) => {
  const page = await opened(t);
  await page.goto(product.site);
  await visit(page, "identify");
  await tree(page, "identify");
  await page.click(NEXT);
  await page.waitForSelector("#summary");
  await visit(page, "identify without a name");
  await tree(page, "identify-mistake");
  await identify(page, product, "weiling");
  await visit(page, "reason");
  await tree(page, "reason");
  await submit(page, "form:has(#reason-forgotten)");
  await page.waitForSelector("#summary");
  await visit(page, "reason, nothing chosen");
  await page.goto(product.site);
  await visit(page, "identify with a flow");
  await page.click(".notice .button");
  await page.check("#reason-forgotten");
  await submit(page, "form:has(#reason-forgotten)");
  await page.waitForURL("**/method");
  await visit(page, "method");
  await tree(page, "method");
  await page.check("#method-sms");
  await page.fill("#contact-sms", "012-000 0000");
  await submit(page, "form:has(> input[value=sms])");
  await page.waitForSelector("#summary");
  await visit(page, "method, wrong number");
  await page.check("#method-email");
  await submit(page, "form:has(> input[value=email])");
  await page.waitForURL("**/code");
  await visit(page, "code");
  await tree(page, "code");
  await page.fill("#code", "0");
  await submit(page, "form:has(#code)");
  await page.waitForSelector("#summary");
  await visit(page, "code, malformed");
  await page.fill("#code", await product.code("weiling.tan@mail.example"));
  await submit(page, "form:has(#code)");
  await page.waitForURL("**/method");
  await visit(page, "method of step 2");
  await page.check("#method-sms");
  await page.fill("#contact-sms", "019-876 5432");
  await submit(page, "form:has(> input[value=sms])");
  await page.waitForURL("**/code");
  await page.fill("#code", await product.code("+60198765432"));
  await submit(page, "form:has(#code)");
  await page.waitForURL("**/password");
  await visit(page, "password");
  await tree(page, "password");
  for (const field of ["#password", "#confirmation"]) await page.fill(field, "password1234");
  await submit(page, "#new-password");
  await page.waitForSelector("#summary");
  await visit(page, "password, rejected");
  for (const field of ["#password", "#confirmation"]) await page.fill(field, "Kancil-Lompat-42!");
  await submit(page, "#new-password");
  await page.waitForURL("**/done");
  await visit(page, "done");
  await tree(page, "done");
  await page.goto(`${product.site}/nowhere`);
  await visit(page, "not found");
});

test("the page after Cancel and the pages of an unlock are accessible", async (t) => {
  const page = await opened(t);
  await identify(page, product, "james");
  await page.click(".actions button.quiet");
  await page.waitForSelector("body[data-forget]");
  await visit(page, "cancelled");
  await identify(page, product, "priya");
  await page.check("#reason-locked");
  await submit(page, "form:has(#reason-locked)");
  await page.waitForURL("**/method");
  await page.check("#method-totp");
  await page.fill("#code-totp", totp(people.priya.totp_secret));
  await submit(page, "form:has(#code-totp)");
  await page.waitForFunction(() => document.querySelector("h1").textContent.includes("2"));
  await page.check("#method-email");
  await submit(page, "form:has(> input[value=email])");
  await page.waitForURL("**/code");
  await page.fill("#code", await product.code("priya.s@mail.example"));
  await submit(page, "form:has(#code)");
  await page.waitForURL("**/unlock");
  await visit(page, "unlock");
  await tree(page, "unlock");
  await submit(page, "form[action='/unlock']");
  await page.waitForURL("**/done");
  await visit(page, "unlocked");
});

test("every page of the security info is accessible", async (t) => {
  const page = await opened(t);
  await page.goto(`${product.site}/security-info`);
  await visit(page, "sign-in");
  await tree(page, "sign-in");
  await page.fill("#login", "james");
  await page.fill("#password", "wrong-Password-1");
  await page.click("form[action$=sign-in] .actions button");
  await page.waitForSelector("#summary");
  await visit(page, "sign-in, wrong password");
  await page.fill("#login", "james");
  await page.fill("#password", people.james.password);
  await page.click("form[action$=sign-in] .actions button");
  await page.waitForURL("**/security-info/verify");
  await visit(page, "step-up");
  await page.check("#method-email");
  await page.click("form.panel:has(input[value=email]) button");
  await page.waitForSelector("#code");
  await visit(page, "step-up with a code");
  await tree(page, "step-up");
  await page.check("#method-totp");
  await page.fill("#code-totp", totp(people.james.totp_secret));
  await submit(page, "form:has(#code-totp)");
  await page.waitForURL("**/security-info");
  for (const details of await page.locator("details").all()) await details.evaluate((element) => { element.open = true; });
  await visit(page, "list");
  await tree(page, "security-info");
  for (const [kind, value] of [["recovery_codes"], ["totp"], ["authenticator"], ["passkey"], ["mobile", "019-111 2222"]]) {
    await page.goto(`${product.site}/security-info`);
    const form = `form:has(> input[value=${kind}])`;
    await page.locator(`details:is(.add, .change):has(${form}) > summary`).click();
    if (value) await page.fill(`${form} input[name=value]`, value);
    await page.locator(`${form} .actions button`).first().click();
    await page.waitForURL("**/security-info/confirm");
    await visit(page, `confirm ${kind}`);
  }
  await page.goto(`${product.site}/change-password`);
  await visit(page, "change password");
  await page.goto(`${product.site}/authenticator`);
  await page.waitForSelector("#pair .actions");
  await visit(page, "authenticator");
  await tree(page, "authenticator");
});

test("one page is accessible in every mode and language", async (t) => {
  const page = await opened(t);
  await identify(page, product, "aisyah");
  await page.check("#reason-forgotten");
  await submit(page, "form:has(#reason-forgotten)");
  await page.waitForURL("**/method");
  for (const language of LANGUAGES) {
    await page.goto(`${product.site}/method?lang=${language}`);
    await page.check("#method-sms");
    for (const [mode, settings] of Object.entries(MODES)) {
      await setMode(page, settings);
      await check(page, `method, ${mode}, ${language}`);
    }
  }
});

test("a script from right to left mirrors the page and keeps digits in order", async (t) => {
  const page = await opened(t);
  await identify(page, product, "aisyah");
  await page.check("#reason-forgotten");
  await submit(page, "form:has(#reason-forgotten)");
  await page.waitForURL("**/method");
  await page.check("#method-sms");
  const places = () => page.evaluate(() => {
    const middle = (selector) => {
      const { left, right } = document.querySelector(selector).getBoundingClientRect();
      return (left + right) / 2 - innerWidth / 2;
    };
    return [".choice > input", ".organisation", "nav", "form:has(#contact-sms) .actions button"].map(middle);
  });
  await setMode(page, {});
  const before = await places();
  await setMode(page, { dir: "rtl" });
  const mirrored = await places();
  for (const [index, place] of before.entries()) assert.ok(Math.abs(place + mirrored[index]) < 20, `${place} ${mirrored[index]}`);
  assert.equal(await page.$eval("#contact-sms", (input) => getComputedStyle(input).direction), "ltr");
  assert.match(await page.innerText("#panel-sms, form:has(#contact-sms) p"), /\u2068\*+98\u2069/);
});

// A flow ends after some minutes, so its pages are kept, and then checked without it.
if (ALL) test("every page is accessible in every mode and language", async (t) => {
  assert.ok(pages.length > 60, `${pages.length} pages`);
  const wrong = [];
  for (const { name, url, html } of pages) {
    const page = await opened(t);
    await page.route((asked) => asked.href === url, (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: html }));
    await page.goto(url);
    for (const details of await page.locator("details").all()) await details.evaluate((element) => { element.open = true; });
    for (const [mode, settings] of Object.entries(MODES)) {
      await setMode(page, settings);
      await check(page, `${name}, ${mode}`).catch((error) => wrong.push(error.message));
    }
    await page.context().close();
  }
  assert.deepEqual(wrong, []);
});

if (ALL) test("the HTML of every page is valid", () => {
  assert.ok(served.size > 30, `${served.size} pages`);
  const folder = mkdtempSync(join(tmpdir(), "rekey-html-"));
  try {
    [...served].forEach((html, number) => writeFileSync(join(folder, `${number}.html`), html));
    const jar = require.resolve("vnu-jar/build/dist/vnu.jar");
    execFileSync("java", ["-jar", jar, "--skip-non-html", "--errors-only", folder], { stdio: "pipe", encoding: "utf8" });
  } catch (error) {
    assert.fail(`${error.stderr}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
