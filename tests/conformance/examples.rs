//! The examples do what their READMEs say.

use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Host, get};
use crate::{EXAMPLE_ECHO, EXAMPLE_PAIR};

#[tokio::test]
async fn echo_sends_every_message_back_and_serves_a_page() {
    let host = Host::start(EXAMPLE_ECHO).await;
    let page = get(host.address, "/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .is_some_and(|value| value.starts_with("text/html")),
        "{page:?}"
    );
    assert_eq!(get(host.address, "/echo").await.status, 426);
    assert_eq!(get(host.address, "/elsewhere").await.status, 404);
    let mut client = Client::connect(host.address, "/echo").await;
    for message in [
        Message::text("grüße"),
        Message::binary(vec![0, 255]),
        Message::text(""),
    ] {
        client.send(message.clone()).await;
        assert_eq!(client.message().await, message);
    }
    client.close(1000, "bye").await;
    client.expect_close(1000, "bye").await;
    client.expect_end().await;
}

#[tokio::test]
async fn pair_joins_the_client_to_a_service_in_the_worker() {
    let host = Host::start(EXAMPLE_PAIR).await;
    let mut client = Client::connect(host.address, "/shout").await;
    client
        .send_all((0..1_000).map(|at| format!("grüße {at}")))
        .await;
    for at in 0..1_000 {
        client.expect(&format!("GRÜSSE {at}")).await;
    }
    client.send(Message::binary(vec![1])).await;
    client.expect_close(1003, "text only").await;
    client.expect_end().await;
    assert_eq!(get(host.address, "/").await.status, 404);
}
