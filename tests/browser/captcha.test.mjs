// The CAPTCHA of page 1: the browser's work, its progress, and the characters for those whom it does not serve.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { NEXT } from "./identify.mjs";
import { start } from "./product.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = process.env.SCREENSHOTS;

let product, chrome;
before(async () => {
  // The second flow of a name gets the harder kind. So every test has its own names.
  process.env.REKEY_OPENS_PER_HOUR = "1";
  product = await start();
  chrome = await browser();
});
after(async () => { await chrome?.close(); await product?.stop(); });

/** A page whose errors fail the test. */
async function opened(t, { path = "/", ...options } = {}) {
  const context = await chrome.newContext({ locale: "en-MY", ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  t.after(async () => { await context.close(); assert.deepEqual(errors, []); });
  if (path) await page.goto(product.site + path);
  return page;
}

const done = (page) => page.waitForFunction(() => document.querySelector("[name=captcha_work]").value !== "", null, { timeout: 60_000 });
const work = (page) => page.locator("[name=captcha_work]").inputValue();
const token = (page) => page.locator("[name=captcha_token]").inputValue();

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/captcha-${name}.png`, fullPage: true });
}

async function accessible(page, name) {
  await page.evaluate(axe);
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: values }), tags);
  assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes[0].html}`), []);
}

/** Makes the work of a page endless, so that its state before the end can be seen. */
const endless = (page) => page.route(/\/assets\/work\./, (route) => route.fulfill({ contentType: "text/javascript", body: "onmessage = () => postMessage({ done: 16 });" }));

test("work begins with the first focus and shows true progress", async (t) => {
  const page = await opened(t, { bypassCSP: true });
  assert.equal(page.workers().length, 0, "not before somebody begins");
  await page.evaluate(() => {
    const progress = document.querySelector("#work-progress"), status = document.querySelector("#work-status");
    globalThis.seen = [];
    globalThis.said = [];
    new MutationObserver(() => seen.push(progress.value)).observe(progress, { attributes: true });
    new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true });
  });
  await accessible(page, "before");
  await page.keyboard.press("Tab");
  while (await page.evaluate(() => document.activeElement.id) !== "login") await page.keyboard.press("Tab");
  await page.keyboard.type("student1");
  await done(page);
  const [seen, said] = await page.evaluate(() => [seen, said]);
  assert.deepEqual(seen, Array.from({ length: 64 }, (_, index) => index + 1), "one step for each puzzle");
  assert.deepEqual(said, ["Checked. There is nothing to enter here."], "a screen reader says one sentence");

  const { challenge, difficulty } = await page.locator("#captcha").evaluate((element) => ({ ...element.dataset }));
  for (const [puzzle, nonce] of (await work(page)).split(".").entries()) {
    const hash = createHash("sha256").update(`${challenge}.${puzzle}.${nonce}`).digest();
    assert.ok(Math.clz32(hash.readUInt32BE()) >= Number(difficulty), `puzzle ${puzzle}`);
  }
  assert.ok(await page.locator("#characters").isHidden(), "the picture folds away");
  assert.equal(await page.evaluate(() => document.activeElement.id), "login", "the focus stays");
  await accessible(page, "after");
  await shot(page, "done");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/reason");
});

test("accessibility tree names the check in each state", async (t) => {
  const page = await opened(t, { path: "" });
  await endless(page);
  await page.goto(product.site);
  await page.fill("#login", "student2");
  await page.waitForFunction(() => document.querySelector("#work-progress").value === 16);
  await shot(page, "during");
  const tree = await page.locator("#captcha").ariaSnapshot();
  for (const part of [
    'group "Security check"', 'progressbar "Security check"', "Your device does a short check in the background",
    'img "Six unevenly drawn letters and digits', 'link "New picture and audio"', 'button "Play the digits"',
    'textbox "Enter the characters in the picture or the digits in the audio"',
  ]) assert.ok(tree.includes(part), `${part} in\n${tree}`);
  assert.equal(await page.locator("#captcha-answer").evaluate((field) => field.required), false);
  await page.unrouteAll();
  await page.reload();
  await page.fill("#login", "student2");
  await done(page);
  const after = await page.locator("#captcha").ariaSnapshot();
  assert.match(after, /^- group "Security check":\n( {2}- text: Security check\n)? {2}- status: Checked\. There is nothing to enter here\.$/);
});

