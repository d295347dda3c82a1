//! Owns the setting of bounds by their names, and whether they can be kept together.

use super::limits::Limits;
use crate::error::Error;

/// Headers that a message may have at all. `HeaderMap` ends, with a panic, at 24,576, and the host adds some of its own.
const HEADERS: u64 = 16_384;

impl Limits {
    /// Set a bound by its name; dashes may stand for underscores.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the bounds that come close if there is none of that name.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), Error> {
        let wanted = name.replace('-', "_");
        if let Some(field) = self.field(&wanted) {
            *field = value;
            return Ok(());
        }
        let word = wanted.split('_').next().unwrap_or_default();
        let near: Vec<_> = self
            .describe()
            .into_iter()
            .map(|limit| limit.name)
            .filter(|name| name.contains(word))
            .collect();
        let hint = if near.is_empty() {
            "`pairway limits` lists them".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        Err(Error::Config(format!("there is no limit `{name}`: {hint}")))
    }

    /// Check that the bounds can be kept together.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] names the bound that cannot.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::Config(text.to_owned()));
        if self.outbox_soft_bytes > self.outbox_hard_bytes {
            return refuse("limit outbox_soft_bytes must not be above outbox_hard_bytes");
        }
        if self.memory_bytes > 4 << 30 {
            return refuse(
                "limit memory_bytes must not be above 4 GiB, the address space of a component",
            );
        }
        if self.request_head_bytes < 8192 {
            return refuse("limit request_head_bytes must be at least 8192");
        }
        if self.response_head_bytes < 8192 {
            return refuse("limit response_head_bytes must be at least 8192");
        }
        for (name, headers) in [
            ("request_headers", self.request_headers),
            ("response_headers", self.response_headers),
            ("worker_headers", self.worker_headers),
        ] {
            if headers > HEADERS {
                return Err(Error::Config(format!(
                    "limit {name} must not be above {HEADERS}: no table of headers holds many more"
                )));
            }
        }
        if self.close_reason_bytes > 123 {
            return refuse(
                "limit close_reason_bytes must not be above 123: a Close frame holds no more",
            );
        }
        for limit in self.describe() {
            if limit.value == 0 && !["linger_ms", "messages_per_second"].contains(&limit.name) {
                return Err(Error::Config(format!(
                    "limit {} must be above zero",
                    limit.name
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_its_name_with_dashes_or_underscores() {
        let mut limits = Limits::default();
        limits.set("message-bytes", 5).unwrap();
        assert_eq!(limits.message_bytes, 5);
        limits.set("close_timeout_ms", 7).unwrap();
        assert_eq!(limits.close_timeout_ms, 7);
    }

    #[test]
    fn an_unknown_limit_is_refused_with_names_that_come_close() {
        let error = Limits::default()
            .set("outbox-bytes", 5)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("outbox_soft_bytes") && error.contains("outbox_hard_bytes"),
            "{error}"
        );
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let mut limits = Limits::default();
        limits.outbox_soft_bytes = limits.outbox_hard_bytes + 1;
        assert!(limits.check().is_err());
        assert!(
            Limits {
                message_bytes: 0,
                ..Limits::default()
            }
            .check()
            .is_err()
        );
        for name in ["request_headers", "response_headers", "worker_headers"] {
            let mut limits = Limits::default();
            limits.set(name, HEADERS).unwrap();
            assert!(limits.check().is_ok());
            limits.set(name, HEADERS + 1).unwrap();
            let error = limits.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(Limits::default().check().is_ok());
    }

    #[test]
    fn the_totals_of_memory_are_seven_tenths_of_it_at_most() {
        let limits = Limits::default();
        let sum: u64 = limits
            .describe()
            .iter()
            .filter(|limit| limit.is_total && limit.name.ends_with("_bytes"))
            // On disk; and one of a fixed size.
            .filter(|limit| !["storage_bytes", "log_queue_bytes"].contains(&limit.name))
            .map(|limit| limit.value)
            .sum();
        assert!(sum <= crate::config::machine::share(70), "{sum}");
    }

    #[test]
    fn every_limit_says_what_happens_when_it_is_reached() {
        for limit in Limits::default().describe() {
            assert!(limit.doc.len() > 30, "{} has no sentence", limit.name);
        }
    }
}
