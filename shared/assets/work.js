// Proof of work for the CAPTCHA, as a classic worker. It is sent {challenge, difficulty} and finds a decimal nonce for
// which SHA-256(challenge + nonce) begins with `difficulty` zero bits. It answers {tried} about four times a second, so
// that the page can show that something is happening, and once {nonce}. To stop it, terminate it.
//
// Its own SHA-256, because crypto.subtle is asynchronous: a promise per hash costs ten times the hash.
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

// One block of sixteen words at `from` of `words`, worked into `state` (§6.2.2).
const w = new Int32Array(64);
function compress(state, words, from) {
  for (let t = 0; t < 16; t++) w[t] = words[from + t];
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15], y = w[t - 2];
    w[t] = w[t - 16] + w[t - 7]
      + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3)
      + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
  }
  let a = state[0], b = state[1], c = state[2], d = state[3];
  let e = state[4], f = state[5], g = state[6], h = state[7];
  for (let t = 0; t < 64; t++) {
    const one = h + K[t] + w[t] + (e & f ^ ~e & g)
      + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) | 0;
    const two = (a & b ^ a & c ^ b & c)
      + ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) | 0;
    h = g; g = f; f = e; e = d + one | 0; d = c; c = b; b = a; a = one + two | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

// The text, the mark and the length in bits, padded to whole blocks (§5.1.1).
function pad(text) {
  const words = new Int32Array((text.length + 8 >> 6) + 1 << 4);
  for (let i = 0; i < text.length; i++) words[i >> 2] |= text.charCodeAt(i) << 24 - 8 * (i & 3);
  words[text.length >> 2] |= 128 << 24 - 8 * (text.length & 3);
  words[words.length - 1] = 8 * text.length;
  return words;
}

function zeroBits(state) {
  let word = 0;
  while (word < 8 && state[word] === 0) word++;
  return 32 * word + (word < 8 ? Math.clz32(state[word]) : 0);
}

onmessage = ({ data: { challenge, difficulty } }) => {
  // Whole blocks of the challenge hash the same for every nonce.
  const prefix = START.slice();
  const whole = challenge.length - challenge.length % 64;
  const blocks = pad(challenge);
  for (let at = 0; at < whole / 4; at += 16) compress(prefix, blocks, at);

  const state = new Int32Array(8);
  for (let nonce = 0, told = Date.now(); ; nonce++) {
    const words = pad(challenge.slice(whole) + nonce);
    // The length counts the blocks that were hashed before.
    words[words.length - 1] += 8 * whole;
    state.set(prefix);
    for (let at = 0; at < words.length; at += 16) compress(state, words, at);
    if (zeroBits(state) >= difficulty) return postMessage({ nonce: String(nonce) });
    if (nonce % 4096 === 0 && Date.now() - told >= 250) {
      told = Date.now();
      postMessage({ tried: nonce });
    }
  }
};
