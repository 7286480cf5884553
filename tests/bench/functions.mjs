// The functions as they are deployed, beside the smallest function that Rust can be on Lambda ("hello", the same
// profile): size, start, and the processor time of requests. It starts each binary as Lambda does, with a runtime API of
// its own and the AWS emulator of `cargo local --services`, prints two tables and asserts nothing. The ratios count, the
// milliseconds are this machine's.
//
//   sam build --parameter-overrides Architecture=x86_64 && cargo build --release --package rekey-hello
//   cargo build --package rekey-local && node tests/bench/functions.mjs [ROUNDS]

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root, services } from "../browser/product.mjs";

const ROUNDS = Number(process.argv[2] ?? 20);
const REQUESTS = 40;
const SITE = "http://127.0.0.1:9000";

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

/** Requests whose processor time is told; each sign-in is one argon2id hash. */
const REPEATED = [
  ["CaptchaFunction", "page 1", () => ["GET", "/"]],
  ["CodeVerifyFunction", "a page without a flow", () => ["GET", "/code"]],
  ["EnrolmentFunction", "the page of sign-in", () => ["GET", "/security-info"]],
  ["EnrolmentFunction", "sign-in, one argon2id hash", (n) =>
    ["POST", "/security-info/sign-in", { login: `nobody${n}`, password: "Kancil-Lompat-42" }]],
];

/** An event of API Gateway, payload format 2.0, each from an address of its own. */
function event([method, path, body], n) {
  return {
    version: "2.0", routeKey: "$default", rawPath: path, rawQueryString: "", isBase64Encoded: false,
    headers: { accept: "application/json", "content-type": "application/json" },
    body: body && JSON.stringify(body),
    requestContext: {
      accountId: "0", apiId: "a", domainName: new URL(SITE).host, domainPrefix: "", requestId: `r${n}`,
      routeKey: "$default", stage: "$default", time: "", timeEpoch: Date.now(),
      http: { method, path, protocol: "HTTP/1.1", sourceIp: `10.${n >> 8}.${n & 255}.1`, userAgent: "" },
    },
  };
}

/** Starts a function with a runtime API of its own. */
async function start(binary, environment) {
  let poll, polled, waiting;
  const answers = [];
  const server = createServer((request, response) => {
    if (request.url.endsWith("/invocation/next")) {
      poll ??= performance.now();
      waiting = response;
      polled?.();
      return;
    }
    let body = "";
    request.on("data", (chunk) => { body += chunk; });
    request.on("end", () => { response.writeHead(202).end(); answers.shift()?.(body); });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const begun = performance.now();
  const child = spawn(binary, [], {
    env: {
      ...environment, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${server.address().port}`, AWS_LAMBDA_FUNCTION_NAME: "bench",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256", AWS_LAMBDA_FUNCTION_VERSION: "1",
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = new Promise((_, reject) => child.once("exit", () => reject(new Error(`${binary} ended`))));
  ended.catch(() => {});
  const idle = async () => {
    if (!waiting) await Promise.race([new Promise((resolve) => { polled = resolve; }), ended]);
  };
  await idle();
  const proc = (file) => readFileSync(`/proc/${child.pid}/${file}`, "utf8");
  return {
    start: poll - begun,
    /** The processor time so far in milliseconds, of all threads. */
    cpu: () => readdirSync(`/proc/${child.pid}/task`)
      .reduce((sum, task) => sum + Number(proc(`task/${task}/schedstat`).split(" ")[0]) / 1e6, 0),
    /** The peak of the memory in MiB. */
    memory: () => Number(proc("status").match(/VmHWM:\s+(\d+)/)[1]) / 1024,
    async ask(request, n) {
      await idle();
      const response = waiting;
      waiting = undefined;
      const answered = new Promise((resolve) => answers.push(resolve));
      response.writeHead(200, {
        "content-type": "application/json", "lambda-runtime-aws-request-id": `i${n}`,
        "lambda-runtime-deadline-ms": String(Date.now() + 30_000),
        "lambda-runtime-invoked-function-arn": "arn:aws:lambda:ap-southeast-1:000000000000:function:bench",
      }).end(JSON.stringify(event(request, n)));
      return JSON.parse(await Promise.race([answered, ended]));
    },
    stop() { child.kill("SIGKILL"); server.closeAllConnections(); server.close(); },
  };
}

const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);

const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], { cwd: root });
const hello = join(JSON.parse(metadata).target_directory, "release", "rekey-hello");
const binary = (name) => name === "hello" ? hello : join(root, ".aws-sam", "build", name, "bootstrap");
const names = Object.keys(FIRST).filter((name) => existsSync(binary(name)));
const local = await services(SITE);

// One round starts every function once, so that what else the machine does meets all alike.
const figures = Object.fromEntries(names.map((name) => [name, { start: [], cpu: [], memory: [] }]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const name of names) {
    const running = await start(binary(name), local.environment);
    await running.ask(FIRST[name], round);
    figures[name].start.push(running.start);
    figures[name].cpu.push(running.cpu());
    figures[name].memory.push(running.memory());
    running.stop();
  }
}
row("function", "compressed, KB", "start to first poll, ms", "× hello", "processor to first answer, ms", "× hello", "peak, MiB");
row("---", "--:", "--:", "--:", "--:", "--:", "--:");
const base = figures.hello && { start: middle(figures.hello.start), cpu: middle(figures.hello.cpu) };
for (const name of names) {
  const [begun, cpu, memory] = [figures[name].start, figures[name].cpu, figures[name].memory].map(middle);
  const times = (value, of) => base ? (value / of).toFixed(1) : "";
  const size = Math.round(gzipSync(readFileSync(binary(name))).length / 1000);
  row(name, size, begun.toFixed(1), times(begun, base?.start), cpu.toFixed(1), times(cpu, base?.cpu), memory.toFixed(1));
}

console.log();
row("function", "request", "processor, ms");
row("---", "---", "--:");
for (const [name, title, request] of REPEATED.filter(([name]) => names.includes(name))) {
  const running = await start(binary(name), local.environment);
  await running.ask(request(0), 0);
  const before = running.cpu();
  for (let n = 1; n <= REQUESTS; n += 1) await running.ask(request(n), n);
  row(name, title, ((running.cpu() - before) / REQUESTS).toFixed(2));
  running.stop();
}
await local.stop();
