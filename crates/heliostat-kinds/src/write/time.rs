//! Times as the server reads them: RFC 3339 with any offset. Errors are in Go's words.

/// A time: seconds since 1970, and nanoseconds.
pub(crate) type Time = (i64, u32);

/// Seconds of 0001-01-01T00:00:00Z, which is the zero time in Go.
const ZERO: i64 = -62_135_596_800;

const SECONDS: &str = "2006-01-02T15:04:05Z07:00";
const MICROS: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Reads a time in seconds, or `None` for Go's zero time. Fractions are dropped.
pub(crate) fn parse(text: &str) -> Result<Option<Time>, String> {
    let (seconds, nanos) = Parser::new(text, SECONDS).time(false)?;
    Ok(((seconds, nanos) != (ZERO, 0)).then_some((seconds, 0)))
}

/// Reads a time with six decimals, or `None` for Go's zero time.
pub(crate) fn parse_micros(text: &str) -> Result<Option<Time>, String> {
    let time = Parser::new(text, MICROS).time(true)?;
    Ok((time != (ZERO, 0)).then_some(time))
}

struct Parser<'a> {
    text: &'a str,
    layout: &'static str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, layout: &'static str) -> Self {
        Self {
            text,
            layout,
            rest: text,
        }
    }

    fn time(&mut self, has_micros: bool) -> Result<Time, String> {
        let year = self.number("2006", 4)?;
        self.literal("-")?;
        let month = self.number("01", 2)?;
        self.range("month", (1..=12).contains(&month))?;
        self.literal("-")?;
        let day = self.number("02", 2)?;
        self.literal("T")?;
        let hour = self.hour()?;
        self.range("hour", hour < 24)?;
        self.literal(":")?;
        let minute = self.number("04", 2)?;
        self.range("minute", minute < 60)?;
        self.literal(":")?;
        let second = self.number("05", 2)?;
        self.range("second", second < 60)?;
        let nanos = if has_micros {
            self.micros()? * 1000
        } else {
            self.fraction()
        };
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(format!("{}: extra text: {:?}", self.start(), self.rest));
        }
        self.range("day", (1..=days_of(year, month)).contains(&day))?;
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Ok((seconds - offset, nanos))
    }

    /// Reads so many digits.
    fn number(&mut self, element: &str, len: usize) -> Result<i64, String> {
        let number = self.rest.get(..len).and_then(digits);
        let Some(number) = number else {
            return Err(self.mismatch(element));
        };
        self.rest = self.rest.get(len..).unwrap_or_default();
        Ok(number)
    }

    /// Hours may have one digit.
    fn hour(&mut self) -> Result<i64, String> {
        let has_two = self.rest.get(..2).and_then(digits).is_some();
        self.number("15", if has_two { 2 } else { 1 })
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        let Some(rest) = self.rest.strip_prefix(literal) else {
            return Err(self.mismatch(literal));
        };
        self.rest = rest;
        Ok(())
    }

    fn micros(&mut self) -> Result<u32, String> {
        let text = self.rest.strip_prefix(['.', ',']);
        let micros = text.and_then(|text| digits(text.get(..6)?));
        let Some(micros) = micros else {
            return Err(self.mismatch(".000000"));
        };
        self.rest = self.rest.get(7..).unwrap_or_default();
        Ok(u32::try_from(micros).unwrap_or_default())
    }

    /// A fraction, which may be there with any number of digits.
    fn fraction(&mut self) -> u32 {
        let Some(text) = self.rest.strip_prefix(['.', ',']) else {
            return 0;
        };
        let end = text.find(|letter: char| !letter.is_ascii_digit());
        let (fraction, rest) = text.split_at(end.unwrap_or(text.len()));
        if fraction.is_empty() {
            return 0;
        }
        self.rest = rest;
        let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        nanos.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'))
    }

    /// Seconds east of Greenwich.
    fn offset(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let parts = self.rest.get(..6).and_then(|text| {
            let sign = match text.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (hours, minutes) = text.get(1..)?.split_once(':')?;
            Some((sign, digits(hours)?, digits(minutes)?))
        });
        let Some((sign, hours, minutes)) = parts else {
            return Err(self.mismatch("Z07:00"));
        };
        self.range("time zone offset hour", hours <= 24)?;
        self.range("time zone offset minute", minutes < 60)?;
        self.rest = self.rest.get(6..).unwrap_or_default();
        Ok(sign * (hours * 3600 + minutes * 60))
    }

    fn range(&self, what: &str, is_within: bool) -> Result<(), String> {
        if is_within {
            return Ok(());
        }
        Err(format!("{}: {what} out of range", self.start()))
    }

    fn start(&self) -> String {
        format!("parsing time {:?}", self.text)
    }

    fn mismatch(&self, element: &str) -> String {
        let (start, layout, rest) = (self.start(), self.layout, self.rest);
        format!("{start} as {layout:?}: cannot parse {rest:?} as {element:?}")
    }
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970. Years begin with March, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TimeText;

    #[test]
    fn every_day_is_read_as_it_is_written() {
        for day in (-719_162..2_932_896).step_by(13) {
            let seconds = day * 86_400 + 12_345;
            let text = TimeText::of_seconds(seconds);
            assert_eq!(parse(text.as_str()), Ok(Some((seconds, 0))));
        }
    }

    #[test]
    fn offsets_and_fractions_are_taken_into_account() {
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Ok(Some((0, 0))));
        assert_eq!(parse("1969-12-31T22:30:00.75-01:30"), Ok(Some((0, 0))));
        assert_eq!(parse("1970-01-01T1:00:00Z"), Ok(Some((3600, 0))));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Ok(None));
        let micros = parse_micros("1970-01-01T00:00:01.000120Z");
        assert_eq!(micros, Ok(Some((1, 120_000))));
    }

    #[test]
    fn errors_are_in_the_words_of_go() {
        let check = |text: &str, expected: &str| {
            assert_eq!(parse(text), Err(format!("parsing time {text:?}{expected}")));
        };
        let layout = r#" as "2006-01-02T15:04:05Z07:00": cannot parse "#;
        check("yesterday", &format!(r#"{layout}"yesterday" as "2006""#));
        check("", &format!(r#"{layout}"" as "2006""#));
        check("2026-01-02", &format!(r#"{layout}"" as "T""#));
        check("2026-01-02T03:04:05", &format!(r#"{layout}"" as "Z07:00""#));
        check("2026-13-02T03:04:05Z", ": month out of range");
        check("2026-02-29T03:04:05Z", ": day out of range");
        check("2026-02-28T24:04:05Z", ": hour out of range");
        check("2026-02-28T23:04:05Zx", ": extra text: \"x\"");
        assert!(parse_micros("2026-02-28T23:04:05Z").is_err());
    }
}
