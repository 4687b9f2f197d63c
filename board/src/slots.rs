//! The two root slots behind embedded-svc's `ota` traits: a bundle is streamed into the slot that does not run.
//!
//! The order is what makes it safe: a bundle is believed when its signature is right; then the idle slot is written down as
//! not good; then its contents are written, chunk by verified chunk, synced and read back; only then the boot state
//! makes it the one to start. Power lost at any point leaves the running slot the one that is started.

mod linux;

use crate::blocks::Blocks;
use crate::boot_state::{BootState, SlotName};
use crate::bundle::{Hash, Manifest, Piece, Policy, Receiver, Refusal};
use crate::mending::Mend;
use embedded_svc::io::{Error, ErrorKind, ErrorType, Write};
use embedded_svc::ota::{FirmwareInfo, Ota, OtaUpdate, OtaUpdateFinished, Slot, SlotState};
use std::fmt;
use std::io;

/// The slots of this board.
pub struct Slots<D> {
    /// Has the boot state.
    disk: D,
    /// The partition of the slot that does not run.
    idle: D,
    running: SlotName,
    /// The version that runs.
    version: String,
    policy: Policy,
    restart: Restart,
}

/// Restarts the board; returns only if that failed.
pub type Restart = Box<dyn Fn() -> io::Error + Send>;

impl<D: Blocks> Slots<D> {
    /// The slots of a disk. The policy's capacity is lowered to the size of `idle`.
    pub fn new(
        (disk, idle): (D, D),
        running: SlotName,
        version: &str,
        mut policy: Policy,
        restart: Restart,
    ) -> io::Result<Slots<D>> {
        policy.capacity = policy.capacity.min(idle.size()?);
        Ok(Slots { disk, idle, running, version: version.to_owned(), policy, restart })
    }

    /// The boot state now.
    pub fn state(&self) -> io::Result<BootState> {
        BootState::read(&self.disk)
    }
    /// The slot that runs.
    pub fn running(&self) -> SlotName {
        self.running
    }
    /// The version that runs.
    pub fn version(&self) -> &str {
        &self.version
    }
    /// Whether the running slot still has to prove itself.
    pub fn on_trial(&self) -> io::Result<bool> {
        Ok(!self.state()?.is_good(self.running))
    }

    /// Has the next start mend the data partition. A version that still has to prove itself may be what is wrong with the
    /// data, so it may not.
    pub fn mend_data(&self, mend: Mend) -> Result<(), Refusal> {
        if self.on_trial()? {
            return Err(Refusal::OnTrial);
        }
        Ok(crate::mending::ask(&self.disk, mend)?)
    }
    /// Restarts the board; returns only if that failed.
    pub fn restart(&self) -> io::Error {
        (self.restart)()
    }

    fn slot(&self, name: SlotName) -> Result<Slot, Refusal> {
        let state = self.state()?;
        let version = match &state.version[name.index()] {
            version if version.is_empty() && name == self.running => clip(&self.version),
            version => version.clone(),
        };
        let firmware = (!version.is_empty()).then(|| FirmwareInfo {
            version,
            released: heapless::String::new(),
            description: None,
            signature: None,
            download_id: None,
        });
        let state = match (state.is_good(name), name == state.active) {
            (true, _) => SlotState::Valid,
            (false, true) => SlotState::Unverified,
            (false, false) => SlotState::Invalid,
        };
        Ok(Slot { label: name.to_string().chars().collect(), state, firmware })
    }

    fn read_back(&self, manifest: &Manifest) -> Result<(), Refusal> {
        self.idle.forget()?;
        let mut buffer = vec![0; crate::bundle::CHUNK];
        for (n, expected) in manifest.chunks.iter().enumerate() {
            let chunk = &mut buffer[..manifest.chunk_len(n)];
            self.idle.read_at(place(n), chunk)?;
            if Hash::of(chunk) != *expected {
                return Err(Refusal::ReadBack(n as u64));
            }
        }
        Ok(())
    }
}

fn place(chunk: usize) -> u64 {
    chunk as u64 * crate::bundle::CHUNK as u64
}

fn clip<const N: usize>(text: &str) -> heapless::String<N> {
    text.chars().filter(char::is_ascii_graphic).take(N).collect()
}

