//! One connection: a loop over a closed set of events, the same for every protocol.
//!
//! The session is a value that moves to a thread that may block while it works, and back. Replies are written before anything
//! else happens, so a client that does not read is not listened to: the back-pressure is one bounded buffer.

use crate::doors::{Door, Place, Reception};
use crate::limits;
use auth::sasl::ChannelBinding;
use conversation::{Next, Security, Session};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// The bytes' way to the client.
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(s) => s.read(buffer).await,
            Transport::Tls(s) => s.read(buffer).await,
        }
    }
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = async {
            match self {
                Transport::Plain(s) => s.write_all(bytes).await,
                Transport::Tls(s) => {
                    s.write_all(bytes).await?;
                    s.flush().await
                }
            }
        };
        timeout(limits::WRITE, written).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
    /// Ends our side, then waits a little for the end of the other: closing while something is unread would reset the
    /// connection, and the last words with it.
    async fn close(&mut self) -> io::Result<()> {
        let closed = async {
            match self {
                Transport::Plain(s) => s.shutdown().await,
                Transport::Tls(s) => s.shutdown().await,
            }?;
            let mut rest = [0; 512];
            while self.read(&mut rest).await.is_ok_and(|n| n > 0) {}
            Ok(())
        };
        timeout(limits::LINGER, closed).await.unwrap_or(Ok(()))
    }
}

/// What can happen to a connection that waits.
enum Event {
    Bytes(usize),
    Wake,
    Silence,
    Stopping,
    Gone,
}

struct Connection {
    door: Door,
    transport: Transport,
    reception: Arc<Reception>,
    place: Place,
    /// Rung by the store.
    wake: Arc<Notify>,
    stopping: watch::Receiver<bool>,
    /// `None` only while the session works.
    session: Option<Box<dyn Session>>,
    out: Vec<u8>,
    buffer: Vec<u8>,
    /// Whether the client has said anything.
    heard: bool,
}

/// Serves one client from its first word to its last.
pub async fn run(door: Door, stream: TcpStream, reception: Arc<Reception>, place: Place) {
    let ip = place.ip();
    match serve(door, stream, reception, place).await {
        Ok(()) => tracing::debug!(door = door.name(), %ip, "closed"),
        Err(e) => tracing::debug!(door = door.name(), %ip, "closed: {e}"),
    }
}

