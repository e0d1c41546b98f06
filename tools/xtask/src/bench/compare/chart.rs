//! The comparison as a picture: for each phase and each reason one dot a side, on a logarithmic
//! axis with a place for zero.

use std::collections::BTreeSet;

use super::Comparison;
use super::observed::{BOOT, IDLE, LOOP, Phase, READS, WAKES};
use super::sides::{SECONDS, Side, TIMES};
use crate::bench::drawing::Drawing;

/// Where zero is, where one is, and where the axis ends.
const ZERO: f64 = 190.0;
const ONE: f64 = 230.0;
const RIGHT: f64 = 800.0;
/// The axis' end as a power of ten.
const LAST_POWER: f64 = 5.0;
const ROW: f64 = 20.0;
/// How far below another dot of a row the next is, so that none hides another.
const DOTS_APART: f64 = 5.0;
/// The sides that have exits, and their dots' classes.
const SIDES: [(&str, &str); 3] = [
    ("Bulkhead", "bar"),
    ("KVM", "later"),
    ("KVM, tuned", "rival"),
];

/// Draws all phases.
pub fn draw(comparison: &Comparison) -> String {
    let mut drawing = Drawing::new();
    drawing.title(&format!(
        "Exits of {} in {}, {}",
        comparison.kernel, comparison.emulator, comparison.date
    ));
    draw_legend(&mut drawing);
    let phases = [
        (BOOT, "a quiet boot, one core".to_owned()),
        (IDLE, format!("{SECONDS} s idle, one core")),
        (LOOP, format!("{SECONDS} s of a loop, one core")),
        (READS, format!("{TIMES} reads of 4 KiB, one core")),
        (WAKES, format!("{TIMES} wake-ups between two cores")),
    ];
    for (phase, title) in phases {
        let of_side = |name: &str| {
            let side = comparison.sides.iter().find(|side| side.name == name);
            side.and_then(|side| find(side, phase)).cloned()
        };
        let sides = SIDES.map(|(name, class)| (class, of_side(name).unwrap_or_default()));
        draw_phase(&mut drawing, &title, &sides);
    }
    drawing.finish()
}

/// What takes two cores was seen with two.
fn find<'a>(side: &'a Side, phase: &str) -> Option<&'a Phase> {
    let observed = if phase == WAKES { &side.two } else { &side.one };
    observed.phase(phase)
}

fn draw_legend(drawing: &mut Drawing) {
    drawing.y += ROW;
    let mut x = ZERO;
    for (name, class) in SIDES {
        drawing.dot((x, drawing.y - 4.0), class);
        drawing.text(x + 10.0, "start", "", name);
        x += 130.0;
    }
}

fn draw_phase(drawing: &mut Drawing, title: &str, sides: &[(&str, Phase)]) {
    drawing.title(title);
    draw_row(drawing, ("all exits", "all"), sides, Phase::total);
    let reasons = sides.iter().flat_map(|(_, phase)| phase.exits.keys());
    let reasons: BTreeSet<_> = reasons.collect();
    let count = |phase: &Phase, reason: &str| phase.exits.get(reason).copied().unwrap_or(0);
    let mut sorted: Vec<_> = reasons.into_iter().collect();
    sorted.sort_by_key(|reason| {
        let most = sides.iter().map(|(_, phase)| count(phase, reason)).max();
        std::cmp::Reverse(most)
    });
    for reason in sorted {
        draw_row(drawing, (reason, ""), sides, |phase| count(phase, reason));
    }
    draw_axis(drawing);
}

fn draw_row(
    drawing: &mut Drawing,
    (name, class): (&str, &str),
    sides: &[(&str, Phase)],
    count: impl Fn(&Phase) -> u64,
) {
    drawing.y += ROW;
    let middle = drawing.y - 4.0;
    drawing.text(ZERO - 14.0, "end", class, name);
    drawing.line((ZERO, middle), (RIGHT, middle), "axis");
    let mut y = middle - DOTS_APART;
    for (class, phase) in sides {
        drawing.dot((place(count(phase)), y), class);
        y += DOTS_APART;
    }
}

fn draw_axis(drawing: &mut Drawing) {
    drawing.y += ROW;
    drawing.text(ZERO, "middle", "small", "0");
    let mut count = 1_u64;
    while place(count) < RIGHT {
        drawing.text(place(count), "middle", "small", &count.to_string());
        count = count.saturating_mul(10);
    }
    drawing.text(RIGHT, "middle", "small", &count.to_string());
}

/// Where on the axis a count is.
fn place(count: u64) -> f64 {
    if count == 0 {
        return ZERO;
    }
    let power = (count as f64).log10().min(LAST_POWER);
    ONE + (RIGHT - ONE) * power / LAST_POWER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_the_same_count_are_all_seen() {
        let mut drawing = Drawing::new();
        let sides = SIDES.map(|(_, class)| (class, Phase::default()));
        draw_row(&mut drawing, ("all exits", "all"), &sides, Phase::total);
        let chart = drawing.finish();
        let dots = chart.lines().filter(|line| line.contains("<circle"));
        let places: BTreeSet<_> = dots.filter_map(|line| line.split("r=").next()).collect();
        assert_eq!(places.len(), SIDES.len());
    }

    #[test]
    fn none_is_left_of_one_and_ten_times_as_many_as_far_again() {
        assert!(place(0) < place(1));
        let step = place(10) - place(1);
        assert!((place(100) - place(10) - step).abs() < 0.001);
        assert!((place(100_000) - RIGHT).abs() < 0.001);
    }
}
