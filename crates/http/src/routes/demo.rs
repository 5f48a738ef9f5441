//! The demo sign-in page of `passlink dev`, and the page that receives a sign-in asked for through the AppHandoff API.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use passlink_engine::Result;
use passlink_engine::caller::Caller;
use passlink_engine::email_address::{EmailAddress, InvalidEmailAddress};
use passlink_engine::links::Handover;
use passlink_engine::links::issue::{IssueLink, Requester};

use super::guard::{Fields, Form};
use super::respond::{Page, failed, redirect};
use crate::extract::request::Context;
use crate::pages::views::{CallbackPage, DemoPage, ENGLISH, EmailError};
use crate::web::{Web, brand};

const SCOPE: &str = "demo sign-in";

/// The page.
pub(super) async fn show(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap) -> Response {
    render(&web, &headers, String::new(), None).unwrap_or_else(|error| failed(&web, &context.request_id, error))
}

fn render(web: &Web, headers: &HeaderMap, email: String, error: Option<EmailError>) -> Result<Response> {
    let app = web.app_of_call(headers, None)?;
    let shown = web.show_form(headers, SCOPE)?;
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = DemoPage { words: &ENGLISH, brand: brand(&app), nonce: shown.nonce, email, error };
    Ok(Page::new(page.render()).status(status).cookie(shown.cookie).respond())
}

/// Asks for a link for this browser, which other browsers may then only approve.
pub(super) async fn ask(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap, fields: Fields) -> Response {
    let form = Form { scope: SCOPE.to_owned(), back: "/".to_owned(), gesture: false };
    form.act(&web, &context.request_id, &headers, &fields, async || {
        let app = web.app_of_call(&headers, None)?;
        let typed = || fields.email.clone();
        let address = match EmailAddress::parse(&fields.email) {
            Ok(address) => address,
            Err(InvalidEmailAddress::Empty) => return render(&web, &headers, typed(), Some(EmailError::Missing)),
            Err(_) => return render(&web, &headers, typed(), Some(EmailError::Invalid)),
        };
        let proof = match web.requester(&headers) {
            Some(proof) => proof,
            None => web.engine.new_requester_proof(&app)?,
        };
        let cookie = web.requester_cookie(&proof);
        let requester = Requester { proof, bound: true, number_shown: true };
        let command = IssueLink::sign_in_by_mail(address, None, Handover::Cookie, Some(requester));
        let issued = web.engine.issue_link(&Caller::anonymous(app, context.clone()), command).await?;
        Ok(redirect(&format!("/wait/{}", issued.id), [cookie]))
    })
    .await
}

/// Receives tokens in the fragment, as an app would; its script exchanges them for cookies.
pub(super) async fn callback(State(web): State<Arc<Web>>, Context(context): Context, headers: HeaderMap) -> Response {
    match web.app_of_call(&headers, None) {
        Ok(app) => Page::new(CallbackPage { words: &ENGLISH, brand: brand(&app) }.render()).scripts().respond(),
        Err(error) => failed(&web, &context.request_id, error),
    }
}
