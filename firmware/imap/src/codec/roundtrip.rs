//! Property tests: commands that are written and parsed again, responses that are parsed by an independent reader.

use super::command::*;
use super::encode::put;
use super::parse::{self, Name};
use super::sequence::{Bound, SequenceSet};
use super::structure;
use super::{Bad, Lexer};
use message::{Address, Content, Disposition, Envelope, Param, Part, Section, SectionText};
use proptest::prelude::*;
use store::{FlagChange, Flags, Keyword};

fn arguments(name: Name, text: &[u8]) -> Result<Command, Bad> {
    parse::arguments(name, &mut Lexer::new(&[b" ", text].concat()))
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..20, any::<u32>().prop_map(|n| n.max(1))]
}

fn set() -> impl Strategy<Value = SequenceSet> {
    let bound = || prop_oneof![3 => number().prop_map(Bound::Number), 1 => Just(Bound::Largest)];
    proptest::collection::vec((bound(), bound()), 1..4).prop_map(SequenceSet::new)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[a-zA-Z\"\\\\ (){}%*]{0,6}".prop_map(String::into_bytes), proptest::collection::vec(1u8.., 0..6)]
}

/// A string in one of its forms.
fn put_string(text: &[u8], form: usize, out: &mut Vec<u8>) {
    match form % 3 {
        0 => super::encode::astring(text, out),
        1 => super::encode::string(text, out),
        _ => {
            put!(out, "{{{}+}}\r\n", text.len());
            out.extend_from_slice(text);
        }
    }
}

fn key() -> impl Strategy<Value = SearchKey> {
    use SearchKey::*;
    let flag = prop::sample::select(vec![
        SystemFlag::Answered,
        SystemFlag::Deleted,
        SystemFlag::Draft,
        SystemFlag::Flagged,
        SystemFlag::Seen,
    ]);
    let leaf = prop_oneof![
        Just(And(vec![])),
        Just(Recent),
        flag.prop_map(Flag),
        set().prop_map(Sequence),
        set().prop_map(Uid),
        number().prop_map(Larger),
        number().prop_map(Smaller),
        bytes().prop_map(Body),
        bytes().prop_map(Text),
        (bytes(), bytes()).prop_map(|(name, text)| Header(name, text)),
        (0u64..1 << 63).prop_map(ModSeq),
        "[a-z$]{1,5}".prop_map(|word| Keyword(store::Keyword::parse(&word).ok())),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|key| Not(Box::new(key))),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| Or(Box::new(one), Box::new(other))),
            proptest::collection::vec(inner, 2..4).prop_map(And),
        ]
    })
}

fn put_key(key: &SearchKey, form: usize, out: &mut Vec<u8>) {
    match key {
        SearchKey::And(keys) if keys.is_empty() => out.extend_from_slice(b"ALL"),
        SearchKey::And(keys) => {
            for (i, key) in keys.iter().enumerate() {
                out.push(if i == 0 { b'(' } else { b' ' });
                put_key(key, form + i, out);
            }
            out.push(b')');
        }
        SearchKey::Not(key) => {
            out.extend_from_slice(b"not ");
            put_key(key, form, out);
        }
        SearchKey::Or(one, other) => {
            out.extend_from_slice(b"OR ");
            put_key(one, form, out);
            out.push(b' ');
            put_key(other, form + 1, out);
        }
        SearchKey::Recent => out.extend_from_slice(b"RECENT"),
        SearchKey::Flag(flag) => put!(out, "{flag:?}"),
        SearchKey::Sequence(set) => put!(out, "{set}"),
        SearchKey::Uid(set) => put!(out, "UID {set}"),
        SearchKey::Larger(n) => put!(out, "LARGER {n}"),
        SearchKey::Smaller(n) => put!(out, "SMALLER {n}"),
        SearchKey::ModSeq(n) => put!(out, "MODSEQ {n}"),
        SearchKey::Keyword(Some(keyword)) => put!(out, "KEYWORD {}", keyword.as_str()),
        SearchKey::Body(text) => {
            out.extend_from_slice(b"BODY ");
            put_string(text, form, out);
        }
        SearchKey::Text(text) => {
            out.extend_from_slice(b"TEXT ");
            put_string(text, form, out);
        }
        SearchKey::Header(name, text) => {
            out.extend_from_slice(b"HEADER ");
            put_string(name, form, out);
            out.push(b' ');
            put_string(text, form + 1, out);
        }
        SearchKey::Internal(..) | SearchKey::Sent(..) | SearchKey::Keyword(None) => unreachable!("not generated"),
    }
}

