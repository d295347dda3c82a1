//! The chat example in a real browser, driven by its keyboard. Skipped where there is none, but not in CI.

use pairway_host::Config;

use crate::EXAMPLE_CHAT;
use crate::support::{Browser, Host, Tab, until};

/// Before the page's own: counts the connections that it opens.
const COUNT_CONNECTIONS: &str = "window.opened = 0;
    window.WebSocket = class extends WebSocket { constructor(url) { super(url); opened += 1 } }";

async fn chat(set: impl FnOnce(&mut Config)) -> Host {
    Host::with(EXAMPLE_CHAT, set).await
}

/// A tab whose user has given a name and a room.
async fn join(browser: &mut Browser, host: &Host, name: &str, room: &str) -> Tab {
    let url = format!("http://{}/room/{room}", host.address);
    let mut tab = browser.open(&url, COUNT_CONNECTIONS).await;
    // The browser may remember the name from another tab: it is written over.
    tab.value("const field = document.getElementById('name'); field.focus(); field.select()")
        .await;
    tab.type_text(name).await;
    tab.press_tab().await;
    tab.press_enter().await;
    tab.until("document.querySelector('#state.open')").await;
    tab
}

async fn say(tab: &mut Tab, text: &str) {
    tab.type_text(text).await;
    tab.press_enter().await;
}

/// Wait until the room hibernates, and send it a message for another tab.
async fn wake(host: &Host, from: &mut Tab, text: &str, to: &mut Tab) {
    let counters = &host.counters;
    until("the room to hibernate", || {
        counters.objects_awake_live.get() == 0
    })
    .await;
    assert!(counters.hibernations.get() > 0);
    let wakes = counters.wakes.get();
    say(from, text).await;
    to.until_shown(text).await;
    assert_eq!(counters.wakes.get(), wakes + 1);
}

#[tokio::test]
async fn two_tabs_chat_on_over_their_connections_after_their_room_has_hibernated() {
    let Some(mut browser) = Browser::start("hibernating-chat").await else {
        return;
    };
    let host = chat(|config| config.limits.hibernate_after_ms = 200).await;
    let mut ada = join(&mut browser, &host, "Ada", "lobby").await;
    let mut bob = join(&mut browser, &host, "Bob", "lobby").await;
    ada.until_shown("Bob has joined").await;
    say(&mut ada, "hello Bob").await;
    bob.until_shown("hello Bob").await;
    say(&mut bob, "hello Ada").await;
    ada.until_shown("hello Ada").await;

    wake(&host, &mut ada, "still there?", &mut bob).await;
    wake(&host, &mut bob, "yes, and you?", &mut ada).await;

    assert_eq!(host.counters.sockets.get(), 2);
    for tab in [&mut ada, &mut bob] {
        assert_eq!(tab.value("opened").await, 1);
        tab.until_shown("2 here").await;
    }
    browser.ended().await;
    host.stopped().await;
}

#[tokio::test]
async fn the_page_shows_text_as_text_tells_refusals_and_comes_back_after_the_host() {
    let Some(mut browser) = Browser::start("returning-chat").await else {
        return;
    };
    let host = chat(|_| ()).await;
    let address = host.address;
    let mut eve = join(&mut browser, &host, "<i>Eve</i>", "markup").await;
    say(&mut eve, "<img src=x onerror=opened=99>").await;
    eve.until_shown("<img src=x onerror=opened=99>").await;
    assert_eq!(
        eve.value("document.querySelector('img, i')").await,
        serde_json::Value::Null
    );
    eve.until_shown("<i>Eve</i>").await;

    for number in 0..10 {
        say(&mut eve, &format!("number {number}")).await;
    }
    eve.until_shown("That was a lot at once.").await;
    assert_eq!(
        eve.value("document.querySelector('textarea').value").await,
        "number 9"
    );

    host.stopped().await;
    eve.until("document.querySelector('#state.lost')").await;
    let host = chat(|config| config.addr = address).await;
    eve.until("document.querySelector('#state.open')").await;
    assert_eq!(
        eve.value("document.querySelector('textarea').value").await,
        "number 9"
    );
    eve.press_enter().await;
    eve.until("document.querySelector('#log').innerText.includes('number 9')")
        .await;

    browser.ended().await;
    host.stopped().await;
}
