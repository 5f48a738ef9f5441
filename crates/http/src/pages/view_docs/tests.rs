use serde_json::json;

use super::super::words::ENGLISH;
use super::*;

fn page(document: &Value) -> String {
    DocsPage::new(&ENGLISH, Brand::passlink(), "x".to_owned(), "https://auth.example.com", document).render()
}

#[test]
fn fields_of_references_are_listed_with_their_limits() {
    let html = page(&json!({
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "2"},
        "components": {
            "securitySchemes": {"client": {"type": "http", "scheme": "basic"}},
            "schemas": {
                "Send": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "required": ["email"], "properties": {
                    "email": {"type": "string", "format": "email", "maxLength": 254, "description": "Where to `send`."},
                    "minutes": {"type": ["integer", "null"], "minimum": 5, "maximum": 60, "default": 10}
                }}]},
                "Base": {"type": "object", "properties": {"kind": {"type": "string", "enum": ["link", "code"]}}}
            }
        },
        "paths": {"/v1/send/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            "post": {
                "tags": ["mail"], "operationId": "send", "summary": "Send a link", "security": [{"client": []}],
                "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Send"}}}},
                "responses": {"204": {"description": "Sent"}}
            }
        }}
    }));
    for part in [
        "string (email)",
        "length at most 254",
        "may be null",
        "default 10",
        "<code>link</code>",
        "Where to <code>send</code>.",
        "curl -X POST &#34;https://auth.example.com/v1/send/$ID&#34;",
        "$CLIENT_ID:$CLIENT_SECRET",
        "&#34;email&#34;: &#34;ada@example.com&#34;",
        "id=\"send\"",
        "<code class=\"status-code\">204</code>",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
}

#[test]
fn a_schema_that_holds_itself_ends() {
    let html = page(&json!({
        "components": {"schemas": {"Node": {"type": "object", "properties": {
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
            "parent": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Node"}]}
        }}}},
        "paths": {"/tree": {"get": {"responses": {"200": {"description": "Tree", "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Node"}}
        }}}}}}
    }));
    assert!(html.contains("array of Node") && html.len() < 60_000, "{}", html.len());
}

#[test]
fn a_reference_loop_ends() {
    page(&json!({
        "components": {"schemas": {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}, "C": {"allOf": [{"$ref": "#/components/schemas/C"}]}}},
        "paths": {"/a": {"post": {
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/C"}}}}}
        }}}
    }));
}

#[test]
fn odd_documents_are_survived() {
    for document in [
        json!(null),
        json!([]),
        json!({"paths": []}),
        json!({"paths": {"/": null}}),
        json!({"paths": {"/": {"get": null}}}),
        json!({"paths": {"/": {"get": {"tags": [1], "parameters": [null, 1, {}], "requestBody": 1, "responses": {"200": 1}, "security": 1}}}}),
        json!({"paths": {"/": {"get": {"requestBody": {"content": {"a/b": {}}}, "responses": {"200": {"content": {}}}, "security": [1, {}]}}}}),
        json!({"paths": {"/": {"get": {"requestBody": {"content": {"a/b": {"schema": true}}}}}}}),
        json!({"paths": {"/": {"get": {"responses": {"default": {"content": {"application/json": {"schema": {"type": [], "items": false}}}}}}}}}),
    ] {
        page(&document);
    }
}

#[test]
fn what_a_document_says_is_inert() {
    let html = page(&json!({
        "info": {"title": "<script>alert(1)</script>"},
        "paths": {"/<img>": {"get": {"operationId": "\"><b>", "summary": "<i>", "description": "`<u>` <u>", "responses": {"<s>": {"description": "<s>"}}}}}
    }));
    for tag in ["<script", "<img", "<b>", "<i>", "<u>", "<s>"] {
        assert!(!html.contains(tag), "{tag}");
    }
}
