//! Dying at each numbered moment of a link's life, once (`security.md` 46): what was acknowledged or accepted is there, and nothing happens twice.

use passlink_store::Failpoint;
use tokio::time::Instant;

use crate::fleet::browser::{is_used, open, send, session};
use crate::fleet::database::Database;
use crate::fleet::history::{Attempt, History, Outcome};
use crate::fleet::process::Process;
use crate::fleet::wire::ask;
use crate::fleet::{Fleet, both};

both!(sec_46_death_at_each_moment_loses_nothing_and_repeats_nothing);

async fn sec_46_death_at_each_moment_loses_nothing_and_repeats_nothing(database: Database) {
    let fleet = Fleet::new(database).await;
    let mut history = History::default();
    for point in Failpoint::ALL {
        die_at(&fleet, *point, &mut history).await;
    }
    assert!(fleet.database.is_sound());
    let server = fleet.start().await;
    history.check(&fleet, server.port).await;
    drop(server);
    fleet.database.remove().await;
}

/// One link from its request to its session, on a server that dies at this moment and on the one that is started afterwards.
async fn die_at(fleet: &Fleet, point: Failpoint, history: &mut History) {
    let address = format!("{point:?}@example.com").to_lowercase();
    let mut command = Process::command();
    command.env("FAILPOINT", format!("{point:?}"));
    let mut server = fleet.spawn_as(command);
    server.ready().await;
    let answer = ask(server.port, &send(&address)).await;
    match &answer {
        Ok(answer) => {
            assert_eq!(answer.status, 200, "{point:?}: {answer:?}");
            history.acknowledged.push(address.clone());
        }
        Err(_) => history.doubtful += 1,
    }
    let expected = Expected::after(point);
    assert!(answer.is_err() || expected.may_answer, "{point:?}: {answer:?}");
    let press = match expected.sessions {
        Some(_) => Some(Press::unanswered(fleet, &server, &address).await),
        None => None,
    };
    server.aborted().await;

    let of_address = |what: &str| format!("SELECT count(*) FROM links l {what} WHERE l.address = '{address}'");
    let links = fleet.database.number(&of_address("")).await;
    let messages = fleet.database.number(&of_address("JOIN outbox o ON o.link_id = l.id")).await;
    assert_eq!((links, messages), (expected.links, expected.links), "{point:?}: a link and its message, or neither");
    if let Some(sessions) = expected.sessions {
        assert_eq!(fleet.database.number(&of_address("JOIN sessions s ON s.link_id = l.id")).await, sessions, "{point:?}");
    }

    // The dead hold leases for up to a minute: it is over.
    fleet.database.end_leases().await;
    let server = fleet.start().await;
    fleet.drained().await;
    assert_eq!(fleet.sink.mail_to(&address).len(), expected.mails, "{point:?}");
    if let Some(press) = press {
        history.attempts.insert(address, press.again(&server).await);
    }
    server.kill();
}

/// What there is after a death.
struct Expected {
    /// Whether the request for the link may have been answered.
    may_answer: bool,
    links: i64,
    /// How often its mail comes: twice when nobody could know that it had gone.
    mails: usize,
    /// Sessions, when somebody has pressed.
    sessions: Option<i64>,
}

impl Expected {
    fn after(point: Failpoint) -> Self {
        let committed = Self { may_answer: true, links: 1, mails: 1, sessions: None };
        match point {
            Failpoint::LinkChecked | Failpoint::LinkWritten => Self { may_answer: false, links: 0, mails: 0, ..committed },
            Failpoint::LinkCommitted => Self { may_answer: false, ..committed },
            Failpoint::MailAccepted | Failpoint::MailNoted => Self { mails: 2, ..committed },
            Failpoint::MailTaken | Failpoint::MailClaimed | Failpoint::MailDone => committed,
            Failpoint::RedeemAllowed | Failpoint::RedeemWritten => Self { sessions: Some(0), ..committed },
            Failpoint::RedeemCommitted => Self { sessions: Some(1), ..committed },
        }
    }
}

/// Two browsers on one link.
struct Press {
    /// The request of the one that pressed and was not answered.
    first: String,
    /// That of the one that looks on.
    rival: String,
    attempt: Attempt,
}

impl Press {
    async fn unanswered(fleet: &Fleet, server: &Process, address: &str) -> Self {
        fleet.drained().await;
        let path = Fleet::link_in(&fleet.sink.mail_to(address)[0]);
        let mut pages = Vec::new();
        for _ in 0..2 {
            pages.push(open(server.port, &path).await.expect("an answer").expect("a button").press());
        }
        let (first, rival) = (pages.remove(0), pages.remove(0));
        let began = Instant::now();
        ask(server.port, &first).await.expect_err("it died before it answered");
        Self { first, rival, attempt: Attempt { browser: 0, began, ended: Instant::now(), outcome: Outcome::Unknown } }
    }

    /// The same browser presses again and is signed in; the other is too late.
    async fn again(self, server: &Process) -> Vec<Attempt> {
        let mut attempts = vec![self.attempt];
        for (browser, request) in [(0, &self.first), (0, &self.first), (1, &self.rival)] {
            let began = Instant::now();
            let answer = ask(server.port, request).await.expect("an answer");
            let outcome = match session(&answer) {
                Some(token) if browser == 0 => Outcome::Session(token),
                None if browser == 1 && is_used(&answer) => Outcome::Used,
                _ => panic!("browser {browser}: {answer:?}"),
            };
            attempts.push(Attempt { browser, began, ended: Instant::now(), outcome });
        }
        attempts
    }
}
