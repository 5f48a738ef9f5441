//! Commands to try an operation from a shell.

use serde_json::Value;

use super::schema::plain;

/// What a command needs to know.
pub struct Request<'a> {
    pub method: &'a str,
    pub base: &'a str,
    pub path: &'a str,
    /// Required query parameters with example values.
    pub query: &'a [(String, String)],
    /// Further arguments, such as headers, ready for a shell.
    pub arguments: &'a [String],
    /// Content type and example.
    pub body: Option<(&'a str, &'a Value)>,
}

/// The command, one argument per line. Path parameters become shell variables.
pub fn command(request: &Request<'_>) -> String {
    let mut url = format!("{}{}", request.base.trim_end_matches('/'), variables(request.path));
    for (index, (name, value)) in request.query.iter().enumerate() {
        let pair = form_urlencoded(name, value);
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(&pair);
    }
    let mut lines = vec![format!("curl -X {} \"{url}\"", request.method)];
    lines.extend(request.arguments.iter().cloned());
    match request.body {
        Some(("application/x-www-form-urlencoded", Value::Object(fields))) => {
            lines.extend(
                fields.iter().map(|(name, value)| format!("--data-urlencode {}", quoted(&format!("{name}={}", plain(value))))),
            );
        }
        Some((content_type, example)) => {
            lines.push(format!("-H {}", quoted(&format!("Content-Type: {content_type}"))));
            let data = if content_type.contains("json") { example.to_string() } else { plain(example) };
            lines.push(format!("-d {}", quoted(&data)));
        }
        None => {}
    }
    lines.join(" \\\n  ")
}

/// A text in single quotes for a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn form_urlencoded(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

fn variables(path: &str) -> String {
    let mut result = String::new();
    let mut inside = false;
    for letter in path.chars() {
        match letter {
            '{' => {
                inside = true;
                result.push('$');
            }
            '}' => inside = false,
            _ if inside && letter.is_ascii_alphanumeric() => result.push(letter.to_ascii_uppercase()),
            _ if inside => result.push('_'),
            '"' | '$' | '`' | '\\' => {}
            _ => result.push(letter),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_command_can_be_pasted() {
        let body = json!({"email": "o'neill@example.com"});
        let query = [("redirect_url".to_owned(), "https://example.com/?a=b".to_owned())];
        let arguments = [r#"-u "$CLIENT_ID:$CLIENT_SECRET""#.to_owned()];
        let request = Request {
            method: "POST",
            base: "https://auth.example.com/",
            path: "/v1/users/{user-id}",
            query: &query,
            arguments: &arguments,
            body: Some(("application/json", &body)),
        };
        assert_eq!(
            command(&request),
            r#"curl -X POST "https://auth.example.com/v1/users/$USER_ID?redirect_url=https%3A%2F%2Fexample.com%2F%3Fa%3Db" \
  -u "$CLIENT_ID:$CLIENT_SECRET" \
  -H 'Content-Type: application/json' \
  -d '{"email":"o'\''neill@example.com"}'"#
        );
    }
}
