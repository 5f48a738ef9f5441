//! Links that sign in for a group, without a user: a client makes one for a business it serves and delivers it itself.
//!
//! Such a link has a kind of token of its own, so that it opens at its own door only. Where it leads is what is stored with it; the path in its address is
//! for people's eyes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use super::open::{BrowserProof, DeadReason};
use super::redeem::Right;
use super::store::{LinkKey, NewLink};
use super::{Handover, Link, LinkOptions, LinkState, Purpose};
use crate::Engine;
use crate::apps::{App, Opening};
use crate::caller::{Authority, Caller, RequestContext};
use crate::email_address::EmailAddress;
use crate::error::{Error, ErrorKind, FieldError, Problem, Result};
use crate::events::{Event, EventKind};
use crate::groups::manage::{forbidden, no_group, right};
use crate::groups::store::Right as GroupRight;
use crate::groups::{Group, GroupRef, GroupStatus};
use crate::ids::{GroupId, LinkId};
use crate::links::issue::Together;
use crate::ports::Draw;
use crate::redirects::{Origin, RelativePath};
use crate::secret::{Secret, Token, TokenKind};
use crate::sessions::NewToken;
use crate::sessions::of_group::{GroupSession, RedeemGroupLink};
use crate::time::{Lifetime, Timestamp};

/// What a link of a group keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSubject {
    /// The group.
    pub group: GroupId,
    /// The client that asked for it: once that is gone, the link is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Where it leads inside the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whom the client says it is for; nothing is sent there, and nothing proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<EmailAddress>,
}

/// Asks for a link for a group.
#[derive(Clone, Debug)]
pub struct IssueGroupLink {
    /// How long it lives.
    pub lifetime: Lifetime,
    /// How long its session lives, from the moment it is used, whatever happens.
    pub session_lifetime: Lifetime,
    /// Whom the client says it is for.
    pub label: Option<EmailAddress>,
    /// Where it leads inside the app.
    pub path: Option<RelativePath>,
    /// The path at which it opens, such as `/magic-link`.
    pub door: &'static str,
}

/// A link that was made.
#[derive(Clone, Debug)]
pub struct IssuedGroupLink {
    /// The public id.
    pub id: LinkId,
    /// The link.
    pub url: Secret,
}

/// A link of a group as its holder may see it.
#[derive(Clone, Debug)]
pub struct OpenedGroupLink {
    /// The app.
    pub app: Arc<App>,
    /// When it ends and for whom, masked; none when it does not work, whatever the reason.
    pub live: Option<(Timestamp, Option<String>)>,
    /// The app's policy is that opening is enough.
    pub at_once: bool,
}

/// What became of a try to use one.
#[derive(Clone, Debug)]
pub enum GroupRedemption {
    /// A session began, or this browser gets the same once more.
    Done(Box<GroupRedeemed>),
    /// It does not work: never made, used, expired, or its group is not in use. One answer for all.
    Dead(Arc<App>),
}

/// A used link.
#[derive(Clone, Debug)]
pub struct GroupRedeemed {
    /// The app.
    pub app: Arc<App>,
    /// The session.
    pub session: GroupSession,
    /// Its token, for this browser.
    pub token: Secret,
    /// A code by which the app's server gets hold of the session.
    pub code: Secret,
    /// Where the app waits.
    pub target: Option<Url>,
}

/// The tokens of a repeat, sealed beside the link for a minute.
#[derive(Serialize, Deserialize)]
struct Replay {
    token: String,
    code: String,
}

struct Found {
    app: Arc<App>,
    link: Option<(Link, GroupSubject)>,
}

/// The place inside the app on its own origin, when it has one that is (still) allowed.
fn target(app: &App, path: Option<&str>) -> Option<Url> {
    let origin = app.settings.default_origin.as_deref().and_then(Origin::parse).filter(|origin| app.allows(origin))?;
    RelativePath::parse(path.unwrap_or("/"))?.join(&origin)
}

