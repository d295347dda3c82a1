//! Owns [`WebSocketUpgrade`]: from an upgrade request to an accepted socket and its 101.

use crate::error::{Error, Result};
use crate::headers::token;
use crate::request::Request;
use crate::response::Response;
use crate::socket::{AcceptOptions, WebSocket, WebSocketPair};

/// A request that asks for a WebSocket and may have it.
///
/// ```
/// use pairway::*;
///
/// async fn chat(req: Request) -> Result<Response> {
///     let upgrade = req.upgrade()?; // a plain GET gets a 426
///     let (mut socket, response) = upgrade.protocol("chat").accept()?;
///     spawn(async move {
///         while let Some(message) = socket.recv().await? {
///             socket.send(message)?;
///         }
///         Ok(())
///     });
///     Ok(response)
/// }
/// # testing::run(async {
/// #     let request = testing::upgrade_request("http://h/").with_header("sec-websocket-protocol", "chat").unwrap();
/// #     let response = testing::fetch(chat, request).await;
/// #     assert_eq!(response.headers().get("sec-websocket-protocol").as_deref(), Some("chat"));
/// # });
/// ```
#[derive(Debug)]
pub struct WebSocketUpgrade {
    offered: Vec<String>,
    chosen: Option<String>,
    options: AcceptOptions,
}

impl Request {
    /// Check that the client asks for a WebSocket. Whether it asks as it should, with the right method,
    /// version and key, the host checks when it gets the response, and answers 400 or 426 in its place.
    ///
    /// # Errors
    ///
    /// [`Error::UpgradeRequired`] if it does not; returned from a handler it becomes a 426.
    pub fn upgrade(&self) -> Result<WebSocketUpgrade> {
        if !self.is_upgrade() {
            return Err(Error::UpgradeRequired("Expected Upgrade: websocket"));
        }
        let offered = self
            .headers
            .items("sec-websocket-protocol")
            .filter_map(token);
        Ok(WebSocketUpgrade {
            offered: offered.map(str::to_owned).collect(),
            chosen: None,
            options: AcceptOptions::default(),
        })
    }
}

impl WebSocketUpgrade {
    /// The subprotocols that the client offers, in its order of preference.
    #[must_use]
    pub fn protocols(&self) -> &[String] {
        &self.offered
    }

    /// Agree on this subprotocol if the client offers it. Of several calls the first that fits counts.
    #[must_use]
    pub fn protocol(mut self, name: &str) -> Self {
        if self.chosen.is_none() {
            self.chosen = self.offered.iter().find(|offer| *offer == name).cloned();
        }
        self
    }

    /// How to accept the worker's end.
    #[must_use]
    pub fn options(mut self, options: AcceptOptions) -> Self {
        self.options = options;
        self
    }

    /// Make the pair and accept the worker's end. The response carries the client's.
    ///
    /// # Errors
    ///
    /// [`Error::TooManySockets`] if the worker holds as many as it may.
    pub fn accept(self) -> Result<(WebSocket, Response)> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let socket = server.accept_with(self.options)?;
        let mut response = Response::from_websocket(client)?;
        if let Some(chosen) = &self.chosen {
            response
                .headers_mut()
                .set_known("sec-websocket-protocol", chosen);
        }
        Ok((socket, response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Method;
    use crate::testing::upgrade_request;

    #[test]
    fn what_is_no_upgrade_is_refused() {
        let plain = Request::new("http://h/", Method::Get);
        assert!(matches!(plain.upgrade(), Err(Error::UpgradeRequired(_))));
    }

    #[test]
    fn the_first_protocol_that_was_offered_is_chosen() {
        let request = upgrade_request("http://h/")
            .with_header("sec-websocket-protocol", "a, b ,c")
            .unwrap();
        let upgrade = request.upgrade().unwrap();
        assert_eq!(upgrade.protocols(), ["a", "b", "c"]);
        assert_eq!(
            upgrade
                .protocol("z")
                .protocol("c")
                .protocol("a")
                .chosen
                .as_deref(),
            Some("c")
        );
    }
}