fn section() -> impl Strategy<Value = Section> {
    let names = || proptest::collection::vec(bytes(), 1..3);
    let text = prop_oneof![
        Just(None),
        Just(Some(SectionText::Header)),
        Just(Some(SectionText::Text)),
        names().prop_map(|names| Some(SectionText::HeaderFields(names))),
        names().prop_map(|names| Some(SectionText::HeaderFieldsNot(names))),
    ];
    (proptest::collection::vec(number(), 0..4), text).prop_map(|(path, text)| Section { path, text })
}

fn put_section(section: &Section, form: usize, out: &mut Vec<u8>) {
    let path: Vec<String> = section.path.iter().map(u32::to_string).collect();
    put!(out, "[{}", path.join("."));
    if section.text.is_some() && !path.is_empty() {
        out.push(b'.');
    }
    let names = match &section.text {
        None => &[][..],
        Some(SectionText::Header) => {
            out.extend_from_slice(b"header");
            &[]
        }
        Some(SectionText::Text) => {
            out.extend_from_slice(b"TEXT");
            &[]
        }
        Some(SectionText::Mime) => unreachable!("not generated"),
        Some(SectionText::HeaderFields(names)) => {
            out.extend_from_slice(b"HEADER.FIELDS ");
            names
        }
        Some(SectionText::HeaderFieldsNot(names)) => {
            out.extend_from_slice(b"HEADER.FIELDS.NOT ");
            names
        }
    };
    for (i, name) in names.iter().enumerate() {
        out.push(if i == 0 { b'(' } else { b' ' });
        put_string(name, form + i, out);
    }
    out.extend_from_slice(if names.is_empty() { b"]" } else { b")]" });
}

proptest! {
    #[test]
    fn search(key in key(), form in 0usize..3) {
        let mut text = b"CHARSET utf-8 ".to_vec();
        put_key(&key, form, &mut text);
        let parsed = arguments(Name::Search, &text);
        let expected = Search { returns: None, charset: Some("utf-8".into()), key };
        prop_assert_eq!(parsed, Ok(Command::Search(Numbers::Sequence, expected)));
    }

    #[test]
    fn fetch(set in set(), sections in proptest::collection::vec((section(), any::<bool>(), proptest::option::of((any::<u32>(), number()))), 1..4), form in 0usize..3) {
        let mut text = Vec::new();
        put!(&mut text, "{set} (");
        for (i, (section, peek, partial)) in sections.iter().enumerate() {
            put!(&mut text, "{}{}", if i == 0 { "" } else { " " }, if *peek { "body.peek" } else { "BODY" });
            put_section(section, form, &mut text);
            if let Some((origin, count)) = partial {
                put!(&mut text, "<{origin}.{count}>");
            }
        }
        text.push(b')');
        let items = sections.into_iter().map(|(section, peek, partial)| {
            FetchItem::Section(BodySection { section, partial, peek, name: SectionName::Body })
        });
        let expected = Fetch { set, items: items.collect(), changed_since: None, vanished: false };
        prop_assert_eq!(arguments(Name::UidFetch, &text), Ok(Command::Fetch(Numbers::Uid, expected)));
    }

    #[test]
    fn store_flags(set in set(), seen: bool, draft: bool, words in proptest::collection::btree_set("[a-z$]{1,5}", 0..4), sign in 0usize..3, silent: bool) {
        let keywords = words.iter().map(|word| Keyword::parse(word).unwrap()).collect();
        let flags = Flags { seen, draft, keywords, ..Flags::default() };
        let mut text = Vec::new();
        put!(&mut text, "{set} {}FLAGS{} ", ["", "+", "-"][sign], if silent { ".silent" } else { "" });
        super::encode::flags(&flags, false, &mut text);
        let change = [FlagChange::Replace, FlagChange::Add, FlagChange::Remove][sign](flags);
        let expected = StoreFlags { set, change, silent, unchanged_since: None };
        prop_assert_eq!(arguments(Name::Store, &text), Ok(Command::Store(Numbers::Sequence, expected)));
    }

    #[test]
    fn mailbox_names(name in "[ -~äÖ日📧]{1,12}", form in 0usize..3) {
        let parsed = store::MailboxName::parse(&name);
        let mut text = Vec::new();
        put_string(super::utf7::encode(&name).as_bytes(), form, &mut text);
        prop_assert_eq!(arguments(Name::Delete, &text), Ok(Command::Delete(parsed)));
    }

    #[test]
    fn no_bytes_upset_the_parser(name in 0..36usize, text in proptest::collection::vec(prop_oneof![3 => prop::sample::select(b"a1:*(){}\"\\ .<>[]%&+-~/".to_vec()), 1 => any::<u8>()], 0..60)) {
        let spelled = ["ID", "AUTHENTICATE", "LOGIN", "ENABLE", "SELECT", "CREATE", "RENAME", "LIST", "LSUB", "STATUS", "APPEND",
            "UID EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY"];
        let mut lexer = Lexer::new(spelled[name % spelled.len()].as_bytes());
        let name = parse::name(&mut lexer).unwrap();
        let _ = arguments(name, &text);
        let _ = parse::append(&mut Lexer::new(&text));
        let _ = parse::tag(&mut Lexer::new(&text));
    }
}

