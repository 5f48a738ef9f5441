//! What runs beside the requests. Every job ends at the word to stop; each is written over the one call it makes, so that its rhythm is
//! tested without a database.

pub mod dispatcher;
pub mod gauges;
pub mod notices;
pub mod repeat;
pub mod sweeper;

use std::sync::Arc;
use std::time::Duration;

use passlink_delivery::NoticeClient;
use passlink_engine::Engine;
use passlink_engine::time::Lifetime;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::stop::Stop;

/// How many messages one round of dispatching takes.
const ROUND: u32 = 32;
/// Rows of each kind that one step of sweeping removes.
const BATCH: u32 = 500;
/// The age at which a signing key is replaced.
const KEY_AGE: Lifetime = Lifetime::from_secs(90 * 86_400);

/// Starts all jobs; the set is empty when all have ended. Without `wake`, sending is left to other replicas.
pub fn start(engine: &Arc<Engine>, client: &Arc<NoticeClient>, wake: Option<Arc<Notify>>, stop: &Stop) -> JoinSet<()> {
    let mut jobs = JoinSet::new();

    let sending = Arc::clone(engine);
    let round = move || {
        let engine = Arc::clone(&sending);
        async move {
            let done = engine.dispatch_due(ROUND).await?;
            if done.claimed > 0 {
                metrics::counter!("passlink_messages_sent_total").increment(done.sent as u64);
                metrics::counter!("passlink_messages_not_sent_total").increment((done.claimed - done.sent) as u64);
            }
            Ok(done.claimed >= ROUND as usize)
        }
    };
    if let Some(wake) = wake {
        jobs.spawn(dispatcher::run(round, wake, dispatcher::LOOK_EVERY, stop.clone()));
        let (telling, client) = (Arc::clone(engine), Arc::clone(client));
        let round = move || notices::round(Arc::clone(&telling), Arc::clone(&client));
        jobs.spawn(dispatcher::run(round, Arc::default(), dispatcher::LOOK_EVERY, stop.clone()));
    }

    let sweeping = Arc::clone(engine);
    let step = move || {
        let engine = Arc::clone(&sweeping);
        async move { engine.sweep(BATCH).await }
    };
    jobs.spawn(sweeper::run(step, stop.clone()));

    let reading = Arc::clone(engine);
    let refresh = move || {
        let engine = Arc::clone(&reading);
        async move { engine.refresh_directory().await }
    };
    jobs.spawn(repeat::every("directory", Duration::from_secs(2), refresh, stop.clone()));

    let tending = Arc::clone(engine);
    let tend = move || {
        let engine = Arc::clone(&tending);
        async move { engine.tend_signing_keys(KEY_AGE).await }
    };
    jobs.spawn(repeat::every("signing keys", Duration::from_secs(3600), tend, stop.clone()));

    let measuring = Arc::clone(engine);
    let measure = move || gauges::measure(Arc::clone(&measuring));
    jobs.spawn(repeat::every("gauges", Duration::from_secs(5), measure, stop.clone()));
    jobs
}
