//! What the owner does later, and what everybody on the network may see.

use super::browser::Browser;
use super::setup::claimed;
use super::{context, site};
use crate::limits;
use board::hardware::{Disk, DiskKind, Hardware};
use embedded_svc::http::Method;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";

#[test]
fn logging_in_and_out() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    let session = owner.cookies.clone();
    owner.post("/logout", &[]).leads_to("/login");
    owner.get("/accounts").leads_to("/login");
    owner.cookies = session;
    owner.get("/accounts").leads_to("/login");
    owner.get("/login").shows(200, "Welcome back");
    assert!(owner.post("/login", &[("password", "")]).error_of("password").contains("Please enter"));
    assert!(owner.post("/login", &[("password", "wrong wrong")]).error_of("password").contains("not your password"));
    owner.post("/login", &[("password", PASSWORD)]).leads_to("/");
    owner.get("/").shows(200, "anna@home.internal");
}

#[test]
fn guessing_the_password_is_slowed() {
    let (site, clock) = site(context());
    claimed(&site);
    let mut guesser = Browser::new(&site);
    guesser.get("/login");
    for n in 0..=limits::TRIES {
        assert_eq!(guesser.post("/login", &[("password", &format!("guess number {n}"))]).status, 422);
    }
    let page = guesser.post("/login", &[("password", PASSWORD)]);
    assert_eq!(page.status, 429, "also the right one");
    assert!(page.error_of("password").contains("wait"));
    clock.pass(limits::WAIT_FIRST);
    guesser.post("/login", &[("password", PASSWORD)]).leads_to("/");
}

#[test]
fn a_session_ends_when_nobody_uses_it() {
    let (site, clock) = site(context());
    let mut owner = claimed(&site);
    clock.pass(limits::SESSION_IDLE - Duration::from_secs(1));
    assert_eq!(owner.get("/accounts").status, 200);
    clock.pass(limits::SESSION_IDLE);
    owner.get("/accounts").leads_to("/login");
    owner.post("/accounts", &[("name-1", "Eve"), ("local-1", "eve"), ("device-1", "x")]).leads_to("/login");
    assert_eq!(site.context.settings.get().accounts.len(), 1);
}

#[test]
fn accounts_and_devices_come_and_go() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    let accounts = || site.context.settings.get().accounts.clone();
    owner.get("/accounts").shows(200, "since 21 November 2026");
    let ben = [("name-1", "Ben"), ("local-1", "ben"), ("device-1", "Laptop")];
    owner.post("/accounts", &ben).leads_to("/devices?account=ben%40home.internal");
    owner.get("/accounts");
    let page = owner.post("/accounts", &ben);
    assert_eq!(page.error_of("local-1"), "ben@home.internal is taken: another account has this address.");
    page.shows(422, "value=\"Laptop\"");

    let device = |name| [("account", "ben@home.internal"), ("device", name)];
    owner.post("/accounts/device", &device("Tablet")).leads_to("/devices?account=ben%40home.internal");
    assert_eq!(accounts()[1].app_passwords.len(), 2);
    let page = owner.post("/accounts/device", &device("Tablet"));
    assert!(page.error_of("device").contains("already a device called “Tablet”"));
    assert!(!owner.post("/accounts/device", &device("")).error_of("device").is_empty());
    owner.post("/accounts/device/remove", &device("Laptop")).leads_to("/accounts");
    owner.get("/accounts").shows(200, "“Laptop” can no longer get the mail of ben@home.internal.");
    assert!(!owner.get("/accounts").text.contains("can no longer"), "said once");
    assert_eq!(accounts()[1].app_passwords.len(), 1);
    assert!(!owner.get("/devices?account=ben%40home.internal").text.contains("Password for “Laptop”"));

    owner.get("/accounts/remove?account=ben%40home.internal").shows(200, "This cannot be undone");
    owner.post("/accounts/remove", &[("account", "ben@home.internal")]).leads_to("/accounts");
    assert_eq!(accounts().len(), 1);
    for gone in ["/devices?account=ben%40home.internal", "/accounts/remove?account=ben%40home.internal"] {
        assert_eq!(owner.get(gone).status, 404);
    }
    owner.get("/accounts");
    assert_eq!(owner.post("/accounts/device", &device("Phone")).status, 404);
    assert_eq!(owner.post("/accounts/device", &[("account", "\"nonsense")]).status, 404);
}

#[test]
fn the_owner_changes_the_password_and_other_sessions_end() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    let mut other = Browser::new(&site);
    other.get("/login");
    other.post("/login", &[("password", PASSWORD)]).leads_to("/");
    owner.get("/password");
    let new = "a whole new password";
    let page = owner.post("/password", &[("current", "wrong"), ("password", new), ("again", new)]);
    assert!(!page.error_of("current").is_empty());
    let page = owner.post("/password", &[("current", PASSWORD), ("password", new), ("again", "")]);
    assert!(!page.error_of("again").is_empty());
    owner.post("/password", &[("current", PASSWORD), ("password", new), ("again", new)]).leads_to("/");
    assert_eq!(owner.get("/accounts").status, 200);
    other.get("/accounts").leads_to("/login");
    other.get("/login");
    other.post("/login", &[("password", new)]).leads_to("/");
}

