//! The guard of our own forms: only a person's press on the page that this browser was shown gets through (`security.md` 12).

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HOST, ORIGIN, USER_AGENT};
use http::{HeaderMap, StatusCode};
use passlink_engine::Result;
use passlink_engine::redirects::Origin;

use super::respond::{Page, failed};
use crate::frame::LARGEST_BODY;
use crate::pages::views::{ENGLISH, ProblemPage};
use crate::web::{CookieName, Web, brand};

/// What ties a form to the browser that was shown it.
pub(crate) struct Shown {
    /// The value of the form's hidden field.
    pub nonce: String,
    /// The cookie to set, unless the browser has one.
    pub cookie: Option<String>,
}

impl Web {
    /// Prepares a form; `scope` is what it acts on, so that a nonce works for nothing else.
    pub(crate) fn show_form(&self, headers: &HeaderMap, scope: &str) -> Result<Shown> {
        let known = self.cookie(headers, CookieName::Page).filter(|value| value.len() == 43);
        let (value, cookie) = match known {
            Some(value) => (value, None),
            None => {
                let value = self.engine.new_page_secret()?;
                let cookie = self.set_cookie(CookieName::Page, &value, Some(86_400));
                (value, Some(cookie))
            }
        };
        Ok(Shown { nonce: self.nonce(&value, scope), cookie })
    }

    fn nonce(&self, cookie: &str, scope: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.engine.digest("page nonce", &[cookie.as_bytes(), scope.as_bytes()]))
    }

    /// Whether this POST is a press on our own form.
    fn is_own_press(&self, headers: &HeaderMap, scope: &str, nonce: &str, gesture: bool) -> bool {
        let cookie = self.cookie(headers, CookieName::Page);
        let nonce_fits =
            cookie.is_some_and(|cookie| passlink_engine::secret::equal(self.nonce(&cookie, scope).as_bytes(), nonce.as_bytes()));
        nonce_fits && self.is_same_origin(headers) && (!gesture || has_gesture(headers))
    }

    fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).map(|value: &http::HeaderValue| value.to_str().unwrap_or("?"));
        if text(http::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site != "same-origin") {
            return false;
        }
        match text(ORIGIN) {
            // Our pages send no referrer, so browsers may write `null` even from our own form; the nonce, whose cookie no other site can
            // make a browser send, tells them apart.
            Some("null") => true,
            Some(origin) => Origin::parse(origin).is_some_and(|origin| self.is_ours(&origin, text(HOST))),
            None => false,
        }
    }

    fn is_ours(&self, origin: &Origin, host: Option<&str>) -> bool {
        let public = &self.engine.settings().public_origin;
        // On one's own machine, localhost and 127.0.0.1 are the same server.
        let local =
            public.is_loopback() && origin.is_loopback() && origin.port() == public.port() && origin.scheme() == public.scheme();
        origin == public || (local && host.is_some_and(|host| origin.to_string().ends_with(&format!("//{host}"))))
    }
}

/// Chromium and Firefox say when a person caused a navigation; Safari, and browsers without Fetch Metadata, never do and are not asked.
fn has_gesture(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let says = headers.contains_key("sec-fetch-site") || headers.contains_key("sec-fetch-mode");
    let tells = says && (agent.contains("Chrome/") || agent.contains("Chromium/") || agent.contains("Firefox/"));
    !tells || headers.get("sec-fetch-user").is_some_and(|user| user == "?1")
}

/// A form of our own.
pub(crate) struct Form {
    /// What it acts on.
    pub scope: String,
    /// The page that has its button.
    pub back: String,
    /// A person must have pressed it, as far as browsers tell.
    pub gesture: bool,
}

impl Form {
    /// Acts if this is a press on the form. Else nothing happens, and the person is told why and how to get back to the button.
    pub(crate) async fn act(
        self,
        web: &Web,
        request_id: &str,
        headers: &HeaderMap,
        fields: &Fields,
        action: impl AsyncFnOnce() -> Result<Response>,
    ) -> Response {
        let answer = async {
            if web.is_own_press(headers, &self.scope, &fields.nonce, self.gesture) {
                return action().await;
            }
            let look = brand(&*web.app_of_call(headers, None)?);
            let (page, status) = if fields.too_large {
                (ProblemPage::too_large(&ENGLISH, look, self.back), StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                (ProblemPage::cross_site(&ENGLISH, look, self.back), StatusCode::FORBIDDEN)
            };
            Ok(Page::new(page.with_request_id(request_id.to_owned()).render()).status(status).respond())
        };
        answer.await.unwrap_or_else(|error| failed(web, request_id, error))
    }
}

/// The fields of our forms.
#[derive(Default)]
pub(crate) struct Fields {
    /// The body was not read to its end; the fields are empty then.
    too_large: bool,
    pub nonce: String,
    pub number: String,
    pub code: String,
    pub email: String,
    pub label: String,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = std::convert::Infallible;

    /// Anything unreadable counts as empty: then the nonce does not fit, and the person gets a page with a way back.
    async fn from_request(request: Request, _: &S) -> std::result::Result<Self, Self::Rejection> {
        let Ok(body) = to_bytes(request.into_body(), LARGEST_BODY).await else {
            return Ok(Self { too_large: true, ..Self::default() });
        };
        let mut fields = Self::default();
        for (name, value) in url::form_urlencoded::parse(&body) {
            let field = match name.as_ref() {
                "nonce" => &mut fields.nonce,
                "number" => &mut fields.number,
                "code" => &mut fields.code,
                "email" => &mut fields.email,
                "label" => &mut fields.label,
                _ => continue,
            };
            *field = value.into_owned();
        }
        Ok(fields)
    }
}
