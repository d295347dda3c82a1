//! Owns the way to durable objects: [`ObjectNamespace`], [`ObjectId`], [`Stub`]. Knows nothing of what an object is
//! inside.

use crate::error::{Error, Result};
use crate::operation::Operation;
use crate::request::{Method, Request};
use crate::response::Response;
use crate::sys;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// The durable objects of one class, from [`Env::durable_object`](crate::Env::durable_object).
#[derive(Clone, Debug)]
pub struct ObjectNamespace {
    name: Rc<str>,
}

impl ObjectNamespace {
    pub(crate) fn bound(name: &str) -> Result<Self> {
        // Any question tells whether there is such a namespace.
        sys::object_id(name, "")?;
        Ok(Self { name: name.into() })
    }

    /// The id of the object of that name: always the same for the same name.
    ///
    /// # Errors
    ///
    /// None that a program can meet: the namespace exists.
    pub fn id_from_name(&self, name: &str) -> Result<ObjectId> {
        let hex = sys::object_id(&self.name, name)?;
        Ok(self.id(&hex, Some(name.into())))
    }

    /// The id that was once turned into this text.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidObjectId`] if it is no id of this namespace.
    pub fn id_from_string(&self, hex: &str) -> Result<ObjectId> {
        let hex = sys::check_object_id(&self.name, hex)?;
        Ok(self.id(&hex, None))
    }

    /// An id that no object has had.
    ///
    /// # Errors
    ///
    /// As [`id_from_name`](Self::id_from_name).
    pub fn unique_id(&self) -> Result<ObjectId> {
        let hex = sys::new_object_id(&self.name)?;
        Ok(self.id(&hex, None))
    }

    /// The way to the object of that name.
    ///
    /// # Errors
    ///
    /// As [`id_from_name`](Self::id_from_name).
    pub fn get_by_name(&self, name: &str) -> Result<Stub> {
        self.id_from_name(name)?.get_stub()
    }

    fn id(&self, hex: &str, name: Option<Rc<str>>) -> ObjectId {
        ObjectId {
            hex: hex.into(),
            name,
            namespace: Some(Rc::clone(&self.name)),
        }
    }
}

/// Names a durable object. Displayed as 64 hexadecimal digits, which are what ids are compared by.
#[derive(Clone, Debug)]
pub struct ObjectId {
    hex: Rc<str>,
    name: Option<Rc<str>>,
    /// An object does not know by which of its names it was reached.
    namespace: Option<Rc<str>>,
}

impl ObjectId {
    pub(crate) fn own(hex: &str, name: Option<String>) -> Self {
        Self {
            hex: hex.into(),
            name: name.map(Into::into),
            namespace: None,
        }
    }

    /// The name that the id was made from, if it was.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.name.as_deref().map(str::to_owned)
    }

    /// The way to the object. The object is started, or woken, by the first request.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownNamespace`] for the id that an object has from [`State::id`](crate::State::id): it does not say
    /// where it came from. [`ObjectNamespace::id_from_string`] does.
    pub fn get_stub(&self) -> Result<Stub> {
        if self.namespace.is_none() {
            return Err(Error::UnknownNamespace(
                "an object's own id is of none".to_owned(),
            ));
        }
        Ok(Stub { id: self.clone() })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex)
    }
}

impl PartialEq for ObjectId {
    fn eq(&self, other: &Self) -> bool {
        self.hex == other.hex
    }
}

impl Eq for ObjectId {}

impl Hash for ObjectId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hex.hash(state);
    }
}

/// The way to one durable object.
#[derive(Clone, Debug)]
pub struct Stub {
    id: ObjectId,
}

impl Stub {
    /// Send the object this request, as it is. An upgrade may be passed on so, and the response, a 101 with its
    /// socket, returned from the handler.
    ///
    /// Dropping the future gives the response up; the object may have acted all the same.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] with what was wrong, if the object's handler fails or panics, or the object is reset;
    /// [`Error::Overloaded`] if there is no instance to be had.
    pub async fn fetch_with_request(&self, request: Request) -> Result<Response> {
        let namespace = self.id.namespace.as_deref().unwrap_or_default();
        let token = sys::fetch_object(namespace, &self.id.hex, &request)?;
        Ok(Response::from_raw(Operation::new(token).await?))
    }

    /// Send the object a GET. The URL is absolute; which host it names does not matter.
    ///
    /// # Errors
    ///
    /// As [`fetch_with_request`](Self::fetch_with_request).
    pub async fn fetch_with_str(&self, url: &str) -> Result<Response> {
        self.fetch_with_request(Request::new(url, Method::Get))
            .await
    }

    /// The id of the object.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id.clone()
    }
}
