//! `passlink dev`: everything on this machine, in one minute.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use passlink_engine::apps::AppSettings;
use passlink_engine::apps::manage::SaveClient;
use passlink_engine::caller::{RequestContext, Scopes};
use passlink_engine::email_address::EmailAddress;
use passlink_engine::keys::ServerKeys;
use passlink_engine::limits::Limit;
use passlink_engine::messages::inbox::INBOX;
use passlink_engine::redirects::{AllowedOrigin, LandingUrl};
use passlink_engine::secret::Secret;
use passlink_engine::time::Lifetime;

use super::{folder, long};
use crate::config::Config;
use crate::config::apps::DeclaredApp;
use crate::listener::bind;
use crate::output::told;
use crate::stop::Signals;
use crate::{run, telemetry};

/// The public origin when nothing else is known.
pub const DEFAULT_ORIGIN: &str = "http://127.0.0.1:8080";

const APP: &str = "demo";
const CLIENT: &str = "demo-client";
/// The same secret under an id of the form that Stytch's SDKs know: `test` tells them and us the environment.
const PROJECT: &str = "project-test-00000000-0000-4000-8000-000000000001";
/// The same secret again under a key of the form that Rownd's SDKs know.
const KEY: &str = "key_demoappkeyofpasslinkdev0";

/// Run everything on this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  passlink dev
  passlink dev --listen 127.0.0.1:8081 --data /tmp/passlink

It is for this machine only: its inbox shows every mail to whoever asks. `passlink serve` is for everything else.")]
pub struct Dev {
    /// The folder that keeps everything; made when it is not there.
    #[arg(long, value_name = "DIR", default_value = "passlink-data")]
    data: PathBuf,
    /// Address and port; an address of this machine only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Another database than the file in the folder, such as postgres://localhost/passlink.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Serves until a signal comes.
///
/// # Errors
/// A sentence that says what to do.
pub fn run(command: &Dev, out: &mut dyn Write) -> anyhow::Result<()> {
    if !command.listen.ip().to_canonical().is_loopback() {
        bail!(
            "`passlink dev` does not listen on {}: its inbox shows every mail to whoever asks. \
             Use an address of this machine such as 127.0.0.1:8080, or `passlink serve --config passlink.toml` for others",
            command.listen
        );
    }
    long(None, async {
        let mut signals = Signals::listen()?;
        let listener = bind(command.listen, "--listen, such as --listen 127.0.0.1:8081").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let is_new = folder::prepare(&command.data)?;
        folder::remember_origin(&command.data, &origin)?;
        let mut config = folder::config(&command.data, command.database.as_deref(), Some(&origin))?;
        let secret = client_secret(&config)?;
        config.apps.insert(APP.to_owned(), demo(&origin, &secret)?);
        telemetry::log(&config.log)?;
        let ready = tokio::select! {
            ready = run::prepare(&config, listener, true) => ready?,
            _ = signals.received() => return Ok(()),
        };
        // What was declared must also work: the screen promises it.
        let context = RequestContext { request_id: "command:dev".to_owned(), ..RequestContext::default() };
        for client in [CLIENT, PROJECT, KEY] {
            ready.assembled.engine.authenticate_client(&context, client, secret.expose()).await.map_err(told).with_context(|| {
                format!(
                    "The demo client {client} was revoked or changed; `passlink dev --data DIR` with a new folder makes another than in {}",
                    command.data.display()
                )
            })?;
        }
        out.write_all(screen(&origin, &secret, &command.data, is_new).as_bytes())?;
        out.flush()?;
        ready.run(signals.received()).await
    })
}

/// The demo client's secret: derived from the server secret, so that it can be shown at every start and is kept nowhere.
fn client_secret(config: &Config) -> anyhow::Result<Secret> {
    let keys = ServerKeys::derive(config.server.secret.expose().as_bytes()).map_err(told)?;
    let digest = keys.digest("the demo client of passlink dev", &[]);
    let text: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("plsecret_{text}")))
}

fn demo(origin: &str, secret: &Secret) -> anyhow::Result<DeclaredApp> {
    // Both names of this machine lead here; people type either.
    let port = origin.rsplit(':').next().unwrap_or_default();
    let other = format!("http://localhost:{port}");
    let a_lot = Limit::new(100, Lifetime::from_minutes(1));
    let landing = LandingUrl::parse("http://localhost:3000/authenticate")?;
    let settings = AppSettings {
        display_name: Some("Passlink Demo".to_owned()),
        allowed_origins: vec![AllowedOrigin::parse(origin)?, AllowedOrigin::parse(&other)?],
        default_origin: Some(origin.to_owned()),
        sender: Some(INBOX.to_owned()),
        from_address: Some(EmailAddress::parse("signin@demo.passlink.test")?),
        // Where the vendor's test projects lead when nothing else is registered.
        sign_in_urls: vec![landing.clone()],
        sign_up_urls: vec![landing.clone()],
        invite_urls: vec![landing],
        sandbox: true,
        // Where Rownd's links lead that name no place.
        default_redirect_url: Some(format!("{origin}/")),
        limit_per_network: a_lot,
        limit_per_mailbox: a_lot,
        limit_refused_per_network: a_lot,
        ..AppSettings::default()
    };
    let client = |id: &str| SaveClient {
        client_id: Some(id.to_owned()),
        client_secret: Some(secret.clone()),
        scopes: Scopes::parse(Scopes::ALL),
        label: Some("made by passlink dev".to_owned()),
        expires_at: None,
    };
    Ok(DeclaredApp { settings, clients: vec![client(CLIENT), client(PROJECT), client(KEY)] })
}

/// The one screen.
fn screen(origin: &str, secret: &Secret, data: &Path, is_new: bool) -> String {
    let data = data.display();
    let made = if is_new { " (just made)" } else { "" };
    format!(
        "
  Passlink runs, for this machine only.

    Sign in            {origin}/
    Read the mail      {origin}/inbox
    Documentation      {origin}/docs

    App                {APP}
    client_id          {CLIENT}
    client_secret      {secret}
    Stytch project_id  {PROJECT} (same secret)
    Rownd app key      {KEY} (same secret)
    Asset              {origin}/v0/auth/token (client_id and client_secret as above)

  Try it:

    curl -i {origin}/api/auth/send-magic-link \\
      -H 'Content-Type: application/json' -d '{{\"email\": \"ada@example.com\"}}'

  Everything is kept in {data}{made}. Stop with Ctrl-C.
  Why did a link not work?  passlink events --data {data} --email ada@example.com

",
        secret = secret.expose(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_app_is_sound_and_allows_its_own_origin() {
        let secret = Secret::new("plsecret_0123456789abcdef".to_owned());
        for origin in [DEFAULT_ORIGIN, "http://[::1]:9000"] {
            let demo = demo(origin, &secret).unwrap();
            assert!(demo.settings.check().is_ok(), "{origin}: {:?}", demo.settings.check());
        }
    }

    #[test]
    fn everything_fits_on_one_screen() {
        let secret = Secret::new("plsecret_0123456789abcdef0123456789abcdef".to_owned());
        let screen = screen(DEFAULT_ORIGIN, &secret, Path::new("passlink-data"), true);
        assert!(screen.lines().count() <= 24);
        assert!(screen.lines().all(|line| line.chars().count() <= 100));
        assert!(screen.contains("/inbox") && screen.contains("/docs") && screen.contains("curl"));
    }

    #[test]
    fn other_machines_are_not_listened_to() {
        let command = Dev { data: "unused".into(), listen: "0.0.0.0:8080".parse().unwrap(), database: None };
        let error = run(&command, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("passlink serve"), "{error}");
    }
}
