//! `heliostat completions`: a completion script for a shell.

use std::io::Write as _;

use clap::Args;
use clap_complete::Shell;

use crate::failure::Failure;

/// Whose completions.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  heliostat completions bash > /etc/bash_completion.d/heliostat
  heliostat completions zsh > ~/.zfunc/_heliostat
  heliostat completions fish > ~/.config/fish/completions/heliostat.fish";

/// Prints the script for the whole command line of `program`.
pub(crate) fn run(args: &CompletionsArgs, mut program: clap::Command) -> Result<(), Failure> {
    // Made in memory first: the generator does not expect that a write can fail.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "heliostat", &mut script);
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(&script)
        .and_then(|()| stdout.flush())
        .map_err(Failure::Write)
}
