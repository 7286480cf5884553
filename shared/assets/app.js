// What scripts add to pages that work without them. Every part looks for its own element and is silent where it isn't.
"use strict";
const $ = (selector, root = document) => root.querySelector(selector);

// What has just happened gets the focus; browsers that know `autofocus` on any element have done so already.
($("#summary") ?? $("#said"))?.focus();

// A page with a mistake is the answer to a form. Back and reload open its address instead of asking to send the form
// once more.
if ($("#summary")) history.replaceState(null, "", location.href);

// A form that could not be answered is left as it was filled in: going back is trying again.
const back = $("#back");
if (back && history.length > 1) {
  back.hidden = false;
  back.onclick = () => history.back();
}

// What was typed outlasts another language, and the name outlasts a session that has ended. It stays in this tab, and
// goes when the reset is done. Passwords, codes and answers to the CAPTCHA are never kept.
{
  const kept = "rekey-typed", name = "rekey-login";
  const fields = () => document.querySelectorAll(
    "main input:not([type=hidden], [type=password], [readonly], .code, [autocomplete=one-time-code])");
  try {
    for (const link of document.querySelectorAll("nav a")) {
      link.addEventListener("click", () => {
        const values = [...fields()].map(({ id, type, value, checked }) => [id, type === "radio" ? checked : value]);
        sessionStorage.setItem(kept, JSON.stringify(values));
      });
    }
    for (const [id, value] of JSON.parse(sessionStorage.getItem(kept) ?? "[]")) {
      const field = [...fields()].find((field) => field.id === id);
      if (field?.type === "radio") field.checked = value;
      else if (field && value) field.value = value;
    }
    sessionStorage.removeItem(kept);
    const identify = $("#identify");
    if (identify) {
      const { login } = identify.elements;
      login.value ||= sessionStorage.getItem(name) ?? "";
      identify.addEventListener("submit", () => sessionStorage.setItem(name, login.value));
    }
    if ("forget" in document.body.dataset) sessionStorage.removeItem(name);
  } catch {
    // Without storage nothing is kept.
  }
}

// The end of the session, said once two minutes before.
const ending = $("#ending");
if (ending) {
  const say = (text) => {
    ending.hidden = false;
    ending.textContent = text;
  };
  const end = Date.now() + 1000 * ending.dataset.seconds;
  setTimeout(() => say(ending.dataset.soon), Math.max(0, end - Date.now() - 120_000));
  setTimeout(() => say(ending.dataset.over), end - Date.now());
}

// The end of a code, said at five, two and one minutes, and when it has come. The way to a new one then opens by itself.
const codeLeft = $("#code-left");
if (codeLeft) {
  const end = Date.now() + 1000 * codeLeft.dataset.seconds;
  const at = (seconds, text) => setTimeout(() => {
    codeLeft.hidden = false;
    codeLeft.textContent = text;
  }, Math.max(0, end - Date.now() - 1000 * seconds));
  for (const minutes of [5, 2, 1]) {
    if (codeLeft.dataset.seconds > 60 * minutes) at(60 * minutes, codeLeft.dataset.left.replace("{minutes}", minutes));
  }
  at(0, codeLeft.dataset.over);
  setTimeout(() => { $("#help").open = true; }, end - Date.now());
}

// Times in the reader's own zone and manner.
for (const time of document.querySelectorAll("time")) {
  const { lang } = document.documentElement, primary = (tag) => tag.split("-")[0];
  // A plain "en" would be read as American, and says nothing about the reader's manner.
  const own = navigator.languages.filter((tag) => tag.includes("-") && primary(tag) === primary(lang));
  time.textContent = new Date(time.dateTime).toLocaleString([...own, lang === "en" ? "en-GB" : lang], { dateStyle: "long", timeStyle: "short" });
}

