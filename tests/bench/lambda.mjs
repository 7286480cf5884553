// A Lambda function on this machine: it gets events as API Gateway sends them, through a runtime API of its own.

import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { root } from "../browser/product.mjs";

/** The address of the site, for requests and for `cargo local --services`. */
export const SITE = "http://127.0.0.1:9000";

/** Requests whose processor time is told; each sign-in is one argon2id hash. */
export const REPEATED = [
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

/** Starts a function with a runtime API of its own; `wrapper` is a command that runs it. */
export async function start(binary, environment, wrapper = []) {
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
  const [command, ...more] = [...wrapper, binary];
  const child = spawn(command, more, {
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
    async stop(signal = "SIGKILL") {
      child.kill(signal);
      await ended.catch(() => {});
      server.closeAllConnections();
      server.close();
    },
  };
}

let target;
/** The path of a function that `sam build` made, by its name in template.yaml, or of a package of tests/bench. */
export function released(name) {
  if (name.endsWith("Function")) return join(root, ".aws-sam", "build", name, "bootstrap");
  const metadata = () => execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], { cwd: root });
  target ??= JSON.parse(metadata()).target_directory;
  return join(target, "release", `rekey-${name}`);
}
