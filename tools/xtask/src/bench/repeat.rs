//! Several runs of the same measures: what must be equal, and how much the others differ.

use std::collections::BTreeMap;

use super::measures::Results;

/// The least and the largest of each number, and how much it may differ in percent.
type Ends = BTreeMap<&'static str, (u64, u64, u64)>;

fn ends(runs: &[Results]) -> Ends {
    let mut all = Ends::new();
    for measure in runs.iter().flat_map(|run| &run.measures) {
        let value = measure.value;
        let ends = all
            .entry(measure.name)
            .or_insert((value, value, measure.spread_percent));
        ends.0 = ends.0.min(value);
        ends.1 = ends.1.max(value);
    }
    all
}

/// Prints what differs between the runs; whether no number differs by more than it may.
pub fn report(runs: &[Results]) -> bool {
    let mut fine = true;
    let ends = ends(runs);
    for (name, (least, largest, percent)) in &ends {
        if least == largest {
            continue;
        }
        let may = least.saturating_mul(*percent) / 100;
        let too_much = largest.saturating_sub(*least) > may;
        let verdict = match too_much {
            true => "  MORE THAN IT MAY",
            false => "",
        };
        println!("{name}: {least} to {largest}{verdict}");
        fine &= !too_much;
    }
    let equal = ends.values().filter(|(least, largest, _)| least == largest);
    let (equal, count) = (equal.count(), runs.len());
    println!(
        "{equal} of {} numbers are equal in {count} runs",
        ends.len()
    );
    fine
}

#[cfg(test)]
mod tests {
    use super::super::measures::Measure;
    use super::*;

    fn run(value: u64, spread_percent: u64) -> Results {
        Results {
            measures: vec![Measure::of_a_test(value, spread_percent)],
            ..Results::default()
        }
    }

    #[test]
    fn what_must_be_equal_may_not_differ_by_one() {
        assert!(report(&[run(100, 0), run(100, 0)]));
        assert!(!report(&[run(100, 0), run(101, 0)]));
        assert!(report(&[run(100, 10), run(110, 10)]));
        assert!(!report(&[run(111, 10), run(100, 10)]));
    }
}