/// A value of a response, read by the letter of RFC 3501 §9.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Nil,
    Text(Vec<u8>),
    Number(u64),
    List(Vec<Value>),
}

fn value(lexer: &mut Lexer<'_>) -> Result<Value, Bad> {
    match lexer.peek() {
        Some(b'(') => {
            lexer.eat(b'(');
            let mut all = Vec::new();
            while !lexer.eat(b')') {
                all.push(value(lexer)?);
                // Address lists and parts of a multipart stand without a space between them.
                lexer.eat(b' ');
            }
            Ok(Value::List(all))
        }
        Some(b'0'..=b'9') => lexer.number64().map(Value::Number),
        _ => Ok(lexer.nstring()?.map_or(Value::Nil, |text| Value::Text(text.into_owned()))),
    }
}

fn written(write: impl Fn(&mut Vec<u8>)) -> Vec<Value> {
    let mut out = Vec::new();
    write(&mut out);
    let mut lexer = Lexer::new(&out);
    let Ok(Value::List(values)) = value(&mut lexer) else { panic!("{}", out.escape_ascii()) };
    assert!(lexer.rest().is_empty());
    values
}

fn text(bytes: &[u8]) -> Value {
    Value::Text(bytes.to_vec())
}

fn ntext(bytes: &Option<Vec<u8>>) -> Value {
    bytes.as_deref().map_or(Value::Nil, text)
}

fn nlist(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Nil } else { Value::List(values) }
}

fn header_text() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(bytes())
}

fn address_list() -> impl Strategy<Value = Vec<Address>> {
    let mailbox = (header_text(), header_text(), bytes(), bytes());
    let mailbox = mailbox.prop_map(|(name, route, mailbox, host)| Address::Mailbox { name, route, mailbox, host });
    let one = prop_oneof![3 => mailbox, 1 => bytes().prop_map(Address::GroupStart), 1 => Just(Address::GroupEnd)];
    proptest::collection::vec(one, 0..4)
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let lists = (address_list(), address_list(), address_list());
    (header_text(), header_text(), lists, header_text(), header_text()).prop_map(|(date, subject, lists, reply, id)| {
        let (from, to, cc) = lists;
        Envelope { date, subject, from, to, cc, in_reply_to: reply, message_id: id, ..Envelope::default() }
    })
}

fn addresses(list: &[Address]) -> Value {
    let one = |address: &Address| {
        Value::List(match address {
            Address::Mailbox { name, route, mailbox, host } => {
                vec![ntext(name), ntext(route), text(mailbox), text(host)]
            }
            Address::GroupStart(name) => vec![Value::Nil, Value::Nil, text(name), Value::Nil],
            Address::GroupEnd => vec![Value::Nil; 4],
        })
    };
    nlist(list.iter().map(one).collect())
}

