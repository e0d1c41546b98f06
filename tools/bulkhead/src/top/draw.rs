//! The screen of `bulkhead top`.

mod columns;
mod title;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table, TableState, Wrap};
use vdev::exit_reason::ExitReason;

use super::model::{Model, View};
use crate::ctl::event_line;

/// The most lines that the partitions take.
const MOST_PARTITIONS: u16 = 12;
/// The width below which nothing is drawn.
const NARROWEST: u16 = 60;
/// The width of the exits' pane.
const EXITS_WIDTH: u16 = 42;

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    if frame.area().width < NARROWEST {
        let text = format!("too narrow: {NARROWEST} columns are needed");
        let text = Paragraph::new(text).wrap(Wrap { trim: true });
        frame.render_widget(text, frame.area());
        return;
    }
    let partitions = u16::try_from(model.partitions.len()).unwrap_or(u16::MAX);
    let partitions = partitions.clamp(1, MOST_PARTITIONS).saturating_add(3);
    let [title, table, rest, problem, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(partitions),
        Constraint::Min(0),
        Constraint::Length(problem_height(model, frame.area().width)),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    title::draw(frame, model, title);
    draw_partitions(frame, model, table);
    match model.view {
        View::Console => draw_console(frame, model, rest),
        View::Events => draw_events(frame, model, rest),
        View::All => {
            let [middle, console] =
                Layout::vertical([Constraint::Percentage(45), Constraint::Min(0)]).areas(rest);
            let [exits, events] =
                Layout::horizontal([Constraint::Length(EXITS_WIDTH), Constraint::Min(0)])
                    .areas(middle);
            draw_exits(frame, model, exits);
            draw_events(frame, model, events);
            draw_console(frame, model, console);
        }
    }
    draw_problem(frame, model, problem);
    draw_keys(frame, keys);
}

fn draw_partitions(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let columns = columns::fitting(model, area.width);
    let headings = Row::new(columns.iter().map(|column| column.heading_line()));
    let cells = |one| Row::new(columns.iter().map(move |column| column.cell(one)));
    let rows: Vec<_> = model.partitions.iter().map(cells).collect();
    let table = Table::new(rows, columns.iter().map(|column| column.width))
        .header(headings.style(Modifier::DIM))
        .block(Block::bordered().title(" Partitions "))
        .highlight_symbol("\u{203a}")
        .row_highlight_style(Modifier::REVERSED);
    let mut state = TableState::new().with_selected(model.selected_index());
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_exits(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let selected = model.selected_partition();
    let counted = selected.and_then(|one| Some((one, one.counters.as_ref()?)));
    let rows = counted.into_iter().flat_map(|(partition, counters)| {
        let reasons = ExitReason::ALL.into_iter().zip(partition.rates);
        let counted = reasons.filter(|(reason, _)| counters.exits.of(*reason) > 0);
        counted.map(|(reason, per_second)| {
            Row::new([
                Line::from(reason.name()),
                right(counters.exits.of(reason).to_string()),
                right(rate(per_second)),
            ])
        })
    });
    let widths = [
        Constraint::Length(22),
        Constraint::Length(9),
        Constraint::Length(7),
    ];
    let headings = Row::new([Line::from("REASON"), right("EXITS"), right("PER S")]);
    let table = Table::new(rows, widths)
        .header(headings.style(Modifier::DIM))
        .block(Block::bordered().title(format!(" Exits of {} ", name(model))));
    frame.render_widget(table, area);
}

fn draw_events(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::bordered().title(" Events ");
    let count = usize::from(block.inner(area).height);
    let skipped = model.events.len().saturating_sub(count);
    let events = model.events.iter().skip(skipped);
    let lines: Vec<_> = events.map(|event| Line::from(event_line(event))).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_console(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::bordered().title(format!(" Console of {} ", name(model)));
    let count = usize::from(block.inner(area).height);
    let lines = model.screen.last(count).into_iter().map(Line::from);
    let text = Paragraph::new(lines.collect::<Vec<_>>());
    frame.render_widget(text.block(block), area);
}

/// The lines that the problem takes, if there is one.
fn problem_height(model: &Model, width: u16) -> u16 {
    let Some(problem) = &model.problem else {
        return 0;
    };
    let characters = u16::try_from(problem.chars().count()).unwrap_or(u16::MAX);
    // Lines break between words, and so earlier than where they are full.
    let lines = characters.div_ceil(width.saturating_sub(12).max(1));
    lines.clamp(1, 4)
}

fn draw_problem(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let text = model.problem.as_deref().unwrap_or_default();
    let style = Style::new().fg(Color::White).bg(Color::Red);
    let text = Paragraph::new(text).wrap(Wrap { trim: true }).style(style);
    frame.render_widget(text, area);
}

fn draw_keys(frame: &mut Frame<'_>, area: Rect) {
    let keys = [
        ("\u{2191}\u{2193}", "partition"),
        ("c", "console"),
        ("e", "events"),
        ("Esc", "all"),
        ("q", "leave"),
    ];
    let spans = keys.into_iter().flat_map(|(key, what)| {
        [
            Span::from(format!(" {key} ")).reversed(),
            Span::from(format!(" {what}  ")),
        ]
    });
    frame.render_widget(Line::from_iter(spans), area);
}

fn name(model: &Model) -> String {
    model
        .selected()
        .map_or_else(|| "nobody".to_owned(), |name| name.to_string())
}

fn right<'a>(text: impl Into<Line<'a>>) -> Line<'a> {
    text.into().alignment(Alignment::Right)
}

/// A number a second: with a decimal where it is small.
fn rate(per_second: f64) -> String {
    if per_second >= 100.0 || per_second == 0.0 {
        format!("{per_second:.0}")
    } else {
        format!("{per_second:.1}")
    }
}

#[cfg(test)]
mod tests;
