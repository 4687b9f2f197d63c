//! The time of a box without a clock.

use super::setup::claimed;
use super::{context, site};
use crate::{KnownTime, Time};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_owner_chooses_a_time_server_and_it_is_asked_at_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let mut context = context();
    let known = KnownTime {
        last: Some(("192.168.178.1".into(), 1_795_219_140)),
        trouble: Some("192.168.178.1: no answer".into()),
    };
    context.time = Time {
        known: Box::new(move || Some(known.clone())),
        ask: Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }),
    };
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    let page = owner.get("/status");
    for text in ["21 November 2026, 00:00 UTC", "192.168.178.1, 20 November 2026, 23:59 UTC", "no answer"] {
        page.shows(200, text);
    }
    owner.get("/time").shows(200, "pool.ntp.org");
    let page = owner.post("/time", &[("server", "not a server")]);
    assert!(page.error_of("server").contains("neither a name nor an address"));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    owner.post("/time", &[("server", " Time.Example.org ")]).leads_to("/status");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let chosen = || site.context.settings.get().time_server.as_ref().map(ToString::to_string);
    assert_eq!(chosen().as_deref(), Some("time.example.org"));
    owner.get("/time").shows(200, "value=\"time.example.org\"");
    owner.post("/time", &[("server", " ")]).leads_to("/status");
    assert_eq!(chosen(), None);
}

#[test]
fn a_machine_that_keeps_its_time_itself_has_no_such_page() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    assert!(!owner.get("/status").text.contains("Time server"));
    assert_eq!(owner.get("/time").status, 404);
    assert_eq!(owner.post("/time", &[("server", "time.example.org")]).status, 404);
    assert_eq!(site.context.settings.get().time_server, None);
}
