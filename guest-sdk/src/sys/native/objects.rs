//! Owns the durable objects of a test: their namespaces and ids, and what the host keeps of each while it hibernates.
//! Their values are `testing`'s.

use super::super::{Due, Event, ObjectInfo, Payload};
use super::storage::Values;
use super::{Alarm, Delivery, Host, Socket, host, requests};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::task::Owner;
use std::collections::BTreeMap;
use std::time::Duration;

/// The bounds of alarms: so many retries, the first after so long, and each later by twice as much.
const ALARM_RETRIES: u32 = 6;
const ALARM_RETRY_DELAY: Duration = Duration::from_secs(2);
const EVENT_TIMEOUT_MS: u32 = 604_800_000;

/// Which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object(usize);

#[derive(Default)]
pub(super) struct Objects {
    /// The classes that they are bound to.
    namespaces: BTreeMap<String, String>,
    /// What ids were made from.
    names: BTreeMap<String, String>,
    known: Vec<Known>,
}

/// What lasts of an object.
struct Known {
    class: String,
    id: String,
    values: Values,
    event_timeout_ms: Option<u32>,
    /// How often its alarm has been tried.
    alarm_retries: u32,
    /// When the alarm was due that is on its way to it. A constructor that it wakes sees it, and its handler does not.
    due_ms: Option<u64>,
    /// Why it is to be reset, if it is.
    aborted: Option<String>,
}

impl Objects {
    fn find(&mut self, class: &str, id: &str) -> Object {
        let known = self
            .known
            .iter()
            .position(|known| known.class == class && known.id == id);
        Object(known.unwrap_or_else(|| {
            self.known.push(Known {
                class: class.to_owned(),
                id: id.to_owned(),
                values: Values::default(),
                event_timeout_ms: None,
                alarm_retries: 0,
                due_ms: None,
                aborted: None,
            });
            self.known.len() - 1
        }))
    }

    pub(super) fn values(&mut self, object: Object) -> &mut Values {
        &mut self.known[object.0].values
    }

    pub(super) fn due(&mut self, object: Object, scheduled_ms: u64) -> Event {
        Event::Alarm(Due {
            scheduled_ms,
            retry_count: self.known[object.0].alarm_retries,
        })
    }

    /// The class that a namespace leads to. Objects are of their class, whatever the namespace that led to it.
    fn class(&self, namespace: &str) -> Result<String> {
        let class = self.namespaces.get(namespace).cloned();
        class.ok_or_else(|| Error::UnknownNamespace(namespace.to_owned()))
    }
}

