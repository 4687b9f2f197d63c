//! The front of the setup pages: TLS, and whole, bounded requests for the server behind it.
//!
//! tiny_http trusts its clients too much to face a network (unbounded header lines, aborts on a huge Content-Length, a thread
//! for each slow client). So a request is read here to its end within limits of size and time, checked, and handed on as HTTP/1.0
//! over a fresh connection of a Unix socket; that connection's end is the end of the answer.

use crate::doors::{self, Guests};
use crate::limits;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// The one page that takes large bodies: update bundles.
const UPLOAD: &str = "/update";

/// What stands behind a web port.
#[derive(Clone)]
pub enum Behind {
    /// The pages, over TLS.
    Pages { tls: Arc<rustls::ServerConfig>, socket: Arc<Path> },
    /// Only the way to the pages, on this HTTPS port.
    SignPost { https: u16 },
}

/// Serves a web port until the daemon stops.
pub async fn serve(listener: TcpListener, behind: Behind, guests: Arc<Guests>, mut stopping: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(limits::WEB_CONNECTIONS));
    loop {
        let (stream, ip) = tokio::select! {
            accepted = doors::accept(&listener) => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let (Some(place), Ok(slot)) = (guests.enter(ip), slots.clone().try_acquire_owned()) else { continue };
        let behind = behind.clone();
        tokio::spawn(async move {
            let _held = (place, slot);
            if let Err(e) = visit(stream, ip, behind).await {
                tracing::debug!(%ip, "web: {e}");
            }
        });
    }
}

async fn visit(stream: TcpStream, ip: IpAddr, behind: Behind) -> io::Result<()> {
    match behind {
        Behind::Pages { tls, socket } => {
            let accepted = timeout(limits::HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await;
            converse(accepted.map_err(|_| io::ErrorKind::TimedOut)??, ip, &socket).await
        }
        Behind::SignPost { https } => point_the_way(stream, https).await,
    }
}

/// A reader of requests with the bytes that came early.
struct Requests<S> {
    stream: S,
    buffer: Box<heapless::Vec<u8, { limits::WEB_HEAD }>>,
}

/// A request's head, understood.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    /// The head as the server behind is given it, without Content-Length and the final empty line.
    inner: Vec<u8>,
    path: String,
    host: Option<String>,
    length: usize,
    close: bool,
    expects_continue: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Requests<S> {
    fn new(stream: S) -> Self {
        Requests { stream, buffer: Box::default() }
    }

    /// The next request's head; `None` when the client has gone or stays silent. The refusal is a status line.
    async fn head(&mut self) -> io::Result<Option<Result<Head, &'static str>>> {
        let Ok(end) = timeout(limits::WEB_HEAD_TIME, self.head_end()).await else { return Ok(None) };
        let end = match end {
            Ok(Some(end)) => end,
            Ok(None) => return Ok(Some(Err("431 Request Header Fields Too Large"))),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        };
        let head = understand(&self.buffer[..end]);
        let rest = heapless::Vec::from_slice(&self.buffer[end..]).unwrap_or_default();
        *self.buffer = rest;
        Ok(Some(head))
    }

    /// Reads until the empty line; `None` if it does not fit.
    async fn head_end(&mut self) -> io::Result<Option<usize>> {
        let mut chunk = [0; 2048];
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                return Ok(Some(at + 4));
            }
            let room = (limits::WEB_HEAD - self.buffer.len()).min(chunk.len());
            if room == 0 {
                return Ok(None);
            }
            let n = self.stream.read(&mut chunk[..room]).await?;
            if n == 0 || self.buffer.extend_from_slice(&chunk[..n]).is_err() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The body, whole.
    async fn body(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let early = self.buffer.len().min(length);
        let mut body = self.buffer[..early].to_vec();
        let rest = heapless::Vec::from_slice(&self.buffer[early..]).unwrap_or_default();
        *self.buffer = rest;
        body.resize(length, 0);
        let read = timeout(limits::WEB_BODY_TIME, self.stream.read_exact(&mut body[early..])).await;
        read.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(body)
    }

    /// The body, as it comes, to the server behind; until that has heard enough.
    async fn pour(&mut self, behind: &mut UnixStream, length: usize) -> io::Result<()> {
        let early = self.buffer.len().min(length);
        let mut left = length - early;
        let mut heard = behind.write_all(&self.buffer[..early]).await.is_ok();
        self.buffer.clear();
        let mut piece = vec![0; limits::READ_BUSY];
        while heard && left > 0 {
            let room = piece.len().min(left);
            let read = timeout(limits::WEB_BODY_TIME, self.stream.read(&mut piece[..room])).await;
            let n = read.map_err(|_| io::ErrorKind::TimedOut)??;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= n;
            heard = behind.write_all(&piece[..n]).await.is_ok();
        }
        Ok(())
    }

    async fn refuse(&mut self, status: &str) -> io::Result<()> {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        self.stream.write_all(answer.as_bytes()).await?;
        self.stream.shutdown().await
    }
}

