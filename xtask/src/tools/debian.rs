//! Debian's packages, for what has no other way onto a bare machine.

use std::process::Command;

use crate::error::TaskError;
use crate::process;
use crate::ui;
use crate::workspace::Workspace;

/// Makes sure that a program is on `PATH`, installing a Debian package when it is not.
///
/// # Errors
///
/// When it is not there and cannot be installed: no apt-get, no rights, or no such package.
pub(crate) fn ensure(
    workspace: &Workspace,
    program: &'static str,
    package: &str,
) -> Result<(), TaskError> {
    if process::find(program).is_some() {
        return Ok(());
    }
    let missing = |reason: String| TaskError::ToolMissing {
        tool: program,
        reason,
        next: format!("install `{program}` by hand (Debian's package is `{package}`)"),
    };
    if process::find("apt-get").is_none() {
        return Err(missing(
            "it is not on PATH and there is no apt-get".to_owned(),
        ));
    }
    ui::progress(&format!(
        "{program} is not on PATH: installing Debian's package {package}"
    ));
    let install = || {
        // What they print matters only when they fail, and is in the error then.
        process::output(apt_get(workspace)?.arg("update"))?;
        let mut install = apt_get(workspace)?;
        process::output(install.args(["install", "--yes", "--no-install-recommends", package]))
    };
    install().map_err(|error| missing(error.to_string()))?;
    match process::find(program) {
        Some(_) => Ok(()),
        None => Err(missing(format!("the package {package} did not bring it"))),
    }
}

/// `apt-get` with the rights to install: as root, or through a sudo that asks for no password.
fn apt_get(workspace: &Workspace) -> Result<Command, TaskError> {
    let user = process::output(process::command(workspace, "id").arg("-u"))?;
    let mut command = if user.trim() == "0" {
        process::command(workspace, "apt-get")
    } else {
        let mut sudo = process::command(workspace, "sudo");
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_needs_nothing() {
        let workspace = Workspace::locate().unwrap();
        ensure(&workspace, "sh", "heliostat-no-such-package").unwrap();
    }
}
