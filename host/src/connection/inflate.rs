//! Owns the way of a connection's compressed messages out of that form: in steps, between which others have the thread,
//! and counted while they wait to be handled. Of those that grow long a few are inflated at a time.

use super::Connection;
use super::work::Work;
use crate::config::size;
use crate::quota::Meter;
use crate::socket::assembly::Inflation;
use crate::socket::decode::Item;
use crate::socket::violation::Violation;

/// Bytes that a message grows by before others have the thread.
const STEP_BYTES: usize = 64 * 1024;

/// Items of a read that are handled next, and why nothing behind them is.
#[derive(Debug)]
pub(super) struct Inflated {
    pub(super) to: usize,
    pub(super) violation: Option<Violation>,
    /// What they take while they are handled.
    _kept: Option<Meter>,
}

impl Connection {
    /// Inflate what is compressed of these items, from `from` on: some that are short, or one that is long.
    pub(super) async fn inflate(&mut self, work: &mut Work, from: usize) -> Inflated {
        let Work { buf, items, .. } = work;
        let mut inflated = Inflated {
            to: items.len(),
            violation: None,
            _kept: None,
        };
        if self.inflater.is_none() {
            return inflated;
        }
        let mut bytes_before = 0;
        for (at, item) in items.iter_mut().enumerate().skip(from) {
            let (text, compressed) = match &*item {
                Item::Inline {
                    text,
                    is_compressed: true,
                    at,
                } => (*text, &buf[at.clone()]),
                Item::Whole {
                    text,
                    is_compressed: true,
                    bytes,
                } => (*text, &bytes[..]),
                Item::Inline { .. } | Item::Whole { .. } | Item::Ping { .. } | Item::Close(_) => {
                    continue;
                }
            };
            match self.inflate_one(compressed, &mut inflated._kept).await {
                Ok(bytes) => {
                    bytes_before += bytes.len();
                    *item = Item::Whole {
                        text,
                        is_compressed: false,
                        bytes,
                    };
                }
                Err(violation) => {
                    inflated.to = at;
                    inflated.violation = Some(violation);
                    return inflated;
                }
            }
            if bytes_before >= STEP_BYTES {
                inflated.to = at + 1;
                return inflated;
            }
        }
        inflated
    }

    async fn inflate_one(
        &mut self,
        compressed: &[u8],
        kept: &mut Option<Meter>,
    ) -> Result<Vec<u8>, Violation> {
        let max = size(self.limits.message_bytes);
        let mut inflation = Inflation::new(compressed);
        let mut permit = None;
        loop {
            let inflater = self.inflater.as_mut().ok_or_else(Violation::corrupt)?;
            if inflation.go_on(inflater, STEP_BYTES, max)? {
                return Ok(inflation.finish());
            }
            let totals = self.outbox.totals();
            if permit.is_none() {
                // It is never closed.
                permit = totals.inflating.acquire().await.ok();
            }
            let kept = kept.get_or_insert_with(|| Meter::on(&totals.held));
            let more = (inflation.capacity() as u64).saturating_sub(kept.used());
            if !kept.try_add(more) {
                return Err(Violation::too_busy());
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Let go of what was handled.
pub(super) fn forget(items: &mut [Item]) {
    for item in items {
        *item = Item::Close(None);
    }
}
