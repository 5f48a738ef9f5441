//! How valid requests are changed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::call::{Call, Content};
use crate::hostile;

/// A valid request and what is done to it.
#[derive(Clone, Debug)]
pub struct Input {
    pub seed: Index,
    pub mutations: Vec<Mutation>,
}

/// One change. An [`Index`] chooses among what is there.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// Another value for a member of the body.
    Member(Index, Value),
    /// A piece of text put into a text of the body.
    Insert(Index, Index, String),
    /// A text of the body cut off.
    Cut(Index, Index),
    NoMember(Index),
    MoreMembers(String, Value),
    MemberTwice(Index),
    /// A member wrapped so many times.
    Nest(Index, usize),
    Header(String, Vec<u8>),
    NoHeader(Index),
    HeaderTwice(Index),
    HeaderBytes(Index, Index, u8),
    /// Another segment, percent-encoded.
    Segment(Index, String),
    /// Another segment as it is.
    RawSegment(Index, String),
    SegmentBytes(Index, Index, u8),
    Query(String),
    Method(String),
    Bytes(Index, Vec<u8>),
    Flip(Index, u8),
    Truncate(Index),
    Pad(usize),
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "null",
    "0",
    "-1",
    "123456",
    "000000",
    " 123 456 ",
    "999999999999999999999",
    "a@example.com",
    "A@EXAMPLE.COM",
    "a@b",
    "a@@example.com",
    "a@example.com\r\nBcc: b@example.com",
    "\"a b\"@example.com",
    "\u{430}@example.com",
    "a@ex\u{e4}mple.com",
    "a\u{ff20}example.com",
    "a@\u{200b}example.com",
    "\u{0}",
    "\u{1f}",
    "\u{7f}",
    "\u{202e}",
    "\u{feff}",
    "\u{d7ff}\u{e000}",
    "\u{10ffff}",
    "{{7*7}}",
    "${jndi:x}",
    "%s%n%00",
    "%",
    "%f",
    "%zz",
    "'; DROP TABLE links; --",
    "' OR 1=1 --",
    "../../../../x",
    "..%2f..%2f",
    "{token}",
    "00000000-0000-0000-0000-000000000000",
    "plk_",
    "plr_",
    "eyJhbGciOiJub25lIn0.e30.",
    "application/json",
    "application/x-www-form-urlencoded",
    "https://app.example.com",
    "https://auth.example.test",
];

/// What must not come to life in a page ([`super::holds`] knows these).
const MARKUP: &[&str] = &["<script>x</script>", "\"><script>x</script>", "\"><img src=x onerror=x>"];

const HEADERS: &[&str] = &[
    "accept",
    "accept-language",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "if-none-match",
    "origin",
    "purpose",
    "range",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-purpose",
    "transfer-encoding",
    "user-agent",
    "x-apphandoff-callback-origin",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-http-method-override",
    "x-request-id",
];

/// Values that mean something in one header or another.
const HEADER_VALUES: &[&str] = &[
    "null",
    "none",
    "cross-site",
    "same-origin",
    "same-site",
    "navigate",
    "cors",
    "document",
    "empty",
    "?1",
    "?0",
    "prefetch",
    "Bearer",
    "Bearer ",
    "Bearer x.y.z",
    "Basic eA==",
    "gzip",
    "chunked",
    "100-continue",
    "bytes=0-",
    "text/html",
    "65537",
    "18446744073709551616",
    "-1",
    "127.0.0.1",
    "for=\"[::1]:1\";proto=http",
    "sb-access-token=x; sb-refresh-token=y",
    "__Host-passlink-page=x; __Host-passlink-browser=y; __Host-passlink-session=z",
    "a=b; a=c; =; ;;",
    "application/json; charset=utf-16",
    "DELETE",
    "evil.test",
    "auth.example.test:443",
];

