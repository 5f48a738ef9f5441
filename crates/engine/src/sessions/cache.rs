use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

use super::SignedIn;
use crate::ids::SessionId;
use crate::time::Timestamp;

/// Where a token was shown.
#[derive(Clone, Copy)]
pub(crate) enum Door<'a> {
    SessionToken,
    AccessToken { audience: &'a str },
}

/// Sessions seen a moment ago, so that verifying a token again costs a hash and two look-ups.
///
/// Entries are believed for [`SessionCache::BELIEVED_MILLIS`]; what this replica revokes is forgotten at once, what another replica
/// revokes within that time.
pub(crate) struct SessionCache {
    tokens: Cache<[u8; 32], Known>,
    sessions: Cache<SessionId, Arc<Entry>>,
    /// How often something was forgotten: what was read before is not remembered afterwards, for it may be what was forgotten.
    forgotten: AtomicU64,
}

/// The moment before a session is read from storage.
#[derive(Clone, Copy)]
pub(crate) struct BeforeRead(u64);

#[derive(Clone, Copy)]
struct Known {
    session: SessionId,
    /// The token's own end; the session may end earlier.
    expires_at: Timestamp,
}

struct Entry {
    signed_in: Arc<SignedIn>,
    read_at: Timestamp,
}

impl SessionCache {
    /// How long a read is believed.
    pub(crate) const BELIEVED_MILLIS: i64 = 1_500;

    pub(crate) fn new(most: u64) -> Self {
        Self { tokens: Cache::new(most), sessions: Cache::new(most), forgotten: AtomicU64::new(0) }
    }

    /// What was verified at one door says nothing at another, so the door is part of the key.
    fn key(door: Door<'_>, token: &str) -> [u8; 32] {
        let (kind, audience) = match door {
            Door::SessionToken => (b's', ""),
            Door::AccessToken { audience } => (b'a', audience),
        };
        let mut context = Context::new(&SHA256);
        context.update(&[kind]);
        context.update(&(audience.len() as u64).to_le_bytes());
        context.update(audience.as_bytes());
        context.update(token.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    /// Which session a token was found to belong to, if it has not expired by itself.
    pub(crate) fn session_of(&self, door: Door<'_>, token: &str, now: Timestamp) -> Option<SessionId> {
        let known = self.tokens.get(&Self::key(door, token))?;
        (now < known.expires_at).then_some(known.session)
    }

    /// The session, if it was read a moment ago.
    pub(crate) fn signed_in(&self, id: SessionId, now: Timestamp) -> Option<Arc<SignedIn>> {
        let entry = self.sessions.get(&id)?;
        let age = now.millis_since(entry.read_at);
        (0..Self::BELIEVED_MILLIS).contains(&age).then(|| Arc::clone(&entry.signed_in))
    }

    pub(crate) fn remember_token(&self, door: Door<'_>, token: &str, session: SessionId, expires_at: Timestamp) {
        self.tokens.insert(Self::key(door, token), Known { session, expires_at });
    }

    /// To be taken before a session is read that is to be remembered.
    pub(crate) fn before_read(&self) -> BeforeRead {
        BeforeRead(self.forgotten.load(Ordering::SeqCst))
    }

    pub(crate) fn remember(&self, signed_in: &Arc<SignedIn>, now: Timestamp, before: BeforeRead) {
        if self.forgotten.load(Ordering::SeqCst) != before.0 {
            return;
        }
        self.sessions.insert(signed_in.session.id, Arc::new(Entry { signed_in: Arc::clone(signed_in), read_at: now }));
    }

    /// Forgets a session that changed or ended.
    pub(crate) fn forget(&self, id: SessionId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.sessions.invalidate(&id);
    }
}
