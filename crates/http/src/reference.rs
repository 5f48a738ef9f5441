//! The API reference: each dialect's OpenAPI document, as JSON and as a page that needs no script.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use passlink_engine::{Error, ErrorKind};

use crate::dialects::{DIALECTS, Dialect};
use crate::extract::request::{Context, Segment};
use crate::mounted::Routes;
use crate::pages::brand::Brand;
use crate::pages::views::{self, DocsIndexPage, DocsPage, ENGLISH};
use crate::routes::respond::{Page, failed};
use crate::web::Web;

pub(crate) fn routes() -> Routes {
    Routes::new().route("/openapi/{file}", get(document)).route("/docs", get(index)).route("/docs/{dialect}", get(show))
}

fn served<'a>(web: &'a Web) -> impl Iterator<Item = &'static Dialect> + 'a {
    DIALECTS.iter().filter(|dialect| !web.settings.dialects_off.iter().any(|off| off == dialect.slug))
}

/// The document of a dialect, as text: what is committed under `openapi/`.
pub fn document_text(dialect: &Dialect) -> String {
    let mut text = (dialect.document)().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn find(web: &Web, slug: &str) -> Result<&'static Dialect, Error> {
    served(web).find(|dialect| dialect.slug == slug).ok_or_else(|| Error::new(ErrorKind::NotFound, "There is no such document"))
}

async fn document(State(web): State<Arc<Web>>, Context(context): Context, Segment(file): Segment) -> Response {
    match file
        .strip_suffix(".json")
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "There is no such document"))
        .and_then(|slug| find(&web, slug))
    {
        Ok(dialect) => {
            let headers =
                [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=600"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
            (headers, document_text(dialect)).into_response()
        }
        Err(error) => failed(&web, &context.request_id, error),
    }
}

async fn index(State(web): State<Arc<Web>>) -> Response {
    let dialects = served(&web)
        .map(|d| views::Dialect { slug: d.slug.to_owned(), name: d.name.to_owned(), sentence: d.sentence.to_owned() })
        .collect();
    Page::new(DocsIndexPage { words: &ENGLISH, brand: Brand::passlink(), dialects }.render()).respond()
}

async fn show(State(web): State<Arc<Web>>, Context(context): Context, Segment(slug): Segment) -> Response {
    match find(&web, &slug) {
        Ok(dialect) => {
            let document = serde_json::to_value((dialect.document)()).unwrap_or_default();
            let page =
                DocsPage::new(&ENGLISH, Brand::passlink(), slug, &web.engine.issuer(), &document).with_errors(dialect.errors);
            Page::new(page.render()).respond()
        }
        Err(error) => failed(&web, &context.request_id, error),
    }
}
