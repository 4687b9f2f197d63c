//! From an unclaimed box to the first mail program.

use super::browser::Browser;
use super::{context, site};
use crate::limits;
use crate::site::Site;
use auth::Address;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";

fn code(site: &Site) -> String {
    site.context.settings.get().setup_code.as_ref().unwrap().as_str().to_owned()
}

/// Walks through the setup with one account, as far as the page of devices.
pub(super) fn claimed(site: &Arc<Site>) -> Browser {
    let mut browser = Browser::new(site);
    browser.get("/setup");
    browser.post("/setup", &[("code", &code(site))]).leads_to("/setup/password");
    browser.get("/setup/password");
    browser.post("/setup/password", &[("password", PASSWORD), ("again", PASSWORD)]).leads_to("/setup/domain");
    browser.get("/setup/domain");
    browser.post("/setup/domain", &[("domain", "home.internal")]).leads_to("/setup/people");
    browser.get("/setup/people");
    let anna = [("name-1", "Anna"), ("local-1", "anna"), ("device-1", "Phone")];
    browser.post("/setup/people", &anna).leads_to("/devices");
    browser.get("/devices");
    browser
}

#[test]
fn a_box_is_claimed_in_four_steps() {
    let (site, _) = site(context());
    let mut browser = Browser::new(&site);
    browser.get("/").leads_to("/setup");
    browser.get("/login").leads_to("/setup");
    browser.get("/accounts").leads_to("/setup");
    browser.get("/setup").shows(200, "Welcome to Roost");
    browser.post("/setup", &[("code", &code(&site).to_lowercase().replace('-', " "))]).leads_to("/setup/password");
    browser.get("/setup").leads_to("/setup/password");
    browser.get("/setup/domain").leads_to("/setup");
    browser.get("/setup/password").shows(200, "Choose your password");
    let before = browser.cookies.clone();
    browser.post("/setup/password", &[("password", PASSWORD), ("again", PASSWORD)]).leads_to("/setup/domain");
    assert_ne!(browser.cookies, before, "a new session for a new role");
    assert!(site.context.settings.get().setup_code.is_none());

    browser.get("/").leads_to("/setup/domain");
    browser.get("/setup/domain").shows(200, "value=\"home.internal\"");
    browser.post("/setup/domain", &[("domain", "Müller.example")]).leads_to("/setup/people");
    browser.get("/setup/domain").shows(200, "müller.example");
    browser.post("/setup/domain", &[("domain", "home.internal")]).leads_to("/setup/people");

    browser.get("/setup/people").shows(200, "@home.internal");
    let mut fields = vec![("name-1", "Anna <3"), ("local-1", "Anna"), ("device-1", "Phone")];
    fields.push(("more", "1"));
    browser.post("/setup/people", &fields).shows(200, "id=\"name-2\"");
    fields.pop();
    fields.extend([("name-2", "Ben"), ("local-2", "ben@home.internal"), ("device-2", "Laptop")]);
    fields.extend([("name-3", ""), ("local-3", " "), ("device-3", "Phone")]);
    browser.post("/setup/people", &fields).leads_to("/devices");

    let page = browser.get("/devices");
    page.shows(200, "Anna &#60;3");
    let shown = page.between("<p class=\"secret\"><code>", "</code>").unwrap().to_owned();
    let config = site.context.settings.get();
    assert_eq!(config.accounts.len(), 2);
    let anna = config.account(&Address::parse("anna@home.internal").unwrap()).unwrap();
    let directory = site.context.settings.directory();
    let login = directory.login("anna@home.internal", &shown, [127, 0, 0, 1].into(), std::time::SystemTime::now());
    assert!(
        matches!(login, auth::Login::Accepted(account) if account.id == anna.id),
        "the password shown works for mail"
    );
    page.shows(200, "<code>192.168.178.40</code>");
    page.shows(200, "1993");
    browser.get("/devices?account=ben%40home.internal&for=outlook").shows(200, "New Outlook for Windows");
    for page in ["/setup", "/setup/domain", "/setup/people", "/login"] {
        browser.get(page).leads_to("/");
    }
    browser.get("/").shows(200, "All is well");
}

#[test]
fn new_passwords_are_shown_until_they_are_put_away() {
    let (site, _) = site(context());
    let mut browser = claimed(&site);
    assert!(!browser.get("/devices").text.contains("Only on this computer"));
    let secret = |page: &super::browser::Page| page.between("class=\"secret\"><code>", "</code>").map(str::to_owned);
    let shown = secret(&browser.get("/devices")).unwrap();
    assert_eq!(secret(&browser.get("/devices?for=iphone")).as_ref(), Some(&shown), "a reload loses nothing");
    let mut other = Browser::new(&site);
    other.get("/login");
    other.post("/login", &[("password", PASSWORD)]).leads_to("/");
    assert_eq!(secret(&other.get("/devices")), None, "another session never sees it");
    browser.get("/accounts");
    let ben = [("name-1", "Ben"), ("local-1", "ben"), ("device-1", "Laptop")];
    browser.post("/accounts", &ben).leads_to("/devices?account=ben%40home.internal");
    browser.get("/devices?account=anna%40home.internal&for=mac").shows(200, &shown);
    browser
        .post("/devices/done", &[("account", "anna@home.internal"), ("for", "mac")])
        .leads_to("/devices?account=ben%40home.internal&for=mac");
    let page = browser.get("/devices?account=ben%40home.internal&for=mac");
    page.shows(200, "Done. Next, a device of Ben.");
    assert!(secret(&page).is_some_and(|other| other != shown));
    browser.post("/devices/done", &[("account", "ben@home.internal")]).leads_to("/");
    browser.get("/").shows(200, "no longer shown anywhere");
    let page = browser.get("/devices?account=anna%40home.internal");
    assert_eq!(secret(&page), None);
    assert!(!page.text.contains(&shown));
}

