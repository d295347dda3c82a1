//! Owns a client that talks to an echo server: a window of messages under way, each reply compared bit by bit.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::connection::Connection;
use crate::messages::Messages;

#[derive(Debug)]
pub(crate) struct Echoer {
    connection: Connection,
    messages: Messages,
}

impl Echoer {
    /// Connects; `messages` is what it will say.
    pub(crate) async fn open(server: SocketAddr, path: &str, messages: Messages) -> Result<Self> {
        let connection = Connection::open(server, path, messages.window_bytes()).await?;
        Ok(Self {
            connection,
            messages,
        })
    }

    /// Keeps a window of messages under way while `running`, then waits for the last reply.
    /// Returns how many messages came back.
    pub(crate) async fn echo_while(&mut self, running: &AtomicBool) -> Result<u64> {
        let before = self.messages.received();
        let mut free = self.messages.window();
        loop {
            if running.load(Ordering::Relaxed) {
                self.connection.write(self.messages.next(free)).await?;
            }
            if self.messages.outstanding() == 0 {
                return Ok(u64::from(self.messages.received() - before));
            }
            free = self.replies().await?;
        }
    }

    /// One message there and back.
    pub(crate) async fn echo_once(&mut self) -> Result<()> {
        self.connection.write(self.messages.next(1)).await?;
        while self.messages.outstanding() > 0 {
            self.replies().await?;
        }
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.connection.close().await
    }

    async fn replies(&mut self) -> Result<usize> {
        let messages = &mut self.messages;
        self.connection.frames(|frame| messages.check(frame)).await
    }
}
