//! Owns the clients of a fan-out: publishers, and subscribers that check that each message of each publisher comes once,
//! in order and unchanged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::frame::{self, Frame, Opcode};
use crate::messages::{DIGITS, digits};

const SMALLEST_BYTES: usize = 32;
const LARGEST_BYTES: usize = 128;
/// Behind a message's number stands its publisher's, in one digit, and whether it is the last.
const PUBLISHER: usize = DIGITS;
const MARK: usize = DIGITS + 1;
const LAST: u8 = b'!';
const NOT_LAST: u8 = b'.';

/// What all clients of one fan-out share: which messages are under way.
#[derive(Debug)]
pub(crate) struct Bulletin {
    subscribers: usize,
    publishers: Vec<Progress>,
}

/// How far one publisher's message has come.
#[derive(Debug)]
struct Progress {
    /// Subscribers that do not have it yet.
    missing: AtomicUsize,
    delivered: Notify,
    /// What its messages say, but for their numbers and marks.
    contents: Vec<u8>,
}

impl Bulletin {
    /// At most ten publishers.
    pub(crate) fn new(publishers: u8, subscribers: usize) -> Arc<Self> {
        let progress = |publisher| {
            let mut contents: Vec<u8> = (b'a'..=b'z').cycle().take(LARGEST_BYTES).collect();
            contents[PUBLISHER] = b'0' + publisher;
            Progress {
                missing: AtomicUsize::new(0),
                delivered: Notify::new(),
                contents,
            }
        };
        Arc::new(Self {
            subscribers,
            publishers: (0..publishers).map(progress).collect(),
        })
    }

    /// The most that one subscriber can have under way: a message of each publisher, and headers.
    pub(crate) fn window_bytes(&self) -> usize {
        self.publishers.len() * (LARGEST_BYTES + 4)
    }
}

/// Sizes differ from message to message, in no order that a server could learn.
fn size(number: u32) -> usize {
    let sizes = LARGEST_BYTES - SMALLEST_BYTES + 1;
    SMALLEST_BYTES + (number as usize).wrapping_mul(31) % sizes
}

#[derive(Debug)]
pub(crate) struct Publisher {
    writing: OwnedWriteHalf,
    bulletin: Arc<Bulletin>,
    number: usize,
    next: u32,
}

impl Publisher {
    /// One message after another while `running`, each when all have the one before.
    pub(crate) async fn publish_while(&mut self, running: &AtomicBool) -> Result<()> {
        while running.load(Ordering::Relaxed) {
            self.publish(NOT_LAST).await?;
        }
        Ok(())
    }

    /// A message after which subscribers are to expect no more.
    pub(crate) async fn publish_last(&mut self) -> Result<()> {
        self.publish(LAST).await
    }

