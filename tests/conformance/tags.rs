//! Tags: how sockets of an object are found again.

use crate::ROOM;
use crate::hibernatable::{bare, observed_at};
use crate::support::{Client, Host, Observer, Raw, Request, frames, get, until};

/// Sockets of the lobby with these tags, or without any.
async fn tagged(host: &Host, tags: Option<&str>) -> Client {
    let target = match tags {
        Some(tags) => format!("/room/lobby/socket?tags={tags}"),
        None => "/room/lobby/socket".to_owned(),
    };
    Client::connect(host.address, &target).await
}

async fn found(host: &Host, tag: &str) -> String {
    let answer = get(host.address, &format!("/room/lobby/count/{tag}")).await;
    answer.text().to_owned()
}

#[tokio::test]
async fn a_tag_finds_exactly_the_sockets_that_have_it() {
    let host = Host::start(ROOM).await;
    let mut red = tagged(&host, Some("red")).await;
    let mut both = tagged(&host, Some("red,blue")).await;
    let mut bare = tagged(&host, None).await;
    let mut empty = tagged(&host, Some("")).await;
    for (tag, count) in [
        ("red", "2"),
        ("blue", "1"),
        ("green", "0"),
        // The empty tag is one like any other, and not the lack of tags.
        ("", "1"),
        ("re", "0"),
        ("Red", "0"),
        ("red,blue", "0"),
    ] {
        assert_eq!(found(&host, tag).await, count, "{tag:?}");
    }
    for (client, answers) in [
        (&mut red, ["true", "false", "false"]),
        (&mut both, ["true", "true", "false"]),
        (&mut bare, ["false", "false", "false"]),
        (&mut empty, ["false", "false", "true"]),
    ] {
        client.ask("found red", answers[0]).await;
        client.ask("found blue", answers[1]).await;
        client.ask("found ", answers[2]).await;
    }
}

