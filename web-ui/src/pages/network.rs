//! The network: what there is, the cable and the box's name, and whether a change that is being tried shall be kept.
//!
//! A change may cut its owner off. So it is only tried, and taken back by the keeper unless the owner comes through the changed
//! network and says that it shall be kept. The page is there at the new address as it was at the old one.

use super::{Frame, refuse};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::host;
use crate::site::{Site, Visit};
use askama::Template;
use board::network::{Interface, Kind, Outlook, Radio, Trial};
use settings::network::{self, Cable, Change, Fixed, FixedError, FixedParts, Label, Ssid};

#[derive(Template)]
#[template(path = "network.html")]
struct Page {
    frame: Frame,
    interfaces: Vec<Card>,
    state: State,
    /// The last change was not confirmed, and the Wi-Fi that did not let the box in then.
    went_back: bool,
    refused: Option<String>,
    /// The Wi-Fi of this box: how it is, and whether it knows one.
    radio: Option<String>,
    knows_wifi: bool,
    form: Form,
}

/// What the page is about.
enum State {
    /// The network is not ours to change.
    Fixed,
    Ready,
    /// A change is on its way; where the box will be then, as far as that can be known.
    Changing(Vec<String>),
    /// It waits to be kept, so many minutes.
    Waiting(u64),
}

/// An interface in words.
struct Card {
    name: &'static str,
    kernel: String,
    link: &'static str,
    mac: String,
    addresses: Vec<String>,
}

/// The form of the cable and the name.
struct Form {
    host: Input,
    fixed: bool,
    address: Input,
    gateway: Input,
    names: Input,
}

impl Form {
    fn of(kept: &network::Network, present: &str) -> Form {
        let host = kept.host.as_ref().map_or(present, Label::as_str);
        let mut form = Form {
            host: Input::new("host", host),
            fixed: false,
            address: Input::new("address", ""),
            gateway: Input::new("gateway", ""),
            names: Input::new("names", ""),
        };
        if let Cable::Fixed(fixed) = &kept.cable {
            let parts = FixedParts::from(fixed.clone());
            form.fixed = true;
            form.address.value = format!("{}/{}", parts.address, parts.prefix);
            form.gateway.value = parts.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
            form.names.value = parts.name_servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        }
        form
    }

    fn typed(visit: &Visit) -> Form {
        let typed = |id: &str| Input::typed(id, &visit.form);
        let fixed = visit.form.get("cable") == "fixed";
        Form { host: typed("host"), fixed, address: typed("address"), gateway: typed("gateway"), names: typed("names") }
    }

    fn parse(&mut self) -> Option<Change> {
        let host = self.host.parse(Label::parse);
        let cable = if self.fixed { self.parse_fixed().map(Cable::Fixed) } else { Some(Cable::Automatic) };
        Some(Change::Cable { host: Some(host?), cable: cable? })
    }

    fn parse_fixed(&mut self) -> Option<Fixed> {
        let address = self.address.parse(network::address_with_prefix);
        let gateway = match self.gateway.value.trim() {
            "" => Some(None),
            _ => self.gateway.parse(|text| {
                text.trim().parse().map(Some).map_err(|_| "Please enter an address such as 192.168.1.1.")
            }),
        };
        let names = self.names.parse(network::addresses);
        let ((address, prefix), gateway, name_servers) = (address?, gateway?, names?);
        let fixed = Fixed::try_from(FixedParts { address, prefix, gateway, name_servers });
        fixed
            .map_err(|error| match error {
                FixedError::Address(why) => self.address.refuse(why),
                FixedError::Gateway(why) => self.gateway.refuse(why),
                FixedError::NameServers(why) => self.names.refuse(why),
            })
            .ok()
    }

    fn inputs(&self) -> [&Input; 4] {
        [&self.host, &self.address, &self.gateway, &self.names]
    }
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    page(site, visit, None)
}

/// Tries another name or another way for the cable to get its address.
pub(crate) fn change_cable(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let mut form = Form::typed(visit);
    let Some(change) = form.parse() else { return page(site, visit, Some(form)) };
    attempt(site, visit, &change)
}

/// Tries to be without Wi-Fi.
pub(crate) fn forget_wifi(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    attempt(site, visit, &Change::Forget)
}

/// Has a change tried; what is wrong with that is said on the page of the network.
pub(super) fn attempt(site: &Site, visit: &Visit, change: &Change) -> Result<Answer, Fault> {
    match (site.context.networking.attempt)(change) {
        Ok(()) => tracing::info!(client = %visit.client, "a change of the network is being tried"),
        Err(why) => site.sessions.notify(&visit.ticket, format!("Nothing was changed: {why}.")),
    }
    Ok(Answer::see_other("/network"))
}

