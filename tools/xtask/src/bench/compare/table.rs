//! The comparison as a table.

use super::Comparison;
use super::observed::{AFTER, BOOT, FIRMWARE, IDLE, LOOP, Observed, Phase, READS, WAKES};
use super::sides::{SECONDS, Side, TIMES};

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
    let row = |what: &str, figure: Figure| Row(what.to_owned(), figure);
    vec![
        row("exits before the guest's kernel", |side| {
            total(side, FIRMWARE)
        }),
        row("exits of its quiet boot, one core", |side| {
            total(side, BOOT)
        }),
        row("of these for CPUID", |side| {
            let exits = &side.under_hypervisor()?.phase(BOOT)?.exits;
            Some(exits.get("cpuid").copied().unwrap_or(0))
        }),
        Row(format!("exits in {SECONDS} s idle"), |side| {
            total(side, IDLE)
        }),
        Row(format!("exits in {SECONDS} s of a loop"), |side| {
            total(side, LOOP)
        }),
        Row(format!("exits in {TIMES} reads of 4 KiB"), |side| {
            total(side, READS)
        }),
        Row(
            format!("exits in {TIMES} wake-ups between two cores"),
            |side| {
                side.under_hypervisor()?;
                Some(side.two.phase(WAKES)?.total())
            },
        ),
        row(
            "the hypervisor's instructions for an exit after the boot, mean",
            |side| {
                let (exits, instructions) = side.under_hypervisor()?.phase(AFTER)?.straight;
                instructions.checked_div(exits)
            },
        ),
        row("its instructions for each read, on all cores", |side| {
            side.under_hypervisor()?
                .phase(READS)?
                .hypervisor
                .checked_div(TIMES)
        }),
        row("its instructions for each wake-up, on all cores", |side| {
            side.under_hypervisor()?;
            side.two.phase(WAKES)?.hypervisor.checked_div(TIMES)
        }),
        row("the guest's instructions for each read", |side| {
            side.one.phase(READS)?.guest.checked_div(TIMES)
        }),
    ]
}

fn total(side: &Side, phase: &str) -> Option<u64> {
    side.under_hypervisor()?.phase(phase).map(Phase::total)
}

impl Side {
    /// What was seen with one core, if there is a hypervisor: only then there are exits.
    fn under_hypervisor(&self) -> Option<&Observed> {
        let exits = self.one.phase(AFTER)?.total();
        (exits > 0).then_some(&self.one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn side(exits_after: u64) -> Side {
        let phase = |exits| Phase {
            exits: BTreeMap::from([("hlt".to_owned(), exits)]),
            hypervisor: 70_000,
            guest: 90_000,
            straight: (4, 400),
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
        assert_eq!(figure(&side, "for an exit"), Some(100));
        assert_eq!(figure(&side, "its instructions for each read"), Some(7));
        assert_eq!(figure(&side, "in 10000 wake-ups"), None);
    }

    #[test]
    fn the_bare_machine_has_no_exits_and_not_none() {
        let side = side(0);
        assert_eq!(figure(&side, "reads of 4 KiB"), None);
        assert_eq!(figure(&side, "guest's instructions for each read"), Some(9));
    }
}
