//! The site: one table of pages and who may see them, and what is checked before any page is asked.

use crate::Context;
use crate::answer::{Answer, Fault};
use crate::clock::Clock;
use crate::form::{Fields, FormError};
use crate::host;
use crate::limits;
use crate::pages;
use crate::session::{Role, Sessions, Ticket};
use crate::tries::{Client, Tries};
use embedded_svc::http::Method;
use embedded_svc::http::server::{Connection, Handler};
use ring::digest::{SHA256, digest};

/// Everything the pages share.
pub(crate) struct Site {
    pub(crate) context: Context,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) sessions: Sessions,
    /// Wrong setup codes.
    pub(crate) codes: Tries,
    /// Wrong owner's passwords.
    pub(crate) passwords: Tries,
    /// SHA-256 of the authority, as people compare it.
    pub(crate) fingerprint: String,
}

/// One visit of one page, checked: the form is ours, the visitor may be here.
pub(crate) struct Visit {
    pub(crate) query: Fields,
    pub(crate) form: Fields,
    pub(crate) client: Client,
    /// The name under which the box was asked; empty if unknown.
    pub(crate) host: String,
    /// `User-Agent`, to guess which device asks.
    pub(crate) agent: String,
    pub(crate) role: Option<Role>,
    /// The session's, or one that only ties forms to this browser.
    pub(crate) ticket: Ticket,
    /// The browser does not have the ticket yet.
    new: bool,
}

/// Who may see a page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everybody on the network, also programs that know the box by another name.
    Program,
    /// Everybody on the network.
    Anyone,
    /// Who knows the setup code of an unclaimed box.
    Claiming,
    /// The owner.
    Owner,
}

type Page = fn(&Site, &Visit) -> Result<Answer, Fault>;

/// A page: where it is, who may see it, what makes it.
struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    page: Page,
}

/// The session of somebody who proved something.
const SESSION_COOKIE: &str = "__Host-roost";
/// Ties forms to a browser that has no session. It has a name of its own because a link from elsewhere arrives without the
/// strict session cookie, and answering it must not replace the session.
const FORM_COOKIE: &str = "__Host-roost-form";
const COOKIE_RULES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
/// Where the form with the update goes.
const UPDATE: &str = "/update";
/// The hidden field with the form's token.
const TOKEN: &str = "token";

const fn get(path: &'static str, access: Access, page: Page) -> Route {
    Route { method: Method::Get, path, access, page }
}
const fn post(path: &'static str, access: Access, page: Page) -> Route {
    Route { method: Method::Post, path, access, page }
}

/// What a box has that cannot open its data.
const TROUBLE: &[Route] = &[
    get("/", Anyone, pages::trouble::show),
    post("/", Anyone, pages::trouble::enter),
    get("/download", Claiming, pages::trouble::download),
    post("/repair", Claiming, pages::trouble::repair),
    post("/afresh", Claiming, pages::trouble::start_afresh),
    get("/health", Program, pages::machine::health),
    get("/style.css", Program, pages::assets::style),
    get("/logo.svg", Program, pages::assets::logo),
];

use Access::{Anyone, Claiming, Owner, Program};
const ROUTES: &[Route] = &[
    get("/", Anyone, pages::home::show),
    get("/setup", Anyone, pages::claim::show),
    post("/setup", Anyone, pages::claim::check),
    get("/setup/password", Claiming, pages::claim::show_password),
    post("/setup/password", Claiming, pages::claim::save_password),
    get("/setup/domain", Owner, pages::domain::show),
    post("/setup/domain", Owner, pages::domain::save),
    get("/setup/people", Owner, pages::people::show),
    post("/setup/people", Owner, pages::people::save),
    get("/login", Anyone, pages::login::show),
    post("/login", Anyone, pages::login::check),
    post("/logout", Owner, pages::login::leave),
    get("/accounts", Owner, pages::accounts::show),
    post("/accounts", Owner, pages::accounts::add),
    get("/accounts/remove", Owner, pages::accounts::ask),
    post("/accounts/remove", Owner, pages::accounts::remove),
    post("/accounts/device", Owner, pages::accounts::add_device),
    post("/accounts/device/remove", Owner, pages::accounts::remove_device),
    get("/devices", Owner, pages::devices::show),
    post("/devices/done", Owner, pages::devices::put_away),
    get("/password", Owner, pages::password::show),
    post("/password", Owner, pages::password::save),
    get("/status", Owner, pages::status::show),
    get("/time", Owner, pages::time::show),
    post("/time", Owner, pages::time::save),
    get("/network", Owner, pages::network::show),
    post("/network", Owner, pages::network::change_cable),
    post("/network/confirm", Owner, pages::network::confirm),
    post("/network/back", Owner, pages::network::go_back),
    post("/network/forget", Owner, pages::network::forget_wifi),
    get("/network/wifi", Owner, pages::wifi::show),
    get("/network/wifi/join", Owner, pages::wifi::ask),
    post("/network/wifi/join", Owner, pages::wifi::join),
    get("/update", Owner, pages::update::show),
    // Its form carries a file and is read by the page: see `answer`.
    post(UPDATE, Owner, pages::update::show),
    get("/update/progress", Owner, pages::update::progress),
    post("/update/fetch", Owner, pages::update::fetch),
    post("/update/cancel", Owner, pages::update::cancel),
    get("/power", Owner, pages::power::show),
    post("/power/restart", Owner, pages::power::restart),
    post("/power/off", Owner, pages::power::switch_off),
    get("/trust", Anyone, pages::trust::show),
    get("/authority.pem", Program, pages::trust::pem),
    get("/authority.crt", Program, pages::trust::der),
    get("/mail/config-v1.1.xml", Program, pages::autoconfig::show),
    get("/.well-known/autoconfig/mail/config-v1.1.xml", Program, pages::autoconfig::show),
    get("/health", Program, pages::machine::health),
    get("/metrics", Program, pages::machine::metrics),
    get("/style.css", Program, pages::assets::style),
    get("/logo.svg", Program, pages::assets::logo),
];

