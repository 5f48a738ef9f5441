//! `[templates]`: the operator's own texts of messages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use passlink_engine::ErrorKind;
use passlink_engine::messages::templates::Templates;

use super::Part;
use super::key::Key;
use super::kind::Kind;
use super::problem::Problems;
use super::settled::Settled;

/// The section.
pub const PART: Part = Part { name: "templates", doc: "Your own texts of mails.", keys: KEYS };

const KEYS: &[Key] = &[Key::optional(
    "folder",
    Kind::Path,
    "\"/etc/passlink/templates\"",
    "A folder whose files replace the built-in texts of the same name: sign_in.subject.j2, sign_in.txt.j2, sign_in.html.j2.",
)];

/// The texts that replace built-in ones, by name; checked.
#[derive(Debug, Default)]
pub struct TemplateFiles(pub HashMap<String, String>);

impl TemplateFiles {
    pub(super) fn read(section: &Settled, problems: &mut Problems) -> Self {
        let Some(folder) = section.read::<PathBuf>("folder") else { return Self::default() };
        let place = section.place("folder");
        let texts = match files(&folder) {
            Ok(texts) => texts,
            Err(error) => {
                problems.note(place, format!("templates.folder {} cannot be read: {error}", folder.display()));
                return Self::default();
            }
        };
        if let Err(error) = Templates::load(texts.clone()) {
            match error.kind() {
                ErrorKind::Invalid(fields) => {
                    for field in fields {
                        problems.note(place, format!("{} {}", folder.join(&field.field).display(), field.message));
                    }
                }
                _ => problems.note(place, format!("the templates in {} cannot be used: {error}", folder.display())),
            }
        }
        Self(texts)
    }
}

/// The templates of a folder by name. Other files (notes, backups) are nobody's business unless they look like a template.
fn files(folder: &Path) -> std::io::Result<HashMap<String, String>> {
    let mut texts = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".j2") && !name.starts_with('.') {
            texts.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(texts)
}
