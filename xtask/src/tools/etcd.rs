//! etcd: the tests of the etcd source start real ones.
//!
//! Two are needed: the newest that Debian has, and one that is too old to be asked for the progress of a
//! watch. Debian keeps both, in different releases, so the package is taken out of a release that need not
//! be this machine's: apt fetches and verifies it below `target/tools`, and nothing is installed. Where the
//! archive is, the machine's own configuration says.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::tools::TestTool;
use crate::ui;
use crate::workspace::Workspace;

/// The newest that Debian has.
pub(crate) const TOOL: TestTool = TestTool {
    name: NEWEST.name,
    variable: NEWEST.variable,
    suites: &["etcd"],
    provision: |workspace| NEWEST.provision(workspace),
};

/// One that cannot be asked for progress.
pub(crate) const TOOL_3_4: TestTool = TestTool {
    name: OLD.name,
    variable: OLD.variable,
    suites: &["etcd-3.4"],
    provision: |workspace| OLD.provision(workspace),
};

const NEWEST: Etcd = Etcd {
    name: "etcd",
    variable: "HELIOSTAT_ETCD",
    release: "sid",
    is_right: |version| !version.starts_with("3.4.") && version.starts_with("3."),
};

const OLD: Etcd = Etcd {
    name: "etcd-3.4",
    variable: "HELIOSTAT_ETCD_3_4",
    release: "bookworm",
    is_right: |version| version.starts_with("3.4."),
};

/// The package and the program in it.
const PACKAGE: &str = "etcd-server";
const PROGRAM: &str = "usr/bin/etcd";

/// The keys of Debian's archive, on every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One etcd.
#[derive(Debug)]
struct Etcd {
    name: &'static str,
    /// The variable that names another one.
    variable: &'static str,
    /// The release of Debian that has it.
    release: &'static str,
    /// Whether a version is one of those that are wanted.
    is_right: fn(&str) -> bool,
}

impl Etcd {
    /// Finds the program or fetches it to `target/tools`, tries it, and returns where it is.
    fn provision(&self, workspace: &Workspace) -> Result<PathBuf, TaskError> {
        if let Some(program) = env::var_os(self.variable).filter(|value| !value.is_empty()) {
            let program = PathBuf::from(program);
            return self.tried(workspace, &program).map(|()| program);
        }
        let program = workspace.tools()?.join(self.name);
        if self.tried(workspace, &program).is_ok() {
            return Ok(program);
        }
        let download = workspace.tools()?.join(format!("{}.download", self.name));
        let fetched = self.fetch(workspace, &download, &program);
        // The package and apt's lists are of no further use.
        _ = fs::remove_dir_all(&download);
        fetched.map_err(|error| self.missing(error.to_string()))?;
        self.tried(workspace, &program).map(|()| program)
    }

    /// Fails unless the program is an etcd of a right version.
    fn tried(&self, workspace: &Workspace, program: &Path) -> Result<(), TaskError> {
        let printed = process::output(process::command(workspace, program).arg("--version"))
            .map_err(|error| self.missing(error.to_string()))?;
        let version = printed
            .lines()
            .find_map(|line| line.strip_prefix("etcd Version: "));
        match version {
            Some(version) if (self.is_right)(version) => Ok(()),
            _ => Err(self.missing(format!("{} is another version", program.display()))),
        }
    }

    fn fetch(
        &self,
        workspace: &Workspace,
        download: &Path,
        program: &Path,
    ) -> Result<(), TaskError> {
        ui::progress(&format!(
            "{} is not there: fetching it, once, with apt-get (20 MB)",
            self.name
        ));
        for folder in ["sources", "lists/partial", "cache/archives/partial"] {
            let folder = download.join(folder);
            fs::create_dir_all(&folder).map_err(TaskError::file("create", &folder))?;
        }
        let archive = archive(workspace)?;
        let sources = download.join("sources/debian.sources");
        let release = self.release;
        let content = format!(
            "Types: deb\nURIs: {archive}\nSuites: {release}\nComponents: main\nSigned-By: {KEYRING}\n"
        );
        fs::write(&sources, content).map_err(TaskError::file("write", &sources))?;
        process::output(apt_get(workspace, download).arg("update"))?;
        process::output(apt_get(workspace, download).args(["download", PACKAGE]))?;
        let package = package_in(download)?;
        let mut unpack = process::command(workspace, "dpkg");
        process::output(
            unpack
                .arg("--extract")
                .arg(&package)
                .arg(download.join("unpacked")),
        )?;
        // Renamed when complete, so that a run cut short leaves no half program.
        let unpacked = download.join("unpacked").join(PROGRAM);
        fs::rename(unpacked, program).map_err(TaskError::file("create", program))
    }

    fn missing(&self, reason: String) -> TaskError {
        TaskError::ToolMissing {
            tool: self.name,
            reason,
            next: format!(
                "let {} name an etcd (Debian {} has it in the package {PACKAGE})",
                self.variable, self.release
            ),
        }
    }
}

/// Where the machine has Debian's packages from.
fn archive(workspace: &Workspace) -> Result<String, TaskError> {
    let mut targets = process::command(workspace, "apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)"]);
    targets.args(["Created-By: Packages", "Origin: Debian", "Label: Debian"]);
    let printed = process::output(&mut targets)?;
    match printed.lines().next().filter(|uri| !uri.is_empty()) {
        Some(uri) => Ok(uri.to_owned()),
        None => Err(TaskError::Found {
            what: "apt knows no archive of Debian".to_owned(),
            next: "run `apt-get update` on a Debian".to_owned(),
        }),
    }
}

/// `apt-get` with lists and sources of its own, as any user.
fn apt_get(workspace: &Workspace, download: &Path) -> Command {
    let mut command = process::command(workspace, "apt-get");
    let option = |name: &str, folder: &str| format!("{name}={}", download.join(folder).display());
    command
        .current_dir(download)
        .args(["-qq", "-o", "Dir::Etc::SourceList=/dev/null"])
        .args(["-o", "APT::Sandbox::User="])
        .args(["-o", &option("Dir::Etc::SourceParts", "sources")])
        .args(["-o", &option("Dir::State::Lists", "lists")])
        .args(["-o", &option("Dir::Cache", "cache")]);
    command
}

fn package_in(folder: &Path) -> Result<PathBuf, TaskError> {
    let entries = fs::read_dir(folder).map_err(TaskError::file("read", folder))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let package = paths.find(|path| path.extension().is_some_and(|it| it == "deb"));
    package.ok_or_else(|| TaskError::Found {
        what: format!("apt-get fetched no package {PACKAGE}"),
        next: "look at `apt-cache policy etcd-server`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_etcd_has_versions_of_its_own() {
        for (version, newest, old) in [
            ("3.5.30", true, false),
            ("3.6.1", true, false),
            ("3.4.23", false, true),
            ("2.3.8", false, false),
        ] {
            assert_eq!((NEWEST.is_right)(version), newest, "{version}");
            assert_eq!((OLD.is_right)(version), old, "{version}");
        }
    }
}
