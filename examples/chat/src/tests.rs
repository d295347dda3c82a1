//! The chat without a host and without a network.

use crate::fetch;
use crate::limits::{self, Pace};
use crate::room::Room;
use pairway::*;
use serde::Deserialize;

/// An event as the page reads it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Seen {
    Welcome {
        here: Vec<String>,
        history: Vec<Line>,
    },
    Joined {
        name: String,
    },
    Left {
        name: String,
    },
    Said(Line),
    Refused {
        why: String,
    },
}

#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    name: String,
    text: String,
}

fn line(name: &str, text: &str) -> Line {
    Line {
        name: name.into(),
        text: text.into(),
    }
}

fn said(name: &str, text: &str) -> Seen {
    Seen::Said(line(name, text))
}

fn joined(name: &str) -> Seen {
    Seen::Joined { name: name.into() }
}

fn left(name: &str) -> Seen {
    Seen::Left { name: name.into() }
}

/// A page in a room.
struct Page(WebSocket);

impl Page {
    async fn open(name: &str) -> Self {
        testing::bind_object::<Room>("ROOM");
        let uri = format!("http://localhost/room/lobby/socket?name={name}");
        Self(testing::connect(fetch, &uri).await.unwrap())
    }

    /// Join, and give who is here.
    async fn join(name: &str) -> (Self, Vec<String>) {
        let mut page = Self::open(name).await;
        let Seen::Welcome { here, .. } = page.sees().await else {
            panic!("not welcome")
        };
        (page, here)
    }

    async fn sees(&mut self) -> Seen {
        self.0.recv().await.unwrap().unwrap().json().unwrap()
    }

    fn says(&self, text: &str) {
        let command = std::collections::BTreeMap::from([("type", "say"), ("text", text)]);
        self.0.send_json(&command).unwrap();
    }
}

#[test]
fn members_hear_each_other_come_speak_and_go() {
    testing::run(async {
        let (mut ada, here) = Page::join("Ada").await;
        assert_eq!(here, ["Ada"]);
        let (mut bob, here) = Page::join("Bob").await;
        assert_eq!(here, ["Ada", "Bob"]);
        assert_eq!(ada.sees().await, joined("Bob"));
        bob.says(" hello ");
        assert_eq!(ada.sees().await, said("Bob", "hello"));
        assert_eq!(bob.sees().await, said("Bob", "hello"));
        bob.0.close().unwrap();
        assert_eq!(ada.sees().await, left("Bob"));
    });
}

#[test]
fn one_name_is_one_member_however_many_sockets_it_has() {
    testing::run(async {
        let (mut ada, _) = Page::join("Ada").await;
        let (bob, _) = Page::join("Bob").await;
        let (bob_again, here) = Page::join("Bob").await;
        assert_eq!(here, ["Ada", "Bob"]);
        testing::disconnect(&bob.0);
        ada.says("still there?");
        bob_again.0.close().unwrap();
        assert_eq!(ada.sees().await, joined("Bob"));
        assert_eq!(ada.sees().await, said("Ada", "still there?"));
        assert_eq!(ada.sees().await, left("Bob"));
    });
}

#[test]
fn the_history_is_the_last_hundred_lines_and_outlives_the_instance() {
    testing::run(async {
        let (mut ada, _) = Page::join("Ada").await;
        for number in 0..105 {
            ada.says(&number.to_string());
            assert_eq!(ada.sees().await, said("Ada", &number.to_string()));
            // Not too fast. A room asleep has also forgotten how fast it was.
            assert_eq!(testing::hibernate(), 1);
        }
        let Seen::Welcome { history, .. } = Page::open("Bob").await.sees().await else {
            panic!("not welcome")
        };
        let texts = (5..105).map(|number| line("Ada", &number.to_string()));
        assert_eq!(history, texts.collect::<Vec<_>>());
    });
}

#[test]
fn a_ping_is_answered_in_the_rooms_sleep() {
    testing::run(async {
        let (mut ada, _) = Page::join("Ada").await;
        assert_eq!(testing::hibernate(), 1);
        ada.0.send("ping").unwrap();
        assert_eq!(ada.0.recv().await, Ok(Some(Message::from("pong"))));
        assert_eq!(testing::hibernate(), 0);
    });
}

#[test]
fn what_is_not_taken_is_refused_with_a_reason_and_nobody_hears_it() {
    testing::run(async {
        let (mut ada, _) = Page::join("Ada").await;
        for _ in 0..3 {
            ada.says(" \n ");
            ada.says(&"x".repeat(2_001));
            ada.0.send(&[0xff]).unwrap();
        }
        ada.says("ten");
        ada.says("eleven");
        let mut reasons = Vec::new();
        for _ in 0..11 {
            let seen = ada.sees().await;
            if let Seen::Refused { why } = seen {
                reasons.push(why);
            } else {
                assert_eq!(seen, said("Ada", "ten"));
            }
        }
        assert_eq!(reasons[0], "A message without a text is none.");
        assert_eq!(reasons[1], "A message has at most 2,000 characters.");
        assert_eq!(reasons[2], "The room did not understand that.");
        assert!(reasons[9].starts_with("That was a lot at once."));
    });
}

#[test]
fn a_name_that_is_none_gets_a_close_that_says_so() {
    testing::run(async {
        let mut page = Page::open("%20").await;
        assert_eq!(page.0.recv().await, Ok(None));
        let end = page.0.close_event().unwrap();
        assert_eq!(end.close_code(), CloseCode::PolicyViolation);
        assert_eq!(end.reason, "Please give a name.");
    });
}

#[test]
fn names_texts_and_rooms_have_their_bounds() {
    assert_eq!(limits::name("  Ada Lovelace "), Ok("Ada Lovelace"));
    assert_eq!(limits::name(&"ü".repeat(32)), Ok("ü".repeat(32).as_str()));
    assert!(limits::name(&"ü".repeat(33)).is_err());
    assert!(limits::name("a\nb").is_err());
    assert_eq!(limits::text("\ntwo\nlines "), Ok("two\nlines"));
    assert!(limits::text(&"ü".repeat(2_000)).is_ok());
    for (room, is_one) in [
        ("lobby-2", true),
        ("", false),
        ("Lobby", false),
        ("a/b", false),
    ] {
        assert_eq!(limits::is_room(room), is_one, "{room}");
    }
    assert!(!limits::is_room(&"x".repeat(33)));
}

#[test]
fn ten_lines_in_five_seconds_are_enough() {
    let mut pace = Pace::default();
    let now = 1_700_000_000_000;
    assert!((0..10).all(|passed| pace.allows(now + passed).is_ok()));
    assert!(pace.allows(now + 4_999).is_err());
    assert!(pace.allows(now + 5_000).is_ok());
}

#[test]
fn the_page_is_served_for_the_chat_and_for_each_room() {
    testing::run(async {
        testing::bind_object::<Room>("ROOM");
        let status = async |path: &str| {
            let request = Request::new(format!("http://localhost{path}"), Method::Get);
            testing::fetch(fetch, request).await.status_code()
        };
        assert_eq!(status("/").await, 200);
        assert_eq!(status("/room/lobby").await, 200);
        assert_eq!(status("/room/lobby/socket?name=Ada").await, 426);
        assert_eq!(status("/room/Not%20a%20room").await, 404);
        assert_eq!(status("/elsewhere").await, 404);
    });
}
