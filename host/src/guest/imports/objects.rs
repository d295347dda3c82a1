//! Owns the imports of `wit/objects.wit`: ids, and requests to objects.

use super::ends::full;
use super::http::size_of_contents;
use super::wit::objects::{Host, Request as WitRequest};
use super::{GuestState, WitError};
use crate::guest::effects::Staged;
use crate::guest::request::{Request, Token, check_head};
use crate::guest::store::cost;
use crate::namespace::Class;
use crate::object;
use crate::quota::Charge;
use crate::storage::Address;
use crate::upgrade;

type Refusable<T> = wasmtime::Result<Result<T, WitError>>;

impl GuestState {
    fn class(&self, namespace: String) -> Result<Class, WitError> {
        match self.host.namespaces.get(&namespace) {
            Some(class) => Ok(class.clone()),
            None => Err(WitError::UnknownNamespace(namespace)),
        }
    }

    fn object_id(&self, namespace: String, text: &str) -> Result<(Class, String), WitError> {
        let class = self.class(namespace)?;
        match object::id_from_string(&class.name, text) {
            Ok(id) => Ok((class, id)),
            Err(error) => Err(WitError::InvalidObjectId(format!("{text:?}: {}", error.0))),
        }
    }
}

impl Host for GuestState {
    fn id_from_name(&mut self, namespace: String, name: String) -> Refusable<String> {
        let class = match self.class(namespace) {
            Ok(class) => class,
            Err(error) => return Ok(Err(error)),
        };
        let limit = self.host.limits.object_name_bytes;
        if name.len() as u64 > limit {
            let text = format!(
                "a name of {} bytes, at most {limit} (limit object_name_bytes)",
                name.len()
            );
            return Ok(Err(WitError::Other(text)));
        }
        let id = object::id_from_name(&class.name, &name);
        self.duties.names.insert(id.clone(), name);
        Ok(Ok(id))
    }

    fn new_unique_id(&mut self, namespace: String) -> Refusable<String> {
        Ok(self.class(namespace).and_then(|class| {
            object::unique_id(&class.name).map_err(|error| WitError::Other(error.0))
        }))
    }

    fn id_from_string(&mut self, namespace: String, text: String) -> Refusable<String> {
        Ok(self.object_id(namespace, &text).map(|(_, id)| id))
    }

    fn fetch(&mut self, namespace: String, id: String, request: WitRequest) -> Refusable<Token> {
        let (class, id) = match self.object_id(namespace, &id) {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = self.may_operate() {
            return Ok(Err(error));
        }
        let bytes = size_of_contents(&request.headers, &request.body)
            + (request.uri.len() + request.method.len()) as u64;
        let depth = match self.check_request(&request) {
            Ok(depth) => depth,
            Err(text) => return Ok(Err(WitError::Other(text))),
        };
        let Some(charge) = self.charge(bytes + cost::OPERATION) else {
            return Ok(Err(full()));
        };
        if !self.effects.keep_one() {
            return Ok(Err(full()));
        }
        let token = self.next_id();
        self.operations.insert(token);
        self.keep_depth(token);
        let name = self.duties.names.get(&id).cloned();
        let staged = Staged::FetchObject {
            token,
            address: Address {
                class: class.name,
                id: id.into(),
            },
            name,
            request: Box::new(to_request(request, depth, charge)),
        };
        self.effects.push(staged, &self.host.limits)?;
        Ok(Ok(token))
    }
}

impl GuestState {
    /// Hold a request for an object against its bounds. Gives its depth.
    fn check_request(&self, request: &WitRequest) -> Result<u32, String> {
        let limits = &self.host.limits;
        let depth = self.depth + 1;
        if u64::from(depth) > limits.object_depth {
            return Err(format!(
                "{} requests from object to object stand behind this one (limit object_depth): do they go round in a circle?",
                self.depth
            ));
        }
        let peer = request.peer.as_ref().map_or(0, String::len);
        let line = request.method.len() + request.uri.len() + peer;
        check_head(line, &request.headers, limits)?;
        Ok(depth)
    }
}

/// What a guest sends to an object.
fn to_request(request: WitRequest, depth: u32, charge: Charge) -> Request {
    let wants_web_socket = upgrade::asks_for_web_socket(&request.headers);
    Request {
        method: request.method,
        uri: request.uri,
        headers: request.headers,
        body: request.body,
        _charge: Some(charge),
        peer: request.peer,
        wants_web_socket,
        depth,
    }
}
