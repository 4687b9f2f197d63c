//! Updates on their way into the box: one at a time, sent by a browser or fetched from an address in the background.
//!
//! Whoever asked for one may look how far it has come, and end it. What came of the last one is kept until the next begins.

use crate::download::{Client, Progress, Source, Trouble};
use crate::limits;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use web_ui::Fetching;

/// Takes a bundle to its end; what was done, or why not.
type Install = dyn Fn(&mut dyn Read) -> Result<String, String> + Send + Sync;

/// The updates of this box.
pub struct Updates {
    install: Box<Install>,
    client: Box<dyn Fn() -> Client + Send + Sync>,
    stage: Mutex<Stage>,
    /// Rung when one is over.
    over: Condvar,
}

#[derive(Debug)]
enum Stage {
    /// What came of the last one; nothing, if none was fetched.
    Idle(Fetching),
    /// A browser sends one.
    Sent,
    Fetched(Arc<Client>, Arc<Progress>),
}

impl Updates {
    /// Updates that are handed to `install`, fetched by such clients.
    pub fn new(install: Box<Install>, client: Box<dyn Fn() -> Client + Send + Sync>) -> Updates {
        Updates { install, client, stage: Mutex::new(Stage::Idle(Fetching::Nothing)), over: Condvar::new() }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it the only one.
    fn begin(&self, next: Stage) -> Result<(), String> {
        let mut stage = self.stage();
        match *stage {
            Stage::Idle(_) => *stage = next,
            Stage::Sent | Stage::Fetched(..) => return Err("another update is on its way".into()),
        }
        Ok(())
    }

    /// Takes one that is sent.
    pub fn take(&self, bundle: &mut dyn Read) -> Result<String, String> {
        self.begin(Stage::Sent)?;
        let done = (self.install)(bundle);
        *self.stage() = Stage::Idle(Fetching::Nothing);
        done
    }

    /// Begins to fetch one; the error is a sentence about the address.
    pub fn fetch(self: &Arc<Updates>, typed: &str) -> Result<(), String> {
        let source = Source::parse(typed)?;
        let client = Arc::new((self.client)());
        self.begin(Stage::Fetched(client.clone(), client.progress()))
            .map_err(|_| "Another update is on its way. Please wait until it is done.")?;
        tracing::info!("an update is being fetched from {}", source.host());
        let (this, typed) = (self.clone(), typed.trim().to_owned());
        std::thread::spawn(move || {
            let outcome = this.fetch_now(&client, &source, typed);
            match &outcome {
                Fetching::Failed { why, .. } => {
                    tracing::warn!("the update from {} was not installed: {why}", source.host());
                }
                outcome => tracing::info!("the update from {}: {outcome:?}", source.host()),
            }
            *this.stage() = Stage::Idle(outcome);
            this.over.notify_all();
        });
        Ok(())
    }

    fn fetch_now(&self, client: &Client, source: &Source, address: String) -> Fetching {
        let (done, trouble) = match client.fetch(source) {
            Ok(mut download) => ((self.install)(&mut download), download.trouble().cloned()),
            Err(trouble) => (Err(String::new()), Some(trouble)),
        };
        match (done, trouble) {
            (Ok(said), _) => Fetching::Installed(said),
            (Err(_), Some(Trouble::Cancelled)) => Fetching::Nothing,
            // Where it broke off says more than that it did.
            (Err(_), Some(trouble)) => Fetching::Failed { address, why: trouble.to_string() },
            (Err(why), None) => Fetching::Failed { address, why },
        }
    }

    /// How it is.
    pub fn now(&self) -> Fetching {
        match &*self.stage() {
            Stage::Idle(outcome) => outcome.clone(),
            Stage::Sent => Fetching::Nothing,
            Stage::Fetched(_, progress) => {
                let (got, total) = progress.now();
                Fetching::Running { got, total }
            }
        }
    }

    /// Ends one that is being fetched, and waits a moment for its end. It has no effect on one that is whole already.
    pub fn cancel(&self) {
        let stage = self.stage();
        if let Stage::Fetched(client, _) = &*stage {
            client.cancel();
            let on_its_way = |stage: &mut Stage| matches!(stage, Stage::Fetched(..));
            drop(self.over.wait_timeout_while(stage, limits::CANCEL, on_its_way));
        }
    }
}

impl std::fmt::Debug for Updates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updates").field("stage", &*self.stage()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
