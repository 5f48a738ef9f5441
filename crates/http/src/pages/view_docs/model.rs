//! An OpenAPI document, read into what the template shows.

use serde_json::Value;

use super::curl::{self, quoted};
use super::example;
use super::prose::{self, Block};
use super::schema::{Field, Schemas, list, object, plain, text};
use crate::pages::words::{Words, fill};

const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/// The whole document.
#[derive(Clone, Debug)]
pub struct Reference {
    pub title: String,
    pub version: String,
    pub description: Vec<Block>,
    pub base: String,
    pub groups: Vec<Group>,
}

/// The operations of one tag.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub description: Vec<Block>,
    pub operations: Vec<Operation>,
}

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Operation {
    pub anchor: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub description: Vec<Block>,
    pub deprecated: bool,
    pub authentication: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub body: Option<Content>,
    pub responses: Vec<Response>,
    pub command: String,
}

/// A value outside the body.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub place: String,
    pub field: Field,
}

/// A body, of a request or a response.
#[derive(Clone, Debug)]
pub struct Content {
    pub content_type: String,
    pub kind: String,
    pub required: bool,
    pub description: Vec<Block>,
    pub fields: Vec<Field>,
    pub example: String,
}

/// One status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: String,
    pub description: Vec<Block>,
    pub content: Option<Content>,
}

impl Reference {
    /// Reads a document.
    pub fn read(document: &Value, base: &str, words: &'static Words) -> Reference {
        let schemas = Schemas { root: document, words };
        let info = document.get("info").unwrap_or(&Value::Null);
        let mut groups: Vec<Group> = list(document, "tags").iter().filter_map(named_group).collect();
        for (path, item) in object(document, "paths").into_iter().flatten() {
            let (item, _) = schemas.resolve(item);
            for method in METHODS {
                let Some(operation) = item.get(method) else { continue };
                let tag = list(operation, "tags").first().and_then(Value::as_str).unwrap_or(words.docs.other_group);
                let reader = Reader { schemas, document, item, operation, base };
                let read = reader.read(method, path);
                match groups.iter_mut().find(|group| group.name == tag) {
                    Some(group) => group.operations.push(read),
                    None => groups.push(Group { name: tag.to_owned(), description: Vec::new(), operations: vec![read] }),
                }
            }
        }
        groups.retain(|group| !group.operations.is_empty());
        number_anchors(&mut groups);
        let own = |key| text(info, key).unwrap_or_default().to_owned();
        Reference {
            title: own("title"),
            version: own("version"),
            description: prose::read(&own("description")),
            base: base.to_owned(),
            groups,
        }
    }
}

fn named_group(tag: &Value) -> Option<Group> {
    let description = text(tag, "description").map(prose::read).unwrap_or_default();
    Some(Group { name: text(tag, "name")?.to_owned(), description, operations: Vec::new() })
}

/// Anchors come from operation ids, which a document may repeat.
fn number_anchors(groups: &mut [Group]) {
    let mut seen = std::collections::HashMap::<String, usize>::new();
    for operation in groups.iter_mut().flat_map(|group| &mut group.operations) {
        let count = seen.entry(operation.anchor.clone()).or_default();
        *count += 1;
        if *count > 1 {
            operation.anchor = format!("{}--{count}", operation.anchor);
        }
    }
}

struct Reader<'a> {
    schemas: Schemas<'a>,
    document: &'a Value,
    item: &'a Value,
    operation: &'a Value,
    base: &'a str,
}

impl<'a> Reader<'a> {
    fn read(&self, method: &str, path: &str) -> Operation {
        let operation = self.operation;
        let method = method.to_uppercase();
        let parameters = self.parameters();
        let body = operation.get("requestBody").map(|body| self.schemas.resolve(body).0);
        let media = body.and_then(|body| self.media(body));
        let example = media.and_then(|(content_type, media)| Some((content_type, example::of_media(&self.schemas, media)?)));
        let query: Vec<_> = parameters.iter().filter_map(|parameter| self.query_pair(parameter)).collect();
        let (authentication, arguments) = self.security();
        let anchor = text(operation, "operationId").map_or_else(|| format!("{method}{path}"), str::to_owned);
        Operation {
            anchor: anchor.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect(),
            path: path.to_owned(),
            summary: text(operation, "summary").unwrap_or_default().to_owned(),
            description: text(operation, "description").or(text(self.item, "description")).map(prose::read).unwrap_or_default(),
            deprecated: operation.get("deprecated") == Some(&Value::Bool(true)),
            authentication,
            parameters: parameters.iter().map(|parameter| self.parameter(parameter)).collect(),
            body: body.and_then(|body| self.content(body)),
            responses: object(operation, "responses")
                .into_iter()
                .flatten()
                .map(|(status, answer)| self.response(status, answer))
                .collect(),
            command: curl::command(&curl::Request {
                method: &method,
                base: self.base,
                path,
                query: &query,
                arguments: &arguments,
                body: example.as_ref().map(|(content_type, example)| (*content_type, example)),
            }),
            method,
        }
    }

