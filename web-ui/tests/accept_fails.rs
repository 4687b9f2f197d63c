//! A connection that cannot be accepted must not end the pages: tiny_http stops at the first error. Alone in its binary,
//! because it reads the process's log.

use board::FakeBoard;
use settings::Settings;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use web_ui::{Context, Ports};

fn context() -> Context {
    Context {
        settings: Arc::new(Settings::in_memory()),
        board: Arc::new(FakeBoard::default()),
        authority_pem: String::new(),
        authority_der: Vec::new(),
        ports: Ports { imaps: 993, pop3s: 995, submissions: 465, submission: 587, imap: 143, https: 443 },
        server_names: Box::new(Vec::new),
        metrics: Box::new(String::new),
        health: Box::new(|| Ok(())),
        time: web_ui::Time { known: Box::new(|| None), ask: Box::new(|| ()) },
        updates: web_ui::Updates::default(),
        networking: web_ui::Networking::default(),
        power: web_ui::Power::default(),
        trouble: None,
    }
}

fn health(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Log lines, as they are written.
#[derive(Clone)]
struct Log(Sender<String>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_pages_come_back() {
    let (log, lines) = channel();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || Log(log.clone())).init();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pages.socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let same = listener.try_clone().unwrap();
    let _server = web_ui::serve(context(), listener).unwrap();

    // A listener that does not wait makes the next accept fail, as a process without file descriptors does.
    same.set_nonblocking(true).unwrap();
    assert!(health(&socket).unwrap().contains("200 OK"), "accept was waiting already");
    let line = lines.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(line.contains("could not accept"), "{line}");
    same.set_nonblocking(false).unwrap();
    assert!(health(&socket).unwrap().contains("200 OK"), "the pages are back");
}
