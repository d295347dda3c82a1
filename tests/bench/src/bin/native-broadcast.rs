//! Owns the baseline for fan-out: a native server that sends every message to all connections, over tokio-tungstenite,
//! tuned as one would tune it. It knows nothing of pairway or of the benchmark; it takes no arguments and prints its
//! address.
//!
//! A message is kept once, and counted by reference in the queue of each connection. A connection that is woken
//! takes all that is queued for it before it flushes once. The read buffer is 8 KiB, as in `native-echo`. Since the
//! library zeroes it whenever it tries to read, it is only asked to when there is something to read.

use std::future::poll_fn;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

const READ_BUFFER_BYTES: usize = 8 * 1024;
/// What a worker's host allows too.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// Messages taken out of a queue at a time.
const BATCH: usize = 64;

/// The queues of all connections; one that has ended has closed its own.
type Room = Arc<Mutex<Vec<UnboundedSender<Message>>>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(
        io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;
    let room = Room::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            if let Err(error) = serve(stream, &room).await {
                // Nobody is left to tell when stderr is gone too.
                drop(writeln!(io::stderr(), "native-broadcast: {error}"));
            }
        });
    }
}

async fn serve(stream: TcpStream, room: &Room) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
    let mut queue = join(room);
    let mut batch = Vec::new();
    let mut may_have_read = true;
    loop {
        match next(&mut socket, &mut queue, &mut batch, &mut may_have_read).await {
            Input::Queued => {
                while !batch.is_empty() {
                    for message in batch.drain(..) {
                        socket.feed(message).await?;
                    }
                    while batch.len() < BATCH
                        && let Ok(message) = queue.try_recv()
                    {
                        batch.push(message);
                    }
                }
                socket.flush().await?;
            }
            Input::Read(message) => {
                let message = message?;
                if message.is_text() || message.is_binary() {
                    send_to_all(room, &message);
                }
            }
            Input::Ended => return Ok(()),
        }
    }
}

/// What a connection is woken for.
enum Input {
    /// The batch has been filled from the queue.
    Queued,
    Read(Result<Message, Error>),
    Ended,
}

/// `may_have_read` says whether tungstenite may have something left of what it has read.
async fn next(
    socket: &mut WebSocketStream<TcpStream>,
    queue: &mut UnboundedReceiver<Message>,
    batch: &mut Vec<Message>,
    may_have_read: &mut bool,
) -> Input {
    poll_fn(|cx| {
        if queue.poll_recv_many(cx, batch, BATCH).is_ready() {
            return Poll::Ready(Input::Queued);
        }
        while *may_have_read || socket.get_ref().poll_read_ready(cx).is_ready() {
            *may_have_read = true;
            // tungstenite itself answers pings and close frames.
            if let Poll::Ready(read) = socket.poll_next_unpin(cx) {
                return Poll::Ready(read.map_or(Input::Ended, Input::Read));
            }
            *may_have_read = false;
        }
        Poll::Pending
    })
    .await
}

fn join(room: &Room) -> UnboundedReceiver<Message> {
    let (sender, receiver) = unbounded_channel();
    let mut members = room.lock().unwrap_or_else(PoisonError::into_inner);
    if members.len() == members.capacity() {
        members.retain(|member| !member.is_closed());
    }
    members.push(sender);
    receiver
}

fn send_to_all(room: &Room, message: &Message) {
    let members = room.lock().unwrap_or_else(PoisonError::into_inner);
    for member in members.iter() {
        // A member that has left is forgotten when others need its place.
        member.send(message.clone()).unwrap_or_default();
    }
}
