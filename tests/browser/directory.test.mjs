// A person resets in a real browser, and the password changes in a real Active Directory domain.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { browser } from "./chromium.mjs";
import { identify } from "./identify.mjs";
import { start } from "./product.mjs";
import { SERVICE_PASSWORD, samba } from "./samba.mjs";

const OLD = "Harimau-Malaya-2019";
const NEW = "Kancil-Lompat-42!";
const login = `b${process.pid}`;

let domain, folder, product, chrome;
before(async () => {
  domain = await samba();
  await domain.add(login, OLD, {
    displayName: "Nur Aisyah", mail: `${login}@uni.test`, otherMailbox: "aisyah@mail.example",
    mobile: "+60 12-345 6798",
  });
  // As infra/guides/directories.md describes it.
  folder = mkdtempSync(join(tmpdir(), "rekey-directory-"));
  writeFileSync(join(folder, "password.txt"), SERVICE_PASSWORD);
  const password = { file: "password.txt" };
  writeFileSync(join(folder, "directory.json"), JSON.stringify({
    name: "uni",
    kind: "active-directory",
    servers: [`ldaps://127.0.0.1:${domain.port}`],
    ca_file: join(domain.folder, "certificates", "ca.pem"),
    bases: ["OU=People,DC=uni,DC=test"],
    service_accounts: { read: "svc-read@uni.test", write: "svc-write@uni.test", sync: "svc-read@uni.test" },
    attributes: { alternate_email: "otherMailbox", mobile: "mobile" },
    passwords: { read: password, write: password, sync: password },
  }));
  product = await start("--directory", join(folder, "directory.json"));
  chrome = await browser();
});
after(async () => {
  await chrome?.close();
  await product?.stop();
  domain?.release();
  if (folder) rmSync(folder, { recursive: true });
});

async function submit(page, form) {
  await page.click(`${form} .actions button:not(.quiet)`);
}

// Controls: C-158.
test("a reset changes the password in the domain", async () => {
  assert.ok(await domain.binds(login, OLD));
  const page = await (await chrome.newContext({ locale: "en-MY" })).newPage();
  await identify(page, product, login);
  await page.check("#reason-forgotten");
  await submit(page, "form:has(#reason-forgotten)");
  await page.waitForURL("**/method");
  for (const [method, contact, typed] of [
    ["email", "aisyah@mail.example"], ["sms", "+60123456798", "012-345 6798"],
  ]) {
    await page.check(`#method-${method}`);
    if (typed) await page.fill(`#contact-${method}`, typed);
    await submit(page, `form:has(input[value=${method}])`);
    await page.waitForURL("**/code");
    await page.fill("#code", await product.code(contact));
    await submit(page, "form:has(#code)");
    await page.waitForURL(typed ? "**/password" : "**/method");
  }
  await page.fill("#password", NEW);
  await page.fill("#confirmation", NEW);
  await submit(page, "#new-password");
  await page.waitForURL("**/done");
  assert.ok(await domain.binds(login, NEW), "the new password opens the account");
  assert.ok(!await domain.binds(login, OLD), "the former one does not");
  const told = await product.until((all) => all.filter((message) => !message.code).length >= 3);
  const to = told.filter((message) => !message.code).map((message) => message.to);
  assert.deepEqual(to.sort(), ["+60123456798", "aisyah@mail.example", `${login}@uni.test`]);
});
