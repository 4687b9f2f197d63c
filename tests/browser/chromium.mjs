// Headless Chromium for a test of the pages: it reaches this machine only, and whatever it complains about is a problem. CHROMIUM names
// the browser, SCALE=2 makes sharper screenshots.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { START } from "./look.mjs";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
];

// The browser, and what opens a page in it that may ask this origin only.
export async function launch(watch, origin) {
  const browser = await chromium.launch({ executablePath: browserPath(), args: FLAGS });
  return { browser, newPage: () => newPage(browser, watch, origin) };
}

async function newPage(browser, watch, origin) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: START.viewport,
    deviceScaleFactor: Number(process.env.SCALE ?? 1),
    acceptDownloads: true,
  });
  context.setDefaultTimeout(30_000);
  context.on("request", (request) => {
    const ours = new URL(request.url()).origin === origin;
    watch.expect(ours, `${request.frame().url()} asks ${request.url()}`);
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    // A form shown again with its errors is a 422, which the browser mentions; everything else is our fault.
    const expected = /status of (422|404)/.test(message.text());
    watch.expect(message.type() !== "error" || expected, `console: ${message.text()}`);
  });
  page.on("pageerror", (error) => watch.expect(false, `page: ${error.message}`));
  return page;
}

function browserPath() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome", chromium.executablePath()];
  const path = places.find((place) => place && existsSync(place));
  if (!path) throw new Error("no Chromium was found; set CHROMIUM to its path");
  return path;
}
