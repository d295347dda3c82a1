//! Owns how a program is read: what its bytes are to a call.

use pairway_test_guests::{Message, Request, SocketId};

use crate::MEMORY;

/// The rest of a program. Where it is over, everything is zero.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Mostly small, sometimes large.
    pub(crate) fn size(&mut self) -> usize {
        let sizes = [
            0, 1, 2, 7, 100, 1000, 2049, 5000, 16_385, 70_000, 300_000, 3_000_000,
        ];
        sizes[usize::from(self.byte()) % sizes.len()]
    }

    pub(crate) fn number(&mut self) -> u64 {
        let numbers = [0, 1, 5, 1000, 5000, 604_800_001, u64::MAX];
        numbers[usize::from(self.byte()) % numbers.len()]
    }

    pub(crate) fn small(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    pub(crate) fn text(&mut self) -> String {
        let texts = ["a", "é", "\n", "\u{2028}", "x y", ""];
        let text = texts[usize::from(self.byte()) % texts.len()];
        text.repeat(self.size().min(100_000))
    }

    pub(crate) fn texts(&mut self) -> Vec<String> {
        let count = self.size().min(5000);
        let text = self.text();
        let length = text.len().min(200_000 / count.max(1));
        let text: String = text.chars().take(length).collect();
        (0..count).map(|at| format!("{text}{}", at % 7)).collect()
    }

    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let byte = self.byte();
        vec![byte; self.size()]
    }

    pub(crate) fn message(&mut self) -> Message {
        match self.flag() {
            true => Message::Text(self.text()),
            false => Message::Binary(self.bytes()),
        }
    }

    pub(crate) fn headers(&mut self) -> Vec<(String, Vec<u8>)> {
        let (names, value) = (self.texts(), self.text());
        let value = &value.as_bytes()[..value.len().min(100)];
        names
            .into_iter()
            .map(|name| (format!("x-{}", name.trim()), value.to_vec()))
            .collect()
    }

    pub(crate) fn request(&mut self) -> Request {
        let urls = [
            "http://127.0.0.1:9/",
            "http://a/object/1",
            "ws://[::1]:1/",
            "",
            "http://evil@b\\c",
        ];
        Request {
            method: ["GET", "POST", "HEAD", "no method"][usize::from(self.byte()) % 4].to_owned(),
            uri: urls[usize::from(self.byte()) % urls.len()].to_owned(),
            headers: self.headers(),
            body: self.bytes(),
            peer: None,
        }
    }

    /// An id that the instance knows, or some other.
    pub(crate) fn id(&mut self) -> SocketId {
        let at = usize::from(self.byte());
        MEMORY.with_borrow(|memory| match memory.ids.len() {
            0 => at as SocketId,
            length => memory.ids[at % length],
        })
    }

    pub(crate) fn ids(&mut self) -> Vec<SocketId> {
        let id = self.id();
        let count = self.size();
        (0..count as SocketId)
            .map(|at| id.wrapping_add(at % 5))
            .collect()
    }
}
