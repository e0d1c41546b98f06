//! The table that ends a run of the cases: what was shown where.
//!
//! Key types: [`Row`] and [`Cell`].

use std::fmt::{self, Write};

/// One case.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// A cell for each platform.
    pub cells: Vec<Cell>,
}

/// One case on one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// It holds.
    Held,
    /// It holds as far as it could be looked at; the text says what was in the way.
    HeldInPart(&'static str),
    /// It does not hold.
    Failed,
    /// It was not run, for this reason; that says nothing of the property.
    NotRun(&'static str),
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => formatter.pad("ok"),
            Self::HeldInPart(lack) => formatter.pad(&format!("ok, in part: {lack}")),
            Self::Failed => formatter.pad("FAILED"),
            Self::NotRun(lack) => formatter.pad(&format!("not run: {lack}")),
        }
    }
}

/// The table, with a line for each case and a column for each of `platforms`.
pub fn render(platforms: &[&str], rows: &[Row]) -> String {
    let names = rows.iter().map(|row| row.name.len());
    let mut widths = vec![names.max().unwrap_or(0)];
    for (index, platform) in platforms.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.cells.get(index));
        let cells = cells.map(|cell| cell.to_string().len());
        widths.push(cells.max().unwrap_or(0).max(platform.len()));
    }
    let mut text = String::new();
    let header = platforms.iter().map(|platform| (*platform).to_owned());
    push_line(&mut text, &widths, "", header);
    for row in rows {
        push_line(
            &mut text,
            &widths,
            row.name,
            row.cells.iter().map(Cell::to_string),
        );
    }
    text
}

fn push_line(text: &mut String, widths: &[usize], name: &str, cells: impl Iterator<Item = String>) {
    let mut line = String::new();
    let words = std::iter::once(name.to_owned()).chain(cells);
    for (word, width) in words.zip(widths) {
        // A `String` takes everything.
        let _ = write!(line, "{word:<width$}  ");
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_one_another_and_reasons_are_said() {
        let rows = [
            Row {
                name: "hello",
                cells: vec![Cell::Held, Cell::Failed],
            },
            Row {
                name: "functions_given",
                cells: vec![Cell::Held, Cell::NotRun("no IOMMU")],
            },
        ];
        let expected = "                 here  there\n\
                        hello            ok    FAILED\n\
                        functions_given  ok    not run: no IOMMU\n";
        assert_eq!(render(&["here", "there"], &rows), expected);
    }
}
