//! The protocol of exec plugins: what they are run with, and what they print.
//!
//! See <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use crate::log_limit::LineLimit;
use crate::source::kube::config::{Exec, InteractiveMode, lenient};

use super::login::header;
use super::process::{self, Terminal};
use super::shared::{Identity, Obtained};
use super::{PluginProblem, Reason};

/// How long before their end credentials are obtained again, at most.
const REFRESH_EARLY_MAX: Duration = Duration::from_secs(60);

/// Which part of their time is left when they are obtained again, for those that last less than five
/// minutes.
const REFRESH_EARLY_PART: u32 = 5;

/// How often a plugin is run at most by reason of the time that it names.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// Runs a plugin once and reads all that it prints: token, certificate, key and time. It is asked not to
/// use the terminal unless `may_interact`.
pub(super) async fn run(
    exec: &Exec,
    may_interact: bool,
    lines: &LineLimit,
) -> Result<Obtained, Reason> {
    let command = exec.command.as_deref().unwrap_or_default();
    let failed = |problem| Reason::Plugin {
        command: command.to_owned(),
        problem,
    };
    let has_input = std::io::stdin().is_terminal();
    let terminal = terminal(exec.interactive_mode, has_input, may_interact).map_err(failed)?;
    let mut program = Command::new(command);
    program.args(exec.args.iter().flatten());
    for variable in exec.env.iter().flatten() {
        if let Some(name) = variable.name.as_deref().filter(|name| is_name(name)) {
            program.env(name, variable.value.as_deref().unwrap_or_default());
        }
    }
    let mut info = json!({
        "kind": "ExecCredential",
        "apiVersion": exec.api_version,
        "spec": {"interactive": matches!(terminal, Terminal::Lent | Terminal::Input)},
    });
    if let Some(cluster) = &exec.cluster {
        info["spec"]["cluster"] = cluster.clone();
    }
    program.env("KUBERNETES_EXEC_INFO", info.to_string());
    let output = process::run(program, terminal, exec.install_hint.as_deref(), lines)
        .await
        .map_err(failed)?;
    let status = parse(&output).map_err(|reason| failed(PluginProblem::Malformed(reason)))?;
    obtained(status, command, Timestamp::now())?.ok_or_else(|| failed(PluginProblem::Nothing))
}

/// How much of the terminal a plugin gets. What a plugin that can do without it writes to standard error is
/// escaped; one that needs it has it whole.
fn terminal(
    mode: InteractiveMode,
    has_input: bool,
    may_interact: bool,
) -> Result<Terminal, PluginProblem> {
    match (mode, may_interact) {
        (InteractiveMode::Always, false) => Err(PluginProblem::TerminalInUse),
        (InteractiveMode::Never | InteractiveMode::IfAvailable, false) => Ok(Terminal::InUse),
        (InteractiveMode::Always, true) if has_input => Ok(Terminal::Lent),
        (InteractiveMode::Always, true) => Err(PluginProblem::NoTerminal),
        (InteractiveMode::IfAvailable, true) if has_input => Ok(Terminal::Input),
        (InteractiveMode::Never | InteractiveMode::IfAvailable, true) => Ok(Terminal::Withheld),
    }
}