// The CAPTCHA: a worker does its work from the first focus on, or at once where the form is filled in already. The form
// waits for it, and the characters fold away when it is done.
const captcha = $("#captcha");
if (captcha) {
  const form = captcha.closest("form"), { captcha_token: token, captcha_work: work } = form.elements;
  const says = captcha.dataset, progress = $("#work-progress"), status = $("#work-status");
  const characters = $("#characters"), answer = $("#captcha-answer"), star = answer && $(".star", characters);
  let worker, pressed, expires, renewal, isDone = false, hasFailed = false, isPointing = false;

  // While the work is possible, nobody has to enter characters.
  const require = (required) => {
    if (!answer) return;
    answer.required = required;
    star.hidden = !required;
  };
  // Never under somebody's hands, since what is folded moves the buttons below, and never with a mistake to read.
  const fold = () => {
    if (!characters || !isDone || isPointing || $(".mistake", characters)) return;
    if (!characters.contains(document.activeElement)) characters.hidden = true;
  };
  for (const type of ["pointerdown", "pointerup", "pointercancel"]) {
    addEventListener(type, () => {
      isPointing = type === "pointerdown";
      setTimeout(fold);
    }, true);
  }
  const release = () => {
    if (!pressed) return;
    pressed.button.textContent = pressed.text;
    pressed.button.removeAttribute("aria-disabled");
    pressed = undefined;
  };
  const say = (text) => {
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("done", text === says.done);
  };
  const stop = () => {
    worker?.terminate();
    worker = undefined;
    work.value = "";
  };
  const failed = () => {
    stop();
    release();
    hasFailed = true;
    isDone = false;
    $("#work").hidden = true;
    if (characters) characters.hidden = false;
    require(true);
    say(says.failed);
  };
  const finish = (nonces) => {
    stop();
    work.value = nonces;
    isDone = true;
    $("#work").hidden = true;
    say(says.done);
    fold();
    if (!pressed) return;
    const { button } = pressed;
    release();
    form.requestSubmit(button);
  };
  const begin = () => {
    if (worker || work.value || hasFailed) return;
    try { worker = new Worker(says.script); } catch { return failed(); }
    worker.onerror = failed;
    worker.onmessage = ({ data }) => {
      if (data.work) finish(data.work);
      else progress.value = data.done;
    };
    worker.postMessage({ challenge: says.challenge, difficulty: Number(says.difficulty), puzzles: progress.max });
  };

  // A token is renewed before it expires, while somebody looks at the page; a harder one comes with the answer to a form
  // only. The work begins again, and what it has shown stays.
  const expire = (seconds) => {
    expires = Date.now() + 1000 * seconds;
    clearTimeout(renewal);
    if (!("harder" in says)) renewal = setTimeout(renewInTime, 1000 * (seconds - 60));
  };
  const renew = async () => {
    const reply = await fetch("/", { headers: { accept: "application/json" } });
    if (!reply.ok) throw reply;
    const next = (await reply.json()).captcha, isBusy = worker || work.value;
    stop();
    token.value = next.token;
    $("#picture").src = next.picture;
    $("#sound").src = $("#sound-link").href = next.sound;
    says.challenge = next.work.challenge;
    says.difficulty = next.work.difficulty;
    progress.max = next.work.puzzles;
    progress.value = 0;
    answer.value = "";
    expire(next.expires_in);
    if (isBusy) begin();
  };
  const renewInTime = async () => {
    if ("harder" in says || document.hidden || Date.now() < expires - 65_000) return;
    // Not under somebody who types the characters: the server says when they have expired.
    if (answer.value && document.activeElement === answer) {
      renewal = setTimeout(renewInTime, 15_000);
      return;
    }
    try {
      await renew();
      if (!characters.hidden) $("#refresh-status").textContent = $("#refresh").dataset.done;
    } catch {
      renewal = setTimeout(renewInTime, 15_000);
    }
  };
  expire(Number(says.seconds));
  document.addEventListener("visibilitychange", renewInTime);

  $("#work").hidden = false;
  require(false);
  const filled = [...form.elements].filter((field) => field.required);
  form.addEventListener("focusin", begin);
  form.addEventListener("input", () => {
    begin();
    // Who changes a field after "Next" presses it again.
    if (pressed) say("");
    release();
  });
  characters?.addEventListener("focusout", () => setTimeout(fold));
  // A page that is shown again, as by the back button, has spent its token.
  addEventListener("pageshow", ({ persisted }) => {
    release();
    if (persisted && !("harder" in says)) renew().catch(() => {});
    if (filled.some((field) => field.value)) begin();
  });

  // What is sent too early goes on by itself when the work is done; the server says what is missing.
  form.addEventListener("submit", (event) => {
    if (work.value || hasFailed || filled.some((field) => !field.value.trim())) return;
    event.preventDefault();
    begin();
    if (pressed || hasFailed) return;
    const button = event.submitter ?? $("button:not([type=button])", form);
    pressed = { button, text: button.textContent };
    button.textContent = says.wait;
    button.setAttribute("aria-disabled", "true");
    say(says.waiting);
  });

  if (characters) {
    const refresh = $("#refresh"), said = $("#refresh-status"), sound = $("#sound"), replay = $("#replay");
    refresh.onclick = async (event) => {
      event.preventDefault();
      said.textContent = "";
      try {
        await renew();
        answer.focus();
        said.textContent = refresh.dataset.done;
      } catch {
        said.textContent = refresh.dataset.failed;
      }
    };
    // The sound is played again without leaving the field; no answer has a full stop.
    const play = () => {
      sound.currentTime = 0;
      sound.play().catch(() => {});
    };
    replay.onclick = play;
    answer.addEventListener("beforeinput", (event) => {
      if (![".", "。", "．"].includes(event.data)) return;
      event.preventDefault();
      play();
    });
    replay.hidden = $("#replay-hint").hidden = false;
    answer.setAttribute("aria-describedby", `${answer.getAttribute("aria-describedby")} replay-hint`);
  }
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

// An approval: counted down, and asked for with growing pauses. Nobody has to ask by hand, so the controls for that wait
// until it was given, and the button that goes on then gets the focus, or until there is no connection. Pages are asked
// for by their address: a reload would send the form again that led here.
const approval = $("#approval");
if (approval) {
  const left = $("#approval-left"), status = $("[role=status]", approval);
  const next = $("#approved button:not(.quiet)"), look = $("#look");
  const byHand = (shown) => { next.hidden = look.hidden = !shown; };
  const end = Date.now() + 1000 * approval.dataset.seconds;
  let pause = 2000;
  const tick = () => {
    if (isApproved) return;
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0) return location.replace("/code");
    left.textContent = approval.dataset.left.replace("{seconds}", seconds);
    // Announced twice, and otherwise only shown.
    if (seconds === 30 || seconds === 10) status.textContent = left.textContent;
    setTimeout(tick, 1000);
  };
  let isApproved = false;
  const goOn = () => {
    isApproved = true;
    status.textContent = approval.dataset.approved;
    status.classList.add("done");
    left.hidden = look.hidden = true;
    next.hidden = false;
    next.focus();
  };
  const ask = async () => {
    let state;
    try {
      const reply = await fetch("/code", { headers: { accept: "application/json" } });
      state = reply.ok ? (await reply.json()).status : reply.status < 500 ? "ended" : undefined;
    } catch {
      // No connection: the next time, perhaps.
    }
    byHand(!state);
    if (state === "approved") return goOn();
    if (state === "ended") return location.replace("/code");
    pause = Math.min(pause * 1.25, 6000);
    setTimeout(ask, pause);
  };
  if (approval.dataset.status === "approved") goOn();
  else {
    byHand(false);
    tick();
    setTimeout(ask, pause);
  }
}

