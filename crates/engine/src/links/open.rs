//! Opening a link: finding out what the person may do with it. Nothing changes (`security.md` 9).

use std::sync::Arc;

use super::store::LinkKey;
use super::{Handover, Link, LinkState, Purpose, RevokedWhy};
use crate::Engine;
use crate::apps::{App, Elsewhere, Opening};
use crate::caller::{Caller, RequestContext};
use crate::error::{Error, Result};
use crate::events::{Event, EventKind};
use crate::ids::LinkId;
use crate::ports::Draw;
use crate::redirects::RedirectTarget;
use crate::secret::{Token, TokenHash, TokenKind};
use crate::time::Timestamp;

/// What the browser shows about itself.
#[derive(Clone, Debug, Default)]
pub struct BrowserProof {
    /// The cookie of a browser that asked for a link.
    pub requester: Option<Token>,
    /// The cookie of a browser that was shown one of our pages.
    pub page: Option<String>,
}

/// Why a link does not work, as far as its holder may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// Its time is over.
    Expired,
    /// It did its work, or another link of the same person did.
    Used,
    /// Newer ones were asked for.
    Replaced,
    /// Too many wrong codes.
    Closed,
    /// It was revoked, the app does not admit the address (any more), or its target has left the allow-list. Another link would fare no better.
    Withdrawn,
    /// The session that minted it, on another device, has ended.
    MinterEnded,
    /// Never issued here, or not a link at all.
    Unknown,
}

impl DeadReason {
    /// The stable name for events.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Replaced => "replaced",
            Self::Closed => "closed",
            Self::Withdrawn => "withdrawn",
            Self::MinterEnded => "minter_ended",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn of(state: LinkState) -> Option<Self> {
        Some(match state {
            LinkState::Live => return None,
            LinkState::Redeemed | LinkState::Revoked(RevokedWhy::OtherRedeemed) => Self::Used,
            LinkState::Revoked(RevokedWhy::WrongCodes) => Self::Closed,
            LinkState::Revoked(RevokedWhy::Revoked) => Self::Withdrawn,
            LinkState::Replaced => Self::Replaced,
            LinkState::MinterEnded => Self::MinterEnded,
            LinkState::Expired => Self::Expired,
        })
    }
}

/// What the holder of a link may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayDo {
    /// Redeem at once: the browser proved that it asked, or the app's policy says so.
    RedeemAtOnce,
    /// Press the button.
    Confirm,
    /// Repeat the number (if offered) or type the code: another browser asked for the link.
    ProveElsewhere {
        /// The requester's screen shows a number, and tries are left.
        number: bool,
    },
    /// Go on: this very browser redeemed it before.
    GoOn,
    /// Nothing; ask for a new one.
    Nothing(DeadReason),
}

/// A link as its holder may see it.
#[derive(Clone, Debug)]
pub struct OpenedLink {
    /// The app.
    pub app: Arc<App>,
    /// The public id, when the link is known.
    pub id: Option<LinkId>,
    /// What may be done.
    pub may: MayDo,
    /// What it is for.
    pub purpose: Purpose,
    /// How its session is handed over, which tells the doors apart, when the link is known.
    pub handover: Option<Handover>,
    /// Whom it signs in, masked.
    pub masked_address: Option<String>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// The browser that asked, in words.
    pub requested_with: Option<String>,
    /// When it was asked for.
    pub issued_at: Option<Timestamp>,
    /// Where the browser goes afterwards, when that is still allowed.
    pub redirect: Option<RedirectTarget>,
    /// What its maker wants handed back.
    pub data: Option<serde_json::Value>,
    /// Of a hand-off: whom it signs in on the device that opened it.
    pub handoff: Option<HandedTo>,
}

/// Whom a hand-off signs in. The page says so: whoever holds a link of somebody else's must not be signed in as them without noticing.
#[derive(Clone, Debug)]
pub struct HandedTo {
    /// The person's address, masked; none when they have none.
    pub masked_address: Option<String>,
}

pub(crate) struct Found {
    pub app: Arc<App>,
    pub link: Option<Link>,
}

impl Engine {
    /// How many openings of one link are recorded.
    const MOST_OPENINGS: u32 = 20;

    /// The app and the link of a token's text, if it is one that signs in. Without an app, there is nothing to show: the default app answers.
    pub(crate) async fn find_by_token(&self, text: &str) -> Result<Found> {
        let directory = self.directory();
        let token = Token::parse(text).filter(|t| {
            matches!(t.kind(), TokenKind::SignInLink | TokenKind::InviteLink | TokenKind::VerifyLink | TokenKind::RedirectLink)
        });
        let app = token.as_ref().and_then(|t| directory.app_by_tag(t.app()));
        // Unknown texts cost the same look-up as known ones, so that time tells nothing (`security.md` 17).
        let (app, hash) = match (app, &token) {
            (Some(app), Some(token)) => (app, self.keys.token_hash(token)),
            _ => {
                let app = directory.default_app().ok_or_else(|| Error::unavailable("there is no app"))?;
                (
                    Arc::clone(&app),
                    self.keys.token_hash(&Token::new(TokenKind::SignInLink, app.tag, Timestamp::from_millis(0), [0; 32])),
                )
            }
        };
        let link = self.store.find_link(app.id, LinkKey::Hash(hash)).await?.filter(|link| link.purpose.begins_session());
        Ok(Found { app, link })
    }

