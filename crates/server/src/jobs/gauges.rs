//! Figures that must be asked for: how many messages wait, and for how long the oldest has.

use std::sync::Arc;

use passlink_engine::{Engine, Result};

/// Asks for them.
///
/// # Errors
/// Those of storage.
pub async fn measure(engine: Arc<Engine>) -> Result<()> {
    let (depth, oldest) = engine.outbox_depth().await?;
    let age = oldest.map_or(0, |oldest| engine.now().millis_since(oldest).max(0));
    metrics::gauge!("passlink_outbox_messages").set(depth as f64);
    metrics::gauge!("passlink_outbox_oldest_seconds").set(age as f64 / 1000.0);
    metrics::gauge!("passlink_apps").set(engine.directory().apps().len() as f64);
    Ok(())
}