impl<C: Connection> Handler<C> for Site {
    type Error = String;

    fn handle(&self, connection: &mut C) -> Result<(), String> {
        let answer = self.answer(connection);
        let fault = answer.as_ref().err().map(Fault::to_string);
        answer.unwrap_or_else(|fault| pages::sorry(&fault)).write(connection).map_err(|e| format!("{e:?}"))?;
        fault.map_or(Ok(()), Err)
    }
}

impl Site {
    pub(crate) fn new(context: Context, clock: Box<dyn Clock>) -> Result<Site, Fault> {
        let sum = digest(&SHA256, &context.authority_der);
        let fingerprint = sum.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
        let (codes, passwords) = (Tries::new(limits::TRIES_IN_ALL), Tries::new(u32::MAX - 1));
        Ok(Site { context, clock, sessions: Sessions::new()?, codes, passwords, fingerprint })
    }

    /// Checks a request from the outside in, then lets its page answer.
    fn answer<C: Connection>(&self, connection: &mut C) -> Result<Answer, Fault> {
        let target = connection.uri().to_owned();
        if target.len() > limits::TARGET {
            return pages::refuse(414, "Too long", "This address is longer than any address of this box.");
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let route = match find(self.routes(), connection.method(), path) {
            Ok(route) => route,
            // Somebody looks for a page of better days.
            Err(_) if self.context.trouble.is_some() => return Ok(Answer::see_other("/")),
            Err(allowed) if allowed.is_empty() => {
                return pages::refuse(404, "Not found", "There is no such page on this box.");
            }
            Err(allowed) => {
                let text = "This page does not understand what was asked of it.";
                return Ok(pages::refuse(405, "Not possible", text)?.header("Allow", allowed));
            }
        };
        if route.access != Program && !host::is_ours(connection.header("Host"), &self.context) {
            return pages::refuse(421, "Another address, please", &host::addresses(&self.context));
        }
        let mut visit = self.visit(connection, query)?;
        if let Some(elsewhere) = self.turn_away(route.access, visit.role) {
            return Ok(elsewhere);
        }
        if route.method == Method::Post && route.path == UPDATE {
            return self.take_update(connection, &visit);
        }
        if route.method == Method::Post
            && let Some(refusal) = self.read_form(connection, &mut visit)?
        {
            return Ok(refusal);
        }
        let answer = (route.page)(self, &visit)?;
        // The cookie travels with the first form, so that the form's token means something when it comes back.
        Ok(match visit.new && answer.is_page() {
            true => answer.header("Set-Cookie", format!("{FORM_COOKIE}={}; {COOKIE_RULES}", visit.ticket.as_str())),
            false => answer,
        })
    }

    fn routes(&self) -> &'static [Route] {
        if self.context.trouble.is_some() { TROUBLE } else { ROUTES }
    }

