// Page 1, as a person passes it.

export const NEXT = "#identify .actions button:not(.quiet)";

/** Enters the name and chooses Next; the browser does the check. Without scripts the person enters the characters. */
export async function identify(page, product, login, site = product.site) {
  await page.goto(site);
  await page.fill("#login", login);
  if (await page.locator("#work").isHidden() && await page.locator("#work-status").innerText() === "") {
    const token = await page.locator("input[name=captcha_token]").inputValue();
    await page.fill("#captcha-answer", await product.captcha(token));
  }
  await page.click(NEXT);
  await page.waitForURL("**/reason");
}