const NAMES: &[&str] = &[
    "email",
    "callback_origin",
    "callback_next",
    "access_token",
    "refresh_token",
    "redirect_to",
    "nonce",
    "number",
    "code",
    "__proto__",
    "constructor",
    "",
    "x",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(TEXTS).prop_map(str::to_owned),
        2 => select(hostile::ABSOLUTE).prop_map(str::to_owned),
        2 => select(hostile::RELATIVE).prop_map(str::to_owned),
        1 => select(MARKUP).prop_map(str::to_owned),
        2 => "\\PC{0,40}",
        2 => any::<String>(),
        1 => (select(&["a", "\u{e9}", "\u{1f600}", " ", "/", "%41", "\""][..]), 1..40_000_usize).prop_map(|(text, n)| text.repeat(n)),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => text().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let value = prop_oneof![
        4 => select(HEADER_VALUES).prop_map(|text| text.as_bytes().to_vec()),
        2 => text().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..60),
    ];
    (select(HEADERS).prop_map(str::to_owned), value)
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let name = || prop_oneof![3 => select(NAMES).prop_map(str::to_owned), 1 => text()];
    let method = || prop_oneof![select(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X-Y"][..])];
    let raw = || {
        prop_oneof![
            "[!-~]{0,30}",
            "(%[0-9a-fA-F]{2}){1,8}",
            select(&["", ".", "..", "%2e%2e", "%00", "%ff"][..]).prop_map(str::to_owned)
        ]
    };
    prop_oneof![
        8 => (at(), value()).prop_map(|(at, value)| Mutation::Member(at, value)),
        4 => (at(), at(), text()).prop_map(|(at, place, text)| Mutation::Insert(at, place, text)),
        3 => (at(), at()).prop_map(|(at, place)| Mutation::Cut(at, place)),
        2 => at().prop_map(Mutation::NoMember),
        2 => (name(), value()).prop_map(|(name, value)| Mutation::MoreMembers(name, value)),
        1 => at().prop_map(Mutation::MemberTwice),
        1 => (at(), 1..40_usize).prop_map(|(at, depth)| Mutation::Nest(at, depth)),
        6 => header().prop_map(|(name, value)| Mutation::Header(name, value)),
        2 => at().prop_map(Mutation::NoHeader),
        1 => at().prop_map(Mutation::HeaderTwice),
        2 => (at(), at(), any::<u8>()).prop_map(|(at, place, byte)| Mutation::HeaderBytes(at, place, byte)),
        3 => (at(), text()).prop_map(|(at, text)| Mutation::Segment(at, text)),
        2 => (at(), raw()).prop_map(|(at, text)| Mutation::RawSegment(at, text)),
        2 => (at(), at(), any::<u8>()).prop_map(|(at, place, byte)| Mutation::SegmentBytes(at, place, byte)),
        1 => text().prop_map(Mutation::Query),
        1 => method().prop_map(|method| Mutation::Method(method.to_owned())),
        2 => (at(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Bytes(at, bytes)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Flip(at, byte)),
        1 => at().prop_map(Mutation::Truncate),
        1 => (1..80_000_usize).prop_map(Mutation::Pad),
    ]
}

/// Inputs.
pub fn input() -> impl Strategy<Value = Input> {
    (any::<Index>(), vec(mutation(), 0..6)).prop_map(|(seed, mutations)| Input { seed, mutations })
}

fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The place of a character in a text, its end among them.
fn place(text: &str, at: Index) -> usize {
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
    *at.get(&places)
}

fn some<T>(all: &mut [T], at: Index) -> Option<&mut T> {
    if all.is_empty() { None } else { Some(at.get_mut(all)) }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Mutation {
    pub fn apply(&self, call: &mut Call) {
        match self {
            Self::Member(at, value) => match &mut call.content {
                Content::Json(members) => some(members, *at).into_iter().for_each(|member| member.1 = value.clone()),
                Content::Form(pairs) => some(pairs, *at).into_iter().for_each(|pair| pair.1 = as_text(value)),
                Content::Raw(_) => {}
            },
            Self::Insert(at, where_, text) => edit(call, *at, |old| old.insert_str(place(old, *where_), text)),
            Self::Cut(at, where_) => edit(call, *at, |old| old.truncate(place(old, *where_))),
            Self::NoMember(at) => match &mut call.content {
                Content::Json(members) => remove(members, *at),
                Content::Form(pairs) => remove(pairs, *at),
                Content::Raw(_) => {}
            },
            Self::MoreMembers(name, value) => match &mut call.content {
                Content::Json(members) => members.push((name.clone(), value.clone())),
                Content::Form(pairs) => pairs.push((name.clone(), as_text(value))),
                Content::Raw(_) => {}
            },
            Self::MemberTwice(at) => match &mut call.content {
                Content::Json(members) => repeat(members, *at),
                Content::Form(pairs) => repeat(pairs, *at),
                Content::Raw(_) => {}
            },
            Self::Nest(at, depth) => {
                if let Content::Json(members) = &mut call.content
                    && let Some((_, value)) = some(members, *at)
                {
                    *value = (0..*depth).fold(value.take(), |inner, _| Value::Array(vec![inner]));
                }
            }
            Self::Header(name, value) => {
                call.headers.retain(|(there, _)| there != name);
                call.headers.push((name.clone(), value.clone()));
            }
            Self::NoHeader(at) => remove(&mut call.headers, *at),
            Self::HeaderTwice(at) => repeat(&mut call.headers, *at),
            Self::HeaderBytes(at, where_, byte) => {
                some(&mut call.headers, *at).into_iter().for_each(|(_, value)| flip(value, *where_, *byte));
            }
            Self::Segment(at, text) => segment(call, *at, |old| *old = encoded(text)),
            Self::RawSegment(at, text) => segment(call, *at, |old| old.clone_from(text)),
            Self::SegmentBytes(at, where_, byte) => segment(call, *at, |old| {
                let mut bytes = std::mem::take(old).into_bytes();
                flip(&mut bytes, *where_, *byte & 0x7f);
                *old = String::from_utf8_lossy(&bytes).into_owned();
            }),
            Self::Query(text) => call.target = format!("{}?{}", call.path(), encoded(text)),
            Self::Method(method) => call.method.clone_from(method),
            Self::Bytes(at, more) => raw(call, |bytes| {
                let place = at.index(bytes.len() + 1);
                bytes.splice(place..place, more.iter().copied());
            }),
            Self::Flip(at, byte) => raw(call, |bytes| flip(bytes, *at, *byte)),
            Self::Truncate(at) => raw(call, |bytes| bytes.truncate(at.index(bytes.len() + 1))),
            Self::Pad(size) => raw(call, |bytes| bytes.extend(std::iter::repeat_n(b' ', *size))),
        }
    }
}

fn edit(call: &mut Call, at: Index, mut change: impl FnMut(&mut String)) {
    match &mut call.content {
        Content::Json(members) => {
            if let Some((_, Value::String(text))) = some(members, at) {
                change(text);
            }
        }
        Content::Form(pairs) => some(pairs, at).into_iter().for_each(|(_, text)| change(text)),
        Content::Raw(_) => {}
    }
}

fn raw(call: &mut Call, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = call.content.bytes();
    change(&mut bytes);
    call.content = Content::Raw(bytes);
}

fn segment(call: &mut Call, at: Index, change: impl FnMut(&mut String)) {
    let (path, query) = call.target.split_once('?').map_or((call.target.as_str(), None), |(path, query)| (path, Some(query)));
    let mut segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
    some(&mut segments, at).into_iter().for_each(change);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    call.target = format!("/{}{query}", segments.join("/"));
}

fn flip(bytes: &mut [u8], at: Index, byte: u8) {
    some(bytes, at).into_iter().for_each(|there| *there ^= byte.max(1));
}

fn remove<T>(all: &mut Vec<T>, at: Index) {
    if !all.is_empty() {
        all.remove(at.index(all.len()));
    }
}

fn repeat<T: Clone>(all: &mut Vec<T>, at: Index) {
    if !all.is_empty() {
        all.push(at.get(all).clone());
    }
}
