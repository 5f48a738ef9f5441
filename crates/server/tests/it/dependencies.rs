//! What the binary is built from.

use std::path::Path;
use std::process::Command;

/// Licences, sources, banned crates, floors of versions, and that unsafe code is forbidden everywhere.
#[test]
fn sec_43_dependencies_keep_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checked = Command::new("python3")
        .arg(root.join("scripts/check-dependencies"))
        .output()
        .expect("python3 is needed: see scripts/test");
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{told}{}", String::from_utf8_lossy(&checked.stderr));
    let crates: usize = told.split_whitespace().find_map(|word| word.parse().ok()).expect("it tells how many crates it checked");
    assert!(crates > 100, "only {crates} crates were looked at");
}
