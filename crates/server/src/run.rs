//! A server from its first moment to its last: what `serve` and `dev` share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::assemble::{self, Assembled};
use crate::config::Config;
use crate::listener::tls::{Certificate, LOOK_EVERY};
use crate::listener::{Listener, bind};
use crate::stop::{Stop, Stopper, stop};
use crate::{jobs, telemetry};

/// A server that is ready to run.
pub struct Ready {
    /// The engine and what wakes it.
    pub assembled: Assembled,
    listener: Listener,
    certificate: Option<Arc<Certificate>>,
    metrics: Option<Metrics>,
    sends_mail: bool,
    stop_listening: Stopper,
    listening: Stop,
}

struct Metrics {
    listener: Listener,
    handle: metrics_exporter_prometheus::PrometheusHandle,
}

/// Puts everything together around a bound address; nothing is served yet.
///
/// # Errors
/// A sentence that says what to do.
pub async fn prepare(config: &Config, listener: TcpListener, dev: bool) -> anyhow::Result<Ready> {
    let certificate = config.server.tls.clone().map(Certificate::load).transpose()?;
    let metrics_listener = match config.server.metrics_listen {
        Some(address) => Some(bind(address, "server.metrics_listen").await?),
        None => None,
    };
    let sql = assemble::open_store(config).await?;
    if config.database.migrate_at_start {
        for name in sql.migrate().await.map_err(crate::output::told)? {
            tracing::info!(name, "migrated");
        }
    } else {
        assemble::check_migrated(&sql).await?;
    }
    let assembled = assemble::start(config, sql).await?;
    assemble::declare(&assembled.engine, config).await?;
    let settings = config.server.listener.clone();
    let metrics = match metrics_listener {
        Some(listener) => {
            let (router, handle) = telemetry::record(assembled.engine.now().as_secs())?;
            Some(Metrics { listener: Listener { listener, router, tls: None, settings: settings.clone() }, handle })
        }
        None => None,
    };
    let (stop_listening, listening) = stop();
    let router = assemble::router(&assembled.engine, config, dev, &listening)?;
    let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
    Ok(Ready {
        assembled,
        listener: Listener { listener, router, tls, settings },
        certificate,
        metrics,
        sends_mail: config.server.sends_mail,
        stop_listening,
        listening,
    })
}

impl Ready {
    /// Serves until `word` comes, then lets requests and messages in progress end.
    ///
    /// # Errors
    /// A job ended by itself, so that the server is of no use any more.
    pub async fn run(self, word: impl Future<Output = &'static str>) -> anyhow::Result<()> {
        let drain = self.listener.settings.drain_timeout;
        // Requests in progress may still queue mail: jobs hear the word after the listener is done.
        let (stop_jobs, working) = stop();
        let wake = self.sends_mail.then(|| Arc::clone(&self.assembled.wake));
        let mut jobs = jobs::start(&self.assembled.engine, &self.assembled.notices, wake, &working);
        spawn_helpers(&mut jobs, self.certificate, self.metrics, &working);
        let mut server = tokio::spawn(self.listener.run(self.listening));
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
        let ended = tokio::select! {
            signal = word => {
                tracing::info!(signal, "stopping");
                None
            }
            ended = jobs.join_next() => Some(format!("a job ended by itself: {ended:?}")),
            ended = &mut server => Some(format!("the listener ended by itself: {ended:?}")),
        };
        let deadline = tokio::time::Instant::now() + drain;
        self.stop_listening.stop();
        if !server.is_finished() && !server.await.unwrap_or(false) {
            tracing::warn!("requests were cut off, for they took longer than the time for draining");
        }
        stop_jobs.stop();
        let all = async { while jobs.join_next().await.is_some() {} };
        if tokio::time::timeout_at(deadline.max(tokio::time::Instant::now() + Duration::from_millis(250)), all).await.is_err() {
            tracing::warn!("messages in progress were left to be sent again");
        }
        match ended {
            None => Ok(()),
            Some(what) => anyhow::bail!(what),
        }
    }
}

fn spawn_helpers(set: &mut JoinSet<()>, certificate: Option<Arc<Certificate>>, metrics: Option<Metrics>, stop: &Stop) {
    if let Some(certificate) = certificate {
        set.spawn(certificate.watch(LOOK_EVERY, stop.clone()));
    }
    if let Some(Metrics { listener, handle }) = metrics {
        let (listening, upkeep) = (stop.clone(), stop.clone());
        set.spawn(async move {
            listener.run(listening).await;
        });
        let tidy = move || {
            handle.run_upkeep();
            std::future::ready(Ok(()))
        };
        set.spawn(jobs::repeat::every("metrics", Duration::from_secs(5), tidy, upkeep));
    }
}
