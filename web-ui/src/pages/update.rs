//! A new version for the box: the owner sends a signed bundle, the box installs it and restarts.

use super::{Frame, refuse};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::site::{Site, Visit};
use crate::upload::Upload;
use askama::Template;
use embedded_svc::io::Read;

#[derive(Template)]
#[template(path = "update.html")]
struct Page {
    frame: Frame,
    possible: bool,
    /// What was installed.
    installed: Option<String>,
    bundle: Input,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    page(site, visit, Input::new("bundle", ""), None)
}

/// The form is never held in memory: its token is checked before the file behind it is looked at.
pub(crate) fn take<R: Read>(site: &Site, visit: &Visit, kind: &str, body: R) -> Result<Answer, Fault> {
    let Some(mut upload) = Upload::new(kind, body) else {
        return refuse(415, "Not a form", "This page takes its own form and nothing else.");
    };
    let broken = "The file did not arrive whole. Please try again.";
    let token = match upload.next_part() {
        Ok(Some(name)) if name == "token" => upload.text().unwrap_or_default(),
        _ => String::new(),
    };
    if !site.sessions.is_form_token(&visit.ticket, &token) {
        return site.out_of_date();
    }
    let input = Input::new("bundle", "");
    match upload.next_part() {
        Ok(Some(name)) if name == "bundle" => {}
        _ => return page(site, visit, input.refused(broken), None),
    }
    tracing::info!(client = %visit.client, "an update is being sent");
    match (site.context.updates.install)(&mut upload) {
        Ok(said) => page(site, visit, input, Some(said)),
        Err(why) => {
            tracing::warn!(client = %visit.client, "the update was refused: {why}");
            page(site, visit, input.refused(format!("Not installed: {why}.")), None)
        }
    }
}

fn page(site: &Site, visit: &Visit, bundle: Input, installed: Option<String>) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Update", "/status").checked([&bundle]);
    let status = frame.status();
    let possible = (site.context.updates.possible)();
    Ok(Answer::page(&Page { frame, possible, installed, bundle })?.status(status))
}
