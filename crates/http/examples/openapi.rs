//! Writes the OpenAPI document of every dialect into a folder: `cargo run -p passlink-http --example openapi openapi`.

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "openapi".to_owned());
    for dialect in passlink_http::DIALECTS {
        let path = std::path::Path::new(&folder).join(format!("{}.json", dialect.slug));
        std::fs::write(path, passlink_http::reference::document_text(dialect))?;
    }
    Ok(())
}
