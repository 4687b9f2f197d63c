//! The accounts: who gets mail here, with which devices.

use super::people::Person;
use super::{Frame, called, day, devices, in_link, refuse, refused};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::session::Fresh;
use crate::site::{Site, Visit};
use askama::Template;
use auth::{Account, Address};
use settings::{AccountError, Name};

#[derive(Template)]
#[template(path = "accounts.html")]
struct Page {
    frame: Frame,
    accounts: Vec<Card>,
    domain: String,
    new: Person,
}

/// One account as it is shown.
struct Card {
    name: String,
    address: String,
    link: String,
    devices: Vec<DeviceRow>,
}

struct DeviceRow {
    name: String,
    since: String,
}

#[derive(Template)]
#[template(path = "account_remove.html")]
struct RemovePage {
    frame: Frame,
    name: String,
    address: String,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    page(site, visit, Person::empty(1))
}

/// Adds a person with a first device and shows what to enter there.
pub(crate) fn add(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let Some(domain) = &config.domain else { return Ok(Answer::see_other("/setup/domain")) };
    let mut person = Person::typed(1, &visit.form);
    let Some(new) = person.parse(domain) else { return page(site, visit, person) };
    let now = site.clock.unix();
    match refused(site.context.settings.update(|config| new.add(config, now)))? {
        Ok(fresh) => {
            tracing::info!(account = %fresh.address, "account added");
            Ok(show_fresh(site, visit, fresh))
        }
        Err(error) => {
            person.refuse(&error);
            page(site, visit, person)
        }
    }
}

/// Makes an app password for another device of an account and shows what to enter there.
pub(crate) fn add_device(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let address = Address::parse(visit.form.get("account")).ok();
    let Some(account) = address.and_then(|address| config.account(&address)) else { return no_account() };
    let mut input = Input::typed("device", &visit.form);
    let Some(device) = input.parse(Name::parse) else {
        return devices::page(site, visit, &config.accounts, account, Some(input));
    };
    let (now, address) = (site.clock.unix(), &account.address);
    match refused(site.context.settings.update(|config| config.add_app_password(address, &device, now)))? {
        Ok(text) => {
            tracing::info!(account = %address, "device added");
            Ok(show_fresh(site, visit, Fresh { address: address.clone(), device, text }))
        }
        Err(AccountError::Unknown(_)) => no_account(),
        Err(error) => devices::page(site, visit, &config.accounts, account, Some(input.refused(error))),
    }
}

fn show_fresh(site: &Site, visit: &Visit, fresh: Fresh) -> Answer {
    let link = devices::link(&fresh.address, visit);
    site.sessions.show(&visit.ticket, [fresh]);
    Answer::see_other(link)
}

/// Takes a device's password away.
pub(crate) fn remove_device(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let Ok(address) = Address::parse(visit.form.get("account")) else { return no_account() };
    let device = visit.form.get("device");
    let removed = site.context.settings.update(|config| match config.remove_app_password(&address, device) {
        true => Ok(()),
        false => Err(()),
    });
    if refused(removed)?.is_ok() {
        tracing::info!(account = %address, "device removed");
        site.sessions.put_away(&visit.ticket, &address, Some(device));
        site.sessions.notify(&visit.ticket, format!("“{device}” can no longer get the mail of {address}."));
    }
    Ok(Answer::see_other("/accounts"))
}

/// Asks before an account is removed.
pub(crate) fn ask(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let address = Address::parse(visit.query.get("account")).ok();
    let Some(account) = address.and_then(|address| config.account(&address)) else { return no_account() };
    let frame = site.frame(visit, "Remove an account", "/accounts");
    Answer::page(&RemovePage { frame, name: called(account), address: account.address.to_string() })
}

/// Removes an account.
pub(crate) fn remove(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let Ok(address) = Address::parse(visit.form.get("account")) else { return no_account() };
    let removed = site.context.settings.update(|config| config.remove_account(&address).ok_or(()));
    if refused(removed)?.is_ok() {
        tracing::info!(account = %address, "account removed");
        site.sessions.put_away(&visit.ticket, &address, None);
        site.sessions.notify(&visit.ticket, format!("The account {address} was removed."));
    }
    Ok(Answer::see_other("/accounts"))
}

fn no_account() -> Result<Answer, Fault> {
    refuse(404, "Not found", "There is no such account. It may have been removed.")
}

fn page(site: &Site, visit: &Visit, new: Person) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let card = |account: &Account| Card {
        name: called(account),
        address: account.address.to_string(),
        link: in_link(&account.address.to_string()),
        devices: account
            .app_passwords
            .iter()
            .map(|p| DeviceRow { name: p.name.to_string(), since: day(p.created) })
            .collect(),
    };
    let frame = site.frame(visit, "Accounts", "/accounts").checked(new.inputs());
    let status = frame.status();
    let domain = config.domain.as_ref().map(|d| d.to_string()).unwrap_or_default();
    Ok(Answer::page(&Page { frame, accounts: config.accounts.iter().map(card).collect(), domain, new })?.status(status))
}
