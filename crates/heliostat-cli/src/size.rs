//! Amounts of memory as people write them: `0`, `512KiB`, `64MiB`, `1.5GiB`; and as they read them.

/// The units, from the largest. Kubernetes writes them without the `B`.
const UNITS: [(&str, &str, u64); 5] = [
    ("TiB", "Ti", 1 << 40),
    ("GiB", "Gi", 1 << 30),
    ("MiB", "Mi", 1 << 20),
    ("KiB", "Ki", 1 << 10),
    ("B", "B", 1),
];

/// Reads an amount; a number without a unit is bytes.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let wrong =
        || format!("{text:?} is no amount of memory, want for example 0, 512KiB, 64MiB or 1GiB");
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim_start();
    let unit = UNITS
        .iter()
        .find(|(long, short, _)| unit == *long || unit == *short)
        .map(|(_, _, bytes)| *bytes)
        .or_else(|| unit.is_empty().then_some(1));
    let unit = unit.ok_or_else(wrong)?;
    let too_large = || format!("{text:?} is more memory than there can be");
    if let Ok(whole) = number.parse::<u64>() {
        let bytes = whole.checked_mul(unit).ok_or_else(too_large)?;
        return usize::try_from(bytes).map_err(|_| too_large());
    }
    // A part of a byte is nothing that anybody means.
    let parts: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = parts * unit as f64;
    if unit == 1 {
        return Err(wrong());
    }
    if bytes >= isize::MAX as f64 {
        return Err(too_large());
    }
    Ok(bytes as usize)
}

/// An amount for people: three digits and a unit, `850 B`, `12.3 KiB`, `1.60 GiB`.
pub(crate) fn show(bytes: u64) -> String {
    let fits = |(_, _, unit): &&(_, _, u64)| bytes >= *unit;
    let Some((name, _, unit)) = UNITS.iter().find(fits).filter(|unit| unit.2 > 1) else {
        return format!("{bytes} B");
    };
    let value = bytes as f64 / *unit as f64;
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("12B", 12),
            ("512KiB", 512 << 10),
            ("64MiB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("64Mi", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_examples() {
        for text in [
            "", "x", "-5", "64MB", "64m", "1.5", "1..5MiB", "MiB", "64MiBs", "1e3", "inf", "٣",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("512KiB"), "{error}");
        }
        for text in ["18446744073709551615GiB", "99999999999999999999.5TiB"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("than there can be"), "{error}");
        }
    }

    #[test]
    fn amounts_are_shown_short() {
        assert_eq!(show(0), "0 B");
        assert_eq!(show(850), "850 B");
        assert_eq!(show(1024), "1.00 KiB");
        assert_eq!(show(12_595), "12.3 KiB");
        assert_eq!(show(10 << 20), "10.0 MiB");
        assert_eq!(show(1_717_986_918), "1.60 GiB");
        assert_eq!(show(1000 << 20), "1000 MiB");
    }
}