// The new password: shown if wished, and the criteria that can be checked here ticked as one types.
const choosing = $("#new-password");
if (choosing) {
  const { password, confirmation } = choosing.elements;
  const says = choosing.dataset, status = $("#password-status"), show = $("#show"), same = $("#same");

  // What password managers generate by. HTML knows no such attribute, so the page itself stays valid.
  for (const field of [password, confirmation]) field.setAttribute("passwordrules", says.rules);
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
  const all = [...document.querySelectorAll("[data-criterion]")];
  const items = all.filter((item) => item.dataset.criterion in rules);
  for (const item of items) {
    if (!$(".unseen", item)) item.append(Object.assign(document.createElement("span"), { className: "unseen" }));
  }
  // The others are the server's, which says of an earlier password nothing about the one that is being typed.
  const others = all.filter((item) => !items.includes(item));
  const wait = (item) => {
    item.classList.remove("met", "failed");
    $("span", item)?.remove();
    item.append(Object.assign(document.createElement("span"), { className: "later", textContent: ` (${says.later})` }));
  };
  for (const item of others) if (!item.classList.contains("met") && !item.classList.contains("failed")) wait(item);

  // Random words of the EFF's long list, 12.9 bits each, fetched when somebody asks for them.
  const suggest = $("#suggest"), suggested = $("#suggested");
  const below = (count) => {
    const most = Math.floor(2 ** 32 / count) * count, drawn = new Uint32Array(1);
    do crypto.getRandomValues(drawn); while (drawn[0] >= most);
    return drawn[0] % count;
  };
  suggest.hidden = false;
  suggest.onclick = async () => {
    suggest.disabled = true;
    try {
      const own = says.ownWords.split(" ").filter(Boolean);
      const words = (await (await fetch(says.words)).text()).split(" ")
        .filter((word) => !own.some((part) => word.includes(part)));
      const drawn = [];
      while (drawn.length < 4 || drawn.join("-").length < says.min - 2) {
        const word = words[below(words.length)];
        drawn.push(word[0].toUpperCase() + word.slice(1));
      }
      password.value = confirmation.value = `${drawn.join("-")}-${below(10)}`;
      reveal(true);
      check();
      suggested.textContent = says.suggested;
    } catch {
      // No connection: the list is fetched when the button is pressed again.
    }
    suggest.disabled = false;
    suggest.focus();
  };

  let pause;
  const check = () => {
    const text = password.value.normalize("NFC");
    let met = 0;
    others.forEach(wait);
    for (const item of items) {
      const is = rules[item.dataset.criterion](text);
      met += is;
      item.classList.toggle("met", is);
      item.classList.toggle("unmet", !is);
      item.classList.remove("failed");
      item.lastChild.textContent = ` (${is ? says.met : says.unmet})`;
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