impl<D> fmt::Debug for Slots<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("running", &self.running).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Error for Refusal {
    fn kind(&self) -> ErrorKind {
        match self {
            Refusal::Storage(e) => Error::kind(e),
            Refusal::OnTrial | Refusal::NoSlots(_) => ErrorKind::Unsupported,
            _ => ErrorKind::InvalidData,
        }
    }
}

impl<D> ErrorType for Slots<D> {
    type Error = Refusal;
}

impl<D: Blocks> Ota for Slots<D> {
    type Update<'a>
        = Update<'a, D>
    where
        D: 'a;

    fn get_boot_slot(&self) -> Result<Slot, Refusal> {
        self.slot(self.state()?.active)
    }
    fn get_running_slot(&self) -> Result<Slot, Refusal> {
        self.slot(self.running)
    }
    fn get_update_slot(&self) -> Result<Slot, Refusal> {
        self.slot(self.running.other())
    }
    fn is_factory_reset_supported(&self) -> Result<bool, Refusal> {
        Ok(false)
    }
    fn factory_reset(&mut self) -> Result<(), Refusal> {
        Err(Refusal::NoSlots("it keeps no factory version".into()))
    }

    fn initiate_update(&mut self) -> Result<Update<'_, D>, Refusal> {
        if self.on_trial()? {
            return Err(Refusal::OnTrial);
        }
        Ok(Update { receiver: Some(Receiver::new(self.policy.clone())), slots: self })
    }

    fn mark_running_slot_valid(&mut self) -> Result<(), Refusal> {
        let mut state = self.state()?;
        state.mark_good(self.running);
        state.version[self.running.index()] = clip(&self.version);
        Ok(state.write(&self.disk)?)
    }

    fn mark_running_slot_invalid_and_reboot(&mut self) -> Refusal {
        let given_up = self.state().and_then(|mut state| {
            // With no other good slot, its tries go on.
            if state.give_up(self.running) { state.write(&self.disk) } else { Ok(()) }
        });
        match given_up {
            Ok(()) => (self.restart)().into(),
            Err(e) => e.into(),
        }
    }
}

/// An update on its way into the idle slot. Dropped, it leaves that slot not good.
#[derive(Debug)]
pub struct Update<'a, D> {
    slots: &'a mut Slots<D>,
    /// Gone after a refusal.
    receiver: Option<Receiver>,
}

impl<D> Update<'_, D> {
    /// The manifest, once it is there and believed.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.receiver.as_ref()?.manifest()
    }
}

impl<D: Blocks> Update<'_, D> {
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        let receiver = self.receiver.as_mut().ok_or(Refusal::CutShort)?;
        while !bytes.is_empty() {
            match receiver.push(&mut bytes)? {
                None => {}
                Some(Piece::Manifest(_)) => {
                    let mut state = self.slots.state()?;
                    state.empty(self.slots.running.other());
                    state.write(&self.slots.disk)?;
                }
                Some(Piece::Chunk(n, chunk)) => self.slots.idle.write_at(place(n), chunk)?,
            }
        }
        Ok(())
    }
}

impl<D> ErrorType for Update<'_, D> {
    type Error = Refusal;
}

impl<D: Blocks> Write for Update<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let taken = self.take(bytes);
        if taken.is_err() {
            self.receiver = None;
        }
        taken.map(|()| bytes.len())
    }
    fn flush(&mut self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl<'a, D: Blocks> OtaUpdate for Update<'a, D> {
    type OtaUpdateFinished = Finished<'a, D>;

    fn finish(self) -> Result<Finished<'a, D>, Refusal> {
        let manifest = self.receiver.ok_or(Refusal::CutShort)?.finish()?;
        self.slots.idle.sync()?;
        self.slots.read_back(&manifest)?;
        Ok(Finished { slots: self.slots, manifest })
    }
    fn complete(self) -> Result<(), Refusal> {
        self.finish()?.activate()
    }
    fn abort(self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// An update that lies in the idle slot, verified.
#[derive(Debug)]
pub struct Finished<'a, D> {
    slots: &'a mut Slots<D>,
    manifest: Manifest,
}

impl<D> ErrorType for Finished<'_, D> {
    type Error = Refusal;
}

impl<D: Blocks> OtaUpdateFinished for Finished<'_, D> {
    fn activate(self) -> Result<(), Refusal> {
        let mut state = self.slots.state()?;
        state.activate(self.slots.running.other(), clip(&self.manifest.version));
        Ok(state.write(&self.slots.disk)?)
    }
}

#[cfg(test)]
mod tests;
