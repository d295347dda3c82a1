//! Owns the report: Markdown tables of medians and ratios.
//! It knows how a number is shown, not how it was come by.

use std::io::{self, Write};

use crate::load::Sample;
use crate::results::{Costs, Measure, PerServer, Results};
use crate::stats::{median, ratio};

pub(crate) fn write(out: &mut impl Write, results: &Results) -> io::Result<()> {
    for costs in &results.costs {
        write_costs(out, costs)?;
    }
    if !results.measures.is_empty() {
        writeln!(
            out,
            "\n| measure | server | median | ratio | (range) | n |\n|---|---|---:|---:|---:|---:|"
        )?;
    }
    for measure in &results.measures {
        write_measure(out, measure)?;
    }
    Ok(())
}

fn write_costs(out: &mut impl Write, costs: &Costs) -> io::Result<()> {
    let unit = costs.unit;
    writeln!(
        out,
        "\n| cell | server | {unit}/s | server CPU us each | ratio | (range) | busy | n |\n\
         |---|---|---:|---:|---:|---:|---:|---:|"
    )?;
    for (cell, samples) in &costs.cells {
        let rate = of(samples, |sample| sample.per_second);
        let cost = of(samples, |sample| sample.cpu_micros);
        let busy = of(samples, |sample| sample.busy);
        for (index, server) in costs.servers.iter().enumerate() {
            let (ratio, range) = against_first(&cost, index);
            let n = cost[index].len();
            let (rate, cost) = (middle(&rate[index], 0), middle(&cost[index], 2));
            let busy = middle(&busy[index], 2);
            writeln!(
                out,
                "| {cell} | {server} | {rate} | {cost} | {ratio} | {range} | {busy} | {n} |"
            )?;
        }
    }
    Ok(())
}

fn write_measure(out: &mut impl Write, measure: &Measure) -> io::Result<()> {
    let (what, values) = (measure.what, &measure.values);
    for (index, server) in measure.servers.iter().enumerate() {
        let (ratio, range) = against_first(values, index);
        let middle = middle(&values[index], measure.decimals);
        let n = values[index].len();
        writeln!(
            out,
            "| {what} | {server} | {middle} | {ratio} | {range} | {n} |"
        )?;
    }
    Ok(())
}

fn of(samples: &PerServer<Sample>, value: fn(&Sample) -> f64) -> PerServer<f64> {
    samples
        .iter()
        .map(|row| row.iter().map(value).collect())
        .collect()
}

fn middle(values: &[f64], decimals: usize) -> String {
    median(values).map_or_else(|| "-".into(), |value| format!("{value:.decimals$}"))
}

/// The ratio of server `index` to the baseline, and how far the repetitions lay apart.
fn against_first(values: &PerServer<f64>, index: usize) -> (String, String) {
    match ratio(&values[index], &values[0]) {
        Some(_) if values.len() == 1 => (String::new(), String::new()),
        Some(_) if index == 0 => ("1".into(), String::new()),
        Some(found) => (
            format!("{:.2}", found.median),
            format!("{:.2} to {:.2}", found.least, found.most),
        ),
        None => ("-".into(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_medians_and_the_ratio_of_pairs() {
        let measure = |what, servers: &[&'static str], values| Measure {
            what,
            decimals: 1,
            servers: servers.to_vec(),
            values,
        };
        let results = Results {
            costs: Vec::new(),
            measures: vec![
                measure(
                    "ms to start",
                    &["native", "pairway"],
                    vec![vec![4.0, 8.0, 4.0], vec![8.0, 20.0, 8.0]],
                ),
                measure("ms alone", &["pairway"], vec![vec![1.0]]),
            ],
        };
        let mut out = Vec::new();
        write(&mut out, &results).unwrap();
        let text = String::from_utf8(out).unwrap();
        for line in [
            "| ms to start | native | 4.0 | 1 |  | 3 |\n",
            "| ms to start | pairway | 8.0 | 2.00 | 2.00 to 2.50 | 3 |\n",
            "| ms alone | pairway | 1.0 |  |  | 1 |\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("cell"), "{text}");
    }
}
