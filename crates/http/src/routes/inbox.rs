//! The built-in inbox of `passlink dev`: every mail, to be opened like in a mail program.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use passlink_engine::messages::inbox::Received;
use passlink_engine::{Error, ErrorKind, Result};

use super::guard::{Fields, Form};
use super::respond::{Page, failed, private, redirect};
use super::session::moment;
use crate::extract::request::{Context, Segment};
use crate::pages::brand::Brand;
use crate::pages::views::{ENGLISH, InboxMessagePage, InboxPage, InboxRow, framed_mail};
use crate::web::Web;

const SCOPE: &str = "inbox";

/// The list.
pub(super) async fn list(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap) -> Response {
    let answer = async {
        let shown = web.show_form(&headers, SCOPE)?;
        let messages = web.engine.inbox(100).await?.into_iter().map(row).collect();
        let page = InboxPage {
            words: &ENGLISH,
            brand: Brand::passlink(),
            messages,
            delete_action: "/inbox/delete".to_owned(),
            nonce: shown.nonce,
        };
        Ok(Page::new(page.render()).cookie(shown.cookie).respond())
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

fn row(received: Received) -> InboxRow {
    let Received { id, received_at, message } = received;
    InboxRow { id: id.to_string(), when: moment(received_at), to: message.to, subject: message.subject, app: message.app }
}

async fn find(web: &Web, id: &str) -> Result<Received> {
    let missing = || Error::new(ErrorKind::NotFound, "There is no such message");
    let id = id.parse().map_err(|_| missing())?;
    web.engine.inbox_message(id).await?.ok_or_else(missing)
}

/// One message.
pub(super) async fn message(State(web): State<Arc<Web>>, Context(context): Context, Segment(id): Segment) -> Response {
    let answer = async {
        let Received { id, received_at, message } = find(&web, &id).await?;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let page = InboxMessagePage {
            words: &ENGLISH,
            brand: Brand::passlink(),
            id: id.to_string(),
            subject: message.subject,
            from: message.from,
            to: message.to,
            when: moment(received_at),
            app: message.app,
            link: some(message.link),
            code: some(message.code),
            has_html: !message.html.is_empty(),
            text: message.text,
        };
        Ok(Page::new(page.render()).frames().respond())
    };
    answer.await.unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

/// The HTML part, for the frame: a mail is somebody else's document, so it runs in a sandbox without scripts.
pub(super) async fn html(State(web): State<Arc<Web>>, Context(context): Context, Segment(id): Segment) -> Response {
    match find(&web, &id).await {
        Ok(received) => {
            let mut response = Response::new(Body::from(framed_mail(&received.message.html)));
            private(&mut response);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(
                    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; \
                     sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation",
                ),
            );
            response
        }
        Err(error) => failed(&web, &context.request_id, error),
    }
}

/// Empties the inbox.
pub(super) async fn delete(
    State(web): State<Arc<Web>>,
    Context(context): Context,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let form = Form { scope: SCOPE.to_owned(), back: "/inbox".to_owned(), gesture: false };
    form.act(&web, &context.request_id, &headers, &fields, async || {
        web.engine.clear_inbox().await?;
        Ok(redirect("/inbox", []))
    })
    .await
}
