//! The only page of a box that cannot open its data: what is wrong, and for who has the setup code what can be done about it.

use super::{Frame, claim, refuse};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::session::Role;
use crate::site::{Site, Visit};
use crate::{Mend, Trouble};
use askama::Template;

/// What has to be typed before everything is erased.
const CONFIRMATION: &str = "ERASE";

#[derive(Template)]
#[template(path = "trouble.html")]
struct Page<'a> {
    frame: Frame,
    trouble: &'a Trouble,
    /// The visitor has the setup code.
    may: bool,
    code: Input,
    confirmation: Input,
}

#[derive(Template)]
#[template(path = "mending.html")]
struct Mending {
    frame: Frame,
    mend: Mend,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    page(site, visit, Input::new("code", ""), Input::new("confirmation", ""))
}

pub(crate) fn enter(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    claim::prove(site, visit, "/", |code| page(site, visit, code, Input::new("confirmation", "")))
}

pub(crate) fn download(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let Some(trouble) = &site.context.trouble else { return Ok(Answer::see_other("/")) };
    let Some(download) = trouble.downloads.iter().find(|download| download.name == visit.query.get("file")) else {
        return refuse(404, "Not found", "There is no such file on this box.");
    };
    tracing::warn!(client = %visit.client, "{} is downloaded", download.name);
    match (download.open)() {
        Ok(stream) => Ok(Answer::file(download.name, stream)),
        Err(why) => refuse(503, "Nothing to download", &format!("This cannot be read: {why}.")),
    }
}

pub(crate) fn repair(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    mend(site, visit, Mend::Repair)
}

pub(crate) fn start_afresh(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let typed = Input::typed("confirmation", &visit.form);
    if !typed.value.trim().eq_ignore_ascii_case(CONFIRMATION) {
        let refused = typed.refused("Nothing was erased. Please type the word ERASE if you mean it.");
        return page(site, visit, Input::new("code", ""), refused);
    }
    mend(site, visit, Mend::Afresh)
}

fn mend(site: &Site, visit: &Visit, mend: Mend) -> Result<Answer, Fault> {
    let way = site.context.trouble.as_ref().and_then(|trouble| trouble.mend.as_ref());
    let Some(way) = way else { return Ok(Answer::see_other("/")) };
    tracing::warn!(client = %visit.client, "asked for: {mend:?}");
    match way(mend) {
        Ok(()) => Answer::page(&Mending { frame: site.frame(visit, "The box restarts", ""), mend }),
        Err(why) => refuse(503, "Not possible", &format!("Nothing was changed: {why}.")),
    }
}

fn page(site: &Site, visit: &Visit, code: Input, confirmation: Input) -> Result<Answer, Fault> {
    let Some(trouble) = &site.context.trouble else { return Ok(Answer::see_other("/")) };
    let frame = site.frame(visit, "This box cannot open its mail", "").checked([&code, &confirmation]);
    let status = frame.status();
    let may = visit.role == Some(Role::Claiming);
    Ok(Answer::page(&Page { frame, trouble, may, code, confirmation })?.status(status))
}
