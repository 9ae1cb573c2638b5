//! How alike two names are, to say what was probably meant by one that is unknown.

/// From here on a name is offered as what was meant.
pub(super) const NEAR: f64 = 0.8;

/// The likeness of names that are one slip of the finger apart.
const ONE_SLIP: f64 = 0.9;

/// From this length on one slip is likely: of shorter names too many are one letter apart.
const SLIP_CHARS_MIN: usize = 3;

/// How alike a known name is to the one that was typed: 0 not at all, 1 the same.
pub(super) fn likeness(known: &str, typed: &str) -> f64 {
    let by_letters = strsim::jaro_winkler(known, typed);
    let slip = typed.chars().count() >= SLIP_CHARS_MIN
        && known != typed
        && strsim::damerau_levenshtein(known, typed) == 1;
    if slip {
        by_letters.max(ONE_SLIP)
    } else {
        by_letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_strangers_are_not() {
        for (known, typed) in [
            ("two", "tow"),
            ("production", "producton"),
            ("deployments", "deploymnets"),
            ("deploy", "depoy"),
            ("pods", "pods.apps"),
        ] {
            assert!(likeness(known, typed) >= NEAR, "{known} {typed}");
        }
        for (known, typed) in [("po", "no"), ("pods", "zzz"), ("events", "nodes")] {
            assert!(likeness(known, typed) < NEAR, "{known} {typed}");
        }
    }
}
