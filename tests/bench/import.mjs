// How long `rekey import` takes against the local environment: a dry run, the first import, the same file again, and the
// file with a changed number in each hundredth row. It prints a table and asserts nothing. Both are development builds.
//
//   cargo build --workspace && node tests/bench/import.mjs [ROWS …]

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, start } from "../browser/product.mjs";

const given = process.argv.slice(2).map(Number);
const SIZES = given.length ? given : [1_000, 10_000, 50_000];

/** A file as a university has it: no passwords, a private mailbox and a mobile number for each person. */
function people(rows, changed = 0) {
  const number = (row) => 3_000_000 + row + (changed && row % changed === 0 ? 1_000_000 : 0);
  const lines = Array.from({ length: rows }, (_, row) =>
    `s${1_000_000 + row},Person ${row},s${row}@home.example,+60 12-${number(row)},students`);
  return `login,name,alternate_email,mobile,group\n${lines.join("\n")}\n`;
}

const folder = mkdtempSync(join(tmpdir(), "rekey-import-"));
const file = (name, text) => { writeFileSync(join(folder, name), text); return join(folder, name); };
const first = file("start.csv", "login,name\nstart,Start Person\n");
console.log("| rows | run | seconds | ms per row | rows a minute |\n|--:|---|--:|--:|--:|");
for (const rows of SIZES) {
  const product = await start("--people", first);
  const all = file("people.csv", people(rows)), changed = file("changed.csv", people(rows, 100));
  for (const [name, path, more] of [
    ["dry run", all, []], ["first import", all, ["--apply"]], ["the same again", all, ["--apply"]],
    ["one in a hundred changed", changed, ["--apply", "--replace-contacts"]],
  ]) {
    const begun = performance.now();
    execFileSync(binary("rekey"), [`--local=${product.inbox}`, "import", path, "--json", ...more], { maxBuffer: 1 << 30 });
    const seconds = (performance.now() - begun) / 1e3;
    console.log(`| ${rows} | ${name} | ${seconds.toFixed(1)} | ${(seconds * 1e3 / rows).toFixed(2)} | ${Math.round(rows * 60 / seconds)} |`);
  }
  await product.stop();
}
rmSync(folder, { recursive: true });
