//! Owns the report: two Markdown tables of medians and ratios.
//! It knows how a number is shown, not how it was come by.

use std::io::{self, Write};

use crate::load::Sample;
use crate::run::{PerVariant, Results};
use crate::stats::{median, ratio};

/// Writes `results`; `names` are those of the variants, the baseline first.
pub(crate) fn write(out: &mut impl Write, names: &[&str], results: &Results) -> io::Result<()> {
    if !results.echo.is_empty() {
        writeln!(
            out,
            "\n| cell | server | messages/s | server CPU us/message | ratio | (range) | busy | n |"
        )?;
        writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|")?;
    }
    for (cell, samples) in &results.echo {
        let rate = of(samples, |sample| sample.per_second);
        let cost = of(samples, |sample| sample.cpu_micros);
        let busy = of(samples, |sample| sample.busy);
        for (index, name) in names.iter().enumerate() {
            let (ratio, range) = against_first(&cost, index);
            let n = cost[index].len();
            let (rate, cost) = (middle(&rate[index], 0), middle(&cost[index], 2));
            let busy = middle(&busy[index], 2);
            writeln!(
                out,
                "| {cell} | {name} | {rate} | {cost} | {ratio} | {range} | {busy} | {n} |"
            )?;
        }
    }
    measures(out, names, results)
}

fn measures(out: &mut impl Write, names: &[&str], results: &Results) -> io::Result<()> {
    let rate = of(&results.connect, |sample| sample.per_second);
    let cost = of(&results.connect, |sample| sample.cpu_micros);
    let all = [
        ("connections/s", 0, &rate),
        ("server CPU us/connection", 1, &cost),
        ("bytes/idle connection (PSS)", 0, &results.idle_bytes),
        ("MiB with one connection (PSS)", 1, &results.first_mib),
        ("ms from start to first echo", 1, &results.start_millis),
    ];
    let measured = |values: &PerVariant<f64>| values.iter().any(|row| !row.is_empty());
    if all.iter().any(|(_, _, values)| measured(values)) {
        writeln!(
            out,
            "\n| measure | server | median | ratio | (range) | n |\n|---|---|---:|---:|---:|---:|"
        )?;
    }
    for (what, decimals, values) in all.into_iter().filter(|(_, _, values)| measured(values)) {
        for (index, name) in names.iter().enumerate() {
            let (ratio, range) = against_first(values, index);
            let (middle, n) = (middle(&values[index], decimals), values[index].len());
            writeln!(
                out,
                "| {what} | {name} | {middle} | {ratio} | {range} | {n} |"
            )?;
        }
    }
    Ok(())
}

fn of(samples: &PerVariant<Sample>, value: fn(&Sample) -> f64) -> PerVariant<f64> {
    samples
        .iter()
        .map(|row| row.iter().map(value).collect())
        .collect()
}

fn middle(values: &[f64], decimals: usize) -> String {
    median(values).map_or_else(|| "-".into(), |value| format!("{value:.decimals$}"))
}

/// The ratio of variant `index` to the baseline, and how far the repetitions lay apart.
fn against_first(values: &PerVariant<f64>, index: usize) -> (String, String) {
    match ratio(&values[index], &values[0]) {
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
        let results = Results {
            start_millis: vec![vec![4.0, 8.0, 4.0], vec![8.0, 20.0, 8.0]],
            ..Results::default()
        };
        let mut out = Vec::new();
        write(&mut out, &["native", "pairway"], &results).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("| ms from start to first echo | native | 4.0 | 1 |  | 3 |"),
            "{text}"
        );
        assert!(
            text.contains(
                "| ms from start to first echo | pairway | 8.0 | 2.00 | 2.00 to 2.50 | 3 |"
            ),
            "{text}"
        );
        assert!(!text.contains("idle"), "{text}");
    }
}
