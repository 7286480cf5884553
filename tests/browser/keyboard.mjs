// Walks a page by Tab, as somebody without a mouse does.

import assert from "node:assert/strict";

/** The controls that Tab has to reach, in the order of the page. Of a group of radios Tab reaches one. */
function controls() {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, audio[controls], [tabindex='0']");
  const groups = new Map();
  globalThis.order = [...all].filter((element) => {
    if (element.disabled || element.type === "hidden" || !element.checkVisibility({ visibilityProperty: true })) return false;
    if (element.type !== "radio") return true;
    const group = [...document.getElementsByName(element.name)];
    if (!groups.has(element.name)) groups.set(element.name, group.find((radio) => radio.checked) ?? group[0]);
    return groups.get(element.name) === element;
  });
  return globalThis.order.map((element) => {
    const { top, left } = element.getBoundingClientRect();
    return { name: element.outerHTML.slice(0, 90), top, left };
  });
}

/** Moves the point from which Tab goes on to the top of the page. */
function toTop() {
  const top = Object.assign(document.createElement("span"), { tabIndex: -1 });
  document.body.prepend(top);
  top.focus();
  top.remove();
}

/** The number of the focused control, and what is wrong with how it shows that. */
function focused() {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const { top, bottom, left, right } = element.getBoundingClientRect();
  const faults = [];
  if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) faults.push("has no ring");
  if (bottom <= 0 || top >= innerHeight || right <= 0 || left >= innerWidth) faults.push("is out of sight");
  const covering = document.elementFromPoint((left + right) / 2, Math.max(0, Math.min(innerHeight - 1, (top + bottom) / 2)));
  if (covering && !element.contains(covering) && !covering.contains(element) && !covering.closest("label, .choice")) {
    faults.push(`is covered by ${covering.outerHTML.slice(0, 60)}`);
  }
  return { number: globalThis.order.indexOf(element), name: element.outerHTML.slice(0, 90), faults };
}

/**
 * Presses Tab from the top of the page to its end, and with `bothWays` Shift+Tab all the way back: every control has the
 * focus once, in the order of the page and of the eye, with a ring, in sight.
 */
export async function walk(page, name, bothWays = false) {
  await page.evaluate(toTop);
  const expected = await page.evaluate(controls);
  const tab = async (key) => {
    const seen = [];
    for (let presses = 0; presses < 3 * expected.length + 10; presses += 1) {
      await page.keyboard.press(key);
      const at = await page.evaluate(focused);
      // A player of sound has controls of its own.
      if (at && at.number === seen.at(-1)?.number) continue;
      if (!at && seen.length === 0) continue;
      if (!at || seen.some(({ number }) => number === at.number)) return seen;
      seen.push(at);
    }
    assert.fail(`${name}: ${key} never leaves the page: ${seen.at(-1).name}`);
  };
  const forward = await tab("Tab");
  assert.deepEqual(forward.map((at) => at.number), expected.map((_, number) => number), `${name}: what Tab reaches`);
  assert.deepEqual(forward.filter((at) => at.faults.length), [], name);
  for (const [index, at] of expected.entries()) {
    const before = expected[index - 1];
    // The link to the main content stands above the page until it has the focus.
    if (index < 2) continue;
    const isAfter = at.top > before.top - 24 && (at.top > before.top + 8 || at.left > before.left);
    assert.ok(isAfter, `${name}: ${at.name} comes after ${before.name}, and stands before it`);
  }
  if (bothWays) {
    const backward = await tab("Shift+Tab");
    assert.deepEqual(backward.map((at) => at.number).reverse(), forward.map((at) => at.number), `${name}: the way back`);
  }
  await page.evaluate(toTop);
}

/** Presses Tab until the control has the focus. */
export async function tabTo(page, selector) {
  for (let presses = 0; presses < 60; presses += 1) {
    if (await page.evaluate((selector) => document.activeElement?.matches(selector), selector)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not reach ${selector}`);
}

/** Asserts that the summary of mistakes has the focus, and that its first link leads to the field. */
export async function mendFrom(page, field) {
  await page.waitForSelector("#summary");
  assert.equal(await page.evaluate(() => document.activeElement.id), "summary");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), field);
}
