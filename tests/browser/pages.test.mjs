// What scripts and style add to the pages: interruptions, another language, a suggested password, narrow windows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify, NEXT } from "./identify.mjs";
import { start } from "./product.mjs";

let product, chrome;
before(async () => { product = await start(); chrome = await browser(); });
after(async () => { await chrome?.close(); await product?.stop(); });

async function open(options = {}) {
  const page = await (await chrome.newContext(options)).newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

/** Opens a flow and chooses the reason. */
async function toMethods(page, login) {
  await identify(page, product, login);
  await page.check("#reason-forgotten");
  await page.click("form:has(#reason-forgotten) .actions button:not(.quiet)");
  await page.waitForURL("**/method");
}

const send = (page, method) => page.click(`form:has(> input[value=${method}]) .actions button:not(.quiet)`);

test("Back after a mistake opens the page before", async () => {
  const page = await open();
  await toMethods(page, "aisyah");
  await page.check("#method-sms");
  await page.fill("#contact-sms", "+60100000000");
  await send(page, "sms");
  await page.waitForSelector("#summary");
  await page.reload();
  assert.equal(await page.locator("#summary").count(), 0, "a reload sends no form");
  assert.match(page.url(), /\/code\/send$|\/method$/);
  assert.equal(await page.locator("#method-sms").count(), 1);
  await page.context().close();
});

test("another language keeps what was typed", async () => {
  const page = await open({ locale: "en" });
  await page.goto(product.site);
  await page.fill("#login", "aisyah");
  await page.click("nav a[lang=ms]");
  await page.waitForSelector("html[lang=ms]");
  assert.equal(await page.inputValue("#login"), "aisyah");
  await page.context().close();

  const methods = await open({ locale: "en" });
  await toMethods(methods, "aisyah");
  await methods.check("#method-sms");
  await methods.fill("#contact-sms", "012-345");
  await methods.click("nav a[lang=ta]");
  await methods.waitForSelector("html[lang=ta]");
  assert.equal(await methods.isChecked("#method-sms"), true);
  assert.equal(await methods.inputValue("#contact-sms"), "012-345");
  await methods.context().close();
});

test("the name outlasts a new start, and not the end", async () => {
  const page = await open();
  await toMethods(page, "aisyah");
  await page.goto(product.site);
  assert.equal(await page.inputValue("#login"), "aisyah");
  await page.click(".actions button.quiet");
  await page.waitForSelector("body[data-forget]");
  await page.goto(product.site);
  assert.equal(await page.inputValue("#login"), "");
  await page.context().close();
});

test("a browser that begins again leads back to its flow", async () => {
  const page = await open();
  await toMethods(page, "mei");
  const context = page.context();
  // What a phone keeps of a browser that it has closed: cookies with a lifetime.
  const kept = (await context.cookies()).filter((cookie) => cookie.expires > 0);
  await context.close();
  const again = await open({ storageState: { cookies: kept, origins: [] } });
  await again.goto(product.site);
  await again.click(".notice .button");
  await again.waitForURL("**/method");
  await again.click(".actions button.quiet");
  await again.waitForSelector("body[data-forget]");
  await again.goto(product.site);
  assert.equal(await again.locator(".notice .button").count(), 0, "a flow that has ended leads nowhere");
  await again.context().close();
});

test("the end of a code is announced, and the way to a new one opens", async () => {
  const page = await open();
  await page.clock.install();
  await toMethods(page, "hafiz");
  await send(page, "email");
  await page.waitForURL("**/code");
  assert.equal(await page.locator("#code-left").isHidden(), true);
  await page.clock.fastForward(1000 * 310);
  assert.match(await page.innerText("#code-left"), /left for this code: 5\./);
  await page.clock.fastForward(1000 * 235);
  assert.match(await page.innerText("#code-left"), /left for this code: 1\./);
  assert.equal(await page.locator("#help").getAttribute("open"), null);
  await page.clock.fastForward(1000 * 60);
  assert.match(await page.innerText("#code-left"), /has expired/);
  assert.equal(await page.locator("#resend button").isVisible(), true);
  await page.context().close();
});

test("a form that could not be answered is still filled in after going back", async () => {
  const page = await open();
  await toMethods(page, "hafiz");
  await page.check("#method-sms");
  await page.fill("#contact-sms", "011-1222 3334");
  const html = await (await page.request.get(`${product.site}/nowhere`)).text();
  const unavailable = html.replace(/<a class="button"/, '<button type="button" id="back" hidden>Back</button>$&');
  await page.route("**/code/send", (route) => route.fulfill({ status: 503, contentType: "text/html", body: unavailable }));
  await send(page, "sms");
  await page.click("#back");
  await page.waitForURL("**/method");
  assert.equal(await page.inputValue("#contact-sms"), "011-1222 3334");
  await page.context().close();
});

test("the first page is sent in 25 KB, and later ones in 6 KB", async () => {
  const page = await open();
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await page.goto(product.site, { waitUntil: "networkidle" });
  assert.ok(bytes > 10_000 && bytes <= 25 * 1024, `page 1: ${bytes} bytes`);
  await page.fill("#login", "mei");
  await page.waitForSelector("#work-status.done", { timeout: 60_000 });
  bytes = 0;
  await page.click(NEXT);
  await page.waitForURL("**/reason", { waitUntil: "networkidle" });
  assert.ok(bytes > 500 && bytes <= 6 * 1024, `reason: ${bytes} bytes`);
  bytes = 0;
  await page.check("#reason-forgotten");
  await page.click("form:has(#reason-forgotten) .actions button:not(.quiet)");
  await page.waitForURL("**/method", { waitUntil: "networkidle" });
  assert.ok(bytes > 500 && bytes <= 6 * 1024, `methods: ${bytes} bytes`);
  await page.context().close();
});

test("the end of the session is announced once, two minutes before", async () => {
  const page = await open();
  await page.clock.install();
  await toMethods(page, "aisyah");
  assert.equal(await page.locator("#ending").isHidden(), true);
  await page.clock.fastForward(1000 * (15 * 60 - 100));
  assert.match(await page.innerText("#ending"), /ends in less than 2 minutes/);
  await page.clock.fastForward(1000 * 120);
  assert.match(await page.innerText("#ending"), /has ended/);
  await page.context().close();
});

test("a form of another step says so", async () => {
  const page = await open();
  await toMethods(page, "aisyah");
  await page.goto(`${product.site}/password`);
  await page.waitForURL("**/method");
  assert.match(await page.innerText("#said"), /carry on from this step/);
  await page.reload();
  assert.equal(await page.locator("#said").count(), 0, "it is said once");
  await page.context().close();
});

test("a suggested password meets the criteria", async () => {
  const page = await open();
  await toMethods(page, "weiling");
  await send(page, "email");
  await page.waitForURL("**/code");
  await page.fill("#code", await product.code("weiling.tan@mail.example"));
  await page.click("form:has(#code) .actions button:not(.quiet)");
  await page.waitForURL("**/method");
  await page.check("#method-sms");
  await page.fill("#contact-sms", "019-876 5432");
  await send(page, "sms");
  await page.waitForURL("**/code");
  await page.fill("#code", await product.code("+60198765432"));
  await page.click("form:has(#code) .actions button:not(.quiet)");
  await page.waitForURL("**/password");
  assert.equal(await page.inputValue("input[autocomplete=username]"), "weiling");
  for (const field of ["#password", "#confirmation"]) {
    assert.match(await page.getAttribute(field, "passwordrules"), /^minlength: 12; .*required: upper;/);
  }
  assert.equal(await page.locator(".criteria .later").count(), 4, "the others are checked when the person finishes");

  // A rejected one is marked in the list, and called weak in words.
  for (const field of ["#password", "#confirmation"]) await page.fill(field, "password1234");
  await page.click("#new-password .actions button:not(.quiet)");
  await page.waitForSelector("#summary");
  assert.equal(await page.locator("#summary li").count(), 1);
  assert.match(await page.innerText("#summary"), /easy to guess/);
  assert.equal(await page.locator("[data-criterion=upper].failed, [data-criterion=common].failed").count(), 2);
  assert.equal(await page.locator("[data-criterion=length].met").count(), 1);

  const fetched = [];
  page.on("request", (request) => fetched.push(request.url()));
  await page.click("#suggest");
  await page.waitForFunction(() => document.querySelector("#suggested").textContent);
  assert.equal(fetched.filter((url) => url.includes("/assets/words.")).length, 1, "fetched when asked for");
  // No suggestion has a part of the name, in the words that it draws from either.
  const suggested = await page.inputValue("#password");
  assert.equal(await page.getAttribute("#new-password", "data-own-words"), "ling tan wei");
  for (let again = 0; again < 60; again++) {
    const before = await page.inputValue("#password");
    assert.doesNotMatch(before.toLowerCase(), /ling|tan|wei/);
    await page.click("#suggest");
    await page.waitForFunction((before) => document.querySelector("#password").value !== before, before);
  }
  assert.match(suggested, /^([A-Z][a-z-]+-){4,}\d$/);
  assert.equal(await page.inputValue("#confirmation"), await page.inputValue("#password"));
  assert.equal(await page.getAttribute("#password", "type"), "text");
  await page.click("#new-password .actions button:not(.quiet)");
  await page.waitForURL("**/done");
  assert.match(await page.innerText("main"), /weiling/);
  await page.context().close();
});

test("large text in a narrow window needs no sideways scrolling", async () => {
  for (const locale of ["en", "ms", "ta"]) {
    const page = await open({ viewport: { width: 320, height: 640 }, locale });
    const narrow = async (where) => {
      await page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      const widest = await page.evaluate(() => [...document.querySelectorAll("main *")]
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
        .map((element) => element.outerHTML.slice(0, 120)).slice(0, 3));
      assert.ok(over <= 0, `${locale} ${where}: ${over} px too wide: ${widest.join(" ")}`);
    };
    await page.goto(product.site);
    await narrow("page 1");
    await toMethods(page, "james");
    await narrow("methods");
    await page.check("#method-sms");
    await narrow("phone");
    await page.check("#method-email");
    await send(page, "email");
    await page.waitForURL("**/code");
    await narrow("code");
    await page.goto(`${product.site}/security-info`);
    await narrow("sign-in");
    await page.goto(`${product.site}/authenticator`);
    await narrow("app");
    await page.context().close();
  }
});

test("page 1 keeps Next apart from Cancel in forced colours", async () => {
  const page = await open({ forcedColors: "active" });
  await page.goto(product.site);
  const ground = (selector) => page.$eval(selector, (button) => getComputedStyle(button).backgroundColor);
  assert.notEqual(await ground(NEXT), await ground(".actions button.quiet"));
  await page.context().close();
});
