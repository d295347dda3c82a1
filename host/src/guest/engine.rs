//! Owns the engine and the compiled component: how wasmtime is set up, what a component must be, and the
//! clock by which running guests are interrupted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Cache, CacheConfig, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::bindings::WorkerIndices;
use super::bindings::messaging::MessagingIndices;
use super::imports;
use super::store::GuestState;
use crate::config::{Config, size};
use crate::error::Error;

/// The period of the epoch clock. A turn yields to others every tick or two.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Ticks without a turn after which the clock stops until there is one.
const IDLE_TICKS: u32 = 40;

/// Wasmtime, set up for workers.
#[derive(Debug)]
pub(crate) struct Engine {
    engine: wasmtime::Engine,
    clock: Arc<Clock>,
}

/// A worker's code, compiled and linked.
pub(crate) struct Component {
    pub(super) pre: InstancePre<GuestState>,
    pub(super) worker: WorkerIndices,
    /// The shorter way for messages, if the worker has one.
    pub(super) messaging: Option<MessagingIndices>,
    pub(super) clock: Arc<Clock>,
    pub(super) name: Arc<str>,
    /// The classes of durable objects that it says it has.
    classes: Option<Vec<String>>,
}

impl Component {
    /// The classes of durable objects that the worker has; `None` if it does not say.
    pub(crate) fn classes(&self) -> Option<&Vec<String>> {
        self.classes.as_ref()
    }

    /// The name of the worker: that of its file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let engine = wasmtime::Engine::new(&settings(config)?).map_err(|error| {
            Error::Engine(format!(
                "{error:#} (limits instances and memory_bytes set how much address space is reserved)"
            ))
        })?;
        let clock = Clock::start(&engine)?;
        Ok(Self { engine, clock })
    }

    /// Compile a component, or take it from the cache, and check that it is a worker.
    pub(crate) fn load(&self, path: &Path) -> Result<Component, Error> {
        let bytes = std::fs::read(path).map_err(|cause| Error::Read {
            path: path.to_owned(),
            cause,
        })?;
        if let Some(reason) = not_a_component(&bytes) {
            return Err(Error::NotAComponent {
                path: path.to_owned(),
                reason: reason.to_owned(),
            });
        }
        let component =
            wasmtime::component::Component::new(&self.engine, &bytes).map_err(|error| {
                Error::NotAComponent {
                    path: path.to_owned(),
                    reason: format!("{error:#}"),
                }
            })?;
        let wrong = |error: wasmtime::Error| Error::WrongWorld {
            path: path.to_owned(),
            reason: format!(
                "{error:#}. A worker exports `pairway:worker/events@0.1.0` and imports nothing but that package and WASI 0.2"
            ),
        };
        let mut linker = Linker::new(&self.engine);
        imports::link(&mut linker).map_err(|error| Error::Engine(format!("{error:#}")))?;
        let pre = linker.instantiate_pre(&component).map_err(wrong)?;
        Ok(Component {
            // Not there in most languages.
            messaging: MessagingIndices::new(&pre).ok(),
            worker: WorkerIndices::new(&pre).map_err(wrong)?,
            pre,
            clock: Arc::clone(&self.clock),
            classes: super::classes::read(&bytes),
            name: path
                .file_stem()
                .map_or("worker".into(), |stem| stem.to_string_lossy().into()),
        })
    }
}

/// Why bytes are no component, where their first few tell.
fn not_a_component(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Some(
            "it is a core WebAssembly module. Build for `wasm32-wasip2` with crate-type `cdylib`, or wrap it with `wasm-tools component new`",
        ),
        [0, b'a', b's', b'm', ..] => None,
        [] => Some("the file is empty"),
        _ => Some(
            "it does not begin as WebAssembly does. Give the `.wasm` file that `cargo build --target wasm32-wasip2` made",
        ),
    }
}

fn settings(config: &Config) -> Result<wasmtime::Config, Error> {
    let limits = &config.limits;
    let mut settings = wasmtime::Config::new();
    // Off, calls cost a quarter of what they cost with component-model async on (design D1).
    settings.concurrency_support(false);
    settings.epoch_interruption(true);
    settings.max_wasm_stack(size(limits.stack_bytes));
    settings.async_stack_size(size(limits.stack_bytes) + 512 * 1024);
    // A stack is given back to the system with its instance: the pages that thousands of hibernated objects once touched
    // would stay otherwise, some twelve kilobytes each.
    settings.async_stack_zeroing(true);
    settings.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    let instances = u32::try_from(limits.instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        // A component from Rust has one module and three small shims; one from JavaScript has a few more.
        .total_core_instances(instances.saturating_mul(8))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(4))
        // Every live store keeps its fiber stack, running or not.
        .total_stacks(instances)
        .async_stack_keep_resident(0)
        .total_gc_heaps(0)
        .max_core_instances_per_component(64)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .max_memory_size(size(limits.memory_bytes).max(1 << 16))
        .max_tables_per_component(20)
        .table_elements(100_000);
    settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    if let Some(directory) = &config.cache_dir {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        let cache = Cache::new(cache).map_err(|error| {
            Error::Config(format!(
                "cannot use the component cache {}: {error:#}",
                directory.display()
            ))
        })?;
        settings.cache(Some(cache));
    }
    Ok(settings)
}

/// Increments the engine's epoch while turns run, and sleeps while none does.
#[derive(Debug)]
pub(crate) struct Clock {
    turns: AtomicU64,
    running: AtomicU64,
    /// How often the epoch was incremented.
    ticks: AtomicU64,
    is_parked: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

impl Clock {
    fn start(engine: &wasmtime::Engine) -> Result<Arc<Self>, Error> {
        let clock = Arc::new(Self {
            turns: AtomicU64::new(0),
            running: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            is_parked: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let (weak_clock, weak_engine) = (Arc::downgrade(&clock), engine.weak());
        let thread = thread::Builder::new()
            .name("pairway-clock".to_owned())
            .spawn(move || {
                let (mut idle_ticks, mut seen) = (0, 0);
                while let (Some(clock), Some(engine)) =
                    (weak_clock.upgrade(), weak_engine.upgrade())
                {
                    engine.increment_epoch();
                    clock.ticks.fetch_add(1, Ordering::Relaxed);
                    let turns = clock.turns.load(Ordering::Relaxed);
                    let is_idle = turns == seen && clock.running.load(Ordering::SeqCst) == 0;
                    idle_ticks = if is_idle { idle_ticks + 1 } else { 0 };
                    seen = turns;
                    if idle_ticks < IDLE_TICKS {
                        drop((clock, engine));
                        thread::sleep(TICK);
                        continue;
                    }
                    idle_ticks = 0;
                    clock.is_parked.store(true, Ordering::SeqCst);
                    let is_wanted = clock.running.load(Ordering::SeqCst) > 0;
                    drop((clock, engine));
                    if !is_wanted {
                        // A clock that nobody needs any more is let go at the next turn of another, or here.
                        thread::park_timeout(Duration::from_secs(60));
                    }
                }
            })
            .map_err(|error| Error::Engine(format!("no thread for the epoch clock: {error}")))?;
        clock
            .thread
            .set(thread.thread().clone())
            .expect("set once, here");
        Ok(clock)
    }

    /// The time in ticks, while turns run.
    pub(super) fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// A turn begins; it ends when the guard is dropped.
    pub(super) fn run(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.turns.fetch_add(1, Ordering::Relaxed);
        if self.is_parked.load(Ordering::SeqCst)
            && self.is_parked.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
        Running(self)
    }
}

/// A turn under way.
#[derive(Debug)]
pub(super) struct Running<'a>(&'a Clock);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
