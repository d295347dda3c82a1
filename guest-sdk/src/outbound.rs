//! Owns requests to other servers: [`Fetch`].

use crate::error::Result;
use crate::operation::Operation;
use crate::request::{Method, Request};
use crate::response::Response;
use crate::sys;
use crate::url::Url;

/// A request to another server. Which hosts a worker may reach, its configuration says.
///
/// ```no_run
/// # use pairway::*;
/// # async fn example() -> Result<()> {
/// let url = Url::parse("https://example.org/rates")?;
/// let rates: Vec<f64> = Fetch::Url(url).send().await?.json()?;
/// # Ok(())
/// # }
/// ```
///
/// With the header `upgrade: websocket` the answer may be a 101, whose socket [`Response::websocket`] gives;
/// [`WebSocket::connect`](crate::WebSocket::connect) is shorter.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// A GET.
    Url(Url),
    /// Any request.
    Request(Request),
}

impl Fetch {
    /// Send it, and wait for the response, whatever its status. Dropping the future gives it up.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidUrl`](crate::Error::InvalidUrl) if the scheme is not `http` or `https`.
    /// - [`Error::NotAllowed`](crate::Error::NotAllowed) if the worker may not reach the host.
    /// - [`Error::Other`](crate::Error::Other) if there is no response.
    pub async fn send(&self) -> Result<Response> {
        let token = match self {
            Self::Url(url) => sys::fetch(&Request::new(url.as_str(), Method::Get))?,
            Self::Request(request) => sys::fetch(request)?,
        };
        Ok(Response::from_raw(Operation::new(token).await?))
    }
}

/// Send a request to another server, as [`Fetch::send`] does.
///
/// # Errors
///
/// As [`Fetch::send`].
pub async fn fetch(request: Request) -> Result<Response> {
    Fetch::Request(request).send().await
}
