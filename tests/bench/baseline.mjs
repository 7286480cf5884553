// What the functions weigh and compute, beside tests/bench/baseline.json. Neither depends on how busy the machine is:
// bytes as for upload, compressed, and processor instructions of a request, counted by callgrind. It fails if a figure
// has grown by more than the tolerance, and says which; a figure that shrank by more asks for a new baseline.
//
//   sam build --parameter-overrides Architecture=x86_64
//   cargo build --release --package rekey-hash && cargo build --package rekey-local
//   node tests/bench/baseline.mjs [--update]

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, services } from "../browser/product.mjs";
import { REPEATED, SITE, released, start } from "./lambda.mjs";

/** Bytes and instructions vary a little from build to build and from run to run. */
const TOLERANCE = 0.02;
const FILE = join(root, "tests", "bench", "baseline.json");
/**
 * Requests that are counted together, after one that does what a process does once. From run to run a process differs by
 * 70,000 instructions, whatever it answers: a tenth of a page, and nothing beside a hash.
 */
const PAGES = 40, HASHES = 3;

const folder = mkdtempSync(join(tmpdir(), "rekey-callgrind-"));
const callgrind = (out) => ["valgrind", "--quiet", "--tool=callgrind", `--callgrind-out-file=${out}`];
const counted = (out) => Number(readFileSync(out, "utf8").match(/^(?:totals|summary): (\d+)/m)[1]);

/** The instructions of a function that answers so many requests. */
async function answering(name, request, requests, environment) {
  const out = join(folder, `${name}-${requests}`);
  const running = await start(released(name), environment, callgrind(out));
  for (let n = 0; n < requests; n += 1) await running.ask(request(n), n);
  await running.stop("SIGTERM");
  return counted(out);
}

function hashing(count) {
  const [command, ...more] = [...callgrind(join(folder, `hash-${count}`)), released("hash"), String(count)];
  execFileSync(command, more, { stdio: ["ignore", "inherit", "inherit"] });
  return counted(join(folder, `hash-${count}`));
}

async function measure() {
  const bytes = {}, instructions = {};
  for (const name of readdirSync(join(root, ".aws-sam", "build")).filter((name) => name.endsWith("Function")).sort()) {
    // Node's own compression differs from version to version.
    bytes[name] = execFileSync("gzip", ["-c", released(name)], { maxBuffer: 1 << 28 }).length;
  }
  const best = Math.round((hashing(3) - hashing(1)) / 2);
  instructions["one argon2id hash, the crate at its best"] = best;
  const local = await services(SITE);
  for (const [name, title, request] of REPEATED) {
    const count = title.includes("hash") ? HASHES : PAGES;
    const [one, more] = [1, 1 + count].map((requests) => answering(name, request, requests, local.environment));
    instructions[title] = Math.round(((await more) - (await one)) / count);
  }
  await local.stop();
  rmSync(folder, { recursive: true });
  return { bytes, instructions };
}

const figures = await measure();
const all = JSON.parse(readFileSync(FILE, "utf8"));
const architecture = process.arch;
if (process.argv.includes("--update")) {
  all[architecture] = figures;
  writeFileSync(FILE, `${JSON.stringify(all, null, 2)}\n`);
}
const baseline = all[architecture];
if (!baseline) {
  console.log(JSON.stringify(figures, null, 2));
  console.log(`tests/bench/baseline.json has no figures of ${architecture} to compare with. Add these with --update.`);
  process.exit();
}
const grown = [];
for (const [unit, of] of Object.entries(figures)) {
  for (const name of new Set([...Object.keys(of), ...Object.keys(baseline[unit])])) {
    const [now, before] = [of[name], baseline[unit][name]];
    const change = before && now ? now / before - 1 : NaN;
    console.log(`${String(now ?? "-").padStart(12)} ${unit.padEnd(13)} ${(change * 100).toFixed(1).padStart(6)} %  ${name}`);
    if (!(change <= TOLERANCE)) grown.push(`${name}: ${before ?? "no"} ${unit} before, ${now ?? "none"} now`);
    else if (change < -TOLERANCE) console.log(`  It shrank: keep that by a new baseline (--update).`);
  }
}
if (grown.length) {
  console.error(`Grown by more than ${TOLERANCE * 100} %, or new:\n  ${grown.join("\n  ")}`);
  console.error("Look for a new dependency, or a loop; where it is worth its price, run this with --update and say why in the commit.");
  process.exit(1);
}
