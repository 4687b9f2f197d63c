//! Changes that are confirmed, that nobody confirms, that are taken back, that a keeper left unfinished; without a network.

use super::*;
use settings::network::{Cable, Country, FixedParts, Label, Passphrase, Ssid, Wifi};
use std::sync::mpsc::{Receiver, channel};

const LONG: Duration = Duration::from_secs(600);

struct House {
    warden: Arc<Warden>,
    /// What was applied, as the files said at that moment.
    applied: Receiver<Network>,
    /// What its radio is doing.
    radio: Arc<Mutex<Option<Radio>>>,
    folder: tempfile::TempDir,
}

fn house_in(folder: tempfile::TempDir, patience: Duration) -> House {
    let (tell, applied) = channel();
    let apply = move |file: &Path| {
        let network = fs::read_to_string(file).map(|text| Network::from_text(&text).unwrap()).unwrap_or_default();
        tell.send(network).map_err(|e| e.to_string())
    };
    let files = (folder.path().join("kept"), folder.path().join("tried"));
    let radio = Arc::new(Mutex::new(None));
    let doing = radio.clone();
    let works: (Box<Apply>, Box<Listen>) = (Box::new(apply), Box::new(move || doing.lock().unwrap().clone()));
    let warden = Arc::new(Warden::new(files, (patience, Duration::ZERO), works, &|_| ()));
    let worker = warden.clone();
    std::thread::spawn(move || worker.work());
    House { warden, applied, radio, folder }
}

fn house(patience: Duration) -> House {
    house_in(tempfile::tempdir().unwrap(), patience)
}

impl House {
    fn ask(&self, order: &Order) -> Result<String, String> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(ours, None).unwrap();
        wire.send(order).unwrap();
        self.warden.answer(&theirs).unwrap();
        match wire.answer().unwrap() {
            Answer::Line(line) => Ok(line),
            Answer::Error(why) => Err(why),
            Answer::Done => panic!("a line comes first"),
        }
    }
    fn look(&self) -> Outlook {
        serde_json::from_str(&self.ask(&Order::Look).unwrap()).unwrap()
    }
    /// Waits until the change was made, and the owner is waited for.
    fn tried(&self) -> Network {
        let network = self.applied.recv().unwrap();
        while self.look().trial.is_some_and(|trial| trial.seconds.is_none()) {
            std::thread::yield_now();
        }
        network
    }
    /// Waits until it has gone back.
    fn settled(&self) -> Network {
        let network = self.applied.recv().unwrap();
        while !matches!(*self.warden.stage(), Stage::Settled(_)) {
            std::thread::yield_now();
        }
        network
    }
    fn is_kept(&self) -> Network {
        self.warden.kept()
    }
}

fn fixed() -> Change {
    let parts = FixedParts { address: [192, 168, 7, 5].into(), prefix: 24, gateway: None, name_servers: Vec::new() };
    Change::Cable { host: Some(Label::parse("box").unwrap()), cable: Cable::Fixed(parts.try_into().unwrap()) }
}

fn join() -> Change {
    let key = Some(Passphrase::parse("not for the log").unwrap());
    Change::Join { country: Country::parse("DE").unwrap(), wifi: Wifi { ssid: Ssid::new(b"home").unwrap(), key } }
}

#[test]
fn what_is_confirmed_is_kept_over_a_restart() {
    let house = house(LONG);
    assert_eq!(house.look(), Outlook::default());
    house.ask(&Order::Try(fixed())).unwrap();
    let changed = Network::default().with(fixed());
    assert_eq!(house.tried(), changed);
    assert_eq!(house.is_kept(), Network::default(), "a power cut now forgets it");
    let trial = house.look().trial.unwrap();
    assert_eq!(trial.network, changed);
    assert!(trial.seconds.is_some_and(|left| (500..=600).contains(&left)));
    assert_eq!(house.ask(&Order::Try(join())), Err("another change is being tried".into()));
    house.ask(&Order::Confirm).unwrap();
    assert_eq!(house.is_kept(), changed);
    assert!(!house.warden.tried.exists());
    let mode = fs::metadata(&house.warden.kept).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600, "it has a password in it");
    assert!(house.ask(&Order::Confirm).unwrap_err().contains("nothing to confirm"));
    assert_eq!(house.ask(&Order::Try(fixed())), Err("nothing would change".into()));
    // Another keeper, another change; the cable stays.
    let house = house_in(house.folder, LONG);
    house.ask(&Order::Try(join())).unwrap();
    house.tried();
    for joined in [None, Some(Ssid::new(b"other").unwrap())] {
        *house.radio.lock().unwrap() = Some(Radio { joined, refused: false });
        assert_eq!(house.ask(&Order::Confirm), Err("the box has not joined “home”".into()));
    }
    *house.radio.lock().unwrap() = Some(Radio { joined: Some(Ssid::new(b"home").unwrap()), refused: false });
    house.ask(&Order::Confirm).unwrap();
    assert_eq!(house.is_kept(), changed.with(join()));
    // A change of the cable alone does not wait for a Wi-Fi that is away.
    *house.radio.lock().unwrap() = None;
    house.ask(&Order::Try(Change::Cable { host: None, cable: Cable::Automatic })).unwrap();
    house.tried();
    house.ask(&Order::Confirm).unwrap();
    let shown = house.ask(&Order::Look).unwrap();
    assert!(!shown.contains("not for the log"), "{shown}");
}

