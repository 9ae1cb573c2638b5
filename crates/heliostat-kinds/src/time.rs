//! Times as the server writes them: RFC 3339 in UTC.

use std::io::{Cursor, Write as _};

/// Text of a time as the server writes it, RFC 3339 in UTC; kept on the stack.
#[derive(Debug)]
pub struct TimeText {
    bytes: [u8; Self::LEN_MAX],
    len: usize,
}

impl TimeText {
    /// Years have up to twelve digits and a sign.
    const LEN_MAX: usize = 48;

    /// Returns the text of a time in seconds since 1970.
    #[must_use]
    pub fn of_seconds(seconds: i64) -> Self {
        let mut text = Self::start(seconds);
        text.push(b"Z");
        text
    }

    /// Returns the text of a time in seconds since 1970 and microseconds, which have six digits.
    #[must_use]
    pub fn of_micros(seconds: i64, micros: u32) -> Self {
        let mut text = Self::start(seconds);
        let digits: [u8; 6] = digits(u64::from(micros));
        text.push(b".");
        text.push(&digits);
        text.push(b"Z");
        text
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    fn start(seconds: i64) -> Self {
        let mut text = Self {
            bytes: [0; Self::LEN_MAX],
            len: 0,
        };
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        text.push_year(year);
        let second = second.unsigned_abs();
        let parts = [
            (b"-", month),
            (b"-", day),
            (b"T", second / 3600),
            (b":", second / 60 % 60),
            (b":", second % 60),
        ];
        for (before, value) in parts {
            text.push(before);
            text.push(&digits::<2>(value));
        }
        text
    }

    /// Four digits, or what Go prints beyond them.
    fn push_year(&mut self, year: i64) {
        if let Ok(year @ 0..=9999) = u64::try_from(year) {
            return self.push(&digits::<4>(year));
        }
        let mut text = Cursor::new([0; 24]);
        let sign = if year < 0 { "-" } else { "" };
        // There is room for every number.
        _ = write!(text, "{sign}{:04}", year.unsigned_abs());
        let len = text.position() as usize;
        self.push(text.get_ref().get(..len).unwrap_or_default());
    }

    fn push(&mut self, text: &[u8]) {
        let end = self.len + text.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(text);
            self.len = end;
        }
    }
}

fn digits<const N: usize>(mut value: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    digits
}

/// Year, month and day of a day since 1970.
///
/// The calendar of 400 years, counted from 1 March of year 0, so that a leap day ends a year.
fn date(days: i64) -> (i64, u64, u64) {
    const DAYS_OF_ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month.unsigned_abs(), day_of_month.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let check = |seconds, text| assert_eq!(TimeText::of_seconds(seconds).as_str(), text);
        check(0, "1970-01-01T00:00:00Z");
        check(-1, "1969-12-31T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_767_225_599, "2025-12-31T23:59:59Z");
        check(-62_135_596_800, "0001-01-01T00:00:00Z");
        check(253_402_300_800, "10000-01-01T00:00:00Z");
        check(-62_198_755_200, "-0001-01-01T00:00:00Z");
        let micros = TimeText::of_micros(0, 120).as_str().to_owned();
        assert_eq!(micros, "1970-01-01T00:00:00.000120Z");
    }

    #[test]
    fn every_number_of_seconds_is_some_text() {
        for seconds in [i64::MIN, i64::MIN + 1, i64::MAX] {
            let text = TimeText::of_seconds(seconds);
            assert!(text.as_str().ends_with('Z'), "{}", text.as_str());
        }
    }
}
