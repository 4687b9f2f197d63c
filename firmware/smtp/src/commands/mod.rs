//! The commands, one file per family; `table` says where and when each is legal.

pub(crate) mod auth;
pub(crate) mod bdat;
pub(crate) mod data;
pub(crate) mod general;
pub(crate) mod hello;
pub(crate) mod mail;
pub(crate) mod rcpt;
pub(crate) mod starttls;

use crate::Role;

/// What follows `FROM:` or `TO:`. Outlook puts a space behind the colon, which is no syntax (RFC 5321 §3.3) but harmless.
fn after_keyword<'a>(arguments: &'a str, keyword: &str, role: Role) -> Option<&'a str> {
    let (head, rest) = arguments.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    Some(if role == Role::Submission { rest.trim_start_matches(' ') } else { rest })
}
