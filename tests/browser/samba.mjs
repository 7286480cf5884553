// The Samba domain of the contract tests, and as much LDAP as a test needs: a bind, and an entry that the administrator
// adds (RFC 4511).

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { root } from "./product.mjs";

export const SERVICE_PASSWORD = "Serv1ce-Passw0rd!";
const ADMINISTRATOR = ["Administrator@uni.test", "Adm1n-Passw0rd!"];

/** An element of BER. */
function ber(tag, ...parts) {
  const content = Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(part))));
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const text = (value) => ber(0x04, value);
const message = (id, operation) => ber(0x30, ber(0x02, [id]), operation);
const bind = (id, name, password) => message(id, ber(0x60, ber(0x02, [3]), text(name), ber(0x80, password)));

/** Returns the length of an element and of its header, or nothing while it is incomplete. */
function measure(octets) {
  if (octets.length < 2) return undefined;
  const more = octets[1] < 128 ? 0 : octets[1] & 0x7f;
  if (octets.length < 2 + more) return undefined;
  const length = more === 0 ? octets[1] : octets.readUIntBE(2, more);
  return octets.length < 2 + more + length ? undefined : { header: 2 + more, length };
}

/** The result code of an answer: the first element of its operation, after the message's id. */
function resultCode(octets) {
  const id = octets.subarray(measure(octets).header);
  const { header, length } = measure(id);
  const operation = id.subarray(header + length);
  return operation[measure(operation).header + 2];
}

/** Sends requests over one connection, and returns the result code of each. */
async function ask({ port, ca }, ...requests) {
  const socket = connect({ host: "127.0.0.1", port, ca });
  let received = Buffer.alloc(0);
  const codes = [];
  try {
    for (const request of requests) {
      socket.write(request);
      codes.push(await new Promise((resolve, reject) => {
        const read = (chunk) => {
          received = Buffer.concat([received, chunk]);
          const found = measure(received);
          if (!found) return;
          socket.off("data", read);
          resolve(resultCode(received));
          received = received.subarray(found.header + found.length);
        };
        socket.on("data", read);
        socket.once("error", reject);
        socket.once("close", () => reject(new Error("the server closed the connection")));
      }));
    }
  } finally {
    socket.destroy();
  }
  return codes;
}

/** Starts the domain, unless a test before has left it running, and keeps it until `release`. */
export async function samba() {
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], { cwd: root });
  const folder = join(JSON.parse(metadata).target_directory, "tmp", "live-directories");
  mkdirSync(folder, { recursive: true });
  // The server ends some time after the last such lock.
  const lock = ["--shared", "--no-fork", join(folder, "samba.use"), "sh", "-c", "echo held; exec sleep 600"];
  const used = spawn("flock", lock, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => {
    used.stdout.once("data", resolve);
    used.once("error", reject);
  });
  const running = async () => {
    try {
      const port = JSON.parse(readFileSync(join(folder, "samba.json"), "utf8")).ldaps;
      const server = { port, ca: readFileSync(join(folder, "certificates", "ca.pem")) };
      const [code] = await ask(server, bind(1, ...ADMINISTRATOR));
      return code === 0 ? server : undefined;
    } catch {
      return undefined;
    }
  };
  let ended;
  let server = await running();
  if (!server) {
    const log = openSync(join(folder, "samba.log"), "w");
    const script = join(root, "tests", "contract", "live_directories", "serve.py");
    const child = spawn("python3", [script, "samba", folder], { detached: true, stdio: ["ignore", log, log] });
    child.once("exit", (status) => { ended = status; });
    // It serves tests after this one, too.
    child.unref();
  }
  for (let attempts = 0; !server && ended === undefined && attempts < 1200; attempts += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    server = await running();
  }
  const release = () => used.kill();
  if (!server) {
    release();
    throw new Error(`Samba did not start:\n${readFileSync(join(folder, "samba.log"), "utf8")}`);
  }
  return {
    folder,
    port: server.port,
    release,
    /** Whether a password opens an account, as other applications find out. */
    binds: async (login, password) => (await ask(server, bind(1, `${login}@uni.test`, password)))[0] === 0,
    /** Adds a person, as the administrator. */
    async add(login, password, attributes) {
      const own = {
        objectClass: "user", sAMAccountName: login, userAccountControl: "512",
        unicodePwd: Buffer.from(`"${password}"`, "utf16le"), ...attributes,
      };
      const values = Object.entries(own).map(([name, value]) => ber(0x30, text(name), ber(0x31, text(value))));
      const request = ber(0x68, text(`CN=${login},OU=People,DC=uni,DC=test`), ber(0x30, ...values));
      const codes = await ask(server, bind(1, ...ADMINISTRATOR), message(2, request));
      if (codes.some((code) => code !== 0)) throw new Error(`${login} was not added: ${codes}`);
    },
  };
}
