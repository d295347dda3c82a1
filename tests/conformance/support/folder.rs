//! A folder that is empty at first, and gone with the test.

use std::path::{Path, PathBuf};

pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The name is that of the test, or of what it does: two tests with the same name would share the folder.
    pub(crate) fn new(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let folder = Self(path);
        folder.remove();
        std::fs::create_dir_all(&folder.0).expect("the folder is ours");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().expect("a path of ours")
    }

    fn remove(&self) {
        // It may not be there, and a host that is still draining may put something into it.
        std::fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.remove();
    }
}
