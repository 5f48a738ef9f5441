//! Rolling restarts under load (`security.md` 51): two servers, told to stop in turn, behind a balancer that only passes over a closed port.

use std::time::Duration;

use crate::fleet::database::Database;
use crate::fleet::load::Load;
use crate::fleet::{Fleet, both};

const RESTARTS: usize = 10;

both!(sec_51_ten_rolling_restarts_lose_nothing_and_cut_nobody_off);

async fn sec_51_ten_rolling_restarts_lose_nothing_and_cut_nobody_off(database: Database) {
    let fleet = Fleet::new(database).await;
    let mut servers = vec![fleet.start().await, fleet.start().await];
    let load = Load::begin(&fleet, servers.iter().map(|server| server.port).collect(), 6, 6);
    for restart in 0..RESTARTS {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let old = servers.remove(0);
            let port = old.port;
            let (code, took) = old.terminate().await;
            assert_eq!(code, Some(0), "restart {restart}: {:?}", fleet.complaints());
            assert!(took < Duration::from_secs(10), "restart {restart} took {took:?}");
            let mut new = fleet.spawn(port);
            new.ready().await;
            servers.push(new);
        }
    }
    let history = load.end().await;
    let told = history.told();
    assert!(history.acknowledged() > 10 * RESTARTS && history.redeemed() > 2 * RESTARTS, "too little load: {told}");
    assert_eq!(history.failures, Vec::<String>::new(), "{:?}", fleet.complaints());
    assert_eq!(history.cuts, Vec::<String>::new(), "requests that were sent and not answered: {told}");
    assert_eq!(history.unknown(), 0);
    // No lease is left behind either: whoever stops finishes what it had taken.
    fleet.drained().await;
    history.check(&fleet, servers[0].port).await;
    assert_eq!(fleet.complaints(), Vec::<String>::new());
    drop(servers);
    fleet.database.remove().await;
}