/// Tells a client for whom there is no room that it is so.
pub async fn turn_away(door: Door, stream: TcpStream, reception: &Reception) {
    let said = async {
        let mut transport = match door.tls_first() {
            true => {
                let acceptor = tokio_rustls::TlsAcceptor::from(reception.tls.clone());
                Transport::Tls(Box::new(acceptor.accept(stream).await?))
            }
            false => Transport::Plain(stream),
        };
        transport.write(door.too_many()).await?;
        transport.close().await
    };
    let said = timeout(limits::TURN_AWAY, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    if let Err(e) = said {
        tracing::debug!("could not say so: {e}");
    }
}

async fn serve(door: Door, stream: TcpStream, reception: Arc<Reception>, place: Place) -> io::Result<()> {
    let (transport, security) = if door.tls_first() {
        let (stream, binding) = handshake(stream, &reception, place.ip()).await?;
        (Transport::Tls(stream), Security::Tls(binding))
    } else {
        (Transport::Plain(stream), Security::Plain)
    };
    let wake = Arc::new(Notify::new());
    let bell = wake.clone();
    let session = reception.session(door, place.ip(), security, Arc::new(move || bell.notify_one()));
    let stopping = reception.stopping.clone();
    let (out, buffer) = (Vec::new(), vec![0; limits::READ_IDLE]);
    let session = Some(session);
    Connection { door, transport, reception, place, wake, stopping, session, out, buffer, heard: false }
        .converse()
        .await
}

async fn handshake(
    stream: TcpStream,
    reception: &Reception,
    ip: IpAddr,
) -> io::Result<(Box<TlsStream<TcpStream>>, ChannelBinding)> {
    let acceptor = tokio_rustls::TlsAcceptor::from(reception.tls.clone());
    let end_point = reception.certificates.end_point();
    let stream = timeout(limits::HANDSHAKE, acceptor.accept(stream))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = stream.inspect_err(|e| tracing::info!(%ip, "no TLS: {e}"))?;
    let tls = stream.get_ref().1;
    // RFC 9266 §4.2: the exporter binding is sound under TLS 1.3 only (or with the extended master secret).
    let modern = tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    let exported =
        modern.then(|| tls.export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()).flatten();
    let binding = ChannelBinding { tls_exporter: exported, tls_server_end_point: Some(end_point) };
    Ok((Box::new(stream), binding))
}

impl Connection {
    async fn converse(mut self) -> io::Result<()> {
        let next = self.work(|session, now, out| session.greet(now, out)).await?;
        self.go_on(next).await
    }

    async fn go_on(mut self, mut next: Next) -> io::Result<()> {
        loop {
            if !self.admitted() {
                self.out.clear();
                self.out.extend_from_slice(self.door.too_many());
                next = Next::Close;
            }
            if let Next::Delay(pause) = next {
                let stopped = tokio::select! {
                    () = tokio::time::sleep(pause) => false,
                    _ = self.stopping.wait_for(|stop| *stop) => true,
                };
                if stopped {
                    return self.farewell().await;
                }
            }
            self.flush().await?;
            next = match next {
                Next::Resume | Next::Delay(_) => self.work(|session, now, out| session.resume(now, out)).await?,
                Next::StartTls => return Box::pin(self.start_tls()).await,
                Next::Close => return self.transport.close().await,
                Next::Read => match self.event().await {
                    Event::Bytes(n) => self.hear(n).await?,
                    Event::Wake => self.work(|session, now, out| session.wake(now, out)).await?,
                    Event::Silence => self.work(|session, now, out| session.timed_out(now, out)).await?,
                    Event::Stopping => return self.farewell().await,
                    Event::Gone => return Ok(()),
                },
            };
        }
    }

    /// Whether the account that logged in here has room for this connection.
    fn admitted(&mut self) -> bool {
        match self.session.as_ref().and_then(|s| s.account()) {
            Some(account) => self.place.logged_in(account),
            None => true,
        }
    }

    async fn event(&mut self) -> Event {
        let silence = self.session.as_ref().map_or(limits::FAREWELL, |s| s.idle_limit());
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stop| *stop) => Event::Stopping,
            read = self.transport.read(&mut self.buffer) => match read {
                Ok(0) | Err(_) => Event::Gone,
                Ok(n) => Event::Bytes(n),
            },
            () = self.wake.notified() => Event::Wake,
            () = tokio::time::sleep(silence) => Event::Silence,
        }
    }

    async fn hear(&mut self, n: usize) -> io::Result<Next> {
        const TLS_HANDSHAKE: u8 = 22;
        let first = !std::mem::replace(&mut self.heard, true);
        if first && matches!(self.transport, Transport::Plain(_)) && self.buffer.first() == Some(&TLS_HANDSHAKE) {
            // The program begins with TLS where it does not come first: it would wait for an answer in vain.
            return Ok(Next::Close);
        }
        let buffer = std::mem::take(&mut self.buffer);
        let (next, buffer) = self
            .work_with(move |session, now, out| {
                let next = session.receive(&buffer[..n], now, out);
                (next, buffer)
            })
            .await?;
        // A client that fills the buffer sends a message; one that does not will be idle most of its life.
        let wanted = if n == buffer.len() { limits::READ_BUSY } else { limits::READ_IDLE };
        self.buffer = if buffer.len() == wanted { buffer } else { vec![0; wanted] };
        Ok(next)
    }

    async fn work(
        &mut self,
        step: impl FnOnce(&mut dyn Session, SystemTime, &mut Vec<u8>) -> Next + Send + 'static,
    ) -> io::Result<Next> {
        self.work_with(move |session, now, out| (step(session, now, out), ())).await.map(|(next, ())| next)
    }

    /// Lets the session work where it may wait for the disk.
    async fn work_with<T: Send + 'static>(
        &mut self,
        step: impl FnOnce(&mut dyn Session, SystemTime, &mut Vec<u8>) -> (Next, T) + Send + 'static,
    ) -> io::Result<(Next, T)> {
        let Some(mut session) = self.session.take() else { return Err(io::Error::other("the session was lost")) };
        let mut out = std::mem::take(&mut self.out);
        let now = self.reception.clock.now();
        let work = move || {
            let answer = step(&mut *session, now, &mut out);
            (session, out, answer)
        };
        let (session, out, answer) = tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?;
        (self.session, self.out) = (Some(session), out);
        Ok(answer)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.out);
        self.transport.write(&out).await
    }

    /// STARTTLS: the transport changes under the session (RFC 3207 §4.2 and its like in IMAP and POP3).
    async fn start_tls(self) -> io::Result<()> {
        let Connection { door, transport, reception, place, wake, stopping, session, out, buffer, heard } = self;
        let Transport::Plain(stream) = transport else { return Err(io::Error::other("TLS inside TLS")) };
        let (stream, binding) = handshake(stream, &reception, place.ip()).await?;
        let transport = Transport::Tls(stream);
        let mut connection =
            Connection { door, transport, reception, place, wake, stopping, session, out, buffer, heard };
        let next = connection.work(move |session, now, out| session.secured(binding, now, out)).await?;
        connection.go_on(next).await
    }

    /// Says good-bye because the daemon stops.
    async fn farewell(mut self) -> io::Result<()> {
        let bye = async {
            self.work(|session, now, out| session.shutting_down(now, out)).await?;
            self.flush().await?;
            self.transport.close().await
        };
        timeout(limits::FAREWELL, bye).await.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests;
