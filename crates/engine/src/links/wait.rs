//! The requester waits: what its screen shows, and asking for another link.

use std::sync::Arc;

use super::issue::{Carries, Carry, IssueLink, IssuedLink, Requester, Together};
use super::open::{BrowserProof, DeadReason};
use super::{Handover, Link};
use crate::Engine;
use crate::apps::App;
use crate::caller::{Caller, RequestContext};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::LinkId;
use crate::redirects::RedirectTarget;
use crate::secret::{Token, TokenKind};
use crate::time::Timestamp;

/// How far the request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The mail is on its way or unread.
    Pending,
    /// Somebody repeated the number: this browser may finish.
    Approved,
    /// It became a session.
    Redeemed {
        /// In this very browser.
        here: bool,
    },
    /// It does not work any more.
    Dead(DeadReason),
}

/// What the waiting screen shows.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The app.
    pub app: Arc<App>,
    /// How far it is.
    pub progress: Progress,
    /// Where the mail went, masked.
    pub masked_address: String,
    /// The number to repeat elsewhere.
    pub number: Option<u8>,
    /// When the link expires.
    pub expires_at: Timestamp,
    /// Where the browser goes afterwards.
    pub redirect: Option<RedirectTarget>,
}

impl Engine {
    /// What the screen of the browser that asked shows; `None` for any other browser.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn waiting(&self, id: LinkId, browser: &BrowserProof) -> Result<Option<Waiting>> {
        let now = self.clock.now();
        let found = self.find_by_request(id, browser).await?;
        let Some(link) = found.link else { return Ok(None) };
        let app = found.app;
        let progress = match DeadReason::of(link.state(now, app.settings.pending_links)) {
            _ if link.redeemed_at.is_some() => Progress::Redeemed { here: self.redeemed_by(&link, browser) },
            Some(reason) => Progress::Dead(reason),
            None if link.leads_nowhere(&app) => Progress::Dead(DeadReason::Withdrawn),
            None if link.approved_at.is_some() => Progress::Approved,
            None => Progress::Pending,
        };
        let redirect = link.target(&app);
        Ok(Some(Waiting {
            app,
            progress,
            masked_address: link.address.or(link.options.withheld_for).map(|a| a.masked()).unwrap_or_default(),
            number: link.options.number_shown.then(|| self.keys.number(id)),
            expires_at: link.expires_at,
            redirect,
        }))
    }

    /// Asks again for the address of a link, from the browser that holds the link (`token`) or that asked for it (`request`). The new link has the same
    /// destination; the browser that asks now is its requester.
    ///
    /// # Errors
    /// `NotFound` when the link is unknown or has no address; those of [`Engine::issue_link`].
    pub async fn issue_again(
        &self,
        context: &RequestContext,
        what: Again<'_>,
        browser: &BrowserProof,
        proof: Token,
    ) -> Result<(Arc<App>, IssuedLink)> {
        let found = match what {
            Again::Token(token) => self.find_by_token(token).await?,
            Again::Request(id) => self.find_by_request(id, browser).await?,
        };
        let unknown = || Error::new(ErrorKind::NotFound, "This link is not known here");
        let link: Link = found.link.ok_or_else(unknown)?;
        let address = link.address.or(link.options.withheld_for).ok_or_else(unknown)?;
        let caller = Caller::anonymous(Arc::clone(&found.app), context.clone());
        let redirect = link.redirect.as_deref().map(RedirectTarget::from_stored).transpose()?;
        let command = IssueLink {
            purpose: link.purpose,
            address: Some(address),
            user: link.user,
            redirect,
            handover: link.handover,
            lifetime: None,
            session_lifetime: link.session_lifetime,
            requester: Some(Requester { proof, bound: true, number_shown: true }),
            carry: Carry::Mail,
            carries: Carries::LinkAndCode,
            alphanumeric: link.handover == Handover::Signed,
            plan: link.options.plan,
            redirect_by: link.options.redirect_by,
            door: None,
            landing: None,
            together: Together::Nothing,
            code_challenge: link.options.code_challenge,
            data: link.options.data,
            client: link.options.client,
        };
        // The holder of a link may have it again, for the same user; naming a user is not its choice.
        let issued = self.issue(&caller, command).await?;
        Ok((found.app, issued))
    }

    /// A proof for a browser that has none, to be set as its cookie.
    ///
    /// # Errors
    /// `Unavailable` when the random generator fails.
    pub fn new_requester_proof(&self, app: &App) -> Result<Token> {
        let mut random = [0; 32];
        self.entropy.fill(&mut random).map_err(Error::unavailable)?;
        Ok(Token::new(TokenKind::Browser, app.tag, self.clock.now(), random))
    }

    /// 32 random bytes in base64url, for page nonces.
    ///
    /// # Errors
    /// `Unavailable` when the random generator fails.
    pub fn new_page_secret(&self) -> Result<String> {
        use base64::Engine as _;
        let mut random = [0; 32];
        self.entropy.fill(&mut random).map_err(Error::unavailable)?;
        Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random))
    }
}

/// Which link a new one takes the place of.
#[derive(Clone, Copy, Debug)]
pub enum Again<'a> {
    /// The one this browser opened.
    Token(&'a str),
    /// The one this browser asked for.
    Request(LinkId),
}
