// Sign-in with a real identity provider (npm: oidc-provider), from the button to the list, in Chromium.
//
// Rekey is at `localhost` and the provider at `127.0.0.1`: two sites, as in a deployment, so that the browser keeps
// cookies with SameSite=Strict from the provider's redirect.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import Provider from "oidc-provider";
import { browser } from "./chromium.mjs";
import { start } from "./product.mjs";

const CLIENT = "rekey";

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
      client_id: CLIENT, redirect_uris: [`${site}/security-info/oidc`], response_types: ["code"],
      grant_types: ["authorization_code"], token_endpoint_auth_method: "none",
    }],
    claims: { openid: ["sub"], profile: ["preferred_username"] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id}@student.contoh.example` }) }),
    cookies: { keys: ["a key of the test"] },
    pkce: { required: () => true },
  });
  Object.assign(process.env, {
    REKEY_SIGN_IN: "oidc", REKEY_OIDC_ISSUER: issuer, REKEY_OIDC_CLIENT_ID: CLIENT, REKEY_PUBLIC_URL: site,
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

/** Begins a sign-in, and enters a login and any password on the provider's page. */
async function signIn(page, login) {
  await page.goto(`${site}/security-info`);
  assert.equal(await page.locator("input[type=password]").count(), 0, "no password is typed at Rekey");
  await page.click("main a.button");
  await page.waitForURL(`${issuer}/interaction/**`);
  await page.fill("input[name=login]", login);
  await page.fill("input[name=password]", "of the provider");
  await page.click("button[type=submit]");
  await page.waitForSelector("form[action$=confirm], form:has(input[value=consent])");
  await page.click("button[type=submit]");
}

// Controls: C-190, C-191, C-192, C-193, C-196.
test("real provider signs a person in, with and without scripts", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const page = await newPage({ javaScriptEnabled });
    await signIn(page, "aisyah");
    await page.waitForURL(`${site}/security-info/verify`);
    assert.match(await page.locator("h1").innerText(), /Confirm it’s you/);
    const names = (await page.context().cookies(site)).map((cookie) => cookie.name);
    assert.ok(names.includes("__Host-rekey-session") && !names.includes("__Host-rekey-oidc"), names.join(" "));
    await page.reload();
    assert.equal(page.url(), `${site}/security-info/verify`, "the session goes on");
  }
});

// Controls: C-197.
test("person without account gets the page that says so", async () => {
  const page = await newPage();
  await signIn(page, "nobody");
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").innerText(), /isn’t set up for this service/);
  assert.equal((await page.context().cookies(site)).filter((cookie) => cookie.name.startsWith("__Host-rekey")).length, 0);
});

// Controls: C-190.
test("cancelled sign-in offers another one", async () => {
  const page = await newPage();
  await page.goto(`${site}/security-info`);
  await page.click("main a.button");
  await page.waitForURL(`${issuer}/interaction/**`);
  await page.click("a[href$=abort]");
  await page.waitForSelector("[role=alert]");
  assert.match(await page.locator("[role=alert]").innerText(), /cancelled or refused/);
  await page.click("main a.button");
  await page.waitForURL(`${issuer}/interaction/**`);
});
