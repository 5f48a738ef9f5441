//! What every handler shares: the engine, the settings, and the names of our cookies.

use std::sync::Arc;

use cookie::{Cookie, SameSite};
use http::HeaderMap;
use http::header::{COOKIE, HOST};
use passlink_engine::apps::App;
use passlink_engine::links::open::BrowserProof;
use passlink_engine::redirects::Origin;
use passlink_engine::secret::{Token, TokenKind};
use passlink_engine::{Engine, Error, Result};

use crate::HttpSettings;
use crate::extract::client::TrustedProxies;
use crate::pages::brand::Brand;

/// Shared by all handlers.
pub(crate) struct Web {
    pub engine: Arc<Engine>,
    pub settings: HttpSettings,
    pub proxies: TrustedProxies,
    /// Whether people reach us over https; without it (loopback only) cookies cannot carry the `__Host-` prefix everywhere.
    pub secure: bool,
}

/// Our cookies. Each is bound to this host and to the whole of it (`__Host-`, RFC 6265bis 4.1.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieName {
    /// Proves that this browser asked for a link. Never set by opening one.
    Browser,
    /// Binds our forms to the browser that was shown them.
    Page,
    /// The browser's own session.
    Session,
}

impl Web {
    pub(crate) fn new(engine: Arc<Engine>, settings: HttpSettings) -> Result<Self> {
        let proxies = TrustedProxies::parse(&settings.trusted_proxies).map_err(|bad| {
            Error::invalid("server.trusted_proxies", format!("\"{bad}\" is neither an address nor a network such as 10.0.0.0/8"))
        })?;
        let public = &engine.settings().public_origin;
        if public.scheme() != "https" && !public.is_loopback() {
            let message = format!("{public} must be https: links and sessions would cross the network in clear text");
            return Err(Error::invalid("server.public_origin", message));
        }
        let secure = engine.settings().public_origin.scheme() == "https";
        Ok(Self { engine, settings, proxies, secure })
    }

    fn cookie_name(&self, name: CookieName) -> &'static str {
        match (name, self.secure) {
            (CookieName::Browser, true) => "__Host-passlink-browser",
            (CookieName::Browser, false) => "passlink-browser",
            (CookieName::Page, true) => "__Host-passlink-page",
            (CookieName::Page, false) => "passlink-page",
            (CookieName::Session, true) => "__Host-passlink-session",
            (CookieName::Session, false) => "passlink-session",
        }
    }

    /// The value of one of our cookies.
    pub(crate) fn cookie(&self, headers: &HeaderMap, name: CookieName) -> Option<String> {
        cookie_value(headers, self.cookie_name(name))
    }

    /// A `Set-Cookie` value. `seconds` is how long the browser keeps it: none for as long as it is open, 0 to remove it.
    pub(crate) fn set_cookie(&self, name: CookieName, value: &str, seconds: Option<i64>) -> String {
        let same_site = match name {
            // A person comes from the mail program: a top-level navigation from another site must carry these.
            CookieName::Browser | CookieName::Session => SameSite::Lax,
            CookieName::Page => SameSite::Strict,
        };
        set_cookie(self.cookie_name(name), value, seconds, same_site, self.secure)
    }

    /// The `Set-Cookie` value that gives a browser its proof that it asked, for half a year.
    pub(crate) fn requester_cookie(&self, proof: &Token) -> String {
        self.set_cookie(CookieName::Browser, proof.expose().expose(), Some(180 * 86_400))
    }

    /// What the browser shows about itself.
    pub(crate) fn browser(&self, headers: &HeaderMap) -> BrowserProof {
        BrowserProof { requester: self.requester(headers), page: self.cookie(headers, CookieName::Page) }
    }

    /// The requester's proof that the browser holds.
    pub(crate) fn requester(&self, headers: &HeaderMap) -> Option<Token> {
        self.cookie(headers, CookieName::Browser).and_then(|text| Token::parse(&text)).filter(|t| t.kind() == TokenKind::Browser)
    }

    /// The app of a call without credentials.
    pub(crate) fn app_of_call(&self, headers: &HeaderMap, origin: Option<&Origin>) -> Result<Arc<App>> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        self.engine.directory().app_of_call(host, origin).ok_or_else(|| Error::unavailable("there is no app yet"))
    }
}

/// The look of an app's pages.
pub(crate) fn brand(app: &App) -> Brand {
    Brand {
        app_name: app.display_name().to_owned(),
        logo_url: app.settings.logo_url.clone(),
        colour: app.settings.colour.clone(),
    }
}

/// The value of a cookie, the first if it was sent twice.
pub(crate) fn cookie_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    texts.flat_map(Cookie::split_parse).flatten().find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// A `Set-Cookie` value for the whole host, unreadable for scripts.
pub(crate) fn set_cookie(name: &str, value: &str, seconds: Option<i64>, same_site: SameSite, secure: bool) -> String {
    let base = Cookie::build((name, value)).path("/").http_only(true).same_site(same_site).secure(secure);
    let text = base.build().to_string();
    match seconds {
        Some(seconds) => format!("{text}; Max-Age={seconds}"),
        None => text,
    }
}
