//! Nothing: the tests stand in `conformance/`, the workers they run in `guests/`.
