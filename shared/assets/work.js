// Proof of work for the CAPTCHA, as a classic worker. It is sent {challenge, difficulty, puzzles}. For each puzzle it finds
// the first decimal nonce for which SHA-256(challenge.puzzle.nonce) begins with `difficulty` zero bits. It posts {done}
// after each puzzle and {work}, all nonces joined by ".", after the last. To stop it, terminate it.
//
// Its own SHA-256, because crypto.subtle is asynchronous: a promise per hash costs ten times the hash. No try allocates:
// the digits of a nonce are counted up in place, and the blocks before them are hashed once per puzzle.
"use strict";

// FIPS 180-4 §4.2.2 and §5.3.3: the fractions of the cube and square roots of the first primes.
const K = new Int32Array(64);
const START = new Int32Array(8);
for (let prime = 2, found = 0; found < 64; prime++) {
  let divisor = 2;
  while (prime % divisor) divisor++;
  if (divisor < prime) continue;
  if (found < 8) START[found] = (Math.sqrt(prime) % 1) * 2 ** 32;
  K[found++] = (Math.cbrt(prime) % 1) * 2 ** 32;
}

const w = new Int32Array(64);
const state = new Int32Array(8);

// Works the block in the first sixteen words of `w` into `before`, and leaves the result in `state` (§6.2.2). Eight rounds
// are written out, so that the letters change places and no value does: half as fast again as a loop of one.
function compress(before) {
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15], y = w[t - 2];
    w[t] = w[t - 16] + w[t - 7]
      + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3)
      + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
  }
  let a = before[0], b = before[1], c = before[2], d = before[3];
  let e = before[4], f = before[5], g = before[6], h = before[7];
  for (let t = 0; t < 64; t += 8) {
    h = h + K[t + 0] + w[t + 0] + (g ^ e & (f ^ g)) + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) | 0;
    d = d + h | 0;
    h = h + (a & b ^ c & (a ^ b)) + ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) | 0;
    g = g + K[t + 1] + w[t + 1] + (f ^ d & (e ^ f)) + ((d >>> 6 | d << 26) ^ (d >>> 11 | d << 21) ^ (d >>> 25 | d << 7)) | 0;
    c = c + g | 0;
    g = g + (h & a ^ b & (h ^ a)) + ((h >>> 2 | h << 30) ^ (h >>> 13 | h << 19) ^ (h >>> 22 | h << 10)) | 0;
    f = f + K[t + 2] + w[t + 2] + (e ^ c & (d ^ e)) + ((c >>> 6 | c << 26) ^ (c >>> 11 | c << 21) ^ (c >>> 25 | c << 7)) | 0;
    b = b + f | 0;
    f = f + (g & h ^ a & (g ^ h)) + ((g >>> 2 | g << 30) ^ (g >>> 13 | g << 19) ^ (g >>> 22 | g << 10)) | 0;
    e = e + K[t + 3] + w[t + 3] + (d ^ b & (c ^ d)) + ((b >>> 6 | b << 26) ^ (b >>> 11 | b << 21) ^ (b >>> 25 | b << 7)) | 0;
    a = a + e | 0;
    e = e + (f & g ^ h & (f ^ g)) + ((f >>> 2 | f << 30) ^ (f >>> 13 | f << 19) ^ (f >>> 22 | f << 10)) | 0;
    d = d + K[t + 4] + w[t + 4] + (c ^ a & (b ^ c)) + ((a >>> 6 | a << 26) ^ (a >>> 11 | a << 21) ^ (a >>> 25 | a << 7)) | 0;
    h = h + d | 0;
    d = d + (e & f ^ g & (e ^ f)) + ((e >>> 2 | e << 30) ^ (e >>> 13 | e << 19) ^ (e >>> 22 | e << 10)) | 0;
    c = c + K[t + 5] + w[t + 5] + (b ^ h & (a ^ b)) + ((h >>> 6 | h << 26) ^ (h >>> 11 | h << 21) ^ (h >>> 25 | h << 7)) | 0;
    g = g + c | 0;
    c = c + (d & e ^ f & (d ^ e)) + ((d >>> 2 | d << 30) ^ (d >>> 13 | d << 19) ^ (d >>> 22 | d << 10)) | 0;
    b = b + K[t + 6] + w[t + 6] + (a ^ g & (h ^ a)) + ((g >>> 6 | g << 26) ^ (g >>> 11 | g << 21) ^ (g >>> 25 | g << 7)) | 0;
    f = f + b | 0;
    b = b + (c & d ^ e & (c ^ d)) + ((c >>> 2 | c << 30) ^ (c >>> 13 | c << 19) ^ (c >>> 22 | c << 10)) | 0;
    a = a + K[t + 7] + w[t + 7] + (h ^ f & (g ^ h)) + ((f >>> 6 | f << 26) ^ (f >>> 11 | f << 21) ^ (f >>> 25 | f << 7)) | 0;
    e = e + a | 0;
    a = a + (b & c ^ d & (b ^ c)) + ((b >>> 2 | b << 30) ^ (b >>> 13 | b << 19) ^ (b >>> 22 | b << 10)) | 0;
  }
  state[0] = before[0] + a; state[1] = before[1] + b; state[2] = before[2] + c; state[3] = before[3] + d;
  state[4] = before[4] + e; state[5] = before[5] + f; state[6] = before[6] + g; state[7] = before[7] + h;
}

// Writes the octet at a place of the block.
function put(at, octet) {
  const shift = 24 - 8 * (at & 3);
  w[at >> 2] = w[at >> 2] & ~(255 << shift) | octet << shift;
}

// Returns the first nonce that solves a puzzle, whose text before the nonce is `prefix`.
function solve(prefix, difficulty) {
  const before = START.slice();
  const whole = prefix.length - prefix.length % 64;
  for (let at = 0; at < whole; at += 64) {
    for (let i = 0; i < 64; i++) put(i, prefix.charCodeAt(at + i));
    compress(before);
    before.set(state);
  }
  // The last block: the rest of the prefix, the digits, the mark, and the length in bits (§5.1.1).
  const first = prefix.length - whole;
  w.fill(0, 0, 16);
  for (let i = 0; i < first; i++) put(i, prefix.charCodeAt(whole + i));
  put(first, 48);
  put(first + 1, 128);
  let last = first;
  w[15] = 8 * (whole + last + 1);
  const shift = 32 - difficulty;
  for (let nonce = 0; ; nonce++) {
    compress(before);
    if (state[0] >>> shift === 0) return nonce;
    // Counts up the decimal digits.
    let at = last;
    for (; at >= first; at--) {
      const place = 24 - 8 * (at & 3);
      if ((w[at >> 2] >>> place & 255) < 57) { w[at >> 2] += 1 << place; break; }
      put(at, 48);
    }
    if (at < first) {
      last++;
      put(first, 49);
      put(last, 48);
      put(last + 1, 128);
      w[15] += 8;
    }
  }
}

onmessage = ({ data: { challenge, difficulty, puzzles } }) => {
  const nonces = [];
  for (let puzzle = 0; puzzle < puzzles; puzzle++) {
    nonces.push(solve(`${challenge}.${puzzle}.`, difficulty));
    postMessage({ done: nonces.length });
  }
  postMessage({ work: nonces.join(".") });
};
