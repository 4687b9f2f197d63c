//! Arguments of SEARCH (RFC 3501 §6.4.4; RETURN: RFC 4731; MODSEQ: RFC 7162 §3.1.5).

use super::command::*;
use super::lexer::{Bad, Lexer};
use super::sequence::SequenceSet;
use crate::limits;
use message::date::Day;
use smol_str::SmolStr;
use store::Keyword;

/// The arguments of SEARCH.
pub fn search(lexer: &mut Lexer<'_>) -> Result<Search, Bad> {
    let mut search = Search { returns: None, charset: None, key: SearchKey::And(Vec::new()) };
    if lexer.eat_word("RETURN ") {
        search.returns = Some(return_options(lexer)?);
        lexer.sp()?;
    }
    if lexer.eat_word("CHARSET ") {
        search.charset = Some(SmolStr::new(String::from_utf8_lossy(&lexer.astring()?)));
        lexer.sp()?;
    }
    let mut left = Left { keys: limits::SEARCH_KEYS, body: limits::SEARCH_BODY_KEYS };
    search.key = all_of(lexer, &mut left, 0, None)?;
    Ok(search)
}

fn return_options(lexer: &mut Lexer<'_>) -> Result<SearchReturn, Bad> {
    let mut returns = SearchReturn::default();
    lexer.list(limits::WORDS, |lexer| {
        match lexer.atom()?.to_ascii_uppercase().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            _ => return Err(Bad("Unknown result option")),
        }
        Ok(())
    })?;
    if returns == SearchReturn::default() {
        returns.all = true;
    }
    Ok(returns)
}

/// How many keys may still come.
struct Left {
    keys: usize,
    body: usize,
}

impl Left {
    fn take(count: &mut usize) -> Result<(), Bad> {
        *count = count.checked_sub(1).ok_or(Bad("Too many search keys"))?;
        Ok(())
    }
}

/// `search-key *(SP search-key)` up to the end of the command or to `close`.
fn all_of(lexer: &mut Lexer<'_>, left: &mut Left, depth: usize, close: Option<u8>) -> Result<SearchKey, Bad> {
    let mut keys = Vec::new();
    loop {
        keys.push(key(lexer, left, depth)?);
        while lexer.peek() == Some(b' ') {
            lexer.eat(b' ');
        }
        if lexer.peek() == close {
            break;
        }
        if lexer.peek().is_none() {
            return Err(Bad("Missing closing parenthesis"));
        }
    }
    Ok(match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        None => SearchKey::And(keys),
    })
}

fn key(lexer: &mut Lexer<'_>, left: &mut Left, depth: usize) -> Result<SearchKey, Bad> {
    Left::take(&mut left.keys)?;
    if depth > limits::SEARCH_DEPTH {
        return Err(Bad("Search keys nested too deep"));
    }
    match lexer.peek() {
        Some(b'(') => {
            lexer.eat(b'(');
            let inner = all_of(lexer, left, depth + 1, Some(b')'))?;
            lexer.eat(b')');
            Ok(inner)
        }
        Some(b'0'..=b'9' | b'*') => SequenceSet::parse(lexer).map(SearchKey::Sequence),
        _ => {
            let word = lexer.atom().map_err(|_| Bad("Missing search key"))?.to_ascii_uppercase();
            match flag_key(&word) {
                Some(key) => Ok(key),
                None => key_with_arguments(&word, lexer, left, depth),
            }
        }
    }
}

/// Keys without arguments.
fn flag_key(word: &str) -> Option<SearchKey> {
    use SearchKey::{And, Flag, Recent};
    let not = |key| SearchKey::Not(Box::new(key));
    Some(match word {
        "ALL" => And(Vec::new()),
        "ANSWERED" => Flag(SystemFlag::Answered),
        "DELETED" => Flag(SystemFlag::Deleted),
        "DRAFT" => Flag(SystemFlag::Draft),
        "FLAGGED" => Flag(SystemFlag::Flagged),
        "SEEN" => Flag(SystemFlag::Seen),
        "UNANSWERED" => not(Flag(SystemFlag::Answered)),
        "UNDELETED" => not(Flag(SystemFlag::Deleted)),
        "UNDRAFT" => not(Flag(SystemFlag::Draft)),
        "UNFLAGGED" => not(Flag(SystemFlag::Flagged)),
        "UNSEEN" => not(Flag(SystemFlag::Seen)),
        "NEW" => And(vec![Recent, not(Flag(SystemFlag::Seen))]),
        "OLD" => not(Recent),
        "RECENT" => Recent,
        _ => return None,
    })
}

