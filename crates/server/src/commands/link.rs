//! `passlink link`.

use std::io::Write;

use anyhow::bail;
use clap::Subcommand;
use fast_qr::qr::QRBuilder;
use passlink_engine::apps::App;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::links::Handover;
use passlink_engine::links::issue::IssueLink;
use passlink_engine::redirects::{Origin, RedirectTarget};
use passlink_engine::time::Lifetime;

use super::target::{Target, operator};
use crate::output::told;

/// Make links by hand.
#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Make a link that signs somebody in, and print it. Nothing is mailed.
    #[command(after_help = "\
Example:
  passlink link create --data passlink-data --app demo --email ada@example.com --qr

Whoever opens the link is that person: hand it over as you would a password.")]
    Create {
        #[command(flatten)]
        target: Target,
        /// The app's name.
        #[arg(long)]
        app: String,
        /// Who is signed in.
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// Where the browser goes afterwards; its origin must be allowed for the app. By default the app's own callback.
        #[arg(long, value_name = "URL")]
        redirect: Option<String>,
        /// How long the link lives, such as 10m.
        #[arg(long, value_name = "DURATION")]
        lifetime: Option<String>,
        /// Draw it as a QR code too.
        #[arg(long)]
        qr: bool,
    },
}

/// Does it.
///
/// # Errors
/// A sentence that says what to do.
pub async fn run(command: &LinkCommand, out: &mut dyn Write) -> anyhow::Result<()> {
    let LinkCommand::Create { target, app, email, redirect, lifetime, qr } = command;
    let address = EmailAddress::parse(email).map_err(|error| anyhow::anyhow!("--email {error}"))?;
    let lifetime = lifetime
        .as_deref()
        .map(|text| Lifetime::parse(text).map_err(|error| anyhow::anyhow!("--lifetime {error}")))
        .transpose()?;
    let (engine, _) = target.engine().await?;
    let caller = operator(&engine, "link-create", app)?;
    let redirect = match redirect {
        Some(url) => Some(target_of(url)?),
        None => callback(&caller.app)?,
    };
    let handover = if redirect.is_some() { Handover::Fragment } else { Handover::Cookie };
    let command = IssueLink { address: Some(address), redirect, handover, lifetime, ..IssueLink::nobody() };
    let issued = engine.issue_link(&caller, command).await.map_err(told)?;
    let Some(url) = issued.url else { bail!("The engine returned no link") };
    writeln!(out, "{}", url.expose())?;
    writeln!(out, "until {}; `passlink events --link {}` tells what becomes of it", issued.expires_at, issued.id)?;
    if *qr {
        writeln!(out, "{}", drawn(url.expose())?)?;
    }
    Ok(())
}

fn target_of(url: &str) -> anyhow::Result<RedirectTarget> {
    match RedirectTarget::from_stored(url) {
        Ok(target) if Origin::parse(&target.origin()).is_some() => Ok(target),
        _ => bail!("--redirect {url} is no web address such as https://app.example.com/welcome"),
    }
}

/// Where the app receives sign-ins, when it says where.
fn callback(app: &App) -> anyhow::Result<Option<RedirectTarget>> {
    let origin = app.settings.default_origin.as_deref().and_then(Origin::parse);
    let (Some(origin), Some(path)) = (origin, app.callback_path()) else { return Ok(None) };
    RedirectTarget::callback(&origin, &path, &app.settings.next_parameter, None).map(Some).map_err(told)
}

/// The text as a QR code of half blocks, two rows a line.
fn drawn(text: &str) -> anyhow::Result<String> {
    let code =
        QRBuilder::new(text).build().map_err(|error| anyhow::anyhow!("The link does not fit into a QR code: {error:?}"))?;
    Ok(code.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_on_a_screen_as_qr_code() {
        let link = format!("https://auth.example.com/l/plk_{}", "A".repeat(56));
        let code = drawn(&link).unwrap();
        assert!(code.lines().count() <= 26, "{}", code.lines().count());
        assert!(code.lines().all(|line| line.chars().count() < 60));
        assert!(code.chars().all(|c| "█▀▄ \n".contains(c)));
    }

    #[test]
    fn only_web_addresses_are_targets() {
        assert!(target_of("https://app.example.com/welcome?a=b").is_ok());
        for url in ["app.example.com", "javascript:alert(1)", "ftp://example.com/", ""] {
            assert!(target_of(url).is_err(), "{url}");
        }
    }
}
