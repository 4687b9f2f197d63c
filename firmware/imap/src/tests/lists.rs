//! LIST with its extensions, LSUB, SUBSCRIBE, NAMESPACE.

use super::*;

#[test]
fn plain_list_tells_special_uses_and_children() {
    play(
        "
        anna> a LIST \"\" *
        anna< * LIST (\\HasNoChildren \\Archive) \"/\" Archive
        anna< * LIST (\\HasNoChildren \\Drafts) \"/\" Drafts
        anna< * LIST (\\HasNoChildren) \"/\" INBOX
        anna< * LIST (\\HasNoChildren \\Junk) \"/\" Junk
        anna< * LIST (\\HasNoChildren \\Sent) \"/\" Sent
        anna< * LIST (\\HasNoChildren \\Trash) \"/\" Trash
        anna< a OK LIST completed
        anna> b LIST \"\" \"\"
        anna< * LIST (\\Noselect) \"/\" \"\"
        anna< b OK LIST completed
        anna> c LIST \"\" inb%
        anna< * LIST (\\HasNoChildren) \"/\" INBOX
        anna< c OK LIST completed
        anna> d LIST Se nt
        anna< * LIST (\\HasNoChildren \\Sent) \"/\" Sent
        anna< d OK LIST completed
        anna> e LIST \"\" Nothing
        anna< e OK LIST completed
        anna> f LIST \"\"
        anna< f BAD Missing argument
        anna> g LIST \"\" (
        anna< g BAD ...
        anna> h NAMESPACE
        anna< * NAMESPACE ((\"\" \"/\")) NIL NIL
        anna< h OK NAMESPACE completed
        anna> i NAMESPACE x
        anna< i BAD Unexpected text after the arguments
        ",
    );
}

#[test]
fn wildcards_and_levels() {
    let mut world = World::new();
    for name in ["a/b/c", "a/d", "&AOQ-/x"] {
        world.send("anna", format!("a CREATE {name}\r\n").as_bytes());
    }
    world.play(
        "
        anna> a LIST \"\" a/%
        anna< * LIST (\\HasChildren) \"/\" a/b
        anna< * LIST (\\HasNoChildren) \"/\" a/d
        anna< a OK LIST completed
        anna> b LIST a/ *c
        anna< * LIST (\\HasNoChildren) \"/\" a/b/c
        anna< b OK LIST completed
        anna> c LIST \"&AOQ-/\" %
        anna< * LIST (\\HasNoChildren) \"/\" &AOQ-/x
        anna< c OK LIST completed
        anna> d LIST {2+}
        anna> a/ {2+}
        anna> %b
        anna< * LIST (\\HasChildren) \"/\" a/b
        anna< d OK LIST completed
        ",
    );
}

#[test]
fn lsub_shows_levels_and_special_uses() {
    play(
        "
        anna> a SUBSCRIBE Lists/rust/users
        anna< a OK SUBSCRIBE completed
        anna> b UNSUBSCRIBE Drafts
        anna< b OK UNSUBSCRIBE completed
        anna> c LSUB \"\" *
        anna< * LSUB (\\Archive) \"/\" Archive
        anna< * LSUB () \"/\" INBOX
        anna< * LSUB (\\Junk) \"/\" Junk
        anna< * LSUB () \"/\" Lists/rust/users
        anna< * LSUB (\\Sent) \"/\" Sent
        anna< * LSUB (\\Trash) \"/\" Trash
        anna< c OK LSUB completed
        anna> d LSUB \"\" L%
        anna< * LSUB (\\Noselect) \"/\" Lists
        anna< d OK LSUB completed
        anna> e LSUB Lists/ %
        anna< * LSUB (\\Noselect) \"/\" Lists/rust
        anna< e OK LSUB completed
        anna> f CREATE Lists
        anna< f OK CREATE completed
        anna> g SUBSCRIBE Lists/
        anna< g OK SUBSCRIBE completed
        anna> h LSUB \"\" Li%
        anna< * LSUB () \"/\" Lists
        anna< h OK LSUB completed
        anna> i SUBSCRIBE a//b
        anna< i NO [CANNOT] ...
        anna> j LSUB \"\"
        anna< j BAD Missing argument
        ",
    );
}

/// The mailboxes of RFC 5258 §5.
fn fruits() -> World {
    let mut world = World::new();
    for name in ["Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli", "Vegetable/Corn"] {
        world.send("anna", format!("a CREATE {name}\r\n").as_bytes());
    }
    for name in ["Archive", "Drafts", "Junk", "Sent", "Trash"] {
        world.send("anna", format!("a DELETE {name}\r\nb UNSUBSCRIBE {name}\r\n").as_bytes());
    }
    for name in ["Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"] {
        world.send("anna", format!("a SUBSCRIBE {name}\r\n").as_bytes());
    }
    world
}

#[test]
fn selection_options() {
    fruits().play(
        "
        anna> a LIST (SUBSCRIBED) \"\" *
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" Fruit/Banana
        anna< * LIST (\\NonExistent \\Noselect \\Subscribed \\HasNoChildren) \"/\" Fruit/Peach
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX
        anna< * LIST (\\Subscribed \\HasChildren) \"/\" Vegetable
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" Vegetable/Broccoli
        anna< a OK LIST completed
        anna> b LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %
        anna< * LIST (\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SUBSCRIBED\"))
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX
        anna< * LIST (\\Subscribed \\HasChildren) \"/\" Vegetable (\"CHILDINFO\" (\"SUBSCRIBED\"))
        anna< b OK LIST completed
        anna> c LIST (RECURSIVEMATCH) \"\" *
        anna< c BAD RECURSIVEMATCH needs another selection option
        anna> d LIST (RECURSIVEMATCH REMOTE) \"\" *
        anna< d BAD RECURSIVEMATCH needs another selection option
        anna> e LIST (COLOUR) \"\" *
        anna< e BAD Unknown selection option
        anna> f LIST (REMOTE) \"\" T*
        anna< * LIST (\\HasNoChildren) \"/\" Tofu
        anna< f OK LIST completed
        anna> g LIST (SPECIAL-USE) \"\" *
        anna< g OK LIST completed
        anna> h CREATE Fruit/Old (USE (\\Archive))
        anna< h OK CREATE completed
        anna> i LIST (SPECIAL-USE) \"\" *
        anna< * LIST (\\HasNoChildren \\Archive) \"/\" Fruit/Old
        anna< i OK LIST completed
        anna> j LIST (SPECIAL-USE RECURSIVEMATCH) \"\" %
        anna< * LIST (\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SPECIAL-USE\"))
        anna< j OK LIST completed
        anna> k LIST () \"\" \"\"
        anna< k OK LIST completed
        ",
    );
}

#[test]
fn a_subscribed_child_of_nothing() {
    fruits().play(
        "
        anna> a SUBSCRIBE X/Y
        anna< a OK SUBSCRIBE completed
        anna> b LIST (SUBSCRIBED RECURSIVEMATCH) \"\" X*
        anna< * LIST (\\NonExistent \\Noselect \\Subscribed \\HasNoChildren) \"/\" X/Y
        anna< b OK LIST completed
        anna> c LIST (SUBSCRIBED RECURSIVEMATCH) \"\" X
        anna< * LIST (\\NonExistent \\Noselect \\HasNoChildren) \"/\" X (\"CHILDINFO\" (\"SUBSCRIBED\"))
        anna< c OK LIST completed
        anna> d LIST \"\" X*
        anna< d OK LIST completed
        ",
    );
}

#[test]
fn return_options_and_several_patterns() {
    fruits().play(
        "
        anna> a LIST \"\" (INBOX T% \"Veg*\") RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX
        anna< * LIST (\\HasNoChildren) \"/\" Tofu
        anna< * LIST (\\Subscribed \\HasChildren) \"/\" Vegetable
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" Vegetable/Broccoli
        anna< * LIST (\\HasNoChildren) \"/\" Vegetable/Corn
        anna< a OK LIST completed
        anna> b LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN) SUBSCRIBED)
        anna< * LIST (\\HasChildren) \"/\" Fruit
        anna< * STATUS Fruit (MESSAGES 0 UNSEEN 0)
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" INBOX
        anna< * STATUS INBOX (MESSAGES 0 UNSEEN 0)
        anna< * LIST (\\HasNoChildren) \"/\" Tofu
        anna< * STATUS Tofu (MESSAGES 0 UNSEEN 0)
        anna< * LIST (\\Subscribed \\HasChildren) \"/\" Vegetable
        anna< * STATUS Vegetable (MESSAGES 0 UNSEEN 0)
        anna< b OK LIST completed
        anna> c DELETE Fruit
        anna< c OK DELETE completed
        anna> d LIST \"\" F% RETURN (STATUS (MESSAGES))
        anna< * LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" Fruit
        anna< d OK LIST completed
        anna> e LIST \"\" * RETURN (COLOUR)
        anna< e BAD Unknown return option
        anna> f LIST \"\" * RETURN (STATUS)
        anna< f BAD Missing argument
        anna> g LIST \"\" * (SUBSCRIBED)
        anna< g BAD Unexpected text after the pattern
        anna> h LIST \"\" (INBOX) RETURN ()
        anna< * LIST (\\HasNoChildren) \"/\" INBOX
        anna< h OK LIST completed
        ",
    );
}

#[test]
fn a_long_list_comes_in_slices() {
    let mut world = World::new();
    let long = "x".repeat(400);
    for n in 0..200 {
        world.send("anna", format!("a CREATE {long}{n}\r\n").as_bytes());
    }
    let client = world.client("anna");
    let (mut out, mut all) = (Vec::new(), Vec::new());
    let mut next = client.session.receive(b"a LIST \"\" x*\r\n", now(), &mut out);
    assert_eq!(next, Next::Resume);
    while next == Next::Resume {
        assert!(out.len() <= conversation::HIGH_WATER + 1_000);
        all.append(&mut out);
        next = client.session.resume(now(), &mut out);
    }
    all.append(&mut out);
    assert_eq!(String::from_utf8_lossy(&all).lines().count(), 201);
}

#[test]
fn a_parent_is_not_told_of_children_that_are_listed() {
    fruits().play(
        "
        anna> a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (Fruit Fruit/Banana Fruit/Peach)
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" Fruit/Banana
        anna< * LIST (\\NonExistent \\Noselect \\Subscribed \\HasNoChildren) \"/\" Fruit/Peach
        anna< a OK LIST completed
        anna> b LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (Fruit Fruit/Banana Vegetable*)
        anna< * LIST (\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SUBSCRIBED\"))
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" Fruit/Banana
        anna< * LIST (\\Subscribed \\HasChildren) \"/\" Vegetable
        anna< * LIST (\\Subscribed \\HasNoChildren) \"/\" Vegetable/Broccoli
        anna< b OK LIST completed
        ",
    );
}

#[test]
fn a_list_that_takes_long_lets_others_run() {
    let mut world = World::new();
    for n in 0..2 * crate::limits::LIST_NAMES {
        world.send("anna", format!("a CREATE {}{n}\r\n", "a".repeat(400)).as_bytes());
    }
    let pattern = "*a%a".repeat(200);
    let mut out = Vec::new();
    let session = &mut world.client("anna").session;
    let mut next = session.receive(format!("a LIST \"\" {pattern}\r\n").as_bytes(), now(), &mut out);
    let mut slices = 0;
    while next == Next::Resume {
        slices += 1;
        next = session.resume(now(), &mut out);
    }
    assert_eq!((next, out.as_slice()), (Next::Read, &b"a OK LIST completed\r\n"[..]));
    assert!(slices >= 2, "{slices}");
    let many = vec![pattern; 6].join(" ");
    assert_eq!(world.send("anna", format!("b LIST \"\" ({many})\r\n").as_bytes()), "b BAD Too many long patterns\r\n");
}
