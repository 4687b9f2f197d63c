//! The first page: where a visitor belongs, and for the owner how things are.

use super::{Frame, called, hardware, in_link, network, next_step, size};
use crate::answer::{Answer, Fault};
use crate::session::Role;
use crate::site::{Site, Visit};
use askama::Template;
use settings::Config;

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    frame: Frame,
    /// What needs the owner's attention.
    worries: Vec<String>,
    free: String,
    people: Vec<Person>,
}

struct Person {
    name: String,
    address: String,
    /// The address inside a link.
    link: String,
    devices: usize,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    match (config.owner.is_some(), visit.role) {
        (false, _) => Ok(Answer::see_other("/setup")),
        (true, Some(Role::Owner)) => match next_step(&config) {
            Some(step) => Ok(Answer::see_other(step)),
            // Else the box goes back.
            None if network::is_waiting(site) => Ok(Answer::see_other("/network")),
            None => page(site, visit, &config),
        },
        (true, _) => Ok(Answer::see_other("/login")),
    }
}

fn page(site: &Site, visit: &Visit, config: &Config) -> Result<Answer, Fault> {
    let storage = site.context.board.storage();
    let mut worries = Vec::new();
    if let Err(reason) = (site.context.health)() {
        worries.push(format!("Something is not right: {reason}"));
    }
    if storage.total > 0 && storage.free < storage.total / 10 {
        worries.push(format!("The storage is nearly full: {} are left.", size(storage.free)));
    }
    worries.extend(hardware::worries(&site.context.board.hardware()));
    let people = config.accounts.iter().map(|account| Person {
        name: called(account),
        address: account.address.to_string(),
        link: in_link(&account.address.to_string()),
        devices: account.app_passwords.len(),
    });
    let frame = site.frame(visit, "Home", "/");
    Answer::page(&Page { frame, worries, free: size(storage.free), people: people.collect() })
}
