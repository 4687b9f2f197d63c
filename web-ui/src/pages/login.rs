//! Coming back: the owner's password.

use super::{Frame, too_many};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::session::Role;
use crate::site::{Site, Visit};
use askama::Template;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    frame: Frame,
    password: Input,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    match (site.context.settings.get().owner.is_some(), visit.role) {
        (false, _) => Ok(Answer::see_other("/setup")),
        (true, Some(Role::Owner)) => Ok(Answer::see_other("/")),
        (true, _) => page(site, visit, Input::secret("password")),
    }
}

pub(crate) fn check(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let Some(owner) = &config.owner else { return Ok(Answer::see_other("/setup")) };
    let input = Input::secret("password");
    let typed = visit.form.get("password");
    if typed.is_empty() {
        return page(site, visit, input.refused("Please enter your password."));
    }
    if let Err(wait) = site.passwords.begin(visit.client, site.clock.now()) {
        let answer = page(site, visit, input.refused(too_many("owner's password", visit.client, wait)))?.status(429);
        return Ok(answer.header("Retry-After", wait.as_secs().max(1).to_string()));
    }
    if !owner.verify(typed) {
        tracing::warn!(client = %visit.client, "wrong owner's password");
        return page(site, visit, input.refused("This is not your password."));
    }
    site.passwords.right(visit.client);
    tracing::info!(client = %visit.client, "the owner logged in");
    site.log_in(visit, Role::Owner, Answer::see_other("/"))
}

pub(crate) fn leave(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    Ok(site.log_out(visit, Answer::see_other("/login")))
}

fn page(site: &Site, visit: &Visit, password: Input) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Log in", "").checked([&password]);
    let status = frame.status();
    Ok(Answer::page(&Page { frame, password })?.status(status))
}
