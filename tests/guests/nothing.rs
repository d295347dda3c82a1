//! A component, but no worker: it exports nothing.
