//! Owns a client of an object that sleeps: it asks one thing at a time, and learns whether it has woken the object.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::connection::Connection;
use crate::frame::{self, Opcode};

#[derive(Debug)]
pub(crate) struct Sleeper {
    connection: Connection,
    said: u32,
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Messages that the object has heard since its constructor ran: with the first it was woken.
    pub(crate) heard: u32,
    pub(crate) after: Duration,
}

impl Sleeper {
    pub(crate) async fn open(server: SocketAddr, path: &str) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(server, path, 0).await?,
            said: 0,
        })
    }

    /// Says something, and waits for the answer.
    pub(crate) async fn ask(&mut self) -> Result<Answer> {
        let question = format!("{:08x} is anybody awake?", self.said);
        self.said += 1;
        let frame = frame::masked(Opcode::Text, question.as_bytes());
        let begin = Instant::now();
        self.connection.write(&frame).await?;
        let mut heard = None;
        let check = |frame: &frame::Frame<'_>| {
            let text = str::from_utf8(frame.payload)?;
            let (count, rest) = text.split_once(' ').context("an answer without a number")?;
            ensure!(
                frame.opcode == Opcode::Text && rest == question,
                "{question:?} was answered with {text:?}"
            );
            heard = Some(count.parse()?);
            Ok(())
        };
        let answers = self.connection.frames(check).await?;
        let after = begin.elapsed();
        ensure!(answers == 1, "{answers} answers to one question");
        let heard = heard.context("no answer")?;
        Ok(Answer { heard, after })
    }

    /// Wakes the object.
    ///
    /// # Errors
    /// It was awake: then what was measured is not what it says.
    pub(crate) async fn wake(&mut self) -> Result<Duration> {
        let Answer { heard, after } = self.ask().await?;
        ensure!(
            heard == 1,
            "an object that should have been asleep was awake"
        );
        Ok(after)
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.connection.close().await
    }
}
