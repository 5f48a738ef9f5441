//! Many writes share one commit, and none of them pays for another.

use std::sync::Arc;

use passlink_engine::ErrorKind;
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::Scopes;
use passlink_engine::ports::Store;
use passlink_engine::secret::Secret;

use crate::support::database::Kind;
use crate::support::{World, both};

both!(
    a_failing_write_leaves_nothing_and_hurts_nobody,
    a_write_that_fails_half_way_leaves_nothing,
    writes_share_commits,
    readers_do_not_wait_for_a_writer,
    a_transaction_undone_by_the_database_acknowledges_nothing,
);

fn client(id: &str) -> SaveClient {
    let client_secret = Some(Secret::new(format!("secret of {id}, long enough").replace([' ', ','], "-")));
    SaveClient {
        client_id: Some(id.to_owned()),
        client_secret,
        scopes: Scopes::parse("link:create"),
        label: None,
        expires_at: None,
    }
}

/// Saves clients at once; answers which were acknowledged, and the others' errors.
async fn save_all(world: &Arc<World>, ids: Vec<String>) -> (Vec<String>, Vec<passlink_engine::Error>) {
    let running: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let (world, caller) = (Arc::clone(world), world.operator());
            tokio::spawn(async move { world.engine.save_client(&caller, client(&id)).await.map(|_| id) })
        })
        .collect();
    let (mut saved, mut errors) = (Vec::new(), Vec::new());
    for one in running {
        match one.await.unwrap() {
            Ok(id) => saved.push(id),
            Err(error) => errors.push(error),
        }
    }
    (saved, errors)
}

async fn a_failing_write_leaves_nothing_and_hurts_nobody(world: Arc<World>) {
    let foreign = world.engine.operator(&world.context(), &world.other.name).unwrap();
    world.engine.save_client(&foreign, client("taken")).await.unwrap();
    for round in 0..5 {
        let events = world.database.rows("events").await;
        let mut ids: Vec<String> = (0..100).map(|i| format!("client-{round}-{i}")).collect();
        ids.insert(50, "taken".to_owned());
        let (saved, errors) = save_all(&world, ids).await;
        assert_eq!(saved.len(), 100, "{:?}", errors.iter().map(|e| e.log_line()).collect::<Vec<_>>());
        assert!(errors.len() == 1 && *errors[0].kind() == ErrorKind::Conflict, "{}", errors[0].log_line());
        assert_eq!(world.database.rows("clients").await, 1 + 100 * (round + 1));
        assert_eq!(world.database.rows("events").await, events + 100, "the failed write left an event, or a neighbour none");
    }
}

/// The client's row is written before its event, and the event is what fails.
async fn a_write_that_fails_half_way_leaves_nothing(world: Arc<World>) {
    world
        .database
        .execute(match world.database.kind() {
            Kind::Sqlite => {
                "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.detail LIKE '%bad%' BEGIN SELECT RAISE(ABORT, 'refused'); END"
            }
            Kind::Postgres => {
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN IF NEW.detail LIKE '%bad%' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()"
            }
        })
        .await;
    let events = world.database.rows("events").await;
    let ids = (0..60).map(|i| if i % 20 == 10 { format!("bad-{i}") } else { format!("good-{i}") }).collect();
    let (saved, errors) = save_all(&world, ids).await;
    assert_eq!((saved.len(), errors.len()), (57, 3));
    assert_eq!(world.database.number("SELECT count(*) FROM clients WHERE client_id LIKE 'bad%'").await, 0);
    assert_eq!(world.database.rows("clients").await, 57);
    assert_eq!(world.database.rows("events").await, events + 57);
    if world.database.kind() == Kind::Postgres {
        // The neighbours of a failing write still share their syncs.
        let commits = world.database.number("SELECT count(DISTINCT xmin::text) FROM clients").await;
        assert!(commits < 50, "57 writes beside 3 that fail took {commits} commits");
    }
}

/// Transactions that wrote, as the database itself counts them.
async fn commits(world: &World) -> i64 {
    match world.database.kind() {
        // Each commit to the write-ahead log ends with one frame that carries the size of the database (file format, 4.1).
        Kind::Sqlite => {
            let log = std::fs::read(world.database.path().with_extension("db-wal")).unwrap();
            let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
            let salt = &log[16..24];
            let frames = log[32..].chunks_exact(24 + page).take_while(|frame| &frame[8..16] == salt);
            frames.filter(|frame| frame[4..8] != [0; 4]).count() as i64
        }
        // Every transaction that wrote has a number of its own, which stands in its rows.
        Kind::Postgres => world.database.number("SELECT count(DISTINCT xmin::text) FROM clients").await,
    }
}

