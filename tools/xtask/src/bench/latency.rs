//! How late a guest's interrupts are while its neighbour begins anew without pause, and without
//! a neighbour.
//!
//! In Bochs: there the time-stamp counter of all processors goes on together, by as much as each
//! of them executes on average, so that a tick is an instruction, roughly. QEMU has no clock
//! that fits: the host's says nothing, and the count of instructions goes on with each
//! processor's in turn, so that a busy neighbour alone makes interrupts late.
//!
//! Processors take turns in Bochs, too, of some instructions each; but a repeated string
//! instruction is one turn, and all other processors stand still for it. An interrupt that falls
//! into such a jump of the clock is counted apart, by the guest `latency`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use cases::plans::Guest;
use serde_json::{Value, json};

use super::counters::{Said, Watcher};
use super::drawing::Drawing;

/// The neighbour's memory, which is cleared at each new start.
const NEIGHBOUR: (u64, u64) = (0x3000_0000, 2);
/// The chart's horizontal axis: its ends, and how wide a tick is at most.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 820.0;
const TICK: f64 = 14.0;
/// The height of one histogram, and of the least column in it: one interrupt must be seen.
const HEIGHT: f64 = 110.0;
const LEAST: f64 = 3.0;
/// The distance of the numbers at the axis.
const NUMBERS: u64 = 10;

/// What the guest saw in one run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// How many ticks late, how often.
    pub late: BTreeMap<u64, u64>,
    /// Jumps of the clock that interrupts fell into: how long in ticks, as a power of two, and
    /// how often.
    pub jumps: BTreeMap<u64, u64>,
    /// How many interrupts came later than the processor could have taken them.
    pub waited: u64,
    /// How often the neighbour began anew.
    pub restarts: u64,
}

/// Both runs.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// Without a neighbour.
    pub alone: Run,
    /// Beside one that resets itself as soon as it has started.
    pub beside: Run,
}

impl Latency {
    /// Measures.
    pub fn measure(watcher: &Watcher) -> Result<Self> {
        let alpha = || Guest::alpha("latency").with_argument("interrupts=30000");
        let alone = watcher.run("latency-alone", &[alpha()])?;
        let (start, mebibytes) = NEIGHBOUR;
        let beta = Guest::beta("reset")
            .with_cores(&[2])
            .with_memory(start, mebibytes);
        let beside = watcher.run("latency-beside", &[alpha(), beta])?;
        ensure!(beside.restarts > 0, "the neighbour did not begin anew");
        Ok(Self {
            alone: Run::new(&alone)?,
            beside: Run::new(&beside)?,
        })
    }

    /// Both runs for programs.
    pub fn json(&self) -> Value {
        let [alone, beside] = [&self.alone, &self.beside].map(|run| {
            json!({
                "late_ticks": run.late,
                "jumps": run.jumps,
                "waited": run.waited,
                "restarts": run.restarts,
            })
        });
        json!({"alone": alone, "beside": beside})
    }

    /// Draws both histograms, one above the other.
    pub fn draw(&self) -> String {
        let mut drawing = Drawing::new();
        let axis = Axis::over(&[&self.alone, &self.beside]);
        self.alone.draw(&mut drawing, ("alone", "bar"), &axis);
        let title = format!("beside {} restarts of a neighbour", self.beside.restarts);
        self.beside.draw(&mut drawing, (&title, "later"), &axis);
        let numbers = (axis.first..=axis.last).filter(|ticks| ticks.is_multiple_of(NUMBERS));
        drawing.y += 16.0;
        for ticks in numbers {
            let x = axis.place(ticks) + axis.tick / 2.0;
            drawing.text(x, "middle", "small", &ticks.to_string());
        }
        drawing.y += 18.0;
        let note = "ticks of the time-stamp counter from when an interrupt was due to its handler; \
                    heights are logarithms of counts";
        drawing.text(LEFT, "start", "small", note);
        drawing.y += 16.0;
        let jumps: u64 = self.beside.jumps.values().sum();
        let note = format!("{jumps} more fell into turns of other processors that took longer");
        drawing.text(LEFT, "start", "small", &note);
        drawing.finish()
    }
}

/// The chart's horizontal axis: its first and its last tick, and how wide one is.
struct Axis {
    first: u64,
    last: u64,
    tick: f64,
}

impl Axis {
    fn over(runs: &[&Run]) -> Self {
        let ticks = || runs.iter().flat_map(|run| run.late.keys().copied());
        let (first, last) = (ticks().min().unwrap_or(0), ticks().max().unwrap_or(0));
        let count = last.saturating_sub(first).saturating_add(1);
        let tick = ((RIGHT - LEFT) / count as f64).min(TICK);
        Self { first, last, tick }
    }

    /// Where so many ticks are.
    fn place(&self, ticks: u64) -> f64 {
        LEFT + self.tick * ticks.saturating_sub(self.first) as f64
    }
}

impl Run {
    fn new(said: &Said) -> Result<Self> {
        let late = said.histogram("late")?;
        ensure!(!late.is_empty(), "no interrupt was taken");
        Ok(Self {
            late,
            jumps: said.histogram("jump")?,
            waited: said.number("waited")?,
            restarts: said.restarts,
        })
    }

    fn draw(&self, drawing: &mut Drawing, (title, class): (&str, &str), axis: &Axis) {
        let all: u64 = self.late.values().sum();
        let last = self.late.last_key_value().map_or(0, |(ticks, _)| *ticks);
        drawing.title(&format!(
            "{all} interrupts {title}: at most {last} ticks late"
        ));
        drawing.y += HEIGHT;
        let base = drawing.y;
        let most = self.late.values().copied().max().unwrap_or(1);
        for (ticks, times) in &self.late {
            let share = (*times as f64).ln() / (most as f64).ln().max(1.0);
            let height = (HEIGHT * share).max(LEAST);
            let corner = (axis.place(*ticks), base - height);
            drawing.bar(corner, (axis.tick - 1.0, height), class);
        }
        drawing.line((LEFT, base), (RIGHT, base), "axis");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_histograms_are_drawn_with_their_largest() {
        let run = |late: &[(u64, u64)], jumps: &[(u64, u64)]| Run {
            late: late.iter().copied().collect(),
            jumps: jumps.iter().copied().collect(),
            waited: 0,
            restarts: 7,
        };
        let latency = Latency {
            alone: run(&[(37, 10), (61, 5)], &[]),
            beside: run(&[(37, 10), (80, 1)], &[(32768, 2)]),
        };
        let chart = latency.draw();
        for text in [
            "15 interrupts alone: at most 61",
            "at most 80",
            "2 more",
            "beside 7 restarts",
        ] {
            assert!(chart.contains(text), "{text}");
        }
    }

    #[test]
    fn a_run_without_interrupts_is_an_error() {
        let said = |lines: &[&str]| Said {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            restarts: 0,
        };
        assert_eq!(
            Run::new(&said(&["late: 9 1", "waited: 2"])).unwrap().waited,
            2
        );
        assert!(Run::new(&said(&["waited: 0"])).is_err());
        assert!(Run::new(&said(&["late: 9 1"])).is_err());
    }
}
