//! The examples do what their READMEs say.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Folder, Host, Request, get, until};
use crate::{EXAMPLE_CHAT, EXAMPLE_COUNTER, EXAMPLE_ECHO, EXAMPLE_PAIR};

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

async fn post(host: &Host, target: &str) -> String {
    let request = Request::get(target).method("POST");
    let answer = request.body(b"").send(host.address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

/// Wait until no object has an instance; gives how often one has woken.
async fn asleep(host: &Host) -> u64 {
    let counters = &host.counters;
    until("the objects to hibernate", || {
        counters.objects_awake_live.get() == 0
    })
    .await;
    counters.wakes.get()
}

/// A member of the room `lobby`.
struct Member(Client);

impl Member {
    /// Join, and give the welcome.
    async fn join(host: &Host, name: &str) -> (Self, Value) {
        let target = format!("/room/lobby/socket?name={name}");
        let mut member = Self(Client::connect(host.address, &target).await);
        let welcome = member.hears().await;
        assert_eq!(
            (&welcome["type"], &welcome["you"]),
            (&json!("welcome"), &json!(name))
        );
        (member, welcome)
    }

    /// The next event, without the time that may stand in it.
    async fn hears(&mut self) -> Value {
        let mut event: Value = serde_json::from_str(&self.0.text().await).expect("events are JSON");
        let fields = event.as_object_mut().expect("an event is an object");
        fields.remove("at");
        event
    }

    async fn says(&mut self, text: &str) {
        self.0
            .send(json!({"type": "say", "text": text}).to_string())
            .await;
    }
}

fn said(name: &str, text: &str) -> Value {
    json!({"type": "said", "name": name, "text": text})
}

#[tokio::test]
async fn chat_tells_its_members_who_comes_what_is_said_and_who_goes() {
    let host = Host::start(EXAMPLE_CHAT).await;
    let (mut ada, welcome) = Member::join(&host, "Ada").await;
    assert_eq!(
        (&welcome["here"], &welcome["history"]),
        (&json!(["Ada"]), &json!([]))
    );
    ada.says("is anybody here?").await;
    assert_eq!(ada.hears().await, said("Ada", "is anybody here?"));
    let (mut bob, welcome) = Member::join(&host, "Bob").await;
    assert_eq!(welcome["here"], json!(["Ada", "Bob"]));
    assert_eq!(welcome["history"][0]["text"], "is anybody here?");
    assert_eq!(ada.hears().await, json!({"type": "joined", "name": "Bob"}));
    bob.says("yes").await;
    for member in [&mut ada, &mut bob] {
        assert_eq!(member.hears().await, said("Bob", "yes"));
    }
    bob.says(&"x".repeat(2_001)).await;
    assert_eq!(bob.hears().await["type"], "refused");
    bob.0.close(1000, "bye").await;
    bob.0.expect_close(1000, "bye").await;
    assert_eq!(ada.hears().await, json!({"type": "left", "name": "Bob"}));
    // Without a Close as well.
    let (carl, _) = Member::join(&host, "Carl").await;
    assert_eq!(ada.hears().await, json!({"type": "joined", "name": "Carl"}));
    drop(carl);
    assert_eq!(ada.hears().await, json!({"type": "left", "name": "Carl"}));
}

#[tokio::test]
async fn chat_says_why_a_name_is_refused_and_serves_its_page() {
    let host = Host::start(EXAMPLE_CHAT).await;
    let mut nobody = Client::connect(host.address, "/room/lobby/socket?name=%20").await;
    nobody.expect_close(1008, "Please give a name.").await;
    nobody.expect_end().await;
    for (target, status) in [
        ("/", 200),
        ("/room/lobby", 200),
        ("/room/Lobby", 404),
        ("/room/lobby/socket?name=Ada", 426),
    ] {
        assert_eq!(get(host.address, target).await.status, status, "{target}");
    }
}

#[tokio::test]
async fn chat_hibernates_with_its_sockets_open_and_answers_pings_asleep() {
    let host = Host::with(EXAMPLE_CHAT, |config| config.limits.hibernate_after_ms = 50).await;
    let (mut ada, _) = Member::join(&host, "Ada").await;
    let (mut bob, _) = Member::join(&host, "Bob").await;
    assert_eq!(ada.hears().await, json!({"type": "joined", "name": "Bob"}));
    let wakes = asleep(&host).await;
    for _ in 0..3 {
        ada.0.ask("ping", "pong").await;
    }
    assert_eq!(host.counters.wakes.get(), wakes);
    assert_eq!(host.counters.auto_responses.get(), 3);
    bob.says("good morning").await;
    assert_eq!(ada.hears().await, said("Bob", "good morning"));
    assert_eq!(host.counters.wakes.get(), wakes + 1);
    asleep(&host).await;
    bob.0.close(1000, "").await;
    assert_eq!(ada.hears().await, json!({"type": "left", "name": "Bob"}));
    assert_eq!(host.counters.sockets.get(), 2);
}

#[tokio::test]
async fn chat_keeps_its_history_over_a_restart_of_the_host() {
    let folder = Folder::new("chat-history");
    let texts = ["one", "two"];
    for (at, text) in texts.into_iter().enumerate() {
        let host = Host::with(EXAMPLE_CHAT, |config| {
            config.data_dir = Some(folder.path().to_owned());
        })
        .await;
        let (mut ada, welcome) = Member::join(&host, "Ada").await;
        let lines = welcome["history"]
            .as_array()
            .expect("the history is a list");
        let before: Vec<_> = lines.iter().map(|line| line["text"].clone()).collect();
        assert_eq!(before, texts[..at]);
        ada.says(text).await;
        assert_eq!(ada.hears().await, said("Ada", text));
        ada.0.close(1000, "").await;
        ada.0.expect_close(1000, "").await;
        host.stopped().await;
    }
}

#[tokio::test]
async fn counter_counts_each_name_for_itself_and_shows_who_watches() {
    let host = Host::with(EXAMPLE_COUNTER, |config| {
        config.limits.hibernate_after_ms = 50;
    })
    .await;
    let mut live = Client::connect(host.address, "/tea/live").await;
    live.expect("0").await;
    for number in ["1", "2", "3"] {
        asleep(&host).await;
        assert_eq!(post(&host, "/tea/increment").await, number);
        live.expect(number).await;
    }
    get(host.address, "/tea").await.expect(200, "3");
    get(host.address, "/coffee").await.expect(200, "0");
    assert_eq!(get(host.address, "/").await.status, 404);
    assert_eq!(host.counters.sockets.get(), 1);
}

#[tokio::test]
async fn counter_is_set_to_zero_by_its_alarm() {
    let host = Host::start(EXAMPLE_COUNTER).await;
    post(&host, "/tea/increment").await;
    let mut live = Client::connect(host.address, "/tea/live").await;
    live.expect("1").await;
    assert_eq!(post(&host, "/tea/reset-in/1").await, "zero in 1 s");
    live.expect("0").await;
    assert_eq!(host.counters.alarms.get(), 1);
    get(host.address, "/tea").await.expect(200, "0");
}
