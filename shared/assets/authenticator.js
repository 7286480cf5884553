// The authenticator app. It holds one key for each account, in IndexedDB and not extractable: this browser can sign with it,
// and nothing can take it away. What the server is asked is signed with it; see the decision on devices' requests.
const $ = (selector, root = document) => root.querySelector(selector);
const main = $("#main"), said = $("#said");
const encoder = new TextEncoder();
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const show = (element, shown) => { element.hidden = !shown; };

// What was said last: read aloud, and focused where what had the focus is gone.
const say = (what, focus = false) => {
  said.textContent = what ? said.dataset[what] ?? what : "";
  said.className = ["failed", "denied", "wrong"].includes(what) ? "trouble" : ["approved", "confirmed"].includes(what) ? "success" : what && what !== "busy" ? "notice" : "";
  if (focus) said.focus();
};
// In the reader's own manner, as on the other pages.
const moment = (text) => {
  const { lang } = document.documentElement, primary = (tag) => tag.split("-")[0];
  const own = navigator.languages.filter((tag) => tag.includes("-") && primary(tag) === primary(lang));
  return new Date(text).toLocaleString([...own, lang === "en" ? "en-GB" : lang], { dateStyle: "medium", timeStyle: "short" });
};

// ---- What the phone keeps ------------------------------------------------------------------------------------------

const database = () => new Promise((resolve, reject) => {
  const open = indexedDB.open("rekey-authenticator", 1);
  open.onupgradeneeded = () => open.result.createObjectStore("accounts", { keyPath: "device" });
  open.onsuccess = () => resolve(open.result);
  open.onerror = () => reject(open.error);
});
const inStore = async (mode, work) => {
  const db = await database();
  try {
    const transaction = db.transaction("accounts", mode);
    const request = work(transaction.objectStore("accounts"));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
    return request.result;
  } finally {
    db.close();
  }
};
const accounts = () => inStore("readonly", (store) => store.getAll());
const keep = (account) => inStore("readwrite", (store) => store.put(account));
const forget = (device) => inStore("readwrite", (store) => store.delete(device));

// ---- Talking to the server -----------------------------------------------------------------------------------------

const sign = async (key, lines) => base64url(await crypto.subtle.sign(
  { name: "ECDSA", hash: "SHA-256" }, key.privateKey, encoder.encode(["rekey-device-1", ...lines].join("\n")),
));
const ask = async (path, options = {}) => {
  const headers = { accept: "application/json", ...options.headers };
  const reply = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  return { ...await reply.json(), ok: reply.ok };
};
const post = (path, body) => ask(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
});
// Signs over the nonce at hand, and once more over the one that comes with a refusal.
const signed = async (account, send) => {
  for (let tries = 0; ; tries += 1) {
    const answer = await send(account.nonce);
    if (answer.nonce && answer.nonce !== account.nonce) {
      account.nonce = answer.nonce;
      await keep(account);
    }
    if (answer.code !== "nonce-stale" || tries > 0) return answer;
  }
};
const waitingFor = (account) => signed(account, async (nonce) => ask("/authenticator/requests", {
  headers: {
    "rekey-device": account.device, "rekey-nonce": nonce,
    "rekey-signature": await sign(account.key, ["requests", nonce]),
  },
}));
const answerTo = (account, request, answer) => signed(account, async (nonce) => post("/authenticator/answer", {
  device: account.device, nonce, request,
  ...answer === "denied" ? { denied: "true" } : { number: answer },
  signature: await sign(account.key, ["answer", nonce, request, answer]),
}));

// ---- What waits ----------------------------------------------------------------------------------------------------

