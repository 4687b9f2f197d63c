//! Arguments of LIST, LSUB and STATUS (RFC 3501 §6.3.8-10, RFC 5258, RFC 5819, RFC 6154).

use super::command::*;
use super::lexer::{Bad, Lexer, is_astring_char};
use super::utf7;
use crate::limits;

/// The arguments of LIST.
pub fn list(lexer: &mut Lexer<'_>) -> Result<List, Bad> {
    let mut list = List::default();
    if lexer.peek() == Some(b'(') {
        list.select = select_options(lexer)?;
        list.extended = true;
        lexer.sp()?;
    }
    let reference = lexer.astring()?.into_owned();
    lexer.sp()?;
    if lexer.peek() == Some(b'(') {
        list.patterns = lexer.list(limits::LIST_PATTERNS, |lexer| pattern(lexer, &reference))?;
        list.extended = true;
    } else {
        list.patterns.push(pattern(lexer, &reference)?);
    }
    if lexer.eat(b' ') {
        if !lexer.eat_word("RETURN") {
            return Err(Bad("Unexpected text after the pattern"));
        }
        lexer.sp()?;
        list.returns = return_options(lexer)?;
        list.extended = true;
    }
    if list.patterns.iter().map(String::len).sum::<usize>() > limits::ALL_PATTERNS {
        return Err(Bad("Too many long patterns"));
    }
    // RFC 5258 §3.1, §3.5: SUBSCRIBED as a selection option implies it as a return option.
    list.returns.subscribed |= list.select.subscribed;
    Ok(list)
}

/// The arguments of LSUB: reference and pattern.
pub fn lsub(lexer: &mut Lexer<'_>) -> Result<String, Bad> {
    let reference = lexer.astring()?.into_owned();
    lexer.sp()?;
    pattern(lexer, &reference)
}

/// `list-mailbox`, with the reference put before it. An empty pattern stays empty: it asks for the separator.
fn pattern(lexer: &mut Lexer<'_>, reference: &[u8]) -> Result<String, Bad> {
    let pattern = match lexer.peek() {
        Some(b'"' | b'{') => lexer.string()?.into_owned(),
        _ => match lexer.take_while(|b| is_astring_char(b) || matches!(b, b'%' | b'*')) {
            [] => return Err(Bad("Missing or malformed pattern")),
            pattern => pattern.to_vec(),
        },
    };
    if pattern.is_empty() {
        return Ok(String::new());
    }
    let whole = [reference, &pattern].concat();
    if whole.len() > limits::PATTERN {
        return Err(Bad("Pattern too long"));
    }
    utf7::decode_leniently(&whole).ok_or(Bad("Malformed pattern"))
}

fn select_options(lexer: &mut Lexer<'_>) -> Result<ListSelect, Bad> {
    let mut select = ListSelect::default();
    lexer.list(limits::WORDS, |lexer| {
        match lexer.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive = true,
            "SPECIAL-USE" => select.special_use = true,
            _ => return Err(Bad("Unknown selection option")),
        }
        Ok(())
    })?;
    if select.recursive && !select.subscribed && !select.special_use {
        return Err(Bad("RECURSIVEMATCH needs another selection option"));
    }
    Ok(select)
}

fn return_options(lexer: &mut Lexer<'_>) -> Result<ListReturn, Bad> {
    let mut returns = ListReturn::default();
    lexer.list(limits::WORDS, |lexer| {
        match lexer.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            // What these two ask for comes always.
            "CHILDREN" | "SPECIAL-USE" => {}
            "STATUS" => {
                lexer.sp()?;
                returns.status = Some(status_items(lexer)?);
            }
            _ => return Err(Bad("Unknown return option")),
        }
        Ok(())
    })?;
    Ok(returns)
}

/// `(MESSAGES UNSEEN)`
pub fn status_items(lexer: &mut Lexer<'_>) -> Result<Vec<StatusItem>, Bad> {
    let items = lexer.list(limits::WORDS, |lexer| {
        Ok(match lexer.atom()?.to_ascii_uppercase().as_str() {
            "MESSAGES" => StatusItem::Messages,
            "RECENT" => StatusItem::Recent,
            "UIDNEXT" => StatusItem::UidNext,
            "UIDVALIDITY" => StatusItem::UidValidity,
            "UNSEEN" => StatusItem::Unseen,
            "SIZE" => StatusItem::Size,
            "APPENDLIMIT" => StatusItem::AppendLimit,
            "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
            _ => return Err(Bad("Unknown status item")),
        })
    })?;
    if items.is_empty() { Err(Bad("Missing status items")) } else { Ok(items) }
}
