//! What visitors send who mean no good, or whose browser is confused.

use super::browser::Browser;
use super::setup::claimed;
use super::{context, site};
use crate::limits;
use crate::session::Role;
use embedded_svc::http::Method;

#[test]
fn a_form_without_its_token_changes_nothing() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    let remove = [("account", "anna@home.internal")];
    let token = std::mem::take(&mut owner.token);
    owner.post("/accounts/remove", &remove).shows(403, "Nothing was changed");
    let mut stranger = Browser::new(&site);
    stranger.get("/login");
    owner.token = stranger.token.clone();
    assert_eq!(owner.post("/accounts/remove", &remove).status, 403, "the token of another browser");
    owner.token = token;
    owner.headers.insert("Sec-Fetch-Site", "cross-site".into());
    assert_eq!(owner.post("/accounts/remove", &remove).status, 403, "from another site");
    assert_eq!(site.context.settings.get().accounts.len(), 1);
    owner.headers.insert("Sec-Fetch-Site", "same-origin".into());
    owner.post("/accounts/remove", &remove).leads_to("/accounts");

    let mut fresh = Browser::new(&site);
    assert_eq!(fresh.post("/login", &[("password", "correct horse battery")]).status, 403, "also before a session");
}

#[test]
fn a_link_from_elsewhere_does_not_end_the_session() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    let mut from_elsewhere = owner.clone();
    from_elsewhere.cookies.clear();
    from_elsewhere.get("/login");
    owner.cookies.append(&mut from_elsewhere.cookies);
    assert_eq!(owner.get("/accounts").status, 200);
}

#[test]
fn a_planted_cookie_is_worth_nothing() {
    let (site, _) = site(context());
    claimed(&site);
    let mut victim = Browser::new(&site);
    victim.cookies.insert("__Host-roost".into(), "A".repeat(43));
    victim.get("/accounts").leads_to("/login");
    victim.get("/login");
    victim.post("/login", &[("password", "correct horse battery")]).leads_to("/");
    assert_ne!(victim.cookies["__Host-roost"], "A".repeat(43));
    let mut confused = Browser::new(&site);
    for value in ["", "x", "\"", "a=b", &"A".repeat(5000)] {
        confused.cookies.insert("__Host-roost".into(), value.into());
        confused.cookies.insert("__Host-roost-form".into(), value.into());
        confused.get("/accounts").leads_to("/login");
    }
}

#[test]
fn hostile_names_are_only_text() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    owner.get("/accounts");
    let hostile = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
    let fields = [("name-1", hostile), ("local-1", "eve"), ("device-1", "\"'><script>")];
    owner.post("/accounts", &fields).leads_to("/devices?account=eve%40home.internal");
    for target in
        ["/", "/accounts", "/devices?account=eve%40home.internal", "/accounts/remove?account=eve%40home.internal"]
    {
        let page = owner.get(target);
        page.shows(200, "&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;");
        for raw in ["<script", "<img src=x", "\"'>"] {
            assert!(!page.text.contains(raw), "{raw} in {target}");
        }
    }
    let page = owner.get("/devices?account=%22%3E%3Cscript%3E&for=%22%3E%3Cscript%3E");
    assert!(!page.text.contains("<script"));
}

#[test]
fn other_names_of_the_host_are_refused() {
    let (site, _) = site(context());
    let mut rebound = Browser::new(&site);
    rebound.headers.insert("Host", "evil.example".into());
    let page = rebound.get("/setup");
    page.shows(421, "https://roost.local:1443/");
    assert!(page.header("Set-Cookie").is_empty());
    assert_eq!(rebound.get("/health").status, 200, "programs may use any name");
}

#[test]
fn large_and_odd_requests_are_refused() {
    let (site, _) = site(context());
    let mut visitor = Browser::new(&site);
    visitor.get("/setup");
    assert_eq!(visitor.post("/setup", &[("code", &"x".repeat(limits::BODY))]).status, 413);
    assert_eq!(visitor.post("/setup", &[("x", ""); limits::FIELDS]).status, 413);
    assert_eq!(visitor.get(&format!("/setup?{}", "x".repeat(limits::TARGET))).status, 414);
    assert_eq!(visitor.get(&format!("/setup?{}", "x&".repeat(limits::FIELDS * 2))).status, 200);
    for target in ["", "*", "//", "/setup/", "/SETUP", "/../etc/passwd", "http://x/setup", "/%00", "/setup%3f"] {
        assert_eq!(visitor.get(target).status, 404, "{target}");
    }
    let page = visitor.ask(Method::Delete, "/setup", b"");
    assert_eq!((page.status, page.header("Allow")), (405, "GET, HEAD, POST"));
    assert_eq!(visitor.ask(Method::Post, "/status", b"").header("Allow"), "GET, HEAD");
    visitor.headers.insert("Content-Type", "application/json".into());
    assert_eq!(visitor.post("/setup", &[]).status, 415);
    visitor.headers.insert("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8".into());
    assert_eq!(visitor.post("/setup", &[("code", "x")]).status, 422);
}

#[test]
fn many_sessions_do_not_fill_the_memory() {
    let (site, clock) = site(context());
    let mut owner = claimed(&site);
    for _ in 0..limits::SESSIONS * 3 {
        use crate::clock::Clock;
        assert_eq!(owner.get("/").status, 200, "whoever is active stays");
        clock.pass(std::time::Duration::from_millis(1));
        site.sessions.begin(Role::Claiming, clock.now()).unwrap();
    }
}
