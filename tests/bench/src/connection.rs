//! Owns one client connection: handshake, echo loop, closing handshake.
//! It checks every reply and counts; how many connections there are and how long they talk is not its business.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frame::{self, Frame, Opcode};
use crate::messages::Messages;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to `KEY` that RFC 6455 section 1.3 works out.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const NORMAL_CLOSURE: u16 = 1000;
const SMALLEST_BUFFER_BYTES: usize = 512;

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of `buffer` was read but not yet consumed.
    filled: usize,
    messages: Messages,
}

impl Connection {
    /// Connects and shakes hands; `messages` is what it will say.
    pub(crate) async fn open(server: SocketAddr, path: &str, messages: Messages) -> Result<Self> {
        let stream = TcpStream::connect(server).await.context("connect")?;
        stream.set_nodelay(true)?;
        let buffer = vec![0; messages.window_bytes().max(SMALLEST_BUFFER_BYTES)];
        let mut connection = Self {
            stream,
            buffer,
            filled: 0,
            messages,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        connection
            .stream
            .write_all(request.as_bytes())
            .await
            .context("handshake")?;
        while !connection.buffer[..connection.filled].ends_with(b"\r\n\r\n") {
            connection.read().await.context("handshake")?;
        }
        check_upgrade(&String::from_utf8_lossy(
            &connection.buffer[..connection.filled],
        ))?;
        connection.filled = 0;
        Ok(connection)
    }

    /// Keeps a window of messages under way while `running`, then waits for the last reply.
    /// Returns how many messages came back.
    pub(crate) async fn echo_while(&mut self, running: &AtomicBool) -> Result<u64> {
        let before = self.messages.received();
        let mut free = self.messages.window();
        loop {
            if running.load(Ordering::Relaxed) {
                self.stream
                    .write_all(self.messages.next(free))
                    .await
                    .context("write")?;
            }
            if self.messages.outstanding() == 0 {
                return Ok(u64::from(self.messages.received() - before));
            }
            free = self.replies().await?;
        }
    }

    /// One message there and back.
    pub(crate) async fn echo_once(&mut self) -> Result<()> {
        self.stream
            .write_all(self.messages.next(1))
            .await
            .context("write")?;
        while self.messages.outstanding() > 0 {
            self.replies().await?;
        }
        Ok(())
    }

    /// The closing handshake, up to the server's end of the TCP connection.
    pub(crate) async fn close(mut self) -> Result<()> {
        let close = frame::masked(Opcode::Close, &NORMAL_CLOSURE.to_be_bytes());
        self.stream
            .write_all(&close)
            .await
            .context("write of the close frame")?;
        let bytes = loop {
            match frame::decode(&self.buffer[..self.filled])? {
                Some(Frame {
                    opcode: Opcode::Close,
                    bytes,
                    ..
                }) => break bytes,
                Some(frame) => bail!("{:?} instead of a close frame", frame.opcode),
                None => self.read().await.context("waiting for the close frame")?,
            }
        };
        ensure!(self.filled == bytes, "bytes after the close frame");
        let more = self
            .stream
            .read(&mut self.buffer)
            .await
            .context("waiting for the end")?;
        ensure!(more == 0, "bytes after the close frame");
        Ok(())
    }

    /// Reads until at least one reply is complete, checks all that are, and returns their number.
    async fn replies(&mut self) -> Result<usize> {
        loop {
            self.read().await?;
            let (mut consumed, mut replies) = (0, 0);
            while let Some(frame) = frame::decode(&self.buffer[consumed..self.filled])? {
                self.messages.check(&frame)?;
                consumed += frame.bytes;
                replies += 1;
            }
            if replies > 0 {
                self.buffer.copy_within(consumed..self.filled, 0);
                self.filled -= consumed;
                return Ok(replies);
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        let room = &mut self.buffer[self.filled..];
        ensure!(!room.is_empty(), "the server sent more than was asked for");
        let read = self.stream.read(room).await.context("read")?;
        ensure!(read > 0, "the server ended the connection");
        self.filled += read;
        Ok(())
    }
}

fn check_upgrade(response: &str) -> Result<()> {
    let accepted = response
        .lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        });
    ensure!(
        response.starts_with("HTTP/1.1 101 ") && accepted,
        "the server refused the upgrade: {response:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_101_with_the_right_key_is_an_upgrade() {
        let good =
            format!("HTTP/1.1 101 Switching Protocols\r\nSEC-websocket-accept:{ACCEPT}\r\n\r\n");
        check_upgrade(&good).unwrap();
        assert!(check_upgrade(&good.replace("101", "200")).is_err());
        assert!(check_upgrade(&good.replace("s3pP", "s3pQ")).is_err());
    }
}
