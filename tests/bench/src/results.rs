//! Owns the form of what comes out: costs of cells and single measures, for each server.
//! It knows neither how they were come by nor how they are shown.

use crate::load::Sample;

/// One row for each server: a value for each repetition.
pub(crate) type PerServer<T> = Vec<Vec<T>>;

/// All that came out.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) costs: Vec<Costs>,
    pub(crate) measures: Vec<Measure>,
}

/// What one of something costs a server, in each of some cells.
#[derive(Debug)]
pub(crate) struct Costs {
    /// What is counted, such as a message.
    pub(crate) unit: &'static str,
    /// The baseline first.
    pub(crate) servers: Vec<&'static str>,
    pub(crate) cells: Vec<(&'static str, PerServer<Sample>)>,
}

/// One number.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) what: &'static str,
    pub(crate) decimals: usize,
    /// The baseline first.
    pub(crate) servers: Vec<&'static str>,
    pub(crate) values: PerServer<f64>,
}
