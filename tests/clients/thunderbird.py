#!/usr/bin/env python3
"""Thunderbird against a Roost that runs: set up with what the page of devices says, it reads, writes and files mail.

USER's INBOX must hold one message, "Welcome", that says "Good morning."; the server must offer LMTP. Thunderbird runs headless with a profile of its own and is
driven over Marionette (its own JavaScript does what its windows would do). Prints one line for each step.
"""

import json
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from roost_client import CA, HOST, PASSWORD, USER, port

PATIENCE = 60
PREFERENCES = {
    "app.update.auto": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "https://localhost:1/",
    "toolkit.telemetry.enabled": False,
}

PRELUDE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const sleep = (ms) => new Promise((resolve) => { const t = Cc["@mozilla.org/timer;1"].createInstance(Ci.nsITimer);
  t.initWithCallback(() => resolve(t), ms, Ci.nsITimer.TYPE_ONE_SHOT); });
const until = async (what, probe) => {
  for (let n = 0; n < 200; n += 1) { const found = await probe(); if (found) return found; await sleep(200); }
  throw new Error(`Thunderbird waited in vain for ${what}`);
};
const [account] = MailServices.accounts.accounts.filter((one) => one.incomingServer.type === "imap");
const root = () => account.incomingServer.rootFolder;
const folder = (flag) => root().getFolderWithFlags(flag);
const refresh = (one) => one.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, null);
const headers = (one) => [...one.messages];
"""

SET_UP = """
const [host, imap, smtp, authority, user, password] = args;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(authority, "C,,");
for (const origin of [`imap://${host}`, `smtp://${host}`]) {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init(origin, null, origin, user, password, "", "");
  await Services.logins.addLoginAsync(login);
}
const incoming = MailServices.accounts.createIncomingServer(user, host, "imap");
incoming.port = imap;
incoming.socketType = Ci.nsMsgSocketType.SSL;
incoming.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
const outgoing = MailServices.outgoingServer.createServer("smtp");
outgoing.QueryInterface(Ci.nsISmtpServer);
Object.assign(outgoing, { hostname: host, port: smtp, username: user });
outgoing.socketType = Ci.nsMsgSocketType.SSL;
outgoing.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
const identity = MailServices.accounts.createIdentity();
Object.assign(identity, { email: user, fullName: "Anna Berg", smtpServerKey: outgoing.key, composeHtml: false });
const account = MailServices.accounts.createAccount();
account.addIdentity(identity);
account.incomingServer = incoming;
MailServices.accounts.defaultAccount = account;
return "account set up by hand, as the page says";
"""

READ = PRELUDE + """
account.incomingServer.getNewMessages(root(), null, null);
const inbox = await until("the INBOX", () => folder(Ci.nsMsgFolderFlags.Inbox));
refresh(inbox);
const header = await until("the message", () => headers(inbox).find((one) => one.subject === "Welcome"));
const uri = inbox.getUriForMsg(header);
const text = await new Promise((resolve, reject) => {
  let all = "";
  MailServices.messageServiceFromURI(uri).streamMessage(uri, {
    QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
    onStartRequest() {},
    onStopRequest(request, status) { Components.isSuccessCode(status) ? resolve(all) : reject(new Error(String(status))); },
    onDataAvailable(request, stream, offset, count) {
      const input = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
      input.init(stream);
      all += input.read(count);
    },
  }, null, null, false, "", false);
});
if (!text.includes("Good morning.")) throw new Error(`the message is ${text}`);
header.folder.markMessagesRead([header], true);
return `read by IMAPS: “${header.subject}” from ${header.author}`;
"""

WRITE = PRELUDE + """
const [to] = args;
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
const identity = account.defaultIdentity;
Object.assign(fields, { from: identity.email, to, subject: "From Thunderbird", body: "Hello from a real mail program.\\r\\n" });
const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
Object.assign(params, { composeFields: fields, identity });
params.type = Ci.nsIMsgCompType.New;
params.format = Ci.nsIMsgCompFormat.PlainText;
const compose = Cc["@mozilla.org/messengercompose/compose;1"].createInstance(Ci.nsIMsgCompose);
compose.initialize(params);
const sent = new Promise((resolve, reject) => {
  compose.addMsgSendListener({
    QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
    onStartSending() {}, onProgress() {}, onSendProgress() {}, onStatus() {}, onGetDraftFolderURI() {}, onSendNotPerformed() {},
    onStopSending(id, status) { Components.isSuccessCode(status) ? resolve() : reject(new Error(`sending: ${status}`)); },
    onTransportSecurityError(id, status, secInfo, location) { reject(new Error(`TLS: ${status} at ${location}`)); },
  });
});
const progress = Cc["@mozilla.org/messenger/progress;1"].createInstance(Ci.nsIMsgProgress);
await compose.sendMsg(Ci.nsIMsgCompDeliverMode.Now, identity, account.key, null, progress);
await sent;
const outbox = await until("a copy in Sent", () => {
  const one = folder(Ci.nsMsgFolderFlags.SentMail);
  if (one) refresh(one);
  return one && headers(one).find((header) => header.subject === "From Thunderbird");
});
return `sent by submission, and a copy filed in ${outbox.folder.prettyName ?? outbox.folder.name}`;
"""

PUSHED = PRELUDE + """
const [subject] = args;
const inbox = folder(Ci.nsMsgFolderFlags.Inbox);
await until(subject, () => headers(inbox).find((one) => one.subject === subject));
return `“${subject}” came by IDLE, without asking`;
"""

TIDY = PRELUDE + """
const inbox = folder(Ci.nsMsgFolderFlags.Inbox);
const welcome = headers(inbox).find((one) => one.subject === "Welcome");
if (!welcome.isRead) throw new Error("it is unread again");
inbox.deleteMessages([welcome], null, false, true, null, false);
const trash = await until("it in the trash", () => {
  const one = folder(Ci.nsMsgFolderFlags.Trash);
  if (one) refresh(one);
  return one && headers(one).some((header) => header.subject === "Welcome") && one;
});
await until("it gone from the INBOX", () => headers(inbox).every((one) => one.subject !== "Welcome"));
const names = root().descendants.map((one) => one.name).sort().join(", ");
return `moved to ${trash.name}; folders: ${names}`;
"""


class Marionette:
    """Gecko's remote protocol: packets of JSON behind their length."""

    def __init__(self, port):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        self.file = self.socket.makefile("rb")
        self.receive()
        self.ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": {"script": PATIENCE * 1000}}}})
        self.ask("Marionette:SetContext", {"value": "chrome"})

    def receive(self):
        length = b""
        while not length.endswith(b":"):
            octet = self.file.read(1)
            if not octet:
                sys.exit("Thunderbird closed the connection")
            length += octet
        return json.loads(self.file.read(int(length[:-1])))

    def ask(self, command, parameters):
        packet = json.dumps([0, 1, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(packet), packet))
        _, _, error, result = self.receive()
        if error:
            sys.exit(f"{command}: {error['message']}\n{error.get('stacktrace', '')}")
        return result

    def run(self, script, *args):
        """Runs privileged JavaScript; what it returns."""
        body = """
          const [args, done] = arguments;
          (async () => {%s})().then((value) => done({ value }), (e) => done({ error: `${e}\\n${e.stack}` }));
        """ % script
        parameters = {"script": body, "args": [list(args)], "newSandbox": True, "sandbox": "system"}
        value = self.ask("WebDriver:ExecuteAsyncScript", parameters)["value"]
        if "error" in value:
            sys.exit(value["error"])
        return value["value"]


def deliver(subject):
    with smtplib.LMTP(HOST, port("lmtp")) as lmtp:
        lmtp.sendmail("ben@example.org", [USER], f"From: ben@example.org\r\nSubject: {subject}\r\n\r\nHello.\r\n")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    authority = "".join(line for line in Path(CA).read_text().splitlines() if not line.startswith("-----"))
    with tempfile.TemporaryDirectory() as profile:
        remote = free_port()
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in PREFERENCES.items()]
        lines.append(f'user_pref("marionette.port", {remote});\n')
        Path(profile, "user.js").write_text("".join(lines))
        command = ["thunderbird", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        thunderbird = subprocess.Popen(command + ["--profile", profile], **quiet)
        try:
            gecko = Marionette(remote)
            say = lambda script, *args: print(gecko.run(script, *args), flush=True)
            say(SET_UP, HOST, port("imaps"), port("submissions"), authority, USER, PASSWORD)
            say(READ)
            say(WRITE, USER)
            say(PUSHED, "From Thunderbird")
            deliver("While you idle")
            say(PUSHED, "While you idle")
            say(TIDY)
        finally:
            thunderbird.terminate()
            thunderbird.wait(PATIENCE)


if __name__ == "__main__":
    main()