/// Reads and checks a head (RFC 9112). Whatever two readers could understand differently is refused.
fn understand(bytes: &[u8]) -> Result<Head, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; limits::WEB_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if !matches!(request.parse(bytes), Ok(httparse::Status::Complete(_))) {
        return Err("400 Bad Request");
    }
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let mut head = Head { path: path.to_owned(), close: request.version == Some(0), ..Head::default() };
    head.inner.extend_from_slice(format!("{method} {path} HTTP/1.0\r\n").as_bytes());
    let mut length = None;
    for header in request.headers.iter() {
        let value = std::str::from_utf8(header.value).map(str::trim).unwrap_or_default();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_none() && value.bytes().all(|b| b.is_ascii_digit()) => {
                length = Some(value.parse().map_err(|_| "413 Content Too Large")?);
            }
            "content-length" => return Err("400 Bad Request"),
            "transfer-encoding" => return Err("411 Length Required"),
            "expect" => head.expects_continue = true,
            "connection" => head.close |= value.to_ascii_lowercase().contains("close"),
            "upgrade" | "te" | "trailer" | "keep-alive" | "proxy-connection" | "x-client" => {}
            name => {
                if name == "host" {
                    head.host = Some(value.to_owned());
                }
                if header.value.is_ascii() {
                    head.inner.extend_from_slice(format!("{}: {value}\r\n", header.name).as_bytes());
                }
            }
        }
    }
    head.length = length.unwrap_or(0);
    let limit = if method == "POST" && path == UPLOAD { limits::UPLOAD } else { limits::WEB_BODY };
    if head.length > limit { Err("413 Content Too Large") } else { Ok(head) }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, ip: IpAddr, socket: &Path) -> io::Result<()> {
    let mut requests = Requests::new(stream);
    while let Some(head) = requests.head().await? {
        let mut head = match head {
            Ok(head) => head,
            Err(status) => return requests.refuse(status).await,
        };
        if head.expects_continue {
            requests.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            requests.stream.flush().await?;
        }
        if head.length > limits::WEB_BODY {
            return upload(&mut requests, head, ip, socket).await;
        }
        let body = requests.body(head.length).await?;
        head.inner.extend_from_slice(format!("Content-Length: {}\r\nX-Client: {ip}\r\n\r\n", body.len()).as_bytes());
        head.inner.extend_from_slice(&body);
        let Ok(mut behind) = UnixStream::connect(socket).await else {
            return requests.refuse("503 Service Unavailable").await;
        };
        behind.write_all(&head.inner).await?;
        if !answer(&mut requests, &mut behind, head.close).await? {
            return Ok(());
        }
    }
    requests.stream.shutdown().await
}

/// Hands on a request that is too large to be held, piece by piece. It occupies one of the server's threads as long as the
/// client takes, so there is one at a time, and its connection carries no other.
async fn upload<S: AsyncRead + AsyncWrite + Unpin>(
    requests: &mut Requests<S>,
    mut head: Head,
    ip: IpAddr,
    socket: &Path,
) -> io::Result<()> {
    static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
    let (Ok(_turn), Ok(mut behind)) = (ONE_AT_A_TIME.try_acquire(), UnixStream::connect(socket).await) else {
        return requests.refuse("503 Service Unavailable").await;
    };
    head.inner.extend_from_slice(format!("Content-Length: {}\r\nX-Client: {ip}\r\n\r\n", head.length).as_bytes());
    behind.write_all(&head.inner).await?;
    timeout(limits::UPLOAD_TIME, requests.pour(&mut behind, head.length))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    answer(requests, &mut behind, true).await.map(|_| ())
}

