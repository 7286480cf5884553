// Starts Rekey as `cargo local` does, on free ports, and reads its dev inbox.

import { execFileSync, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A binary of the development build. */
export function binary(name = "rekey-local") {
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], { cwd: root });
  return join(JSON.parse(metadata).target_directory, "debug", name);
}

/** A child process, once it has printed `until`; `stop` interrupts it as Ctrl-C does and waits for its end. */
export async function run(command, args, until, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], ...options });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let printed = "";
  await new Promise((resolve, reject) => {
    child.once("error", reject);
    ended.then((code) => {
      const line = [command, ...args].join(" ");
      reject(new Error(`${line} ended with status ${code} before it was ready; its errors are above`));
    });
    child.stdout.on("data", (chunk) => {
      printed += chunk;
      if (printed.includes(until)) resolve();
    });
    if (!until) resolve();
  });
  const stop = async () => {
    child.kill("SIGINT");
    const late = new Promise((resolve) => setTimeout(resolve, 5000, "late"));
    if ((await Promise.race([ended, late])) === "late") child.kill("SIGKILL");
    return ended;
  };
  return { printed, stop };
}

/** The dev inbox at an address. */
export function devInboxAt(address) {
  const json = async (path) => (await fetch(address + path, { headers: { accept: "application/json" } })).json();
  const messages = () => json("/messages");
  return {
    messages,
    people: () => json("/people"),
    captcha: async (token) => (await json(`/captchas/${token}`)).answer,
    /** The messages, as soon as `enough` says so. */
    async until(enough) {
      for (let attempts = 0; attempts < 300; attempts += 1) {
        const all = await messages();
        if (enough(all)) return all;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const arrived = (await messages()).map(({ channel, to }) => `${channel} to ${to}`).join(", ");
      throw new Error(`the expected message did not arrive in 30 s; the dev inbox has: ${arrived || "nothing"}`);
    },
    /** The code of the newest message to a contact, once more than `after` have arrived. */
    async code(to, after = 0) {
      const found = (all) => all.filter((message) => message.to === to && message.code);
      return found(await this.until((all) => found(all).length > after))[0].code;
    },
  };
}

/** All of Rekey in one process, on a free port if the options name none. */
export async function start(...options) {
  const listen = options.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const args = [...listen, "--outbox", "127.0.0.1:0", ...options];
  const { printed, stop } = await run(binary(), args, "Ctrl-C");
  const [site, inbox] = printed.match(/http:\/\/127\.0\.0\.1:\d+/g);
  return { site, inbox, stop, ...devInboxAt(inbox) };
}

/** The same, with the steps of a signed-in person who pairs a phone. */
export async function startWithPairing() {
  const { printed, stop } = await run(binary("rekey-with-pairing"), [], "Ctrl-C");
  const [site, inbox, phones] = printed.match(/http:\/\/127\.0\.0\.1:\d+/g);
  const post = async (path) => fetch(`${phones}/pairings/${path}`, { method: "POST" });
  return {
    site, stop, ...devInboxAt(inbox),
    pairing: async (login) => (await (await post(login)).json()).pairing,
    confirm: async (login, pairing, code) => (await post(`${login}/${pairing}/${code}`)).ok,
  };
}

/** The AWS emulator and the dev inbox alone, for functions that `cargo lambda watch` runs at `watch`, and the environment it prints. */
export async function services(watch) {
  const { printed, stop } = await run(binary(), ["--services", "--outbox", "127.0.0.1:0", "--watch", watch], "Ctrl-C");
  const [inbox] = printed.match(/http:\/\/127\.0\.0\.1:\d+/);
  // A shell reads it, as a person's would.
  const script = `${printed}\nexec env -0`;
  const environment = Object.fromEntries(
    execFileSync("sh", ["-c", script], { encoding: "utf8" }).split("\0").filter(Boolean)
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  return { environment, stop, ...devInboxAt(inbox) };
}
