//! Two servers on one database, and everybody at once (`security.md` 8).

use tokio::task::JoinSet;

use crate::fleet::browser::{Page, is_used, open, send, session};
use crate::fleet::database::Database;
use crate::fleet::process::Process;
use crate::fleet::wire::{Answer, ask, at_once};
use crate::fleet::{Fleet, both};

const REDEEMERS: usize = 200;
const ROUNDS: usize = 20;

both!(sec_08_of_200_redeemers_on_two_servers_one_gets_the_session);

async fn sec_08_of_200_redeemers_on_two_servers_one_gets_the_session(database: Database) {
    let fleet = Fleet::new(database).await;
    let servers = [fleet.start().await, fleet.start().await];
    for round in 0..ROUNDS {
        let address = format!("round{round}@example.com");
        let sent = ask(servers[round % 2].port, &send(&address)).await.expect("an answer");
        assert_eq!(sent.status, 200, "{sent:?}");
        let path = mailed(&fleet, &address).await;
        let (pages, without) = shown(&servers, &path).await;
        assert!(without.is_empty(), "round {round}: {without:?} {:?}", fleet.complaints());
        let presses = pages.into_iter().map(|(port, page)| (port, page.press())).collect();
        let answers = at_once(presses).await;

        let winners = answers.iter().filter(|answer| session(answer).is_some()).count();
        let refused = answers.iter().filter(|answer| is_used(answer)).count();
        let others: Vec<&Answer> = answers.iter().filter(|a| session(a).is_none() && !is_used(a)).collect();
        assert_eq!((winners, refused), (1, REDEEMERS - 1), "round {round}: {others:?} {:?}", fleet.complaints());
        let of_link = format!("SELECT count(*) FROM sessions s JOIN links l ON s.link_id = l.id WHERE l.address = '{address}'");
        assert_eq!(fleet.database.number(&of_link).await, 1, "round {round}");
        assert_eq!(fleet.database.number("SELECT count(*) FROM sessions").await, round as i64 + 1, "round {round}");
    }
    assert_eq!(fleet.complaints(), Vec::<String>::new());
    drop(servers);
    fleet.database.remove().await;
}

async fn mailed(fleet: &Fleet, address: &str) -> String {
    let start = std::time::Instant::now();
    loop {
        if let Some(mail) = fleet.sink.mail_to(address).first() {
            return Fleet::link_in(mail);
        }
        assert!(start.elapsed() < crate::support::PATIENCE, "no mail to {address}: {:?}", fleet.complaints());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Every redeemer is shown the page in a browser of its own. Beside the pages: answers that were none.
async fn shown(servers: &[Process; 2], path: &str) -> (Vec<(u16, Page)>, Vec<Answer>) {
    let mut openings = JoinSet::new();
    for index in 0..REDEEMERS {
        let (port, path) = (servers[index % 2].port, path.to_owned());
        openings.spawn(async move { open(port, &path).await.expect("an answer").map(|page| (port, page)) });
    }
    let (pages, others): (Vec<_>, Vec<_>) = openings.join_all().await.into_iter().partition(Result::is_ok);
    (pages.into_iter().filter_map(Result::ok).collect(), others.into_iter().filter_map(Result::err).collect())
}
