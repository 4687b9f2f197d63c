//! Thunderbird's autoconfiguration (config-v1.1), which other mail programs ask for, too.

use super::refuse;
use crate::answer::{Answer, Fault};
use crate::host;
use crate::site::{Site, Visit};
use askama::Template;
use auth::{Address, Domain};

#[derive(Template)]
#[template(path = "autoconfig.xml")]
struct File<'a> {
    domain: &'a Domain,
    server: &'a str,
    imap: u16,
    pop3: u16,
    smtp: u16,
}

/// Answers for our domains only, and the same for every address in them: nobody learns which accounts exist.
pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    let asked = visit.query.get("emailaddress");
    let domain = match asked.is_empty() {
        true => config.domain.clone(),
        false => Address::parse(asked).ok().map(|address| address.domain().clone()),
    };
    let domain = domain.filter(|domain| config.domains().contains(domain));
    let Some(domain) = domain else {
        return refuse(404, "Not found", "This box has no mail for this address.");
    };
    let (server, ports) = (host::server(&visit.host, false, &site.context), site.context.ports);
    let file = File { domain: &domain, server: &server, imap: ports.imaps, pop3: ports.pop3s, smtp: ports.submissions }
        .render()?;
    Ok(Answer::data("text/xml; charset=utf-8", file))
}
