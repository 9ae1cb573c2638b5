//! `concurrency`: new schedules of what tasks share, for a given time.
//!
//! The tests of the workspace try the same schedules each time; this tries others.

use crate::error::TaskError;
use crate::process;
use crate::workspace::Workspace;

/// Try out new schedules of what tasks share
///
/// Every test tries random schedules for its part of the time. One that fails prints its schedule.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For about how many seconds
    #[arg(long, default_value_t = SECONDS_DEFAULT)]
    seconds: u32,
    /// Run only tests whose name contains this; the time is not given to the others
    #[arg(value_name = "NAME")]
    filter: Option<String>,
}

const PACKAGE: &str = "heliostat-concurrency";

/// The variable that tells each test its time.
const SECONDS: &str = "HELIOSTAT_CONCURRENCY_SECONDS";

/// As long as CI can bear.
const SECONDS_DEFAULT: u32 = 30;

/// Among how many tests the time is divided: about as many as there are, since they run one after the
/// other.
const TESTS: u32 = 14;

impl Default for Arguments {
    fn default() -> Self {
        Self {
            seconds: SECONDS_DEFAULT,
            filter: None,
        }
    }
}

/// Runs the tests in release mode.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<(), TaskError> {
    let mut test = process::cargo(workspace);
    test.args(["test", "--release", "--package", PACKAGE, "--"]);
    test.args(["--test-threads", "1"]).args(&arguments.filter);
    test.env(SECONDS, seconds_each(arguments).to_string());
    process::run(&mut test)
}

/// How long each test may take.
fn seconds_each(arguments: &Arguments) -> f64 {
    let tests = if arguments.filter.is_some() { 1 } else { TESTS };
    f64::from(arguments.seconds) / f64::from(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_divided_among_the_tests_that_run() {
        let mut arguments = Arguments {
            seconds: 70,
            filter: None,
        };
        assert!((seconds_each(&arguments) - 5.0).abs() < f64::EPSILON);
        arguments.filter = Some("slot".to_owned());
        assert!((seconds_each(&arguments) - 70.0).abs() < f64::EPSILON);
    }
}
