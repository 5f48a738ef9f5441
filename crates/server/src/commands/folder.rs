//! The folder of `passlink dev`: what it keeps besides the database, and the configuration that follows from it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use passlink_engine::ports::Entropy;

use crate::config::Config;
use crate::system::SystemEntropy;

/// The server secret.
const SECRET: &str = "secret";
/// The public origin of the last run, so that `passlink link create` makes links that work.
const ORIGIN: &str = "origin";

/// Makes the folder and its secret when they are not there; answers whether the secret is new.
///
/// # Errors
/// A sentence that says what to do.
pub fn prepare(folder: &Path) -> anyhow::Result<bool> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("The folder {} cannot be made; choose another with --data", folder.display()))?;
    let path = folder.join(SECRET);
    if path.exists() {
        return Ok(false);
    }
    let mut bytes = [0; 32];
    SystemEntropy::new().fill(&mut bytes).context("The server secret cannot be drawn")?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    // Written aside and linked: of two first runs at once one secret wins, and none is ever half there.
    let draft = folder.join(format!("{SECRET}.{}", std::process::id()));
    let write = || -> std::io::Result<bool> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let made = match fs::hard_link(&draft, &path) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error),
        };
        fs::remove_file(&draft)?;
        Ok(made)
    };
    write().with_context(|| format!("The server secret cannot be written to {}", path.display()))
}

/// Remembers the public origin for later commands.
///
/// # Errors
/// The file cannot be written.
pub fn remember_origin(folder: &Path, origin: &str) -> anyhow::Result<()> {
    let path = folder.join(ORIGIN);
    fs::write(&path, origin).with_context(|| format!("{} cannot be written", path.display()))
}

/// The configuration of a folder that `passlink dev` made.
///
/// # Errors
/// The folder is not one.
pub fn config(folder: &Path, database: Option<&str>, origin: Option<&str>) -> anyhow::Result<Config> {
    let secret = folder.join(SECRET);
    if !secret.exists() {
        bail!(
            "{} is no data folder of `passlink dev` (it has no file \"{SECRET}\"); give --config for a server that has a configuration",
            folder.display()
        );
    }
    let origin = match origin {
        Some(origin) => origin.to_owned(),
        None => fs::read_to_string(folder.join(ORIGIN)).unwrap_or_else(|_| super::dev::DEFAULT_ORIGIN.to_owned()),
    };
    let path = |path: PathBuf| path.display().to_string();
    let mut settings = BTreeMap::from([
        ("SERVER_SECRET_FILE", path(secret)),
        ("SERVER_DATA", path(folder.to_owned())),
        ("SERVER_PUBLIC_ORIGIN", origin),
        ("LOG_FORMAT", "text".to_owned()),
    ]);
    if let Some(url) = database {
        settings.insert("DATABASE_URL", url.to_owned());
    }
    Ok(Config::of_folder(&settings)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_secret_is_made_once_and_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        assert!(prepare(&folder).unwrap());
        let secret = fs::read_to_string(folder.join(SECRET)).unwrap();
        assert_eq!(secret.trim().len(), 64);
        assert_eq!(fs::metadata(folder.join(SECRET)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!prepare(&folder).unwrap());
        assert_eq!(fs::read_to_string(folder.join(SECRET)).unwrap(), secret);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left behind");
        let config = config(&folder, None, None).unwrap();
        assert_eq!(config.server.secret.expose(), secret.trim());
        assert!(config.database.settings.url.ends_with("data/passlink.db"));
    }
}
