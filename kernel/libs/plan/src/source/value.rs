//! Numbers as people write them.

/// The number that `digits` are in `radix`; `_` may part them.
pub fn parse_integer(digits: &str, radix: u32) -> Option<u64> {
    let digits = digits.replace('_', "");
    // `from_str_radix` would take a sign.
    digits
        .starts_with(|first: char| first.is_digit(radix))
        .then_some(())?;
    u64::from_str_radix(&digits, radix).ok()
}

/// The number that `text` is: decimal or after `0x` hexadecimal, and the decimal ones with
/// an optional suffix K, M, G or T, or KiB and so on.
pub fn parse_bytes(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return parse_integer(digits, 16);
    }
    let text = text.strip_suffix("iB").map_or(Some(text), |text| {
        text.ends_with(['K', 'M', 'G', 'T']).then_some(text)
    })?;
    for (suffix, shift) in [('K', 10), ('M', 20), ('G', 30), ('T', 40)] {
        if let Some(digits) = text.strip_suffix(suffix) {
            return parse_integer(digits, 10)?.checked_mul(1 << shift);
        }
    }
    parse_integer(text, 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_read_as_people_mean_them() {
        for (text, number) in [
            ("0", 0),
            ("4096", 4096),
            ("0x3f8", 0x3f8),
            ("0x2000_0000", 0x2000_0000),
            ("640M", 640 << 20),
            ("640MiB", 640 << 20),
            ("1G", 1 << 30),
            ("2T", 2 << 40),
            ("1_024K", 1 << 20),
        ] {
            assert_eq!(parse_bytes(text), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "M",
            "640Q",
            "-1",
            "+1",
            "0x",
            "0xg",
            "0x+1",
            "1.5G",
            "99999999T",
            "1 M",
            "4iB",
            "_",
            "0x10M",
        ] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in ".*") {
            let _ = parse_bytes(&text);
        }
    }
}