test("Next waits for the work and goes on by itself", async (t) => {
  const page = await opened(t, { path: "" });
  await page.route(/\/assets\/work\./, async (route) => { await new Promise((resolve) => setTimeout(resolve, 2000)); await route.continue(); });
  await page.goto(product.site);
  await page.focus("#login");
  await page.keyboard.type("student3");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(NEXT).innerText(), "One moment…");
  assert.equal(await page.locator(NEXT).getAttribute("aria-disabled"), "true");
  assert.match(await page.locator("#work-status").innerText(), /continue as soon as the check is done/);
  await shot(page, "waits");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/reason");
});

test("who types on after Next presses it again", async (t) => {
  const page = await opened(t, { path: "" });
  await endless(page);
  await page.goto(product.site);
  await page.fill("#login", "student");
  const text = await page.locator(NEXT).innerText();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(NEXT).getAttribute("aria-disabled"), "true");
  await page.locator("#login").pressSequentially("12");
  assert.equal(await page.locator(NEXT).innerText(), text);
  assert.equal(await page.locator(NEXT).getAttribute("aria-disabled"), null);
  assert.equal(await page.locator("#work-status").innerText(), "");
});

test("empty name is refused without waiting", async (t) => {
  const page = await opened(t);
  const before = await token(page);
  await page.click(NEXT);
  await page.waitForSelector("[role=alert]");
  assert.equal(await token(page), before, "nothing was spent");
});

test("filled name starts the work at load", async (t) => {
  const page = await opened(t, { path: "" });
  await page.route(`${product.site}/`, async (route) => {
    if (route.request().method() === "POST") return route.continue();
    const response = await route.fetch();
    const body = (await response.text()).replace('name="login" value=""', 'name="login" value="student4"');
    await route.fulfill({ response, body });
  });
  await page.goto(product.site);
  await done(page);
  await page.click(NEXT);
  await page.waitForURL("**/reason");
});

test("characters do not fold away under the person's hands", async (t) => {
  const page = await opened(t);
  await page.fill("#login", "student5");
  await page.focus("#captcha-answer");
  await done(page);
  assert.ok(await page.locator("#picture").isVisible());
  // The press of a button moves the focus; the button stays where it is until the press has ended.
  const button = await page.locator(NEXT).boundingBox();
  await page.mouse.move(button.x + 10, button.y + 10);
  await page.mouse.down();
  await page.waitForTimeout(100);
  assert.deepEqual(await page.locator(NEXT).boundingBox(), button);
  await page.mouse.up();
  await page.waitForURL("**/reason");
});

test("digits are played again from within the field", async (t) => {
  const page = await opened(t, { path: "" });
  await endless(page);
  for (const language of ["en", "ms", "zh-Hans", "ta"]) {
    await page.goto(`${product.site}/?lang=${language}`);
    await page.evaluate(() => {
      globalThis.plays = 0;
      document.querySelector("#sound").addEventListener("playing", () => { plays += 1; });
    });
    await page.focus("#captcha-answer");
    await page.keyboard.type("37.");
    await page.waitForFunction(() => plays === 1);
    await page.keyboard.type("9");
    assert.equal(await page.locator("#captcha-answer").inputValue(), "379", "the full stop is not typed");
    const [seconds, source] = await page.locator("#sound").evaluate((sound) => [sound.duration, sound.src]);
    assert.ok(seconds > 3 && seconds < 9, `${language}: ${seconds} s`);
    assert.ok(source.endsWith(`?lang=${language}`));
    await page.click("#replay");
    await page.waitForFunction(() => plays === 2);
    const described = await page.locator("#captcha-answer").getAttribute("aria-describedby");
    assert.ok(described.split(" ").includes("replay-hint"), "the key is announced");
  }
});

test("token is renewed before it ends and keeps what was typed", async (t) => {
  const page = await opened(t, { path: "" });
  await page.clock.install();
  await page.goto(product.site);
  await page.fill("#login", "student6");
  await done(page);
  const [old, solved] = [await token(page), await work(page)];
  await page.clock.fastForward("09:05");
  await page.waitForFunction((before) => document.querySelector("[name=captcha_token]").value !== before, old);
  await done(page);
  assert.notEqual(await work(page), solved);
  assert.equal(await page.locator("#login").inputValue(), "student6");
  assert.ok(await page.locator("#characters").isHidden(), "what was done stays done for the person");
  await page.click(NEXT);
  await page.waitForURL("**/reason");
});

test("new picture comes with new sound and new work", async (t) => {
  const page = await opened(t, { path: "" });
  await endless(page);
  await page.goto(product.site);
  await page.fill("#login", "student7");
  const before = await token(page);
  await page.click("#refresh");
  await page.waitForFunction(() => document.querySelector("#refresh-status").textContent !== "");
  const after = await token(page);
  assert.notEqual(after, before);
  for (const part of ["#picture", "#sound"]) assert.ok((await page.locator(part).getAttribute("src")).includes(after), part);
  assert.equal(await page.locator("#login").inputValue(), "student7");
});