#[test]
fn a_box_for_one_computer_says_so() {
    let alone = crate::Context { server_names: Box::new(|| vec!["localhost".into(), "127.0.0.1".into()]), ..context() };
    let (site, _) = site(alone);
    let mut browser = claimed(&site);
    for device in ["thunderbird", "iphone", "other"] {
        let page = browser.get(&format!("/devices?for={device}"));
        page.shows(200, "Only on this computer");
        page.shows(200, "<code>localhost</code>");
        assert!(!page.text.contains("does not find the server"), "there is no other name");
    }
}

#[test]
fn errors_stand_beside_their_fields_and_values_stay() {
    let (site, _) = site(context());
    let mut browser = Browser::new(&site);
    browser.get("/setup");
    assert_eq!(browser.post("/setup", &[("code", "")]).error_of("code"), "Please enter the setup code.");
    let page = browser.post("/setup", &[("code", "\"><script>alert(1)</script>")]);
    assert!(page.error_of("code").starts_with("This is not the setup code."));
    assert_eq!(page.status, 422);
    page.shows(422, "value=\"&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;\"");
    assert!(!page.text.contains("<script>"));
    browser.post("/setup", &[("code", &code(&site))]).leads_to("/setup/password");
    browser.get("/setup/password");
    let page = browser.post("/setup/password", &[("password", "long enough"), ("again", "long enougH")]);
    assert!(page.error_of("again").contains("different"));
    assert!(!page.text.contains("long enough"), "passwords are never sent back");
    let page = browser.post("/setup/password", &[("password", "short"), ("again", "short")]);
    assert!(page.error_of("password").contains("8 characters"));
    browser.post("/setup/password", &[("password", PASSWORD), ("again", PASSWORD)]).leads_to("/setup/domain");
    browser.get("/setup/domain");
    for wrong in ["", "home", "a b.example", "-a.example"] {
        let page = browser.post("/setup/domain", &[("domain", wrong)]);
        assert!(!page.error_of("domain").is_empty());
        page.shows(422, &format!("value=\"{wrong}\""));
    }
    browser.post("/setup/domain", &[("domain", "home.internal")]).leads_to("/setup/people");
    browser.get("/setup/people");
    let page = browser.post("/setup/people", &[("name-1", ""), ("local-1", "a b"), ("device-1", "")]);
    for id in ["name-1", "local-1", "device-1"] {
        assert!(!page.error_of(id).is_empty());
    }
    page.shows(422, "value=\"a b\"");
    let twice =
        [("name-1", "Anna"), ("local-1", "a"), ("device-1", "x"), ("name-2", "B"), ("local-2", "A"), ("device-2", "y")];
    let page = browser.post("/setup/people", &twice);
    assert!(page.error_of("local-2").contains("a@home.internal is taken"));
    assert!(site.context.settings.get().accounts.is_empty(), "all or nothing");
}

#[test]
fn wrong_codes_lock_for_a_while() {
    let (site, clock) = site(context());
    let mut browser = Browser::new(&site);
    browser.get("/setup");
    for _ in 0..=limits::TRIES {
        assert_eq!(browser.post("/setup", &[("code", "0000-0000")]).status, 422);
    }
    let right = code(&site);
    let page = browser.post("/setup", &[("code", &right)]);
    assert_eq!((page.status, page.header("Retry-After")), (429, "60"));
    assert!(page.error_of("code").contains("Please wait 1 minute"));
    let mut neighbour = Browser::new(&site);
    neighbour.headers.insert("X-Client", "192.168.178.21".into());
    neighbour.get("/setup");
    assert_eq!(neighbour.post("/setup", &[("code", "0000-0000")]).status, 422, "somebody else may try");
    clock.pass(Duration::from_secs(59));
    assert_eq!(browser.post("/setup", &[("code", &right)]).status, 429);
    clock.pass(Duration::from_secs(1));
    browser.post("/setup", &[("code", &right)]).leads_to("/setup/password");
}

#[test]
fn only_the_first_of_two_claims_counts() {
    let (site, _) = site(context());
    let [mut first, mut second] = [Browser::new(&site), Browser::new(&site)];
    for browser in [&mut first, &mut second] {
        browser.get("/setup");
        browser.post("/setup", &[("code", &code(&site))]).leads_to("/setup/password");
        browser.get("/setup/password");
    }
    first.post("/setup/password", &[("password", PASSWORD), ("again", PASSWORD)]).leads_to("/setup/domain");
    second.post("/setup/password", &[("password", "another one"), ("again", "another one")]).leads_to("/setup");
    second.get("/setup").leads_to("/login");
    second.get("/login");
    assert_eq!(second.post("/login", &[("password", "another one")]).status, 422);
    second.post("/login", &[("password", PASSWORD)]).leads_to("/");
}
