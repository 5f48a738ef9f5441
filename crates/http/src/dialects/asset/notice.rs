//! What an app's own server is told (contract section 7): `MAGIC_LINK_USED` and `SESSION_ENDED`.

use passlink_engine::notices::{Notice, NoticeKind};
use serde_json::json;

use super::ids::show;

/// A notice on this dialect's wire.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The header `asset-id`: the same at every try.
    pub id: String,
    /// The body.
    pub body: String,
}

impl Webhook {
    /// Of a notice.
    pub fn of(notice: &Notice) -> Self {
        let id = show("evt", notice.id.as_uuid());
        let kind = match notice.kind {
            NoticeKind::LinkUsed => "MAGIC_LINK_USED",
            NoticeKind::SessionEnded => "SESSION_ENDED",
        };
        let body = json!({
            "id": id,
            "type": kind,
            "created_at": notice.at.as_secs(),
            "data": {
                "session_id": show("ses", notice.session.as_uuid()),
                "business_id": show("biz", notice.group.as_uuid()),
                "magic_link_id": notice.link.map(|link| show("mlk", link.as_uuid())),
                "email": notice.label.as_ref().map(ToString::to_string),
            },
        });
        Self { id, body: body.to_string() }
    }

    /// What is signed: id and body, joined by a full stop.
    pub fn signed(&self) -> String {
        format!("{}.{}", self.id, self.body)
    }
}
