// Sets a box up in headless Chromium, from claim to first mail, as an owner would who has nothing but the setup code.
//
// node setup.mjs BASE_URL SETUP_CODE SCREENSHOTS
//
// The setup itself is done by keyboard alone, with a mistake in every form. Then the mail servers are asked whether what
// the pages say is true. Prints one JSON line, with the secrets that no log may have; exits 0 if all is well.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./chromium.mjs";
import { Watch } from "./look.mjs";
import { readInbox, submit } from "./mail.mjs";

const PASSWORD = "four quiet geese walking";
const ANNA = { name: "Anna Berg", local: "anna", device: "Phone" };
const BEN = { name: "Ben", local: "ben", device: "Laptop" };
const DOMAIN = "home.internal";

const [base, code, folder] = process.argv.slice(2);
if (!base || !code || !folder) {
  console.error("usage: node setup.mjs BASE_URL SETUP_CODE SCREENSHOTS");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const watch = new Watch(folder);
const { origin } = new URL(base);
const address = (person) => `${person.local}@${DOMAIN}`;
const at = (page, path) => watch.expect(new URL(page.url()).pathname === path, `at ${page.url()} instead of ${path}`);
const send = (page, name) =>
  Promise.all([page.waitForEvent("domcontentloaded"), page.getByRole("button", { name, exact: true }).click()]);

async function claim(page) {
  await page.goto(base);
  at(page, "/setup");
  await watch.look(page, "code");
  await page.reload();
  await watch.focused(page, "code");
  await watch.tabTo(page, "Skip to the content", "Shift+Tab");
  await page.keyboard.press("Enter");
  await watch.type(page, "code", "0000-0000");
  await watch.press(page, "code");
  // The mistake is announced, and the summary leads back to the field.
  await watch.focused(page, "errors");
  await watch.wrong(page, "code", /not the setup code/);
  await watch.look(page, "code-wrong");
  await watch.tabTo(page, "This is not the setup code. Please compare it letter by letter.");
  await page.keyboard.press("Enter");
  await watch.focused(page, "code");
  await watch.type(page, "code", code.toLowerCase().replace("-", " "));
  await watch.press(page, "Continue", "Space");
}

async function choosePassword(page) {
  at(page, "/setup/password");
  await watch.look(page, "password");
  await watch.type(page, "password", "short");
  await watch.type(page, "again", "short");
  await watch.press(page, "Continue");
  await watch.wrong(page, "password", /8 characters/);
  await watch.type(page, "password", PASSWORD);
  await watch.type(page, "again", "something else");
  await watch.press(page, "Continue");
  await watch.wrong(page, "again", /different/);
  await watch.look(page, "password-wrong");
  await watch.type(page, "password", PASSWORD);
  await watch.type(page, "again", PASSWORD);
  await watch.press(page, "Continue");
}

async function chooseDomain(page) {
  at(page, "/setup/domain");
  await watch.look(page, "domain");
  watch.expect((await page.locator("#domain").inputValue()) === DOMAIN, "no domain is suggested");
  await watch.type(page, "domain", "our home");
  await watch.press(page, "Continue");
  await watch.wrong(page, "domain", /\w/);
  watch.expect((await page.locator("#domain").inputValue()) === "our home", "what was typed is lost");
  await watch.look(page, "domain-wrong");
  await watch.type(page, "domain", DOMAIN);
  await watch.press(page, "Continue");
}

async function addPeople(page) {
  at(page, "/setup/people");
  await watch.look(page, "people");
  await watch.type(page, "name-1", ANNA.name);
  await watch.type(page, "local-1", ANNA.local);
  await watch.press(page, "Add another person");
  await watch.type(page, "name-2", BEN.name);
  await watch.type(page, "local-2", "two words");
  await watch.type(page, "device-2", BEN.device);
  await watch.press(page, "Create the accounts");
  await watch.wrong(page, "local-2", /no spaces/);
  await watch.look(page, "people-wrong");
  await watch.type(page, "local-2", ANNA.local);
  await watch.press(page, "Create the accounts");
  await watch.wrong(page, "local-2", /\w/);
  await watch.type(page, "local-2", BEN.local);
  await watch.press(page, "Create the accounts");
}

// What one person shall enter on a device of no special kind, as the page says it.
async function whatToEnter(page, person) {
  await page.goto(new URL(`/devices?for=other&account=${encodeURIComponent(address(person))}`, base).href);
  const groups = await page.locator(".values").evaluateAll((lists) =>
    lists.map((list) => {
      const heading = list.previousElementSibling;
      const rows = [...list.querySelectorAll("div")].map((row) => [...row.children].map((part) => part.innerText.trim()));
      return [heading?.matches("h3") ? heading.innerText : "", Object.fromEntries(rows)];
    }),
  );
  const said = Object.fromEntries(groups);
  const { "User name": user, Password: password } = said[""];
  const server = (heading) => ({ host: said[heading].Server, port: Number(said[heading].Port), user, password });
  watch.expect(user === address(person), `${person.name}: the address is not shown`);
  watch.expect((await page.locator(".secret code").innerText()) === password, `${person.name}: there are two passwords`);
  return { imap: server("Incoming mail (IMAP)"), smtp: server("Outgoing mail (SMTP)"), password };
}

async function seeDevices(page) {
  at(page, "/devices");
  await watch.look(page, "ready");
  const devices = page.getByRole("navigation", { name: "Device or mail program" });
  for (const device of ["Thunderbird", "iPhone, iPad", "Mac", "Android", "Outlook", "Other"]) {
    const link = devices.getByRole("link", { name: device, exact: true });
    await Promise.all([page.waitForEvent("domcontentloaded"), link.click()]);
    await watch.look(page, `devices-${device.toLowerCase().replace(/\W.*/, "")}`);
  }
}

async function download(page, link) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: link }).click()]);
  return readFileSync(await file.path());
}

