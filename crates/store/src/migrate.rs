//! Migrations: embedded, applied in order under a lock, so that several servers may start at once.

use passlink_engine::{Error, Result};

use crate::{Backend, SqlStore};

mod sqlite {
    refinery::embed_migrations!("migrations/sqlite");
}

mod postgres {
    refinery::embed_migrations!("migrations/postgres");
}

/// The key of the advisory lock: "passlink" in ASCII.
const LOCK: i64 = 0x7061_7373_6c69_6e6b;

fn names(migrations: &[refinery::Migration]) -> Vec<String> {
    migrations.iter().map(ToString::to_string).collect()
}

fn failed(error: refinery::Error) -> Error {
    Error::internal(format!("a migration failed, nothing of it was kept: {error}"))
}

impl SqlStore {
    /// Applies what is missing, under a lock; answers the names of what was applied.
    ///
    /// # Errors
    /// `Unavailable` when the database cannot be reached, `Internal` when a migration fails.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        match &self.backend {
            Backend::Sqlite(db) => {
                let path = db.path().with_extension("migrating");
                let lock = std::fs::File::create(&path).map_err(Error::unavailable)?;
                lock.lock().map_err(Error::unavailable)?;
                let report = sqlite::migrations::runner().run(&mut db.connect()?).map_err(failed)?;
                let applied = names(report.applied_migrations());
                lock.unlock().map_err(Error::unavailable)?;
                Ok(applied)
            }
            Backend::Postgres(db) => {
                let mut client = db.connect().await?;
                // Distributed databases that speak PostgreSQL may not know advisory locks; there, refinery's own table refuses the second writer.
                let locked = client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await;
                if let Err(error) = &locked {
                    tracing::warn!(%error, "migrating without a lock");
                }
                let report = postgres::migrations::runner().run_async(&mut client).await.map_err(failed)?;
                Ok(names(report.applied_migrations()))
            }
        }
    }

    /// The names of the migrations that are missing.
    ///
    /// # Errors
    /// `Unavailable` when the database cannot be reached.
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        let (all, applied) = match &self.backend {
            Backend::Sqlite(db) => {
                let runner = sqlite::migrations::runner();
                let applied = runner.get_applied_migrations(&mut db.connect()?).map_err(failed)?;
                (names(runner.get_migrations()), names(&applied))
            }
            Backend::Postgres(db) => {
                let runner = postgres::migrations::runner();
                let applied = runner.get_applied_migrations_async(&mut db.connect().await?).await.map_err(failed)?;
                (names(runner.get_migrations()), names(&applied))
            }
        };
        Ok(all.into_iter().filter(|name| !applied.contains(name)).collect())
    }
}