    pub(crate) fn requester_hash(&self, browser: &BrowserProof) -> Option<TokenHash> {
        browser.requester.as_ref().filter(|t| t.kind() == TokenKind::Browser).map(|t| self.keys.token_hash(t))
    }

    /// A browser is recognised by the cookie with which it asked or with which it saw our page.
    pub(crate) fn redeemer_digests(&self, browser: &BrowserProof) -> Vec<Vec<u8>> {
        let requester = self.requester_hash(browser).map(|hash| self.keys.digest("redeemer", &[b"requester", hash.as_bytes()]));
        let page = browser.page.as_ref().map(|page| self.keys.digest("redeemer", &[b"page", page.as_bytes()]));
        requester.into_iter().chain(page).collect()
    }

    /// What the holder of this link may do. Changes nothing; records that it was opened, and by what.
    ///
    /// # Errors
    /// `Unavailable`; an unknown link is an answer, not an error.
    pub async fn open_link(&self, context: &RequestContext, token: &str, browser: &BrowserProof) -> Result<OpenedLink> {
        let now = self.clock.now();
        let found = self.find_by_token(token).await?;
        let opened = self.judge(&found, browser, now);
        self.note_opening(context, &found, opened, now).await
    }

    /// Records that a link was opened.
    pub(crate) async fn note_opening(
        &self,
        context: &RequestContext,
        found: &Found,
        mut opened: OpenedLink,
        now: Timestamp,
    ) -> Result<OpenedLink> {
        let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
        if let Some(link) = &found.link {
            opened.handoff = self.handed_to(link).await?;
            let refused = if let MayDo::Nothing(reason) = opened.may { Some(reason) } else { None };
            let event = opening(&caller, link, refused, &mut Draw::new(self.entropy.as_ref(), now)?, now);
            self.store.append_opened(event, Self::MOST_OPENINGS).await?;
        } else {
            self.count_attempt(&caller).await?;
        }
        Ok(opened)
    }

    async fn handed_to(&self, link: &Link) -> Result<Option<HandedTo>> {
        let (Some(_), Some(user)) = (link.minter, link.user) else { return Ok(None) };
        let user = self.store.find_user(link.app, user).await?;
        Ok(Some(HandedTo { masked_address: user.and_then(|user| user.email).map(|email| email.masked()) }))
    }

    pub(crate) fn judge(&self, found: &Found, browser: &BrowserProof, now: Timestamp) -> OpenedLink {
        let app = Arc::clone(&found.app);
        let Some(link) = &found.link else {
            let may = MayDo::Nothing(DeadReason::Unknown);
            return OpenedLink {
                app,
                id: None,
                may,
                purpose: Purpose::SignIn,
                handover: None,
                masked_address: None,
                expires_at: None,
                requested_with: None,
                issued_at: None,
                redirect: None,
                data: None,
                handoff: None,
            };
        };
        let redirect = link.target(&app);
        let asked_here = link.asked_by(self.requester_hash(browser).as_ref());
        let may = match DeadReason::of(link.state(now, app.settings.pending_links)) {
            Some(_) if self.redeemed_by(link, browser) => MayDo::GoOn,
            Some(reason) => MayDo::Nothing(reason),
            // The list changed since the link was made: it leads nowhere now.
            None if link.redirect.is_some() && redirect.is_none() => MayDo::Nothing(DeadReason::Withdrawn),
            None if asked_here => MayDo::RedeemAtOnce,
            None if link.requester.as_ref().is_some_and(|r| r.bound) => match app.settings.elsewhere {
                Elsewhere::Open if app.settings.opening == Opening::Immediate => MayDo::RedeemAtOnce,
                Elsewhere::Open => MayDo::Confirm,
                Elsewhere::Refuse => MayDo::ProveElsewhere { number: false },
                Elsewhere::Number => MayDo::ProveElsewhere {
                    number: link.options.number_shown && link.number_attempts < Link::NUMBER_TRIES && link.approved_at.is_none(),
                },
            },
            None if app.settings.opening == Opening::Immediate => MayDo::RedeemAtOnce,
            None => MayDo::Confirm,
        };
        OpenedLink {
            app,
            id: Some(link.id),
            may,
            purpose: link.purpose,
            handover: Some(link.handover),
            // Of a dead link, the address to which a new one can be sent.
            masked_address: match may {
                MayDo::Nothing(_) => link.address.as_ref().map(crate::email_address::EmailAddress::masked),
                _ => link.masked_address(),
            },
            expires_at: Some(link.expires_at),
            requested_with: link.options.requested_with.clone(),
            issued_at: Some(link.issued_at),
            redirect,
            data: link.options.data.clone(),
            handoff: None,
        }
    }

    pub(crate) fn redeemed_by(&self, link: &Link, browser: &BrowserProof) -> bool {
        let Some(redeemer) = &link.redeemer else { return false };
        let same = |digest: &Vec<u8>| crate::secret::equal(digest, redeemer);
        link.redeemed_at.is_some() && self.redeemer_digests(browser).iter().any(same)
    }
}

/// That a link was opened, by what, and why nothing can come of it.
pub(crate) fn opening(caller: &Caller, link: &Link, refused: Option<DeadReason>, draw: &mut Draw, now: Timestamp) -> Event {
    let agent = caller.context.user_agent.as_deref();
    let device = agent.map(crate::device::describe_any).unwrap_or_else(|| "unknown".to_owned());
    let event = Event::new(EventKind::LinkOpened, caller, draw, now).link(link.id).with("by", device);
    match refused {
        Some(reason) => event.with("refused", reason.code()),
        None => event,
    }
}
