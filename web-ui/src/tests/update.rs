//! Sending the box a new version.

use super::browser::{Browser, Page};
use super::setup::claimed;
use super::{context, site};
use crate::{Context, Updates};
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
    let updates = Updates { possible: Box::new(|| true), install: Box::new(install) };
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
