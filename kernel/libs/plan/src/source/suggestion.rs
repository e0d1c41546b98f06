//! What somebody who misspelt a key meant.

use alloc::vec::Vec;

/// The one of `known` that is nearest to `name`, if it is near: at most two letters, or a
/// third of the word, apart.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let candidates = known.iter().map(|known| (distance(name, known), *known));
    let (apart, nearest) = candidates.min_by_key(|(apart, _)| *apart)?;
    (apart <= (name.len() / 3).max(2)).then_some(nearest)
}

/// The Levenshtein distance: how many letters to insert, remove or replace.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index.saturating_add(1);
        let mut next = Vec::from([before]);
        for (other, above) in right.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(letter != *other));
            before = replaced
                .min(before.saturating_add(1))
                .min(above.saturating_add(1));
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (left, right, apart) in [
            ("", "", 0),
            ("cores", "cores", 0),
            ("coers", "cores", 2),
            ("core", "cores", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), apart, "{left} {right}");
            assert_eq!(distance(right, left), apart, "{right} {left}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["cores", "memory", "name"];
        assert_eq!(nearest("core", &known), Some("cores"));
        assert_eq!(nearest("memroy", &known), Some("memory"));
        assert_eq!(nearest("scheduler", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
