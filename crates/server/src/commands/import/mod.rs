//! `passlink import`: people from another server. A vendor's file is read in its own module; what happens to each person is the engine's.
//!
//! The file is a stream, read on a thread of its own; some hundred people are under way at once, so that their writes share syncs. There is no state beside
//! the database: whoever is there already is found by the id, so a run that was cut short is simply run again.

pub mod read;
pub mod report;
pub mod rownd;
pub mod stream;
pub mod stytch;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use passlink_engine::apps::App;
use passlink_engine::caller::Caller;
use passlink_engine::groups::manage::NewGroup;
use passlink_engine::ids::GroupId;
use passlink_engine::users::import::{Imported, ImportedUser};
use passlink_engine::{Engine, Error, ErrorKind};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::target::{Target, operator};
use crate::output::{Partly, told};
use read::Refused;
use report::{NotCarried, Report};
use stream::Found;

/// People under way at once: enough to share syncs, few enough to fit beside a server's own requests.
const AT_ONCE: usize = 256;
/// People read ahead.
const READ_AHEAD: usize = 256;

/// Bring users over from another server.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Import an export of Stytch users: a JSON array, one object a line, or pages as the search call answers them.
    #[command(after_help = "\
Examples:
  passlink import stytch users.ndjson --config passlink.toml --app shop --dry-run
  passlink import stytch users.ndjson --config passlink.toml --app shop --report report.json

People keep their ids. Running it again goes on where it was cut short. Exit codes: 0 all are here, 1 failed, 2 used wrongly, 3 some were skipped.
docs/migrate-from-stytch.md tells the whole way.")]
    Stytch(Options),
    /// Import the profiles that Rownd's API lists: its answer, a JSON array, or one profile a line.
    #[command(after_help = "\
Examples:
  passlink import rownd users.json --config passlink.toml --app shop --dry-run
  passlink import rownd users.json --config passlink.toml --app shop --report report.json

People keep their ids, groups and roles. Running it again goes on where it was cut short. Exit codes: 0 all are here, 1 failed, 2 used wrongly, 3 some were skipped.
docs/migrate-from-rownd.md tells the whole way.")]
    Rownd(Options),
}

/// What to import, and where to.
#[derive(Debug, Args)]
pub struct Options {
    /// The export.
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The app's name.
    #[arg(long)]
    app: String,
    /// Only tell what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Write the report as JSON to this file too.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// A person of the file, and the groups they are in.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who.
    pub person: ImportedUser,
    /// Where they are a member.
    pub groups: Vec<Membership>,
}

/// A membership of the file.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group's old id.
    pub group: String,
    /// The group, should it not be here yet.
    pub new: NewGroup,
    /// The roles in it.
    pub roles: Vec<String>,
}

/// Whose objects the file holds.
#[derive(Clone, Copy, Debug)]
enum Vendor {
    Stytch,
    Rownd,
}

impl Vendor {
    fn read(self, app: &App, value: Value, not_carried: &mut NotCarried) -> Result<(Option<String>, Arrival), Refused> {
        match self {
            Self::Stytch => stytch::person(value, not_carried),
            Self::Rownd => rownd::person(value, app.settings.schema(), not_carried),
        }
    }
}

/// Does it.
///
/// # Errors
/// A sentence that says what to do; [`Partly`] when some were skipped.
pub async fn run(command: &ImportCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    let (vendor, actor, command) = match command {
        ImportCommand::Stytch(options) => (Vendor::Stytch, "import-stytch", options),
        ImportCommand::Rownd(options) => (Vendor::Rownd, "import-rownd", options),
    };
    let file = File::open(&command.file).with_context(|| format!("{} cannot be read", command.file.display()))?;
    let size = file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
    let (engine, _) = command.target.engine().await?;
    let caller = operator(&engine, actor, &command.app)?;
    // Found out before an hour of work, not after it.
    let written = command
        .report
        .as_ref()
        .map(|path| File::create(path).with_context(|| format!("The report cannot be written to {}", path.display())));
    let written = written.transpose()?;
    let mut report = Report::new(&command.app, command.dry_run);
    let stopped = work(vendor, engine, caller, file, size, &mut report).await.err();
    report.stopped = stopped.as_ref().map(|error| format!("{error:#}"));
    report.print(out)?;
    if let Some(mut file) = written {
        serde_json::to_writer_pretty(&mut file, &report)?;
        writeln!(file)?;
    }
    match stopped {
        Some(error) => Err(error.context("The import stopped; mend what is wrong and run it again, it goes on from there")),
        None if report.skipped > 0 => Err(Partly.into()),
        None => Ok(()),
    }
}

