//! A new version for the box: the owner sends a signed bundle, or the address of one; the box installs it and restarts.

use super::{Frame, assets, refuse, size};
use crate::Fetching;
use crate::answer::{Answer, FRAMED, FRAMES, Fault};
use crate::form::Input;
use crate::site::{Site, Visit};
use crate::upload::Upload;
use askama::Template;
use embedded_svc::io::Read;

#[derive(Template)]
#[template(path = "update.html")]
struct Page {
    frame: Frame,
    state: State,
    bundle: Input,
    address: Input,
}

/// What the page is about.
enum State {
    Impossible,
    Ready,
    /// One is being fetched.
    Running,
    Installed(String),
}

/// How far one has come, as a document of its own inside the page: it asks for itself again and again, and the page with its button
/// stays as it is.
#[derive(Template)]
#[template(path = "update_progress.html")]
struct Progress {
    style: &'static str,
    text: String,
    percent: Option<u64>,
    over: bool,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let address = match (site.context.updates.fetching)() {
        Fetching::Failed { address, why } => Input::new("address", address).refused(format!("Not installed: {why}.")),
        _ => Input::new("address", ""),
    };
    // Nothing is wrong with this request.
    Ok(page(site, visit, Input::new("bundle", ""), address, None)?.status(200))
}

pub(crate) fn progress(site: &Site, _: &Visit) -> Result<Answer, Fault> {
    let (text, percent, over) = match (site.context.updates.fetching)() {
        Fetching::Running { got, total: Some(total) } => {
            let percent = (u128::from(got) * 100).checked_div(total.into()).and_then(|n| n.try_into().ok());
            let text = if got < total { "have come" } else { "have come and are being checked" };
            (format!("{} of {} {text}.", size(got), size(total)), percent, false)
        }
        Fetching::Running { got: 0, total: None } => ("The server is being asked.".to_owned(), None, false),
        Fetching::Running { got, total: None } => (format!("{} have come.", size(got)), None, false),
        Fetching::Installed(said) => (format!("Done: {said}."), None, true),
        Fetching::Failed { why, .. } => (format!("Not installed: {why}."), None, true),
        Fetching::Nothing => ("Nothing is being fetched.".to_owned(), None, true),
    };
    let answer = Answer::page(&Progress { style: assets::STYLE, text, percent, over })?.policy(FRAMED);
    Ok(if over { answer } else { answer.header("Refresh", "2") })
}

/// Begins to fetch.
pub(crate) fn fetch(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let mut address = Input::typed("address", &visit.form);
    if (site.context.updates.possible)() && address.parse(|typed| (site.context.updates.fetch)(typed)).is_some() {
        tracing::info!(client = %visit.client, "an update is to be fetched");
        return Ok(Answer::see_other("/update"));
    }
    page(site, visit, Input::new("bundle", ""), address, None)
}

pub(crate) fn cancel(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    tracing::info!(client = %visit.client, "the update is to be cancelled");
    (site.context.updates.cancel)();
    if (site.context.updates.fetching)() == Fetching::Nothing {
        site.sessions.notify(&visit.ticket, "The update was cancelled. Nothing was changed.".into());
    }
    Ok(Answer::see_other("/update"))
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
    let (input, address) = (Input::new("bundle", ""), Input::new("address", ""));
    match upload.next_part() {
        Ok(Some(name)) if name == "bundle" => {}
        _ => return page(site, visit, input.refused(broken), address, None),
    }
    tracing::info!(client = %visit.client, "an update is being sent");
    match (site.context.updates.install)(&mut upload) {
        Ok(said) => page(site, visit, input, address, Some(said)),
        Err(why) => {
            tracing::warn!(client = %visit.client, "the update was refused: {why}");
            page(site, visit, input.refused(format!("Not installed: {why}.")), address, None)
        }
    }
}

fn page(site: &Site, visit: &Visit, bundle: Input, address: Input, installed: Option<String>) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Update", "/status").checked([&address, &bundle]);
    let status = frame.status();
    let state = match ((site.context.updates.fetching)(), installed) {
        (_, Some(said)) | (Fetching::Installed(said), None) => State::Installed(said),
        (Fetching::Running { .. }, None) => State::Running,
        _ if (site.context.updates.possible)() => State::Ready,
        _ => State::Impossible,
    };
    Ok(Answer::page(&Page { frame, state, bundle, address })?.policy(FRAMES).status(status))
}