    async fn publish(&mut self, mark: u8) -> Result<()> {
        let progress = &self.bulletin.publishers[self.number];
        let mut message = progress.contents[..size(self.next)].to_vec();
        message[..DIGITS].copy_from_slice(&digits(self.next));
        message[MARK] = mark;
        self.next += 1;
        let frame = frame::masked(Opcode::Text, &message);
        let all = self.bulletin.subscribers;
        progress.missing.store(all, Ordering::Relaxed);
        self.writing.write_all(&frame).await.context("publish")?;
        progress.delivered.notified().await;
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Subscriber {
    connection: Connection<OwnedReadHalf>,
    seen: Seen,
    /// Of one that publishes, the publisher has this half.
    writing: Option<OwnedWriteHalf>,
}

/// What one subscriber has got.
#[derive(Debug)]
struct Seen {
    bulletin: Arc<Bulletin>,
    /// The number of the next message of each publisher.
    next: Vec<u32>,
    is_last: bool,
}

impl Subscriber {
    pub(crate) fn new(connection: Connection, bulletin: Arc<Bulletin>) -> Self {
        let (connection, writing) = connection.split();
        Self {
            connection,
            seen: Seen::new(bulletin),
            writing: Some(writing),
        }
    }

    /// The publisher of that number, over the same connection.
    pub(crate) fn publisher(&mut self, number: usize) -> Option<Publisher> {
        let bulletin = Arc::clone(&self.seen.bulletin);
        self.writing.take().map(|writing| Publisher {
            writing,
            bulletin,
            number,
            next: 0,
        })
    }

    /// Reads up to the last message. Returns how many came.
    pub(crate) async fn read_to_last(&mut self) -> Result<u64> {
        self.seen.is_last = false;
        let mut count = 0;
        while !self.seen.is_last {
            let seen = &mut self.seen;
            count += self.connection.frames(|frame| seen.check(frame)).await? as u64;
        }
        Ok(count)
    }

    /// The whole connection. One that publishes is among `publishers`.
    pub(crate) fn into_connection(self, publishers: &mut Vec<Publisher>) -> Result<Connection> {
        let is_own = |publisher: &Publisher| self.connection.is_half_of(&publisher.writing);
        let at = publishers.iter().position(is_own);
        let of_publisher = at.map(|at| publishers.swap_remove(at).writing);
        let writing = self.writing.or(of_publisher);
        self.connection
            .reunite(writing.context("half a connection")?)
    }
}

impl Seen {
    fn new(bulletin: Arc<Bulletin>) -> Self {
        Self {
            next: vec![0; bulletin.publishers.len()],
            bulletin,
            is_last: false,
        }
    }

    /// # Errors
    /// It is not the next message of its publisher, bit for bit.
    fn check(&mut self, delivery: &Frame<'_>) -> Result<()> {
        let payload = delivery.payload;
        ensure!(
            delivery.opcode == Opcode::Text && payload.len() >= SMALLEST_BYTES,
            "{:?} of {} bytes, which nobody has published",
            delivery.opcode,
            payload.len()
        );
        ensure!(!self.is_last, "a delivery behind the last one");
        let publisher = usize::from(payload[PUBLISHER].wrapping_sub(b'0'));
        let (Some(progress), Some(next)) = (
            self.bulletin.publishers.get(publisher),
            self.next.get_mut(publisher),
        ) else {
            anyhow::bail!("a message of nobody");
        };
        let contents = &progress.contents[..size(*next)];
        ensure!(
            payload[..DIGITS] == digits(*next) && payload[MARK + 1..] == contents[MARK + 1..],
            "message {next} of publisher {publisher} is missing or came wrong"
        );
        *next += 1;
        self.is_last = payload[MARK] == LAST;
        if progress.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            progress.delivered.notify_one();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(bulletin: &Bulletin, publisher: usize, number: u32, mark: u8) -> Vec<u8> {
        let mut message = bulletin.publishers[publisher].contents[..size(number)].to_vec();
        message[..DIGITS].copy_from_slice(&digits(number));
        message[MARK] = mark;
        message
    }

    fn check(seen: &mut Seen, payload: &[u8]) -> Result<()> {
        seen.check(&Frame {
            opcode: Opcode::Text,
            payload,
            bytes: 0,
        })
    }

    #[test]
    fn each_publishers_messages_are_expected_once_and_in_order() {
        let bulletin = Bulletin::new(2, 1);
        for progress in &bulletin.publishers {
            progress.missing.store(10, Ordering::Relaxed);
        }
        let mut seen = Seen::new(Arc::clone(&bulletin));
        let message = |publisher, number| delivery(&bulletin, publisher, number, NOT_LAST);
        check(&mut seen, &message(0, 0)).unwrap();
        check(&mut seen, &message(1, 0)).unwrap();
        assert!(check(&mut seen, &message(0, 0)).is_err(), "doubled");
        assert!(check(&mut seen, &message(0, 2)).is_err(), "lost");
        let mut changed = message(0, 1);
        *changed.last_mut().unwrap() ^= 1;
        assert!(check(&mut seen, &changed).is_err(), "changed");
        assert!(check(&mut seen, &message(0, 1)[..32]).is_err(), "cut");
        check(&mut seen, &delivery(&bulletin, 0, 1, LAST)).unwrap();
        assert!(check(&mut seen, &message(0, 2)).is_err(), "behind the last");
        assert_eq!(bulletin.publishers[0].missing.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn sizes_cover_what_is_promised() {
        let sizes: std::collections::BTreeSet<_> = (0..97).map(size).collect();
        assert_eq!(sizes, (SMALLEST_BYTES..=LARGEST_BYTES).collect());
    }
}
