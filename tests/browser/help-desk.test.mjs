// The page of the help desk with a real identity provider (npm: oidc-provider): an agent finds a caller by the support
// code, checks who is calling, and gives a pass; each page with axe-core.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import Provider from "oidc-provider";
import { browser } from "./chromium.mjs";
import { identify } from "./identify.mjs";
import { walk } from "./keyboard.mjs";
import { start } from "./product.mjs";

const CLIENT = "rekey";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let chrome, product, provider, server, site, issuer;

/** A port that was free a moment ago. */
async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

before(async () => {
  const port = await freePort();
  site = `http://localhost:${port}`;
  server = createServer((request, response) => provider.callback()(request, response));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, {
    clients: [{
      client_id: CLIENT, redirect_uris: [`${site}/help-desk/oidc`], response_types: ["code"],
      grant_types: ["authorization_code"], token_endpoint_auth_method: "none",
    }],
    claims: { openid: ["sub", "groups"], profile: ["preferred_username"] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: id === "m.lim" ? ["helpdesk"] : ["students"] }),
    }),
    cookies: { keys: ["a key of the test"] },
    pkce: { required: () => true },
  });
  Object.assign(process.env, {
    REKEY_OIDC_ISSUER: issuer, REKEY_OIDC_CLIENT_ID: CLIENT, REKEY_PUBLIC_URL: site,
    REKEY_HELP_DESK_AGENTS: "helpdesk=*",
  });
  product = await start("--listen", `127.0.0.1:${port}`);
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await product?.stop();
  server?.closeAllConnections();
  server?.close();
});

async function newPage(options = {}) {
  const page = await (await chrome.newContext(options)).newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

async function check(page, name) {
  for (const width of [1000, 320]) {
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(axe);
    const { violations } = await page.evaluate((values) => globalThis.axe.run({
      runOnly: values, rules: { "target-size": { enabled: true } },
    }), TAGS);
    assert.deepEqual(violations.map((one) => `${name} at ${width} px: ${one.id} ${one.nodes[0].html}`), []);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${name}: ${over} px too wide at ${width} px`);
  }
}

async function signIn(page, login) {
  await page.goto(`${site}/help-desk`);
  await page.click("main a.button");
  await page.waitForURL(`${issuer}/interaction/**`);
  await page.fill("input[name=login]", login);
  await page.fill("input[name=password]", "of the provider");
  await page.click("button[type=submit]");
  await page.waitForSelector("form[action$=confirm], form:has(input[value=consent])");
  await page.click("button[type=submit]");
}

// Controls: C-243, C-244.
test("agent finds a caller, checks them and gives a pass", async () => {
  const caller = await newPage();
  await identify(caller, product, "hafiz", site);
  await caller.waitForURL(`${site}/reason`);
  const code = await caller.locator("footer strong").last().innerText();
  assert.match(code, /^[0-9A-Z]{3}-[0-9A-Z]{3}$/);

  const page = await newPage();
  await page.goto(`${site}/help-desk`);
  await check(page, "sign-in of agents");
  await signIn(page, "m.lim");
  await page.waitForURL(`${site}/help-desk`);
  await page.waitForSelector("#login");
  await check(page, "search");
  await page.fill("#login", code.toLowerCase());
  await page.click("text=Find");
  await page.waitForSelector("text=This attempt");
  assert.match(await page.locator("main").innerText(), /hafiz/);
  await check(page, "person");
  await page.setViewportSize({ width: 1000, height: 700 });
  await walk(page, "person");
  // Agents read all times on the clocks of the university, wherever their browser is.
  assert.equal(await page.locator("time").count(), 0);
  assert.match(await page.locator("main").innerText(), /Times on this page are in the time zone Asia\/Kuala Lumpur\./);
  assert.equal(await page.locator("#send-code-sms").innerText(), "Text a code");
  await page.click("summary:has-text('Give a pass')");
  await page.fill("#pass-remark", "lost phone");
  await page.click("details[open] button");
  await page.waitForSelector("#summary");
  assert.match(await page.locator("#summary").innerText(), /First, verify the caller/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "summary");
  await check(page, "refusal");
  await page.fill("#see-document-document", "student card");
  await page.click("text=Record the document");
  await page.waitForSelector("#said");
  await page.click("summary:has-text('Give a pass')");
  await page.fill("#pass-remark", "lost phone");
  await page.click("details[open] button");
  await page.waitForSelector("#said code");
  await check(page, "pass");
  assert.match(await page.locator("#said code").innerText(), /^[0-9A-Z]{4}(-[0-9A-Z]{4})+$/);
  for (const language of ["ms", "zh-Hans", "ta", "en"]) {
    await page.goto(`${site}/help-desk?lang=${language}`);
    await check(page, language);
  }
  await page.click("main form[action$=sign-out] button");
  await page.waitForSelector("main a.button");
});

// Controls: C-243.
test("person of no listed group gets the page that says so", async () => {
  const page = await newPage();
  await signIn(page, "aisyah");
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").innerText(), /isn’t set up for this service/);
});