test("characters pass where the work fails", async (t) => {
  const page = await opened(t, { path: "" });
  await page.route(/\/assets\/work\./, (route) => route.abort());
  await page.goto(product.site);
  await page.fill("#login", "student8");
  await page.waitForFunction(() => document.querySelector("#work-status").textContent.includes("did not work"));
  assert.ok(await page.locator("#captcha-answer").evaluate((field) => field.required));
  await shot(page, "failed");
  await page.fill("#captcha-answer", "VVVVVV");
  await page.click(NEXT);
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").innerText(), /no C, P or V/);
  assert.equal(await page.locator("#login").inputValue(), "student8");
  await page.fill("#captcha-answer", await product.captcha(await token(page)));
  await page.click(NEXT);
  await page.waitForURL("**/reason");
});

test("harder kind asks for work alone", async (t) => {
  const page = await opened(t, { bypassCSP: true });
  await page.fill("#login", "student9");
  await page.click(NEXT);
  await page.waitForURL("**/reason");
  await page.goto(product.site);
  await page.fill("#login", "student9");
  await page.click(NEXT);
  await page.waitForSelector("[role=alert]");
  assert.equal(await page.locator("#captcha img, #captcha audio, #captcha-answer").count(), 0);
  assert.match(await page.locator("#work .hint").textContent(), /takes longer/);
  await shot(page, "harder");
  await accessible(page, "harder");
  await done(page);
  await page.click(NEXT);
  await page.waitForURL("**/reason");
});

test("a corrected name on the harder page gets the usual check and true words", async (t) => {
  const page = await opened(t);
  await page.fill("#login", "student21");
  await page.click(NEXT);
  await page.waitForURL("**/reason");
  await page.goto(product.site);
  await page.fill("#login", "student21");
  await page.click(NEXT);
  await page.waitForSelector("[data-harder]");
  await page.fill("#login", "student22");
  await page.click(NEXT);
  await page.waitForSelector("#captcha:not([data-harder])", { timeout: 60_000 });
  const words = await page.locator("#summary").innerText();
  assert.match(words, /entered before/);
  assert.doesNotMatch(words, /characters/);
  assert.equal(await page.locator("#login").inputValue(), "student22");
  await done(page);
  assert.ok(await page.locator("#characters").isHidden());
  await page.click(NEXT);
  await page.waitForURL("**/reason");
});

test("without scripts the harder kind says where to get help", async (t) => {
  const page = await opened(t, { javaScriptEnabled: false });
  for (const attempts of [1, 2]) {
    await page.goto(product.site);
    assert.ok(await page.locator("#work").isHidden());
    await page.fill("#login", "student10");
    await page.fill("#captcha-answer", await product.captcha(await token(page)));
    await page.click(NEXT);
    if (attempts === 1) await page.waitForURL("**/reason");
  }
  assert.match(await page.locator("#captcha .notice").innerText(), /scripts.*help desk/s);
  await shot(page, "harder-without-scripts");
});

test("back button brings a new challenge", async (t) => {
  const page = await opened(t);
  await page.fill("#login", "student11");
  await done(page);
  const spent = await token(page);
  await page.click(NEXT);
  await page.waitForURL("**/reason");
  await page.goBack();
  await page.waitForFunction((old) => {
    const { captcha_token, captcha_work } = document.querySelector("#identify").elements;
    return captcha_token.value !== old && captcha_work.value !== "";
  }, spent);
});

test("page 1 fits narrow screens in each language before and after the work", async (t) => {
  for (const language of ["en", "ms", "zh-Hans", "ta"]) {
    const page = await opened(t, { path: `/?lang=${language}`, viewport: { width: 320, height: 640 }, colorScheme: "dark", deviceScaleFactor: 2 });
    const [width, picture] = await page.evaluate(() => {
      const { naturalWidth, clientWidth } = document.querySelector("#picture");
      return [document.documentElement.scrollWidth, naturalWidth / clientWidth];
    });
    assert.ok(width <= 320, `${language}: ${width} px`);
    assert.ok(picture >= 2, "two pixels of the picture for each of the page");
    await shot(page, `narrow-${language}`);
    await page.fill("#login", "student");
    await done(page);
    await shot(page, `narrow-${language}-done`);
    assert.ok(await page.locator("#characters").isHidden());
  }
});
