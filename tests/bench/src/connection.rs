//! Owns one client connection: handshake, whole frames in, closing handshake.
//! What is said over it, and how long, is not its business.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::frame::{self, Frame, Opcode};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to `KEY` that RFC 6455 section 1.3 works out.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const NORMAL_CLOSURE: u16 = 1000;
const SMALLEST_BUFFER_BYTES: usize = 512;

/// A connection, or the half of it that reads.
#[derive(Debug)]
pub(crate) struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
    /// How much of `buffer` was read but not yet consumed.
    filled: usize,
}

impl Connection {
    /// Connects and shakes hands. The server will have no more than `buffer_bytes` under way.
    pub(crate) async fn open(server: SocketAddr, path: &str, buffer_bytes: usize) -> Result<Self> {
        let stream = TcpStream::connect(server).await.context("connect")?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            buffer: vec![0; buffer_bytes.max(SMALLEST_BUFFER_BYTES)],
            filled: 0,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        );
        let shake_hands = async {
            connection.write(request.as_bytes()).await?;
            while !connection.read_so_far().ends_with(b"\r\n\r\n") {
                connection.read().await?;
            }
            check_upgrade(&String::from_utf8_lossy(connection.read_so_far()))
        };
        shake_hands.await.context("handshake")?;
        connection.filled = 0;
        Ok(connection)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.context("write")
    }

    /// The closing handshake, up to the server's end of the TCP connection.
    pub(crate) async fn close(mut self) -> Result<()> {
        let close = frame::masked(Opcode::Close, &NORMAL_CLOSURE.to_be_bytes());
        self.write(&close).await.context("close frame")?;
        let bytes = loop {
            match frame::decode(self.read_so_far())? {
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

    pub(crate) fn split(self) -> (Connection<OwnedReadHalf>, OwnedWriteHalf) {
        let (stream, writing) = self.stream.into_split();
        let (buffer, filled) = (self.buffer, self.filled);
        let reading = Connection {
            stream,
            buffer,
            filled,
        };
        (reading, writing)
    }
}

impl Connection<OwnedReadHalf> {
    pub(crate) fn is_half_of(&self, writing: &OwnedWriteHalf) -> bool {
        std::ptr::eq::<TcpStream>(self.stream.as_ref(), writing.as_ref())
    }

    /// Puts together what was split.
    pub(crate) fn reunite(self, writing: OwnedWriteHalf) -> Result<Connection> {
        Ok(Connection {
            stream: self.stream.reunite(writing)?,
            buffer: self.buffer,
            filled: self.filled,
        })
    }
}

impl<S: AsyncRead + Unpin> Connection<S> {
    /// Reads until at least one frame is complete, has all that are checked, and returns their number.
    pub(crate) async fn frames(
        &mut self,
        mut check: impl FnMut(&Frame<'_>) -> Result<()>,
    ) -> Result<usize> {
        loop {
            self.read().await?;
            let (mut consumed, mut frames) = (0, 0);
            while let Some(frame) = frame::decode(&self.buffer[consumed..self.filled])? {
                check(&frame)?;
                consumed += frame.bytes;
                frames += 1;
            }
            if frames > 0 {
                self.buffer.copy_within(consumed..self.filled, 0);
                self.filled -= consumed;
                return Ok(frames);
            }
        }
    }

    fn read_so_far(&self) -> &[u8] {
        &self.buffer[..self.filled]
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
