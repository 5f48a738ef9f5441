//! Public sets of test data, which lie beside the project.

use std::path::Path;

/// A file of the corpora: below `PASSLINK_TEST_CORPORA`, else `shared/corpora` next to the project's folder.
pub fn read(name: &str) -> String {
    let folder = std::env::var("PASSLINK_TEST_CORPORA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora").to_owned());
    let path = Path::new(&folder).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("this test needs the corpora: put them at shared/corpora next to the project, or set PASSLINK_TEST_CORPORA ({}: {error})", path.display())
    })
}
