//! The page between a mailed link and the app that exchanges its token: it asks the person, changes nothing, and leads on.

use std::sync::Arc;

use super::open::DeadReason;
use super::{Link, Purpose};
use crate::Engine;
use crate::apps::App;
use crate::caller::{Caller, RequestContext};
use crate::error::Result;
use crate::events::{Event, EventKind};
use crate::ids::AppId;
use crate::ports::Draw;
use crate::redirects::LandingUrl;
use crate::time::Timestamp;

/// What a client's link leads to.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The app.
    pub app: Arc<App>,
    /// Where to, with what the link is for; or why it leads nowhere.
    pub to: Result<ForwardTo, DeadReason>,
    /// The address it was mailed to, masked.
    pub masked_address: Option<String>,
}

/// Where a client's link leads to.
#[derive(Clone, Debug)]
pub struct ForwardTo {
    /// The registered page.
    pub url: LandingUrl,
    /// What the link is for.
    pub purpose: Purpose,
    /// It was made as the link of a sign-up, or the user has not signed in yet.
    pub is_sign_up: bool,
    /// The token as the page wants it.
    pub token: crate::secret::Secret,
    /// When the link expires.
    pub expires_at: Timestamp,
}

impl Engine {
    /// What opening a client's link of this app leads to. Nothing changes but a bounded number of events.
    ///
    /// # Errors
    /// Those of storage; a dead link is an answer.
    pub async fn forward_link(&self, context: &RequestContext, app: AppId, token: &str) -> Result<Option<Forward>> {
        let now = self.clock.now();
        let Some(app) = self.directory().app(app) else { return Ok(None) };
        let caller = Caller::anonymous(Arc::clone(&app), context.clone());
        let Some((link, token)) = self.find_client_link(&app, token).await? else {
            self.count_attempt(&caller).await?;
            return Ok(Some(Forward { app, to: Err(DeadReason::Unknown), masked_address: None }));
        };
        let mut draw = Draw::new(self.entropy.as_ref(), now)?;
        let by = context.user_agent.as_deref().and_then(crate::device::describe);
        let event = Event::new(EventKind::LinkOpened, &caller, &mut draw, now).link(link.id).with("by", by.unwrap_or_default());
        self.store.append_opened(event, 50).await?;
        let masked_address = link.address.as_ref().map(|address| address.masked());
        let dead = DeadReason::of(link.state(now, app.settings.pending_links));
        let registered = link.redirect.as_deref().and_then(|text| LandingUrl::parse(text).ok());
        let registered = registered.filter(|url| app.settings.is_landing(url)).or_else(|| default_landing(&app, &link));
        let to = match (dead, registered) {
            (Some(reason), _) => Err(reason),
            (None, None) => Err(DeadReason::Withdrawn),
            (None, Some(url)) => Ok(ForwardTo {
                url,
                purpose: link.purpose,
                is_sign_up: link.options.is_sign_up,
                token: token.expose(),
                expires_at: link.expires_at,
            }),
        };
        Ok(Some(Forward { app, to, masked_address }))
    }
}

/// A link without a page of its own leads to the app's first one, where the app has our page stand before it.
fn default_landing(app: &App, link: &Link) -> Option<LandingUrl> {
    let own = link.redirect.is_none() && app.settings.page_for_client_links;
    app.settings.sign_in_urls.first().filter(|_| own).cloned()
}
