//! What Prometheus reads.

use passlink_server::listener::ListenerSettings;
use passlink_server::telemetry;

use crate::support::serve;

#[tokio::test]
async fn metrics_are_shown_on_their_own_listener() {
    let (router, handle) = telemetry::record(1_800_000_000).expect("nothing else records in this process");
    metrics::counter!("passlink_test_total").increment(2);
    handle.run_upkeep();
    let running = serve(router, ListenerSettings::default()).await;
    let answer = running.get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for line in [
        "passlink_build_info{version=",
        "process_start_time_seconds 1800000000",
        "passlink_test_total 2",
        "process_resident_memory_bytes ",
    ] {
        assert!(answer.contains(line), "{line} is not in {answer}");
    }
    assert!(running.get("/").await.starts_with("HTTP/1.1 404"), "nothing else is there");
}
