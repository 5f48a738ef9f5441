//! A request that can be changed part by part.

use std::fmt;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;

/// A body, with its structure as long as it has one.
#[derive(Clone, Debug)]
pub enum Content {
    /// The members of an object, in order, perhaps repeated.
    Json(Vec<(String, Value)>),
    Form(Vec<(String, String)>),
    Raw(Vec<u8>),
}

impl Content {
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Json(members) => {
                let members = members.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())));
                format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes()
            }
            Self::Form(pairs) => url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes(),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// Path and query, as on the wire.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub content: Content,
}

impl Call {
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), target: target.into(), headers: Vec::new(), content: Content::Raw(Vec::new()) }
    }

    pub fn post_json(target: impl Into<String>, members: Value) -> Self {
        let Value::Object(members) = members else { panic!("an object") };
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Self { method: "POST".to_owned(), headers, content: Content::Json(members.into_iter().collect()), ..Self::get(target) }
    }

    pub fn with(mut self, headers: &[(&str, &str)]) -> Self {
        self.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
        self
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether a server of HTTP would hand it to a router; it drops single headers that it would refuse.
    pub fn can_be_sent(&mut self) -> bool {
        self.headers
            .retain(|(name, value)| HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_bytes(value).is_ok());
        self.target.starts_with('/')
            && self.target.parse::<Uri>().is_ok()
            && Method::from_bytes(self.method.as_bytes()).is_ok_and(|method| method != Method::CONNECT)
    }

    pub fn request(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value).expect("checked"));
        }
        request.body(Body::from(self.content.bytes())).expect("checked")
    }

    /// Whether this text stands anywhere in the request: then an answer may repeat it.
    pub fn contains(&self, text: &str) -> bool {
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase().contains(&text.to_lowercase());
        holds(self.target.as_bytes()) || holds(&self.content.bytes()) || self.headers.iter().any(|(_, value)| holds(value))
    }
}

impl fmt::Display for Call {
    /// Whole, with everything but printable ASCII escaped as in a Rust byte string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.escape_ascii())?;
        }
        write!(f, "\n{}", self.content.bytes().escape_ascii())
    }
}
