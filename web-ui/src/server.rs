//! tiny_http on the front's Unix socket, with a fixed number of threads that answer.
//!
//! tiny_http stops for good when accepting fails once, as when there are no file descriptors left for a moment. Then another
//! one, with threads of its own, takes over the socket; the threads of the first stay for what it had already taken.

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
pub struct Server(Arc<Shared>);

struct Shared {
    site: Site,
    listener: UnixListener,
    stop: AtomicBool,
    /// The last one accepts. The others are kept because dropping them would take the socket away from the last.
    all: Mutex<Vec<Arc<Tiny>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Tiny {
    server: tiny_http::Server,
    /// It accepts no more.
    over: AtomicBool,
}

impl Server {
    pub(crate) fn start(site: Site, listener: UnixListener) -> io::Result<Server> {
        // tiny_http connects to the socket's path to stop itself, so there must be one.
        if listener.local_addr()?.as_pathname().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the pages need a Unix socket with a path"));
        }
        let (all, threads, stop) = Default::default();
        let server = Server(Arc::new(Shared { site, listener, stop, all, threads }));
        server.0.accept()?;
        Ok(server)
    }
}

impl Shared {
    /// Begins to accept and to answer.
    fn accept(self: &Arc<Shared>) -> io::Result<()> {
        let server = tiny_http::Server::from_listener(self.listener.try_clone()?, None).map_err(io::Error::other)?;
        let tiny = Arc::new(Tiny { server, over: AtomicBool::new(false) });
        lock(&self.all).push(tiny.clone());
        lock(&self.threads).retain(|thread| !thread.is_finished());
        for n in 0..limits::WORKERS {
            let (shared, tiny) = (self.clone(), tiny.clone());
            let thread = Builder::new().name(format!("pages-{n}")).spawn(move || shared.work(&tiny))?;
            lock(&self.threads).push(thread);
        }
        Ok(())
    }

    fn work(self: Arc<Shared>, tiny: &Tiny) {
        while !self.stop.load(Ordering::Acquire) {
            match tiny.server.recv_timeout(limits::LOOK_UP) {
                Ok(Some(request)) => self.answer(request),
                Ok(None) if tiny.over.load(Ordering::Acquire) => return,
                Ok(None) => {}
                Err(e) => self.replace(tiny, &e),
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

    fn replace(self: &Arc<Shared>, failed: &Tiny, error: &io::Error) {
        tracing::warn!(error = %error, "the setup pages could not accept a connection");
        failed.over.store(true, Ordering::Release);
        while !self.stop.load(Ordering::Acquire) {
            sleep(limits::ACCEPT_PAUSE);
            match self.accept() {
                Ok(()) => return,
                Err(e) => tracing::warn!(error = %e, "the setup pages cannot start again yet"),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
        loop {
            for tiny in lock(&self.0.all).iter() {
                for _ in 0..limits::WORKERS {
                    tiny.server.unblock();
                }
            }
            let threads = std::mem::take(&mut *lock(&self.0.threads));
            if threads.is_empty() {
                break;
            }
            for thread in threads {
                let _ = thread.join();
            }
        }
        // The last first: it needs the socket's file to wake itself up, and removes it.
        while let Some(tiny) = lock(&self.0.all).pop() {
            drop(tiny);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
