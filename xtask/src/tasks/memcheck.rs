//! `memcheck`: the tests of the one crate that is not safe by itself, under valgrind.

use crate::error::TaskError;
use crate::process;
use crate::tools::valgrind;
use crate::workspace::Workspace;

/// The crate that has `unsafe` code.
const PACKAGE: &str = "heliostat-dictionary";

/// Test binaries run below this: a byte read or written too far fails the test, and so does memory that
/// nobody can free any more.
const RUNNER: &str = "target.'cfg(all())'.runner = ['valgrind', '--quiet', '--error-exitcode=9', \
    '--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite']";

/// How many cases each property tries: everything takes some thirty times as long.
const CASES: &str = "64";

/// Runs the tests, installing valgrind when it is missing.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    valgrind::ensure(workspace)?;
    let mut test = process::cargo(workspace);
    test.args(["test", "--package", PACKAGE, "--lib", "--config", RUNNER]);
    process::run(test.env("PROPTEST_CASES", CASES))
}
