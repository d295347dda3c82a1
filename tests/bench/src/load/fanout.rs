//! Owns the load of a fan-out: a few publishers, each of which has one message under way, and many subscribers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Measuring, STALL, Sample, Site, Times, all, in_groups};
use crate::client::{Bulletin, Publisher, Subscriber};
use crate::connection::Connection;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fanout {
    pub(crate) subscribers: usize,
    /// So many of the subscribers also publish.
    pub(crate) publishers: u8,
}

/// Messages that each go to all connections. What is counted is deliveries.
pub(crate) async fn fanout(site: Site<'_>, load: Fanout, times: Times) -> Result<Sample> {
    let mut room = Room::open(site, load).await?;
    room.talk(times.warm_up).await?;
    let measuring = Measuring::begin(site.server).await?;
    let count = room.talk(times.measured).await?;
    let sample = measuring.end(count).await?;
    room.close().await?;
    Ok(sample)
}

struct Room {
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
}

impl Room {
    async fn open(site: Site<'_>, load: Fanout) -> Result<Self> {
        let bulletin = Bulletin::new(load.publishers, load.subscribers);
        let opening = (0..load.subscribers).map(|index| {
            let (address, path) = (site.address(), site.path(index));
            let bulletin = Arc::clone(&bulletin);
            async move {
                let room = bulletin.window_bytes();
                let connection = Connection::open(address, &path, room).await?;
                Ok(Subscriber::new(connection, bulletin))
            }
        });
        let mut subscribers = in_groups(opening).await.context("open")?;
        let publishing = subscribers.iter_mut().take(load.publishers.into());
        let publishers = publishing.enumerate();
        Ok(Self {
            publishers: publishers
                .filter_map(|(number, subscriber)| subscriber.publisher(number))
                .collect(),
            subscribers,
        })
    }

    /// Publishes for `time`, and until everybody has the last message. Returns the number of deliveries.
    async fn talk(&mut self, time: Duration) -> Result<u64> {
        let mut listening = JoinSet::new();
        for mut subscriber in self.subscribers.drain(..) {
            listening.spawn(async move {
                let count = subscriber.read_to_last().await?;
                anyhow::Ok((subscriber, count))
            });
        }
        let publishing = publish(std::mem::take(&mut self.publishers), time);
        let listening = async {
            // A stall is the publishers' to notice, which wait for the subscribers.
            let mut heard = Vec::with_capacity(listening.len());
            while let Some(result) = listening.join_next().await {
                heard.push(result.context("a client task")??);
            }
            Ok(heard)
        };
        let (publishers, heard) = tokio::try_join!(publishing, listening).context("fan-out")?;
        self.publishers = publishers;
        let (subscribers, counts): (_, Vec<u64>) = heard.into_iter().unzip();
        self.subscribers = subscribers;
        Ok(counts.iter().sum())
    }

    async fn close(mut self) -> Result<()> {
        let publishers = &mut self.publishers;
        let subscribers = self.subscribers.into_iter();
        let whole = subscribers.map(|subscriber| subscriber.into_connection(publishers));
        let whole: Vec<Connection> = whole.collect::<Result<_>>()?;
        let closing = whole.into_iter().map(Connection::close);
        in_groups(closing).await.context("close")?;
        Ok(())
    }
}

async fn publish(publishers: Vec<Publisher>, time: Duration) -> Result<Vec<Publisher>> {
    let running = Arc::new(AtomicBool::new(true));
    let mut publishing = JoinSet::new();
    for mut publisher in publishers {
        let running = Arc::clone(&running);
        publishing.spawn(async move {
            publisher.publish_while(&running).await?;
            Ok(publisher)
        });
    }
    sleep(time).await;
    running.store(false, Ordering::Relaxed);
    let mut publishers = all(publishing).await?;
    if let Some(last) = publishers.first_mut() {
        timeout(STALL, last.publish_last())
            .await
            .context("the server stalls")??;
    }
    Ok(publishers)
}