impl Engine {
    /// The group a client means, by one or by several of its ids, for which it may make links.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`; `NotFound` about `group`; `Invalid` naming `group` ([`Problem::Missing`], or [`Problem::Mismatch`]: the ids
    /// mean different groups); `Forbidden` about `group` when the caller is confined to another one, or the group is not in use.
    pub async fn group_to_link(&self, caller: &Caller, ids: &[GroupRef]) -> Result<Group> {
        let right = self.right_to_link(caller)?;
        let wrong = |message: &str, problem| Error::invalid_fields(vec![FieldError::new("group", message).because(problem)]);
        let mut found: Option<Group> = None;
        for id in ids {
            let group = self.store.find_group(caller.app.id, id.clone()).await?.ok_or_else(no_group)?;
            if found.as_ref().is_some_and(|known| known.id != group.id) {
                return Err(wrong("The ids are those of different groups", Problem::Mismatch));
            }
            found = Some(group);
        }
        let group = found.ok_or_else(|| wrong("A group is required", Problem::Missing))?;
        if matches!(right, GroupRight::Only(own) if own != group.id) {
            return Err(forbidden());
        }
        if group.status == GroupStatus::Inactive {
            return Err(Error::new(ErrorKind::Forbidden, "This group is not in use").about("group"));
        }
        Ok(group)
    }

    fn right_to_link(&self, caller: &Caller) -> Result<GroupRight> {
        match right(caller, "link:create")? {
            GroupRight::Owner(_) => Err(forbidden()),
            right => Ok(right),
        }
    }

    /// Makes a link for a group that [`Engine::group_to_link`] gave.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`; `Invalid` naming `lifetime` or `session_lifetime` over the app's ceilings; `Unavailable`.
    pub async fn issue_group_link(&self, caller: &Caller, group: &Group, command: IssueGroupLink) -> Result<IssuedGroupLink> {
        self.right_to_link(caller)?;
        let app = &caller.app;
        let ceilings = [
            ("lifetime", command.lifetime, app.settings.client_link_lifetime_ceiling),
            ("session_lifetime", command.session_lifetime, app.settings.session_lifetime_ceiling),
        ];
        let over = ceilings.into_iter().filter(|(_, lifetime, ceiling)| lifetime > ceiling).map(|(field, _, ceiling)| {
            FieldError::new(field, format!("must be at most {ceiling}, the app's ceiling")).because(Problem::OverCeiling)
        });
        let over: Vec<FieldError> = over.collect();
        if !over.is_empty() {
            return Err(Error::invalid_fields(over));
        }
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let id = draw.link_id();
        let token = draw.token(TokenKind::GroupLink, app.tag);
        let subject = GroupSubject {
            group: group.id,
            client: match &caller.authority {
                Authority::Client { client_id, .. } | Authority::Confined { client_id, .. } => Some(client_id.clone()),
                _ => None,
            },
            path: command.path.as_ref().map(|path| path.as_str().to_owned()),
            label: command.label,
        };
        let url = self.group_link_url(command.door, command.path.as_ref(), &token)?;
        let link = Link {
            id,
            app: app.id,
            hash: self.keys.token_hash(&token),
            purpose: Purpose::SignIn,
            address: None,
            user: None,
            redirect: None,
            handover: Handover::Cookie,
            requester: None,
            code_hash: None,
            code_attempts: 0,
            number_attempts: 0,
            issued_at: now,
            expires_at: now.plus(command.lifetime),
            approved_at: None,
            redeemed_at: None,
            redeemer: None,
            revoked: None,
            session: None,
            replay: None,
            session_lifetime: Some(command.session_lifetime),
            minter: None,
            sealed: None,
            options: LinkOptions { of_group: Some(subject), ..LinkOptions::default() },
            opens: 0,
            newer: 0,
        };
        let event = Event::new(EventKind::LinkRequested, caller, &mut draw, now).link(id).with("group", group.id.to_string());
        let new = NewLink { link, message: None, events: vec![event], mailbox: None, together: Together::Nothing };
        self.store.insert_link(new).await?;
        Ok(IssuedGroupLink { id, url })
    }