    /// The operation's own parameters and those of its path that it does not replace.
    fn parameters(&self) -> Vec<&'a Value> {
        let key = |parameter: &'a Value| (text(parameter, "name"), text(parameter, "in"));
        let mut all: Vec<&Value> = list(self.operation, "parameters").iter().map(|own| self.schemas.resolve(own).0).collect();
        for shared in list(self.item, "parameters").iter().map(|shared| self.schemas.resolve(shared).0) {
            if !all.iter().any(|own| key(own) == key(shared)) {
                all.push(shared);
            }
        }
        all
    }

    fn parameter(&self, parameter: &'a Value) -> Parameter {
        let words = &self.schemas.words.docs;
        let place = match text(parameter, "in") {
            Some("path") => words.in_path,
            Some("query") => words.in_query,
            Some("cookie") => words.in_cookie,
            _ => words.in_header,
        };
        let schema = parameter.get("schema").unwrap_or(&Value::Null);
        let (target, _) = self.schemas.resolve(schema);
        let about = text(parameter, "description").or(text(target, "description")).unwrap_or_default();
        Parameter {
            place: place.to_owned(),
            field: Field {
                name: text(parameter, "name").unwrap_or_default().to_owned(),
                is_variant: false,
                depth: 0,
                kind: self.schemas.kind(schema, 0),
                required: parameter.get("required") == Some(&Value::Bool(true)),
                notes: self.schemas.notes(target),
                values: self.schemas.values(target),
                description: prose::read(about),
            },
        }
    }

    fn query_pair(&self, parameter: &'a Value) -> Option<(String, String)> {
        let needed = text(parameter, "in") == Some("query") && parameter.get("required") == Some(&Value::Bool(true));
        let name = text(parameter, "name").filter(|_| needed)?;
        Some((name.to_owned(), plain(&example::of_media(&self.schemas, parameter)?)))
    }

    /// The content to show: JSON if there is any, else whatever comes first.
    fn media(&self, holder: &'a Value) -> Option<(&'a str, &'a Value)> {
        let all = object(holder, "content")?;
        let json = all.iter().find(|(content_type, _)| content_type.contains("json"));
        json.or_else(|| all.iter().next()).map(|(content_type, media)| (content_type.as_str(), media))
    }

    fn content(&self, holder: &'a Value) -> Option<Content> {
        let (content_type, media) = self.media(holder)?;
        let schema = media.get("schema").unwrap_or(&Value::Null);
        let example = example::of_media(&self.schemas, media).map(|value| match value {
            Value::String(text) if !content_type.contains("json") => text,
            other => serde_json::to_string_pretty(&other).unwrap_or_default(),
        });
        Some(Content {
            content_type: content_type.to_owned(),
            kind: self.schemas.kind(schema, 0),
            required: holder.get("required") == Some(&Value::Bool(true)),
            description: text(holder, "description").map(prose::read).unwrap_or_default(),
            fields: self.schemas.fields(schema),
            example: example.unwrap_or_default(),
        })
    }

    fn response(&self, status: &str, answer: &'a Value) -> Response {
        let (answer, _) = self.schemas.resolve(answer);
        Response {
            status: status.to_owned(),
            description: text(answer, "description").map(prose::read).unwrap_or_default(),
            content: self.content(answer),
        }
    }

    /// What authenticates, in words (each entry an alternative), and the arguments of the first for a shell.
    fn security(&self) -> (Vec<String>, Vec<String>) {
        let words = &self.schemas.words.docs;
        let own = self.operation.get("security").or(self.document.get("security"));
        let alternatives = own.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut names = Vec::new();
        let mut arguments = None;
        for alternative in alternatives.iter().filter_map(Value::as_object) {
            let known = alternative.keys().map(|name| self.scheme(name));
            let (texts, flags): (Vec<_>, Vec<_>) = known.unzip();
            names.push(if texts.is_empty() { words.auth_none.to_owned() } else { texts.join(&format!(" {} ", words.and)) });
            arguments.get_or_insert(flags.into_iter().flatten().collect());
        }
        names.dedup();
        (names, arguments.unwrap_or_default())
    }

    fn scheme(&self, name: &str) -> (String, Option<String>) {
        let words = &self.schemas.words.docs;
        let scheme = self.document.pointer("/components/securitySchemes").and_then(|schemes| schemes.get(name));
        let scheme = scheme.map_or(&Value::Null, |scheme| self.schemas.resolve(scheme).0);
        let kind = text(scheme, "type").unwrap_or_default();
        match (kind, text(scheme, "scheme").unwrap_or_default().to_lowercase().as_str()) {
            ("http", "basic") => (words.auth_basic.to_owned(), Some(r#"-u "$CLIENT_ID:$CLIENT_SECRET""#.to_owned())),
            ("http", "bearer") | ("oauth2" | "openIdConnect", _) => {
                (words.auth_bearer.to_owned(), Some(r#"-H "Authorization: Bearer $TOKEN""#.to_owned()))
            }
            ("apiKey", _) => {
                let key = text(scheme, "name").unwrap_or(name);
                let place = text(scheme, "in").unwrap_or("header");
                // The scheme's own name, so that two of them are two variables.
                let variable = name.to_uppercase().replace('-', "_");
                let argument = match place {
                    "header" => Some(format!("-H {}\"${variable}\"", quoted(&format!("{key}: ")))),
                    "cookie" => Some(format!("-b {}\"${variable}\"", quoted(&format!("{key}=")))),
                    _ => None,
                };
                (fill(words.auth_key, &[("place", place), ("name", key)]), argument)
            }
            _ => (fill(words.auth_other, &[("name", name)]), None),
        }
    }
}
