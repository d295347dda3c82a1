//! Durable objects: how they are named and reached, and what passes through a worker on the way to them.

use pairway_host::{DurableObject, Error, Hold, ObjectStatus, Server};
use tokio_tungstenite::tungstenite::Message;

use crate::ROOM;
use crate::support::{
    Answer, Client, Host, Raw, Request, config, frames, get, load, until, within,
};

async fn text(host: &Host, target: &str) -> String {
    let answer = get(host.address, target).await;
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer.text().to_owned()
}

fn binding(name: &str, class_name: &str) -> DurableObject {
    DurableObject {
        name: name.to_owned(),
        class_name: class_name.to_owned(),
        hibernate_after_ms: None,
    }
}

#[tokio::test]
async fn the_same_name_is_the_same_object_and_another_name_another() {
    let host = Host::start(ROOM).await;
    let first = text(&host, "/room/a/instance").await;
    assert_eq!(text(&host, "/room/a/instance").await, first);
    assert_ne!(text(&host, "/room/b/instance").await, first);
    assert_eq!(text(&host, "/room/a/instance").await, first);
    // Each has an instance of its own, in which it is alone.
    assert!(first.starts_with("1-"), "{first}");
    assert_eq!(host.counters.wakes.get(), 2);
}

#[tokio::test]
async fn many_who_reach_for_an_object_at_once_meet_in_it() {
    let host = Host::start(ROOM).await;
    let asking: Vec<_> = (0..50)
        .map(|_| tokio::spawn(async move { get(host.address, "/room/a/instance").await }))
        .collect();
    let mut instances = Vec::new();
    for asking in asking {
        instances.push(asking.await.expect("it is answered").text().to_owned());
    }
    instances.dedup();
    assert_eq!(instances.len(), 1, "{instances:?}");
    assert_eq!(host.counters.wakes.get(), 1);
}