#[tokio::test]
async fn duplicates_collapse_and_the_order_stays() {
    let host = Host::start(ROOM).await;
    tagged(&host, Some("b,a,,b,a,"))
        .await
        .ask("tags", r#"["b", "a", ""]"#)
        .await;
    tagged(&host, None).await.ask("tags", "[]").await;
}

#[tokio::test]
async fn tags_have_their_bounds_and_a_refusal_changes_nothing() {
    let refusals = [
        "TooManyTags(10)",
        // An eleventh is one too many also if it is there already.
        "TooManyTags(10)",
        "TagTooLong(256)",
        "TagTooLong(256)",
    ];
    let lines = bare("/tags").await;
    assert_eq!(lines[..4], refusals);
    assert_eq!(lines[4..7], ["NotAccepted", "ok", "b,a,"]);
    assert_eq!(lines[7..11], refusals);
    assert_eq!(lines[11..15], ["b,a,", "ok", "ok", "ok"]);
    assert_eq!(lines[15..], ["c,b", "found by a false", "found by b true"]);
}

#[tokio::test]
async fn the_bounds_on_tags_are_the_operators() {
    let host = Host::with(ROOM, |config| {
        config.limits.tags = 2;
        config.limits.tag_bytes = 10;
    })
    .await;
    let answer = async |tags: &str| {
        let request = Request::upgrade(&format!("/room/lobby/socket?tags={tags}"));
        request.send(host.address).await
    };
    answer("a,b,c").await.expect(409, "TooManyTags");
    answer("elevenbytes").await.expect(409, "TagTooLong");
    assert_eq!(get(host.address, "/room/lobby/count").await.text(), "0");
    tagged(&host, Some("a,tenbytesss"))
        .await
        .ask("hello", "hello")
        .await;
}

#[tokio::test]
async fn a_socket_of_which_the_tags_are_refused_can_still_be_taken() {
    let host = Host::start(ROOM).await;
    let tags: Vec<String> = (0..11).map(|at| at.to_string()).collect();
    let target = format!("/room/lobby/socket?tags={}", tags.join(","));
    let refused = Request::upgrade(&target).send(host.address).await;
    refused.expect(409, "TooManyTags");
    let target = format!("/room/lobby/socket?tags={}", tags[..10].join(","));
    let mut client = Client::connect(host.address, &target).await;
    client.ask("found 9", "true").await;
}

#[tokio::test]
async fn tags_can_be_changed_and_the_socket_is_found_by_the_new_ones_alone() {
    let host = Host::start(ROOM).await;
    let mut client = tagged(&host, Some("red,blue")).await;
    let mut other = tagged(&host, Some("red")).await;
    client.ask("set-tags green yellow green", "ok").await;
    client.ask("tags", r#"["green", "yellow"]"#).await;
    for (tag, count) in [("red", "1"), ("blue", "0"), ("green", "1"), ("yellow", "1")] {
        assert_eq!(found(&host, tag).await, count, "{tag}");
    }
    client.ask("add-tag red", "ok").await;
    client.ask("add-tag red", "ok").await;
    client.ask("tags", r#"["green", "yellow", "red"]"#).await;
    assert_eq!(found(&host, "red").await, "2");
    client.ask("remove-tag green", "true").await;
    client.ask("remove-tag green", "false").await;
    client.ask("tags", r#"["yellow", "red"]"#).await;
    assert_eq!(found(&host, "green").await, "0");
    client.ask("set-tags", "ok").await;
    client.ask("tags", "[]").await;
    // The other is what it was.
    other.ask("tags", r#"["red"]"#).await;
    assert_eq!(found(&host, "red").await, "1");
}

#[tokio::test]
async fn new_tags_that_are_refused_leave_the_old_ones() {
    let host = Host::start(ROOM).await;
    let mut client = tagged(&host, Some("red,blue")).await;
    client
        .ask("set-tags a b c d e f g h i j k", "TooManyTags")
        .await;
    let long = "x".repeat(257);
    client.ask(&format!("add-tag {long}"), "TagTooLong").await;
    client.ask("tags", r#"["red", "blue"]"#).await;
    assert_eq!(found(&host, "red").await, "1");
    assert_eq!(found(&host, "a").await, "0");
}

#[tokio::test]
async fn tags_are_known_in_the_handler_of_the_end_and_find_nobody_afterwards() {
    let (host, mut observer, mut raw) =
        observed_at("/room/lobby/socket?tags=red&attach=mine").await;
    raw.send("add-tag blue").await;
    raw.expect_text("ok").await;
    assert_eq!(found(&host, "blue").await, "1");
    raw.write(&frames::close(1000, "")).await;
    raw.expect_close(1000, "").await;
    raw.expect_end().await;
    observer.expect("message Open add-tag blue").await;
    observer.expect("close 1000 true Closed Closed ok ").await;
    observer.expect("left true red,blue mine").await;
    assert_eq!(found(&host, "red").await, "0");
    assert_eq!(found(&host, "blue").await, "0");
}

#[tokio::test]
async fn tags_outlive_the_instance() {
    let host = Host::with(ROOM, |config| config.limits.hibernate_after_ms = 100).await;
    let mut client = tagged(&host, Some("red,blue")).await;
    client.ask("add-tag green", "ok").await;
    client.ask("remove-tag blue", "true").await;
    until("the object to hibernate", || {
        host.counters.hibernations.get() == 1
    })
    .await;
    client.ask("tags", r#"["red", "green"]"#).await;
    assert_eq!(host.counters.wakes.get(), 2);
    for (tag, count) in [("red", "1"), ("blue", "0"), ("green", "1")] {
        assert_eq!(found(&host, tag).await, count, "{tag}");
    }
}

#[tokio::test]
async fn a_tag_of_many_sockets_keeps_up_with_their_coming_and_going() {
    let host = Host::start(ROOM).await;
    let mut observer = Observer::connect(host.address).await;
    let mut members = Vec::new();
    for at in 0..40 {
        let tag = if at % 2 == 0 { "even" } else { "odd" };
        let target = format!("/room/lobby/socket?tags={tag},all");
        members.push(Raw::open(host.address, &target).await);
    }
    assert_eq!(found(&host, "even").await, "20");
    let mut staying = Vec::new();
    for (at, raw) in members.into_iter().enumerate() {
        if at % 2 == 0 {
            raw.reset();
            let line = observer.line().await;
            assert!(line.starts_with("close 1006"), "{line}");
        } else {
            assert_eq!(found(&host, "all").await, (40 - at / 2 - 1).to_string());
            staying.push(raw);
        }
    }
    assert_eq!(found(&host, "even").await, "0");
    assert_eq!(found(&host, "odd").await, "20");
    assert_eq!(found(&host, "all").await, "20");
}
