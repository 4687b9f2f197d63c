//! The Wi-Fis around the box, and joining one. Their names are octets that strangers chose: they are shown escaped and sent as
//! hexadecimal digits.

use super::{Frame, network, refuse};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::site::{Site, Visit};
use askama::Template;
use board::network::{Lock, Seen};
use settings::network::{Change, Country, Passphrase, Ssid, Wifi};

#[derive(Template)]
#[template(path = "wifi.html")]
struct Page {
    frame: Frame,
    /// Why there is no list.
    trouble: Option<String>,
    seen: Vec<Row>,
}

struct Row {
    name: String,
    hex: String,
    strength: &'static str,
    lock: &'static str,
    /// Whether this box can join it.
    possible: bool,
    open: bool,
}

#[derive(Template)]
#[template(path = "wifi_join.html")]
struct JoinPage {
    frame: Frame,
    /// The one that was chosen: how it is shown, and its octets. Without it, the name is asked for.
    chosen: Option<(String, String)>,
    open: bool,
    name: Input,
    key: Input,
    country: Input,
}

/// Looks around, which takes some seconds.
pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let (seen, trouble) = match (site.context.networking.scan)() {
        Ok(seen) => (seen, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let frame = site.frame(visit, "Wi-Fi", "/status");
    Answer::page(&Page { frame, trouble, seen: seen.iter().map(row).collect() })
}

fn row(seen: &Seen) -> Row {
    let lock = match seen.lock {
        Lock::Open => "open to everybody",
        Lock::Password => "with a password",
        Lock::Other => "not for this box",
    };
    Row {
        name: seen.ssid.to_string(),
        hex: seen.ssid.to_hex(),
        strength: match seen.signal {
            -60.. => "strong",
            -72.. => "good",
            _ => "weak",
        },
        lock,
        possible: seen.lock != Lock::Other,
        open: seen.lock == Lock::Open,
    }
}

/// Asks for what is needed to join one.
pub(crate) fn ask(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let country = match (site.context.networking.look)() {
        Ok(outlook) => outlook.kept.country.map(String::from).unwrap_or_default(),
        Err(_) => return refuse(404, "Not here", "This machine keeps its network itself."),
    };
    let open = visit.query.has("open");
    let chosen = visit.query.get("ssid");
    if !chosen.is_empty() && Ssid::from_hex(chosen).is_err() {
        return refuse(404, "Not found", "There is no such Wi-Fi.");
    }
    join_page(site, visit, chosen, open, [Input::new("name", ""), Input::secret("key"), Input::new("country", country)])
}

/// Tries to join one.
pub(crate) fn join(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let (chosen, open) = (visit.form.get("ssid"), visit.form.has("open"));
    let mut name = Input::typed("name", &visit.form);
    let mut country = Input::typed("country", &visit.form);
    let mut key = Input::secret("key");
    let typed = visit.form.get("key");
    let ssid = match chosen {
        "" => name.parse(|text| Ssid::new(text.as_bytes())),
        hex => name.parse(|_| Ssid::from_hex(hex)),
    };
    // Only a Wi-Fi that is named by hand may turn out to be open.
    let passphrase = match (open, chosen, typed) {
        (true, ..) | (false, "", "") => Some(None),
        _ => Passphrase::parse(typed).map(Some).map_err(|why| key.refuse(why)).ok(),
    };
    let place = country.parse(Country::parse);
    match (ssid, passphrase, place) {
        (Some(ssid), Some(key), Some(country)) => {
            network::attempt(site, visit, &Change::Join { country, wifi: Wifi { ssid, key } })
        }
        _ => join_page(site, visit, chosen, open, [name, key, country]),
    }
}

fn join_page(
    site: &Site,
    visit: &Visit,
    chosen: &str,
    open: bool,
    [name, key, country]: [Input; 3],
) -> Result<Answer, Fault> {
    let chosen = Ssid::from_hex(chosen).ok().map(|ssid| (ssid.to_string(), ssid.to_hex()));
    let frame = site.frame(visit, "Join a Wi-Fi", "/status").checked([&name, &key, &country]);
    let status = frame.status();
    Ok(Answer::page(&JoinPage { frame, chosen, open, name, key, country })?.status(status))
}
