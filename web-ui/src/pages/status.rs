//! How the box is: storage, addresses, names, ports, version.

use super::time::TimeTold;
use super::{Frame, hardware, size};
use crate::answer::{Answer, Fault};
use crate::host;
use crate::site::{Site, Visit};
use askama::Template;

#[derive(Template)]
#[template(path = "status.html")]
struct Page<'a> {
    frame: Frame,
    trouble: Option<String>,
    /// What of the hardware needs the owner's attention, and all that it tells.
    worries: Vec<String>,
    hardware: Vec<(&'static str, String)>,
    used: String,
    free: String,
    total: String,
    /// How full the storage is.
    percent: u64,
    host: String,
    addresses: Vec<String>,
    pages: Vec<String>,
    domain: String,
    ports: Vec<(&'static str, u16)>,
    /// The time, where the box has to ask for it.
    time: Option<TimeTold>,
    fingerprint: &'a str,
    /// The box can be updated.
    updates: bool,
    /// Its network can be changed.
    networking: bool,
    /// It can be switched off from here.
    power: bool,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let (network, storage) = (site.context.board.network(), site.context.board.storage());
    let hardware = site.context.board.hardware();
    let used = storage.total.saturating_sub(storage.free);
    let ports = site.context.ports;
    Answer::page(&Page {
        frame: site.frame(visit, "Status", "/status"),
        trouble: (site.context.health)().err(),
        worries: hardware::worries(&hardware),
        hardware: hardware::told(&hardware),
        used: size(used),
        free: size(storage.free),
        total: size(storage.total),
        percent: (u128::from(used) * 100)
            .checked_div(storage.total.into())
            .and_then(|p| p.try_into().ok())
            .unwrap_or(0),
        host: network.host.to_string(),
        addresses: network.addresses.iter().filter(|a| !a.is_loopback()).map(|a| a.to_string()).collect(),
        pages: host::reachable(&site.context).iter().map(|name| host::address(name, ports.https)).collect(),
        domain: site.context.settings.get().domain.as_ref().map(|d| d.to_string()).unwrap_or_default(),
        ports: vec![
            ("IMAP with SSL/TLS", ports.imaps),
            ("IMAP with STARTTLS", ports.imap),
            ("POP3 with SSL/TLS", ports.pop3s),
            ("Sending (SMTP) with SSL/TLS", ports.submissions),
            ("Sending (SMTP) with STARTTLS", ports.submission),
        ],
        time: TimeTold::of(site),
        fingerprint: &site.fingerprint,
        updates: (site.context.updates.possible)(),
        networking: (site.context.networking.look)().is_ok(),
        power: (site.context.power.possible)(),
    })
}
