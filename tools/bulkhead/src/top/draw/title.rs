//! The first line: which machine it is, and how fast it answers.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};

use crate::text;
use crate::top::model::Model;

/// A part of the title.
struct Part {
    /// Parts with the highest rank give way first; those of rank 0 stay.
    rank: u8,
    text: String,
}

/// Draws what of the title finds room.
pub fn draw(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let mut parts = parts(model);
    let room = usize::from(area.width);
    while width(&parts) > room {
        let last = parts.iter().map(|part| part.rank).max().unwrap_or(0);
        if last == 0 {
            break;
        }
        parts.retain(|part| part.rank != last);
    }
    let answer = parts.pop_if(|part| part.rank == ANSWER);
    let answer = answer.map_or_else(String::new, |part| part.text);
    let mut spans = parts.into_iter().map(|part| Span::from(part.text));
    let address = spans.next().map(Stylize::bold);
    let width = u16::try_from(answer.len()).unwrap_or(u16::MAX);
    let [start, end] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(width)]).areas(area);
    frame.render_widget(Line::from_iter(address.into_iter().chain(spans)), start);
    frame.render_widget(Line::from(answer), end);
}

/// The rank of the last part, which stands at the other end.
const ANSWER: u8 = 3;

fn parts(model: &Model) -> Vec<Part> {
    let part = |rank, text| Part { rank, text };
    let mut parts = vec![part(0, format!(" {}", model.address))];
    match &model.machine {
        None => parts.push(part(0, "  connecting".to_owned())),
        Some(machine) => {
            let uptime = u64::try_from(model.uptime.as_millis()).unwrap_or(u64::MAX);
            parts.extend([
                part(1, format!("  Bulkhead {}", machine.build)),
                part(2, format!("  {}", machine.back_end)),
                part(4, format!("  plan {:08x}", machine.plan_crc32c)),
                part(0, format!("  up {}", text::duration(uptime))),
            ]);
        }
    }
    let answer = format!(" answers in {} ms ", model.answer_time.as_millis());
    parts.push(part(ANSWER, answer));
    parts
}

fn width(parts: &[Part]) -> usize {
    let widths = parts.iter().map(|part| part.text.chars().count());
    widths.fold(0, usize::saturating_add)
}