/// Hands the answer on; whether the connection can carry another request.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    requests: &mut Requests<S>,
    behind: &mut UnixStream,
    close: bool,
) -> io::Result<bool> {
    let mut out = Vec::with_capacity(16 * 1024);
    let end = loop {
        if let Some(at) = out.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if out.len() > limits::WEB_BODY || behind.read_buf(&mut out).await? == 0 {
            return requests.refuse("502 Bad Gateway").await.map(|()| false);
        }
    };
    // An answer without a length ends with its connection.
    let sized = out[..end]
        .split(|b| *b == b'\n')
        .any(|line| line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:"));
    let close = close || !sized;
    let mut first = b"HTTP/1.1".to_vec();
    first.extend_from_slice(out.get(8..end).unwrap_or_default());
    first.extend_from_slice(if close { b"\r\nConnection: close" } else { b"" });
    first.extend_from_slice(&out[end..]);
    requests.stream.write_all(&first).await?;
    tokio::io::copy(behind, &mut requests.stream).await?;
    requests.stream.flush().await?;
    if close {
        requests.stream.shutdown().await?;
    }
    Ok(!close)
}

/// Sends whoever comes without TLS to the same page with it.
async fn point_the_way(stream: TcpStream, https: u16) -> io::Result<()> {
    let mut requests = Requests::new(stream);
    let head = match requests.head().await? {
        Some(Ok(head)) => head,
        Some(Err(status)) => return requests.refuse(status).await,
        None => return Ok(()),
    };
    let Some(host) = head.host.as_deref().and_then(host_without_port) else {
        return requests.refuse("400 Bad Request").await;
    };
    let port = if https == doors::HTTPS { String::new() } else { format!(":{https}") };
    let path = if head.path.starts_with('/') { head.path.as_str() } else { "/" };
    let answer = format!(
        "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://{host}{port}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    requests.stream.write_all(answer.as_bytes()).await?;
    requests.stream.shutdown().await
}

/// The host of a Host header, if it is made of what hosts are made of.
fn host_without_port(value: &str) -> Option<&str> {
    let port = |p: &str| p.bytes().all(|b| b.is_ascii_digit());
    let host = match value.rsplit_once(':') {
        Some((host, p)) if port(p) => host,
        _ => value,
    };
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let bracketed = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    (!host.is_empty() && (plain || bracketed)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_handed_on_without_what_only_concerns_the_connection() {
        let head = understand(
            b"POST /a HTTP/1.1\r\nHost: h:1\r\nX-Client: 6.6.6.6\r\nConnection: Close\r\nContent-Length: 3\r\n\r\n",
        )
        .unwrap();
        assert_eq!(String::from_utf8(head.inner).unwrap(), "POST /a HTTP/1.0\r\nHost: h:1\r\n");
        assert_eq!((head.length, head.close, head.host.as_deref()), (3, true, Some("h:1")));
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let with = |header: &str| understand(format!("POST / HTTP/1.1\r\n{header}\r\n\r\n").as_bytes()).map(|_| ());
        assert_eq!(with("Content-Length: 1\r\nContent-Length: 1"), Err("400 Bad Request"));
        assert_eq!(with("Content-Length: +1"), Err("400 Bad Request"));
        assert_eq!(with("Content-Length: 99999999999999999999999"), Err("413 Content Too Large"));
        assert_eq!(with("Content-Length: 1000000"), Err("413 Content Too Large"));
        assert_eq!(with("Transfer-Encoding: chunked"), Err("411 Length Required"));
        assert_eq!(with("A B: c"), Err("400 Bad Request"));
        assert_eq!(with(&"A: b\r\n".repeat(60)), Err("400 Bad Request"));
    }

    #[test]
    fn only_updates_may_be_large() {
        let length = |request: &str, length: usize| {
            let head = format!("{request} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
            understand(head.as_bytes()).map(|head| head.length)
        };
        assert_eq!(length("POST /update", 64 << 20), Ok(64 << 20));
        for request in ["POST /", "POST /update/", "POST /update?x", "GET /update", "PUT /update"] {
            assert_eq!(length(request, 64 << 20), Err("413 Content Too Large"), "{request}");
        }
        assert_eq!(length("POST /update", limits::UPLOAD + 1), Err("413 Content Too Large"));
    }

    /// A server that answers with how much it was sent, or at once.
    fn behind(path: &Path, patient: bool) -> std::thread::JoinHandle<()> {
        use std::io::{BufRead, BufReader, Read, Write};
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let lines: Vec<_> = reader.by_ref().lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
            let length = lines.iter().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
            let read = if patient { std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap() } else { 0 };
            let body = format!("{read}");
            write!(&stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        })
    }

    #[tokio::test]
    async fn an_update_passes_through_without_being_held() {
        const SIZE: usize = 3 << 20;
        for (patient, said) in [(true, "\r\n\r\n3145728"), (false, "\r\n\r\n0")] {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("pages");
            let server = behind(&socket, patient);
            let (client, ours) = tokio::io::duplex(64 * 1024);
            let front = tokio::spawn(async move { converse(ours, IpAddr::from([192, 168, 1, 2]), &socket).await });
            let (mut read, mut write) = tokio::io::split(client);
            let sending = tokio::spawn(async move {
                let head = format!("POST /update HTTP/1.1\r\nHost: h\r\nContent-Length: {SIZE}\r\n\r\n");
                write.write_all(head.as_bytes()).await?;
                write.write_all(&vec![7; SIZE]).await
            });
            let mut answer = String::new();
            read.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(said), "{answer}");
            // Of a server that hears no more only the answer counts.
            assert!(front.await.unwrap().is_ok() || !patient);
            assert_eq!(sending.await.unwrap().is_ok(), patient);
            server.join().unwrap();
        }
    }

    #[test]
    fn only_hosts_are_hosts() {
        for (value, host) in [("a.example:80", "a.example"), ("[::1]:8080", "[::1]"), ("10.0.0.1", "10.0.0.1")] {
            assert_eq!(host_without_port(value), Some(host));
        }
        for value in ["", ":80", "a b", "a/b", "a\"b", "[::1", "[x]"] {
            assert_eq!(host_without_port(value), None, "{value}");
        }
    }
}
