//! The end of a message: into the recipients' mailboxes, durable before anybody is told.

use crate::intake::{Fault, Intake};
use crate::session::Session;
use crate::state::{Recipient, State, Transaction};
use crate::{Context, Role, reply, trace};
use std::time::SystemTime;
use store::{AccountId, Draft, Flags, MailboxName, StoreError, Target};

/// What became of one recipient.
type Outcome = Result<(), Fault>;

/// Delivers what came and answers.
pub(crate) fn finish(
    session: &mut Session,
    transaction: Transaction,
    intake: Intake,
    now: SystemTime,
    out: &mut Vec<u8>,
) {
    let (id, octets) = (intake.id.clone(), intake.octets());
    let recipients = &transaction.recipients;
    let outcomes = match intake.finish() {
        Ok(draft) => deliver(&session.context, draft, recipients, trace::unix(now)),
        Err(fault) => vec![Err(fault); recipients.len()],
    };
    for (to, outcome) in recipients.iter().map(|r| &r.path).zip(&outcomes) {
        match outcome {
            Ok(()) => tracing::info!(%id, octets, from = %transaction.reverse, %to, "delivered"),
            Err(fault) => tracing::warn!(%id, octets, from = %transaction.reverse, %to, ?fault, "refused"),
        }
    }
    match session.role {
        Role::Lmtp => answer_each(&transaction, &outcomes, &id, out),
        Role::Reception | Role::Submission => answer_once(&outcomes, &id, out),
    }
    session.state = State::Greeted(transaction.client);
}

/// LMTP: one answer per recipient (RFC 2033 §4.2).
fn answer_each(transaction: &Transaction, outcomes: &[Outcome], id: &str, out: &mut Vec<u8>) {
    for (recipient, outcome) in transaction.recipients.iter().zip(outcomes) {
        let to = reply::shown(&recipient.path, transaction.utf8);
        match outcome {
            Ok(()) => reply::line(out, "250 2.0.0", format_args!("{to} delivered, {id}")),
            Err(fault) => reply::line(out, fault.code(), format_args!("{to} {fault}")),
        }
    }
}

/// SMTP: one answer for all. If any failed the client sends it to all again: a message twice is better than none.
fn answer_once(outcomes: &[Outcome], id: &str, out: &mut Vec<u8>) {
    match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
        None => reply::line(out, "250 2.0.0", format_args!("Delivered, {id}")),
        Some(fault) => reply::line(out, fault.code(), fault),
    }
}

/// One outcome per recipient. An account named by several of them gets one copy.
fn deliver(context: &Context, draft: Draft, recipients: &[Recipient], now: i64) -> Vec<Outcome> {
    let mut accounts: Vec<AccountId> = recipients.iter().map(account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let inboxes: Vec<Result<Target, StoreError>> = accounts.iter().map(|&id| inbox(context, id, now)).collect();
    let targets: Vec<Target> = inboxes.iter().filter_map(|inbox| inbox.as_ref().ok().cloned()).collect();
    let mut delivered = match context.store.deliver(draft, &targets) {
        Ok(answers) => answers.into_iter().map(|answer| answer.map(drop)).collect(),
        Err(e) => vec![Err(e); targets.len()],
    }
    .into_iter();
    let answers: Vec<Result<(), StoreError>> = inboxes
        .into_iter()
        .map(|inbox| inbox.and_then(|_| delivered.next().unwrap_or(Err(StoreError::Stopped))))
        .collect();
    let answer_of = |recipient: &Recipient| match accounts.binary_search(&account(recipient)) {
        Ok(at) => answers[at].clone().map_err(Fault::Store),
        Err(_) => Err(Fault::Store(StoreError::NoSuchMailbox)),
    };
    recipients.iter().map(answer_of).collect()
}

fn account(recipient: &Recipient) -> AccountId {
    AccountId(recipient.account.0)
}

fn inbox(context: &Context, account: AccountId, now: i64) -> Result<Target, StoreError> {
    // An account that was removed while the message came must not get its mailboxes back.
    context.directory.account(auth::AccountId(account.0)).ok_or(StoreError::NoSuchMailbox)?;
    let store = &context.store;
    store.ensure_account(account, now)?;
    let mailbox = store.mailbox(account, &MailboxName::inbox())?.ok_or(StoreError::NoSuchMailbox)?;
    Ok(Target { mailbox: mailbox.id, flags: Flags::default(), internal_date: now, save_date: now })
}
