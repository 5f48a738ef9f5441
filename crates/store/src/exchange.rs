//! Exchanging a link's token for a client: the guarded statement that decides, and what a session needs, in one transaction.

use passlink_engine::events::Event;
use passlink_engine::ids::SessionId;
use passlink_engine::links::Link;
use passlink_engine::links::store::{ExchangeCode, ExchangeCodeOutcome, ExchangeLink, ExchangeOutcome, ExchangeSession, LinkKey};
use passlink_engine::sessions::store::ChangeSessionOutcome;
use passlink_engine::sessions::{Factor, Session, SessionDetails, SignedIn};
use passlink_engine::users::{Address, Person, UserRef};
use passlink_engine::{Error, Result};

use crate::sessions::Edit;
use crate::tx::Tx;
use crate::{events, links, redeem, sessions, users};

/// The place of an exchange in its group: that of the address, which it locks first, as redemptions do.
pub(crate) fn turn(e: &ExchangeLink) -> Vec<u8> {
    let address = e.address.as_ref().map(|a| a.as_str().as_bytes()).unwrap_or_default();
    [e.app.as_bytes(), address].concat()
}

pub(crate) async fn exchange(tx: &mut Tx, e: &ExchangeLink) -> Result<ExchangeOutcome> {
    lock(tx, e).await?;
    exchange_locked(tx, e).await
}

/// What an exchange locks, in the order in which everybody does: the address, then the session.
async fn lock(tx: &mut Tx, e: &ExchangeLink) -> Result<()> {
    redeem::lock_address(tx, e.app, e.address.as_ref()).await?;
    let joined = if let ExchangeSession::Join { id, .. } = &e.session { Some(*id) } else { None };
    sessions::lock(tx, joined.or(e.child_of.as_ref().map(|child| child.parent))).await
}

pub(crate) async fn exchange_code(tx: &mut Tx, c: &ExchangeCode) -> Result<ExchangeCodeOutcome> {
    let e = &c.exchange;
    let LinkKey::Id(link) = e.key else { return Err(Error::internal("a code is tried by the id of its link")) };
    lock(tx, e).await?;
    let tries = Link::CODE_TRIES;
    let attempt = redeem::Try { link, app: e.app, tries, now: e.now, pending_links: e.pending_links, expected: &c.expected };
    match redeem::count_code(tx, &attempt).await? {
        None => Ok(ExchangeCodeOutcome::NotLive(links::find(tx, e.app, e.key).await?.map(Box::new))),
        Some((_, true)) => exchange_locked(tx, e).await.map(ExchangeCodeOutcome::Right),
        Some((attempts, false)) => {
            redeem::wrong_code(tx, &attempt, attempts, &c.refused, &c.closed).await?;
            Ok(ExchangeCodeOutcome::Wrong)
        }
    }
}

/// Everything that may refuse stands before the link is used up.
pub(crate) async fn exchange_locked(tx: &mut Tx, e: &ExchangeLink) -> Result<ExchangeOutcome> {
    let found = users::find_person(tx, e.app, &UserRef::Id(e.user)).await?;
    let Some(person) = found.map(|person| person.at(e.now)) else { return Ok(ExchangeOutcome::NoUser) };
    let is_to = |email| person.emails().any(|(_, known)| known == email);
    if !e.address.as_ref().is_none_or(is_to) {
        // The address was taken away from the user since the mail was sent.
        return Ok(ExchangeOutcome::NoUser);
    }
    if person.user.disabled_at.is_some() {
        return Ok(ExchangeOutcome::UserRefused);
    }
    let session = match &e.session {
        ExchangeSession::None => None,
        ExchangeSession::Begin { id, claims, client, .. } => {
            let mut details = SessionDetails { client: client.clone(), ..SessionDetails::default() };
            if let Err(field) = details.merge_claims(claims) {
                return Ok(ExchangeOutcome::ClaimsRefused(field));
            }
            Some(*id)
        }
        ExchangeSession::Join { id, claims, .. } => match sessions::find(tx, e.app, *id).await? {
            Some(held) if held.session.is_live(e.now) && held.session.user == e.user => {
                if let Err(field) = held.session.details.clone().merge_claims(claims) {
                    return Ok(ExchangeOutcome::ClaimsRefused(field));
                }
                Some(*id)
            }
            _ => return Ok(ExchangeOutcome::NoSession),
        },
    };
    let what = redeem::Consume {
        key: e.key,
        app: e.app,
        now: e.now,
        session,
        redeemer: None,
        replay: None,
        must_be_approved: false,
        pending_links: e.pending_links,
    };
    match redeem::consume(tx, what).await? {
        Some(_) => begin(tx, e, person, session).await,
        None => Ok(ExchangeOutcome::NotLive(links::find(tx, e.app, e.key).await?.map(Box::new))),
    }
}

