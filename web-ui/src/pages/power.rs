//! Restarting the box and switching it off, in good order.

use super::{Frame, refuse};
use crate::Ending;
use crate::answer::{Answer, Fault};
use crate::site::{Site, Visit};
use askama::Template;

#[derive(Template)]
#[template(path = "power.html")]
struct Page {
    frame: Frame,
    /// What has been begun.
    ending: Option<Ending>,
}

/// Asks which, and says what it means.
pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    if !(site.context.power.possible)() {
        return refuse(404, "Not here", "This machine is restarted and switched off by other means.");
    }
    Answer::page(&Page { frame: site.frame(visit, "Restart or switch off", "/status"), ending: None })
}

pub(crate) fn restart(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    end(site, visit, Ending::Restart, "The box restarts")
}

pub(crate) fn switch_off(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    end(site, visit, Ending::Off, "The box switches itself off")
}

fn end(site: &Site, visit: &Visit, ending: Ending, title: &'static str) -> Result<Answer, Fault> {
    tracing::warn!(client = %visit.client, "asked for: {ending:?}");
    match (site.context.power.end)(ending) {
        Ok(()) => Answer::page(&Page { frame: site.frame(visit, title, "/status"), ending: Some(ending) }),
        Err(why) => refuse(503, "Not possible", &format!("Nothing was changed: {why}.")),
    }
}
