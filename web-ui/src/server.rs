//! tiny_http on the front's Unix socket, with a fixed number of threads that answer.

use crate::connection::TinyConnection;
use crate::limits;
use crate::site::Site;
use embedded_svc::http::server::Handler;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, sleep};

/// The running pages.
#[must_use = "the pages stop when this is dropped"]
pub struct Server {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    site: Site,
    stop: AtomicBool,
    listener: UnixListener,
    /// The last one accepts. The others gave up, but dropping them would take the socket away from the last.
    tiny: Mutex<Vec<Arc<tiny_http::Server>>>,
}

impl Server {
    pub(crate) fn start(site: Site, listener: UnixListener) -> io::Result<Server> {
        // tiny_http connects to the socket's path to stop itself, so there must be one.
        if listener.local_addr()?.as_pathname().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the pages need a Unix socket with a path"));
        }
        let tiny = Mutex::new(vec![accept(&listener)?]);
        let shared = Arc::new(Shared { site, stop: AtomicBool::new(false), listener, tiny });
        let mut server = Server { shared, workers: Vec::new() };
        for n in 0..limits::WORKERS {
            let shared = server.shared.clone();
            server.workers.push(Builder::new().name(format!("pages-{n}")).spawn(move || shared.work())?);
        }
        Ok(server)
    }
}

fn accept(listener: &UnixListener) -> io::Result<Arc<tiny_http::Server>> {
    let server = tiny_http::Server::from_listener(listener.try_clone()?, None).map_err(io::Error::other)?;
    Ok(Arc::new(server))
}

impl Shared {
    fn work(&self) {
        loop {
            let Some(tiny) = self.tiny().last().cloned() else { return };
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            match tiny.recv() {
                Ok(request) => self.answer(request),
                Err(e) => self.revive(&tiny, &e),
            }
        }
    }

    fn answer(&self, request: tiny_http::Request) {
        let mut connection = TinyConnection::new(request);
        if let Err(e) = self.site.handle(&mut connection) {
            tracing::warn!(error = %e, "a page could not be made");
        }
        if let Err(e) = connection.finish() {
            tracing::debug!(error = %e, "a page could not be sent");
        }
    }

    /// tiny_http stops for good when accepting fails once, as when there are no file descriptors left for a moment; then
    /// another one takes its place. One worker gets the error; the others are woken to move on as well.
    fn revive(&self, failed: &Arc<tiny_http::Server>, error: &io::Error) {
        let mut all = self.tiny();
        if self.stop.load(Ordering::Acquire) || !all.last().is_some_and(|last| Arc::ptr_eq(last, failed)) {
            return;
        }
        tracing::warn!(error = %error, "the setup pages could not accept a connection");
        sleep(limits::ACCEPT_PAUSE);
        match accept(&self.listener) {
            Ok(tiny) => all.push(tiny),
            // Still out of descriptors: the next round tries again.
            Err(_) => return failed.unblock(),
        }
        for _ in 1..limits::WORKERS {
            failed.unblock();
        }
    }

    fn tiny(&self) -> MutexGuard<'_, Vec<Arc<tiny_http::Server>>> {
        self.tiny.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let all = self.shared.tiny().clone();
        for tiny in &all {
            for _ in &self.workers {
                tiny.unblock();
            }
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}
