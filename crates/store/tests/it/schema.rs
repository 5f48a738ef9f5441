//! Statements and definitions are the same on both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::support::database::{Database, Kind};
use crate::support::{World, both};

both!(
    every_statement_prepares,
    migrating_again_changes_nothing,
    four_servers_may_migrate_at_once,
    servers_may_open_a_new_database_at_once
);

async fn every_statement_prepares(world: Arc<World>) {
    let all = passlink_store::all_statements();
    assert!(all.both.len() > 50 && all.postgres.len() >= 17 && all.sqlite.len() >= 10, "the list of statements lost some");
    let mut bad = Vec::new();
    if world.database.kind() == Kind::Sqlite {
        let connection = world.database.sqlite();
        for (name, sql) in all.both.iter().chain(&all.sqlite) {
            bad.extend(connection.prepare(sql).err().map(|e| format!("{name}: {e}\n{sql}")));
        }
    } else {
        for (name, sql) in all.both.iter().chain(&all.postgres) {
            bad.extend(world.database.postgres().prepare(sql).await.err().map(|e| format!("{name}: {e:?}\n{sql}")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// SQLite numbers `$2` by where it first stands and not by its digit.
#[test]
fn parameters_first_appear_in_ascending_order() {
    let all = passlink_store::all_statements();
    for (name, sql) in all.both.iter().chain(&all.sqlite).chain(&all.postgres) {
        let mut seen = 0;
        for after in sql.split('$').skip(1) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            let number: u32 = digits.parse().unwrap_or_else(|_| panic!("{name}: a $ without a number"));
            assert!(number <= seen + 1, "{name}: ${number} stands before ${}\n{sql}", seen + 1);
            seen = seen.max(number);
        }
    }
}

async fn migrating_again_changes_nothing(world: Arc<World>) {
    assert_eq!(world.store.migrate().await.unwrap(), Vec::<String>::new());
    assert_eq!(world.store.pending_migrations().await.unwrap(), Vec::<String>::new());
    assert_eq!(world.database.rows("apps").await, 2, "what was there is still there");
}

async fn four_servers_may_migrate_at_once(world: Arc<World>) {
    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap().count();
    for _ in 0..5 {
        let fresh = Arc::new(Database::fresh(world.database.kind()).await);
        let servers: Vec<_> = (0..4)
            .map(|_| {
                let url = fresh.url();
                tokio::spawn(async move {
                    let settings = passlink_store::DatabaseSettings { url, readers: 1, postgres_ca_certificates: None };
                    passlink_store::SqlStore::open(&settings).await.unwrap().migrate().await.unwrap().len()
                })
            })
            .collect();
        let mut applied = 0;
        for server in servers {
            applied += server.await.expect("a server could not start beside others");
        }
        assert_eq!(applied, migrations, "each migration is applied by one of them");
        fresh.remove().await;
    }
}

/// All at the very same moment: each on a thread of its own, behind a barrier.
async fn servers_may_open_a_new_database_at_once(world: Arc<World>) {
    let rounds = if world.database.kind() == Kind::Sqlite { 40 } else { 3 };
    for _ in 0..rounds {
        let fresh = Database::fresh(world.database.kind()).await;
        let barrier = Arc::new(std::sync::Barrier::new(6));
        let servers: Vec<_> = (0..6)
            .map(|_| {
                let (url, barrier, runtime) = (fresh.url(), Arc::clone(&barrier), tokio::runtime::Handle::current());
                tokio::task::spawn_blocking(move || {
                    let settings = passlink_store::DatabaseSettings { url, readers: 1, postgres_ca_certificates: None };
                    barrier.wait();
                    runtime.block_on(passlink_store::SqlStore::open(&settings)).map(|_| ()).map_err(|e| e.log_line())
                })
            })
            .collect();
        let mut opened = Vec::new();
        for server in servers {
            opened.push(server.await.unwrap());
        }
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        fresh.remove().await;
    }
}

type Columns = BTreeMap<(String, String), (String, bool)>;

fn sqlite_columns(database: &Database) -> (Columns, BTreeSet<String>) {
    let connection = database.sqlite();
    let mut statement = connection
        .prepare(
            "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
        )
        .unwrap();
    let columns = statement
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), (row.get::<_, String>(2)?, row.get(3)?))))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").unwrap();
    let indexes = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (columns, indexes)
}

async fn postgres_columns(database: &Database) -> (Columns, BTreeSet<String>) {
    let Database::Postgres { admin, schema, .. } = database else { panic!("not PostgreSQL") };
    let sqlite_name = |kind: &str| match kind {
        "bytea" => "BLOB",
        "bigint" => "INTEGER",
        "text" => "TEXT",
        other => panic!("no column may be {other}"),
    };
    let sql = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO' FROM information_schema.columns
        WHERE table_schema = $1 AND table_name <> 'refinery_schema_history'";
    let rows = admin.query(sql, &[schema]).await.unwrap();
    let columns =
        rows.iter().map(|row| ((row.get(0), row.get(1)), (sqlite_name(row.get::<_, &str>(2)).to_owned(), row.get(3)))).collect();
    // Indexes of keys have names of PostgreSQL's own.
    let sql = "SELECT indexname::text FROM pg_indexes WHERE schemaname = $1 AND indexname !~ '_(pkey|key)$'";
    let indexes = admin.query(sql, &[schema]).await.unwrap().iter().map(|row| row.get(0)).collect();
    (columns, indexes)
}

mod postgres_and_sqlite {
    use super::*;

    #[tokio::test]
    async fn have_the_same_tables_columns_and_indexes() {
        let mut both = Vec::new();
        for kind in [Kind::Sqlite, Kind::Postgres] {
            let database = Database::fresh(kind).await;
            let settings = passlink_store::DatabaseSettings { url: database.url(), readers: 1, postgres_ca_certificates: None };
            passlink_store::SqlStore::open(&settings).await.unwrap().migrate().await.unwrap();
            both.push(match kind {
                Kind::Sqlite => {
                    let (mut columns, indexes) = sqlite_columns(&database);
                    columns.retain(|(table, _), _| table != "refinery_schema_history");
                    (columns, indexes)
                }
                Kind::Postgres => postgres_columns(&database).await,
            });
            database.remove().await;
        }
        let (postgres, sqlite) = (both.pop().unwrap(), both.pop().unwrap());
        assert!(sqlite.0.len() > 80 && sqlite.1.len() > 10, "the comparison compares nothing");
        assert_eq!(sqlite.0, postgres.0);
        assert_eq!(sqlite.1, postgres.1);
    }
}