fn envelope_values(e: &Envelope) -> Vec<Value> {
    vec![
        ntext(&e.date),
        ntext(&e.subject),
        addresses(&e.from),
        addresses(&e.sender),
        addresses(&e.reply_to),
        addresses(&e.to),
        addresses(&e.cc),
        addresses(&e.bcc),
        ntext(&e.in_reply_to),
        ntext(&e.message_id),
    ]
}

fn params() -> impl Strategy<Value = Vec<Param>> {
    proptest::collection::vec((bytes(), bytes()).prop_map(|(name, value)| Param { name, value }), 0..3)
}

fn part() -> impl Strategy<Value = Part> {
    let kind = prop::sample::select(vec![("text", "plain"), ("image", "png"), ("TEXT", "html")]);
    let fields = (kind, params(), header_text(), header_text(), header_text(), header_text());
    let more =
        (proptest::option::of((bytes(), params())), proptest::collection::vec(bytes(), 0..3), header_text(), 0u64..9);
    let leaf = (fields, more).prop_map(|((kind, params, id, description, encoding, md5), more)| {
        let (disposition, language, location, size) = more;
        Part {
            header: 0..7,
            body: 7..7 + size,
            lines: 3,
            media_type: kind.0.into(),
            subtype: kind.1.into(),
            params,
            id,
            description,
            encoding,
            md5,
            disposition: disposition.map(|(kind, params)| Disposition { kind, params }),
            language,
            location,
            content: Content::Leaf,
        }
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let outer = |kind: &'static str, subtype: &'static str, content: Content, like: &Part| Part {
            media_type: kind.into(),
            subtype: subtype.into(),
            content,
            ..like.clone()
        };
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(move |parts| outer(
                "multipart",
                "mixed",
                Content::Multipart(parts.clone()),
                &parts[0]
            )),
            (envelope(), inner).prop_map(move |(e, part)| outer(
                "message",
                "rfc822",
                Content::Message(Box::new(e), Box::new(part.clone())),
                &part
            )),
        ]
    })
}

fn param_values(list: &[Param]) -> Value {
    nlist(list.iter().flat_map(|param| [text(&param.name), text(&param.value)]).collect())
}

fn part_values(part: &Part, extended: bool) -> Vec<Value> {
    let mut values = Vec::new();
    if let Content::Multipart(parts) = &part.content {
        values.extend(parts.iter().map(|part| Value::List(part_values(part, extended))));
        values.push(text(&part.subtype));
        if extended {
            values.push(param_values(&part.params));
        }
    } else {
        values.extend([text(&part.media_type), text(&part.subtype), param_values(&part.params)]);
        values.extend([ntext(&part.id), ntext(&part.description), text(part.encoding.as_deref().unwrap_or(b"7bit"))]);
        values.push(Value::Number(part.body.end - part.body.start));
        if let Content::Message(e, inner) = &part.content {
            values.extend([Value::List(envelope_values(e)), Value::List(part_values(inner, extended))]);
        }
        if part.media_type.eq_ignore_ascii_case(b"text") || matches!(part.content, Content::Message(..)) {
            values.push(Value::Number(part.lines.into()));
        }
        if extended {
            values.push(ntext(&part.md5));
        }
    }
    if extended {
        let disposition = part.disposition.as_ref();
        values.push(disposition.map_or(Value::Nil, |d| Value::List(vec![text(&d.kind), param_values(&d.params)])));
        let tags: Vec<Value> = part.language.iter().map(|tag| text(tag)).collect();
        values.push(if let [only] = &tags[..] { only.clone() } else { nlist(tags) });
        values.push(ntext(&part.location));
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn envelopes_are_read_as_they_are(e in envelope()) {
        prop_assert_eq!(written(|out| structure::envelope(&e, out)), envelope_values(&e));
    }

    #[test]
    fn structures_are_read_as_they_are(part in part(), extended: bool) {
        prop_assert_eq!(written(|out| structure::body(&part, extended, out)), part_values(&part, extended));
    }
}