async fn begin(tx: &mut Tx, e: &ExchangeLink, mut person: Person, session: Option<SessionId>) -> Result<ExchangeOutcome> {
    let user = person.user.id;
    let about = |event: &Event, session: Option<SessionId>| Event { user: Some(user), session, ..event.clone() };
    let mut factor = e.factor.clone();
    let mut ended = Vec::new();
    if let Some(email) = &e.address {
        let was_unproven = person.identifiers.iter().all(|identifier| identifier.verified_at.is_none());
        let is_it = |address: &Address| matches!(address, Address::Email(known) if known == email);
        let Some(identifier) = person.identifiers.iter().find(|identifier| is_it(&identifier.address)) else {
            return Err(Error::internal("the address of an exchange is gone"));
        };
        factor.identifier = Some(identifier.id);
        // Before all links of the user: those of the same address did their work, the rest is withdrawn.
        redeem::end_others(tx, e.app, email, e.now).await?;
        if users::verify(tx, e.app, email, e.now).await? {
            let proven = users::find_person(tx, e.app, &UserRef::Id(user)).await?;
            person = proven.ok_or_else(|| Error::unavailable("a user was removed a moment ago"))?.at(e.now);
            events::write(tx, &about(&e.events.address_verified, session))?;
            if was_unproven {
                // Whoever wrote the address before its owner proved it keeps nothing (`security.md` 32).
                ended = sessions::end_all(tx, e.app, user, session, e.now).await?;
                redeem::end_links_of(tx, user, e.now).await?;
                if !ended.is_empty() {
                    let mut event = about(&e.events.sessions_revoked, None);
                    sessions::name_ended(&mut event, &ended);
                    events::write(tx, &event)?;
                }
            }
        }
    }
    users::activate(tx, &mut person.user).await?;
    let signed_in = write_session(tx, e, &person, &factor).await?;
    events::write(tx, &about(&e.events.redeemed, session))?;
    if matches!(e.session, ExchangeSession::Begin { .. }) {
        events::write(tx, &about(&e.events.session_started, session))?;
    }
    Ok(ExchangeOutcome::Done {
        person: Box::new(person),
        link: factor.link,
        factor: Box::new(factor),
        session: signed_in.map(Box::new),
        ended,
    })
}

async fn write_session(tx: &mut Tx, e: &ExchangeLink, person: &Person, factor: &Factor) -> Result<Option<SignedIn>> {
    match &e.session {
        ExchangeSession::None => Ok(None),
        ExchangeSession::Begin { id, expires_at, lifetime, token, client, claims } => {
            let session = Session {
                id: *id,
                app: e.app,
                user: person.user.id,
                method: factor.method,
                link: Some(factor.link),
                created_at: e.now,
                refreshed_at: e.now,
                expires_at: *expires_at,
                revoked_at: None,
                device: e.device.clone(),
                parent: e.child_of.as_ref().map(|child| child.parent),
                label: e.child_of.as_ref().and_then(|child| child.label.clone()),
                lifetime: Some(*lifetime),
                accessed_at: Some(e.now),
                details: SessionDetails {
                    factors: vec![factor.clone()],
                    claims: claims.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect(),
                    client: client.clone(),
                },
                version: 0,
            };
            sessions::insert(tx, &session, std::slice::from_ref(token)).await?;
            Ok(Some(SignedIn { session, user: person.user.clone() }))
        }
        ExchangeSession::Join { id, end, claims } => {
            let edit = Edit { app: e.app, id: *id, now: e.now, end: *end, factor: Some(factor), claims };
            match sessions::edit(tx, edit).await? {
                ChangeSessionOutcome::Changed(signed_in) => Ok(Some(*signed_in)),
                // It was live a moment ago: everything is undone, and looked at again.
                _ => Err(Error::unavailable("a session ended a moment ago")),
            }
        }
    }
}