#[test]
fn what_nobody_confirms_is_taken_back() {
    let house = house(Duration::from_millis(50));
    house.ask(&Order::Try(fixed())).unwrap();
    assert_eq!(house.applied.recv().unwrap(), Network::default().with(fixed()));
    assert_eq!(house.settled(), Network::default());
    let outlook = house.look();
    assert!(outlook.went_back && outlook.trial.is_none() && !house.warden.tried.exists());
    assert!(house.ask(&Order::Confirm).unwrap_err().contains("gone back"), "too late");
    assert_eq!(house.is_kept(), Network::default());
}

#[test]
fn a_wifi_that_did_not_let_the_box_in_is_told() {
    let house = house(Duration::from_millis(50));
    *house.radio.lock().unwrap() = Some(Radio { joined: None, refused: true });
    house.ask(&Order::Try(join())).unwrap();
    house.applied.recv().unwrap();
    house.settled();
    assert_eq!(house.look().refused, Some(Ssid::new(b"home").unwrap()));
    // The next trial is another matter.
    *house.radio.lock().unwrap() = None;
    house.ask(&Order::Try(join())).unwrap();
    assert!(house.look().refused.is_none());
    house.applied.recv().unwrap();
    house.settled();
    assert!(house.look().went_back && house.look().refused.is_none());
}

#[test]
fn the_owner_can_go_back_at_once() {
    let house = house(LONG);
    assert!(house.ask(&Order::GoBack).is_err());
    house.ask(&Order::Try(fixed())).unwrap();
    house.tried();
    house.ask(&Order::GoBack).unwrap();
    assert_eq!(house.settled(), Network::default());
    assert!(!house.look().went_back, "they know");
}

#[test]
fn a_keeper_that_ended_in_between_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, tried) = (Network::default().with(fixed()), Network::default().with(join()));
    fs::write(folder.path().join("kept"), kept.to_text()).unwrap();
    fs::write(folder.path().join("tried"), tried.to_text()).unwrap();
    let house = house_in(folder, LONG);
    assert_eq!(house.settled(), kept);
    assert!(house.look().went_back && !house.warden.tried.exists());
}

#[test]
fn a_file_that_is_not_ours_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("kept"), "format=1\naddress=192.168.7.5/24\n").unwrap();
    let house = house_in(folder, LONG);
    assert_eq!(house.look().kept, Network::default());
}

#[test]
fn a_change_that_is_being_made_cannot_be_confirmed_from_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (begin, begun) = channel::<()>();
    let begun = Mutex::new(begun);
    // The change takes until it is let go.
    let apply = move |_: &Path| begun.lock().unwrap().recv().map_err(|e| e.to_string());
    let files = (folder.path().join("kept"), folder.path().join("tried"));
    let works: (Box<Apply>, Box<Listen>) = (Box::new(apply), Box::new(|| None));
    let warden = Arc::new(Warden::new(files, (LONG, Duration::ZERO), works, &|_| ()));
    let worker = warden.clone();
    std::thread::spawn(move || worker.work());
    warden.attempt(fixed()).unwrap();
    assert!(warden.confirm().unwrap_err().contains("still being made"));
    assert!(warden.go_back().is_err());
    begin.send(()).unwrap();
    while warden.confirm().is_err() {
        std::thread::yield_now();
    }
    assert_eq!(warden.kept(), Network::default().with(fixed()));
}
