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

async function network(page) {
  await open(page, "/status");
  await watch.press(page, "Cable and Wi-Fi");
  at(page, "/network");
  await watch.look(page, "network");
  await watch.tabTo(page, "host");
  await page.keyboard.press("Tab");
  // The way for the address is chosen with the arrows.
  await page.keyboard.press("ArrowDown");
  await watch.type(page, "address", "192.168.178.40");
  await watch.press(page, "Try it");
  await watch.wrong(page, "address", /192.168.1.5\/24/);
  await watch.look(page, "network-wrong");
  await watch.type(page, "address", "192.168.178.41/24");
  await watch.type(page, "gateway", "192.168.178.1");
  await watch.type(page, "names", "192.168.178.1");
  await watch.press(page, "Try it");
  watch.expect(await page.getByRole("link", { name: /https:\/\/192\.168\.178\.41.*network/ }).isVisible(), "the new address is not shown");
  await watch.look(page, "network-changing");
  await watch.press(page, "Look again");
  await watch.look(page, "network-waiting");
  await open(page, "/");
  at(page, "/network");
  await watch.press(page, "Keep it");
  watch.expect((await page.locator("#address").inputValue()) === "192.168.178.41/24", "the address was not kept");
}

async function wifi(page) {
  await open(page, "/network");
  await watch.press(page, "Look for Wi-Fis");
  at(page, "/network/wifi");
  await watch.look(page, "wifi");
  await watch.press(page, "Join Our home");
  at(page, "/network/wifi/join");
  await watch.look(page, "wifi-join");
  await watch.type(page, "key", "short");
  await watch.type(page, "country", "DE");
  await watch.press(page, "Join");
  await watch.wrong(page, "key", /8 to 63/);
  await watch.look(page, "wifi-wrong");
  await watch.type(page, "key", PASSWORD);
  await watch.press(page, "Join");
  await watch.press(page, "Look again");
  await watch.press(page, "Keep it");
  watch.expect(await page.getByText("The box has joined “Our home”.").isVisible(), "the Wi-Fi was not joined");
  await watch.look(page, "wifi-joined");
  await watch.press(page, "Forget this Wi-Fi");
  await watch.press(page, "Look again");
  await watch.press(page, "Go back now");
  watch.expect(!(await page.content()).includes(PASSWORD), "a page shows the password");
}

async function power(page) {
  await open(page, "/status");
  await watch.press(page, "Restart or switch off");
  at(page, "/power");
  await watch.look(page, "power");
  await watch.press(page, "Restart");
  watch.expect(await page.getByRole("heading", { name: "The box restarts" }).isVisible(), "it does not say that it restarts");
  await open(page, "/power");
  await watch.press(page, "Switch off");
  watch.expect(await page.getByRole("heading", { name: "The box switches itself off" }).isVisible(), "it does not say that it goes off");
  await watch.look(page, "power-off");
}

const { browser, newPage } = await launch(watch, new URL(base).origin);
try {
  const page = await newPage();
  await claim(page);
  await update(page);
  await network(page);
  await wifi(page);
  await power(page);
} catch (error) {
  watch.problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
const { pages, stops, problems } = watch;
console.log(JSON.stringify({ pages, stops, problems }));
process.exit(problems.length === 0 ? 0 : 1);
