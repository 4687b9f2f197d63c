//! Arguments of FETCH and STORE (RFC 3501 §6.4.5, §6.4.6; modifiers: RFC 4466 §2.4, RFC 7162 §3.1).

use super::command::*;
use super::lexer::{Bad, Lexer};
use super::parse::{flag, flags};
use super::sequence::SequenceSet;
use crate::limits;
use message::{Section, SectionText};
use store::{FlagChange, Flags};

/// The arguments of FETCH.
pub fn fetch(lexer: &mut Lexer<'_>) -> Result<Fetch, Bad> {
    let set = SequenceSet::parse(lexer)?;
    lexer.sp()?;
    let items = items(lexer)?;
    let mut fetch = Fetch { set, items, changed_since: None, vanished: false };
    if lexer.eat(b' ') {
        modifiers(lexer, &mut fetch)?;
    }
    Ok(fetch)
}

fn items(lexer: &mut Lexer<'_>) -> Result<Vec<FetchItem>, Bad> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Size};
    if lexer.peek() == Some(b'(') {
        let items = lexer.list(limits::FETCH_ITEMS, item)?;
        return if items.is_empty() { Err(Bad("Nothing to fetch")) } else { Ok(items) };
    }
    Ok(if lexer.eat_word("ALL") {
        vec![Flags, InternalDate, Size, Envelope]
    } else if lexer.eat_word("FAST") {
        vec![Flags, InternalDate, Size]
    } else if lexer.eat_word("FULL") {
        vec![Flags, InternalDate, Size, Envelope, Body]
    } else {
        vec![item(lexer)?]
    })
}

fn item(lexer: &mut Lexer<'_>) -> Result<FetchItem, Bad> {
    let word = lexer.take_while(|b| b.is_ascii_alphanumeric() || b == b'.').to_ascii_uppercase();
    let old = |name, text, peek| {
        let section = Section { path: Vec::new(), text };
        FetchItem::Section(BodySection { section, partial: None, peek, name })
    };
    Ok(match &word[..] {
        b"UID" => FetchItem::Uid,
        b"FLAGS" => FetchItem::Flags,
        b"INTERNALDATE" => FetchItem::InternalDate,
        b"ENVELOPE" => FetchItem::Envelope,
        b"BODYSTRUCTURE" => FetchItem::BodyStructure,
        b"MODSEQ" => FetchItem::ModSeq,
        b"RFC822.SIZE" => FetchItem::Size,
        b"RFC822" => old(SectionName::Rfc822, None, false),
        b"RFC822.HEADER" => old(SectionName::Rfc822Header, Some(SectionText::Header), true),
        b"RFC822.TEXT" => old(SectionName::Rfc822Text, Some(SectionText::Text), false),
        b"BODY" if lexer.peek() != Some(b'[') => FetchItem::Body,
        b"BODY" | b"BODY.PEEK" => {
            let section = section(lexer)?;
            let partial = partial(lexer)?;
            let peek = word.len() > 4;
            FetchItem::Section(BodySection { section, partial, peek, name: SectionName::Body })
        }
        _ => return Err(Bad("Unknown data item")),
    })
}

/// `[1.2.HEADER.FIELDS (To)]`
fn section(lexer: &mut Lexer<'_>) -> Result<Section, Bad> {
    const MALFORMED: &str = "Malformed section";
    lexer.expect(b'[', MALFORMED)?;
    let mut path = Vec::new();
    let mut text = None;
    if !lexer.eat(b']') {
        loop {
            if !lexer.peek().is_some_and(|b| b.is_ascii_digit()) {
                text = Some(section_text(lexer, !path.is_empty())?);
                break;
            }
            if path.len() == limits::SECTION_DEPTH {
                return Err(Bad("Too many part numbers"));
            }
            path.push(lexer.nz_number()?);
            if !lexer.eat(b'.') {
                break;
            }
        }
        lexer.expect(b']', MALFORMED)?;
    }
    Ok(Section { path, text })
}

