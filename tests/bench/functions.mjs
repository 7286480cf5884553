// The functions as they are deployed, beside the smallest function that Rust can be on Lambda ("hello", the same
// profile): size, start, and the processor time of requests. It starts each binary as Lambda does, with a runtime API of
// its own and the AWS emulator of `cargo local --services`, prints two tables and asserts nothing. The second one says what
// the sizes of memory make of the processor time. The ratios count, the
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

/** Sizes of a function's memory, in MB. Lambda gives one processor at 1,769 MB, and less in proportion. */
const MEMORY = [128, 256, 512, 1024, 1769];
/** What a request waits for the tables, in milliseconds: three calls, as in the middle of a reset. */
const WAITING = 15;
/** US dollars for a second of a gigabyte, arm64, ap-southeast-1: aws.amazon.com/lambda/pricing, read in November 2026. */
const GIGABYTE_SECOND = 0.0000133334;

/** How long a request takes in a function of this size, and what a million of them cost without the requests' own price. */
function priced(processor, mb) {
  const time = processor * Math.max(1, 1769 / mb) + WAITING;
  return `${time.toFixed(0)} ms, ${(mb / 1024 * time / 1e3 * GIGABYTE_SECOND * 1e6).toFixed(2)} USD`;
}

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
row("function", "request", "processor, ms", ...MEMORY.map((mb) => `${mb} MB`));
row("---", "---", "--:", ...MEMORY.map(() => "--:"));
for (const [name, title, request] of REPEATED.filter(([name]) => names.includes(name))) {
  const running = await start(released(name), local.environment);
  await running.ask(request(0), 0);
  const before = running.cpu();
  for (let n = 1; n <= REQUESTS; n += 1) await running.ask(request(n), n);
  const processor = (running.cpu() - before) / REQUESTS;
  row(name, title, processor.toFixed(2), ...MEMORY.map((mb) => priced(processor, mb)));
  await running.stop();
}
await local.stop();
