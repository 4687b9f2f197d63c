//! Parses one command (RFC 3501 §9 `command` and the extensions' additions) that [`super::framing`] has collected.

use super::command::*;
use super::lexer::{Bad, Lexer, is_astring_char, is_atom_char};
use super::parse_fetch::{fetch, store};
use super::parse_list::{list, lsub, status_items};
use super::parse_search::search;
use super::sequence::SequenceSet;
use super::utf7;
use crate::limits;
use message::date::DateTime;
use smol_str::SmolStr;
use store::{Flags, Keyword, MailboxName, NameError, SpecialUse};

/// The name of a command, without its arguments; UID makes part of the name. The table of `commands` has its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the commands")]
pub enum Name {
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Authenticate,
    Login,
    Enable,
    Select,
    Examine,
    Create,
    Delete,
    Rename,
    Subscribe,
    Unsubscribe,
    List,
    Lsub,
    Namespace,
    Status,
    Append,
    Idle,
    Check,
    Close,
    Unselect,
    Expunge,
    UidExpunge,
    Search,
    UidSearch,
    Fetch,
    UidFetch,
    Store,
    UidStore,
    Copy,
    UidCopy,
    Move,
    UidMove,
}

/// Every command as it is spelled.
const NAMES: &[(&str, Name)] = &[
    ("CAPABILITY", Name::Capability),
    ("NOOP", Name::Noop),
    ("LOGOUT", Name::Logout),
    ("ID", Name::Id),
    ("STARTTLS", Name::StartTls),
    ("AUTHENTICATE", Name::Authenticate),
    ("LOGIN", Name::Login),
    ("ENABLE", Name::Enable),
    ("SELECT", Name::Select),
    ("EXAMINE", Name::Examine),
    ("CREATE", Name::Create),
    ("DELETE", Name::Delete),
    ("RENAME", Name::Rename),
    ("SUBSCRIBE", Name::Subscribe),
    ("UNSUBSCRIBE", Name::Unsubscribe),
    ("LIST", Name::List),
    ("LSUB", Name::Lsub),
    ("NAMESPACE", Name::Namespace),
    ("STATUS", Name::Status),
    ("APPEND", Name::Append),
    ("IDLE", Name::Idle),
    ("CHECK", Name::Check),
    ("CLOSE", Name::Close),
    ("UNSELECT", Name::Unselect),
    ("EXPUNGE", Name::Expunge),
    ("UID EXPUNGE", Name::UidExpunge),
    ("SEARCH", Name::Search),
    ("UID SEARCH", Name::UidSearch),
    ("FETCH", Name::Fetch),
    ("UID FETCH", Name::UidFetch),
    ("STORE", Name::Store),
    ("UID STORE", Name::UidStore),
    ("COPY", Name::Copy),
    ("UID COPY", Name::UidCopy),
    ("MOVE", Name::Move),
    ("UID MOVE", Name::UidMove),
];

/// Reads the tag and the space behind it. `None` if there is no tag to answer with. A tag alone is one: the command is missing.
pub fn tag(lexer: &mut Lexer<'_>) -> Option<Tag> {
    let bytes = lexer.take_while(|b| is_astring_char(b) && b != b'+');
    let tag = Tag::try_from(std::str::from_utf8(bytes).ok()?).ok()?;
    (!tag.is_empty() && (lexer.rest().is_empty() || lexer.sp().is_ok())).then_some(tag)
}

/// Reads the command's name.
pub fn name(lexer: &mut Lexer<'_>) -> Result<Name, Bad> {
    let unknown = Bad("Unknown command");
    let first = lexer.atom().map_err(|_| unknown)?;
    let find = |spelled: &str| NAMES.iter().find(|(text, _)| text.eq_ignore_ascii_case(spelled)).map(|&(_, name)| name);
    if !first.eq_ignore_ascii_case("UID") {
        return find(first).ok_or(unknown);
    }
    lexer.sp()?;
    let second = lexer.atom().map_err(|_| unknown)?;
    find(&format!("UID {second}")).ok_or(unknown)
}

/// Reads the arguments up to the end of the command.
pub fn arguments(name: Name, lexer: &mut Lexer<'_>) -> Result<Command, Bad> {
    let command = match name {
        Name::Capability => Command::Capability,
        Name::Noop => Command::Noop,
        Name::Logout => Command::Logout,
        Name::StartTls => Command::StartTls,
        Name::Namespace => Command::Namespace,
        Name::Idle => Command::Idle,
        Name::Check => Command::Check,
        Name::Close => Command::Close,
        Name::Unselect => Command::Unselect,
        Name::Expunge => Command::Expunge,
        _ => {
            lexer.sp()?;
            with_arguments(name, lexer)?
        }
    };
    lexer.end()?;
    Ok(command)
}

