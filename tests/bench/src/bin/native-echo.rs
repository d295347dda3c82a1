//! Owns the baseline: a native WebSocket echo server over tokio-tungstenite, tuned as one would tune it.
//! It knows nothing of pairway or of the benchmark; it takes no arguments and prints its address.
//!
//! Three choices make it a fair opponent. An 8 KiB read buffer: the library's default of 128 KiB is
//! zeroed and touched for every connection and costs small messages a factor of three. One flush for
//! everything that one read brought: pipelined messages leave in one write. And `TCP_NODELAY`.

use std::io::{self, Write};

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

const READ_BUFFER_BYTES: usize = 8 * 1024;
/// What a worker's host allows too.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(
        io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                // Nobody is left to tell when stderr is gone too.
                drop(writeln!(io::stderr(), "native-echo: {error}"));
            }
        });
    }
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    while let Some(first) = socket.next().await {
        feed(&mut socket, first?).await?;
        while let Some(Some(next)) = socket.next().now_or_never() {
            feed(&mut socket, next?).await?;
        }
        match socket.flush().await {
            Err(Error::ConnectionClosed) => break,
            other => other?,
        }
    }
    Ok(())
}

/// Echoes text and binary; tungstenite itself answers pings and close frames.
async fn feed(socket: &mut WebSocketStream<TcpStream>, message: Message) -> Result<(), Error> {
    if message.is_text() || message.is_binary() {
        socket.feed(message).await?;
    }
    Ok(())
}
