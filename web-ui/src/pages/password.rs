//! Another password for the owner; every other session ends.

use super::{Frame, claim, refused, too_many};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::session::Role;
use crate::site::{Site, Visit};
use askama::Template;
use std::convert::Infallible;

#[derive(Template)]
#[template(path = "password.html")]
struct Page {
    frame: Frame,
    current: Input,
    password: Input,
    again: Input,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    page(site, visit, Input::secret("current"), Input::secret("password"), Input::secret("again"))
}

pub(crate) fn save(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let Some(owner) = &config.owner else { return Ok(Answer::see_other("/setup")) };
    let (current, password, again) = (Input::secret("current"), Input::secret("password"), Input::secret("again"));
    if let Err(wait) = site.passwords.begin(visit.client, site.clock.now()) {
        let current = current.refused(too_many("owner's password", visit.client, wait));
        return Ok(page(site, visit, current, password, again)?.status(429));
    }
    if !owner.verify(visit.form.get("current")) {
        return page(site, visit, current.refused("This is not your present password."), password, again);
    }
    site.passwords.right(visit.client);
    let hash = match claim::new_password(visit) {
        Ok(hash) => hash,
        Err(inputs) => {
            let [password, again] = *inputs;
            return page(site, visit, current, password, again);
        }
    };
    let saved = site.context.settings.update(|config| {
        config.owner = Some(hash);
        Ok::<_, Infallible>(())
    });
    let Ok(()) = refused(saved)?;
    tracing::info!(client = %visit.client, "the owner's password was changed");
    site.sessions.end_all();
    site.log_in(visit, Role::Owner, Answer::see_other("/"))
}

fn page(site: &Site, visit: &Visit, current: Input, password: Input, again: Input) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Change your password", "/status").checked([&current, &password, &again]);
    let status = frame.status();
    Ok(Answer::page(&Page { frame, current, password, again })?.status(status))
}