async fn writes_share_commits(world: Arc<World>) {
    // Prepares the statements, so that only commits are measured.
    save_all(&world, (0..10).map(|i| format!("warm-{i}")).collect()).await;
    // As long as somebody reads, the log goes on and does not begin anew.
    let reader = (world.database.kind() == Kind::Sqlite).then(|| {
        let reader = world.database.sqlite();
        reader.execute_batch("BEGIN; SELECT count(*) FROM clients").unwrap();
        reader
    });
    let before = commits(&world).await;
    let (saved, _) = save_all(&world, (0..400).map(|i| format!("client-{i}")).collect()).await;
    assert_eq!(saved.len(), 400);
    let used = commits(&world).await - before;
    drop(reader);
    assert!((1..=200).contains(&used), "400 writes took {used} commits");
}

async fn readers_do_not_wait_for_a_writer(world: Arc<World>) {
    world.engine.save_client(&world.operator(), client("known")).await.unwrap();
    let secret = client("known").client_secret.unwrap();
    let read = async || world.engine.authenticate_client(&world.context(), "known", secret.expose()).await;
    match world.database.kind() {
        Kind::Sqlite => {
            let blocker = world.database.sqlite();
            blocker.execute_batch("BEGIN IMMEDIATE; UPDATE clients SET label = 'half done'").unwrap();
            let waiting = tokio::spawn({
                let world = Arc::clone(&world);
                async move { world.store.ping().await }
            });
            read().await.unwrap();
            assert!(!waiting.is_finished(), "the write did not wait: nothing was blocked");
            blocker.execute_batch("ROLLBACK").unwrap();
            waiting.await.unwrap().unwrap();
        }
        Kind::Postgres => {
            let blocker = world.database.another_postgres().await;
            blocker.batch_execute("BEGIN; LOCK TABLE apps, clients IN EXCLUSIVE MODE").await.unwrap();
            let waiting = tokio::spawn({
                let world = Arc::clone(&world);
                async move { world.store.ping().await }
            });
            read().await.unwrap();
            assert!(!waiting.is_finished(), "the write did not wait: nothing was blocked");
            blocker.batch_execute("ROLLBACK").await.unwrap();
            waiting.await.unwrap().unwrap();
        }
    }
}

/// A full disk or a failing one makes SQLite undo the whole transaction, not only the statement; a deadlock does so on PostgreSQL. Whoever was
/// told "saved" must be there.
async fn a_transaction_undone_by_the_database_acknowledges_nothing(world: Arc<World>) {
    world
        .database
        .execute(match world.database.kind() {
            Kind::Sqlite => {
                "CREATE TRIGGER undo BEFORE INSERT ON clients WHEN NEW.client_id LIKE 'bad%' BEGIN SELECT RAISE(ROLLBACK, 'as if the disk were full'); END"
            }
            Kind::Postgres => {
                "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN IF NEW.client_id LIKE 'bad%' THEN RAISE EXCEPTION 'as if the disk were full' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER undo BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION undo()"
            }
        })
        .await;
    for round in 0..10 {
        let ids = (0..60).map(|i| if i % 20 == 10 { format!("bad-{round}-{i}") } else { format!("good-{round}-{i}") }).collect();
        let (saved, errors) = save_all(&world, ids).await;
        assert!(errors.len() >= 3);
        for error in errors {
            assert_ne!(*error.kind(), ErrorKind::Conflict, "{}", error.log_line());
        }
        for id in saved {
            assert!(!id.starts_with("bad"));
            let there = world.database.number(&format!("SELECT count(*) FROM clients WHERE client_id = '{id}'")).await;
            assert_eq!(there, 1, "{id} was acknowledged and is not there");
        }
    }
    // And the writer goes on.
    world
        .database
        .execute(if world.database.kind() == Kind::Sqlite { "DROP TRIGGER undo" } else { "DROP TRIGGER undo ON clients" })
        .await;
    assert_eq!(save_all(&world, vec!["afterwards".to_owned()]).await.0.len(), 1);
}
