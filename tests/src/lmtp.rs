//! Sends messages by LMTP (RFC 2033).

use crate::play::Line as _;
use crate::wire::Wire;

/// A connection that has said hello.
#[derive(Debug)]
pub struct Sender {
    wire: Wire,
    /// Whether the server wants to know sizes (RFC 1870).
    takes_size: bool,
}

impl Sender {
    /// Greets.
    pub fn new(mut wire: Wire) -> Result<Sender, String> {
        wire.skip_to("220 ")?;
        wire.send(b"LHLO client.example\r\n")?;
        let mut takes_size = false;
        loop {
            let line = wire.read_line()?.ok_or("the server has hung up")?;
            takes_size |= line.get(4..).is_some_and(|extension| extension.starts_with(b"SIZE"));
            if line.starts_with(b"250 ") {
                return Ok(Sender { wire, takes_size });
            }
        }
    }

    /// Delivers one message; the answer per recipient, in order. `Err` if the conversation broke off or the message was
    /// refused before its data.
    pub fn deliver(&mut self, to: &[&str], message: &[u8]) -> Result<Vec<String>, String> {
        let size = if self.takes_size { format!(" SIZE={}", message.len()) } else { String::new() };
        self.say(&format!("MAIL FROM:<sender@elsewhere.example>{size}"), "250")?;
        for address in to {
            self.say(&format!("RCPT TO:<{address}>"), "250")?;
        }
        self.say("DATA", "354")?;
        self.wire.send(&stuffed(message))?;
        let mut answers = Vec::new();
        for _ in to {
            let answer = self.wire.read_line()?.ok_or("the server has hung up")?;
            answers.push(String::from_utf8_lossy(&answer).into_owned());
        }
        Ok(answers)
    }

    /// Delivers one message to one account, which must be accepted.
    pub fn deliver_one(&mut self, to: &str, message: &[u8]) -> Result<(), String> {
        let answers = self.deliver(&[to], message)?;
        match answers[0].starts_with("250 ") {
            true => Ok(()),
            false => Err(answers[0].clone()),
        }
    }

    /// Sends a line; the answer must begin so.
    pub fn say(&mut self, line: &str, expected: &str) -> Result<String, String> {
        self.wire.send(format!("{line}\r\n").as_bytes())?;
        let answer = self.wire.read_line()?.ok_or("the server has hung up")?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer.starts_with(expected) { Ok(answer) } else { Err(answer) }
    }
}

/// A message with CRLF line ends as DATA carries it: dots doubled (RFC 5321 section 4.5.2), and its end.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !message.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
