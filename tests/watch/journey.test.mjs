// A whole reset through `cargo lambda watch`: the functions as separate binaries with their own bootstraps, against the
// AWS emulator of `cargo local --services`.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { root, run, services } from "../browser/product.mjs";

const NEW = "Kancil-Lompat-42!";

/** A port that is free now. */
const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

let local, watch, site;
before(async () => {
  const port = await freePort();
  site = `http://127.0.0.1:${port}`;
  local = await services(site);
  const args = ["lambda", "watch", "--ignore-changes", "--disable-cors", "-A", "127.0.0.1", "-P", String(port)];
  watch = await run("cargo", args, "", { cwd: root, env: local.environment, stdio: ["ignore", "pipe", "ignore"] });
  for (let attempts = 0; attempts < 100; attempts += 1) {
    if (await fetch(site).then(() => true, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`cargo lambda watch does not answer at ${site} in 20 s; run it by hand to see its errors`);
});
after(async () => { await watch?.stop(); await local?.stop(); });

/** A program that speaks the JSON contract and keeps its cookie. */
function client() {
  let cookie = "";
  return async (method, path, body) => {
    const headers = { accept: "application/json", cookie };
    if (body) headers["content-type"] = "application/json";
    const answer = await fetch(site + path, { method, headers, body: body && JSON.stringify(body), redirect: "manual" });
    for (const set of answer.headers.getSetCookie()) {
      if (set.startsWith("__Host-rekey=")) cookie = set.split(";")[0];
    }
    return { status: answer.status, headers: answer.headers, ...(await answer.json()) };
  };
}

test("complete reset sends notifications", async () => {
  const ask = client();
  const { captcha } = await ask("GET", "/");
  const picture = await fetch(site + captcha.picture);
  assert.equal(picture.headers.get("content-type"), "image/png");
  assert.equal(Buffer.from(await picture.arrayBuffer()).subarray(1, 4).toString(), "PNG");

  const opened = { login: "hafiz", captcha_token: captcha.token, captcha_answer: await local.captcha(captcha.token) };
  assert.equal((await ask("POST", "/", opened)).page, "reason");
  assert.equal((await ask("POST", "/reason", { reason: "forgotten" })).page, "method");
  assert.equal((await ask("POST", "/code/send", { method: "email" })).page, "code");
  const mail = await local.code("hafiz.i@mail.example");
  const wrong = await ask("POST", "/code", { code: mail === "00000000" ? "00000001" : "00000000" });
  assert.deepEqual([wrong.status, wrong.code], [422, "code-wrong"]);
  assert.equal((await ask("POST", "/code", { code: mail })).step, 2);
  assert.equal((await ask("POST", "/code/send", { method: "sms", contact: "0111 222 3334" })).page, "code");
  assert.equal((await ask("POST", "/code", { code: await local.code("+601112223334") })).page, "password");
  assert.equal((await ask("POST", "/password", { password: NEW, confirmation: NEW })).result, "reset");
  assert.equal((await ask("GET", "/done")).page, "done");

  const notices = (all) => all.filter((message) => !message.code).map((message) => message.to).sort();
  const notification = notices(await local.until((all) => notices(all).length === 3));
  assert.deepEqual(notification, ["+601112223334", "hafiz.i@mail.example", "hafiz@student.contoh.example"]);
});

test("unrouted request reaches the default function", async () => {
  const missing = await client()("GET", "/admin");
  assert.deepEqual([missing.status, missing.code], [404, "not-found"]);
  assert.match(missing.headers.get("content-security-policy"), /default-src 'none'/);
});
