//! How a relay ends: what passes from one side to the other, and what does not.

use crate::relay::{bare, bare_with, host_with, relayed, target, text};
use crate::support::{Host, Raw, Request, Upstream, frames, until};

#[tokio::test]
async fn closes_pass_with_code_and_reason_and_so_do_their_answers() {
    let (host, mut client, mut server) = bare().await;
    client
        .write(&[frames::text("last"), frames::close(3333, "z")].concat())
        .await;
    server.expect_text("last").await;
    server.expect_close(3333, "z").await;
    server
        .write(&[text("crossing"), frames::unmasked_close(3334, "y")].concat())
        .await;
    client.expect_text("crossing").await;
    client.expect_close(3334, "y").await;
    client.expect_end().await;
    server.expect_end().await;
    over(&host, (client, server)).await;
    let (host, mut client, mut server) = bare().await;
    server
        .write(&[text("last"), frames::unmasked_close(4999, "")].concat())
        .await;
    client.expect_text("last").await;
    client.expect_close(4999, "").await;
    client.write(&frames::empty_close()).await;
    server.expect_close(1005, "").await;
    client.expect_end().await;
    server.expect_end().await;
    over(&host, (client, server)).await;
}

/// Both sides let go of their connections; wait until nothing is left of the relay.
pub(crate) async fn over<C, S>(host: &Host, sides: (C, S)) {
    drop(sides);
    until("both connections to be over", || {
        host.counters.outbound_live.get() == 0 && host.counters.sockets_live.get() == 0
    })
    .await;
}

#[tokio::test]
async fn closes_that_cross_end_both() {
    let (host, mut client, mut server) = bare().await;
    tokio::join!(
        async { client.write(&frames::close(4001, "up")).await },
        async { server.write(&frames::unmasked_close(4002, "down")).await },
    );
    server.expect_close(4001, "up").await;
    client.expect_close(4002, "down").await;
    client.expect_end().await;
    server.expect_end().await;
    over(&host, (client, server)).await;
}

#[tokio::test]
async fn a_side_that_does_not_answer_a_close_is_waited_for_so_long() {
    let (host, mut client, mut server) =
        bare_with(|config| config.limits.close_timeout_ms = 100).await;
    client.write(&frames::close(4001, "up")).await;
    server.expect_close(4001, "up").await;
    server.until_end().await;
    client.until_end().await;
    over(&host, (client, server)).await;
}

#[tokio::test]
async fn a_side_that_is_lost_ends_the_other() {
    let (host, client, mut server) = bare().await;
    client.reset();
    server.expect_end().await;
    over(&host, ((), server)).await;
    let (host, mut client, server) = bare().await;
    server.reset();
    client.expect_end().await;
    over(&host, (client, ())).await;
}

#[tokio::test]
async fn what_a_lost_side_had_sent_arrives_first() {
    let (_host, mut client, mut server) = bare().await;
    client
        .write(&[frames::text("last"), frames::text("words")].concat())
        .await;
    client.finish().await;
    server.expect_text("last").await;
    server.expect_text("words").await;
    server.expect_end().await;
}

#[tokio::test]
async fn a_violation_of_one_side_ends_the_other() {
    let (host, mut client, mut server) = bare().await;
    client
        .write(&[frames::text("fine"), frames::unmasked(0x81, b"wrong")].concat())
        .await;
    client.expect_failed(1002).await;
    server.expect_text("fine").await;
    server.expect_end().await;
    assert_eq!(host.counters.violations.get(), 1);
    over(&host, (client, server)).await;
    let (host, mut client, mut server) = bare().await;
    server
        .write(&[text("fine"), frames::text("wrong")].concat())
        .await;
    server.expect_failed(1002).await;
    client.expect_text("fine").await;
    client.expect_end().await;
    over(&host, (client, server)).await;
}

#[tokio::test]
async fn a_shutdown_closes_both_sides_with_1001() {
    let (mut host, mut client, mut server) = relayed().await;
    client.send("last").await;
    server.expect("last").await;
    host.shut_down();
    assert_eq!(client.close_frame().await.0, 1001);
    assert_eq!(server.close_frame().await.0, 1001);
    client.expect_end().await;
    server.expect_end().await;
    drop((client, server));
    host.stopped().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_leaves_no_connection() {
    let host = host_with(|_| ()).await;
    let upstream = Upstream::listen().await;
    let mut client = Raw::connect(host.address).await;
    client
        .write(&Request::upgrade(&target(&upstream)).to_bytes())
        .await;
    let (mut server, asked) = upstream.asked().await;
    client.reset();
    until("the client to be gone", || {
        host.counters.connections_live.get() == 0
    })
    .await;
    server.write(asked.switching("").as_bytes()).await;
    server.expect_close(1001, "the client is gone").await;
    server.write(&frames::unmasked_close(1001, "")).await;
    server.expect_end().await;
    over(&host, ((), server)).await;
    until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
}
