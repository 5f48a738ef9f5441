//! `passlink events`: why did my link not work?

use std::io::Write;

use anyhow::Context;
use clap::Args;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::events::{Event, EventFilter};
use passlink_engine::ids::LinkId;
use serde_json::Value;

use super::target::{Target, operator};
use crate::output::told;

/// What happened, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  passlink events --config passlink.toml --email ada@example.com
  passlink events --config passlink.toml --link 0190a1b2-…  --limit 100")]
pub struct Events {
    #[command(flatten)]
    target: Target,
    /// Only of this link, by the id of its request.
    #[arg(long, value_name = "ID", conflicts_with_all = ["email", "app"])]
    link: Option<String>,
    /// Only of links to this address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Only of this app.
    #[arg(long)]
    app: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Lists them.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &Events, out: &mut dyn Write) -> anyhow::Result<()> {
    let link = command
        .link
        .as_deref()
        .map(|text| {
            text.parse::<LinkId>()
                .with_context(|| format!("--link {text} is no id of a link; the link itself is a secret and not its id"))
        })
        .transpose()?;
    let address = command
        .email
        .as_deref()
        .map(|text| EmailAddress::parse(text).map(|a| a.as_str().to_owned()).map_err(|error| anyhow::anyhow!("--email {error}")))
        .transpose()?;
    let (engine, _) = command.target.engine().await?;
    let events = match (&address, &command.app) {
        // Addresses are looked up app by app: the same person may have links in several.
        (Some(_), None) => {
            let mut all = Vec::new();
            for app in engine.directory().apps() {
                let filter = EventFilter { app: Some(app.id), link: None, address: address.clone() };
                all.extend(engine.list_events(filter, command.limit).await.map_err(told)?);
            }
            all.sort_by_key(|event| std::cmp::Reverse(event.id));
            all.truncate(command.limit as usize);
            all
        }
        (_, app) => {
            let app = app.as_deref().map(|name| operator(&engine, "events", name)).transpose()?.map(|caller| caller.app.id);
            engine.list_events(EventFilter { app, link, address }, command.limit).await.map_err(told)?
        }
    };
    if events.is_empty() {
        writeln!(out, "Nothing is known. Events are kept for a while only; was the link asked for on this server?")?;
    }
    for event in &events {
        writeln!(out, "{}", line(event))?;
    }
    Ok(())
}

/// One event in one line.
fn line(event: &Event) -> String {
    let mut line = format!("{}  {:<24} by {}", event.at, event.kind.code(), event.actor);
    let ids = [
        ("link", event.link.map(|id| id.to_string())),
        ("message", event.message.map(|id| id.to_string())),
        ("user", event.user.map(|id| id.to_string())),
        ("session", event.session.map(|id| id.to_string())),
    ];
    for (name, id) in ids {
        if let Some(id) = id {
            line.push_str(&format!("  {name}={id}"));
        }
    }
    for (name, value) in &event.detail {
        match value {
            Value::String(text) => line.push_str(&format!("  {name}={text:?}")),
            other => line.push_str(&format!("  {name}={other}")),
        }
    }
    line.push_str(&format!("  request={}", event.request_id));
    // What strangers sent (a browser's name, say) must not steer the operator's terminal.
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
