//! Greeting, capabilities, STARTTLS, LOGIN, AUTHENTICATE, LOGOUT, ID, ENABLE.

use super::*;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[test]
fn before_tls_no_password_is_taken() {
    play(
        "
        plain< * OK [CAPABILITY IMAP4rev1 ... STARTTLS LOGINDISABLED] mail.example.org Roost ready
        plain> a CAPABILITY
        plain< * CAPABILITY IMAP4rev1 ... STARTTLS LOGINDISABLED
        plain< a OK CAPABILITY completed
        plain> b LOGIN anna x
        plain< b NO [PRIVACYREQUIRED] ...
        plain> c AUTHENTICATE PLAIN
        plain< c NO [PRIVACYREQUIRED] ...
        plain> d SELECT INBOX
        plain< d BAD Command not allowed in this state
        ",
    );
    let mut world = World::new();
    let greeting = world.client("plain").take();
    assert!(!greeting.contains("AUTH=") && !greeting.contains("SASL-IR"), "{greeting}");
}

#[test]
fn starttls_discards_what_came_early() {
    let mut world = World::new();
    world.client("plain").take();
    let reply = world.send("plain", b"a STARTTLS\r\nb NOOP\r\n");
    assert_eq!(reply, "a OK Begin the TLS negotiation now\r\n");
    let password = world.password.clone();
    world.play(&format!(
        "
        plain> c STARTTLS
        plain< c BAD TLS is active already
        plain> d CAPABILITY
        plain< * CAPABILITY IMAP4rev1 ... SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN
        plain< d OK CAPABILITY completed
        plain> e LOGIN anna@example.org {password}
        plain< e OK [CAPABILITY IMAP4rev1 ...] Logged in
        plain> f STARTTLS
        plain< f BAD Command not allowed in this state
        plain> g LOGIN anna x
        plain< g BAD Command not allowed in this state
        "
    ));
}

#[test]
fn login_in_every_form_of_string() {
    let mut world = World::new();
    let password = world.password.clone();
    let n = password.len();
    world.play(&format!(
        "
        raw1< * OK ...
        raw1> a LOGIN {{4}}
        raw1< + ...
        raw1> anna {{{n}}}
        raw1< + ...
        raw1> {password}
        raw1< a OK ...
        raw2< * OK ...
        raw2> a LOGIN {{4+}}
        raw2> anna \"{password}\"
        raw2< a OK ...
        raw2> b LOGOUT
        raw2< * BYE Logging out
        raw2< b OK LOGOUT completed
        "
    ));
    assert_eq!(world.client("raw2").next, Next::Close);
}

