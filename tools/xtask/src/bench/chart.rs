//! The chart: exits by reason, and Bulkhead's instructions per exit as a distribution.

use std::collections::BTreeMap;

use super::drawing::Drawing;
use super::measures::Results;

/// Where bars begin, right of their names, and where they end, left of their numbers.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 780.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
/// The height of one reason's distribution.
const STRIP: f64 = 44.0;
/// The distribution's axis, logarithmic: its ends as powers of two, and columns for each.
const FIRST_POWER: f64 = 5.0;
const LAST_POWER: f64 = 13.0;
const COLUMNS_A_POWER: f64 = 12.0;
/// What is aimed at: the mean's goal in instructions, and the largest's.
const GOALS: [u32; 2] = [100, 300];

/// The classes of the scenarios' bars.
const CLASSES: [&str; 2] = ["bar", "later"];

/// Draws both parts.
pub fn draw(results: &Results) -> String {
    let mut drawing = Drawing::new();
    draw_reasons(&mut drawing, &results.exits);
    draw_lengths(&mut drawing, &results.lengths);
    drawing.finish()
}

fn draw_reasons(
    drawing: &mut Drawing,
    exits: &BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
) {
    let counts = exits.values().flat_map(BTreeMap::values);
    let most = counts.copied().max().unwrap_or(1).max(1);
    for ((scenario, reasons), class) in exits.iter().zip(CLASSES) {
        let all = reasons
            .values()
            .fold(0, |sum: u64, n| sum.saturating_add(*n));
        drawing.title(&format!("Exits: {scenario} ({all})"));
        let mut sorted: Vec<_> = reasons.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in sorted {
            drawing.y += ROW;
            let width = (RIGHT - LEFT) * *count as f64 / most as f64;
            let top = drawing.y - BAR + 2.0;
            drawing.text(LEFT - 8.0, "end", "", reason);
            drawing.bar((LEFT, top), (width.max(1.0), BAR), class);
            drawing.text(LEFT + width + 6.0, "start", "value", &count.to_string());
        }
    }
}

fn draw_lengths(drawing: &mut Drawing, lengths: &BTreeMap<&'static str, BTreeMap<u64, u64>>) {
    drawing.title("Bulkhead's instructions per exit, each reason's exits as shares of its own");
    let top = drawing.y;
    for (reason, lengths) in lengths.iter().filter(|(_, lengths)| !lengths.is_empty()) {
        drawing.y += STRIP;
        let base = drawing.y;
        drawing.line((LEFT, base), (RIGHT, base), "axis");
        let columns = columns(lengths);
        let tallest = columns.values().copied().max().unwrap_or(1).max(1);
        let width = (RIGHT - LEFT) / ((LAST_POWER - FIRST_POWER) * COLUMNS_A_POWER);
        for (column, count) in columns {
            let height = (STRIP - 14.0) * (count as f64 / tallest as f64).sqrt();
            let x = LEFT + column as f64 * width;
            drawing.bar((x, base - height), (width - 0.5, height), "bar");
        }
        drawing.y = base - 4.0;
        drawing.text(LEFT - 8.0, "end", "", reason);
        drawing.text(RIGHT + 8.0, "start", "small", &range(lengths));
        drawing.y = base;
    }
    let bottom = drawing.y;
    draw_axis(drawing, top, bottom);
}

fn draw_axis(drawing: &mut Drawing, top: f64, bottom: f64) {
    for goal in GOALS {
        let x = place(f64::from(goal));
        drawing.line((x, top), (x, bottom), "goal");
        drawing.y = top;
        drawing.text(x + 3.0, "start", "goalname", &goal.to_string());
    }
    drawing.y = bottom + 16.0;
    for power in FIRST_POWER as u32..=LAST_POWER as u32 {
        let instructions = 1_u32 << power;
        let x = place(f64::from(instructions));
        drawing.text(x, "middle", "small", &instructions.to_string());
    }
    drawing.y = bottom + 34.0;
    let middle = (LEFT + RIGHT) / 2.0;
    let note = "instructions (logarithmic); heights are square roots of shares; \
                dashed: goals for the mean and for the largest";
    drawing.text(middle, "middle", "small", note);
}

/// Where on the axis a length is, from its begin to its end.
fn place(instructions: f64) -> f64 {
    let power = instructions.max(1.0).log2().clamp(FIRST_POWER, LAST_POWER);
    LEFT + (RIGHT - LEFT) * (power - FIRST_POWER) / (LAST_POWER - FIRST_POWER)
}

fn columns(lengths: &BTreeMap<u64, u64>) -> BTreeMap<u32, u64> {
    let mut columns = BTreeMap::new();
    let last = (LAST_POWER - FIRST_POWER) * COLUMNS_A_POWER - 1.0;
    for (length, count) in lengths {
        let power = (*length as f64).max(1.0).log2();
        let column = ((power - FIRST_POWER) * COLUMNS_A_POWER).clamp(0.0, last);
        let sum: &mut u64 = columns.entry(column as u32).or_default();
        *sum = sum.saturating_add(*count);
    }
    columns
}

/// The least and the largest.
fn range(lengths: &BTreeMap<u64, u64>) -> String {
    let ends = (lengths.first_key_value(), lengths.last_key_value());
    match ends {
        (Some((least, _)), Some((largest, _))) if least == largest => format!("{least}"),
        (Some((least, _)), Some((largest, _))) => format!("{least}–{largest}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_named_and_the_largest_exit_is_told() {
        let mut results = Results::default();
        let reasons = BTreeMap::from([("cpuid", 3), ("msr-read", 1)]);
        results.exits.insert("a boot", reasons);
        let lengths = BTreeMap::from([(60, 2), (90_000, 1)]);
        results.lengths.insert("icr-write", lengths);
        let chart = draw(&results);
        for text in [
            "a boot (4)",
            ">cpuid<",
            ">msr-read<",
            ">icr-write<",
            "60–90000",
        ] {
            assert!(chart.contains(text), "{text}");
        }
    }
}