#[tokio::test]
async fn an_id_is_64_digits_that_follow_from_the_name_and_the_object_knows_both() {
    let host = Host::start(ROOM).await;
    let told = text(&host, "/names/ROOM/a").await;
    let (id, name) = told.split_once(' ').expect("id and name");
    assert_eq!((id.len(), name), (64, r#"Some("a")"#));
    assert!(
        id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')),
        "{id}"
    );
    assert_eq!(text(&host, "/room/a/id").await, told);
    assert_eq!(text(&host, "/names/ROOM/a").await, told);
    assert_ne!(text(&host, "/names/ROOM/b").await, told);
    // The same name in another class is another id.
    assert_ne!(text(&host, "/names/SIDE_ROOM/a").await, told);
    // It is the same also for another host.
    assert_eq!(text(&Host::start(ROOM).await, "/names/ROOM/a").await, told);
}

#[tokio::test]
async fn an_object_is_reached_by_the_text_of_its_id_as_by_its_name() {
    let host = Host::start(ROOM).await;
    let told = text(&host, "/names/ROOM/a").await;
    let id = told.split(' ').next().unwrap_or_default();
    let instance = text(&host, "/room/a/instance").await;
    assert_eq!(
        text(&host, &format!("/id/ROOM/{id}/instance")).await,
        instance
    );
    assert_eq!(
        text(&host, &format!("/parse/ROOM/{id}")).await,
        format!("{id} None")
    );
}

#[tokio::test]
async fn a_unique_id_is_of_no_other_object_and_has_no_name() {
    let host = Host::start(ROOM).await;
    let (first, second) = (
        text(&host, "/unique/ROOM").await,
        text(&host, "/unique/ROOM").await,
    );
    assert_ne!(first, second);
    let id = first.split(' ').next().unwrap_or_default();
    assert_eq!(id.len(), 64);
    let target = |action: &str| format!("/id/ROOM/{id}/{action}");
    assert_eq!(text(&host, &target("id")).await, first);
    let instance = text(&host, &target("instance")).await;
    assert_eq!(text(&host, &target("instance")).await, instance);
}

#[tokio::test]
async fn a_text_that_is_no_id_of_the_class_is_refused() {
    let host = Host::start(ROOM).await;
    let other = text(&host, "/names/SIDE_ROOM/a").await;
    let own = text(&host, "/unique/ROOM").await;
    let (other, own) = (&other[..64], &own[..64]);
    for wrong in [
        other,
        &own[1..],
        "nonsense",
        "",
        &"0".repeat(64),
        &"g".repeat(64),
    ] {
        let target = format!("/parse/ROOM/{wrong}");
        assert_eq!(text(&host, &target).await, "InvalidObjectId", "{wrong}");
    }
    assert_eq!(
        get(host.address, &format!("/id/ROOM/{other}/id"))
            .await
            .status,
        500
    );
    assert_eq!(host.counters.object_requests.get(), 0);
}

#[tokio::test]
async fn a_binding_that_nobody_has_made_is_unknown() {
    let host = Host::start(ROOM).await;
    for target in [
        "/names/NOWHERE/a",
        "/unique/NOWHERE",
        "/parse/room/a",
        "/names/Room/a",
    ] {
        assert_eq!(text(&host, target).await, "UnknownNamespace", "{target}");
    }
}

#[tokio::test]
async fn an_object_gets_the_request_as_it_is_and_the_client_the_response_as_it_is() {
    let host = Host::start(ROOM).await;
    let answer = Request::get("/room/a/request?x=1&y=%20")
        .method("POST")
        .with("X-Test", "from the client")
        .body(b"the body")
        .send(host.address)
        .await;
    answer.expect(
        201,
        r#"POST http://worker.test/room/a/request?x=1&y=%20 "from the client" "" the body"#,
    );
    assert_eq!(answer.header("x-answer"), Some("of the object"));
    let answer = get(host.address, "/stamped/a/request").await;
    answer.expect(
        201,
        r#"GET http://worker.test/stamped/a/request "" "of the worker" "#,
    );
}

#[tokio::test]
async fn an_object_reaches_another_and_itself() {
    let host = Host::start(ROOM).await;
    let (a, b) = (
        text(&host, "/room/a/instance").await,
        text(&host, "/room/b/instance").await,
    );
    assert_eq!(text(&host, "/room/a/via/b/instance").await, b);
    assert_eq!(text(&host, "/room/a/via/a/instance").await, a);
    assert_eq!(text(&host, "/room/a/via/b/via/c/via/b/instance").await, b);
    get(host.address, "/room/a/via/b/request").await.expect(
        201,
        r#"GET http://room.test/room/b/request?via=an+object "" "" "#,
    );
}

#[tokio::test]
async fn an_error_of_a_fetch_handler_is_a_500_and_the_object_goes_on() {
    let host = Host::start(ROOM).await;
    let instance = text(&host, "/room/a/instance").await;
    assert_eq!(get(host.address, "/room/a/fail").await.status, 500);
    assert_eq!(get(host.address, "/room/b/via/a/fail").await.status, 500);
    assert_eq!(text(&host, "/room/a/instance").await, instance);
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn whoever_asks_an_object_whose_handler_fails_or_panics_is_told_what_was_wrong() {
    let host = Host::with(ROOM, |config| config.limits.failure_bytes = 1001).await;
    let told = text(&host, "/room/b/try/a/fail").await;
    assert_eq!(told, "the handler failed");
    let told = text(&host, "/room/b/try/a/fail-at-length").await;
    assert_eq!(told, "é".repeat(500), "cut at a character");
    assert_eq!(host.counters.faults.get(), 0);
    let told = text(&host, "/room/b/try/a/panic").await;
    assert!(told.starts_with("the worker trapped"), "{told}");
    assert_eq!(text(&host, "/room/b/try/a/instance").await, "answered");
}

#[tokio::test]
async fn an_object_without_a_fetch_handler_answers_404() {
    let host = Host::start(ROOM).await;
    assert_eq!(get(host.address, "/in/CLOSET/any").await.status, 404);
}

#[tokio::test]
async fn a_request_may_wait_in_an_object_while_others_are_answered() {
    let host = Host::start(ROOM).await;
    let mut waiting = Raw::connect(host.address).await;
    waiting
        .write(&Request::get("/room/a/wait").to_bytes())
        .await;
    until("the request to be there", || {
        host.counters.object_requests.get() == 1
    })
    .await;
    assert!(text(&host, "/room/a/instance").await.starts_with("1-"));
    get(host.address, "/room/a/release").await.expect(200, "");
    waiting.answer().await.expect(200, "released");
}

#[tokio::test]
async fn a_101_passes_through_a_worker_with_its_socket_and_needs_it_no_more() {
    let host = Host::start(ROOM).await;
    let mut raw = Raw::connect(host.address).await;
    raw.write(&Request::upgrade("/room/a/chat").to_bytes())
        .await;
    let answer: Answer = raw.answer().await;
    assert_eq!(answer.status, 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(answer.header("sec-websocket-protocol"), Some("chat"));
    assert_eq!(answer.header("x-room"), Some("of the object"));
    until("the worker to be gone", || {
        host.counters.instances_live.get() == 1
    })
    .await;
    raw.send("hello").await;
    raw.expect_text("hello").await;
    raw.write(&frames::ping(b"p")).await;
    assert_eq!(raw.frame().await.payload, b"p");
    raw.send("close 3333 z").await;
    raw.expect_close(3333, "z").await;
    raw.write(&frames::close(3333, "z")).await;
    raw.expect_end().await;
}

#[tokio::test]
async fn an_upgrade_that_an_object_refuses_is_the_clients_to_read() {
    let host = Host::start(ROOM).await;
    let answer = Request::upgrade("/room/a/refused").send(host.address).await;
    answer.expect(403, "not you");
    // A request that asks for no upgrade gets none, whoever would give it one.
    let plain = Request::get("/in/SIDE_ROOM/a").send(host.address).await;
    plain.expect(200, "0");
}

#[tokio::test]
async fn a_worker_may_keep_the_socket_of_an_objects_101_for_itself() {
    let host = Host::start(ROOM).await;
    let instance = text(&host, "/room/a/instance").await;
    assert_eq!(text(&host, "/talk/a/instance").await, instance);
    // The worker closed it. Both are done with it.
    within("the socket to be gone", async {
        while text(&host, "/room/a/count").await != "0" {}
    })
    .await;
    until("the worker to be gone", || {
        host.counters.instances_live.get() == 1
    })
    .await;
    assert_eq!(host.counters.faults.get(), 0);
}

#[tokio::test]
async fn sockets_of_one_object_meet_whatever_connection_they_came_over() {
    let host = Host::start(ROOM).await;
    let mut first = Client::connect(host.address, "/room/a/socket").await;
    let mut second = Client::connect(host.address, "/room/a/socket").await;
    let mut elsewhere = Client::connect(host.address, "/room/b/socket").await;
    first.send("others hello").await;
    second.expect("hello").await;
    first.expect("reached 1").await;
    elsewhere.ask("all alone", "alone").await;
    assert_eq!(elsewhere.message().await, Message::text("reached 1"));
}

#[tokio::test]
async fn a_binding_of_the_configuration_leads_to_its_class_in_place_of_the_one_made_by_itself() {
    let host = Host::with(ROOM, |config| {
        config.durable_objects = vec![binding("HALL", "Room"), binding("YARD", "Room")];
    })
    .await;
    let told = text(&host, "/in/HALL/a/id").await;
    assert_eq!(
        text(&host, "/names/YARD/a").await,
        told,
        "one class, one object"
    );
    assert_eq!(text(&host, "/names/ROOM/a").await, "UnknownNamespace");
    // The other class has its own still.
    assert_eq!(text(&host, "/in/SIDE_ROOM/a").await, "0");
}

async fn refusal(worker: &'static str, durable_objects: Vec<DurableObject>) -> String {
    let mut config = config();
    config.durable_objects = durable_objects;
    let worker = load(worker, &config).await.expect("the worker loads");
    match Server::bind(worker, &config).await {
        Err(Error::Config(text)) => text,
        other => panic!("no error of the configuration: {other:?}"),
    }
}

#[tokio::test]
async fn a_binding_that_leads_nowhere_is_told_when_the_server_starts() {
    let told = refusal(ROOM, vec![binding("ROOM", "Rom")]).await;
    for word in ["ROOM", "\"Rom\"", "Room", "SideRoom", "Closet"] {
        assert!(told.contains(word), "{word} is not in {told:?}");
    }
    let told = refusal(
        ROOM,
        vec![binding("ROOM", "Room"), binding("ROOM", "SideRoom")],
    )
    .await;
    assert!(told.contains("ROOM") && told.contains("twice"), "{told:?}");
}

/// What is said of the only object that is known.
fn only(host: &Host) -> ObjectStatus {
    match &host.objects.list()[..] {
        [status] => status.clone(),
        list => panic!("not one object: {list:?}"),
    }
}

#[tokio::test]
async fn a_server_says_which_objects_there_are_and_what_holds_them() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 50).await;
    assert_eq!(host.objects.list(), []);
    let mut raw = Raw::open(host.address, "/room/a/socket").await;
    let _other = Raw::open(host.address, "/room/a/socket").await;
    let status = only(&host);
    let told = get(host.address, "/room/a/id").await;
    assert_eq!(
        (&status.class[..], status.name.as_deref(), status.sockets),
        ("Room", Some("a"), 2)
    );
    assert!(told.text().starts_with(&status.id), "{status:?}");
    raw.send("wait").await;
    raw.expect_text("waiting").await;
    until("the handler to hold it", || {
        only(&host).holds == [Hold::Handler]
    })
    .await;
    assert!(only(&host).is_awake);
    get(host.address, "/room/a/release").await;
    raw.expect_text("released").await;
    // It sleeps, and is known for its sockets.
    until("it to hibernate", || !only(&host).is_awake).await;
    assert_eq!((only(&host).sockets, only(&host).holds), (2, Vec::new()));
}

#[tokio::test]
async fn an_object_without_sockets_is_forgotten_when_it_hibernates() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 50).await;
    get(host.address, "/room/a/instance").await;
    until("it to be forgotten", || host.objects.list().is_empty()).await;
    let raw = Raw::open(host.address, "/in/SIDE_ROOM/b").await;
    assert_eq!(only(&host).class, "SideRoom");
    raw.reset();
    until("it to be forgotten", || host.objects.list().is_empty()).await;
}
