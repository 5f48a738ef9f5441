//! Telling apps' own servers what happened.

use std::sync::Arc;

use passlink_delivery::NoticeClient;
use passlink_engine::notices::DueNotice;
use passlink_engine::{Engine, Result};
use passlink_http::dialects::asset::notice::Webhook;
use tokio::task::JoinSet;

/// Notices of one round.
const ROUND: u32 = 16;

/// Sends what is due; answers whether the round was full, so that there may be more.
///
/// # Errors
/// Those of storage.
pub async fn round(engine: Arc<Engine>, client: Arc<NoticeClient>) -> Result<bool> {
    let due = engine.claim_notices(ROUND).await?;
    let is_full = due.len() >= ROUND as usize;
    let mut sending = JoinSet::new();
    for due in due {
        let (engine, client) = (Arc::clone(&engine), Arc::clone(&client));
        sending.spawn(async move { send(&engine, &client, &due).await });
    }
    // One that ends badly is tried again when its lease runs out.
    sending.join_all().await.into_iter().collect::<Result<()>>()?;
    Ok(is_full)
}

async fn send(engine: &Engine, client: &NoticeClient, due: &DueNotice) -> Result<()> {
    let webhook = Webhook::of(&due.notice);
    let outcome = match engine.sign_notice(due, webhook.signed().as_bytes()).await {
        Ok(signature) => {
            let headers = [("asset-id", webhook.id), ("asset-signature", signature)];
            client.post(&due.url, due.app.settings.notice_private_addresses, &headers, webhook.body).await
        }
        Err(error) => Err(error.log_line()),
    };
    if let Err(why) = &outcome {
        tracing::warn!(app = due.app.name, attempt = due.attempt, why, "a notice was not taken");
    }
    metrics::counter!("passlink_notices_total", "taken" => if outcome.is_ok() { "yes" } else { "no" }).increment(1);
    engine.finish_notice(due, outcome).await
}
