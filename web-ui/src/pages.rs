//! The pages: one file each, a template's values and what its forms do.

pub(crate) mod accounts;
pub(crate) mod assets;
pub(crate) mod autoconfig;
pub(crate) mod claim;
pub(crate) mod devices;
pub(crate) mod domain;
pub(crate) mod entries;
pub(crate) mod hardware;
pub(crate) mod home;
pub(crate) mod login;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod password;
pub(crate) mod people;
pub(crate) mod power;
pub(crate) mod status;
pub(crate) mod time;
pub(crate) mod trouble;
pub(crate) mod trust;
pub(crate) mod update;
pub(crate) mod wifi;

use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::session::Role;
use crate::site::{Site, Visit};
use crate::tries::Client;
use askama::Template;
use auth::Account;
use settings::{Config, UpdateError};
use std::time::Duration;

/// What every page has around it.
#[derive(Default)]
pub(crate) struct Frame {
    /// The page's title.
    pub(crate) title: &'static str,
    /// The token of its forms.
    pub(crate) token: String,
    /// The owner's navigation is shown.
    pub(crate) nav: bool,
    /// The path of this page's entry in it.
    pub(crate) here: &'static str,
    /// What the last form did.
    pub(crate) notice: Option<String>,
    /// The inputs with errors, for the summary above the form.
    pub(crate) errors: Vec<Input>,
}

impl Site {
    /// The frame of a page for this visit.
    pub(crate) fn frame(&self, visit: &Visit, title: &'static str, here: &'static str) -> Frame {
        Frame {
            title,
            token: self.sessions.form_token(&visit.ticket),
            nav: visit.role == Some(Role::Owner) && next_step(&self.context.settings.get()).is_none(),
            here,
            notice: self.sessions.notice(&visit.ticket),
            errors: Vec::new(),
        }
    }
}

impl Frame {
    /// The frame of a page with these inputs.
    pub(crate) fn checked<'a>(mut self, inputs: impl IntoIterator<Item = &'a Input>) -> Frame {
        self.errors = inputs.into_iter().filter(|input| input.error.is_some()).cloned().collect();
        self
    }
    /// The status of the page: 422 if it is shown again because of errors.
    pub(crate) fn status(&self) -> u16 {
        if self.errors.is_empty() { 200 } else { 422 }
    }

    pub(crate) fn style(&self) -> &'static str {
        assets::STYLE
    }
    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// The step of the setup that is still missing.
pub(crate) fn next_step(config: &Config) -> Option<&'static str> {
    match () {
        () if config.owner.is_none() => Some("/setup"),
        () if config.domain.is_none() => Some("/setup/domain"),
        () if config.accounts.is_empty() => Some("/setup/people"),
        () => None,
    }
}

/// A page with a few words.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame,
    text: &'a str,
}

/// Why a visitor does not get what was asked for.
pub(crate) fn refuse(status: u16, title: &'static str, text: &str) -> Result<Answer, Fault> {
    let frame = Frame { title, ..Frame::default() };
    Ok(Answer::page(&Message { frame, text })?.status(status))
}

/// What the visitor sees when the box is at fault.
pub(crate) fn sorry(fault: &Fault) -> Answer {
    let text = match fault {
        Fault::Settings(_) => "The box could not save this; nothing was changed. Its storage may be full or damaged.",
        Fault::Template(_) | Fault::Randomness => "Something went wrong inside the box. Please try again.",
    };
    refuse(500, "Sorry", text).unwrap_or_else(|_| Answer::data("text/plain; charset=utf-8", text).status(500))
}

/// Refused changes go to the page, trouble with the storage to the visitor as such.
pub(crate) fn refused<T, E>(result: Result<T, UpdateError<E>>) -> Result<Result<T, E>, Fault> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(UpdateError::Refused(e)) => Ok(Err(e)),
        Err(UpdateError::Storage(e)) => Err(e.into()),
    }
}

/// Logs a wrong code or password and says how long to wait.
pub(crate) fn too_many(what: &'static str, client: Client, wait: Duration) -> String {
    tracing::warn!(client = %client, what, wait = wait.as_secs(), "too many wrong tries");
    let minutes = wait.as_secs().div_ceil(60);
    let minutes = if minutes == 1 { "1 minute".to_owned() } else { format!("{minutes} minutes") };
    format!("Too many wrong tries. Please wait {minutes}, then try again.")
}

/// How a person is called: by name, else by address.
pub(crate) fn called(account: &Account) -> String {
    if account.name.is_empty() { account.address.to_string() } else { account.name.to_string() }
}

/// A value inside a link.
pub(crate) fn in_link(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Octets as people read them.
pub(crate) fn size(octets: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (octets as f64, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A day, as people write it.
pub(crate) fn day(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).map(|t| t.strftime("%-d %B %Y").to_string()).unwrap_or_default()
}

/// A time of a day, as people write it. The box does not know where it stands, so it is universal time.
pub(crate) fn moment(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).map(|t| t.strftime("%-d %B %Y, %H:%M UTC").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_days_are_readable() {
        let sizes = [0, 999, 1000, 9_940, 12_345_678, 31_900_000_000, u64::MAX].map(size);
        assert_eq!(sizes, ["0 bytes", "999 bytes", "1.0 kB", "9.9 kB", "12 MB", "32 GB", "18446744 TB"]);
        assert_eq!(day(1_795_219_200), "21 November 2026");
        assert_eq!(day(i64::MAX), "");
        assert_eq!(moment(1_795_219_260), "21 November 2026, 00:01 UTC");
    }
}