fn key_with_arguments(word: &str, lexer: &mut Lexer<'_>, left: &mut Left, depth: usize) -> Result<SearchKey, Bad> {
    let field = |lexer: &mut Lexer<'_>, name: &[u8]| Ok(SearchKey::Header(name.to_vec(), string(lexer)?));
    let not = |key| SearchKey::Not(Box::new(key));
    Ok(match word {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => field(lexer, word.as_bytes())?,
        "HEADER" => {
            let name = string(lexer)?;
            field(lexer, &name)?
        }
        "BODY" => {
            Left::take(&mut left.body)?;
            SearchKey::Body(string(lexer)?)
        }
        "TEXT" => {
            Left::take(&mut left.body)?;
            SearchKey::Text(string(lexer)?)
        }
        "BEFORE" => SearchKey::Internal(When::Before, day(lexer)?),
        "ON" => SearchKey::Internal(When::On, day(lexer)?),
        "SINCE" => SearchKey::Internal(When::Since, day(lexer)?),
        "SENTBEFORE" => SearchKey::Sent(When::Before, day(lexer)?),
        "SENTON" => SearchKey::Sent(When::On, day(lexer)?),
        "SENTSINCE" => SearchKey::Sent(When::Since, day(lexer)?),
        "KEYWORD" => keyword(lexer)?,
        "UNKEYWORD" => not(keyword(lexer)?),
        "LARGER" => SearchKey::Larger(number(lexer)?),
        "SMALLER" => SearchKey::Smaller(number(lexer)?),
        "UID" => {
            lexer.sp()?;
            SearchKey::Uid(SequenceSet::parse(lexer)?)
        }
        "NOT" => {
            lexer.sp()?;
            not(key(lexer, left, depth + 1)?)
        }
        "OR" => {
            lexer.sp()?;
            let one = key(lexer, left, depth + 1)?;
            lexer.sp()?;
            SearchKey::Or(Box::new(one), Box::new(key(lexer, left, depth + 1)?))
        }
        "MODSEQ" => mod_seq(lexer)?,
        _ => return Err(Bad("Unknown search key")),
    })
}

/// A space and an astring.
fn string(lexer: &mut Lexer<'_>) -> Result<Vec<u8>, Bad> {
    lexer.sp()?;
    Ok(lexer.astring()?.into_owned())
}

fn number(lexer: &mut Lexer<'_>) -> Result<u32, Bad> {
    lexer.sp()?;
    lexer.number()
}

/// A space and a `date`, with or without quotes.
fn day(lexer: &mut Lexer<'_>) -> Result<Day, Bad> {
    lexer.sp()?;
    Day::parse_imap(&lexer.astring()?).ok_or(Bad("Malformed date"))
}

fn keyword(lexer: &mut Lexer<'_>) -> Result<SearchKey, Bad> {
    lexer.sp()?;
    Ok(SearchKey::Keyword(Keyword::parse(lexer.atom()?).ok()))
}

/// `MODSEQ ["entry" type] n`
fn mod_seq(lexer: &mut Lexer<'_>) -> Result<SearchKey, Bad> {
    lexer.sp()?;
    if lexer.peek() == Some(b'"') {
        let entry = lexer.string()?;
        if !entry.to_ascii_lowercase().starts_with(b"/flags/") {
            return Err(Bad("Unknown metadata item"));
        }
        lexer.sp()?;
        if !["priv", "shared", "all"].iter().any(|kind| lexer.eat_word(kind)) {
            return Err(Bad("Unknown kind of metadata item"));
        }
        lexer.sp()?;
    }
    lexer.number64().map(SearchKey::ModSeq)
}
