// What scripts add to pages that work without them. Every part looks for its own element and is silent where it isn't.
"use strict";
const $ = (selector, root = document) => root.querySelector(selector);

// The error summary gets the focus; browsers that know `autofocus` on any element have done so already.
$("#summary")?.focus();

// Times in the reader's own zone and manner.
for (const time of document.querySelectorAll("time")) {
  const { lang } = document.documentElement, primary = (tag) => tag.split("-")[0];
  const own = navigator.languages.filter((tag) => primary(tag) === primary(lang));
  time.textContent = new Date(time.dateTime).toLocaleString([...own, lang], { dateStyle: "long", timeStyle: "short" });
}

// The CAPTCHA: a new picture without losing what was typed, and the way without a puzzle.
const work = $("#work");
if (work) {
  const form = work.closest("form"), answer = $("#captcha-answer"), start = $("button", work), status = $("[role=status]", work);
  const nonce = form.elements.captcha_work;
  let worker, waits = false;

  const stop = () => {
    worker?.terminate();
    worker = undefined;
    waits = false;
    nonce.value = status.textContent = "";
    answer.required = true;
    start.disabled = false;
  };
  // With `alone` the work stands in for the characters; else it is asked for besides them.
  const calculate = (alone) => {
    stop();
    const failed = () => { stop(); status.textContent = work.dataset.failed; };
    try { worker = new Worker(work.dataset.script); } catch { return failed(); }
    status.textContent = work.dataset.running;
    answer.required = !alone;
    start.disabled = alone;
    worker.onerror = failed;
    worker.onmessage = ({ data }) => {
      if (!data.nonce) return;
      const submits = waits;
      worker.terminate();
      worker = undefined;
      nonce.value = data.nonce;
      status.textContent = alone ? work.dataset.done : work.dataset.doneToo;
      if (submits) form.requestSubmit();
    };
    worker.postMessage({ challenge: work.dataset.challenge, difficulty: Number(alone ? work.dataset.alone : work.dataset.difficulty) });
  };
  const begin = () => {
    stop();
    if ("harder" in work.dataset) calculate(false);
  };

  start.hidden = false;
  start.onclick = () => calculate(true);
  const notice = $(".notice[hidden]", work);
  if (notice) notice.hidden = false;
  // Who asked for the work and sends the form before it is done need not press again. Without an answer the work is
  // needed; with one it is only where it is asked for besides.
  form.onsubmit = (event) => {
    if (!worker || (answer.value && !("harder" in work.dataset))) return;
    event.preventDefault();
    waits = true;
    status.textContent = work.dataset.running;
    status.scrollIntoView({ block: "nearest" });
  };

  // The harder kind comes with the answer to a form only: there is nothing to fetch.
  const refresh = $("#refresh"), said = $("#refresh-status");
  if (refresh) refresh.onclick = async (event) => {
    event.preventDefault();
    said.textContent = "";
    try {
      const reply = await fetch(refresh.href, { headers: { accept: "application/json" } });
      if (!reply.ok) throw reply;
      const { captcha } = await reply.json();
      form.elements.captcha_token.value = captcha.token;
      $("#picture").src = captcha.picture;
      $("#sound").src = $("#sound-link").href = captcha.sound;
      work.dataset.challenge = captcha.work.challenge;
      work.dataset.difficulty = captcha.work.difficulty;
      work.dataset.alone = captcha.work.alone;
      answer.value = "";
      begin();
      answer.focus();
      said.textContent = refresh.dataset.done;
    } catch {
      said.textContent = refresh.dataset.failed;
    }
  };
  begin();
}

// The wait before another code: shown each second, but not announced by a screen reader each time.
const wait = $("#wait");
if (wait) {
  const button = $("#resend button"), end = Date.now() + 1000 * wait.dataset.seconds;
  button.disabled = true;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left > 0) {
      wait.textContent = wait.dataset.text.replace("{seconds}", left);
      setTimeout(tick, 1000);
    } else {
      wait.hidden = true;
      button.disabled = false;
    }
  };
  tick();
}

// An approval: counted down, and asked for with growing pauses. Once it was given the page goes on by itself.
const approval = $("#approval");
if (approval) {
  const left = $("#approval-left"), status = $("[role=status]", approval);
  const end = Date.now() + 1000 * approval.dataset.seconds;
  let pause = 2000;
  const tick = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0) return location.reload();
    left.textContent = approval.dataset.left.replace("{seconds}", seconds);
    setTimeout(tick, 1000);
  };
  const goOn = () => {
    status.textContent = approval.dataset.approved;
    $("#approved").requestSubmit();
  };
  const ask = async () => {
    let state;
    try {
      const reply = await fetch("/code", { headers: { accept: "application/json" } });
      state = reply.ok ? (await reply.json()).status : reply.status < 500 ? "ended" : undefined;
    } catch {
      // No connection: the next time, perhaps.
    }
    if (state === "approved") return goOn();
    if (state === "ended") return location.reload();
    pause = Math.min(pause * 1.25, 6000);
    setTimeout(ask, pause);
  };
  if (approval.dataset.status === "approved") goOn();
  else {
    tick();
    setTimeout(ask, pause);
  }
}

// The new password: shown if wished, and the criteria that can be checked here ticked as one types.
const choosing = $("#new-password");
if (choosing) {
  const { password, confirmation } = choosing.elements;
  const says = choosing.dataset, status = $("#password-status"), show = $("#show"), same = $("#same");

  const reveal = (shown) => {
    password.type = confirmation.type = shown ? "text" : "password";
    show.textContent = shown ? says.hide : says.show;
  };
  show.hidden = false;
  show.onclick = () => {
    const shown = password.type === "password";
    reveal(shown);
    status.textContent = shown ? says.shown : says.hidden;
  };
  // Browsers offer to keep what is in a password field, and restore pages as they were left.
  choosing.addEventListener("submit", () => reveal(false));
  addEventListener("pageshow", () => reveal(false));

  const rules = {
    length: (text) => [...text].length >= says.min,
    upper: (text) => /\p{Uppercase}/u.test(text),
    lower: (text) => /\p{Lowercase}/u.test(text),
    digit: (text) => /[0-9]/.test(text),
    symbol: (text) => /[^\p{Alphabetic}\p{N}\p{M}]/u.test(text),
  };
  const items = [...document.querySelectorAll("[data-criterion]")].filter((item) => item.dataset.criterion in rules);
  for (const item of items) item.append(Object.assign(document.createElement("span"), { className: "unseen" }));

  let pause;
  const check = () => {
    const text = password.value.normalize("NFC");
    let met = 0;
    for (const item of items) {
      const is = rules[item.dataset.criterion](text);
      met += is;
      item.classList.toggle("met", is);
      item.classList.toggle("unmet", !is);
      item.lastChild.textContent = is ? ` (${says.met})` : "";
    }
    const typed = confirmation.value;
    same.textContent = !typed ? "" : typed.normalize("NFC") === text ? says.same : says.differs;
    // One sentence after a pause, not one per key.
    clearTimeout(pause);
    pause = setTimeout(() => {
      status.textContent = [says.summary.replace("{met}", met).replace("{all}", items.length), same.textContent].join(" ");
    }, 1000);
  };
  choosing.addEventListener("input", check);
}

// A double click sends a form once. (The server takes a second sending for what it is, too.) Last, so that a form that
// was held back above does not count as sent.
for (const form of document.forms) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("pageshow", () => { sent = false; });
}
