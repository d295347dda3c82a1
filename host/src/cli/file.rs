//! Owns the configuration file, `pairway.toml`: its keys are those of wrangler where that has them. What it
//! says is overruled by the environment, and that by flags.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
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
    pub(super) sockets_per_instance: Option<u32>,
    #[serde(default)]
    pub(super) vars: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) limits: BTreeMap<String, u64>,
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
        if let (Some(main), Some(folder)) = (&mut file.main, path.parent()) {
            *main = folder.join(&*main);
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
            "main = \"a.wasm\"\naddr = \"127.0.0.1:0\"\nsockets_per_instance = 3\n\
             [vars]\nNAME = \"value\"\n[limits]\nmessage_bytes = 1_000\n",
        )
        .unwrap();
        assert_eq!(file.main, Some(PathBuf::from("a.wasm")));
        assert_eq!(file.sockets_per_instance, Some(3));
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