    /// The address of a link: the place it leads to is there for people to see, and its own query comes behind the token.
    fn group_link_url(&self, door: &str, path: Option<&RelativePath>, token: &Token) -> Result<Secret> {
        let shown = format!("{door}{}", path.map(RelativePath::as_str).unwrap_or_default());
        // The door makes a path somewhat longer than any may be; it was found safe without it.
        let mut url = self.settings.public_origin.to_url().ok_or_else(|| Error::internal("the public origin is no URL"))?;
        let (before_fragment, _) = shown.split_once('#').unwrap_or((&shown, ""));
        let (path, query) = before_fragment.split_once('?').map_or((before_fragment, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        let token = token.expose();
        let own = query.filter(|query| !query.is_empty()).map(|query| format!("&{query}")).unwrap_or_default();
        url.set_query(Some(&format!("token={}{own}", token.expose())));
        Ok(Secret::new(url.into()))
    }

    /// The app and the link of a token's text. Unknown texts cost the same look-up as known ones.
    async fn find_group_link(&self, text: &str) -> Result<Found> {
        let directory = self.directory();
        let token = Token::parse(text).filter(|token| token.kind() == TokenKind::GroupLink);
        let app = token.as_ref().and_then(|token| directory.app_by_tag(token.app()));
        let (app, token) = match (app, token) {
            (Some(app), Some(token)) => (app, token),
            _ => {
                let app = directory.default_app().ok_or_else(|| Error::unavailable("there is no app"))?;
                let nothing = Token::new(TokenKind::GroupLink, app.tag, Timestamp::from_millis(0), [0; 32]);
                (app, nothing)
            }
        };
        let link = self.store.find_link(app.id, LinkKey::Hash(self.keys.token_hash(&token))).await?;
        let link = link.and_then(|link| link.options.of_group.clone().map(|subject| (link, subject)));
        Ok(Found { app, link })
    }

    /// Whether a link may be used now: it lives, its group is in use, and the client that asked for it is still there.
    async fn group_link_holds(&self, app: &App, link: &Link, subject: &GroupSubject, now: Timestamp) -> Result<bool> {
        if link.state(now, u32::MAX) != LinkState::Live {
            return Ok(false);
        }
        let group = self.store.find_group(app.id, GroupRef::Id(subject.group)).await?;
        if group.is_none_or(|group| group.status == GroupStatus::Inactive) {
            return Ok(false);
        }
        match &subject.client {
            None => Ok(true),
            Some(client) => {
                let client = self.store.find_client(client).await?;
                Ok(client.is_some_and(|client| client.app == app.id && client.is_live(now)))
            }
        }
    }

    /// What the holder of this link may do. Changes nothing; records, so many times, that it was opened.
    ///
    /// # Errors
    /// `RateLimited` when a network tries too many that were never made; `Unavailable`.
    pub async fn open_group_link(&self, context: &RequestContext, token: &str) -> Result<OpenedGroupLink> {
        let now = self.clock.now();
        let Found { app, link } = self.find_group_link(token).await?;
        let at_once = app.settings.opening == Opening::Immediate;
        let caller = Caller::anonymous(Arc::clone(&app), context.clone());
        let Some((link, subject)) = link else {
            self.count_attempt(&caller).await?;
            return Ok(OpenedGroupLink { app, live: None, at_once });
        };
        let holds = self.group_link_holds(&app, &link, &subject, now).await?;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let device = context.user_agent.as_deref().map(crate::device::describe_any).unwrap_or_else(|| "unknown".to_owned());
        let mut event = Event::new(EventKind::LinkOpened, &caller, &mut draw, now).link(link.id).with("by", device);
        if let Some(reason) = DeadReason::of(link.state(now, u32::MAX)) {
            event = event.with("refused", reason.code());
        } else if !holds {
            event = event.with("refused", DeadReason::Withdrawn.code());
        }
        self.store.append_opened(event, 20).await?;
        let live = holds.then(|| (link.expires_at, subject.label.as_ref().map(EmailAddress::masked)));
        Ok(OpenedGroupLink { app, live, at_once })
    }

    /// Uses a link: one session, however many try. The browser that used it gets the same answer for a minute.
    ///
    /// # Errors
    /// `Forbidden` by [`Right::Opened`] where the app wants a press; `RateLimited`, `Unavailable`. A dead link is an answer.
    pub async fn redeem_group_link(
        &self,
        context: &RequestContext,
        token: &str,
        browser: &BrowserProof,
        right: Right,
    ) -> Result<GroupRedemption> {
        let now = self.clock.now();
        let Found { app, link } = self.find_group_link(token).await?;
        let caller = Caller::anonymous(Arc::clone(&app), context.clone());
        let Some((link, subject)) = link else {
            self.count_attempt(&caller).await?;
            return Ok(GroupRedemption::Dead(app));
        };
        if matches!(right, Right::Opened) && app.settings.opening != Opening::Immediate {
            return Err(Error::new(ErrorKind::Forbidden, "A person must press the button").about("link"));
        }
        if self.group_link_holds(&app, &link, &subject, now).await?
            && let Some(redeemed) = self.consume_group_link(&caller, &link, &subject, browser, now).await?
        {
            return Ok(GroupRedemption::Done(Box::new(redeemed)));
        }
        self.not_live_of_group(&caller, link.id, browser, now).await
    }

    async fn consume_group_link(
        &self,
        caller: &Caller,
        link: &Link,
        subject: &GroupSubject,
        browser: &BrowserProof,
        now: Timestamp,
    ) -> Result<Option<GroupRedeemed>> {
        let app = &caller.app;
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let (token, code) = (draw.token(TokenKind::Session, app.tag), draw.token(TokenKind::SessionCode, app.tag));
        let redeemer = self.redeemer_digests(browser).into_iter().next();
        let replay = match &redeemer {
            Some(_) => {
                let replay = Replay { token: token.expose().expose().to_owned(), code: code.expose().expose().to_owned() };
                let text = zeroize::Zeroizing::new(serde_json::to_vec(&replay).map_err(Error::internal)?);
                Some(self.keys.seal(self.entropy.as_ref(), &replay_context(link.id), &text)?)
            }
            None => None,
        };
        let store = |token: &Token| NewToken { hash: self.keys.token_hash(token), kind: token.kind(), sealed: None };
        let session = draw.session_id();
        let mut event = |kind| {
            let event = Event::new(kind, caller, &mut draw, now).link(link.id).session(session);
            event.with("group", subject.group.to_string())
        };
        let redeem = RedeemGroupLink {
            key: LinkKey::Hash(link.hash),
            app: app.id,
            group: subject.group,
            now,
            session,
            expires_at: now.plus(link.session_lifetime.unwrap_or(app.settings.session_lifetime)),
            label: subject.label.clone(),
            device: caller.context.user_agent.as_deref().and_then(crate::device::describe),
            tokens: vec![store(&token), store(&code)],
            redeemer,
            replay,
            redeemed: event(EventKind::LinkRedeemed),
            session_started: event(EventKind::SessionStarted),
            notice: app.settings.notice_url.is_some().then(|| draw.notice_id()),
        };
        let Some(session) = self.store.redeem_group_link(redeem).await? else { return Ok(None) };
        let target = target(app, subject.path.as_deref());
        Ok(Some(GroupRedeemed { app: Arc::clone(app), session, token: token.expose(), code: code.expose(), target }))
    }

    /// The same again for the browser that used the link a moment ago; else dead.
    async fn not_live_of_group(
        &self,
        caller: &Caller,
        link: LinkId,
        browser: &BrowserProof,
        now: Timestamp,
    ) -> Result<GroupRedemption> {
        let app = Arc::clone(&caller.app);
        // As it is now: another request of the same browser may just have used it.
        let Some(link) = self.store.find_link(app.id, LinkKey::Id(link)).await? else { return Ok(GroupRedemption::Dead(app)) };
        if let Some(redeemed) = self.replay_group_link(caller, &link, browser, now).await? {
            return Ok(GroupRedemption::Done(Box::new(redeemed)));
        }
        let reason = DeadReason::of(link.state(now, u32::MAX)).unwrap_or(DeadReason::Withdrawn);
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::LinkRefused, caller, &mut draw, now).link(link.id).with("reason", reason.code());
        self.store.append_opened(event, 50).await?;
        Ok(GroupRedemption::Dead(app))
    }

    async fn replay_group_link(
        &self,
        caller: &Caller,
        link: &Link,
        browser: &BrowserProof,
        now: Timestamp,
    ) -> Result<Option<GroupRedeemed>> {
        let (Some(at), Some(sealed), Some(subject)) = (link.redeemed_at, &link.replay, &link.options.of_group) else {
            return Ok(None);
        };
        if now >= at.plus(Link::REPLAY) || !self.redeemed_by(link, browser) {
            return Ok(None);
        }
        let plain = zeroize::Zeroizing::new(self.keys.open(&replay_context(link.id), sealed)?);
        let replay: Replay = serde_json::from_slice(&plain).map_err(Error::internal)?;
        let Some(session) = self.find_group_session(&replay.token).await? else { return Ok(None) };
        Ok(Some(GroupRedeemed {
            app: Arc::clone(&caller.app),
            session,
            token: Secret::new(replay.token),
            code: Secret::new(replay.code),
            target: target(&caller.app, subject.path.as_deref()),
        }))
    }
}

fn replay_context(id: LinkId) -> Vec<u8> {
    [b"replay of a group".as_slice(), id.as_bytes()].concat()
}
