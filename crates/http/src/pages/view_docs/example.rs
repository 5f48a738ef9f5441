//! Example values: those the document gives, and made up ones where it gives none.

use serde_json::{Map, Value, json};

use super::schema::{Schemas, list, object, text};

const DEEPEST: usize = 6;

/// An example of a media type or a parameter.
pub fn of_media<'a>(schemas: &Schemas<'a>, media: &'a Value) -> Option<Value> {
    if let Some(example) = media.get("example") {
        return Some(example.clone());
    }
    let named = object(media, "examples").and_then(|examples| examples.values().next());
    if let Some(example) = named.and_then(|example| schemas.resolve(example).0.get("value")) {
        return Some(example.clone());
    }
    media.get("schema").map(|schema| of_schema(schemas, schema, &mut Vec::new()))
}

/// An example of a schema that stands within those of `path`; where it contains itself, fields are left out.
fn of_schema<'a>(schemas: &Schemas<'a>, schema: &'a Value, path: &mut Vec<&'a Value>) -> Value {
    let given = |schema: &Value| {
        let first = list(schema, "examples").first();
        schema
            .get("example")
            .or(first)
            .or(schema.get("const"))
            .or(schema.get("default"))
            .filter(|value| !value.is_null())
            .cloned()
    };
    let (target, _) = schemas.resolve(schema);
    if let Some(example) = given(schema).or_else(|| given(target)) {
        return example;
    }
    if let Some(first) = list(target, "enum").first() {
        return first.clone();
    }
    if path.len() > DEEPEST || is_within(path, target) {
        return Value::Null;
    }
    path.push(target);
    let example = of_parts(schemas, target, path);
    path.pop();
    example
}

fn of_parts<'a>(schemas: &Schemas<'a>, target: &'a Value, path: &mut Vec<&'a Value>) -> Value {
    let form = list(target, "oneOf").iter().chain(list(target, "anyOf")).find(|form| form.get("type") != Some(&json!("null")));
    let mut fields = Map::new();
    for part in list(target, "allOf").iter().chain(form) {
        match of_schema(schemas, part, path) {
            Value::Object(more) => fields.extend(more),
            other if object(target, "properties").is_none() => return other,
            _ => {}
        }
    }
    for (name, field) in object(target, "properties").into_iter().flatten() {
        if !is_within(path, schemas.resolve(field).0) {
            fields.insert(name.clone(), of_schema(schemas, field, path));
        }
    }
    if fields.is_empty() { of_type(schemas, target, path) } else { Value::Object(fields) }
}

fn is_within(path: &[&Value], schema: &Value) -> bool {
    path.iter().any(|outer| std::ptr::eq(*outer, schema))
}

fn of_type<'a>(schemas: &Schemas<'a>, target: &'a Value, path: &mut Vec<&'a Value>) -> Value {
    let kind = match target.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        other => other.and_then(Value::as_str),
    };
    match kind {
        Some("string") => json!(of_format(text(target, "format"))),
        Some("integer" | "number") => target.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        Some("array") => {
            let items = target.get("items").filter(|items| !is_within(path, schemas.resolve(items).0));
            Value::Array(items.map(|items| of_schema(schemas, items, path)).into_iter().collect())
        }
        Some("null") => Value::Null,
        _ => json!({}),
    }
}

fn of_format(format: Option<&str>) -> &'static str {
    match format {
        Some("email") => "ada@example.com",
        Some("uri" | "url" | "uri-reference") => "https://example.com/",
        Some("date-time") => "2026-01-31T09:30:00Z",
        Some("date") => "2026-01-31",
        Some("uuid") => "0192f3c8-5e1a-7c44-9d2b-3f8e6a1b0c7d",
        Some("ipv4") => "192.0.2.1",
        Some("hostname") => "example.com",
        _ => "string",
    }
}