const requests = $("#requests");
const fill = (root, values) => {
  for (const [name, value] of Object.entries(values)) {
    if (value) $(`[data-of=${name}]`, root).textContent = value;
  }
};
const requestForm = (account, request) => {
  const form = $("#request").content.cloneNode(true).firstElementChild;
  const [input, mistake, left] = [$("input", form), $(".mistake", form), $("[data-of=left]", form)];
  form.dataset.request = request.request;
  const id = `number-${request.request}`;
  input.id = id;
  $("label", form).htmlFor = id;
  mistake.id = `${id}-mistake`;
  input.setAttribute("aria-describedby", mistake.id);
  const { organisation, account: name } = account;
  fill(form, { organisation, account: name, time: moment(request.created_at), network: request.network, browser: request.browser });
  // From a browser that nobody has called their own, refusing weighs as much as approving.
  show($("[data-of=new]", form), !request.known_device);
  $("[data-does=deny]", form).classList.toggle("quiet", request.known_device);
  // The server sends what is left, so a phone whose clock is wrong counts right.
  const end = Date.now() + 1000 * request.seconds_left;
  const tick = () => {
    if (!form.isConnected) return;
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0) {
      over("ended");
      return;
    }
    left.textContent = left.dataset.text.replace("{seconds}", seconds);
    setTimeout(tick, 1000);
  };
  const over = (what) => {
    const hadFocus = form.contains(document.activeElement);
    form.remove();
    show($("#none"), !requests.childElementCount);
    say(what, hadFocus);
  };
  const answer = async (text) => {
    for (const control of form.elements) control.disabled = true;
    say("busy");
    try {
      const { ok, code } = await answerTo(account, request.request, text);
      if (code === "code-wrong") over("wrong");
      else if (code === "code-spent") over("ended");
      else if (!ok) throw code;
      else over(text === "denied" ? "denied" : "approved");
    } catch {
      for (const control of form.elements) control.disabled = false;
      say("failed");
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const fits = /^[1-9][0-9]$/.test(input.value.trim());
    mistake.textContent = fits ? "" : mistake.dataset.form;
    input.toggleAttribute("aria-invalid", !fits);
    if (!fits) return input.focus();
    answer(input.value.trim());
  };
  $("[data-does=deny]", form).onclick = () => answer("denied");
  requests.append(form);
  tick();
};

// ---- The accounts --------------------------------------------------------------------------------------------------

const listAccount = (account, state) => {
  const item = $("#account").content.cloneNode(true).firstElementChild;
  fill(item, { account: account.account, organisation: account.organisation });
  const text = $("[data-of=state]", item);
  text.textContent = state.what ? text.dataset[state.what].replace("{when}", state.when ?? "") : "";
  $("button", item).onclick = async () => {
    await forget(account.device);
    $("details", item).open = false;
    await look();
    say("forgotten", true);
  };
  $("#accounts ul").append(item);
};

let looking;
const look = () => {
  looking ??= reallyLook().finally(() => { looking = undefined; });
  return looking;
};
const reallyLook = async () => {
  const all = await accounts();
  const states = new Map();
  let offline = false, code;
  const found = [];
  for (const account of all) {
    try {
      const answer = await waitingFor(account);
      if (answer.code === "device-unknown") {
        // Until it was confirmed it is no account's device.
        const waits = !account.confirmed && Date.now() < new Date(account.expires_at);
        if (waits) code = account.code;
        else states.set(account, { what: "removed" });
      } else if (answer.requests) {
        if (!account.confirmed) {
          account.confirmed = true;
          await keep(account);
          say("confirmed");
        }
        if (answer.usable_from) states.set(account, { what: "usableFrom", when: moment(answer.usable_from) });
        for (const request of answer.requests) found.push([account, request]);
      } else offline = true;
    } catch (error) {
      if (error instanceof TypeError) offline = true;
      else states.set(account, { what: "lost" });
    }
  }
  show($("#offline"), offline);
  show($("#waiting"), all.some((account) => account.confirmed));
  show($("#accounts"), all.some((account) => account.confirmed || states.has(account)));
  show($("#confirm"), Boolean(code));
  $("#confirm-code").textContent = code ?? "";
  show($("#pairing"), !code);
  if (!all.length) $("#pair-another").open = true;
  show($("#pair-another > summary"), all.length > 0);
  // Not under somebody who reads what removing does.
  if (!$("#accounts details[open]")) {
    $("#accounts ul").replaceChildren();
    for (const account of all) if (account.confirmed || states.has(account)) listAccount(account, states.get(account) ?? {});
  }
  // What is being typed into stays.
  const ids = new Set(found.map(([, request]) => request.request));
  if (!offline) for (const form of [...requests.children]) if (!ids.has(form.dataset.request)) form.remove();
  for (const [account, request] of found) {
    if (!$(`[data-request="${request.request}"]`, requests)) requestForm(account, request);
  }
  show($("#none"), !offline && !requests.childElementCount);
  return Boolean(code);
};

