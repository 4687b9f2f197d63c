//! The page of a box that cannot open its data.

use super::browser::Browser;
use super::{context, site};
use crate::{Context, Download, Mend, Trouble};
use embedded_svc::http::Method;
use std::sync::{Arc, Mutex};

/// A box in trouble, its setup code, and what it was asked to do.
fn ill() -> (Context, String, Arc<Mutex<Vec<Mend>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = asked.clone();
    let trouble = Trouble {
        why: "The settings <are> damaged.".into(),
        downloads: vec![Download {
            name: "mail.tar",
            what: "All mail.",
            open: Box::new(|| Ok(Box::new(std::io::Cursor::new("mail ".repeat(100_000))))),
        }],
        mend: Some(Box::new(move |mend| {
            keep.lock().unwrap().push(mend);
            if mend == Mend::Repair { Ok(()) } else { Err("it is on trial".into()) }
        })),
    };
    let health = Box::new(|| Err("in trouble".to_owned()));
    let context = Context { trouble: Some(trouble), health, ..context() };
    let code = context.settings.get().setup_code.as_ref().unwrap().as_str().to_owned();
    (context, code, asked)
}

#[test]
fn everybody_hears_what_is_wrong_and_nobody_else_may_mend_it() {
    let (context, _, asked) = ill();
    let (site, _) = site(context);
    let mut stranger = Browser::new(&site);
    for path in ["/status", "/login", "/setup", "/accounts", "/update", "/nowhere"] {
        stranger.get(path).leads_to("/");
    }
    let page = stranger.get("/");
    page.shows(200, "The settings &#60;are&#62; damaged.");
    assert!(!page.text.contains("mail.tar") && !page.text.contains("/afresh"), "{}", page.text);
    stranger.get("/download?file=mail.tar").leads_to("/");
    stranger.post("/repair", &[]).leads_to("/");
    stranger.post("/afresh", &[("confirmation", "ERASE")]).leads_to("/");
    assert_eq!(
        stranger.post("/", &[("code", "AAAA-AAAA")]).error_of("code").split('.').next(),
        Some("This is not the setup code")
    );
    stranger.get("/download?file=mail.tar").leads_to("/");
    assert_eq!(stranger.get("/health").status, 503);
    assert_eq!(*asked.lock().unwrap(), []);
}

#[test]
fn who_has_the_code_saves_the_mail_and_mends_the_box() {
    let (context, code, asked) = ill();
    let (site, _) = site(context);
    let mut owner = Browser::new(&site);
    owner.get("/");
    owner.post("/", &[("code", &code)]).leads_to("/");
    owner.get("/").shows(200, "href=\"/download?file=mail.tar\"");
    let file = owner.get("/download?file=mail.tar");
    assert_eq!(file.header("Content-Disposition"), "attachment; filename=\"mail.tar\"");
    assert_eq!(file.text, "mail ".repeat(100_000));
    assert_eq!(owner.get("/download?file=../settings").status, 404);
    // Never by accident, and never because another site says so.
    assert!(owner.post("/afresh", &[("confirmation", "")]).error_of("confirmation").starts_with("Nothing was erased."));
    let token = std::mem::take(&mut owner.token);
    assert_eq!(owner.ask(Method::Post, "/afresh", b"confirmation=ERASE").status, 403);
    assert_eq!(*asked.lock().unwrap(), []);
    owner.token = token;
    owner.post("/afresh", &[("confirmation", " erase ")]).shows(503, "Nothing was changed: it is on trial.");
    owner.post("/repair", &[]).shows(200, "The box restarts");
    assert_eq!(*asked.lock().unwrap(), [Mend::Afresh, Mend::Repair]);
}

#[test]
fn a_machine_without_a_keeper_offers_what_it_can() {
    let (mut context, code, _) = ill();
    let trouble = context.trouble.as_mut().unwrap();
    trouble.mend = None;
    trouble.downloads[0].open = Box::new(|| Err("the card is gone".into()));
    let (site, _) = site(context);
    let mut owner = Browser::new(&site);
    owner.get("/");
    owner.post("/", &[("code", &code)]).leads_to("/");
    let page = owner.get("/");
    assert!(page.text.contains("mail.tar") && !page.text.contains("/afresh"), "{}", page.text);
    owner.get("/download?file=mail.tar").shows(503, "the card is gone");
}
