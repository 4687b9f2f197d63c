// The pages that only a board has, in headless Chromium, by keyboard: against the preview, whose board is a fake.
//
// node board.mjs BASE_URL SETUP_CODE SCREENSHOTS
//
// Prints one JSON line; exits 0 if all is well.

import { mkdirSync } from "node:fs";
import { launch } from "./chromium.mjs";
import { Watch } from "./look.mjs";

const PASSWORD = "four quiet geese walking";

const [base, code, folder] = process.argv.slice(2);
if (!base || !code || !folder) {
  console.error("usage: node board.mjs BASE_URL SETUP_CODE SCREENSHOTS");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const watch = new Watch(folder);
const at = (page, path) => watch.expect(new URL(page.url()).pathname === path, `at ${page.url()} instead of ${path}`);
const open = (page, path) => page.goto(new URL(path, base).href);

// The shortest way to a box that is set up.
async function claim(page) {
  await open(page, "/");
  await watch.type(page, "code", code);
  await watch.press(page, "Continue");
  await watch.type(page, "password", PASSWORD);
  await watch.type(page, "again", PASSWORD);
  await watch.press(page, "Continue");
  await watch.press(page, "Continue");
  await watch.type(page, "name-1", "Anna");
  await watch.type(page, "local-1", "anna");
  await watch.press(page, "Create the account");
  at(page, "/devices");
}

async function update(page) {
  await open(page, "/status");
  await watch.press(page, "Update");
  at(page, "/update");
  await watch.look(page, "update");
  await watch.type(page, "address", "nas/update.roost");
  await watch.press(page, "Fetch, install and restart");
  await watch.wrong(page, "address", /https:/);
  await watch.look(page, "update-wrong");
  await watch.type(page, "address", "https://nowhere/update.roost");
  await watch.press(page, "Fetch, install and restart");
  await watch.wrong(page, "address", /no server called nowhere/);
  await watch.type(page, "address", "https://example.org/update.roost");
  await watch.press(page, "Fetch, install and restart");
  at(page, "/update");
  const inside = page.frameLocator("iframe");
  await inside.getByText("9.0 MB of 18 MB have come.").waitFor();
  await watch.look(page, "update-running");
  // The frame asks again by itself; the page around it, with the focus on its button, stays.
  await watch.tabTo(page, "Cancel the update");
  await page.waitForResponse((response) => response.url().endsWith("/update/progress"));
  await watch.focused(page, "Cancel the update");
  await watch.press(page, "Cancel the update");
  watch.expect(await page.getByText("The update was cancelled.").isVisible(), "it does not say that it was cancelled");
}

const { browser, newPage } = await launch(watch, new URL(base).origin);
try {
  const page = await newPage();
  await claim(page);
  await update(page);
} catch (error) {
  watch.problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
const { pages, stops, problems } = watch;
console.log(JSON.stringify({ pages, stops, problems }));
process.exit(problems.length === 0 ? 0 : 1);
