//! Updates from a server of our own into slots in files: good ones, ones that are refused, ones that break off, one at a time.

use super::*;
use crate::download::tests::{Wire, client, server, whole};
use crate::keeper::tests::{bundle_for, slots};
use crate::keeper::{self, Shared};
use ring::signature::Ed25519KeyPair;
use std::io;
use std::sync::mpsc;

/// A box in files that fetches with a client for tests.
struct House {
    slots: Shared,
    key: Ed25519KeyPair,
    updates: Arc<Updates>,
    _folder: tempfile::TempDir,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let (slots, key) = slots(folder.path());
    let install = {
        let slots = slots.clone();
        move |bundle: &mut dyn Read| keeper::install(bundle, &slots).map_err(|e| e.to_string())
    };
    House { slots, key, updates: Arc::new(Updates::new(Box::new(install), Box::new(client))), _folder: folder }
}

impl House {
    /// Fetches from such a server until it is over.
    fn fetch(&self, serve: impl Fn(&mut dyn Wire, &str) -> io::Result<()> + Send + Sync + 'static) -> Fetching {
        let address = format!("http://127.0.0.1:{}/update.roost", server(serve));
        self.updates.fetch(&address).unwrap();
        let stage = self.updates.stage();
        let over = self.updates.over.wait_while(stage, |stage| !matches!(stage, Stage::Idle(_)));
        drop(over);
        self.updates.now()
    }
    fn serve(&self, file: Vec<u8>) -> Fetching {
        self.fetch(move |wire, _| whole(wire, &file))
    }
    /// How often something was written down about the slots.
    fn sequence(&self) -> u32 {
        keeper::lock(&self.slots).state().unwrap().sequence
    }
}

fn why(outcome: Fetching) -> String {
    let Fetching::Failed { address, why } = outcome else { panic!("{outcome:?}") };
    assert!(address.starts_with("http://127.0.0.1:"));
    why
}

#[test]
fn a_good_update_is_installed_also_after_others_that_were_not() {
    let house = house();
    assert_eq!(house.updates.now(), Fetching::Nothing);
    let good = bundle_for("virt", 1, &house.key);
    for (bundle, word) in [
        (b"<html>Not Found</html>".repeat(1000), "no update bundle"),
        (b"GIF89a".to_vec(), "ends too early"),
        (Vec::new(), "ends too early"),
        (bundle_for("rpi", 1, &house.key), "another board"),
        (bundle_for("virt", 0, &house.key), "could not read the mail here"),
        (bundle_for("virt", 1, &Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap()), "not signed"),
    ] {
        let why = why(house.serve(bundle));
        assert!(why.contains(word) && !why.contains("html"), "{why}");
        assert_eq!(house.sequence(), 0, "nothing was written: {why}");
    }
    // Cut off in the middle, by the end of the file and by the end of the connection: it can be tried again.
    let half = good[..good.len() / 2].to_vec();
    assert!(why(house.serve(half.clone())).contains("ends too early"));
    let length = good.len();
    let cut = house.fetch(move |wire, _| {
        write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
        wire.write_all(&half)
    });
    assert!(why(cut).contains("before the file was whole"));
    let Fetching::Installed(said) = house.serve(good) else { panic!("{:?}", house.updates.now()) };
    assert!(said.contains("version 2.0"));
}

#[test]
fn one_at_a_time_and_it_can_be_cancelled() {
    let house = house();
    let good = bundle_for("virt", 1, &house.key);
    let (tell, told) = mpsc::channel();
    let (half, length) = (good[..good.len() / 2].to_vec(), good.len());
    let port = server(move |wire, _| {
        write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
        wire.write_all(&half)?;
        tell.send(()).map_err(io::Error::other)?;
        wire.wait(None);
        Ok(())
    });
    let address = format!("http://127.0.0.1:{port}/");
    assert!(house.updates.fetch("update.roost").unwrap_err().contains("https://"));
    house.updates.fetch(&address).unwrap();
    told.recv().unwrap();
    assert!(matches!(house.updates.now(), Fetching::Running { .. }));
    assert!(house.updates.fetch(&address).unwrap_err().contains("on its way"));
    assert!(house.updates.take(&mut good.as_slice()).unwrap_err().contains("on its way"));
    house.updates.cancel();
    assert_eq!(house.updates.now(), Fetching::Nothing);
    house.updates.cancel();
    assert!(house.updates.take(&mut good.as_slice()).unwrap().contains("version 2.0"));
}
