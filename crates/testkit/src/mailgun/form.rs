//! Both encodings of a form that Mailgun takes.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};

/// How a form came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `multipart/form-data`.
    Multipart,
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
}

/// Reads a form; `None` for another type or a malformed body.
pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Option<(Encoding, Vec<(String, String)>)> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return Some((Encoding::UrlEncoded, url::form_urlencoded::parse(&body).into_owned().collect()));
    }
    let boundary = multer::parse_boundary(content_type).ok()?;
    let stream = futures_stream(body);
    let mut multipart = multer::Multipart::new(stream, boundary);
    let mut fields = Vec::new();
    while let Some(field) = multipart.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        let value = String::from_utf8(field.bytes().await.ok()?.to_vec()).ok()?;
        fields.push((name, value));
    }
    Some((Encoding::Multipart, fields))
}

/// The whole body as the stream that multer reads.
fn futures_stream(body: Bytes) -> axum::body::BodyDataStream {
    axum::body::Body::from(body).into_data_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parsed(content_type: &str, body: &'static str) -> Option<(Encoding, Vec<(String, String)>)> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().expect("value"))]);
        read(&headers, Bytes::from_static(body.as_bytes())).await
    }

    #[tokio::test]
    async fn both_encodings_are_read_and_nothing_else() {
        let fields = vec![("o:tag".to_owned(), "a b".to_owned())];
        let plain = parsed("application/x-www-form-urlencoded", "o%3Atag=a+b").await;
        assert_eq!(plain, Some((Encoding::UrlEncoded, fields.clone())));
        let body = "--x\r\nContent-Disposition: form-data; name=\"o:tag\"\r\n\r\na b\r\n--x--\r\n";
        assert_eq!(parsed("multipart/form-data; boundary=x", body).await, Some((Encoding::Multipart, fields)));
        assert_eq!(parsed("multipart/form-data; boundary=x", "--x\r\nbroken").await, None);
        assert_eq!(parsed("application/json", "{}").await, None);
    }
}
