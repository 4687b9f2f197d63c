//! Where a box without a clock asks for the time, and what it was told.

use super::{Frame, moment, refuse, refused};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::site::{Site, Visit};
use askama::Template;
use settings::{Host, HostError};
use std::convert::Infallible;

#[derive(Template)]
#[template(path = "time.html")]
struct Page {
    frame: Frame,
    server: Input,
}

/// What the status page says of the time.
pub(crate) struct TimeTold {
    pub(crate) now: String,
    /// Who told it, and when.
    pub(crate) told: String,
    pub(crate) trouble: Option<String>,
}

impl TimeTold {
    /// Nothing on a machine that keeps its time itself.
    pub(crate) fn of(site: &Site) -> Option<TimeTold> {
        let known = (site.context.time.known)()?;
        Some(TimeTold {
            now: moment(site.clock.unix()),
            told: match known.last {
                Some((server, when)) => format!("{server}, {}", moment(when)),
                None => "nobody yet".into(),
            },
            trouble: known.trouble.map(|why| format!("The time was not told when it was last asked for: {why}.")),
        })
    }
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let chosen = site.context.settings.get().time_server.as_ref().map(Host::to_string);
    page(site, visit, Input::new("server", chosen.unwrap_or_default()))
}

pub(crate) fn save(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let mut input = Input::typed("server", &visit.form);
    if (site.context.time.known)().is_none() {
        return page(site, visit, input);
    }
    let Some(server) = input.parse(parse) else { return page(site, visit, input) };
    let saved = site.context.settings.update(|config| {
        config.time_server = server;
        Ok::<_, Infallible>(())
    });
    let Ok(()) = refused(saved)?;
    tracing::info!(client = %visit.client, "the time server was chosen");
    (site.context.time.ask)();
    Ok(Answer::see_other("/status"))
}

fn parse(typed: &str) -> Result<Option<Host>, HostError> {
    if typed.trim().is_empty() { Ok(None) } else { Host::parse(typed).map(Some) }
}

fn page(site: &Site, visit: &Visit, server: Input) -> Result<Answer, Fault> {
    if (site.context.time.known)().is_none() {
        return refuse(404, "Not here", "This machine keeps its time itself.");
    }
    let frame = site.frame(visit, "Time server", "/status").checked([&server]);
    let status = frame.status();
    Ok(Answer::page(&Page { frame, server })?.status(status))
}
