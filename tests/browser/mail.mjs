// A mail program of a few lines: IMAP (RFC 3501) and submission (RFC 6409) over TLS, trusting one authority and no other.

import { connect } from "node:tls";

const PATIENCE = 30_000;

// A TLS connection read line by line.
class Line {
  constructor({ host, port, authority }) {
    this.rest = "";
    this.lines = [];
    this.waiting = [];
    this.socket = connect({ host, port, ca: authority, minVersion: "TLSv1.2" });
    this.socket.setEncoding("utf8");
    this.socket.setTimeout(PATIENCE, () => this.socket.destroy(new Error(`no answer from ${host}:${port}`)));
    this.socket.on("data", (text) => {
      const lines = (this.rest + text).split("\r\n");
      this.rest = lines.pop();
      this.lines.push(...lines);
      this.wake();
    });
    this.socket.on("error", (error) => {
      this.error = error;
      this.wake();
    });
    this.socket.on("close", () => {
      this.error ??= new Error(`${host}:${port} closed the connection`);
      this.wake();
    });
  }

  wake() {
    while (this.waiting.length > 0 && (this.lines.length > 0 || this.error)) {
      const { resolve, reject } = this.waiting.shift();
      if (this.lines.length > 0) resolve(this.lines.shift());
      else reject(this.error);
    }
  }

  read() {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.wake();
    });
  }

  // Reads up to the line that matches, which is among the answer.
  async until(pattern) {
    const lines = [];
    do lines.push(await this.read());
    while (!pattern.test(lines.at(-1)));
    return lines;
  }

  send(...lines) {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(""));
  }
}

const quoted = (text) => `"${text.replace(/["\\]/g, "\\$&")}"`;

// Logs in and reads the INBOX: the answer to LOGIN and, if it let us in, the text of every message.
export async function readInbox({ user, password, ...server }) {
  const line = new Line(server);
  try {
    await line.read();
    line.send(`a LOGIN ${quoted(user)} ${quoted(password)}`);
    const login = (await line.until(/^a /)).at(-1);
    if (!login.startsWith("a OK")) return { login, messages: [] };
    line.send("b SELECT INBOX");
    const exists = (await line.until(/^b /)).find((one) => /^\* \d+ EXISTS$/.test(one));
    const messages = [];
    for (let n = 1; n <= Number(exists?.split(" ")[1]); n += 1) {
      line.send(`c FETCH ${n} BODY.PEEK[]`);
      messages.push((await line.until(/^c /)).join("\n"));
    }
    return { login, messages };
  } finally {
    line.socket.destroy();
  }
}

// Sends one message; throws with the reply that is not the expected one.
export async function submit({ user, password, ...server }, to, subject) {
  const line = new Line(server);
  const step = async (code, ...lines) => {
    line.send(...lines);
    const reply = (await line.until(/^\d{3} /)).at(-1);
    if (!reply.startsWith(code)) throw new Error(`submission answered “${reply}”`);
  };
  try {
    await line.until(/^220 /);
    await step("250", "EHLO [127.0.0.1]");
    await step("235", `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`);
    await step("250", `MAIL FROM:<${user}>`);
    await step("250", `RCPT TO:<${to}>`);
    await step("354", "DATA");
    await step("250", `From: <${user}>`, `To: <${to}>`, `Subject: ${subject}`, "", "Welcome home.", ".");
  } finally {
    line.socket.destroy();
  }
}
