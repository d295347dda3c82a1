//! A connection on which every byte is ours: for clients that misbehave, and for what the codec of a client hides.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::{Answer, Frame, Request, frames, within};

pub(crate) struct Raw {
    reader: OwnedReadHalf,
    /// Gone while a task writes.
    writer: Option<OwnedWriteHalf>,
    /// What has been read and not been asked for yet.
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("the connection", TcpStream::connect(address))
            .await
            .expect("the host listens");
        Self::from_stream(stream)
    }

    pub(super) fn from_stream(stream: TcpStream) -> Self {
        stream
            .set_nodelay(true)
            .expect("a fresh connection takes options");
        let (reader, writer) = stream.into_split();
        Self {
            reader,
            writer: Some(writer),
            read: Vec::new(),
        }
    }

    /// Connect, and go through the handshake.
    pub(crate) async fn open(address: SocketAddr, target: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.upgrade(target).await;
        raw
    }

    /// The same, with a receive buffer that is soon full.
    pub(crate) async fn open_narrow(address: SocketAddr, target: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("there are descriptors left");
        socket
            .set_recv_buffer_size(16 * 1024)
            .expect("a fresh socket takes options");
        let stream = within("the connection", socket.connect(address))
            .await
            .expect("the host listens");
        let mut raw = Self::from_stream(stream);
        raw.upgrade(target).await;
        raw
    }

    /// The port on this side.
    pub(crate) fn local_port(&self) -> u16 {
        let address = self.reader.local_addr();
        address.expect("an open connection has an address").port()
    }

    /// The same, with a request of one's own; gives the 101 too.
    pub(crate) async fn open_with(address: SocketAddr, request: &Request) -> (Self, Answer) {
        let mut raw = Self::connect(address).await;
        let answer = raw.ask(request).await;
        (raw, answer)
    }

    async fn upgrade(&mut self, target: &str) {
        self.ask(&Request::upgrade(target)).await;
    }

    async fn ask(&mut self, request: &Request) -> Answer {
        self.write(&request.to_bytes()).await;
        let answer = self.answer().await;
        assert_eq!(answer.status, 101, "no upgrade: {answer:?}");
        answer
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let writer = self
            .writer
            .as_mut()
            .expect("nothing is being written along");
        within("the host to read", writer.write_all(bytes))
            .await
            .expect("the host keeps the connection");
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.write(&frames::text(text)).await;
    }

    /// Write in the background, as fast as the host reads. The task keeps the writing half, and gives it back.
    pub(crate) fn write_along(&mut self, bytes: Vec<u8>) -> JoinHandle<OwnedWriteHalf> {
        let mut writer = self.writer.take().expect("nothing is being written along");
        tokio::spawn(async move {
            writer
                .write_all(&bytes)
                .await
                .expect("the host keeps the connection");
            writer
        })
    }

    /// Write the same in the background, with a pause each time, until the host ends the connection.
    pub(crate) fn write_again_and_again(
        &mut self,
        bytes: Vec<u8>,
        pause: Duration,
    ) -> JoinHandle<()> {
        let mut writer = self.writer.take().expect("nothing is being written along");
        tokio::spawn(async move {
            while writer.write_all(&bytes).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        })
    }

    /// Send FIN; the other direction stays open.
    pub(crate) async fn finish(&mut self) {
        let writer = self
            .writer
            .as_mut()
            .expect("nothing is being written along");
        writer
            .shutdown()
            .await
            .expect("the host keeps the connection");
    }

    /// End the connection with RST.
    pub(crate) fn reset(self) {
        let stream = self
            .writer
            .and_then(|writer| self.reader.reunite(writer).ok())
            .expect("both halves are of one connection");
        stream
            .set_zero_linger()
            .expect("an open connection takes options");
    }

    /// Read more. `false` once the connection has ended, in whichever way.
    async fn read_more(&mut self) -> bool {
        let mut chunk = vec![0; 64 * 1024];
        match within(
            "bytes, or the end, from the host",
            self.reader.read(&mut chunk),
        )
        .await
        {
            Ok(0) => false,
            Ok(length) => {
                self.read.extend(&chunk[..length]);
                true
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                false
            }
            Err(error) => panic!("the connection fails: {error}"),
        }
    }

    /// The next so many bytes, if they come.
    pub(crate) async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if !self.read_more().await {
                return None;
            }
        }
        let rest = self.read.split_off(count);
        Some(std::mem::replace(&mut self.read, rest))
    }

    /// The next line of an HTTP head, or of the head of a chunk.
    pub(super) async fn upto(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self
                .read
                .windows(end.len())
                .position(|window| window == end.as_bytes())
            {
                let bytes = self.bytes(at + end.len()).await.expect("they are there");
                return String::from_utf8(bytes[..at].to_vec()).expect("heads are ASCII");
            }
            assert!(
                self.read_more().await,
                "the connection ended within {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// The next HTTP response.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if answer.status == 101 {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.upto("\r\n").await, 16)
                    .expect("the size of a chunk");
                let chunk = self.bytes(size + 2).await.expect("a whole chunk");
                answer.body.extend(&chunk[..size]);
                if size == 0 {
                    return answer;
                }
            }
        }
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().expect("the length is a number");
            answer.body = self.bytes(length).await.expect("a whole body");
        } else {
            while self.read_more().await {}
            answer.body = std::mem::take(&mut self.read);
        }
        answer
    }

    /// The head of the next HTTP response, which has no body.
    pub(crate) async fn head(&mut self) -> Answer {
        Answer::from_head(&self.upto("\r\n\r\n").await)
    }

    /// The next frame; `None` if the connection ends before one is whole.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let head = self.bytes(2).await?;
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(
                self.bytes(2).await?.try_into().expect("two bytes"),
            )),
            127 => u64::from_be_bytes(self.bytes(8).await?.try_into().expect("eight bytes")),
            length => u64::from(length),
        };
        let masked = head[1] & 0x80 != 0;
        let mask = match masked {
            true => self.bytes(4).await?,
            false => vec![0; 4],
        };
        let mut payload = self
            .bytes(usize::try_from(length).expect("it fits the memory"))
            .await?;
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        Some(Frame {
            first: head[0],
            masked,
            payload,
        })
    }

    /// The next frame, which must come.
    pub(crate) async fn frame(&mut self) -> Frame {
        self.next()
            .await
            .expect("the host ended the connection instead of sending a frame")
    }

    pub(crate) async fn expect_text(&mut self, text: &str) {
        assert_eq!(self.frame().await.into_text(), text);
    }

    /// The next frame must be this Close.
    pub(crate) async fn expect_close(&mut self, code: u16, reason: &str) {
        assert_eq!(self.frame().await.into_close(), (code, reason.to_owned()));
    }

    /// The next frame must be a Close with this code, and nothing may follow it but the end: without our answer.
    pub(crate) async fn expect_failed(&mut self, code: u16) {
        let (actual, reason) = self.frame().await.into_close();
        assert_eq!(actual, code, "Close with the reason {reason:?}");
        self.expect_end().await;
    }

    /// The connection must end, and nothing may come before.
    pub(crate) async fn expect_end(&mut self) {
        if let Some(frame) = self.next().await {
            panic!("the host sent {frame:?} where the connection should end");
        }
        assert!(
            self.read.is_empty(),
            "the connection ended within a frame: {:?}",
            self.read
        );
    }

    /// Wait until something has come.
    pub(crate) async fn read_some(&mut self) {
        assert!(self.read_more().await, "the host ended the connection");
    }

    /// Wait for the end of the connection, whatever comes before.
    pub(crate) async fn until_end(&mut self) {
        while self.read_more().await {
            self.read.clear();
        }
    }
}
