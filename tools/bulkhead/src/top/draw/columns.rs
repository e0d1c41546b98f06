//! The columns of the table of partitions, and which of them find room.

use mgmt_proto::State;
use ratatui::layout::Constraint;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use super::{rate, right};
use crate::text::{self, Align};
use crate::top::model::{Model, Partition};

/// What the table's border and the mark of the selected partition take.
const BESIDE: u16 = 3;
/// The width of the last column where it begins to say something.
const LAST_STOP_WIDTH: u16 = 12;

/// A column of the table.
pub struct Column {
    heading: &'static str,
    align: Align,
    /// Its width.
    pub width: Constraint,
    /// The room that it needs.
    least: u16,
    /// Columns with the highest rank give way first.
    rank: u8,
    text: fn(&Partition) -> String,
}

impl Column {
    const fn new(
        heading: &'static str,
        align: Align,
        width: u16,
        rank: u8,
        text: fn(&Partition) -> String,
    ) -> Self {
        Self {
            heading,
            align,
            width: Constraint::Length(width),
            least: width,
            rank,
            text,
        }
    }

    /// Its heading.
    pub fn heading_line(&self) -> Line<'static> {
        self.aligned(self.heading.to_owned())
    }

    /// What it says of a partition.
    pub fn cell(&self, partition: &Partition) -> Line<'static> {
        let cell = self.aligned((self.text)(partition));
        if self.heading == STATE {
            return cell.style(style_of(partition.summary.state));
        }
        cell
    }

    fn aligned(&self, text: String) -> Line<'static> {
        match self.align {
            Align::Left => Line::from(text),
            Align::Right => right(text),
        }
    }
}

const STATE: &str = "STATE";

/// The columns that fit into so much width.
pub fn fitting(model: &Model, width: u16) -> Vec<Column> {
    let mut columns = all(model);
    let room = width.saturating_sub(BESIDE);
    while needed(&columns) > room && columns.len() > 1 {
        let last = columns.iter().map(|column| column.rank).max();
        columns.retain(|column| Some(column.rank) != last);
    }
    columns
}

/// What the columns need, with a blank between two.
fn needed(columns: &[Column]) -> u16 {
    let each = columns.iter().map(|column| column.least.saturating_add(1));
    each.fold(0_u16, u16::saturating_add).saturating_sub(1)
}

fn all(model: &Model) -> Vec<Column> {
    let name: fn(&Partition) -> String = |one| one.summary.name.to_string();
    let cores: fn(&Partition) -> String = |one| text::cores(&one.cores);
    let last_stop = Column {
        width: Constraint::Fill(1),
        ..Column::new("LAST STOP", Align::Left, LAST_STOP_WIDTH, 9, |one| {
            let cause = one.summary.last_stop.map(|cause| cause.to_string());
            cause.unwrap_or_default()
        })
    };
    vec![
        Column::new("NAME", Align::Left, longest(model, name, 4), 0, name),
        Column::new(STATE, Align::Left, 8, 1, |one| {
            one.summary.state.name().to_owned()
        }),
        Column::new("FOR", Align::Right, 11, 2, |one| {
            text::duration(one.summary.in_state_milliseconds)
        }),
        Column::new("CORES", Align::Right, longest(model, cores, 5), 5, cores),
        Column::new("MEMORY", Align::Right, 8, 8, |one| {
            text::size(one.summary.memory_bytes)
        }),
        Column::new("RESTARTS", Align::Right, 8, 6, |one| {
            one.summary.restarts.to_string()
        }),
        Column::new("EXITS", Align::Right, 9, 4, |one| {
            count(one.counters.map(|counters| counters.exits.total()))
        }),
        Column::new("PER S", Align::Right, 7, 3, |one| rate(one.rate())),
        Column::new("DENIED", Align::Right, 7, 6, |one| {
            count(one.counters.map(|counters| counters.denied))
        }),
        Column::new("FAULTS", Align::Right, 6, 7, |one| {
            count(one.counters.map(|counters| counters.faults))
        }),
        last_stop,
    ]
}

fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "-".into(), |count| count.to_string())
}

/// The width of the longest of the partitions' texts, from `least` to 20.
fn longest(model: &Model, text: fn(&Partition) -> String, least: u16) -> u16 {
    let lengths = model.partitions.iter().map(|one| text(one).len());
    let longest = u16::try_from(lengths.max().unwrap_or(0)).unwrap_or(u16::MAX);
    longest.clamp(least, 20)
}

fn style_of(state: State) -> Style {
    match state {
        State::Running => Style::new().fg(Color::Green),
        State::Starting | State::Stopping => Style::new().fg(Color::Yellow),
        State::Stopped => Style::new().add_modifier(Modifier::DIM),
        State::Failed => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}
