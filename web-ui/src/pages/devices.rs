//! What to enter on each device, for each account, with the app passwords that were just made.

use super::entries::{self, Entry, Group, Values};
use super::{Frame, called, in_link, refuse};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::host;
use crate::session::Fresh;
use crate::site::{Site, Visit};
use askama::Template;
use auth::{Account, Address};

/// The kinds of devices and programs that have instructions of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    Thunderbird,
    Iphone,
    Mac,
    Android,
    Outlook,
    Other,
}

pub(crate) const DEVICES: [Device; 6] =
    [Device::Thunderbird, Device::Iphone, Device::Mac, Device::Android, Device::Outlook, Device::Other];

impl Device {
    /// Its name in links.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Device::Thunderbird => "thunderbird",
            Device::Iphone => "iphone",
            Device::Mac => "mac",
            Device::Android => "android",
            Device::Outlook => "outlook",
            Device::Other => "other",
        }
    }

    /// Its name for people.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Device::Thunderbird => "Thunderbird",
            Device::Iphone => "iPhone, iPad",
            Device::Mac => "Mac",
            Device::Android => "Android",
            Device::Outlook => "Outlook",
            Device::Other => "Other",
        }
    }

    /// It asks for ports on a later page only, after having tried the usual ones.
    pub(crate) fn hides_ports(&self) -> bool {
        matches!(self, Device::Iphone | Device::Mac)
    }

    /// It may run on the very machine that runs Roost.
    fn is_here(&self) -> bool {
        matches!(self, Device::Thunderbird | Device::Other)
    }

    /// The one asked for, else the one that seems to ask.
    pub(crate) fn of(visit: &Visit) -> Device {
        let asked = Device::named(visit.query.get("for")).or_else(|| Device::named(visit.form.get("for")));
        asked.unwrap_or_else(|| Device::guess(&visit.agent))
    }

    fn named(key: &str) -> Option<Device> {
        DEVICES.into_iter().find(|device| device.key() == key)
    }

    fn guess(agent: &str) -> Device {
        let says = |word| agent.contains(word);
        match () {
            () if says("iPhone") || says("iPad") => Device::Iphone,
            () if says("Android") => Device::Android,
            () if says("Macintosh") => Device::Mac,
            () => Device::Thunderbird,
        }
    }
}

#[derive(Template)]
#[template(path = "devices.html")]
struct Page<'a> {
    frame: Frame,
    device: Device,
    devices: [Device; 6],
    people: Vec<Person>,
    /// Whose settings are shown.
    name: String,
    address: String,
    link: String,
    /// The app passwords of this account that were just made.
    fresh: Vec<Fresh>,
    new_device: Input,
    groups: Vec<Group>,
    other_servers: Vec<String>,
    /// No other device can reach this box.
    only_here: bool,
    /// The ports are those that every program tries by itself.
    usual_ports: bool,
    imap: u16,
    smtp: u16,
    fingerprint: &'a str,
}

struct Person {
    name: String,
    link: String,
    current: bool,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let asked = Address::parse(visit.query.get("account")).ok();
    let account = match &asked {
        Some(address) => config.account(address),
        None => config.accounts.first(),
    };
    match account {
        Some(account) => page(site, visit, &config.accounts, account, None),
        None if config.accounts.is_empty() => Ok(Answer::see_other("/")),
        None => refuse(404, "Not found", "There is no such account."),
    }
}

/// The page of one account; `refused`: the form for another device with its error.
pub(super) fn page(
    site: &Site,
    visit: &Visit,
    accounts: &[Account],
    account: &Account,
    refused: Option<Input>,
) -> Result<Answer, Fault> {
    let device = Device::of(visit);
    let server = host::server(&visit.host, device.is_here(), &site.context);
    let reachable = host::reachable(&site.context);
    let fresh = site.sessions.fresh(&visit.ticket).into_iter().filter(|fresh| fresh.address == account.address);
    let fresh: Vec<_> = fresh.collect();
    let (address, ports) = (account.address.to_string(), site.context.ports);
    let values = Values {
        name: &account.name,
        address: &address,
        password: fresh.last().map(|fresh| fresh.text.as_str()),
        server: &server,
        imap: ports.imaps,
        smtp: ports.submissions,
    };
    let person = |one: &Account| Person {
        name: called(one),
        link: in_link(&one.address.to_string()),
        current: one.id == account.id,
    };
    let new_device = refused.unwrap_or_else(|| Input::new("device", ""));
    let frame = site.frame(visit, "Connect a device", "/devices").checked([&new_device]);
    let status = frame.status();
    let page = Page {
        frame,
        device,
        devices: DEVICES,
        people: accounts.iter().map(person).collect(),
        name: called(account),
        groups: entries::groups(device, &values),
        link: in_link(&address),
        address,
        fresh,
        new_device,
        only_here: reachable.is_empty(),
        other_servers: reachable.into_iter().filter(|name| *name != server).collect(),
        usual_ports: (ports.imaps, ports.submissions) == (993, 465),
        imap: ports.imaps,
        smtp: ports.submissions,
        fingerprint: &site.fingerprint,
    };
    Ok(Answer::page(&page)?.status(status))
}

/// Where the page of an account is, for the same kind of device as before.
pub(super) fn link(address: &Address, visit: &Visit) -> String {
    let kind = Device::named(visit.form.get("for")).map(|device| format!("&for={}", device.key())).unwrap_or_default();
    format!("/devices?account={}{kind}", in_link(&address.to_string()))
}

/// The new app passwords of an account have been entered: they are forgotten. Leads to the next person who has one to enter.
pub(crate) fn put_away(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let Ok(address) = Address::parse(visit.form.get("account")) else {
        return refuse(404, "Not found", "There is no such account.");
    };
    site.sessions.put_away(&visit.ticket, &address, None);
    let config = site.context.settings.get();
    let next = site.sessions.fresh(&visit.ticket).into_iter().find_map(|fresh| config.account(&fresh.address).cloned());
    let (notice, to) = match next {
        Some(next) => (format!("Done. Next, a device of {}.", called(&next)), link(&next.address, visit)),
        None => ("Done. The password is no longer shown anywhere.".to_owned(), "/".to_owned()),
    };
    site.sessions.notify(&visit.ticket, notice);
    Ok(Answer::see_other(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_is_guessed_from_the_browser() {
        for (agent, device) in [
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", Device::Iphone),
            ("Mozilla/5.0 (Linux; Android 15; Pixel 8)", Device::Android),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", Device::Mac),
            ("Mozilla/5.0 (X11; Linux x86_64)", Device::Thunderbird),
            ("", Device::Thunderbird),
        ] {
            assert_eq!(Device::guess(agent), device, "{agent}");
        }
    }
}
