//! Changing the network from the pages: tried, confirmed, taken back; Wi-Fis with names of all kinds.

use super::browser::Browser;
use super::setup::claimed;
use super::{context, site};
use crate::{Context, Networking};
use board::network::{Lock, Outlook, Radio, Seen, Trial};
use settings::network::{Cable, Change, Network, Passphrase, Ssid, Wifi};
use std::sync::{Arc, Mutex};

type Shared<T> = Arc<Mutex<T>>;

/// A box whose network is as told, and what was asked of it.
fn box_with(outlook: Outlook, seen: Vec<Seen>) -> (Context, Shared<Outlook>, Shared<Vec<String>>) {
    let (outlook, asked) = (Arc::new(Mutex::new(outlook)), Arc::new(Mutex::new(Vec::new())));
    let note = {
        let asked = asked.clone();
        move |what: &str| {
            asked.lock().unwrap().push(what.to_owned());
            Ok(())
        }
    };
    let (look, tried, confirm, back) = (outlook.clone(), asked.clone(), note.clone(), note);
    let networking = Networking {
        look: Box::new(move || Ok(look.lock().unwrap().clone())),
        attempt: Box::new(move |change| match change {
            Change::Forget => Err("nothing would <change>".into()),
            change => {
                tried.lock().unwrap().push(serde_json::to_string(change).unwrap());
                Ok(())
            }
        }),
        confirm: Box::new(move || confirm("confirm")),
        go_back: Box::new(move || back("back")),
        scan: Box::new(move || Ok(seen.clone())),
    };
    (Context { networking, ..context() }, outlook, asked)
}

fn taken(asked: &Shared<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut asked.lock().unwrap())
}

#[test]
fn the_cable_is_given_an_address_or_none() {
    let (context, _, asked) = box_with(Outlook::default(), Vec::new());
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    owner.get("/status").shows(200, "href=\"/network\"");
    owner.get("/network").shows(200, "value=\"automatic\" checked");
    let fixed = |address: &'static str, gateway: &'static str, names: &'static str| {
        [("host", "Nest"), ("cable", "fixed"), ("address", address), ("gateway", gateway), ("names", names)]
    };
    for (fields, wrong) in [
        (fixed("192.168.1.5", "", ""), "address"),
        (fixed("192.168.1.255/24", "", ""), "address"),
        (fixed("192.168.1.5/24", "192.168.2.1", ""), "gateway"),
        (fixed("192.168.1.5/24", "router", ""), "gateway"),
        (fixed("192.168.1.5/24", "", "dns.example"), "names"),
        ([("host", "my box"), ("cable", "automatic"), ("address", "x"), ("gateway", ""), ("names", "")], "host"),
    ] {
        let page = owner.post("/network", &fields);
        assert_eq!(page.status, 422, "{fields:?}");
        assert!(!page.error_of(wrong).is_empty());
    }
    assert!(taken(&asked).is_empty());
    owner.post("/network", &fixed("192.168.1.5/24", "192.168.1.1", "192.168.1.1, fd00::1")).leads_to("/network");
    let said = taken(&asked).concat();
    let Change::Cable { host, cable: Cable::Fixed(fixed) } = serde_json::from_str(&said).unwrap() else {
        panic!("{said}")
    };
    assert_eq!(host.unwrap().as_str(), "nest");
    assert_eq!(serde_json::to_value(fixed).unwrap()["name_servers"], serde_json::json!(["192.168.1.1", "fd00::1"]));
    // What is typed beside "automatic" does not matter.
    owner.post("/network", &[("host", "nest"), ("cable", "automatic"), ("address", "nonsense")]).leads_to("/network");
    assert!(taken(&asked).concat().contains("automatic"));
}

