// Starts the product as `cargo local` does, on free ports, and speaks to its outbox.

import { spawn } from "node:child_process";
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

function binary() {
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], { cwd: root });
  return join(JSON.parse(metadata).target_directory, "debug", "rekey-local");
}

/** The whole product in one process; `stop` ends it. */
export async function start(...options) {
  const args = ["--listen", "127.0.0.1:0", "--outbox", "127.0.0.1:0", ...options];
  const child = spawn(binary(), args, { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  const [site, outbox] = await new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`rekey-local ended with ${code}`)));
    child.stdout.on("data", (chunk) => {
      printed += chunk;
      const found = printed.match(/http:\/\/127\.0\.0\.1:\d+/g) ?? [];
      if (printed.includes("Ctrl-C")) resolve(found);
    });
  });
  const json = async (path) =>
    (await fetch(outbox + path, { headers: { accept: "application/json" } })).json();
  return {
    site,
    outbox,
    /** The code of the newest message to a contact, once it has arrived. */
    async code(to, after = 0) {
      for (let tries = 0; tries < 100; tries += 1) {
        const messages = (await json("/messages")).filter((message) => message.to === to && message.code);
        if (messages.length > after) return messages[0].code;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`no code arrived at ${to}`);
    },
    messages: () => json("/messages"),
    people: () => json("/people"),
    async captcha(token) {
      return (await json(`/captchas/${token}`)).answer;
    },
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.removeAllListeners("exit");
      child.once("exit", () => {});
      child.kill("SIGINT");
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
    },
  };
}

/** Debian's Chromium. */
export function browser() {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}
