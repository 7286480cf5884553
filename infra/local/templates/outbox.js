// Copy buttons, local times, and a page that keeps itself fresh. Without this script the page reloads itself.
"use strict";

const live = document.getElementById("live");

function dress(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

async function redraw() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  for (const open of live.querySelectorAll("details[open]")) {
    const same = fresh.querySelector(`details[data-key="${open.dataset.key}"]`);
    if (same) same.open = true;
  }
  const known = (live.dataset.ids ?? "").split(" ").length;
  const now = (fresh.dataset.ids ?? "").split(" ").length;
  if (now > known) document.getElementById("news").textContent = "A new message has arrived.";
  live.dataset.ids = fresh.dataset.ids ?? "";
  live.replaceChildren(...fresh.childNodes);
  dress(live);
}

async function look() {
  try {
    if (live.dataset.live === "messages") {
      const answer = await fetch("/messages", { headers: { Accept: "application/json" } });
      const ids = (await answer.json()).map((message) => `${message.id} `).join("");
      if (ids !== live.dataset.ids) await redraw();
    } else {
      let over = false;
      for (const seconds of live.querySelectorAll("[data-seconds]")) {
        seconds.textContent = --seconds.dataset.seconds;
        over ||= seconds.dataset.seconds <= 0;
      }
      if (over) await redraw();
    }
  } catch {
    // The product was stopped; the next look may find it again.
  }
  setTimeout(look, 1000);
}

dress(document);
if (live) setTimeout(look, 1000);
