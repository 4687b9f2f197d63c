//! Sending the box a new version.

use super::browser::{Browser, Page};
use super::setup::claimed;
use super::{context, site};
use crate::{Context, Fetching, Updates};
use embedded_svc::http::Method;
use std::sync::{Arc, Mutex};

/// A box that takes what begins with `good`, and what it was sent.
fn updatable() -> (Context, Arc<Mutex<Vec<u8>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = sent.clone();
    let install = move |bundle: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        bundle.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        keep.lock().unwrap().clone_from(&bytes);
        if bytes.starts_with(b"good") { Ok("version 2 is installed".to_owned()) } else { Err("it is <bad>".to_owned()) }
    };
    let updates = Updates { possible: Box::new(|| true), install: Box::new(install), ..Updates::default() };
    (Context { updates, ..context() }, sent)
}

fn send(owner: &mut Browser, token: &str, file: &[u8]) -> Page {
    let part = |name: &str| format!("--42\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    let before = format!("{}{token}\r\n{}", part("token"), part("bundle"));
    let body = [before.as_bytes(), file, b"\r\n--42--\r\n"];
    owner.headers.insert("Content-Type", "multipart/form-data; boundary=42".into());
    let page = owner.ask(Method::Post, "/update", &body.concat());
    owner.headers.remove("Content-Type");
    page
}

#[test]
fn the_owner_sends_an_update() {
    let (context, sent) = updatable();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    owner.get("/status").shows(200, "href=\"/update\"");
    owner.get("/update").shows(200, "multipart/form-data");
    let token = owner.token.clone();
    let file = [b"good".as_slice(), &[0, 13, 10, 45, 45].repeat(100_000)].concat();
    send(&mut owner, &token, &file).shows(200, "version 2 is installed");
    assert_eq!(*sent.lock().unwrap(), file);
    let refused = send(&mut owner, &token, b"bad");
    assert_eq!(refused.status, 422);
    assert!(refused.error_of("bundle").contains("it is &#60;bad&#62;"), "{}", refused.error_of("bundle"));
}

#[test]
fn nobody_else_does() {
    let (context, sent) = updatable();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    owner.get("/update");
    let token = owner.token.clone();
    send(&mut Browser::new(&site), &token, b"good").leads_to("/login");
    assert_eq!(send(&mut owner, "", b"good").status, 403);
    assert_eq!(send(&mut owner, "Zm9yZ2Vk", b"good").status, 403);
    owner.headers.insert("Sec-Fetch-Site", "cross-site".into());
    assert_eq!(send(&mut owner, &token, b"good").status, 403);
    owner.headers.remove("Sec-Fetch-Site");
    assert_eq!(owner.post("/update", &[("bundle", "good")]).status, 415);
    assert!(sent.lock().unwrap().is_empty());
}

#[test]
fn a_machine_without_slots_says_so() {
    let (site, _) = site(context());
    let mut owner = claimed(&site);
    assert!(!owner.get("/status").text.contains("/update"));
    owner.get("/update").shows(200, "no place of its own");
}

type Shared<T> = Arc<Mutex<T>>;

/// A box on which fetching goes as told, and what was asked of it.
fn fetching() -> (Context, Shared<Fetching>, Shared<Vec<String>>) {
    let (state, asked) = (Arc::new(Mutex::new(Fetching::Nothing)), Arc::new(Mutex::new(Vec::new())));
    let (seen, begun, ended) = (state.clone(), (state.clone(), asked.clone()), (state.clone(), asked.clone()));
    let updates = Updates {
        possible: Box::new(|| true),
        fetch: Box::new(move |address| {
            if !address.starts_with("https://") {
                return Err("It begins with <https>.".into());
            }
            begun.1.lock().unwrap().push(address.to_owned());
            *begun.0.lock().unwrap() = Fetching::Running { got: 0, total: None };
            Ok(())
        }),
        fetching: Box::new(move || seen.lock().unwrap().clone()),
        cancel: Box::new(move || {
            ended.1.lock().unwrap().push("cancel".into());
            *ended.0.lock().unwrap() = Fetching::Nothing;
        }),
        ..Updates::default()
    };
    (Context { updates, ..context() }, state, asked)
}

#[test]
fn the_owner_tells_where_the_update_is_and_watches_it_come() {
    let (context, state, asked) = fetching();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    owner.get("/update").shows(200, "name=\"address\"");
    let wrong = owner.post("/update/fetch", &[("address", "nas/update.roost")]);
    assert_eq!((wrong.status, wrong.error_of("address")), (422, "It begins with &#60;https&#62;."));
    wrong.shows(422, "value=\"nas/update.roost\"");
    owner.post("/update/fetch", &[("address", "https://example.org/x.roost")]).leads_to("/update");
    let page = owner.get("/update");
    page.shows(200, "Cancel the update");
    page.shows(200, "<iframe class=\"progress\" src=\"/update/progress\"");
    assert!(page.header("Content-Security-Policy").contains("frame-src 'self'; frame-ancestors 'none'"));
    for (now, said) in [
        (Fetching::Running { got: 0, total: None }, "being asked"),
        (Fetching::Running { got: 5_000_000, total: None }, "5.0 MB have come."),
        (Fetching::Running { got: 5_000_000, total: Some(20_000_000) }, "value=\"25\""),
        (Fetching::Running { got: 5_000_000, total: Some(20_000_000) }, "5.0 MB of 20 MB have come."),
        (Fetching::Running { got: 9, total: Some(9) }, "being checked"),
    ] {
        *state.lock().unwrap() = now;
        let inside = owner.get("/update/progress");
        inside.shows(200, said);
        assert_eq!(inside.header("Refresh"), "2");
        assert!(inside.header("Content-Security-Policy").contains("frame-ancestors 'self'"));
        assert!(!inside.text.contains("<form"));
    }
    *state.lock().unwrap() = Fetching::Installed("version <2> is installed".into());
    let inside = owner.get("/update/progress");
    inside.shows(200, "version &#60;2&#62; is installed");
    assert_eq!(inside.header("Refresh"), "");
    owner.get("/update").shows(200, "The update was accepted: version &#60;2&#62; is installed.");
    assert_eq!(*asked.lock().unwrap(), ["https://example.org/x.roost"]);
}

#[test]
fn what_went_wrong_stands_beside_the_address() {
    let (context, state, _) = fetching();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    let address = "https://example.org/\"x\"".to_owned();
    *state.lock().unwrap() = Fetching::Failed { address, why: "example.org has no such file (404)".into() };
    let inside = owner.get("/update/progress");
    inside.shows(200, "Not installed: example.org has no such file (404).");
    inside.shows(200, "target=\"_top\"");
    let page = owner.get("/update");
    page.shows(200, "value=\"https://example.org/&#34;x&#34;\"");
    assert_eq!(page.error_of("address"), "Not installed: example.org has no such file (404).");
}

#[test]
fn an_update_that_is_fetched_can_be_cancelled_by_its_owner_alone() {
    let (context, state, asked) = fetching();
    let (site, _) = site(context);
    let mut owner = claimed(&site);
    *state.lock().unwrap() = Fetching::Running { got: 1, total: None };
    owner.get("/update");
    let token = owner.token.clone();
    let mut stranger = Browser::new(&site);
    for path in ["/update/fetch", "/update/cancel"] {
        stranger.post(path, &[("address", "https://example.org/"), ("token", &token)]).leads_to("/login");
        owner.token.clear();
        assert_eq!(owner.post(path, &[("address", "https://example.org/")]).status, 403);
        owner.token.clone_from(&token);
    }
    stranger.get("/update/progress").leads_to("/login");
    assert!(asked.lock().unwrap().is_empty());
    owner.post("/update/cancel", &[]).leads_to("/update");
    owner.get("/update").shows(200, "The update was cancelled. Nothing was changed.");
    assert_eq!(*asked.lock().unwrap(), ["cancel"]);
}
