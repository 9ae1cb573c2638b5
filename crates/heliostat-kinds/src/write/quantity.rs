//! Quantities in the canonical form in which the server writes them.

use std::borrow::Cow;

/// The quantity in canonical form, as the server has it after reading; or what is wrong with it.
pub(crate) fn canonical(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let parts = Parts::of(text).ok_or(FORMAT)?;
    let (exponent, format) = suffix(parts.suffix).ok_or(SUFFIX)?;
    if parts.is_canonical(exponent, format) {
        return Ok(Cow::Borrowed(text));
    }
    let amount = match format {
        Format::Binary => binary(&parts, exponent),
        Format::Decimal | Format::Exponent => {
            let digits = format!("{}{}", parts.whole, parts.fraction);
            let scale = exponent - parts.fraction.len() as i64;
            Err(Decimal { digits, scale })
        }
    };
    let mut out = match amount {
        Ok(binary) => binary,
        Err(decimal) => decimal.text(format == Format::Exponent),
    };
    if parts.is_negative && out != "0" {
        out.insert(0, '-');
    }
    Ok(Cow::Owned(out))
}

const FORMAT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const SUFFIX: &str = "unable to parse quantity's suffix";

/// The largest amount with a binary suffix; more is taken as so much.
const BINARY_MAX: u128 = i64::MAX as u128;

/// Which suffixes a quantity has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    /// `k`, `M`: powers of ten.
    Decimal,
    /// `Ki`, `Mi`: powers of two.
    Binary,
    /// `e3`: any power of ten.
    Exponent,
}

/// Digits without leading zeros, and the power of ten that they are multiplied by.
#[derive(Debug)]
struct Decimal {
    digits: String,
    scale: i64,
}

/// A quantity as it is written.
struct Parts<'a> {
    is_negative: bool,
    /// Without leading zeros; `0` if nothing is left.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number_end = unsigned.find(|it: char| !it.is_ascii_digit() && it != '.');
        let (number, suffix) = unsigned.split_at(number_end.unwrap_or(unsigned.len()));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let letters = suffix.trim_start_matches(|it| "eEinumkKMGTP".contains(it));
        let exponent = letters.strip_prefix(['+', '-']).unwrap_or(letters);
        if text.is_empty()
            || fraction.contains('.')
            || !exponent.bytes().all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        Some(Self {
            is_negative: text.starts_with('-'),
            whole: if whole.is_empty() { "0" } else { whole },
            fraction,
            suffix,
        })
    }

    /// Returns true for the texts that the server keeps as they are.
    fn is_canonical(&self, exponent: i64, format: Format) -> bool {
        let (whole, fraction) = (self.whole, self.fraction);
        let len = (whole.len() + fraction.len()) as i64;
        match format {
            Format::Binary => {
                let precision = 14 - len - exponent * 3 / 10;
                let last = whole.parse::<u64>().unwrap_or_default();
                fraction.is_empty() && precision >= 0 && last % 8 != 0
            }
            Format::Decimal | Format::Exponent => {
                let scale = exponent - fraction.len() as i64;
                let zeros = fraction.bytes().rev().chain(whole.bytes().rev());
                let zeros = zeros.take_while(|&digit| digit == b'0').count();
                (-9..=i64::from(i32::MAX)).contains(&scale)
                    && len <= 18
                    && scale % 3 == 0
                    && zeros < 3
                    && whole != "0"
            }
        }
    }
}

/// The power that the suffix is: of ten, or of two if the format is binary.
fn suffix(suffix: &str) -> Option<(i64, Format)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    if let Some(at) = decimal.iter().position(|it| *it == suffix) {
        return Some((at as i64 * 3 - 9, Format::Decimal));
    }
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(at) = binary.iter().position(|it| *it == suffix) {
        return Some((at as i64 * 10 + 10, Format::Binary));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<i64>().ok()?;
    let exponent = i32::try_from(exponent).ok()?;
    Some((i64::from(exponent), Format::Exponent))
}

