//! Owns how the descriptors that the process may open are shared out: among its connections, those of the worker to other servers,
//! and databases, with some kept so that accepting never stops for want of one.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Limits;

/// Descriptors that are kept for what is open only for moments: a connection that is refused, a file that is read.
const KEPT: u64 = 64;

/// Descriptors that one lookup of a name takes.
const A_LOOKUP: u64 = 2;

/// Descriptors of an open database: its file, its log, and its folder for moments.
const A_DATABASE: u64 = 3;

/// What the process has open where nobody can tell: standard streams, the runtime's own.
const OPEN: u64 = 16;

/// The bound on the descriptors of this process, as `ulimit -n` sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// So many may be open.
    pub soft: u64,
    /// Up to this the process may raise that by itself.
    pub hard: u64,
    /// So many are open now.
    pub open: u64,
}

impl Descriptors {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let listed = ["/proc/self/fd", "/dev/fd"]
            .into_iter()
            .find_map(|folder| fs::read_dir(folder).ok());
        Self {
            soft: current.unwrap_or(u64::MAX),
            hard: maximum.unwrap_or(u64::MAX),
            open: listed.map_or(OPEN, |listed| listed.count() as u64),
        }
    }

    /// Raise the bound so that these limits can be kept, as far as the process may. Programs that use `select` must not, since
    /// it knows no descriptor above 1,023; this one does not use it.
    ///
    /// # Errors
    ///
    /// What the system says; the bound stays what it was.
    pub fn raise_for(&mut self, limits: &Limits) -> io::Result<()> {
        let wanted = Needs::default().of(limits).saturating_add(self.open);
        let soft = wanted.min(self.hard);
        if soft > self.soft {
            setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(soft),
                    maximum: (self.hard < u64::MAX).then_some(self.hard),
                },
            )?;
            self.soft = soft;
        }
        Ok(())
    }

    /// Lower the limits on connections, outbound connections and awake objects to what can be open together. True if one was.
    pub fn fit(&self, limits: &mut Limits) -> bool {
        self.fit_needs(limits, Needs::default())
    }

    pub(crate) fn fit_needs(&self, limits: &mut Limits, needs: Needs) -> bool {
        let before = limits.clone();
        let free = self.soft.saturating_sub(self.open);
        let free = free - needs.kept(limits).min(free / 4);
        let wants = needs.wants(limits);
        let [connections, outbound, databases] = share(free, wants);
        limits.connections = connections;
        if needs.outbound {
            limits.outbound_connections = outbound;
        }
        // As long as all instances may be objects, the limit stays what the operator has said.
        if needs.databases && databases < wants[2] {
            limits.objects_awake = (databases / A_DATABASE).max(1);
        }
        *limits != before
    }
}

/// What of a server takes descriptors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    /// The worker may reach other servers.
    pub(crate) outbound: bool,
    /// It has objects, whose storage is on disk.
    pub(crate) databases: bool,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            outbound: true,
            databases: true,
        }
    }
}

impl Needs {
    fn kept(self, limits: &Limits) -> u64 {
        let lookups = limits.lookups.saturating_mul(A_LOOKUP);
        KEPT.saturating_add(if self.outbound { lookups } else { 0 })
    }

    fn wants(self, limits: &Limits) -> [u64; 3] {
        let awake = limits.objects_awake.min(limits.instances);
        let databases = awake.saturating_mul(A_DATABASE);
        [
            limits.connections,
            if self.outbound {
                limits.outbound_connections
            } else {
                0
            },
            if self.databases { databases } else { 0 },
        ]
    }

    /// All that can be open at a time.
    fn of(self, limits: &Limits) -> u64 {
        let wants = self.wants(limits).into_iter();
        wants.fold(self.kept(limits), u64::saturating_add)
    }
}

/// Share descriptors out: half of them for connections, and a quarter each for the others. Who wants less than that gets what it
/// wants, and what is left goes to the others.
fn share(free: u64, wants: [u64; 3]) -> [u64; 3] {
    const PARTS: [u64; 3] = [2, 1, 1];
    let mut given = [None; 3];
    loop {
        let left = free - given.iter().flatten().sum::<u64>();
        let open = || (0..3).filter(|at| given[*at].is_none());
        let parts: u64 = open().map(|at| PARTS[at]).sum();
        let part = |at: usize| left / parts * PARTS[at];
        let modest = open().find(|at| wants[*at] <= part(*at));
        match modest {
            Some(at) => given[at] = Some(wants[at]),
            None if parts == 0 => break,
            None => {
                for at in open().collect::<Vec<_>>() {
                    given[at] = Some(part(at).max(1));
                }
                break;
            }
        }
    }
    given.map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(soft: u64, needs: Needs) -> Limits {
        let mut limits = Limits::default();
        let descriptors = Descriptors {
            soft,
            hard: soft,
            open: 14,
        };
        descriptors.fit_needs(&mut limits, needs);
        limits
    }

    #[test]
    fn with_enough_of_them_no_limit_changes() {
        assert_eq!(fitted(1 << 20, Needs::default()), Limits::default());
        assert_eq!(fitted(u64::MAX, Needs::default()), Limits::default());
    }

    #[test]
    fn what_can_be_open_together_is_less_than_there_are() {
        for soft in [32, 64, 100, 256, 1_024, 4_096, 20_000, 65_536] {
            for (outbound, databases) in
                [(true, true), (false, true), (true, false), (false, false)]
            {
                let needs = Needs {
                    outbound,
                    databases,
                };
                let limits = fitted(soft, needs);
                let open: u64 = needs.wants(&limits).into_iter().sum();
                assert!(open + 14 < soft, "{soft} {needs:?}: {open}");
                assert!(limits.check().is_ok());
            }
        }
    }

    #[test]
    fn what_one_does_not_need_goes_to_the_others() {
        let all = fitted(1_024, Needs::default());
        assert_eq!(
            (all.connections, all.outbound_connections, all.objects_awake),
            (408, 204, 68)
        );
        let alone = fitted(
            1_024,
            Needs {
                outbound: false,
                databases: false,
            },
        );
        assert_eq!(alone.connections, 946);
        assert_eq!(
            alone.outbound_connections,
            Limits::default().outbound_connections
        );
        assert_eq!(share(1_000, [10, 2_000, 5]), [10, 985, 5]);
    }

    #[test]
    fn the_process_has_a_bound_and_something_open() {
        let descriptors = Descriptors::of_process();
        assert!(
            descriptors.soft <= descriptors.hard && descriptors.open > 2,
            "{descriptors:?}"
        );
    }
}