/// What became of one person: where it stood, its old id, the engine's word and the memberships that were made.
type Done = (u64, Option<String>, Result<(Imported, u64), Error>);

async fn work(
    vendor: Vendor,
    engine: Arc<Engine>,
    caller: Caller,
    file: File,
    size: u64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (send, mut found) = mpsc::channel(READ_AHEAD);
    let read = Arc::new(AtomicU64::default());
    let counter = Arc::clone(&read);
    let reading = tokio::task::spawn_blocking(move || stream::read(file, &counter, &send));
    let bar = progress(size);
    let mut under_way: JoinSet<Done> = JoinSet::new();
    let mut groups = Groups::default();
    let is_dry = report.dry_run;
    loop {
        let next = found.recv().await;
        while under_way.len() >= AT_ONCE || (next.is_none() && !under_way.is_empty()) {
            let Some(done) = under_way.join_next().await else { break };
            note(report, done.context("A task of the import ended by itself")?)?;
            bar.set_position(read.load(Ordering::Relaxed));
        }
        let Some(Found { line, value }) = next else { break };
        report.read += 1;
        match value.map_err(|why| (None, why)).and_then(|value| vendor.read(&caller.app, value, &mut report.not_carried)) {
            Err((id, why)) => report.skip(line, id, why),
            Ok((id, Arrival { person, groups: wanted })) => match groups.prepare(&engine, &caller, wanted, report).await {
                Err(error) => note(report, (line, id, Err(error)))?,
                Ok(groups) => {
                    let person = ImportedUser { groups, ..person };
                    let (engine, caller) = (Arc::clone(&engine), caller.clone());
                    under_way.spawn(async move { (line, id, patiently(&engine, &caller, person, is_dry).await) });
                }
            },
        }
    }
    bar.finish_and_clear();
    reading.await.context("The reader of the file ended by itself")?
}

/// The groups met so far, by their old ids. Nobody comes into one before it is here.
#[derive(Default)]
struct Groups(HashMap<String, GroupId>);

impl Groups {
    async fn prepare(
        &mut self,
        engine: &Engine,
        caller: &Caller,
        wanted: Vec<Membership>,
        report: &mut Report,
    ) -> Result<Vec<(GroupId, Vec<String>)>, Error> {
        let mut memberships = Vec::with_capacity(wanted.len());
        for membership in wanted {
            let group = match self.0.get(&membership.group) {
                Some(known) => *known,
                None if report.dry_run => {
                    report.groups += u64::from(engine.check_group_import(caller, membership.new).await?);
                    GroupId::from_uuid(Default::default())
                }
                None => {
                    let (group, is_new) = engine.import_group(caller, membership.new).await?;
                    report.groups += u64::from(is_new);
                    group
                }
            };
            self.0.insert(membership.group, group);
            memberships.push((group, membership.roles));
        }
        Ok(memberships)
    }
}

/// How often a person is tried again, and how long after: a database that is slow for a moment does not end an hour of work.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

async fn patiently(engine: &Engine, caller: &Caller, person: ImportedUser, is_dry: bool) -> Result<(Imported, u64), Error> {
    for _ in 1..TRIES {
        match one(engine, caller, person.clone(), is_dry).await {
            Err(error) if *error.kind() == ErrorKind::Unavailable => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
    one(engine, caller, person, is_dry).await
}

async fn one(engine: &Engine, caller: &Caller, person: ImportedUser, is_dry: bool) -> Result<(Imported, u64), Error> {
    let memberships = person.groups.len() as u64;
    let imported = match is_dry {
        false => engine.import_user(caller, person).await?,
        // Nobody was made, so no id is told.
        true => match engine.check_import(caller, &person).await? {
            Some(there) => Imported::There(there),
            None => Imported::Made(person.id.unwrap_or_else(nobody)),
        },
    };
    Ok((imported, if matches!(imported, Imported::Made(_)) { memberships } else { 0 }))
}

fn nobody() -> passlink_engine::ids::UserId {
    passlink_engine::ids::UserId::from_uuid(Default::default())
}

/// A person that cannot be is skipped; anything else ends the import.
fn note(report: &mut Report, (line, id, became): Done) -> anyhow::Result<()> {
    match became {
        Ok((imported, memberships)) => {
            report.memberships += memberships;
            match imported {
                Imported::Made(_) => report.imported += 1,
                Imported::There(_) => report.already_there += 1,
            }
        }
        Err(error) => match error.kind() {
            ErrorKind::Invalid(_) => report.skip(line, id, told(error).to_string()),
            _ => return Err(told(error).context(format!("line {line}"))),
        },
    }
    Ok(())
}

/// A bar on a terminal, nothing elsewhere.
fn progress(size: u64) -> ProgressBar {
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}%  {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