/// True for what can be the name of a variable.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// What a plugin prints. An empty string is an unset field.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ExecCredential {
    status: Option<ExecStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExecStatus {
    expiration_timestamp: Option<Timestamp>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Plugins print JSON or, since the reference client reads it as well, YAML. The reason of an error
/// repeats nothing of the output.
fn parse(output: &[u8]) -> Result<ExecStatus, String> {
    let credential: ExecCredential = serde_saphyr::from_slice_with_options(output, lenient())
        .map_err(|error| match error.location() {
            Some(at) => format!("line {} column {}", at.line(), at.column()),
            None => "it is neither JSON nor YAML".to_owned(),
        })?;
    credential
        .status
        .ok_or_else(|| "it has no status".to_owned())
}

fn obtained(status: ExecStatus, command: &str, now: Timestamp) -> Result<Option<Obtained>, Reason> {
    let token = status.token.unwrap_or_default();
    let authorization = header("Bearer", &token, &format!("plugin {command}"))?;
    let set = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let identity = match (
        set(status.client_certificate_data),
        set(status.client_key_data),
    ) {
        (Some(certificate), Some(key)) => Some(Arc::new(Identity {
            certificate: certificate.into_bytes(),
            key: key.into_bytes(),
        })),
        _ => None,
    };
    if authorization.is_none() && identity.is_none() {
        return Ok(None);
    }
    let usable_for = status.expiration_timestamp.map(|end| {
        let rest = end.duration_since(now);
        Duration::try_from(rest).unwrap_or_default()
    });
    let refresh_after = usable_for.map(|rest| {
        let early = (rest / REFRESH_EARLY_PART).min(REFRESH_EARLY_MAX);
        rest.saturating_sub(early).max(REFRESH_MIN)
    });
    Ok(Some(Obtained {
        authorization,
        identity,
        refresh_after,
        // One that has ended by the time it is printed is for the server to refuse.
        usable_for: usable_for.map(|rest| rest.max(REFRESH_MIN)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(status: &str) -> Result<Option<Obtained>, Reason> {
        let output = format!("{{kind: ExecCredential, status: {status}}}");
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        obtained(parse(output.as_bytes()).unwrap(), "login", now)
    }

    #[test]
    fn one_output_has_token_and_certificate() {
        let status = r#"{"token": " abc\n", "clientCertificateData": "c", "clientKeyData": "k"}"#;
        let both = issued(status).unwrap().unwrap();
        assert_eq!(both.authorization.unwrap(), "Bearer abc");
        assert!(both.identity.is_some_and(|identity| identity.key == b"k"));
        assert_eq!(both.refresh_after, None);
    }

    #[test]
    fn a_plugin_gets_as_much_of_the_terminal_as_its_mode_asks_for() {
        use InteractiveMode::{Always, IfAvailable, Never};

        let table = [
            (Never, true, true, Ok(Terminal::Withheld)),
            (IfAvailable, true, true, Ok(Terminal::Input)),
            (IfAvailable, false, true, Ok(Terminal::Withheld)),
            (Always, true, true, Ok(Terminal::Lent)),
            (Always, false, true, Err("standard input is not a terminal")),
            (Never, true, false, Ok(Terminal::InUse)),
            (IfAvailable, true, false, Ok(Terminal::InUse)),
            (
                Always,
                true,
                false,
                Err("the program draws on the terminal"),
            ),
        ];
        for (mode, has_input, may_interact, expected) in table {
            let got = terminal(mode, has_input, may_interact);
            match (got, expected) {
                (Ok(terminal), Ok(expected)) => assert_eq!(terminal, expected, "{mode:?}"),
                (Err(problem), Err(said)) => assert!(problem.to_string().ends_with(said)),
                (got, expected) => panic!("{mode:?}: {got:?}, want {expected:?}"),
            }
        }
    }

    #[test]
    fn empty_fields_are_unset() {
        let status = "{token: '', clientCertificateData: c, clientKeyData: ''}";
        assert!(issued(status).unwrap().is_none());
        assert!(issued("{}").unwrap().is_none());
        assert_eq!(parse(b"{status: null}").err().unwrap(), "it has no status");
    }

    #[test]
    fn of_a_field_that_comes_twice_the_last_value_counts() {
        let issued = issued("{token: a, token: b}").unwrap().unwrap();
        assert_eq!(issued.authorization.unwrap(), "Bearer b");
        assert_eq!(
            parse(b"status: null\nstatus: {token: a}")
                .unwrap()
                .token
                .unwrap(),
            "a"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_output() {
        let error = issued(r#"{"token": "top\nsecret"}"#)
            .err()
            .unwrap()
            .to_string();
        assert_eq!(
            error,
            "the token from plugin login has a line break or another control character in it"
        );
        for output in [
            "status: {token: [top-secret]}",
            "status: {token: top-secret",
        ] {
            let error = parse(output.as_bytes()).err().unwrap();
            assert!(!error.contains("top"), "{error}");
        }
    }

    #[test]
    fn credentials_are_obtained_again_before_they_end() {
        for (end, refresh, usable) in [
            ("2026-11-28T12:00:05Z", 4, 5),
            ("2026-11-28T13:00:00Z", 3540, 3600),
            ("2026-11-28T12:00:00Z", 1, 1),
            ("2020-01-01T00:00:00Z", 1, 1),
        ] {
            let status = format!("{{token: t, expirationTimestamp: '{end}'}}");
            let issued = issued(&status).unwrap().unwrap();
            let seconds = |time: Option<Duration>| time.unwrap().as_secs();
            assert_eq!(seconds(issued.refresh_after), refresh, "{end}");
            assert_eq!(seconds(issued.usable_for), usable, "{end}");
        }
    }
}