pub(crate) fn confirm(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let said = match (site.context.networking.confirm)() {
        Ok(()) => {
            tracing::info!(client = %visit.client, "the change of the network is kept");
            "The network stays as it is now.".to_owned()
        }
        Err(why) => format!("Not kept: {why}."),
    };
    site.sessions.notify(&visit.ticket, said);
    Ok(Answer::see_other("/network"))
}

pub(crate) fn go_back(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let said = match (site.context.networking.go_back)() {
        Ok(()) => {
            tracing::info!(client = %visit.client, "the change of the network is taken back");
            "The box goes back to what worked before. If this page does not answer, open it at the old address."
                .to_owned()
        }
        Err(why) => format!("Not taken back: {why}."),
    };
    site.sessions.notify(&visit.ticket, said);
    Ok(Answer::see_other("/network"))
}

/// Whether a change waits to be kept: then that comes before everything else.
pub(super) fn is_waiting(site: &Site) -> bool {
    (site.context.networking.look)().is_ok_and(|outlook| outlook.trial.is_some())
}

fn page(site: &Site, visit: &Visit, typed: Option<Form>) -> Result<Answer, Fault> {
    let outlook = (site.context.networking.look)();
    if outlook.is_err() && typed.is_some() {
        return refuse(404, "Not here", "This machine keeps its network itself.");
    }
    let outlook = outlook.ok();
    let host = site.context.board.network().host;
    let kept = outlook.as_ref().map(|outlook| outlook.kept.clone()).unwrap_or_default();
    let form = typed.unwrap_or_else(|| Form::of(&kept, &host));
    let interfaces = site.context.board.interfaces();
    let frame = site.frame(visit, "Network", "/status").checked(form.inputs());
    let status = frame.status();
    let page = Page {
        frame,
        interfaces: interfaces.iter().map(card).collect(),
        state: state(site, outlook.as_ref()),
        went_back: outlook.as_ref().is_some_and(|outlook| outlook.went_back),
        refused: outlook.as_ref().and_then(|outlook| outlook.refused.as_ref()).map(Ssid::to_string),
        radio: outlook.as_ref().and_then(|outlook| radio(outlook, &interfaces)),
        knows_wifi: kept.wifi.is_some(),
        form,
    };
    Ok(Answer::page(&page)?.status(status))
}

fn state(site: &Site, outlook: Option<&Outlook>) -> State {
    match outlook.map(|outlook| &outlook.trial) {
        None => State::Fixed,
        Some(None) => State::Ready,
        Some(Some(Trial { seconds: Some(seconds), .. })) => State::Waiting(seconds.div_ceil(60)),
        Some(Some(Trial { network, seconds: None })) => {
            let port = site.context.ports.https;
            let fixed = match &network.cable {
                Cable::Fixed(fixed) => Some(FixedParts::from(fixed.clone()).address.to_string()),
                Cable::Automatic => None,
            };
            State::Changing(fixed.iter().map(|name| format!("{}network", host::address(name, port))).collect())
        }
    }
}

fn card(interface: &Interface) -> Card {
    let (name, link) = match (interface.kind, interface.link) {
        (Kind::Cable, true) => ("Cable", "connected"),
        (Kind::Cable, false) => ("Cable", "not plugged in"),
        (Kind::Radio, true) => ("Wi-Fi", "joined"),
        (Kind::Radio, false) => ("Wi-Fi", "not joined"),
    };
    Card {
        name,
        kernel: interface.name.to_string(),
        link,
        mac: interface.mac.to_string(),
        addresses: interface.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect(),
    }
}

/// How the Wi-Fi is, if this box has one.
fn radio(outlook: &Outlook, interfaces: &[Interface]) -> Option<String> {
    let there = interfaces.iter().any(|interface| interface.kind == Kind::Radio);
    let now = outlook.trial.as_ref().map_or(&outlook.kept, |trial| &trial.network);
    let known = now.wifi.as_ref().map(|wifi| wifi.ssid.to_string());
    Some(match (&outlook.radio, known) {
        (Some(Radio { joined: Some(ssid), .. }), _) => format!("The box has joined “{ssid}”."),
        (Some(Radio { refused: true, .. }), Some(known)) => {
            let why = if outlook.trial.is_some() { "the password is wrong" } else { "its password was changed" };
            format!("“{known}” does not let the box in. Most likely {why}.")
        }
        (Some(_), Some(known)) => format!("The box is looking for “{known}”."),
        (Some(_), None) => "The box has joined no Wi-Fi.".into(),
        (None, _) if there => "The radio of this box does not answer.".into(),
        (None, _) => return None,
    })
}
