//! The third step: the household's mail domain.

use super::{Frame, refused};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::site::{Site, Visit};
use askama::Template;
use auth::Domain;

/// Reserved for private networks, so it can never belong to anybody else.
const SUGGESTION: &str = "home.internal";

#[derive(Template)]
#[template(path = "setup_domain.html")]
struct Page {
    frame: Frame,
    step: usize,
    domain: Input,
    suggestion: &'static str,
}

/// Accounts have been made with the domain that was chosen.
struct InUse;

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    if !config.accounts.is_empty() {
        return Ok(Answer::see_other("/"));
    }
    page(site, visit, Input::new("domain", config.domain.as_ref().map_or(SUGGESTION, Domain::as_str)))
}

pub(crate) fn save(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let mut input = Input::typed("domain", &visit.form);
    let Some(domain) = input.parse(parse) else { return page(site, visit, input) };
    let saved = site.context.settings.update(|config| {
        if !config.accounts.is_empty() {
            return Err(InUse);
        }
        config.domain = Some(domain);
        Ok(())
    });
    Ok(match refused(saved)? {
        Ok(()) => Answer::see_other("/setup/people"),
        Err(InUse) => Answer::see_other("/"),
    })
}

/// What a person types for a domain: perhaps with an `@` before it, but never an address of a machine.
fn parse(typed: &str) -> Result<Domain, String> {
    let typed = typed.trim().trim_start_matches('@');
    if typed.is_empty() {
        return Err("Please enter a domain.".into());
    }
    if typed.contains('@') {
        return Err("Only the part behind the @ is the domain.".into());
    }
    if typed.contains(char::is_whitespace) {
        return Err("A domain has no spaces in it. Try a dash instead.".into());
    }
    let domain = Domain::parse(typed).map_err(|e| e.to_string())?;
    if domain.as_str().starts_with('[') || !domain.as_str().contains('.') {
        return Err("A mail domain has a dot in it, like home.internal or example.org.".into());
    }
    Ok(domain)
}

fn page(site: &Site, visit: &Visit, domain: Input) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Your mail domain", "").checked([&domain]);
    let status = frame.status();
    Ok(Answer::page(&Page { frame, step: 3, domain, suggestion: SUGGESTION })?.status(status))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn domains_as_people_type_them() {
        for right in ["home.internal", " @Home.Internal ", "example.org", "müller.example"] {
            assert!(parse(right).is_ok(), "{right}");
        }
        assert!(parse("our home").is_err_and(|why| why.contains("no spaces")));
        for wrong in ["", "@", "anna@home.internal", "home", "[192.0.2.1]", "a..b", "-a.b", "a b.c", "<x>.y"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