fn section_text(lexer: &mut Lexer<'_>, of_part: bool) -> Result<SectionText, Bad> {
    let word = lexer.take_while(|b| b.is_ascii_alphabetic() || b == b'.').to_ascii_uppercase();
    Ok(match &word[..] {
        b"HEADER" => SectionText::Header,
        b"TEXT" => SectionText::Text,
        b"MIME" if of_part => SectionText::Mime,
        b"HEADER.FIELDS" => SectionText::HeaderFields(header_fields(lexer)?),
        b"HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_fields(lexer)?),
        _ => return Err(Bad("Malformed section")),
    })
}

fn header_fields(lexer: &mut Lexer<'_>) -> Result<Vec<Vec<u8>>, Bad> {
    lexer.sp()?;
    let names = lexer.list(limits::HEADER_FIELDS, |lexer| lexer.astring().map(|name| name.into_owned()))?;
    if names.is_empty() { Err(Bad("Missing field names")) } else { Ok(names) }
}

/// `<origin.count>`; the count must not be 0.
fn partial(lexer: &mut Lexer<'_>) -> Result<Option<(u32, u32)>, Bad> {
    if !lexer.eat(b'<') {
        return Ok(None);
    }
    let origin = lexer.number()?;
    lexer.expect(b'.', "Malformed partial")?;
    let count = lexer.nz_number()?;
    lexer.expect(b'>', "Malformed partial")?;
    Ok(Some((origin, count)))
}

/// `(CHANGEDSINCE 5 VANISHED)`
fn modifiers(lexer: &mut Lexer<'_>, fetch: &mut Fetch) -> Result<(), Bad> {
    lexer.list(limits::WORDS, |lexer| match lexer.atom()? {
        word if word.eq_ignore_ascii_case("CHANGEDSINCE") => {
            lexer.sp()?;
            fetch.changed_since = Some(lexer.number64()?);
            Ok(())
        }
        word if word.eq_ignore_ascii_case("VANISHED") => {
            fetch.vanished = true;
            Ok(())
        }
        _ => Err(Bad("Unknown modifier")),
    })?;
    Ok(())
}

/// The arguments of STORE.
pub fn store(lexer: &mut Lexer<'_>) -> Result<StoreFlags, Bad> {
    let set = SequenceSet::parse(lexer)?;
    lexer.sp()?;
    let unchanged_since = unchanged_since(lexer)?;
    let sign = lexer.peek().filter(|sign| matches!(sign, b'+' | b'-'));
    if let Some(sign) = sign {
        lexer.eat(sign);
    }
    if !lexer.eat_word("FLAGS") {
        return Err(Bad("Only flags can be stored"));
    }
    let silent = lexer.eat_word(".SILENT");
    lexer.sp()?;
    let flags = if lexer.peek() == Some(b'(') { flags(lexer)? } else { bare_flags(lexer)? };
    let change = match sign {
        Some(b'+') => FlagChange::Add(flags),
        Some(_) => FlagChange::Remove(flags),
        None => FlagChange::Replace(flags),
    };
    Ok(StoreFlags { set, change, silent, unchanged_since })
}

/// `(UNCHANGEDSINCE 5)` and the space behind it.
fn unchanged_since(lexer: &mut Lexer<'_>) -> Result<Option<u64>, Bad> {
    if lexer.peek() != Some(b'(') {
        return Ok(None);
    }
    let given = lexer.list(1, |lexer| {
        if !lexer.atom()?.eq_ignore_ascii_case("UNCHANGEDSINCE") {
            return Err(Bad("Unknown modifier"));
        }
        lexer.sp()?;
        lexer.number64()
    })?;
    lexer.sp()?;
    Ok(given.first().copied())
}

/// `flag *(SP flag)`
fn bare_flags(lexer: &mut Lexer<'_>) -> Result<Flags, Bad> {
    let mut flags = Flags::default();
    flag(lexer, &mut flags)?;
    for _ in 0..limits::FLAGS {
        if !lexer.eat(b' ') || lexer.rest().is_empty() {
            break;
        }
        flag(lexer, &mut flags)?;
    }
    Ok(flags)
}
