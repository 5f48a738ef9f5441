//! Logs to standard error, and metrics for Prometheus on an address of their own.

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::log::{Log, LogFormat};

/// Begins to log. Levels of crates we use are kept at warnings: what they tell at other levels helps nobody who runs a server, and may hold
/// what must not be logged.
///
/// # Errors
/// Logging was begun before.
pub fn log(settings: &Log) -> anyhow::Result<()> {
    let level = &settings.level;
    let ours = ["passlink_server", "passlink_engine", "passlink_store", "passlink_delivery", "passlink_http"];
    let directives = ours.iter().fold("warn".to_owned(), |all, name| format!("{all},{name}={level}"));
    let filter = EnvFilter::try_new(directives)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = match settings.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
    };
    begun.map_err(|error| anyhow::anyhow!(error))
}

/// Histograms are of seconds: from a cached answer to one that waited for a mail server.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Begins to record metrics, and makes the routes that show them. Without this call recording costs next to nothing.
///
/// # Errors
/// Recording was begun before.
pub fn record(started_at_secs: i64) -> anyhow::Result<(Router, PrometheusHandle)> {
    let handle = PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
    describe();
    metrics::gauge!("passlink_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!("process_start_time_seconds").set(started_at_secs as f64);
    Ok((routes(handle.clone()), handle))
}

fn describe() {
    metrics::describe_gauge!("passlink_build_info", "Always 1; the label says which version runs.");
    metrics::describe_gauge!("process_start_time_seconds", "When the process began, in seconds since 1970.");
    metrics::describe_gauge!("process_resident_memory_bytes", "Memory in use.");
    metrics::describe_gauge!("process_open_fds", "Open files and sockets.");
    metrics::describe_gauge!("passlink_apps", "Apps on this server.");
    metrics::describe_gauge!("passlink_outbox_messages", "Messages that wait to be sent.");
    metrics::describe_gauge!("passlink_outbox_oldest_seconds", "For how long the oldest of them has waited.");
    metrics::describe_counter!("passlink_messages_sent_total", "Attempts to send that succeeded, on this replica.");
    metrics::describe_counter!("passlink_messages_not_sent_total", "Attempts to send that did not, on this replica.");
    metrics::describe_counter!("passlink_rows_swept_total", "Expired rows removed by this replica.");
    metrics::describe_counter!("passlink_connections_cut_total", "Connections ended because they were too slow, by why.");
    metrics::describe_counter!("passlink_connections_refused_total", "Connections refused because the client had too many.");
}

fn routes(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(show)).with_state(handle)
}

async fn show(State(handle): State<PrometheusHandle>) -> impl IntoResponse {
    measure_process();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
}

/// What the kernel tells about us; nothing where there is no /proc.
fn measure_process() {
    let resident = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
    });
    if let Some(kilobytes) = resident {
        metrics::gauge!("process_resident_memory_bytes").set((kilobytes * 1024) as f64);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(files.count() as f64);
    }
}