// Asked more often while something may come: right after the page was opened or shown, and while a pairing waits.
let eager = 0, timer;
const again = async () => {
  clearTimeout(timer);
  if (document.hidden) return;
  const waits = await look().catch(() => false);
  eager = waits ? 0 : eager + 1;
  timer = setTimeout(again, waits || eager < 30 ? 3000 : 15000);
};
const wake = () => { eager = 0; again(); };

// ---- Pairing -------------------------------------------------------------------------------------------------------

const pair = $("#pair"), typed = $("#pairing-code"), mistake = $("#pairing-mistake");
const worker = () => navigator.serviceWorker?.ready;

const notify = $("#notify"), notified = $("[role=status]", notify);
const canPush = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const tellPermission = () => {
  const granted = canPush && Notification.permission === "granted";
  show($("button", notify).parentElement, canPush && Notification.permission === "default");
  notified.textContent = granted ? notified.dataset.on : canPush && Notification.permission === "default" ? "" : notified.dataset.off;
};
$("button", notify).onclick = async () => {
  await Notification.requestPermission();
  tellPermission();
};
// Without a push service the app works all the same: it shows what waits when it is opened.
const subscription = async () => {
  if (!canPush || Notification.permission !== "granted") return "";
  try {
    const { pushManager } = await worker();
    const applicationServerKey = bytesOf(main.dataset.pushKey);
    const options = { userVisibleOnly: true, applicationServerKey };
    return JSON.stringify(await pushManager.getSubscription() ?? await pushManager.subscribe(options));
  } catch {
    return "";
  }
};

const refuse = (what) => {
  mistake.textContent = mistake.dataset[what] ?? said.dataset[what];
  typed.setAttribute("aria-invalid", "true");
  typed.focus();
};
// The key for a token: the same one when the first answer was lost, for the token serves one phone.
const made = {};
const keyFor = async (pairing) => made[pairing] ??=
  await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
pair.onsubmit = async (event) => {
  event.preventDefault();
  mistake.textContent = "";
  typed.removeAttribute("aria-invalid");
  const pairing = typed.value.replace(/[\s-]/g, "").toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(pairing)) return refuse("form");
  say("busy");
  try {
    const key = await keyFor(pairing);
    const public_key = base64url(await crypto.subtle.exportKey("raw", key.publicKey));
    const push = await subscription();
    const signature = await sign(key, ["pair", pairing, public_key, push]);
    const answer = await post("/authenticator/pair", { pairing, public_key, signature, ...push && { subscription: push } });
    say("");
    if (answer.code === "code-spent") return refuse("spent");
    if (!answer.device) return refuse("failed");
    const { device, nonce, account, organisation, code, expires_at } = answer;
    await keep({ device, nonce, account, organisation, code, expires_at, key, confirmed: false });
    await navigator.storage?.persist?.().catch(() => {});
    typed.value = "";
    $("#pair-another").open = false;
    await again();
    $("#confirm").scrollIntoView({ block: "nearest" });
  } catch {
    say("");
    refuse("failed");
  }
};

// ---- The start -----------------------------------------------------------------------------------------------------

const takeToken = () => {
  const token = new URLSearchParams(location.hash.slice(1)).get("pair");
  if (!token) return;
  typed.value = token.match(/.{1,4}/g).join(" ");
  $("#pair-another").open = true;
  // It has served: neither history nor a shared link shall hold it.
  history.replaceState(null, "", "/authenticator");
};

const start = async () => {
  takeToken();
  addEventListener("hashchange", takeToken);
  tellPermission();
  await accounts();
  $("#check").onclick = wake;
  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  navigator.serviceWorker?.addEventListener("message", wake);
  await again();
};

if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/authenticator/sw.js", { scope: "/authenticator" })
    .then(worker)
    .then(({ active }) => active?.postMessage({ notification: main.dataset.notification }))
    .catch(() => {});
}
start().catch(() => show($("#unsupported"), true));
