// The functions as they are deployed, beside the smallest function that Rust can be on Lambda ("hello", the same
// profile): size, start, and the processor time of requests. It starts each binary as Lambda does, with a runtime API of
// its own and the AWS emulator of `cargo local --services`, prints two tables and asserts nothing. The ratios count, the
// milliseconds are this machine's.
//
//   sam build --parameter-overrides Architecture=x86_64 && cargo build --release --package rekey-hello
//   cargo build --package rekey-local && node tests/bench/functions.mjs [ROUNDS]

import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { services } from "../browser/product.mjs";
import { REPEATED, SITE, released, start } from "./lambda.mjs";

const ROUNDS = Number(process.argv[2] ?? 20);
const REQUESTS = 40;

/** The request that a function answers first. */
const FIRST = {
  hello: ["GET", "/"],
  CaptchaFunction: ["GET", "/"],
  MethodSelectionFunction: ["GET", "/method"],
  CodeSendFunction: ["POST", "/code/send", {}],
  CodeVerifyFunction: ["GET", "/code"],
  PasswordSetFunction: ["GET", "/password"],
  EnrolmentFunction: ["GET", "/security-info"],
  ApprovalFunction: ["GET", "/authenticator"],
};

const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);

const names = Object.keys(FIRST).filter((name) => existsSync(released(name)));
const local = await services(SITE);

// One round starts every function once, so that what else the machine does meets all alike.
const figures = Object.fromEntries(names.map((name) => [name, { start: [], cpu: [], memory: [] }]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const name of names) {
    const running = await start(released(name), local.environment);
    await running.ask(FIRST[name], round);
    figures[name].start.push(running.start);
    figures[name].cpu.push(running.cpu());
    figures[name].memory.push(running.memory());
    await running.stop();
  }
}
row("function", "compressed, KB", "start to first poll, ms", "× hello", "processor to first answer, ms", "× hello", "peak, MiB");
row("---", "--:", "--:", "--:", "--:", "--:", "--:");
const base = figures.hello && { start: middle(figures.hello.start), cpu: middle(figures.hello.cpu) };
for (const name of names) {
  const [begun, cpu, memory] = [figures[name].start, figures[name].cpu, figures[name].memory].map(middle);
  const times = (value, of) => base ? (value / of).toFixed(1) : "";
  const size = Math.round(gzipSync(readFileSync(released(name))).length / 1000);
  row(name, size, begun.toFixed(1), times(begun, base?.start), cpu.toFixed(1), times(cpu, base?.cpu), memory.toFixed(1));
}

console.log();
row("function", "request", "processor, ms");
row("---", "---", "--:");
for (const [name, title, request] of REPEATED.filter(([name]) => names.includes(name))) {
  const running = await start(released(name), local.environment);
  await running.ask(request(0), 0);
  const before = running.cpu();
  for (let n = 1; n <= REQUESTS; n += 1) await running.ask(request(n), n);
  row(name, title, ((running.cpu() - before) / REQUESTS).toFixed(2));
  await running.stop();
}
await local.stop();