fn with_arguments(name: Name, lexer: &mut Lexer<'_>) -> Result<Command, Bad> {
    Ok(match name {
        Name::Id => Command::Id(id(lexer)?),
        Name::Authenticate => authenticate(lexer)?,
        Name::Login => {
            let user = lexer.astring()?.into_owned();
            lexer.sp()?;
            Command::Login(user, lexer.astring()?.into_owned())
        }
        Name::Enable => Command::Enable(enable(lexer)?),
        Name::Select => Command::Select(select(lexer)?),
        Name::Examine => Command::Examine(select(lexer)?),
        Name::Create => Command::Create(mailbox(lexer)?, create_uses(lexer)?),
        Name::Delete => Command::Delete(mailbox(lexer)?),
        Name::Rename => {
            let from = mailbox(lexer)?;
            lexer.sp()?;
            Command::Rename(from, mailbox(lexer)?)
        }
        Name::Subscribe => Command::Subscribe(mailbox(lexer)?),
        Name::Unsubscribe => Command::Unsubscribe(mailbox(lexer)?),
        Name::List => Command::List(list(lexer)?),
        Name::Lsub => Command::Lsub(lsub(lexer)?),
        Name::Status => {
            let mailbox = mailbox(lexer)?;
            lexer.sp()?;
            Command::Status(mailbox, status_items(lexer)?)
        }
        // With a literal it does not come here: see [`append`].
        Name::Append => return Err(NO_LITERAL),
        Name::UidExpunge => Command::UidExpunge(SequenceSet::parse(lexer)?),
        Name::Search => Command::Search(Numbers::Sequence, search(lexer)?),
        Name::UidSearch => Command::Search(Numbers::Uid, search(lexer)?),
        Name::Fetch => Command::Fetch(Numbers::Sequence, fetch(lexer)?),
        Name::UidFetch => Command::Fetch(Numbers::Uid, fetch(lexer)?),
        Name::Store => Command::Store(Numbers::Sequence, store(lexer)?),
        Name::UidStore => Command::Store(Numbers::Uid, store(lexer)?),
        Name::Copy => copy(Numbers::Sequence, Command::Copy, lexer)?,
        Name::UidCopy => copy(Numbers::Uid, Command::Copy, lexer)?,
        Name::Move => copy(Numbers::Sequence, Command::Move, lexer)?,
        Name::UidMove => copy(Numbers::Uid, Command::Move, lexer)?,
        _ => return Err(Bad("This command takes no arguments")),
    })
}

/// A mailbox name. INBOX in any case, a trailing separator and names in plain UTF-8 are understood.
pub fn mailbox(lexer: &mut Lexer<'_>) -> Result<Mailbox, Bad> {
    let wire = lexer.astring()?;
    let text = utf7::decode_leniently(&wire).ok_or(NameError("not modified UTF-7"));
    Ok(text.and_then(|text| MailboxName::parse(&text)))
}