// Anna writes to Ben, with the passwords and the authority that the pages gave them.
async function firstMail(page) {
  const [anna, ben] = [await whatToEnter(page, ANNA), await whatToEnter(page, BEN)];
  const authority = await download(page, "Certificate (.pem)");
  const der = await download(page, "Certificate (.crt)");
  watch.expect(authority.toString().replace(/-----.*-----|\s/g, "") === der.toString("base64"), "the two files differ");
  const empty = await readInbox({ ...anna.imap, authority });
  watch.expect(/^a OK/.test(empty.login), `Anna cannot log in: ${empty.login}`);
  await submit({ ...anna.smtp, authority }, address(BEN), "The first mail");
  const inbox = await readInbox({ ...ben.imap, authority });
  watch.expect(inbox.messages.length === 1 && inbox.messages[0].includes("Subject: The first mail"), "Ben has no mail");
  const crossed = await readInbox({ ...ben.imap, password: anna.password, authority });
  watch.expect(/^a NO/.test(crossed.login), `Ben logs in with Anna's password: ${crossed.login}`);
  const stranger = await readInbox({ ...ben.imap }).then(() => "nothing", (error) => error.code);
  watch.expect(/SELF_SIGNED|UNABLE_TO/.test(stranger), `without the authority: ${stranger}`);
  return { ben, authority, secrets: [anna.password, ben.password] };
}

// One person's password is hidden, then the other's; nothing is left on the devices' page.
async function hidePasswords(page, secrets) {
  await send(page, "I have entered it");
  at(page, "/devices");
  await watch.look(page, "next-person");
  await send(page, "I have entered it");
  at(page, "/");
  await watch.look(page, "home");
  for (const person of [ANNA, BEN]) {
    await page.goto(new URL(`/devices?account=${encodeURIComponent(address(person))}`, base).href);
    const text = await page.content();
    watch.expect(!secrets.some((secret) => text.includes(secret)), `${person.name}: a password is still shown`);
  }
  await watch.look(page, "hidden");
}

async function manage(page, { ben, authority }) {
  for (const [label, path] of [["Status", "/status"], ["Accounts", "/accounts"]]) {
    const link = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: label, exact: true });
    await Promise.all([page.waitForEvent("domcontentloaded"), link.click()]);
    at(page, path);
    await watch.look(page, label.toLowerCase());
  }
  await page.getByText("Remove Laptop of Ben").click();
  await watch.look(page, "remove-device");
  await send(page, "Remove this device");
  const gone = await readInbox({ ...ben.imap, authority });
  watch.expect(/^a NO/.test(gone.login), `a removed device logs in: ${gone.login}`);
  await page.getByRole("link", { name: "Remove account of Ben" }).click();
  at(page, "/accounts/remove");
  await watch.look(page, "remove-account");
}

async function comeBack(page) {
  await page.goto(new URL("/password", base).href);
  await watch.look(page, "change-password");
  await send(page, "Log out");
  at(page, "/login");
  await watch.look(page, "login");
  await watch.type(page, "password", "not the password");
  await watch.press(page, "Log in");
  await watch.wrong(page, "password", /\w/);
  await watch.look(page, "login-wrong");
  await watch.type(page, "password", PASSWORD);
  await watch.press(page, "Log in");
  at(page, "/");
  await page.goto(new URL("/trust?for=iphone", base).href);
  await watch.look(page, "trust");
  await page.goto(new URL("/no/such/page", base).href);
  await watch.look(page, "not-found");
}

// The setup code has been used: to another browser it is worth nothing, and no page is open.
async function stranger() {
  const page = await newPage();
  await page.goto(new URL(`/setup?code=${code}`, base).href);
  at(page, "/login");
  await page.goto(new URL("/devices", base).href);
  at(page, "/login");
}

const { browser, newPage } = await launch(watch, origin);
let secrets = [PASSWORD];
try {
  const page = await newPage();
  await claim(page);
  await choosePassword(page);
  await chooseDomain(page);
  await addPeople(page);
  await seeDevices(page);
  const mail = await firstMail(page);
  secrets = [...secrets, ...mail.secrets];
  await hidePasswords(page, mail.secrets);
  await manage(page, mail);
  await comeBack(page);
  await stranger();
} catch (error) {
  watch.problems.push(String(error.stack ?? error));
} finally {
  await browser.close();
}
const { pages, stops, problems } = watch;
console.log(JSON.stringify({ pages, stops, problems, secrets }));
process.exit(problems.length === 0 ? 0 : 1);
