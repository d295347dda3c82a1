//! Owns the configuration file, `pairway.toml`: its keys are those of wrangler where that has them. What it
//! says is overruled by the environment, and that by flags.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use pairway_host::DurableObject;
use serde::Deserialize;

/// The name of the file that is read if it is there and no other is named.
const DEFAULT: &str = "pairway.toml";

/// What a configuration file can say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The worker, relative to the file.
    pub(super) main: Option<PathBuf>,
    pub(super) addr: Option<SocketAddr>,
    #[serde(default)]
    pub(super) allowed_origins: Vec<String>,
    pub(super) sockets_per_instance: Option<u32>,
    /// Where durable objects keep their storage, relative to the file.
    pub(super) data_dir: Option<PathBuf>,
    #[serde(default)]
    pub(super) durable_objects: DurableObjects,
    pub(super) tls: Option<TlsFiles>,
    #[serde(default)]
    pub(super) outbound: Outbound,
    #[serde(default)]
    pub(super) compression: Compression,
    #[serde(default)]
    pub(super) vars: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) limits: BTreeMap<String, u64>,
}

/// `[tls]`: PEM files, relative to the configuration file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsFiles {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

/// `[compression]`, of messages.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compression {
    enabled: Option<bool>,
    min_bytes: Option<usize>,
    level: Option<u8>,
    peer_context_takeover: Option<bool>,
}

impl Compression {
    /// Overrule the defaults.
    pub(super) fn set(&self, config: &mut pairway_host::Compression) {
        config.enabled = self.enabled.unwrap_or(config.enabled);
        config.min_bytes = self.min_bytes.unwrap_or(config.min_bytes);
        config.level = self.level.unwrap_or(config.level);
        config.peer_context_takeover = self
            .peer_context_takeover
            .unwrap_or(config.peer_context_takeover);
    }
}

/// `[outbound]`: what the worker may do to other servers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outbound {
    /// As `wss://example.com`, `http://*.internal:8080`.
    #[serde(default)]
    pub(super) allowed_hosts: Vec<String>,
    /// PEM files, relative to the configuration file.
    #[serde(default)]
    pub(super) ca_files: Vec<PathBuf>,
}

/// `[durable_objects]`, as in wrangler.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DurableObjects {
    #[serde(default)]
    pub(super) bindings: Vec<Binding>,
}

/// `[[durable_objects.bindings]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Binding {
    name: String,
    class_name: String,
    hibernate_after_ms: Option<u64>,
}

impl From<Binding> for DurableObject {
    fn from(binding: Binding) -> Self {
        Self {
            name: binding.name,
            class_name: binding.class_name,
            hibernate_after_ms: binding.hibernate_after_ms,
        }
    }
}

impl File {
    /// Read the named file, which must be there; or the default one, which need not.
    pub(super) fn read(named: Option<&Path>) -> Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => bail!("cannot read {}: {error} (--config)", path.display()),
        };
        let mut file: Self =
            toml::from_str(&text).with_context(|| format!("{} cannot be used", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let tls = file.tls.iter_mut();
        for place in [&mut file.main, &mut file.data_dir]
            .into_iter()
            .flatten()
            .chain(tls.flat_map(|tls| [&mut tls.cert, &mut tls.key]))
            .chain(&mut file.outbound.ca_files)
        {
            *place = folder.join(&*place);
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_is_read() {
        let file = parse(
            "main = \"a.wasm\"\naddr = \"127.0.0.1:0\"\nsockets_per_instance = 3\ndata_dir = \"data\"\n\
             [[durable_objects.bindings]]\nname = \"ROOM\"\nclass_name = \"Room\"\nhibernate_after_ms = 50\n\
             [tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n\
             [outbound]\nallowed_hosts = [\"wss://a.example\"]\nca_files = [\"ca.pem\"]\n\
             [vars]\nNAME = \"value\"\n[limits]\nmessage_bytes = 1_000\n",
        )
        .unwrap();
        assert_eq!(file.main, Some(PathBuf::from("a.wasm")));
        assert_eq!(file.sockets_per_instance, Some(3));
        assert_eq!(file.data_dir, Some(PathBuf::from("data")));
        let bindings: Vec<_> = file
            .durable_objects
            .bindings
            .into_iter()
            .map(DurableObject::from)
            .collect();
        assert_eq!(
            bindings,
            [DurableObject {
                name: "ROOM".to_owned(),
                class_name: "Room".to_owned(),
                hibernate_after_ms: Some(50)
            }]
        );
        assert_eq!(file.tls.unwrap().key, PathBuf::from("key.pem"));
        assert_eq!(file.outbound.allowed_hosts, ["wss://a.example"]);
        assert_eq!(file.outbound.ca_files, [PathBuf::from("ca.pem")]);
        assert_eq!(file.vars["NAME"], "value");
        assert_eq!(file.limits["message_bytes"], 1000);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_ones_there_are() {
        let error = parse("port = 1\n").unwrap_err();
        assert!(error.contains("port") && error.contains("addr"), "{error}");
    }

    #[test]
    fn a_named_file_must_be_there() {
        let error = File::read(Some(Path::new("/nowhere/pairway.toml"))).unwrap_err();
        assert!(
            error.to_string().contains("/nowhere/pairway.toml"),
            "{error}"
        );
    }
}
