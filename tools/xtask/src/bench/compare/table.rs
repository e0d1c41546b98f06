//! The comparison as a table.

use super::Comparison;
use super::observed::{AFTER, BOOT, FIRMWARE, IDLE, LOOP, Observed, Phase, READS, WAKES};
use super::sides::{SECONDS, Side, TIMES};

/// The reason that programs cause and boots are full of.
const CPUID: &str = "cpuid";
/// The reasons that more time brings more of: on a slow or busy host a boot has more of them.
const BY_TIME: [&str; 5] = [
    "external-interrupt",
    "interrupt-window",
    "timer-write",
    "eoi-write",
    "hlt",
];

/// What one line shows of a side; `None` where there is no such thing.
type Figure = fn(&Side) -> Option<u64>;

/// One line: what it shows, and how to get it.
struct Row(String, Figure);

/// Prints the table.
pub fn print(comparison: &Comparison) {
    let Comparison {
        date,
        emulator,
        kernel,
        sides,
    } = comparison;
    println!("\n{kernel} on {date} in {emulator}, counted by the same plugin");
    let names = sides.iter().map(|side| format!("{:>13}", side.name));
    println!("{}  measure", names.collect::<String>());
    for Row(what, figure) in rows() {
        let figures = sides.iter().map(|side| {
            let text = figure(side).map_or_else(|| "-".to_owned(), |figure| figure.to_string());
            format!("{text:>13}")
        });
        println!("{}  {what}", figures.collect::<String>());
    }
}

fn rows() -> Vec<Row> {
    let mut rows = rows_of_boot();
    rows.extend(rows_of_work());
    rows.extend(rows_of_instructions());
    rows
}

fn row(what: impl Into<String>, figure: Figure) -> Row {
    Row(what.into(), figure)
}

fn rows_of_boot() -> Vec<Row> {
    vec![
        row("exits before the guest's kernel", |side| {
            total(side, FIRMWARE)
        }),
        row("exits of its quiet boot, one core", |side| {
            total(side, BOOT)
        }),
        row("of these for CPUID", |side| {
            let exits = &under_hypervisor(&side.one)?.phase(BOOT)?.exits;
            Some(exits.get(CPUID).copied().unwrap_or(0))
        }),
        row("neither for CPUID nor for what time brings about", |side| {
            let boot = under_hypervisor(&side.one)?.phase(BOOT)?;
            let others = boot
                .exits
                .iter()
                .filter(|(reason, _)| *reason != CPUID && !BY_TIME.contains(&reason.as_str()));
            Some(others.fold(0, |sum, (_, count)| sum.saturating_add(*count)))
        }),
    ]
}

fn rows_of_work() -> Vec<Row> {
    vec![
        row(format!("exits in {SECONDS} s idle"), |side| {
            total(side, IDLE)
        }),
        row(format!("exits in {SECONDS} s of a loop"), |side| {
            total(side, LOOP)
        }),
        row(format!("exits in {TIMES} reads of 4 KiB"), |side| {
            total(side, READS)
        }),
        row(
            format!("exits in {TIMES} wake-ups between two cores"),
            |side| under_hypervisor(&side.two)?.phase(WAKES).map(Phase::total),
        ),
    ]
}

fn rows_of_instructions() -> Vec<Row> {
    vec![
        row(
            "the hypervisor's instructions for an exit after the boot, mean",
            |side| {
                let (exits, instructions) = under_hypervisor(&side.one)?.phase(AFTER)?.straight;
                instructions.checked_div(exits)
            },
        ),
        row(
            "its instructions for each read, on the guest's core",
            |side| {
                let (_, instructions) = under_hypervisor(&side.one)?.phase(READS)?.straight;
                instructions.checked_div(TIMES)
            },
        ),
        row(
            "its instructions for each wake-up, on the guest's cores",
            |side| {
                let (_, instructions) = under_hypervisor(&side.two)?.phase(WAKES)?.straight;
                instructions.checked_div(TIMES)
            },
        ),
        row("the guest's instructions for each read", |side| {
            side.one.phase(READS)?.guest.checked_div(TIMES)
        }),
    ]
}

fn total(side: &Side, phase: &str) -> Option<u64> {
    under_hypervisor(&side.one)?.phase(phase).map(Phase::total)
}

/// What was seen, if there is a hypervisor: only then there are exits.
fn under_hypervisor(observed: &Observed) -> Option<&Observed> {
    let exits = observed.phase(AFTER)?.total();
    (exits > 0).then_some(observed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn of_a_boot_it_is_told_what_neither_cpuid_nor_time_made() {
        let mut side = side(1);
        let reasons = [("cpuid", 8), ("timer-write", 4), ("port-io", 2)];
        let boot = Phase {
            exits: reasons.map(|(name, count)| (name.to_owned(), count)).into(),
            ..Phase::default()
        };
        side.one.phases.insert(BOOT.to_owned(), boot);
        assert_eq!(figure(&side, "exits of its quiet boot"), Some(14));
        assert_eq!(figure(&side, "of these for CPUID"), Some(8));
        assert_eq!(figure(&side, "neither for CPUID"), Some(2));
    }

    fn side(exits_after: u64) -> Side {
        let phase = |exits| Phase {
            exits: BTreeMap::from([("hlt".to_owned(), exits)]),
            hypervisor: 70_000,
            guest: 90_000,
            straight: (4, 40_000),
        };
        let phases = [(AFTER, phase(exits_after)), (READS, phase(7))];
        let phases = phases.map(|(name, phase)| (name.to_owned(), phase));
        let one = Observed {
            phases: phases.into(),
        };
        Side {
            name: "a side".to_owned(),
            two: one.clone(),
            one,
        }
    }

    fn figure(side: &Side, what: &str) -> Option<u64> {
        let row = rows().into_iter().find(|Row(name, _)| name.contains(what));
        row.unwrap().1(side)
    }

    #[test]
    fn figures_are_those_of_the_phase() {
        let side = side(1);
        assert_eq!(figure(&side, "reads of 4 KiB"), Some(7));
        assert_eq!(figure(&side, "for an exit"), Some(10_000));
        assert_eq!(figure(&side, "its instructions for each read"), Some(4));
        assert_eq!(figure(&side, "in 10000 wake-ups"), None);
    }

    #[test]
    fn the_bare_machine_has_no_exits_and_not_none() {
        let side = side(0);
        assert_eq!(figure(&side, "reads of 4 KiB"), None);
        assert_eq!(figure(&side, "guest's instructions for each read"), Some(9));
    }
}
