//! Restarting and switching off.

use super::browser::Browser;
use super::setup::claimed;
use super::{context, site};
use crate::{Context, Ending, Power};
use std::sync::{Arc, Mutex};

/// A box that can be ended, though not switched off twice, and what was asked of it.
fn mortal() -> (Context, Arc<Mutex<Vec<Ending>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = asked.clone();
    let end = move |ending| {
        let mut asked = keep.lock().unwrap();
        if asked.contains(&Ending::Off) {
            return Err("it <dies>".to_owned());
        }
        asked.push(ending);
        Ok(())
    };
    let power = Power { possible: Box::new(|| true), end: Box::new(end) };
    (Context { power, ..context() }, asked)
}

#[test]
fn the_owner_restarts_the_box_and_switches_it_off() {
    let (context, asked) = mortal();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    owner.get("/status").shows(200, "href=\"/power\"");
    owner.get("/power").shows(200, "action=\"/power/off\"");
    assert!(asked.lock().unwrap().is_empty(), "looking changes nothing");
    owner.post("/power/restart", &[]).shows(200, "away for a minute");
    owner.post("/power/off", &[]).shows(200, "pull its plug");
    assert_eq!(*asked.lock().unwrap(), [Ending::Restart, Ending::Off]);
    owner.post("/power/off", &[]).shows(503, "Nothing was changed: it &#60;dies&#62;.");
}

#[test]
fn nobody_else_does() {
    let (context, asked) = mortal();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    owner.get("/power");
    let mut stranger = Browser::new(&site);
    stranger.get("/login");
    for path in ["/power/off", "/power/restart"] {
        stranger.post(path, &[]).leads_to("/login");
        assert_eq!(owner.get(path).status, 405, "a link does nothing");
        owner.headers.insert("Sec-Fetch-Site", "cross-site".into());
        assert_eq!(owner.post(path, &[]).status, 403);
        owner.headers.remove("Sec-Fetch-Site");
        let token = std::mem::take(&mut owner.token);
        assert_eq!(owner.post(path, &[]).status, 403);
        owner.token = token;
    }
    stranger.get("/power").leads_to("/login");
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn a_machine_without_a_keeper_has_no_such_page() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    assert!(!owner.get("/status").text.contains("/power"));
    assert_eq!(owner.get("/power").status, 404);
    owner.get("/password");
    assert_eq!(owner.post("/power/off", &[]).status, 503);
}
