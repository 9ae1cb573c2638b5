//! Programs from crates.io, built into `target/tools/bin` so that nothing global is touched.
//!
//! They are built without optimisation: they run for seconds and would compile for many minutes
//! with their own release settings.

use std::fs;
use std::path::PathBuf;

use crate::error::TaskError;
use crate::process;
use crate::ui;
use crate::workspace::Workspace;

/// A program from crates.io.
#[derive(Debug)]
pub(crate) struct CargoTool {
    /// The crate and the program.
    pub(crate) name: &'static str,
    /// The exact version.
    pub(crate) version: &'static str,
    /// About how long the first build takes on two cores, for the progress line.
    pub(crate) first_build: &'static str,
}

/// Settings that trade the speed of the program for that of its build.
const FAST_BUILD: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
];

impl CargoTool {
    /// Installs the program unless it is there in this version, and returns where it lies.
    ///
    /// # Errors
    ///
    /// When it cannot be fetched or built.
    pub(crate) fn ensure(&self, workspace: &Workspace) -> Result<PathBuf, TaskError> {
        let tools = workspace.tools()?;
        let program = tools.join("bin").join(self.name);
        if self.is_installed(workspace, &program) {
            return Ok(program);
        }
        ui::progress(&format!(
            "{} {} is not there: building it, once, takes about {}",
            self.name, self.version, self.first_build
        ));
        let build = tools.join("build").join(self.name);
        let mut install = process::cargo(workspace);
        install.args([
            "install",
            self.name,
            "--version",
            self.version,
            "--locked",
            "--quiet",
        ]);
        install
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(&build);
        install.envs(FAST_BUILD);
        process::run(&mut install).map_err(|error| TaskError::ToolMissing {
            tool: self.name,
            reason: error.to_string(),
            next: "read the output of cargo above; crates.io must be reachable".to_owned(),
        })?;
        // What the build leaves is larger than everything else below `target/tools`.
        fs::remove_dir_all(&build).map_err(TaskError::file("remove", &build))?;
        Ok(program)
    }

    fn is_installed(&self, workspace: &Workspace, program: &PathBuf) -> bool {
        let version = process::output(process::command(workspace, program).arg("--version"));
        version.is_ok_and(|text| text.split_whitespace().any(|word| word == self.version))
    }
}
