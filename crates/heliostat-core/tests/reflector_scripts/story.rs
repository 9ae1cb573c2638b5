//! A script as a file: read, run, compared, and written anew where that is asked for.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::world::World;

/// Set to write what came out into the scripts instead of comparing it.
const UPDATE: &str = "UPDATE_SCRIPTS";

/// Runs a script and compares what came out with what it says.
pub(crate) fn check(name: &str) {
    let path = path(name);
    let expected = read(name);
    let actual = run(name, &expected);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, &actual).unwrap();
    } else if actual != expected {
        panic!("{}", difference(name, &expected, &actual));
    }
}

/// Runs a script again and again, each time cut off by a stop after one more of its commands.
pub(crate) fn check_stops(name: &str) {
    let text = read(name);
    let commands: Vec<_> = text.lines().filter(|line| is_command(line)).collect();
    for count in 0..=commands.len() {
        let mut world = World::default();
        let played = commands.iter().take(count).copied();
        for command in played.chain(["stop"]) {
            if let Err(reason) = world.execute(command) {
                panic!("{name}, stopped after {count} commands: {command:?}: {reason}");
            }
        }
        if let Err(reason) = world.check_over() {
            panic!("{name}, stopped after {count} commands: {reason}");
        }
    }
}

/// The names of all scripts.
pub(crate) fn names() -> BTreeSet<String> {
    fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".txt").map(str::to_owned))
        .collect()
}

/// The script with what really came out.
fn run(name: &str, text: &str) -> String {
    let mut world = World::default();
    let mut actual = String::new();
    for (index, line) in text.lines().enumerate() {
        if is_outcome(line) {
            continue;
        }
        actual.push_str(line);
        actual.push('\n');
        if !is_command(line) {
            continue;
        }
        match world.execute(line) {
            Ok(outcome) => {
                for line in outcome {
                    writeln!(actual, "  {line}").unwrap();
                }
            }
            Err(reason) => panic!("{name}.txt:{}: {line:?}: {reason}", index + 1),
        }
    }
    actual
}

fn is_outcome(line: &str) -> bool {
    line.starts_with("  ")
}

fn is_command(line: &str) -> bool {
    !is_outcome(line) && !line.is_empty() && !line.starts_with("# ")
}

fn difference(name: &str, expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), actual.lines().collect());
    let same = expected
        .iter()
        .zip(&actual)
        .take_while(|(expected, actual)| expected == actual)
        .count();
    let around = |lines: &[&str]| {
        let from = same.saturating_sub(4);
        lines
            .iter()
            .skip(from)
            .take(14)
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!(
        "{name}.txt differs at line {}\n--- the script says\n{}\n--- what came out\n{}\n\
         --- to repeat: cargo test -p heliostat-core --test reflector_scripts {name}",
        same + 1,
        around(&expected),
        around(&actual),
    )
}

fn read(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.txt"))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/reflector")
}