/// An id is the class, in 16 digits, and what it was made from.
fn hex(class: &str, seeds: [&str; 3]) -> String {
    let digits = |text: &str| {
        // FNV-1a: the same every time, and well enough apart for a test.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    };
    digits(class) + &seeds.map(digits).concat()
}

/// Bind a namespace to a class, for this test.
pub(crate) fn bind(namespace: &str, class_name: &str) {
    host(|host| {
        let namespaces = &mut host.objects.namespaces;
        namespaces.insert(namespace.to_owned(), class_name.to_owned());
    });
}

pub(crate) fn object_id(namespace: &str, name: &str) -> Result<String> {
    host(|host| {
        let class = host.objects.class(namespace)?;
        let id = hex(&class, [name, &format!("{name}1"), &format!("{name}2")]);
        host.objects.names.insert(id.clone(), name.to_owned());
        Ok(id)
    })
}

pub(crate) fn new_object_id(namespace: &str) -> Result<String> {
    host(|host| {
        let class = host.objects.class(namespace)?;
        let count = host.count().to_string();
        Ok(hex(&class, ["unique", "id", &count]))
    })
}

pub(crate) fn check_object_id(namespace: &str, text: &str) -> Result<String> {
    let class = host(|host| host.objects.class(namespace))?;
    let prefix = &hex(&class, [""; 3])[..16];
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() != 64 || !is_hex {
        let why = format!("{text:?}: an id has 64 hexadecimal digits");
        return Err(Error::InvalidObjectId(why));
    }
    let id = text.to_ascii_lowercase();
    if !id.starts_with(prefix) {
        let why = format!("{text:?}: it is the id of an object of another class, or of none");
        return Err(Error::InvalidObjectId(why));
    }
    Ok(id)
}

pub(crate) fn fetch_object(namespace: &str, id: &str, request: &Request) -> Result<u64> {
    check_object_id(namespace, id)?;
    host(|host| {
        let class = host.objects.class(namespace)?;
        let object = host.objects.find(&class, id);
        Ok(requests::call(host, Some(object), request.clone()))
    })
}

impl Object {
    /// Whose its tasks are.
    pub(crate) fn owner(self) -> Owner {
        Owner::of(self.0 as u64 + 1)
    }

    /// Whether a standard socket holds its instance.
    pub(crate) fn has_standard_sockets(self) -> bool {
        host(|host| host.ends.has_standard_sockets(self))
    }

    /// It has an instance, which gets its events now.
    pub(crate) fn begins_turn(self) {
        host(|host| host.objects.known[self.0].due_ms = None);
    }

    /// The turn in which it was aborted is over.
    pub(crate) fn reset(self) {
        let reason = host(|host| {
            host.ends.reset(self);
            host.objects.known[self.0].aborted.take()
        });
        let why = format!("the object was reset: {}", reason.unwrap_or_default());
        requests::fail_all(self, &why);
    }

    /// What an instance is told when it starts.
    pub(crate) fn info(self) -> ObjectInfo {
        host(|host| {
            let objects = &host.objects;
            let Known { class, id, .. } = &objects.known[self.0];
            ObjectInfo {
                class_name: class.clone(),
                id: id.clone(),
                name: objects.names.get(id).cloned(),
            }
        })
    }
}

/// Its sockets.
impl Object {
    pub(crate) fn accept(self, socket: &Socket, tags: &[&str]) -> Result<()> {
        host(|host| host.ends.accept_for(self, socket.id(), tags))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
    pub(crate) fn sockets(self, tag: Option<&str>) -> Result<Vec<u64>> {
        Ok(host(|host| host.ends.of(self, tag)))
    }

    pub(crate) fn has_socket(self, id: u64) -> bool {
        host(|host| host.ends.of(self, None)).contains(&id)
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the interface of the other host"
    )]
    pub(crate) fn socket(self, id: u64) -> Option<Socket> {
        Some(Socket(id))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
    pub(crate) fn broadcast(
        self,
        tag: Option<&str>,
        except: &[u64],
        payload: Payload<'_>,
    ) -> Result<u32> {
        Ok(host(|host| {
            let mut count = 0;
            for id in host.ends.of(self, tag) {
                if !except.contains(&id) && host.ends.send(id, payload).is_ok() {
                    count += 1;
                }
            }
            count
        }))
    }

    pub(crate) fn set_auto_response(self, pair: Option<(&str, &str)>) -> Result<()> {
        host(|host| host.ends.set_auto_response(self, pair))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
    pub(crate) fn auto_response(self) -> Result<Option<(String, String)>> {
        Ok(host(|host| host.ends.auto_response(self)))
    }

    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn auto_response_time(self, socket: u64) -> Result<Option<u64>> {
        host(|host| host.ends.answered_ms(socket))
    }

    pub(crate) fn set_event_timeout(self, timeout_ms: Option<u32>) -> Result<()> {
        if timeout_ms > Some(EVENT_TIMEOUT_MS) {
            return Err(Error::TimeoutTooLong(EVENT_TIMEOUT_MS.into()));
        }
        host(|host| host.objects.known[self.0].event_timeout_ms = timeout_ms);
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
    pub(crate) fn event_timeout(self) -> Result<Option<u32>> {
        Ok(host(|host| host.objects.known[self.0].event_timeout_ms))
    }
}

/// Its life. The gate is kept by the instance; what runs keeps no instance alive here.
#[expect(clippy::unnecessary_wraps, reason = "the interface of the other host")]
impl Object {
    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn close_gate(self) -> Result<()> {
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn open_gate(self) -> Result<()> {
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "the interface of the other host")]
    pub(crate) fn set_running(self, _: u32) -> Result<()> {
        Ok(())
    }

    /// It takes effect when the turn is over: [`Self::reset`].
    pub(crate) fn abort(self, reason: &str) -> Result<()> {
        host(|host| {
            let aborted = &mut host.objects.known[self.0].aborted;
            aborted.get_or_insert_with(|| reason.to_owned());
        });
        Ok(())
    }

    pub(crate) fn set_alarm(self, time_ms: Option<u64>) -> Result<()> {
        host(|host| {
            host.objects.known[self.0].alarm_retries = 0;
            host.set_object_alarm(self, time_ms);
        });
        Ok(())
    }

    pub(crate) fn alarm(self) -> Result<Option<u64>> {
        Ok(host(|host| {
            let alarm = host.object_alarm(self);
            alarm.or(host.objects.known[self.0].due_ms)
        }))
    }

    pub(crate) fn alarm_handled(self, succeeded: bool) -> Result<()> {
        host(|host| {
            let retries = host.objects.known[self.0].alarm_retries;
            // One that its handler has set counts for itself.
            if !succeeded && retries < ALARM_RETRIES && host.object_alarm(self).is_none() {
                host.objects.known[self.0].alarm_retries = retries + 1;
                let delay = ALARM_RETRY_DELAY * (1 << retries);
                host.set_alarm(delay, Alarm::Object(self));
            }
        });
        Ok(())
    }
}

impl Host {
    fn set_object_alarm(&mut self, object: Object, time_ms: Option<u64>) {
        self.alarms
            .retain(|_, alarm| *alarm != Alarm::Object(object));
        if let Some(time_ms) = time_ms {
            let delay_ms = time_ms.saturating_sub(self.unix_time_ms());
            self.set_alarm(Duration::from_millis(delay_ms), Alarm::Object(object));
        }
    }

    fn object_alarm(&self, object: Object) -> Option<u64> {
        let (key, _) = self
            .alarms
            .iter()
            .find(|(_, alarm)| **alarm == Alarm::Object(object))?;
        Some(self.unix_ms(key.0))
    }

    pub(super) fn object_alarm_is_due(&mut self, object: Object, time: Duration) {
        let scheduled_ms = self.unix_ms(time);
        self.objects.known[object.0].due_ms = Some(scheduled_ms);
        let event = self.objects.due(object, scheduled_ms);
        self.events.push_back(Delivery {
            to: Some(object),
            event,
        });
    }
}
