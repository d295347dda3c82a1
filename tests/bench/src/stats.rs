//! Owns the arithmetic: medians, and ratios of neighbours.
//! It knows only numbers.

/// Ours over theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// The middle of `values`; of an even number, the mean of the middle two. Nothing has no middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// The value that a hundredth of `values` lies above. Of fewer than a hundred values that is the largest.
pub(crate) fn percentile_99(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let above = sorted.len() / 100;
    sorted.into_iter().rev().nth(above)
}

/// Divides what was measured in the same repetition, so that a machine that was slow for a while was
/// slow for both, and only then takes the median.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Ratio> {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    Some(Ratio {
        median: median(&ratios)?,
        least: ratios.iter().copied().min_by(f64::total_cmp)?,
        most: ratios.iter().copied().max_by(f64::total_cmp)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_order_and_outliers() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[900.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_hundredth_lies_above_the_percentile() {
        let values = |count| (1..=count).map(f64::from).collect::<Vec<_>>();
        assert_eq!(percentile_99(&values(200)), Some(198.0));
        assert_eq!(percentile_99(&values(50)), Some(50.0));
        assert_eq!(percentile_99(&[]), None);
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine slowed down threefold half-way; ours cost twice as much throughout.
        let found = ratio(&[2.0, 2.0, 6.0, 6.2], &[1.0, 1.0, 3.0, 3.1]).unwrap();
        assert_eq!(
            found,
            Ratio {
                median: 2.0,
                least: 2.0,
                most: 2.0
            }
        );
        assert_eq!(ratio(&[], &[]), None);
    }
}
