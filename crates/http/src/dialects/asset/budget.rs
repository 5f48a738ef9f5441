//! `x-ratelimit-*` on every answer (contract section 3): what is left to the tenant or, where a business is meant, to that, whichever is tighter.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use passlink_engine::caller::Caller;
use passlink_engine::ids::GroupId;
use passlink_engine::limits::{Limit, Room};
use passlink_engine::{ErrorKind, Result};

use crate::web::Web;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What a request has found out about its limits.
#[derive(Clone, Default)]
pub(super) struct Budget(Arc<Mutex<Option<Room>>>);

impl Budget {
    fn note(&self, room: Room) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| room.remaining < known.remaining) {
            *known = Some(room);
        }
    }

    /// Counts the request against its tenant, or against a business.
    ///
    /// # Errors
    /// `RateLimited`; those of storage.
    pub(super) async fn count(&self, web: &Web, caller: &Caller, business: Option<GroupId>) -> Result<()> {
        let settings = &caller.app.settings;
        let limit = if business.is_some() { settings.limit_requests_per_group } else { settings.limit_requests_per_app };
        match web.engine.count_request(caller, business).await {
            Ok(room) => {
                self.note(room);
                Ok(())
            }
            Err(error) => {
                if let ErrorKind::RateLimited { retry_after, .. } = error.kind() {
                    self.note(Room::none(limit, web.engine.now(), *retry_after));
                }
                Err(error)
            }
        }
    }
}

fn write(headers: &mut HeaderMap, room: Room) {
    // Rounded up: at that second it is true.
    let reset = (room.resets_at.as_millis() + 999).div_euclid(1000);
    for (name, value) in [(LIMIT, i64::from(room.limit)), (REMAINING, i64::from(room.remaining)), (RESET, reset)] {
        headers.insert(name, HeaderValue::from(value));
    }
}

/// Tells what the request has found out.
pub(super) async fn tell(mut request: Request, next: Next) -> Response {
    let budget = Budget::default();
    request.extensions_mut().insert(budget.clone());
    let mut response = next.run(request).await;
    let known = *budget.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(room) = known {
        write(response.headers_mut(), room);
    }
    response
}

/// Of a request that never came so far as to count: the whole limit of whoever it may be.
pub(super) fn untouched(web: &Web) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let app = web.engine.directory().default_app();
    let limit = app.map_or_else(
        || Limit::new(300, passlink_engine::time::Lifetime::from_minutes(1)),
        |app| app.settings.limit_requests_per_app,
    );
    write(&mut headers, Room::whole(limit, web.engine.now()));
    headers
}
