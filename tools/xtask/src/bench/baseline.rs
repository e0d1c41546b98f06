//! The committed numbers, and how new ones compare.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::measures::Measure;

/// The numbers by name.
pub type Baseline = BTreeMap<String, u64>;

/// How a number compares with the committed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// As before, or within what two runs differ by.
    Same,
    /// Less: it asks to be committed.
    Better(u64),
    /// More: the gate is closed.
    Worse(u64),
    /// Nothing is committed.
    New,
}

/// Reads the file.
pub fn read(path: &Path) -> Result<Baseline> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
}

/// Writes `measures` into the file; what was not measured stays.
pub fn write(path: &Path, measures: &[Measure]) -> Result<()> {
    let mut baseline = if path.exists() {
        read(path)?
    } else {
        Baseline::new()
    };
    let numbers = measures.iter().map(|one| (one.name.to_owned(), one.value));
    baseline.extend(numbers);
    let text = serde_json::to_string_pretty(&baseline)? + "\n";
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Compares one number.
pub fn compare(baseline: &Baseline, measure: &Measure) -> Change {
    let Some(before) = baseline.get(measure.name).copied() else {
        return Change::New;
    };
    let spread = before.saturating_mul(measure.spread_percent) / 100;
    if measure.value > before.saturating_add(spread) {
        Change::Worse(before)
    } else if measure.value < before.saturating_sub(spread) {
        Change::Better(before)
    } else {
        Change::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: u64, spread_percent: u64) -> Change {
        let baseline = Baseline::from([("exits".to_owned(), 100)]);
        compare(&baseline, &Measure::of_a_test(value, spread_percent))
    }

    #[test]
    fn one_more_is_worse_and_one_less_is_better() {
        assert_eq!(change(101, 0), Change::Worse(100));
        assert_eq!(change(100, 0), Change::Same);
        assert_eq!(change(99, 0), Change::Better(100));
    }

    #[test]
    fn within_the_spread_nothing_has_changed() {
        assert_eq!(change(105, 5), Change::Same);
        assert_eq!(change(106, 5), Change::Worse(100));
        assert_eq!(change(94, 5), Change::Better(100));
    }

    #[test]
    fn a_number_without_a_baseline_is_new() {
        assert_eq!(compare(&Baseline::new(), &measure()), Change::New);
    }

    fn measure() -> Measure {
        Measure {
            name: "new",
            what: "",
            value: 1,
            goal: 1,
            spread_percent: 0,
        }
    }
}
