//! Generated documents are the committed ones.

#[test]
fn the_committed_openapi_documents_are_those_of_the_routes() {
    for dialect in passlink_http::DIALECTS {
        let path = format!("{}/../../openapi/{}.json", env!("CARGO_MANIFEST_DIR"), dialect.slug);
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let generated = passlink_http::reference::document_text(dialect);
        assert!(
            committed == generated,
            "openapi/{}.json is not up to date; run: cargo run -p passlink-http --example openapi openapi",
            dialect.slug
        );
    }
}

#[tokio::test]
async fn every_documented_operation_answers_and_is_served_as_documented() {
    let app = crate::support::TestApp::new().await;
    for dialect in passlink_http::DIALECTS {
        let served = app.get(&format!("/openapi/{}.json", dialect.slug)).await;
        assert_eq!(served.body, passlink_http::reference::document_text(dialect));
        let document = served.json();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                let answer = app.anonymous(&method.to_uppercase(), path, &[], "").await;
                // There is nothing of the name that stands in the path; a path that leads nowhere is told otherwise.
                let names_nothing = path.contains('{') && !answer.body.contains("route_not_found");
                let status = answer.status.as_u16();
                assert!(![404, 405, 500].contains(&status) || status == 404 && names_nothing, "{method} {path}: {status}");
                let documented = &operations[method]["responses"];
                let status = answer.status.as_str();
                assert!(documented.get(status).is_some(), "{method} {path} answers {status}, which is not documented");
            }
        }
    }
}

/// Where an error says more about itself, there is more about it.
#[tokio::test]
async fn every_error_of_a_case_has_its_line_on_the_reference_page() {
    let app = crate::support::TestApp::new().await;
    let page = app.get("/docs/stytch").await.body;
    let mut types = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/stytch")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let parts = text.split("\"error_type\": \"").skip(1);
        types.extend(parts.filter_map(|part| part.split('"').next()).map(str::to_owned));
    }
    assert!(types.len() > 60, "{types:?}");
    let missing: Vec<_> = types.iter().filter(|one| !page.contains(&format!("<div id=\"{one}\">"))).collect();
    assert!(missing.is_empty(), "without a line at /docs/stytch: {missing:?}");
}