#[test]
fn wrong_passwords_end_in_bye() {
    let mut world = World::new();
    world.client("raw").take();
    for user in ["anna", "nobody", "anna", "anna"] {
        let reply = world.send("raw", format!("a LOGIN {user} wrong\r\n").as_bytes());
        assert_eq!(reply, "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
    }
    let client = world.client("raw");
    let mut out = Vec::new();
    let next = client.session.receive(b"a LOGIN anna wrong\r\nb NOOP\r\n", now(), &mut out);
    assert!(matches!(next, Next::Delay(wait) if wait > Duration::ZERO));
    assert!(String::from_utf8_lossy(&out).ends_with("* BYE Too many failed logins\r\n"));
    assert_eq!(client.session.resume(now(), &mut out), Next::Close);
}

#[test]
fn authenticate_plain_and_login() {
    let mut world = World::new();
    let plain = STANDARD.encode(format!("\0anna\0{}", world.password));
    let (user, password) = (STANDARD.encode("anna"), STANDARD.encode(&world.password));
    world.play(&format!(
        "
        raw1< * OK ...
        raw1> a AUTHENTICATE PLAIN {plain}
        raw1< a OK [CAPABILITY ...] Logged in
        raw2< * OK ...
        raw2> a authenticate plain
        raw2< + ...
        raw2> {plain}
        raw2< a OK [CAPABILITY ...] Logged in
        raw3< * OK ...
        raw3> a AUTHENTICATE LOGIN
        raw3< + ...
        raw3> {user}
        raw3< + ...
        raw3> {password}
        raw3< a OK [CAPABILITY ...] Logged in
        raw4< * OK ...
        raw4> a AUTHENTICATE PLAIN
        raw4< + ...
        raw4> *
        raw4< a BAD AUTHENTICATE cancelled
        raw4> b AUTHENTICATE PLAIN
        raw4< + ...
        raw4> ???
        raw4< b BAD Malformed base64
        raw4> c AUTHENTICATE GSSAPI
        raw4< c NO ...
        raw4> d AUTHENTICATE PLAIN =
        raw4< d BAD ...
        raw4> e AUTHENTICATE SCRAM-SHA-256 ???
        raw4< e BAD Malformed base64
        raw4> f AUTHENTICATE PLAIN AGFubmEAd3Jvbmc=
        raw4< f NO [AUTHENTICATIONFAILED] ...
        "
    ));
    assert!(world.client("raw1").session.account().is_some());
    assert!(world.client("raw4").session.account().is_none());
}

#[test]
fn the_answer_to_a_refused_login_waits() {
    let mut world = World::new();
    let client = world.client("raw");
    let mut out = Vec::new();
    let next = client.session.receive(b"a LOGIN anna wrong\r\nb NOOP\r\n", now(), &mut out);
    assert!(matches!(next, Next::Delay(_)), "{next:?}");
    assert_eq!(out, b"a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
    out.clear();
    assert_eq!(client.session.resume(now(), &mut out), Next::Read);
    assert_eq!(out, b"b OK NOOP completed\r\n");
}

#[test]
fn id_and_enable() {
    play(
        "
        anna> a ID NIL
        anna< * ID (\"name\" \"Roost\" \"version\" \"...\")
        anna< a OK ID completed
        anna> b ID (\"name\" \"x\" \"version\" NIL)
        anna< * ID ...
        anna< b OK ID completed
        anna> c ID (\"name\")
        anna< c BAD A field without value
        anna> d ENABLE X-UNKNOWN
        anna< * ENABLED
        anna< d OK ENABLE completed
        anna> e ENABLE CONDSTORE X
        anna< * ENABLED CONDSTORE
        anna< e OK ENABLE completed
        anna> f ENABLE
        anna< f BAD Missing argument
        raw< * OK ...
        raw> a ENABLE CONDSTORE
        raw< a BAD Command not allowed in this state
        raw> b ID (\"name\" \"x\")
        raw< * ID ...
        raw< b OK ID completed
        ",
    );
}

#[test]
fn time_runs_out_and_the_server_stops() {
    let mut world = World::new();
    assert_eq!(world.client("raw").session.idle_limit(), limits::IDLE_BEFORE_LOGIN);
    assert_eq!(world.client("anna").session.idle_limit(), Duration::from_secs(1800));
    for (name, text) in [("anna", "* BYE Idle for too long\r\n"), ("ben", "* BYE The server is shutting down\r\n")] {
        let client = world.client(name);
        let mut out = Vec::new();
        let next = match name {
            "anna" => client.session.timed_out(now(), &mut out),
            _ => client.session.shutting_down(now(), &mut out),
        };
        assert_eq!((next, String::from_utf8_lossy(&out).as_ref()), (Next::Close, text));
    }
}

#[test]
fn an_account_that_was_removed_is_out() {
    let mut world = World::new();
    world.client("anna");
    world.context.directory.replace(Vec::new(), Vec::new());
    world.play(
        "
        anna> a NOOP
        anna< a OK NOOP completed
        anna> b SELECT INBOX
        anna< * BYE This account was removed
        ",
    );
}

#[test]
fn a_throttled_login_is_told_from_a_wrong_password() {
    let mut world = World::new();
    let password = world.password.clone();
    let plain = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("\0anna\0{password}"));
    for attempt in 0..auth::limits::THROTTLE_PAIR {
        let reply = world.send(&format!("raw{attempt}"), b"a LOGIN anna wrong\r\n");
        assert!(reply.contains("a NO [AUTHENTICATIONFAILED] "), "{reply}");
    }
    for (name, login) in [("rawx", format!("LOGIN anna {password}")), ("rawy", format!("AUTHENTICATE PLAIN {plain}"))] {
        let reply = world.send(name, format!("a {login}\r\n").as_bytes());
        assert!(reply.ends_with("a NO [UNAVAILABLE] Too many wrong passwords, try again later\r\n"), "{reply}");
    }
}

#[test]
fn what_is_not_announced_is_not_taken() {
    let mut world = World::new();
    let mut anna = auth::Account::clone(&world.context.directory.account(auth::AccountId(1)).unwrap());
    anna.password = Some(auth::password::PasswordHash::new("correct horse").unwrap());
    anna.password_for_mail = true;
    world.context.directory.replace(vec![anna], vec![Domain::parse("example.org").unwrap()]);
    world.play(
        "
        raw< * OK [CAPABILITY ... SASL-IR AUTH=PLAIN AUTH=LOGIN] ...
        raw> a AUTHENTICATE SCRAM-SHA-256
        raw< a NO [CANNOT] Unknown mechanism
        ",
    );
}

#[test]
fn the_longest_id_is_taken_also_before_login() {
    let mut world = World::new();
    world.client("raw").take();
    let field = |n: usize| format!("\"{n:030}\" \"{}\"", "x".repeat(1_024));
    let fields: Vec<String> = (0..30).map(field).collect();
    let reply = world.send("raw", format!("a ID ({})\r\n", fields.join(" ")).as_bytes());
    assert!(reply.ends_with("a OK ID completed\r\n"), "{reply}");
}
