// How a page looks and feels: photographed on a phone and on a desk, light and dark; checked by axe; walked through by keyboard.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
// axe takes most of the time; two views have every size and every colour.
const VIEWS = [
  { name: "phone-dark", viewport: PHONE, colorScheme: "dark", axe: true },
  { name: "desk-dark", viewport: DESK, colorScheme: "dark" },
  { name: "desk-light", viewport: DESK, colorScheme: "light", axe: true },
  // The last one stays.
  { name: "phone-light", viewport: PHONE, colorScheme: "light" },
];
// The narrowest phone: pages must not scroll sideways there either.
const NARROW = { width: 320, height: 568 };
// No page has this many places where Tab stops.
const STOPS = 60;

export const START = VIEWS.at(-1);

export class Watch {
  constructor(folder) {
    this.folder = folder;
    this.pages = [];
    this.problems = [];
    this.stops = 0;
  }

  expect(condition, text) {
    if (!condition) this.problems.push(text);
  }

  // Looks at the open page in every view.
  async look(page, name) {
    this.pages.push(name);
    const number = String(this.pages.length).padStart(2, "0");
    await page.evaluate(AXE);
    for (const { name: view, viewport, colorScheme, axe } of VIEWS) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.screenshot({ path: join(this.folder, `${number}-${name}-${view}.png`), fullPage: true });
      await this.sideways(page, `${name} on ${view}`);
      if (axe) await this.axe(page, `${name} on ${view}`);
    }
    await page.setViewportSize(NARROW);
    await this.sideways(page, `${name} on the narrowest phone`);
    await page.setViewportSize(START.viewport);
  }

  async axe(page, where) {
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    for (const { help, nodes } of violations) {
      this.expect(false, `axe: ${where}: ${help} (${nodes.map((node) => node.target.join(" ")).join(", ")})`);
    }
  }

  async sideways(page, where) {
    const pixels = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    this.expect(pixels <= 0, `${where} is ${pixels} pixels too wide`);
  }

  // The field of this id is marked as wrong, says why right above its input, and the summary leads to it.
  async wrong(page, id, reason) {
    const found = await page.evaluate((wanted) => {
      const input = document.getElementById(wanted);
      const error = document.getElementById(`${wanted}-error`);
      const named = (input?.getAttribute("aria-describedby") ?? "").split(" ");
      return {
        text: error?.innerText ?? "",
        invalid: input?.getAttribute("aria-invalid") === "true" && named.includes(`${wanted}-error`),
        gap: error && input.getBoundingClientRect().top - error.getBoundingClientRect().bottom,
        summary: document.querySelector(`#errors a[href="#${wanted}"]`)?.innerText ?? "",
      };
    }, id);
    const at = `${new URL(page.url()).pathname}: the field “${id}”`;
    this.expect(reason.test(found.text), `${at} says “${found.text}” instead of ${reason}`);
    this.expect(found.invalid, `${at} is not marked as wrong`);
    this.expect(found.gap !== null && found.gap >= 0 && found.gap < 24, `${at} has its error ${found.gap} pixels away`);
    this.expect(reason.test(found.summary), `${at} is not in the summary`);
  }

  // Where the focus is; it must be seen there.
  async focus(page) {
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      // The page as a whole has the focus at first, its content after the link that skips the header, or a page inside it.
      const whole = element === document.body || element.id === "main" || element.tagName === "IFRAME";
      const names = [element.id, element.textContent.trim()].filter(Boolean);
      return { names, seen: whole || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) };
    });
    this.expect(focus.seen, `keyboard: the focus on “${focus.names[0]}” at ${page.url()} cannot be seen`);
    return focus.names;
  }

  // The focus is on this id or text, or will be: a page's first field gets it when the page is drawn.
  async focused(page, what) {
    const there = (wanted) => [document.activeElement.id, document.activeElement.textContent.trim()].includes(wanted);
    const came = await page.waitForFunction(there, what, { timeout: 10_000 }).then(() => true, () => false);
    const [name] = await this.focus(page);
    this.expect(came, `keyboard: the focus at ${page.url()} is on “${name}” instead of “${what}”`);
  }

  // Presses Tab until the focus is on this id or text.
  async tabTo(page, what, key = "Tab") {
    for (let stop = 0; stop < STOPS; stop += 1) {
      if ((await this.focus(page)).includes(what)) return;
      await page.keyboard.press(key);
      this.stops += 1;
    }
    throw new Error(`keyboard: ${key} does not lead to “${what}” at ${page.url()}`);
  }

  // Fills a field in by keyboard.
  async type(page, id, text) {
    await this.tabTo(page, id);
    await page.keyboard.press("Control+a");
    await page.keyboard.type(text);
  }

  // Sends the form by this button, by keyboard.
  async press(page, button, key = "Enter") {
    await this.tabTo(page, button);
    await Promise.all([page.waitForEvent("domcontentloaded"), page.keyboard.press(key)]);
  }
}
