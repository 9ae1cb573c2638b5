//! Which crate of the workspace may depend on which: cli → server → heliostat → core.
//!
//! Dependencies of tests are free, since a test of a lower room may use a higher one as its peer.

use crate::metadata::Package;
use crate::tidy::Finding;

const RULE: &str = "arrows";

/// Every crate, with the crates of the workspace that it may use.
const ARROWS: [(&str, &[&str]); 11] = [
    ("heliostat-kinds", &[]),
    ("heliostat-dictionary", &[]),
    (
        "heliostat-core",
        &["heliostat-dictionary", "heliostat-kinds"],
    ),
    ("heliostat", &["heliostat-core", "heliostat-kinds"]),
    (
        "heliostat-server",
        &["heliostat-kinds", "heliostat-core", "heliostat"],
    ),
    (
        "heliostat-cli",
        &[
            "heliostat-kinds",
            "heliostat-core",
            "heliostat",
            "heliostat-server",
        ],
    ),
    (
        "heliostat-conformance",
        &["heliostat-core", "heliostat", "heliostat-server"],
    ),
    (
        "heliostat-sim",
        &[
            "heliostat-core",
            "heliostat",
            "heliostat-server",
            "heliostat-conformance",
        ],
    ),
    (
        "heliostat-bench",
        &[
            "heliostat-kinds",
            "heliostat-core",
            "heliostat",
            "heliostat-server",
            "heliostat-conformance",
        ],
    ),
    ("heliostat-concurrency", &[]),
    ("xtask", &[]),
];

/// What the core may not even reach through others: I/O, a runtime, ambient randomness.
const BANNED_FROM_CORE: [&str; 10] = [
    "async-io",
    "async-std",
    "fastrand",
    "getrandom",
    "hyper",
    "mio",
    "reqwest",
    "smol",
    "socket2",
    "tokio",
];

/// Finds dependencies between crates of the workspace that go the wrong way.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    packages
        .iter()
        .flat_map(|package| check_package(package, packages))
        .collect()
}

/// Finds what the core may not depend on, in the output of `cargo tree --prefix none`.
pub(crate) fn banned_from_core(tree: &str) -> Vec<String> {
    let mut found: Vec<String> = tree
        .lines()
        .filter(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            BANNED_FROM_CORE.contains(&name)
        })
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect();
    found.sort();
    found.dedup();
    found
}

fn check_package(package: &Package, packages: &[Package]) -> Vec<Finding> {
    let finding = |message| Finding {
        path: package.manifest.clone(),
        line: 0,
        rule: RULE,
        message,
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        let message = format!(
            "`{}` has no place in the order of crates: give it one in xtask/src/tidy/arrows.rs",
            package.name
        );
        return vec![finding(message)];
    };
    let is_ours = |name: &&String| packages.iter().any(|package| package.name == **name);
    let wrong = package.dependencies.iter().filter(is_ours);
    wrong
        .filter(|name| !allowed.contains(&name.as_str()))
        .map(|name| {
            finding(format!(
                "`{}` may not depend on `{name}`: arrows go cli → server → heliostat → core",
                package.name
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            features: Vec::new(),
            manifest: format!("{name}/Cargo.toml"),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn arrows_that_go_down_pass() {
        let packages = [
            package("heliostat-core", &["bytes"]),
            package("heliostat", &["heliostat-core", "tokio"]),
            package("heliostat-cli", &["heliostat", "heliostat-core"]),
        ];
        assert_eq!(check(&packages), []);
    }

    #[test]
    fn an_arrow_that_goes_up_is_found() {
        let packages = [
            package("heliostat-core", &["heliostat"]),
            package("heliostat", &[]),
        ];
        let findings = check(&packages);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .message
                .contains("`heliostat-core` may not depend on `heliostat`")
        );
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        let findings = check(&[package("heliostat-new", &[])]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("`heliostat-new` has no place"));
    }

    #[test]
    fn what_the_core_may_not_reach_is_found_once_and_by_whole_name() {
        let tree = "heliostat-core v0.1.0\nbytes v1.0.0\ntokio v1.54.1\ntokio v1.54.1 (*)\n\
                    tokio-not-really v1.0.0\ngetrandom v0.3.0\n";
        assert_eq!(
            banned_from_core(tree),
            ["getrandom v0.3.0", "tokio v1.54.1"]
        );
    }
}