/// The text of a quantity with a binary suffix, or its decimal if it is below 1024 or not whole.
fn binary(parts: &Parts<'_>, exponent: i64) -> Result<String, Decimal> {
    const FRACTION_DIGITS: usize = 18;
    const NANOS: u128 = 1_000_000_000;
    let power = 1_u128 << exponent;
    let whole = parts.whole.parse::<u64>().map_or(BINARY_MAX, u128::from);
    // What is behind these digits is nothing, or rounds up.
    let digits = parts
        .fraction
        .get(..FRACTION_DIGITS)
        .unwrap_or(parts.fraction);
    let is_cut = parts
        .fraction
        .bytes()
        .skip(FRACTION_DIGITS)
        .any(|digit| digit != b'0');
    let one = 10_u128.pow(digits.len() as u32);
    let fraction = digits.parse::<u128>().unwrap_or_default() * power;
    let nanos = ((fraction % one) * NANOS).div_ceil(one) + u128::from(is_cut);
    let units = whole.min(BINARY_MAX) * power + fraction / one;
    let amount = (units.min(BINARY_MAX) * NANOS + nanos).min(BINARY_MAX * NANOS);
    let mut units = amount / NANOS;
    if units < 1024 || !amount.is_multiple_of(NANOS) {
        let digits = amount.to_string();
        return Err(Decimal { digits, scale: -9 });
    }
    let mut suffixes = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter();
    let mut suffix = "";
    while units.is_multiple_of(1024)
        && let Some(next) = suffixes.next()
    {
        units /= 1024;
        suffix = next;
    }
    Ok(format!("{units}{suffix}"))
}

impl Decimal {
    /// The text with the largest exponent that leaves no fraction, and is a multiple of three.
    fn text(mut self, has_exponent: bool) -> String {
        self.round_up();
        let significant = self.digits.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return "0".to_owned();
        }
        let zeros = self.digits.len() - self.digits.trim_end_matches('0').len();
        let exponent = self.scale + zeros as i64;
        let more = exponent.rem_euclid(3);
        let exponent = exponent - more;
        let zeros = "00".get(..more as usize).unwrap_or_default();
        let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
        let known = usize::try_from(exponent / 3 + 3).ok();
        let suffix = match known.and_then(|at| suffixes.get(at)) {
            _ if has_exponent && exponent == 0 => String::new(),
            Some(suffix) if !has_exponent => (*suffix).to_owned(),
            _ => format!("e{exponent}"),
        };
        format!("{significant}{zeros}{suffix}")
    }

    /// Rounds away from zero to whole billionths.
    fn round_up(&mut self) {
        let excess = usize::try_from(-9 - self.scale).unwrap_or_default();
        if excess == 0 {
            return;
        }
        self.scale = -9;
        let kept = self.digits.len().saturating_sub(excess);
        let dropped = self.digits.split_off(kept);
        if dropped.bytes().all(|digit| digit == b'0') {
            return;
        }
        let nines = self.digits.len() - self.digits.trim_end_matches('9').len();
        let kept = self.digits.len() - nines;
        let raised = self.digits.get(..kept).and_then(|head| head.bytes().last());
        self.digits.truncate(kept.saturating_sub(1));
        self.digits
            .push(raised.map_or('1', |digit| char::from(digit + 1)));
        self.digits.extend(std::iter::repeat_n('0', nines));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_canonical_as_in_go() {
        let check = |text, expected: &str| assert_eq!(canonical(text).unwrap(), expected, "{text}");
        for same in [
            "0", "1", "100m", "1Ki", "1500m", "2Gi", "10", "12e6", "1k", "1.500", "+1",
        ] {
            check(same, same);
        }
        check("1000m", "1");
        check("0.5", "500m");
        check("1000", "1k");
        check("1024Ki", "1Mi");
        check("1.5Gi", "1536Mi");
        check("0.5Ki", "512");
        check("8Ki", "8Ki");
        check("1.1Ki", "1126400m");
        check("0Mi", "0");
        check("-0", "0");
        check("-1000m", "-1");
        check("0.9n", "1n");
        check("9.9999999999", "10");
        check("1.2345", "1234500u");
        check("1000E", "1e21");
        check("1e2", "100");
        check("100e1", "1e3");
        check("1e-3", "1e-3");
        check("8Ei", "9223372036854775807");
        check("99999999999999999999999", "99999999999999999999999");
        check("18446744073709551616", "18446744073709551616");
        check("1e-100000", "1e-9");
        check(".5", "500m");
        check("5.", "5.");
        check("Gi", "0");
        check("+", "0");
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "x", "1 Gi", "1.2.3", "1G1x", "1é"] {
            assert_eq!(canonical(text), Err(FORMAT), "{text}");
        }
        for text in [
            "--1",
            "1Gii",
            "1GM",
            "1K",
            "1e",
            "1m5",
            "1e99999999999999999999",
        ] {
            assert_eq!(canonical(text), Err(SUFFIX), "{text}");
        }
    }
}
