//! The same pages through tiny_http on a real Unix socket, as the front talks to it.

use super::context;
use crate::{Context, Download, Trouble, serve};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

fn ask(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(socket: &Path, path: &str, cookie: &str) -> String {
    let head =
        format!("GET {path} HTTP/1.0\r\nHost: localhost:1443\r\nX-Client: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n");
    ask(socket, &head)
}

fn post(socket: &Path, path: &str, cookie: &str, body: &str) -> String {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: localhost:1443\r\nX-Client: 127.0.0.1\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    ask(socket, &head)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

#[test]
fn claiming_over_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pages.socket");
    let context = context();
    let settings = context.settings.clone();
    let server = serve(context, UnixListener::bind(&socket).unwrap()).unwrap();

    let first = get(&socket, "/", "");
    assert!(first.starts_with("HTTP/1.0 303 See Other\r\n"), "{first}");
    assert!(first.contains("Location: /setup\r\n"));
    let page = get(&socket, "/setup", "");
    assert!(page.starts_with("HTTP/1.0 200 OK\r\n"));
    assert!(page.contains("Content-Security-Policy: default-src 'none'"));
    assert!(!page.contains("Transfer-Encoding"));
    let length: usize = between(&page, "Content-Length: ", "\r\n").parse().unwrap();
    assert_eq!(page.split_once("\r\n\r\n").unwrap().1.len(), length);

    let mut cookie = between(&page, "Set-Cookie: ", ";").to_owned();
    let mut token = between(&page, "name=\"token\" value=\"", "\"").to_owned();
    let code = settings.get().setup_code.as_ref().unwrap().as_str().to_owned();
    let steps = [
        ("/setup", format!("code={code}"), "/setup/password"),
        ("/setup/password", "password=correct+horse&again=correct+horse".into(), "/setup/domain"),
        ("/setup/domain", "domain=home.internal".into(), "/setup/people"),
        ("/setup/people", "name-1=Anna&local-1=anna&device-1=Phone".into(), "/devices"),
    ];
    for (path, body, next) in steps {
        let answer = post(&socket, path, &cookie, &format!("token={token}&{body}"));
        assert!(answer.starts_with("HTTP/1.0 303"), "{path}: {answer}");
        assert!(answer.contains(&format!("Location: {next}\r\n")), "{answer}");
        if answer.contains("Set-Cookie: ") {
            cookie = between(&answer, "Set-Cookie: ", ";").to_owned();
        }
        token = between(&get(&socket, next, &cookie), "name=\"token\" value=\"", "\"").to_owned();
    }
    assert_eq!(settings.get().accounts.len(), 1);
    let head = ask(&socket, "HEAD /health HTTP/1.0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.0 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask(&socket, "TRACE / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 405"));
    assert!(ask(&socket, "nonsense\r\n\r\n").contains(" 400 "));

    drop(server);
    assert!(UnixStream::connect(&socket).is_err(), "dropping the server ends it");
}

#[test]
fn more_visitors_than_workers_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pages.socket");
    let _server = serve(context(), UnixListener::bind(&socket).unwrap()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert!(get(&socket, "/setup", "").starts_with("HTTP/1.0 200 OK")));
        }
    });
}

#[test]
fn a_socket_without_a_name_is_refused() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("roost-pages-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    assert!(serve(context(), listener).is_err());
}

/// A file that never ends, but counts what was read of it.
struct Endless(Arc<AtomicUsize>);
impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        out.fill(b'x');
        self.0.fetch_add(out.len(), Relaxed);
        Ok(out.len())
    }
}

#[test]
fn a_download_is_sent_as_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pages.socket");
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let open = Box::new(move || Ok(Box::new(Endless(counter.clone())) as Box<dyn Read + Send>));
    let downloads = vec![Download { name: "mail.tar", what: "", open }];
    let context = Context { trouble: Some(Trouble { why: String::new(), downloads, mend: None }), ..context() };
    let settings = context.settings.clone();
    let _server = serve(context, UnixListener::bind(&socket).unwrap()).unwrap();
    let page = get(&socket, "/", "");
    let (cookie, token) = (between(&page, "Set-Cookie: ", ";"), between(&page, "name=\"token\" value=\"", "\""));
    let code = settings.get().setup_code.as_ref().unwrap().as_str().to_owned();
    let entered = post(&socket, "/", cookie, &format!("token={token}&code={code}"));
    let cookie = between(&entered, "Set-Cookie: ", ";");

    let mut stream = UnixStream::connect(&socket).unwrap();
    let head = format!("GET /download?file=mail.tar HTTP/1.0\r\nHost: localhost:1443\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut some = vec![0; 1 << 20];
    stream.read_exact(&mut some).unwrap();
    let text = String::from_utf8(some).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 ") && !head.contains("Content-Length"), "{head}");
    assert!(head.contains("Content-Security-Policy") && body.bytes().all(|b| b == b'x'));
    // What nobody takes is not read.
    assert!(read.load(Relaxed) < 4 << 20, "{read:?}");
    drop(stream);
    assert!(get(&socket, "/", "").contains("cannot open its mail"), "the pages go on");
}
