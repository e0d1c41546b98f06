//! The drawing in the terminal: a mark for each core, for equal pieces of memory and for
//! each function, who manages whom in words, and a legend.

use super::{Bank, Drawing, Owner};
use crate::text::{Align, table};

/// How many marks the machine's memory takes, about.
const MARKS: u64 = 64;
/// Draws it.
pub fn draw(drawing: &Drawing) -> String {
    let mut lines = vec![
        drawing.title.clone(),
        String::new(),
        format!("cores      {}", core_marks(drawing)),
    ];
    lines.extend(memory_lines(drawing));
    lines.extend(function_lines(drawing));
    lines.extend(right_lines(drawing));
    lines.push(String::new());
    lines.push(legend(drawing));
    lines.join("\n")
}

fn core_marks(drawing: &Drawing) -> String {
    drawing
        .cores
        .iter()
        .map(|(_, owner)| owner.mark())
        .collect()
}

fn memory_lines(drawing: &Drawing) -> Vec<String> {
    let all: u64 = drawing.memory.iter().map(|bank| bank.bytes).sum();
    let each = all.div_ceil(MARKS).max(1);
    let line = |(number, bank): (usize, &Bank)| {
        let word = if number == 0 { "memory" } else { "" };
        format!(
            "{word:<10} {}  from {}",
            memory_marks(bank, each),
            bank.start
        )
    };
    let mut lines: Vec<_> = drawing.memory.iter().enumerate().map(line).collect();
    lines.push(format!("{:<10} (a mark is about {} MiB)", "", each >> 20));
    lines
}

/// A mark for each `each` bytes: whose the most of them is.
fn memory_marks(bank: &Bank, each: u64) -> String {
    let count = bank.bytes.div_ceil(each);
    let mark_at = |number: u64| {
        let start = bank
            .start
            .as_u64()
            .saturating_add(number.saturating_mul(each));
        let end = start.saturating_add(each);
        let share = |start_of: u64, bytes: u64| {
            let end_of = start_of.saturating_add(bytes);
            end_of.min(end).saturating_sub(start_of.max(start))
        };
        let pieces = bank.pieces.iter();
        let largest = pieces.max_by_key(|piece| share(piece.start.as_u64(), piece.bytes));
        largest.map_or(Owner::Nobody, |piece| piece.owner).mark()
    };
    (0..count).map(mark_at).collect()
}

/// The function itself, and its virtual functions in the order of their numbers.
fn function_lines(drawing: &Drawing) -> Vec<String> {
    let line = |(number, device): (usize, &super::Device)| {
        let word = if number == 0 { "functions" } else { "" };
        let virtual_functions = device.virtual_functions.iter();
        let marks: String = virtual_functions.map(|one| one.owner.mark()).collect();
        let text = format!(
            "{word:<10} {} {} {marks}",
            device.address,
            device.owner.mark()
        );
        text.trim_end().to_owned()
    };
    drawing.functions.iter().enumerate().map(line).collect()
}

/// Who may do what to whom; nothing where nobody may.
fn right_lines(drawing: &Drawing) -> Vec<String> {
    let texts = drawing.owners().filter_map(|owner| {
        let rights = drawing.rights_of(owner);
        (!rights.is_empty()).then(|| format!("{} {rights}", drawing.name(owner)))
    });
    let line = |(number, text): (usize, String)| {
        let word = if number == 0 { "rights" } else { "" };
        format!("{word:<10} {text}")
    };
    texts.enumerate().map(line).collect()
}

fn legend(drawing: &Drawing) -> String {
    let headings = [
        ("", Align::Left),
        ("OWNER", Align::Left),
        ("CORES", Align::Left),
        ("MEMORY", Align::Right),
        ("FUNCTIONS", Align::Left),
    ];
    let row = |owner: Owner| {
        [
            owner.mark().to_string(),
            drawing.name(owner).to_owned(),
            drawing.cores_of(owner),
            drawing.memory_of(owner),
            drawing.functions_of(owner),
        ]
    };
    let owners = table(headings, &drawing.owners().map(row).collect::<Vec<_>>());
    format!("{owners}\n\nBulkhead's own memory comes from nobody's.")
}
