//! Links that only redirect: short, for many people and many uses, counted. They are no credentials: whoever has one may follow it.

use std::sync::Arc;

use serde_json::Value;

use super::issue::{Together, check_lifetime};
use super::store::{InsertOutcome, NewLink};
use super::{Handover, Link, LinkOptions, Purpose};
use crate::Engine;
use crate::apps::App;
use crate::caller::{Caller, RequestContext};
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::ids::LinkId;
use crate::keys::ServerKeys;
use crate::ports::Draw;
use crate::radix;
use crate::redirects::{ChosenBy, RedirectTarget, is_allowed, not_allowed};
use crate::secret::{Secret, TokenHash};
use crate::time::{Lifetime, Timestamp};

/// The characters of a short link's name: 71 random bits, so that nobody finds other people's by trying.
const LENGTH: usize = 12;

/// Asks for a short link.
#[derive(Clone, Debug)]
pub struct ShortenUrl {
    /// Where it leads.
    pub target: RedirectTarget,
    /// How long it works.
    pub lifetime: Lifetime,
    /// What to hand back to programs that ask what it is.
    pub data: Option<Value>,
    /// The path, up to its name, at which it opens.
    pub door: String,
}

/// A short link as whoever holds it may see it.
#[derive(Clone, Debug)]
pub struct ShortLink {
    /// The app.
    pub app: Arc<App>,
    /// Its public id.
    pub id: LinkId,
    /// Where it leads; none when its time is over, it was revoked, or the app does not allow that place any more.
    pub target: Option<RedirectTarget>,
    /// What its maker wants handed back.
    pub data: Option<Value>,
}

fn hash(keys: &ServerKeys, name: &str) -> Option<TokenHash> {
    let is_one = name.len() == LENGTH && name.bytes().all(|b| b.is_ascii_alphanumeric());
    // No time stands in front: these are few.
    let digest = keys.digest("short link", &[name.as_bytes()]);
    is_one
        .then(|| [&[0; 4], digest.get(..32)?].concat().as_slice().try_into().ok())
        .flatten()
        .and_then(|bytes: [u8; 36]| TokenHash::from_bytes(&bytes))
}

impl Engine {
    /// Makes a short link; answers its id and its address.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`; `RedirectNotAllowed`; `Invalid` for a lifetime over the ceiling.
    pub async fn shorten_url(&self, caller: &Caller, command: ShortenUrl) -> Result<(LinkId, Secret)> {
        caller.require("link:create")?;
        check_lifetime(caller, Purpose::Redirect, command.lifetime)?;
        self.shorten(caller, command, ChosenBy::Client, Together::Nothing).await
    }

    /// The same, by a right that was checked before.
    pub(crate) async fn shorten(
        &self,
        caller: &Caller,
        command: ShortenUrl,
        redirect_by: ChosenBy,
        together: Together,
    ) -> Result<(LinkId, Secret)> {
        let app = &caller.app;
        if !is_allowed(app, command.target.as_url(), redirect_by) {
            return Err(not_allowed());
        }
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let random: [u8; 16] = draw.bytes();
        let name = radix::encode(&random, radix::BASE62, LENGTH);
        let link = Link {
            id: draw.link_id(),
            app: app.id,
            hash: hash(&self.keys, &name).ok_or_else(|| Error::internal("a short link without a name"))?,
            purpose: Purpose::Redirect,
            address: None,
            user: None,
            redirect: Some(command.target.as_url().to_string()),
            handover: Handover::Signed,
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
            session_lifetime: None,
            minter: None,
            sealed: None,
            options: LinkOptions { redirect_by, data: command.data, ..LinkOptions::default() },
            opens: 0,
            newer: 0,
        };
        let id = link.id;
        let events = vec![Event::new(EventKind::LinkRequested, caller, &mut draw, now).link(id).with("purpose", "redirect")];
        let new = NewLink { link, message: None, events, mailbox: None, together };
        match self.store.insert_link(new).await? {
            InsertOutcome::Made => Ok((id, Secret::new(format!("{}{}{name}", self.settings.public_origin, command.door)))),
            refused @ InsertOutcome::Member(_) => Err(crate::groups::invites::refused(refused)),
            InsertOutcome::Withheld | InsertOutcome::AddressTaken => Err(Error::internal("a short link for somebody")),
        }
    }

    /// The short link of this name, if it ever was one.
    ///
    /// # Errors
    /// `RateLimited` for a network that tries many names; those of storage.
    pub async fn find_short_link(&self, context: &RequestContext, name: &str) -> Result<Option<ShortLink>> {
        let Some(hash) = hash(&self.keys, name) else { return Ok(None) };
        let link = self.store.find_short_link(hash).await?;
        let found = link.and_then(|link| self.directory().app(link.app).map(|app| (app, link)));
        let Some((app, link)) = found else {
            if let Some(app) = self.directory().default_app() {
                self.count_attempt(&Caller::anonymous(app, context.clone())).await?;
            }
            return Ok(None);
        };
        let target = link.target(&app).filter(|_| is_live(&link, self.clock.now()));
        Ok(Some(ShortLink { app, id: link.id, target, data: link.options.data }))
    }

    /// Counts that a short link was followed.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn count_opening(&self, link: &ShortLink) -> Result<()> {
        self.store.count_opening(link.app.id, link.id).await
    }

    /// The links that clients made for themselves to deliver in this form, newest first.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`; those of storage.
    pub async fn list_own_links(&self, caller: &Caller, after: Option<LinkId>, limit: u32) -> Result<Vec<Link>> {
        caller.require("link:create")?;
        self.store.list_links(caller.app.id, Handover::Signed, after, limit.clamp(1, 100)).await
    }

    /// The id of the app's link that has this token or short name.
    ///
    /// # Errors
    /// Those of storage.
    pub async fn find_own_link(&self, caller: &Caller, text: &str) -> Result<Option<LinkId>> {
        let link = match hash(&self.keys, text) {
            Some(hash) => self.store.find_short_link(hash).await?,
            None => self.find_by_token(text).await?.link,
        };
        Ok(link.filter(|link| link.app == caller.app.id).map(|link| link.id))
    }

    /// Ends a link of the caller's app before its time.
    ///
    /// # Errors
    /// `Forbidden` without the scope `link:create`; `NotFound` about `link` when there is no live one.
    pub async fn revoke_own_link(&self, caller: &Caller, link: LinkId) -> Result<()> {
        caller.require("link:create")?;
        let now = self.clock.now();
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let event = Event::new(EventKind::LinkClosed, caller, &mut draw, now).link(link).with("reason", "revoked");
        match self.store.revoke_link(caller.app.id, link, event).await? {
            true => Ok(()),
            false => Err(super::exchange::no_link()),
        }
    }
}

fn is_live(link: &Link, now: Timestamp) -> bool {
    link.revoked.is_none() && now < link.expires_at
}
