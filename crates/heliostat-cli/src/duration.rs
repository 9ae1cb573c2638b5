//! Durations as people write them: `90`, `1.5s`, `500ms`, `5m`, `1h30m`; and as they read them.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration; a number without a unit is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration, want for example 90, 500ms, 5m or 1h30m");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let signed: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// Reads the time between two things, which is not zero.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(format!("{text:?} is no interval, want for example 30s")),
        interval => Ok(interval),
    }
}

/// A duration for people: three digits, one unit, `850 µs`, `12.3 ms`, `1.60 s`; from two minutes
/// on in minutes or hours.
pub(crate) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let digits = |value: f64, unit: &str| {
        let decimals = match value {
            value if value < 9.995 => 2,
            value if value < 99.95 => 1,
            _ => 0,
        };
        format!("{value:.decimals$} {unit}")
    };
    match seconds {
        seconds if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => digits(seconds * 1e3, "ms"),
        seconds if seconds < 120.0 => digits(seconds, "s"),
        seconds if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_units() {
        let millis = |text: &str| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("90"), Ok(90_000));
        assert_eq!(millis("1.5"), Ok(1_500));
        assert_eq!(millis("1.5s"), Ok(1_500));
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("5m"), Ok(300_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_examples() {
        for text in ["", "x", "-5", "-5s", "1y2", "inf", "NaN"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("500ms"), "{error}");
        }
    }

    #[test]
    fn durations_are_shown_short() {
        let shown = |micros: u64| show(Duration::from_micros(micros));
        assert_eq!(shown(850), "850 µs");
        assert_eq!(shown(12_345), "12.3 ms");
        assert_eq!(shown(1_600_000), "1.60 s");
        assert_eq!(shown(119_000_000), "119 s");
        assert_eq!(shown(600_000_000), "10 min");
        assert_eq!(shown(9_000_000_000), "2.5 h");
    }
}
