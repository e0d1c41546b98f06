//! Numbers and tables for people.

use std::time::Duration;

use addr::ApicId;

/// A time as its two largest units: `3 d 4 h`, `12 min 4 s`, `4.2 s`.
pub fn duration(milliseconds: u64) -> String {
    let time = Duration::from_millis(milliseconds);
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// A size in the largest unit that holds it whole: `640 MiB`, `1000 bytes`.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = |shift: u32| bytes > 0 && bytes.trailing_zeros() >= shift;
    units
        .into_iter()
        .find(|(shift, _)| whole(*shift))
        .map_or_else(
            || format!("{bytes} bytes"),
            |(shift, unit)| format!("{} {unit}", bytes >> shift),
        )
}

/// Things with commas between; `none` if there are none.
pub fn list<T: ToString>(things: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = things.into_iter().map(|thing| thing.to_string()).collect();
    if texts.is_empty() {
        "none".to_owned()
    } else {
        texts.join(", ")
    }
}

/// Numbers, with neighbours drawn together: `1`, `2-5,8`.
pub fn ranges(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut sorted: Vec<_> = numbers.into_iter().collect();
    sorted.sort_unstable();
    let neighbours = sorted.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let texts = neighbours.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        one => one.iter().map(u32::to_string).collect(),
    });
    texts.collect::<Vec<_>>().join(",")
}

/// Cores by their APIC IDs.
pub fn cores(cores: &[ApicId]) -> String {
    ranges(cores.iter().map(|core| core.0))
}

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// The rows under their headings, in columns.
pub fn table<const N: usize>(headings: [(&str, Align); N], rows: &[[String; N]]) -> String {
    let widths = std::array::from_fn::<_, N, _>(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max();
        let heading = headings.get(column).map_or(0, |(text, _)| text.len());
        longest.unwrap_or(0).max(heading)
    });
    let row = |cells: [&str; N]| {
        let columns = cells.into_iter().zip(widths).zip(headings);
        let texts = columns.map(|((cell, width), (_, align))| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        let line = texts.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    let heading = row(headings.map(|(text, _)| text));
    let body = rows
        .iter()
        .map(|cells| row(cells.each_ref().map(String::as_str)));
    std::iter::once(heading)
        .chain(body)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_their_two_largest_units() {
        let cases = [
            (0, "0.0 s"),
            (4_200, "4.2 s"),
            (59_940, "59.9 s"),
            (60_000, "1 min 0 s"),
            (11_520_000, "3 h 12 min"),
            (277_200_000, "3 d 5 h"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(duration(milliseconds), text);
        }
    }

    #[test]
    fn sizes_are_exact() {
        let cases = [
            (0, "0 bytes"),
            (1000, "1000 bytes"),
            (1 << 10, "1 KiB"),
            (640 << 20, "640 MiB"),
            (2 << 30, "2 GiB"),
            ((2 << 30) + (1 << 20), "2049 MiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn neighbouring_numbers_are_drawn_together() {
        assert_eq!(ranges([]), "");
        assert_eq!(ranges([1]), "1");
        assert_eq!(ranges([3, 2]), "2-3");
        assert_eq!(ranges([0, 2, 3, 4, 8, u32::MAX]), "0,2-4,8,4294967295");
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [["a".into(), "100".into()], ["longer".into(), "7".into()]];
        let headings = [("NAME", Align::Left), ("EXITS", Align::Right)];
        assert_eq!(
            table(headings, &rows),
            "NAME    EXITS\na         100\nlonger      7"
        );
    }
}
