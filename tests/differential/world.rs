//! What a script can do, whichever host is behind it.

/// Where a script runs.
pub(crate) trait World {
    type Peer: Peer;

    /// The answer to a GET: status and body.
    async fn get(&self, path: &str) -> (u16, String);

    /// Open a socket, with these subprotocols to choose from; or the status in place of a 101.
    async fn open_with(
        &self,
        path: &str,
        protocols: Option<&'static str>,
    ) -> Result<Self::Peer, u16>;

    /// Let the object of this name hibernate. Whether it does, or something holds it.
    async fn rest(&self, object: &str) -> &'static str;

    /// Let so many milliseconds pass.
    async fn pause(&self, ms: u64);

    async fn open(&self, path: &str) -> Self::Peer {
        match self.open_with(path, None).await {
            Ok(peer) => peer,
            Err(status) => panic!("{path} answers {status}"),
        }
    }

    /// Ask until the answer is as it should be, or it is clear that it will not be.
    async fn until(&self, path: &str, holds: impl Fn(&str) -> bool) -> String {
        let mut body = String::new();
        for times in 0..1000 {
            body = self.get(path).await.1;
            if holds(&body) {
                break;
            }
            self.pause(if times < 200 { 5 } else { 25 }).await;
        }
        body
    }
}

/// A client.
pub(crate) trait Peer {
    async fn send(&mut self, text: &str);

    async fn send_binary(&mut self, bytes: &[u8]);

    /// Start the close handshake.
    async fn close(&mut self, code: u16, reason: &str);

    /// What comes next, in words: a message, a Close, or the end of the connection without one.
    async fn next(&mut self) -> String;

    /// Be gone, without a Close.
    async fn vanish(self);

    /// Send one text, and what comes next.
    async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.next().await
    }
}

/// One script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    /// Objects of the real host hibernate as soon as they may. Those in memory hibernate when they are told to, in any script.
    pub(crate) is_sleepy: bool,
    /// Why the worlds are known to differ.
    pub(crate) differs: Option<&'static str>,
}

impl Script {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            is_sleepy: false,
            differs: None,
        }
    }

    pub(crate) const fn sleepy(name: &'static str) -> Self {
        Self {
            is_sleepy: true,
            ..Self::new(name)
        }
    }

    pub(crate) const fn differs(self, why: &'static str) -> Self {
        Self {
            differs: Some(why),
            ..self
        }
    }
}

/// Scripts of a kind.
pub(crate) trait Area {
    const SCRIPTS: &[Script];

    async fn run<W: World>(world: &W, script: &str, told: &mut Told);
}

/// What a script has seen.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<String>);

impl Told {
    pub(crate) fn panicked() -> Self {
        Self(vec!["it panicked".to_owned()])
    }

    pub(crate) fn line(&mut self, line: impl Into<String>) {
        self.0.extend(line.into().lines().map(str::to_owned));
    }

    pub(crate) fn answer(&mut self, (status, body): (u16, String)) {
        self.line(format!("{status} {body}"));
    }

    /// Where this, in memory, and that, of the real host, begin to differ.
    pub(crate) fn difference(&self, real: &Self) -> Option<String> {
        let (ours, theirs) = (&self.0, &real.0);
        assert!(!theirs.is_empty(), "the script has seen nothing");
        if ours == theirs {
            return None;
        }
        let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let line = |of: &[String]| of.get(same).cloned().unwrap_or("nothing more".to_owned());
        Some(format!(
            "line {}\n    in memory: {}\n    the host:  {}",
            same + 1,
            line(ours),
            line(theirs)
        ))
    }
}
