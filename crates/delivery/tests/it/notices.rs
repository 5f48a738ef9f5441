//! Notices to apps' own servers.

use passlink_delivery::NoticeClient;
use passlink_testkit::webhook::{Answer, WebhookSink};

use crate::webhook::LOOPBACK;

fn client() -> NoticeClient {
    NoticeClient::new().expect("this system has certificates")
}

async fn post(url: &str, private: bool) -> Result<(), String> {
    let headers = [("asset-id", "evt_1".to_owned()), ("asset-signature", "c2ln".to_owned())];
    client().post(url, private, &headers, "{\"id\":\"evt_1\"}".to_owned()).await
}

#[tokio::test]
async fn a_notice_is_taken_by_200_alone() {
    let sink = WebhookSink::start(LOOPBACK, 0, &[]).await;
    let url = format!("http://{}/hooks?x=1", sink.address());
    for (status, taken) in [(200, true), (201, false), (204, false), (302, false), (404, false), (500, false)] {
        sink.answer_with(Answer::Status(status, vec![("location".to_owned(), url.clone())]));
        assert_eq!(post(&url, true).await.is_ok(), taken, "{status}");
    }
    let requests = sink.requests();
    assert_eq!(requests.len(), 6, "no redirect was followed, nothing tried again");
    for request in requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks?x=1"));
        let header = |name: &str| request.headers[name].to_str().expect(name).to_owned();
        assert_eq!(
            [header("content-type"), header("asset-id"), header("asset-signature")],
            ["application/json", "evt_1", "c2ln"]
        );
        assert_eq!(request.body, b"{\"id\":\"evt_1\"}");
    }
}

#[tokio::test]
async fn sec_38_private_addresses_are_called_only_where_the_operator_says_so() {
    let sink = WebhookSink::start(LOOPBACK, 0, &[]).await;
    let port = sink.address().port();
    for url in [format!("http://127.0.0.1:{port}/"), format!("https://127.0.0.1:{port}/"), format!("https://localhost:{port}/")] {
        let why = post(&url, false).await.expect_err(&url);
        assert!(!why.is_empty(), "{url}");
    }
    for url in ["http://api.example.com/", "ftp://127.0.0.1/", "https://169.254.169.254/", "nonsense"] {
        assert!(post(url, true).await.is_err(), "{url}");
    }
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_is_away_is_a_reason() {
    let sink = WebhookSink::start(LOOPBACK, 0, &[]).await;
    let url = format!("http://{}/", sink.address());
    drop(sink);
    tokio::task::yield_now().await;
    let why = post(&url, true).await.expect_err("nobody is there");
    assert!(!why.contains("/hooks") && why.contains("127.0.0.1"), "{why}");
}
