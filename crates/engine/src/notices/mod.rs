//! Notices: an app's own server is told, at an address of its choice, that a link was used or a session ended.
//!
//! A notice is written in the transaction of what it tells, and is tried until it was taken or had its tries. What it looks like on the wire is its dialect's
//! matter, how it gets there a sender's; the signature is made with a key that the app publishes.

pub mod store;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Engine;
use crate::apps::App;
use crate::email_address::EmailAddress;
use crate::error::Result;
use crate::ids::{AppId, GroupId, LinkId, NoticeId, SessionId};
use crate::ports::Draw;
use crate::sessions::of_group::GroupSession;
use crate::sessions::signing::Algorithm;
use crate::time::{Lifetime, Timestamp};
use store::NoticeFinish;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum NoticeKind {
    /// A link of a group became a session.
    LinkUsed = 1,
    /// A session of a group was ended before its time.
    SessionEnded = 2,
}

/// A notice.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The same at every try.
    pub id: NoticeId,
    /// Of which app.
    pub app: AppId,
    /// What happened.
    pub kind: NoticeKind,
    /// To which group.
    pub group: GroupId,
    /// The session.
    pub session: SessionId,
    /// The link it came from.
    pub link: Option<LinkId>,
    /// Whom the link was for, as its maker said.
    pub label: Option<EmailAddress>,
    /// When.
    pub at: Timestamp,
}

/// A notice that is to be sent now.
#[derive(Clone, Debug)]
pub struct DueNotice {
    /// The notice.
    pub notice: Notice,
    /// Its app as it is now.
    pub app: Arc<App>,
    /// Where to.
    pub url: String,
    /// Which try this is, from 1.
    pub attempt: u32,
}

impl Notice {
    /// Of a session, if its app wants notices.
    pub(crate) fn of(kind: NoticeKind, app: &App, session: &GroupSession, draw: &mut Draw, at: Timestamp) -> Option<Self> {
        app.settings.notice_url.as_ref()?;
        Some(Self::about(draw.notice_id(), kind, session, at))
    }

    /// The notice with this id about a session.
    pub fn about(id: NoticeId, kind: NoticeKind, session: &GroupSession, at: Timestamp) -> Self {
        Self {
            id,
            app: session.app,
            kind,
            group: session.group.id,
            session: session.id,
            link: session.link,
            label: session.label.clone(),
            at,
        }
    }
}

impl Engine {
    /// How often a notice is tried in all.
    const NOTICE_TRIES: u32 = 5;
    /// The wait after the first failure; it doubles.
    const NOTICE_WAIT: Lifetime = Lifetime::from_secs(10);
    /// For how long a claimed notice is left to its claimer.
    const NOTICE_LEASE: Lifetime = Lifetime::from_secs(60);

    /// Takes notices that are due; each is sent once and reported by [`Engine::finish_notice`].
    ///
    /// # Errors
    /// Those of storage.
    pub async fn claim_notices(&self, limit: u32) -> Result<Vec<DueNotice>> {
        let now = self.clock.now();
        let claimed = self.store.claim_notices(now, now.plus(Self::NOTICE_LEASE), limit).await?;
        let mut due = Vec::new();
        for (notice, attempt) in claimed {
            let app = self.directory().app(notice.app);
            let url = app.as_ref().and_then(|app| app.settings.notice_url.clone());
            match app.zip(url) {
                // Its last server died in the middle of the last try.
                Some(_) if attempt > Self::NOTICE_TRIES => self.give_up(&notice, attempt, "it was tried too often").await?,
                Some((app, url)) => due.push(DueNotice { notice, app, url, attempt }),
                None => self.give_up(&notice, attempt, "the app wants no notices any more").await?,
            }
        }
        Ok(due)
    }

    async fn give_up(&self, notice: &Notice, attempt: u32, why: &str) -> Result<()> {
        let finish = NoticeFinish::Dead { why: why.to_owned() };
        self.store.finish_notice(notice.id, attempt, finish).await.map(|_| ())
    }

    /// Reports what became of a try.
    ///
    /// # Errors
    /// Those of storage: the notice is then tried again when its lease ends.
    pub async fn finish_notice(&self, due: &DueNotice, outcome: Result<(), String>) -> Result<()> {
        let finish = match outcome {
            Ok(()) => NoticeFinish::Sent,
            Err(why) if due.attempt >= Self::NOTICE_TRIES => NoticeFinish::Dead { why },
            Err(why) => {
                let wait = Self::NOTICE_WAIT.as_millis() << (due.attempt.max(1) - 1);
                NoticeFinish::Later { next_at: self.clock.now().plus(Lifetime::from_millis(wait)), why }
            }
        };
        self.store.finish_notice(due.notice.id, due.attempt, finish).await.map(|_| ())
    }

    /// Signs what is sent: RSA with SHA-256 by the app's current key, in base64url. The key is published with the app's others.
    ///
    /// # Errors
    /// `Unavailable` when there is no key and none can be made.
    pub async fn sign_notice(&self, due: &DueNotice, data: &[u8]) -> Result<String> {
        let key = self.current_key(due.app.id, Algorithm::Rs256).await?;
        Ok(URL_SAFE_NO_PAD.encode(key.sign_bytes(data)?))
    }
}
