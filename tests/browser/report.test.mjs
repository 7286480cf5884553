// The page that `rekey report --html` writes, with axe-core, in every mode that a reader may have set.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { browser } from "./chromium.mjs";
import { binary, start } from "./product.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const MODES = {
  light: {},
  dark: { colorScheme: "dark" },
  forced: { forcedColors: "active" },
  narrow: { width: 320 },
};

let product, chrome, folder;
before(async () => {
  product = await start();
  chrome = await browser();
  folder = mkdtempSync(join(tmpdir(), "rekey-report-"));
});
after(async () => {
  await chrome?.close();
  await product?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

/** One request of a program: its answer, and the cookie of the flow. */
async function ask(path, body, cookie) {
  const headers = { accept: "application/json", ...(cookie && { cookie }) };
  const post = { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(product.site + path, body ? post : { headers });
  const set = answer.headers.getSetCookie().map((value) => value.split(";")[0]);
  return { json: await answer.json(), cookie: set.find((value) => value.startsWith("__Host-rekey=")) ?? cookie };
}

/** Opens a flow, and goes to the choice of the method. */
async function open(login) {
  const { token } = (await ask("/")).json.captcha;
  const answer = { login, captcha_token: token, captcha_answer: await product.captcha(token) };
  const { cookie } = await ask("/", answer);
  const { json } = await ask("/reason", { reason: "forgotten" }, cookie);
  assert.equal(json.page, "method");
  return cookie;
}

test("the report is accessible in every mode", async () => {
  // People of whom one has cancelled, one guessed a code, and one unlocked nothing yet: every chart has bars.
  const cancelled = await open("aisyah");
  assert.equal((await ask("/cancel", {}, cancelled)).json.page, "ended");
  const guesser = await open("aisyah");
  await ask("/code/send", { method: "email" }, guesser);
  assert.equal((await ask("/code", { code: "00000000" }, guesser)).json.code, "code-wrong");

  const file = join(folder, "report.html");
  execFileSync(binary("rekey"), [`--local=${product.inbox}`, "report", "--days", "7", "--html", file]);
  const page = await (await chrome.newContext()).newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  const { href } = pathToFileURL(file);
  await page.goto(href);
  assert.ok(await page.locator("svg[role=img]").count() >= 3, "charts of people, of days and of refusals");
  for (const [name, { width = 1000, colorScheme = "light", forcedColors = "none" }] of Object.entries(MODES)) {
    await page.emulateMedia({ colorScheme, forcedColors });
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(axe);
    const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: values }), TAGS);
    assert.deepEqual(violations.map((one) => `${name}: ${one.id} ${one.nodes[0].html}`), []);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${name}: ${over} px too wide`);
  }
  // Each chart has a name and a description, and a table of its section repeats its numbers.
  const charts = await page.evaluate(() => [...document.querySelectorAll("svg")].map((chart) => ({
    named: chart.getAttribute("aria-labelledby").split(" ").every((id) => document.getElementById(id)?.textContent.trim()),
    table: chart.nextElementSibling?.querySelector("table tbody tr") !== null,
  })));
  assert.ok(charts.every(({ named, table }) => named && table), JSON.stringify(charts));
  assert.deepEqual(requests, [href], "nothing comes from elsewhere");
  assert.deepEqual(problems, []);
});
