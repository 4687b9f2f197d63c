//! A connection to a real server: TCP, with TLS from the beginning or later.

use crate::Protocol;
use crate::play::Line;
use rustix::net::{AddressFamily, SocketType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No status line is longer.
const COUNTED: usize = 8 * 1024;

/// What it takes to reach a server.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The port of each door on 127.0.0.1.
    pub ports: BTreeMap<Protocol, u16>,
    /// The PEM file of the box's own authority.
    pub ca: PathBuf,
    /// Trusts the box's own authority and nothing else.
    pub tls: Arc<ClientConfig>,
    /// The name that the certificate must have.
    pub name: ServerName<'static>,
    /// How long to wait for a line.
    pub patience: Duration,
}

/// A client that trusts the authority in this PEM file.
fn trust(ca: &Path) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|e| format!("{}: {e}", ca.display()))? {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Reach {
    /// A server on 127.0.0.1 with these ports, whose authority is in this PEM file.
    pub fn new(port: impl Fn(Protocol) -> u16, ca: &Path, patience: Duration) -> Result<Reach, String> {
        let ports = Protocol::ALL.map(|protocol| (protocol, port(protocol))).into();
        let name = ServerName::try_from("localhost").map_err(|e| e.to_string())?;
        Ok(Reach { ports, ca: ca.to_owned(), tls: trust(ca)?, name, patience })
    }

    /// The port of a door on 127.0.0.1.
    pub fn port(&self, protocol: Protocol) -> u16 {
        self.ports[&protocol]
    }

    /// Connects as a client at 127.0.0.1, or panics.
    pub fn dial(&self, protocol: Protocol) -> Wire {
        self.connect(protocol, Ipv4Addr::LOCALHOST).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Connects from this address of the loopback network.
    pub fn connect(&self, protocol: Protocol, from: Ipv4Addr) -> Result<Wire, String> {
        let tcp = dial(from, self.port(protocol)).map_err(|e| format!("{}: {e}", protocol.name()))?;
        tcp.set_nodelay(true).map_err(|e| e.to_string())?;
        let mut wire = Wire { reach: self.clone(), tcp, tls: None, seen: Vec::new(), closed: false };
        if protocol.implicit_tls() {
            wire.start_tls()?;
        }
        Ok(wire)
    }
}

/// The standard library cannot choose the address a connection comes from.
fn dial(from: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    Ok(TcpStream::from(socket))
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    reach: Reach,
    tcp: TcpStream,
    tls: Option<ClientConnection>,
    /// What came and is not read yet.
    seen: Vec<u8>,
    closed: bool,
}

impl Wire {
    /// Waits for more bytes; sets `closed` at the end of the connection.
    fn more(&mut self, deadline: Instant) -> Result<(), String> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("nothing came".to_owned());
        }
        self.tcp.set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
        let mut chunk = [0; 16 * 1024];
        let outcome = match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls, &mut self.tcp).read(&mut chunk),
            None => self.tcp.read(&mut chunk),
        };
        match outcome {
            Ok(0) => self.closed = true,
            Ok(n) => self.seen.extend_from_slice(&chunk[..n]),
            // A server that hangs up on a client that is still sending resets the connection.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => self.closed = true,
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Err("TLS ended without saying so".to_owned()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("nothing came".to_owned());
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
        Ok(())
    }

    /// Reads to the end of the connection.
    pub fn read_to_end(&mut self) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + self.reach.patience;
        while !self.closed {
            self.more(deadline)?;
        }
        Ok(std::mem::take(&mut self.seen))
    }

    /// Reads exactly so many octets.
    pub fn read_exact(&mut self, count: usize) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + self.reach.patience;
        while self.seen.len() < count {
            if self.closed {
                return Err("the server has hung up".to_owned());
            }
            self.more(deadline)?;
        }
        Ok(self.seen.drain(..count).collect())
    }

    /// Sends a line and answers the first line that begins so; what comes before it is thrown away.
    pub fn exchange(&mut self, line: &str, until: &str) -> Result<String, String> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.skip_to(until)
    }

    /// Waits until the server pauses after a line that begins so, and throws all away; answers how many octets came and that
    /// line. For large answers: it looks at no other line.
    pub fn count_to(&mut self, until: &str) -> Result<(u64, String), String> {
        let deadline = Instant::now() + self.reach.patience;
        let mut octets = 0;
        loop {
            // The last line can only be whole when all that came ends in CRLF; what comes before it does not matter.
            if let Some(rest) = self.seen.strip_suffix(b"\r\n") {
                let start = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                if rest[start..].starts_with(until.as_bytes()) {
                    let line = String::from_utf8_lossy(&rest[start..]).into_owned();
                    octets += std::mem::take(&mut self.seen).len() as u64;
                    return Ok((octets, line));
                }
            }
            if self.seen.len() > COUNTED {
                octets += (self.seen.len() - COUNTED) as u64;
                self.seen.drain(..self.seen.len() - COUNTED);
            }
            if self.closed {
                return Err("the server has hung up".to_owned());
            }
            self.more(deadline)?;
        }
    }

    /// The first line that begins so; what comes before it is thrown away.
    pub fn skip_to(&mut self, until: &str) -> Result<String, String> {
        loop {
            let got = self.read_line()?.ok_or("the server has hung up")?;
            if got.starts_with(until.as_bytes()) {
                return Ok(String::from_utf8_lossy(&got).into_owned());
            }
        }
    }
}

impl Line for Wire {
    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.tcp.set_write_timeout(Some(self.reach.patience)).map_err(|e| e.to_string())?;
        let outcome = match &mut self.tls {
            Some(tls) => {
                let mut stream = rustls::Stream::new(tls, &mut self.tcp);
                stream.write_all(bytes).and_then(|()| stream.flush())
            }
            None => self.tcp.write_all(bytes),
        };
        match outcome {
            // Bytes to somebody who has hung up are lost; the next read tells.
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(()),
            other => other.map_err(|e| e.to_string()),
        }
    }

    fn read_line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let deadline = Instant::now() + self.reach.patience;
        let mut looked = 0;
        loop {
            if let Some(end) = self.seen[looked..].windows(2).position(|w| w == b"\r\n") {
                let line = self.seen[..looked + end].to_vec();
                self.seen.drain(..looked + end + 2);
                return Ok(Some(line));
            }
            looked = self.seen.len().saturating_sub(1);
            if self.closed {
                let rest = String::from_utf8_lossy(&self.seen);
                return if rest.is_empty() { Ok(None) } else { Err(format!("an unfinished line at the end: {rest}")) };
            }
            self.more(deadline)?;
        }
    }

    fn start_tls(&mut self) -> Result<(), String> {
        if !self.seen.is_empty() {
            return Err(format!("plaintext after the go-ahead: {}", String::from_utf8_lossy(&self.seen)));
        }
        let mut tls =
            ClientConnection::new(self.reach.tls.clone(), self.reach.name.clone()).map_err(|e| e.to_string())?;
        self.tcp.set_read_timeout(Some(self.reach.patience)).map_err(|e| e.to_string())?;
        tls.complete_io(&mut self.tcp).map_err(|e| format!("TLS handshake: {e}"))?;
        self.tls = Some(tls);
        Ok(())
    }
}
