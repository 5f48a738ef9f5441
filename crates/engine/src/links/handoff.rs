//! Hand-off: somebody who is signed in mints a link for another device of theirs. Redeeming it makes a child of the session that minted it.
//!
//! Such a link is for its minter alone: neither user nor app can be chosen. It proves no address, and no browser is bound to it, for the device that opens
//! it is another one by intent: under `confirm` the page with the button decides, and says who is about to be signed in.

use serde_json::Value;

use super::Handover;
use super::issue::{Carries, IssueLink, IssuedLink};
use super::open::DeadReason;
use super::store::LinkKey;
use crate::Engine;
use crate::caller::Caller;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{LinkId, SessionId};
use crate::limits::Want;
use crate::redirects::{ChosenBy, RedirectTarget};
use crate::secret::Secret;
use crate::sessions::{Label, Session};
use crate::time::{Lifetime, Timestamp};

/// Asks for a hand-off link.
#[derive(Clone, Debug)]
pub struct IssueHandoff {
    /// What the person calls the other device.
    pub label: Option<Label>,
    /// How long the link lives; the app's `handoff_lifetime` when not given.
    pub lifetime: Option<Lifetime>,
    /// How long the child session lives; the app's `handoff_session_lifetime` when not given.
    pub session_lifetime: Option<Lifetime>,
    /// Where the other browser goes afterwards.
    pub redirect: Option<RedirectTarget>,
    /// Who chose that.
    pub redirect_by: ChosenBy,
    /// The link's token is letters and digits alone.
    pub alphanumeric: bool,
    /// How the child session gets there.
    pub handover: Handover,
    /// The path, up to the token, at which the link opens; `/l/` when not given.
    pub door: Option<String>,
    /// What to hand back at redemption.
    pub data: Option<Value>,
}

impl IssueHandoff {
    /// One with the app's defaults.
    pub fn new(handover: Handover) -> Self {
        Self {
            label: None,
            lifetime: None,
            session_lifetime: None,
            redirect: None,
            redirect_by: ChosenBy::Page,
            alphanumeric: false,
            handover,
            door: None,
            data: None,
        }
    }
}

/// The session that minted a link, as redeeming needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildOf {
    /// The parent.
    pub parent: SessionId,
    /// What the person calls the child's device.
    pub label: Option<Label>,
}

/// How far a hand-off is.
#[derive(Clone, Debug)]
pub enum HandoffProgress {
    /// The other device has not opened the link, or not pressed its button.
    Pending {
        /// The link, to be shown to its minter again.
        url: Secret,
    },
    /// The other device is signed in, or was: its session may have ended since.
    Redeemed(Box<Session>),
    /// The link does not work any more.
    Dead(DeadReason),
}

/// A hand-off link as its minter sees it.
#[derive(Clone, Debug)]
pub struct Handoff {
    /// The public id.
    pub id: LinkId,
    /// What the person calls the other device.
    pub label: Option<Label>,
    /// When the link expires.
    pub expires_at: Timestamp,
    /// How far it is.
    pub progress: HandoffProgress,
}

fn unknown() -> Error {
    Error::not_found("link", "This session has minted no such link")
}

impl Engine {
    /// Mints a link that signs the caller in on another device, once. The caller is a person, and `session` the session by which they showed it.
    ///
    /// # Errors
    /// `Unauthenticated` unless a person asks whose session this is, and it is live; `Forbidden` for callers with credentials; `RateLimited`; `RedirectNotAllowed`;
    /// `Invalid` naming `lifetime` or `session_lifetime` over the app's ceilings.
    pub async fn issue_handoff(&self, caller: &Caller, session: SessionId, command: IssueHandoff) -> Result<IssuedLink> {
        let user = caller.person()?;
        let held = self.authenticate_session(caller.app.id, session).await?;
        if held.signed_in.session.user != user {
            return Err(Error::new(ErrorKind::Unauthenticated, "This session is another person's"));
        }
        self.check_session_lifetime(caller, command.session_lifetime)?;
        let want = Want {
            name: "handoffs_per_user",
            subject: &[caller.app.id.as_bytes(), user.as_bytes()],
            limit: caller.app.settings.limit_handoffs_per_user,
        };
        self.take_limit(caller, want).await?;
        let child_of = ChildOf { parent: session, label: command.label };
        let command = IssueLink {
            user: Some(user),
            redirect: command.redirect,
            redirect_by: command.redirect_by,
            alphanumeric: command.alphanumeric,
            handover: command.handover,
            lifetime: Some(command.lifetime.unwrap_or(caller.app.settings.handoff_lifetime)),
            session_lifetime: command.session_lifetime.or(caller.app.settings.handoff_session_lifetime),
            carries: Carries::Link,
            door: command.door,
            data: command.data,
            ..IssueLink::nobody()
        };
        self.issue_for(caller, command, Some(child_of)).await
    }

    /// A hand-off link, for the session that minted it and nobody else.
    ///
    /// # Errors
    /// `Unauthenticated` or `Forbidden` unless a person asks; `NotFound` about `link` for everybody but its minter.
    pub async fn find_handoff(&self, caller: &Caller, session: SessionId, id: LinkId) -> Result<Handoff> {
        let user = caller.person()?;
        let app = &caller.app;
        let found = self.store.find_link(app.id, LinkKey::Id(id)).await?;
        let is_own = |link: &super::Link| link.user == Some(user) && link.minted_by(session);
        let link = found.filter(is_own).ok_or_else(unknown)?;
        let dead = DeadReason::of(link.state(self.clock.now(), app.settings.pending_links));
        let dead = dead.or_else(|| link.leads_nowhere(app).then_some(DeadReason::Withdrawn));
        let progress = match (link.session.filter(|_| link.redeemed_at.is_some()), dead, &link.sealed) {
            (Some(child), _, _) => match self.store.find_session(app.id, child).await? {
                Some(child) => HandoffProgress::Redeemed(Box::new(child.session)),
                None => HandoffProgress::Dead(DeadReason::Used),
            },
            (None, Some(reason), _) => HandoffProgress::Dead(reason),
            (None, None, None) => HandoffProgress::Dead(DeadReason::Withdrawn),
            (None, None, Some(sealed)) => {
                let plain = self.keys.open(&seal_context(id), sealed)?;
                HandoffProgress::Pending { url: Secret::new(String::from_utf8(plain).map_err(Error::internal)?) }
            }
        };
        Ok(Handoff { id, label: link.label(), expires_at: link.expires_at, progress })
    }

    /// The same by the link's token, for callers that were given nothing else.
    ///
    /// # Errors
    /// As [`Engine::find_handoff`].
    pub async fn find_handoff_by_token(&self, caller: &Caller, session: SessionId, token: &str) -> Result<Handoff> {
        let found = self.find_by_token(token).await?.link.filter(|link| link.app == caller.app.id).ok_or_else(unknown)?;
        self.find_handoff(caller, session, found.id).await
    }

    pub(crate) fn seal_handoff(&self, id: LinkId, url: &Secret) -> Result<Vec<u8>> {
        self.keys.seal(self.entropy.as_ref(), &seal_context(id), url.expose().as_bytes())
    }
}

fn seal_context(id: LinkId) -> Vec<u8> {
    [b"handoff".as_slice(), id.as_bytes()].concat()
}
