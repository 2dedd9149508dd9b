//! Sizes such as `64MiB` or `67108864`.

use std::ops::RangeInclusive;

use super::{GIB, KIB, MIB};

/// Bytes of `value`, a whole number with an optional unit of `KiB`, `MiB` or `GiB`.
pub(super) fn byte_size(value: &str, range: RangeInclusive<u64>) -> Result<usize, String> {
    let (digits, unit) = match value.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => value.split_at(end),
        None => (value, ""),
    };
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" => Some(1),
        "kib" => Some(KIB),
        "mib" => Some(MIB),
        "gib" => Some(GIB),
        _ => None,
    };
    let bytes =
        digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.filter(|bytes| range.contains(bytes)).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(
        || {
            format!(
                "a number of bytes from {} to {}, optionally with the unit KiB, MiB or GiB",
                readable(*range.start()),
                readable(*range.end())
            )
        },
    )
}

fn readable(bytes: u64) -> String {
    match bytes {
        _ if bytes >= GIB && bytes.is_multiple_of(GIB) => format!("{}GiB", bytes / GIB),
        _ if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{}MiB", bytes / MIB),
        _ if bytes >= KIB && bytes.is_multiple_of(KIB) => format!("{}KiB", bytes / KIB),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        let sizes = ["67108864", "64MiB", "64 MiB", "64mib", "65536KiB"].map(|v| byte_size(v, 1..=GIB));
        assert_eq!(sizes, [Ok(67_108_864), Ok(67_108_864), Ok(67_108_864), Ok(67_108_864), Ok(67_108_864)]);
    }

    #[test]
    fn anything_else_is_refused_with_the_range() {
        for value in [
            "",
            "MiB",
            "1.5MiB",
            "-1",
            "64MB",
            "2GiB",
            "0",
            "99999999999999999999",
            "18446744073709551615GiB",
        ] {
            let expected = byte_size(value, KIB..=GIB).unwrap_err();
            assert!(expected.contains("from 1KiB to 1GiB"), "{value}: {expected}");
        }
    }
}