/// `id_param_list` (RFC 2971 §4) or NIL.
fn id(lexer: &mut Lexer<'_>) -> Result<Vec<(String, String)>, Bad> {
    if lexer.eat_word("NIL") {
        return Ok(Vec::new());
    }
    let words = lexer.list(limits::WORDS, |lexer| {
        Ok(lexer.nstring()?.map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default())
    })?;
    if words.len() % 2 != 0 {
        return Err(Bad("A field without value"));
    }
    Ok(words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn authenticate(lexer: &mut Lexer<'_>) -> Result<Command, Bad> {
    let mechanism = SmolStr::new(lexer.atom()?);
    let initial = match lexer.peek() {
        Some(b' ') => {
            lexer.sp()?;
            Some(lexer.take_while(|b| b != b' ').to_vec())
        }
        _ => None,
    };
    Ok(Command::Authenticate(mechanism, initial))
}

fn enable(lexer: &mut Lexer<'_>) -> Result<Vec<SmolStr>, Bad> {
    let mut words = vec![SmolStr::new(lexer.atom()?)];
    while lexer.peek() == Some(b' ') && words.len() < limits::WORDS {
        lexer.sp()?;
        words.push(SmolStr::new(lexer.atom()?));
    }
    Ok(words)
}

/// A mailbox and the parameters of RFC 4466 §2.1.
fn select(lexer: &mut Lexer<'_>) -> Result<Select, Bad> {
    let mut select = Select { mailbox: mailbox(lexer)?, condstore: false, qresync: None };
    if lexer.eat(b' ') {
        let (condstore, qresync) = (&mut select.condstore, &mut select.qresync);
        lexer.list(limits::WORDS, |lexer| match lexer.atom()? {
            word if word.eq_ignore_ascii_case("CONDSTORE") => {
                *condstore = true;
                Ok(())
            }
            word if word.eq_ignore_ascii_case("QRESYNC") => {
                lexer.sp()?;
                *qresync = Some(qresync_parameters(lexer)?);
                Ok(())
            }
            _ => Err(Bad("Unknown parameter")),
        })?;
    }
    Ok(select)
}

/// `(uidvalidity mod-sequence [known-uids] [(sequences uids)])` (RFC 7162 §7). The match data only saves bytes: it is not used.
fn qresync_parameters(lexer: &mut Lexer<'_>) -> Result<Qresync, Bad> {
    lexer.expect(b'(', "Missing parenthesis")?;
    let uid_validity = lexer.nz_number()?;
    lexer.sp()?;
    let modseq = lexer.number64()?;
    let mut known_uids = None;
    if lexer.eat(b' ') && lexer.peek() != Some(b'(') {
        known_uids = Some(SequenceSet::parse(lexer)?);
        lexer.eat(b' ');
    }
    if lexer.eat(b'(') {
        SequenceSet::parse(lexer)?;
        lexer.sp()?;
        SequenceSet::parse(lexer)?;
        lexer.expect(b')', "Missing closing parenthesis")?;
    }
    lexer.expect(b')', "Missing closing parenthesis")?;
    Ok(Qresync { uid_validity, modseq, known_uids })
}

/// `(USE (\Trash …))` of CREATE (RFC 6154 §6).
fn create_uses(lexer: &mut Lexer<'_>) -> Result<Vec<UseAttribute>, Bad> {
    if !lexer.eat(b' ') {
        return Ok(Vec::new());
    }
    let parameters = lexer.list(1, |lexer| {
        if !lexer.atom()?.eq_ignore_ascii_case("USE") {
            return Err(Bad("Unknown parameter"));
        }
        lexer.sp()?;
        lexer.list(limits::WORDS, use_attribute)
    })?;
    Ok(parameters.into_iter().flatten().collect())
}

fn use_attribute(lexer: &mut Lexer<'_>) -> Result<UseAttribute, Bad> {
    lexer.expect(b'\\', "A special use begins with a backslash")?;
    Ok(match lexer.atom()?.to_ascii_lowercase().as_str() {
        "archive" => UseAttribute::Known(SpecialUse::Archive),
        "drafts" => UseAttribute::Known(SpecialUse::Drafts),
        "junk" => UseAttribute::Known(SpecialUse::Junk),
        "sent" => UseAttribute::Known(SpecialUse::Sent),
        "trash" => UseAttribute::Known(SpecialUse::Trash),
        _ => UseAttribute::Unsupported,
    })
}

/// The arguments of APPEND up to the announcement of its message, where framing stopped. `None`: the literal announced is
/// the mailbox name.
pub fn append(lexer: &mut Lexer<'_>) -> Result<Option<Append>, Bad> {
    if at_announcement(lexer) {
        return Ok(None);
    }
    let mailbox = mailbox(lexer)?;
    lexer.sp()?;
    let mut flags = Flags::default();
    if lexer.peek() == Some(b'(') {
        flags = self::flags(lexer)?;
        lexer.sp()?;
    }
    let mut date = None;
    if lexer.eat(b'"') {
        let text = lexer.take_while(|b| b != b'"');
        date = Some(DateTime::parse_imap(text).ok_or(Bad("Malformed date"))?);
        lexer.expect(b'"', "Malformed date")?;
        lexer.sp()?;
    }
    if at_announcement(lexer) { Ok(Some(Append { mailbox, flags, date })) } else { Err(NO_LITERAL) }
}

const NO_LITERAL: Bad = Bad("The message must be a literal");

/// Whether the announcement of a literal comes next, and nothing after it.
fn at_announcement(lexer: &Lexer<'_>) -> bool {
    let rest = lexer.rest();
    rest.first() == Some(&b'{') && rest.iter().position(|&b| b == b'\n') == Some(rest.len() - 1)
}

/// A flag list with its parentheses.
pub fn flags(lexer: &mut Lexer<'_>) -> Result<Flags, Bad> {
    let mut flags = Flags::default();
    lexer.list(limits::FLAGS, |lexer| flag(lexer, &mut flags))?;
    Ok(flags)
}

/// One flag. `\Recent` is the server's alone.
pub fn flag(lexer: &mut Lexer<'_>, flags: &mut Flags) -> Result<(), Bad> {
    if !lexer.eat(b'\\') {
        let word = lexer.take_while(is_atom_char);
        let keyword = std::str::from_utf8(word).ok().and_then(|word| Keyword::parse(word).ok());
        flags.keywords.insert(keyword.ok_or(Bad("Malformed flag"))?);
        return Ok(());
    }
    match lexer.atom()?.to_ascii_lowercase().as_str() {
        "answered" => flags.answered = true,
        "deleted" => flags.deleted = true,
        "draft" => flags.draft = true,
        "flagged" => flags.flagged = true,
        "seen" => flags.seen = true,
        "recent" => return Err(Bad("\\Recent cannot be set")),
        _ => return Err(Bad("Unknown system flag")),
    }
    Ok(())
}

fn copy(
    numbers: Numbers,
    make: fn(Numbers, SequenceSet, Mailbox) -> Command,
    lexer: &mut Lexer<'_>,
) -> Result<Command, Bad> {
    let set = SequenceSet::parse(lexer)?;
    lexer.sp()?;
    Ok(make(numbers, set, mailbox(lexer)?))
}
