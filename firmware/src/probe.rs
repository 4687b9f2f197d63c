//! Looks at the running daemon from outside, as a mail program would: is the store open, can one log in and read, is mail taken?

use crate::control::{Answer, Request, Wire};
use crate::data_dir::DataDir;
use crate::doors::Door;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every step of a probe takes no longer; a board that is busy answers within seconds.
const STEP: Duration = Duration::from_secs(10);
/// Octets of one answer.
const ANSWER: u64 = 64 * 1024;

/// Whether the daemon with this data does what it is for; the error names what does not.
pub fn probe(data: &Path, port_offset: u16) -> Result<(), String> {
    let login = lent_login(data)?;
    imap(data, Door::Imaps.port() + port_offset, login).map_err(|e| format!("IMAP: {e}"))?;
    smtp(Door::Smtp.port() + port_offset).map_err(|e| format!("SMTP: {e}"))
}

/// Asks the daemon over its control socket how the store is, and for a login; none while there is no account.
fn lent_login(data: &Path) -> Result<Option<(String, String)>, String> {
    let mut wire = Wire::to_daemon(data, STEP)?;
    wire.send(&Request::Probe)?;
    let mut lines = Vec::new();
    loop {
        match wire.answer()? {
            Answer::Line(line) if lines.len() < 2 => lines.push(line),
            Answer::Line(_) => return Err("control socket: too long an answer".into()),
            Answer::Error(why) => return Err(why),
            Answer::Done => break,
        }
    }
    let mut lines = lines.into_iter();
    Ok(lines.next().zip(lines.next()))
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), STEP);
    let stream = stream.map_err(|e| e.to_string())?;
    let limited = stream.set_read_timeout(Some(STEP)).and_then(|()| stream.set_write_timeout(Some(STEP)));
    limited.map(|()| stream).map_err(|e| e.to_string())
}

/// Logs in with TLS and opens INBOX.
fn imap(data: &Path, port: u16, login: Option<(String, String)>) -> Result<(), String> {
    let tls = ClientConnection::new(trusting(&DataDir::new(data))?, server_name()?).map_err(|e| e.to_string())?;
    let mut talk = Talk::new(StreamOwned::new(tls, connect(port)?));
    talk.expect("* OK")?;
    if let Some((user, password)) = login {
        talk.say(&format!("a LOGIN \"{}\" {password}", user.replace(['"', '\\'], "")))?;
        talk.read_until("a ", "a OK")?;
        talk.say("b EXAMINE INBOX")?;
        talk.read_until("b ", "b OK")?;
    }
    talk.say("c LOGOUT")?;
    talk.read_until("c ", "c OK")
}

/// Is greeted and asks for a transaction's beginning.
fn smtp(port: u16) -> Result<(), String> {
    let mut talk = Talk::new(connect(port)?);
    talk.read_until("220 ", "220 ")?;
    talk.say("EHLO localhost")?;
    talk.read_until("250 ", "250 ")?;
    talk.say("MAIL FROM:<>")?;
    talk.read_until("250 ", "250 ")?;
    talk.say("QUIT")?;
    talk.read_until("221 ", "221 ")
}

fn server_name() -> Result<ServerName<'static>, String> {
    ServerName::try_from("localhost").map_err(|e| e.to_string())
}

/// Trusts the box's own authority and nobody else.
fn trusting(dir: &DataDir) -> Result<Arc<ClientConfig>, String> {
    let file = dir.certificates().join("authority.pem");
    let authority = CertificateDer::from_pem_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|e| format!("{}: {e}", file.display()))?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Lines out, lines in.
struct Talk<S>(BufReader<S>);

impl<S: Read + Write> Talk<S> {
    fn new(stream: S) -> Talk<S> {
        Talk(BufReader::new(stream))
    }
    fn say(&mut self, line: &str) -> Result<(), String> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).and_then(|()| stream.flush()).map_err(|e| e.to_string())
    }
    fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let read = self.0.by_ref().take(ANSWER).read_until(b'\n', &mut line);
        match read.map_err(|e| e.to_string())? {
            0 => Err("the connection was closed".into()),
            _ => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }
    fn expect(&mut self, good: &str) -> Result<(), String> {
        let line = self.line()?;
        if line.starts_with(good) { Ok(()) } else { Err(line) }
    }
    /// Reads to the line that begins with `last`, or with another status in its place; it has to begin with `good`.
    fn read_until(&mut self, last: &str, good: &str) -> Result<(), String> {
        for _ in 0..200 {
            let line = self.line()?;
            let refused = good.starts_with(|c: char| c.is_ascii_digit()) && line.starts_with(['4', '5']);
            if line.starts_with(last) || refused {
                return if line.starts_with(good) { Ok(()) } else { Err(line) };
            }
        }
        Err("too long an answer".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A server that said all this beforehand.
    struct Said(Cursor<&'static str>);
    impl Read for Said {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_final_answer_decides() {
        let ask = |said, last: &str, good: &str| Talk::new(Said(Cursor::new(said))).read_until(last, good);
        assert_eq!(ask("* 3 EXISTS\r\nb OK done\r\n", "b ", "b OK"), Ok(()));
        assert_eq!(ask("* 3 EXISTS\r\nb NO broken\r\n", "b ", "b OK"), Err("b NO broken".into()));
        assert_eq!(ask("250-SIZE\r\n250 PIPELINING\r\n", "250 ", "250 "), Ok(()));
        assert_eq!(ask("421 too busy\r\n", "220 ", "220 "), Err("421 too busy".into()));
        assert!(ask("* never\r\n", "b ", "b OK").is_err());
    }

    #[test]
    fn a_box_without_a_daemon_is_not_healthy() {
        let data = tempfile::tempdir().unwrap();
        assert!(probe(data.path(), 40_000).unwrap_err().contains("no daemon"));
    }
}
