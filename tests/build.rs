//! Builds the workers that the tests run, examples and guests, and names the path of each in a constant.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

const TARGET: &str = "wasm32-wasip2";
/// The worker of the differential suite, which is a test binary of its own.
const SCRIPTS: &str = "const SCRIPTS:";

fn main() -> Result<()> {
    let tests = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let root = tests
        .parent()
        .context("the tests stand in a folder of the workspace")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for input in ["wit", "guest-sdk", "examples", "tests/guests", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    ensure_target_installed()?;
    let artifacts = build(root, &workers(root)?, &out.join("guests"))?;
    let (mut scripts, mut guests): (Vec<String>, Vec<String>) = artifacts
        .iter()
        .filter_map(|artifact| constant(artifact, root))
        .partition(|constant| constant.starts_with(SCRIPTS));
    guests.sort();
    scripts.sort();
    // Private, and included by the test binaries: a guest that no test runs is a compiler warning there.
    for (name, constants) in [("guests.rs", guests), ("scripts.rs", scripts)] {
        ensure!(
            !constants.is_empty(),
            "the build of the guests made no component for {name}"
        );
        fs::write(out.join(name), constants.concat())?;
    }
    Ok(())
}

fn ensure_target_installed() -> Result<()> {
    let rustc = env::var("RUSTC")?;
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()?;
    let folder = String::from_utf8(output.stdout)?;
    if !output.status.success() || !Path::new(folder.trim()).exists() {
        bail!(
            "the Rust target {TARGET} is not installed: run `make setup`, or `rustup target add {TARGET}`"
        );
    }
    Ok(())
}

/// The names of the packages that are workers.
fn workers(root: &Path) -> Result<Vec<String>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "the workspace cannot be read: see above"
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"]
        .as_array()
        .context("a workspace has packages")?;
    let names = packages
        .iter()
        .filter(|package| is_worker(&package["manifest_path"], root));
    Ok(names
        .filter_map(|package| package["name"].as_str())
        .map(str::to_owned)
        .collect())
}

fn is_worker(manifest: &Value, root: &Path) -> bool {
    let Some(manifest) = manifest.as_str().map(Path::new) else {
        return false;
    };
    manifest.starts_with(root.join("examples")) || manifest.starts_with(root.join("tests/guests"))
}

/// One nested build of all workers, in a target folder of its own: the outer build holds the lock of its own.
/// Returns what cargo says about each artifact.
fn build(root: &Path, packages: &[String], target_dir: &Path) -> Result<Vec<Value>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(root);
    cargo.args([
        "build",
        "--profile",
        "guest",
        "--target",
        TARGET,
        "--lib",
        "--examples",
    ]);
    cargo
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target_dir);
    for package in packages {
        cargo.args(["--package", package]);
    }
    // What is meant for the native build, or for clippy, is not meant for the workers.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        cargo.env_remove(name);
    }
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .context("cargo does not start")?;
    ensure!(
        output.status.success(),
        "the workers do not build: see above"
    );
    let lines = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).context("cargo writes JSON, a message a line"))
        .collect()
}

/// The constant for a component of ours: `COMMANDER` for a guest, `EXAMPLE_ECHO` for the example in `examples/echo`.
fn constant(artifact: &Value, root: &Path) -> Option<String> {
    if artifact["reason"] != "compiler-artifact" || !is_worker(&artifact["manifest_path"], root) {
        return None;
    }
    let files = artifact["filenames"].as_array()?;
    let component = files
        .iter()
        .filter_map(Value::as_str)
        .find(|file| file.ends_with(".wasm"))?;
    let name =
        match Path::new(artifact["manifest_path"].as_str()?).strip_prefix(root.join("examples")) {
            Ok(manifest) => format!("example_{}", manifest.parent()?.to_str()?),
            Err(_) => artifact["target"]["name"].as_str()?.to_owned(),
        };
    let name = name.to_uppercase().replace('-', "_");
    Some(format!("const {name}: &str = {component:?};\n"))
}
