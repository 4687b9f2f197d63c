//! The fourth step: the first accounts, each with an app password for its first device. Also the form for one person, which
//! the page of accounts shows again.

use super::{Frame, refused};
use crate::answer::{Answer, Fault};
use crate::form::{Fields, Input};
use crate::limits;
use crate::session::Fresh;
use crate::site::{Site, Visit};
use askama::Template;
use auth::{Address, Domain};
use settings::{AccountError, Config, Name};

#[derive(Template)]
#[template(path = "setup_people.html")]
struct Page {
    frame: Frame,
    step: usize,
    domain: String,
    people: Vec<Person>,
    /// There may be more.
    more: bool,
}

/// The inputs of one person.
pub(crate) struct Person {
    pub(crate) number: usize,
    pub(crate) name: Input,
    pub(crate) local: Input,
    pub(crate) device: Input,
}

/// One person, parsed.
pub(crate) struct NewPerson {
    name: Name,
    address: Address,
    device: Name,
}

/// What is suggested for the name of a first device.
const FIRST_DEVICE: &str = "Phone";

impl Person {
    /// Empty inputs.
    pub(crate) fn empty(number: usize) -> Person {
        let input = |name: &str, value| Input::new(format!("{name}-{number}"), value);
        Person { number, name: input("name", ""), local: input("local", ""), device: input("device", FIRST_DEVICE) }
    }

    /// What was typed.
    pub(crate) fn typed(number: usize, form: &Fields) -> Person {
        let input = |name: &str| Input::typed(format!("{name}-{number}"), form);
        Person { number, name: input("name"), local: input("local"), device: input("device") }
    }

    pub(crate) fn inputs(&self) -> [&Input; 3] {
        [&self.name, &self.local, &self.device]
    }

    fn is_empty(&self) -> bool {
        self.name.value.trim().is_empty() && self.local.value.trim().is_empty()
    }

    /// Parses all three; errors go beside them.
    pub(crate) fn parse(&mut self, domain: &Domain) -> Option<NewPerson> {
        let name = self.name.parse(Name::parse);
        let address = self.local.parse(|typed| local_part(typed, domain));
        let device = self.device.parse(Name::parse);
        Some(NewPerson { name: name?, address: address?, device: device? })
    }

    /// Puts the reason why a parsed person was refused beside its input.
    pub(crate) fn refuse(&mut self, error: &AccountError) {
        match error {
            AccountError::Name(_) | AccountError::TooMany => self.name.refuse(error),
            AccountError::Taken(_) | AccountError::Unknown(_) => self.local.refuse(error),
            AccountError::DeviceTaken(_) | AccountError::Device(_) => self.device.refuse(error),
        }
    }
}

impl NewPerson {
    /// Makes the account and its first app password.
    pub(crate) fn add(&self, config: &mut Config, now: i64) -> Result<Fresh, AccountError> {
        config.add_account(self.address.clone(), self.name.as_str())?;
        let text = config.add_app_password(&self.address, &self.device, now)?;
        Ok(Fresh { address: self.address.clone(), device: self.device.clone(), text })
    }
}

/// What a person types for the part before the `@`; the whole address is right, too.
fn local_part(typed: &str, domain: &Domain) -> Result<Address, String> {
    let typed = typed.trim();
    let local = match typed.rsplit_once('@') {
        Some((local, behind)) if behind.eq_ignore_ascii_case(domain.as_str()) || behind.is_empty() => local,
        Some(_) => return Err(format!("Only the part before the @ is needed: the address ends in @{domain}.")),
        None => typed,
    };
    if local.is_empty() {
        return Err("Please enter the part before the @.".into());
    }
    if local.chars().any(char::is_whitespace) {
        return Err("An address has no spaces in it. Try a dot instead.".into());
    }
    if local.contains('"') {
        return Err("Please use letters, digits, dots and dashes.".into());
    }
    Address::parse(&format!("{local}@{domain}")).map_err(|e| e.to_string())
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let Some(domain) = &config.domain else { return Ok(Answer::see_other("/setup/domain")) };
    if !config.accounts.is_empty() {
        return Ok(Answer::see_other("/"));
    }
    page(site, visit, domain, vec![Person::empty(1)])
}

pub(crate) fn save(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let Some(domain) = &config.domain else { return Ok(Answer::see_other("/setup/domain")) };
    if !config.accounts.is_empty() {
        return Ok(Answer::see_other("/"));
    }
    let shown = (1..=limits::PEOPLE).take_while(|n| visit.form.has(&format!("name-{n}")));
    let mut people: Vec<_> = shown.map(|n| Person::typed(n, &visit.form)).collect();
    if people.is_empty() {
        people.push(Person::empty(1));
    }
    if visit.form.has("more") {
        if people.len() < limits::PEOPLE {
            people.push(Person::empty(people.len() + 1));
        }
        return page(site, visit, domain, people);
    }
    // The first must be filled in; the others may stay empty.
    let filled: Vec<usize> = (0..people.len()).filter(|&n| n == 0 || !people[n].is_empty()).collect();
    let parsed: Vec<_> = filled.iter().map(|&n| people[n].parse(domain)).collect();
    let Some(parsed) = parsed.into_iter().collect::<Option<Vec<_>>>() else { return page(site, visit, domain, people) };
    let now = site.clock.unix();
    let added = site.context.settings.update(|config| {
        let add = |(&n, person): (&usize, &NewPerson)| person.add(config, now).map_err(|e| (n, e));
        filled.iter().zip(&parsed).map(add).collect::<Result<Vec<_>, _>>()
    });
    match refused(added)? {
        Ok(fresh) => {
            for person in &fresh {
                tracing::info!(account = %person.address, "account added");
            }
            site.sessions.show(&visit.ticket, fresh);
            site.sessions.notify(&visit.ticket, "Your box is set up. Now connect the first device.".into());
            Ok(Answer::see_other("/devices"))
        }
        Err((n, error)) => {
            people[n].refuse(&error);
            page(site, visit, domain, people)
        }
    }
}

fn page(site: &Site, visit: &Visit, domain: &Domain, people: Vec<Person>) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Who gets mail here?", "").checked(people.iter().flat_map(Person::inputs));
    let status = frame.status();
    let more = people.len() < limits::PEOPLE;
    Ok(Answer::page(&Page { frame, step: 4, domain: domain.to_string(), people, more })?.status(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_parts_as_people_type_them() {
        let domain = Domain::parse("home.internal").unwrap();
        for right in ["anna", " Anna ", "anna@", "anna@home.internal", "Anna@HOME.internal", "anna.m-2"] {
            assert!(local_part(right, &domain).unwrap().local().starts_with("anna"), "{right}");
        }
        for wrong in ["", "@", "anna@example.org", "anna b", "\"anna\"", "a..b", "<script>", "anna\u{7}"] {
            assert!(local_part(wrong, &domain).is_err(), "{wrong}");
        }
    }
}