    /// Who is here.
    fn visit<C: Connection>(&self, connection: &C, query: &str) -> Result<Visit, Fault> {
        let cookies = connection.header("Cookie").unwrap_or_default();
        let session = cookie(cookies, SESSION_COOKIE)
            .and_then(|ticket| self.sessions.role(&ticket, self.clock.now()).map(|role| (ticket, role)))
            // Who was the owner is not, once the password was reset.
            .filter(|(_, role)| *role != Role::Owner || self.context.settings.get().owner.is_some());
        let (ticket, role, new) = match (session, cookie(cookies, FORM_COOKIE)) {
            (Some((ticket, role)), _) => (ticket, Some(role), false),
            (None, Some(ticket)) => (ticket, None, false),
            (None, None) => (Ticket::random()?, None, true),
        };
        Ok(Visit {
            query: Fields::parse(query.as_bytes()).unwrap_or_default(),
            form: Fields::default(),
            client: Client::parse(connection.header("X-Client")),
            host: host::name(connection.header("Host").unwrap_or_default()),
            agent: connection.header("User-Agent").unwrap_or_default().to_owned(),
            role,
            ticket,
            new,
        })
    }

    /// Where visitors go who may not see a page.
    fn turn_away(&self, access: Access, role: Option<Role>) -> Option<Answer> {
        let claimed = self.context.settings.get().owner.is_some();
        match (access, role) {
            (Claiming, None) if self.context.trouble.is_some() => Some(Answer::see_other("/")),
            (Program | Anyone, _) | (Claiming, Some(Role::Claiming)) | (Owner, Some(Role::Owner)) => None,
            (Claiming, _) => Some(Answer::see_other("/setup")),
            (Owner, _) => Some(Answer::see_other(if claimed { "/login" } else { "/setup" })),
        }
    }

    /// Reads the form, unless it was not one of ours.
    fn read_form<C: Connection>(&self, connection: &mut C, visit: &mut Visit) -> Result<Option<Answer>, Fault> {
        let kind = connection.header("Content-Type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return pages::refuse(415, "Not a form", "This page takes forms and nothing else.").map(Some);
        }
        let foreign = is_foreign(connection);
        visit.form = match Fields::read(connection.split().1) {
            Ok(form) => form,
            Err(FormError::TooLarge) => {
                return pages::refuse(413, "Too much", "This form is larger than any form of this box.").map(Some);
            }
            Err(FormError::Broken) => {
                return pages::refuse(400, "Broken off", "The form did not arrive whole. Please try again.").map(Some);
            }
        };
        if foreign || !self.sessions.is_form_token(&visit.ticket, visit.form.get(TOKEN)) {
            return self.out_of_date().map(Some);
        }
        Ok(None)
    }

    /// A form with a file.
    fn take_update<C: Connection>(&self, connection: &mut C, visit: &Visit) -> Result<Answer, Fault> {
        if is_foreign(connection) {
            return self.out_of_date();
        }
        let kind = connection.header("Content-Type").unwrap_or_default().to_owned();
        pages::update::take(self, visit, &kind, connection.split().1)
    }

    /// The answer to a form without a token of ours.
    pub(crate) fn out_of_date(&self) -> Result<Answer, Fault> {
        let text = "Nothing was changed. The page was open for too long, or its form came from somewhere else. Please open \
                    it again and retry.";
        pages::refuse(403, "This form is out of date", text)
    }

    /// Begins a session of its own and sends its cookie along; an earlier session of this browser ends.
    pub(crate) fn log_in(&self, visit: &Visit, role: Role, answer: Answer) -> Result<Answer, Fault> {
        self.sessions.end(&visit.ticket);
        let ticket = self.sessions.begin(role, self.clock.now())?;
        Ok(answer.header("Set-Cookie", format!("{SESSION_COOKIE}={}; {COOKIE_RULES}", ticket.as_str())))
    }

    /// Ends the session and takes its cookie away.
    pub(crate) fn log_out(&self, visit: &Visit, answer: Answer) -> Answer {
        self.sessions.end(&visit.ticket);
        answer.header("Set-Cookie", format!("{SESSION_COOKIE}=; Max-Age=0; {COOKIE_RULES}"))
    }
}

/// Whether the browser says that another site sent the form.
fn is_foreign<C: Connection>(connection: &C) -> bool {
    connection.header("Sec-Fetch-Site").is_some_and(|site| !matches!(site, "same-origin" | "none"))
}

/// The route, or the methods that this path has (none: no such path).
fn find(routes: &'static [Route], method: Method, path: &str) -> Result<&'static Route, String> {
    let method = if method == Method::Head { Method::Get } else { method };
    let here = || routes.iter().filter(|route| route.path == path);
    here().find(|route| route.method == method).ok_or_else(|| {
        let names = here().map(|route| if route.method == Method::Post { "POST" } else { "GET, HEAD" });
        names.collect::<Vec<_>>().join(", ")
    })
}

fn cookie(header: &str, name: &str) -> Option<Ticket> {
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(n, _)| *n == name).and_then(|(_, value)| Ticket::parse(value))
}