#[test]
fn a_change_waits_until_its_owner_comes_through_it() {
    let (context, outlook, asked) = box_with(Outlook::default(), Vec::new());
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    let fixed = r#"{"cable":{"host":null,"cable":{"fixed":{"address":"192.168.178.41","prefix":24,"gateway":null,"name_servers":[]}}}}"#;
    let network = Network::default().with(serde_json::from_str(fixed).unwrap());
    outlook.lock().unwrap().trial = Some(Trial { network: network.clone(), seconds: None });
    let page = owner.get("/network");
    page.shows(200, "href=\"https://192.168.178.41:1443/network\"");
    assert!(!page.text.contains("Keep it") && !page.text.contains("Try it"));
    outlook.lock().unwrap().trial = Some(Trial { network, seconds: Some(61) });
    let page = owner.get("/network");
    page.shows(200, "within 2 minutes");
    page.shows(200, "Keep it");
    owner.get("/").leads_to("/network");
    let mut stranger = Browser::new(&site);
    stranger.post("/network/confirm", &[]).leads_to("/login");
    owner.post("/network/confirm", &[]).leads_to("/network");
    owner.get("/network");
    owner.post("/network/back", &[]).leads_to("/network");
    assert_eq!(taken(&asked), ["confirm", "back"]);
    *outlook.lock().unwrap() = Outlook { went_back: true, ..Outlook::default() };
    owner.get("/network").shows(200, "The last change was taken back");
    owner.get("/network").shows(200, "Nobody said in time");
    let refused = Some(Ssid::new(b"<home>").unwrap());
    *outlook.lock().unwrap() = Outlook { went_back: true, refused, ..Outlook::default() };
    owner
        .get("/network")
        .shows(200, "“&#60;home&#62;” did not let the box in, most likely because the password was wrong.");
}

#[test]
fn wifis_are_shown_whatever_they_are_called() {
    let one = |octets: &[u8], signal, lock| Seen { ssid: Ssid::new(octets).unwrap(), signal, lock };
    let seen = vec![
        one(b"home", -50, Lock::Password),
        one(b"<img src=x>\xff\n\"", -65, Lock::Open),
        one("\u{202e}office".as_bytes(), -80, Lock::Other),
    ];
    let (context, _, asked) = box_with(Outlook { radio: Some(Radio::default()), ..Outlook::default() }, seen);
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    let page = owner.get("/network/wifi");
    page.shows(200, "href=\"/network/wifi/join?ssid=686f6d65\"");
    page.shows(200, "&#60;img src=x&#62;\\xff\\u{a}&#34;");
    page.shows(200, "\\u{202e}office");
    assert!(!page.text.contains("<img src=x") && !page.text.contains('\u{202e}'));
    assert_eq!(page.text.matches("/network/wifi/join?ssid=").count(), 2, "not the one with accounts");
    owner.get("/network/wifi/join?ssid=686f6d65").shows(200, "Join “home”");
    owner.get("/network/wifi/join?ssid=3c696d673e&open=1").shows(200, "&#60;img&#62;");
    assert_eq!(owner.get("/network/wifi/join?ssid=xyz").status, 404);
    assert_eq!(owner.get(&format!("/network/wifi/join?ssid={}", "41".repeat(33))).status, 404);
    owner.get("/network/wifi/join");
    let wrong = owner.post(
        "/network/wifi/join",
        &[("ssid", "686f6d65"), ("key", "a secret of 64 characters ".repeat(3).as_str()), ("country", "1")],
    );
    assert!(wrong.error_of("key").contains("63") && wrong.error_of("country").contains("two letters"));
    assert!(!wrong.text.contains("a secret of"), "what was typed is not sent back");
    assert!(!owner.post("/network/wifi/join", &[("ssid", "686f6d65"), ("country", "DE")]).error_of("key").is_empty());
    assert!(taken(&asked).is_empty());
    for (fields, octets, key) in [
        ([("ssid", "686f6d65"), ("key", "long enough"), ("country", "de")], b"home".as_slice(), Some("long enough")),
        ([("ssid", "ff0a"), ("open", "1"), ("country", "DE")], b"\xff\n", None),
        ([("name", "Käfig"), ("key", ""), ("country", "DE")], "Käfig".as_bytes(), None),
        ([("name", "hidden"), ("key", "long enough"), ("country", "DE")], b"hidden", Some("long enough")),
    ] {
        owner.post("/network/wifi/join", &fields).leads_to("/network");
        let wifi = Wifi { ssid: Ssid::new(octets).unwrap(), key: key.map(|key| Passphrase::parse(key).unwrap()) };
        let Change::Join { wifi: asked, .. } = serde_json::from_str(&taken(&asked).concat()).unwrap() else { panic!() };
        assert_eq!(asked, wifi);
    }
    owner.post("/network/forget", &[]).leads_to("/network");
    owner.get("/network").shows(200, "Nothing was changed: nothing would &#60;change&#62;.");
}

#[test]
fn a_machine_that_keeps_its_network_itself_says_so() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    owner.get("/network").shows(200, "keeps its network itself");
    assert_eq!(owner.post("/network", &[("host", "x"), ("cable", "automatic")]).status, 303);
    owner.get("/network").shows(200, "Nothing was changed: this machine keeps its network itself.");
    owner.get("/network/wifi").shows(200, "cannot look around");
    assert_eq!(owner.get("/network/wifi/join").status, 404);
}
