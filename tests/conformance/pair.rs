//! The two ends of a pair, before and besides a client.

use crate::ENDS;
use crate::support::{Client, Host, get, until};

/// The lines with which the guest answers.
async fn lines(target: &str) -> Vec<String> {
    let host = Host::start(ENDS).await;
    let answer = get(host.address, target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Pairs that stay within the instance do not keep it.
    until("the instance to be gone", || {
        host.counters.instances_live.get() == 0
    })
    .await;
    answer.text().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn both_ends_are_open_from_birth_and_bare() {
    let end = r#"ReadyState::Open None "" "" 0"#;
    assert_eq!(
        lines("/birth").await,
        [end, end, "distinct true", "unknown id true"]
    );
}

#[tokio::test]
async fn an_end_must_be_accepted_before_it_sends_or_closes() {
    assert_eq!(
        lines("/unaccepted").await,
        [
            "NotAccepted",
            "NotAccepted",
            "NotAccepted",
            "ok",
            "ok",
            "ok",
            "ok",
            "NotAccepted"
        ]
    );
}

#[tokio::test]
async fn both_ends_can_stay_in_one_worker_and_talk() {
    let expected = [
        "1 message [1, 2, 3]",
        "1 close 4001 true bye",
        "2 message sent before the other end was accepted",
        "2 close 4001 true bye",
    ];
    assert_eq!(lines("/local").await, expected);
}

#[tokio::test]
async fn what_an_end_sent_is_kept_until_the_other_is_accepted() {
    let expected = [
        "1 close 1005 true ",
        "2 message one",
        "2 message two",
        "2 message three",
        "2 close 1005 true ",
    ];
    assert_eq!(lines("/kept").await, expected);
}

#[tokio::test]
async fn an_end_that_is_dropped_unaccepted_closes_the_other_with_1011() {
    let lines = lines("/dropped").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("1 close 1011 true "), "{lines:?}");
}

#[tokio::test]
async fn which_end_goes_to_the_client_is_convention() {
    let host = Host::start(ENDS).await;
    let mut client = Client::connect(host.address, "/swapped").await;
    client.expect("from the first end").await;
}

#[tokio::test]
async fn an_end_that_left_in_a_response_is_used_up() {
    let host = Host::start(ENDS).await;
    let mut client = Client::connect(host.address, "/left").await;
    // Whether a handle is still to be had of it or not.
    let word = client.text().await;
    assert!(
        ["no handle", "AlreadyUsed"].contains(&word.as_str()),
        "{word}"
    );
}

#[tokio::test]
async fn a_broadcast_reaches_accepted_sockets_that_are_open_and_passes_over_others() {
    assert_eq!(lines("/broadcast").await, ["2"]);
}

#[tokio::test]
async fn an_attachment_stays_with_its_socket_up_to_its_limit() {
    let expected = [
        "none",
        "ok",
        "16384",
        "AttachmentTooLarge(16384)",
        "16384",
        "ok",
        "0",
        "ok",
        "none",
    ];
    assert_eq!(lines("/attachment").await, expected);
}

#[tokio::test]
async fn outside_an_object_its_functions_are_refused_and_change_nothing() {
    let lines = lines("/outside").await;
    let (accepted_afterwards, refused) = lines.split_last().unwrap();
    for line in refused {
        assert!(
            line == "NotAnObject" || line.starts_with("Unsupported"),
            "{lines:?}"
        );
    }
    assert_eq!(accepted_afterwards, "ok");
}

#[tokio::test]
async fn a_worker_reaches_no_other_server_unless_its_configuration_names_it() {
    let lines = lines("/outside-hosts").await;
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.starts_with("NotAllowed")),
        "{lines:?}"
    );
}
