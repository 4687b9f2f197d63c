//! The first two steps: the setup code proves who stands beside the box, then the owner chooses a password.

use super::{Frame, next_step, refused, too_many};
use crate::answer::{Answer, Fault};
use crate::form::Input;
use crate::session::Role;
use crate::site::{Site, Visit};
use askama::Template;
use auth::password::PasswordHash;

#[derive(Template)]
#[template(path = "setup_code.html")]
struct CodePage {
    frame: Frame,
    step: usize,
    code: Input,
}

#[derive(Template)]
#[template(path = "setup_password.html")]
struct PasswordPage {
    frame: Frame,
    step: usize,
    password: Input,
    again: Input,
}

/// Somebody else finished the claim in the meantime.
struct Claimed;

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let config = site.context.settings.get();
    Ok(match (config.owner.is_some(), visit.role) {
        (false, Some(Role::Claiming)) => Answer::see_other("/setup/password"),
        (false, _) => code_page(site, visit, Input::new("code", visit.query.get("code")))?,
        (true, Some(Role::Owner)) => Answer::see_other(next_step(&config).unwrap_or("/")),
        (true, _) => Answer::see_other("/login"),
    })
}

pub(crate) fn check(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    if site.context.settings.get().setup_code.is_none() {
        return Ok(Answer::see_other("/login"));
    }
    prove(site, visit, "/setup/password", |code| code_page(site, visit, code))
}

/// Takes a form with the setup code: on to `next`, or the page with the form again.
pub(super) fn prove(
    site: &Site,
    visit: &Visit,
    next: &str,
    again: impl FnOnce(Input) -> Result<Answer, Fault>,
) -> Result<Answer, Fault> {
    let typed = Input::typed("code", &visit.form);
    if typed.value.trim().is_empty() {
        return again(typed.refused("Please enter the setup code."));
    }
    if let Err(wait) = site.codes.begin(visit.client, site.clock.now()) {
        let answer = again(typed.refused(too_many("setup code", visit.client, wait)))?.status(429);
        return Ok(answer.header("Retry-After", wait.as_secs().max(1).to_string()));
    }
    let config = site.context.settings.get();
    if !config.setup_code.as_ref().is_some_and(|code| code.matches(&typed.value)) {
        tracing::warn!(client = %visit.client, "wrong setup code");
        return again(typed.refused("This is not the setup code. Please compare it letter by letter."));
    }
    site.codes.right(visit.client);
    site.log_in(visit, Role::Claiming, Answer::see_other(next))
}

fn code_page(site: &Site, visit: &Visit, code: Input) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Welcome", "").checked([&code]);
    let status = frame.status();
    Ok(Answer::page(&CodePage { frame, step: 1, code })?.status(status))
}

pub(crate) fn show_password(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    password_page(site, visit, ["password", "again"].map(Input::secret))
}

pub(crate) fn save_password(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let hash = match new_password(visit) {
        Ok(hash) => hash,
        Err(inputs) => return password_page(site, visit, *inputs),
    };
    let claimed = site.context.settings.update(|config| {
        if config.owner.is_some() {
            return Err(Claimed);
        }
        config.owner = Some(hash);
        config.setup_code = None;
        Ok(())
    });
    match refused(claimed)? {
        Ok(()) => {
            // Whoever else knew the code is too late, and this session becomes another one.
            site.sessions.end_all();
            tracing::info!(client = %visit.client, "the box has an owner");
            site.log_in(visit, Role::Owner, Answer::see_other("/setup/domain"))
        }
        Err(Claimed) => Ok(Answer::see_other("/login")),
    }
}

/// The password chosen in a form with `password` and `again`, hashed; or both inputs with what is wrong.
pub(super) fn new_password(visit: &Visit) -> Result<PasswordHash, Box<[Input; 2]>> {
    let (mut password, mut again) = (Input::secret("password"), Input::secret("again"));
    if visit.form.get("password") != visit.form.get("again") {
        again.refuse("The two passwords are different. Please type the same one twice.");
        return Err(Box::new([password, again]));
    }
    PasswordHash::new(visit.form.get("password")).map_err(|e| {
        password.refuse(e);
        Box::new([password, again])
    })
}

fn password_page(site: &Site, visit: &Visit, [password, again]: [Input; 2]) -> Result<Answer, Fault> {
    let frame = site.frame(visit, "Your password", "").checked([&password, &again]);
    let status = frame.status();
    Ok(Answer::page(&PasswordPage { frame, step: 2, password, again })?.status(status))
}
