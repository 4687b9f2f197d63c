//! The peer: Dovecot with sdbox, its best format for one mail at a time.

use crate::flash::Flash;
use crate::server::{Counted, Server};
use std::path::{Path, PathBuf};
use system_tests::dovecot::{Dovecot, Layout, PASSWORD, Running};
use system_tests::wire::Reach;

/// It runs.
#[derive(Debug)]
pub struct Peer {
    dovecot: Dovecot,
    home: PathBuf,
    running: Running,
}

impl Peer {
    /// Starts it with all it has below this directory. `durable`: as it is by default; else it never syncs.
    pub fn start(dovecot: &Dovecot, home: &Path, durable: bool) -> Result<Peer, String> {
        let layout = Layout { driver: "sdbox", zstd: false, durable };
        let running = dovecot.start(home, &home.join("mail"), &layout)?;
        Ok(Peer { dovecot: dovecot.clone(), home: home.to_owned(), running })
    }
}

impl Server for Peer {
    fn is_roost(&self) -> bool {
        false
    }
    fn reach(&self) -> &Reach {
        self.running.reach()
    }
    fn processes(&self) -> Vec<i32> {
        self.running.processes()
    }
    fn password(&self, _account: usize) -> &str {
        PASSWORD
    }
    fn counted(&self) -> Option<Counted> {
        None
    }
    fn stop(self: Box<Self>) {}
    fn restart(self: Box<Self>, flash: &mut Flash) -> Result<Box<dyn Server>, String> {
        let Peer { dovecot, home, running } = *self;
        drop(running);
        flash.cool()?;
        Ok(Box::new(Peer::start(&dovecot, &home, true)?))
    }
}