#[test]
fn after_a_reset_the_setup_code_makes_another_owner() {
    let (site, _) = site(context());
    let mut before = claimed(&site);
    let code = settings::SetupCode::generate();
    let shown = code.as_str().to_owned();
    let reset = site.context.settings.update(|config| {
        (config.owner, config.setup_code) = (None, Some(code));
        Ok::<_, ()>(())
    });
    reset.unwrap();
    before.get("/accounts").leads_to("/setup");
    let mut new = Browser::new(&site);
    new.get("/setup");
    new.post("/setup", &[("code", &shown)]).leads_to("/setup/password");
    new.get("/setup/password");
    let password = "another good password";
    new.post("/setup/password", &[("password", password), ("again", password)]).leads_to("/setup/domain");
    new.get("/setup/domain").leads_to("/");
    new.get("/").shows(200, "anna@home.internal");
    before.get("/accounts").leads_to("/login");
}

#[test]
fn the_status_page_tells_how_the_box_is() {
    let mut context = context();
    context.health = Box::new(|| Err("the disk is full".into()));
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    let page = owner.get("/status");
    for text in [
        "16 GB of 32 GB",
        "192.168.178.40",
        "https://roost.local:1443/",
        env!("CARGO_PKG_VERSION"),
        "1465",
        "the disk is full",
    ] {
        page.shows(200, text);
    }
    owner.get("/").shows(200, "the disk is full");
}

#[test]
fn the_owner_is_told_of_the_hardware() {
    let mut context = context();
    let mut board = board::FakeBoard::new([192, 168, 178, 40].into());
    let card = Disk { kind: DiskKind::Sd, faults: Some(3), written: Some(2_000_000_000), ..Disk::default() };
    board.hardware = Hardware { disk: Some(card), temperature: Some(48_312), undervoltage: Some(true) };
    context.board = std::sync::Arc::new(board);
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    for text in ["SD card", "SD cards do not tell", "2.0 GB", "48 °C", "failed 3 times", "too weak"] {
        owner.get("/status").shows(200, text);
    }
    owner.get("/").shows(200, "failed 3 times");
}

#[test]
fn programs_ask_for_health_and_metrics() {
    let (site_well, _) = site(context());
    let mut well = Browser::new(&site_well);
    let page = well.get("/health");
    page.shows(200, "\"status\":\"ok\"");
    assert_eq!(page.header("Content-Type"), "application/json");
    assert!(page.header("Set-Cookie").is_empty());
    let page = well.get("/metrics");
    page.shows(200, "# EOF");
    assert!(page.header("Content-Type").starts_with("application/openmetrics-text"));
    let mut context = context();
    context.health = Box::new(|| Err("no \"room\" left".into()));
    let (site_ill, _) = site(context);
    Browser::new(&site_ill).get("/health").shows(503, "\"reason\":\"no \\\"room\\\" left\"");
}

#[test]
fn the_authority_is_for_everybody() {
    let (site, _) = site(context());
    let mut visitor = Browser::new(&site);
    let page = visitor.get("/authority.crt");
    assert_eq!((page.status, page.header("Content-Type")), (200, "application/x-x509-ca-cert"));
    assert_eq!(page.text.as_bytes(), site.context.authority_der);
    visitor.get("/authority.pem").shows(200, "BEGIN CERTIFICATE");
    assert_eq!(site.fingerprint.len(), 32 * 3 - 1);
    for device in ["thunderbird", "iphone", "mac", "android", "outlook", "other"] {
        visitor.get(&format!("/trust?for={device}")).shows(200, &site.fingerprint);
    }
    visitor.headers.insert("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)".into());
    visitor.get("/trust").shows(200, "Certificate Trust Settings");
}

#[test]
fn thunderbird_finds_its_settings() {
    let (site, _) = site(context());
    let wellknown = "/.well-known/autoconfig/mail/config-v1.1.xml";
    let mut visitor = Browser::new(&site);
    assert_eq!(visitor.get(wellknown).status, 404, "no domain yet");
    claimed(&site);
    visitor.headers.insert("Host", "autoconfig.home.internal".into());
    for target in ["/mail/config-v1.1.xml", wellknown, "/mail/config-v1.1.xml?emailaddress=anybody%40home.internal"] {
        let page = visitor.get(target);
        assert_eq!(page.header("Content-Type"), "text/xml; charset=utf-8");
        for text in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<clientConfig version=\"1.1\">",
            "<emailProvider id=\"home.internal\">",
            "<incomingServer type=\"imap\">\n      <hostname>192.168.178.40</hostname>\n      <port>1993</port>\n      <socketType>SSL</socketType>",
            "<outgoingServer type=\"smtp\">\n      <hostname>192.168.178.40</hostname>\n      <port>1465</port>",
            "<username>%EMAILADDRESS%</username>",
        ] {
            page.shows(200, text);
        }
    }
    for stranger in ["anna%40example.org", "%3Cscript%3E", "anna"] {
        assert_eq!(visitor.get(&format!("{wellknown}?emailaddress={stranger}")).status, 404);
    }
}

#[test]
fn head_is_get_and_every_page_has_the_same_armour() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    for target in
        ["/", "/accounts", "/devices", "/status", "/trust", "/password", "/no/such/page", "/style.css", "/logo.svg"]
    {
        let page = owner.ask(Method::Head, target, b"");
        assert_eq!(page.status, owner.get(target).status);
        assert!(
            page.header("Content-Security-Policy").starts_with("default-src 'none'; style-src 'self';"),
            "{target}"
        );
        assert_eq!(page.header("X-Content-Type-Options"), "nosniff");
        assert_eq!(page.header("Referrer-Policy"), "no-referrer");
        let kept = target.contains('.');
        assert_eq!(page.header("Cache-Control"), if kept { "private, max-age=3600" } else { "no-store" }, "{target}");
        assert!(!page.text.contains("<script") && !page.text.contains("style="), "{target}");
    }
}
