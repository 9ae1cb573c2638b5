//! The current credentials of a connection, shared by all of its requests.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use heliostat_core::printable::printable;
use http::HeaderValue;
use tokio::time::Instant;

use crate::log_limit::LineLimit;
use crate::source::kube::config::Login;

use super::CredentialsError;
use super::login::obtain;

/// The pause after an attempt that failed, or after credentials that were refused although they were
/// new; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What was obtained.
pub(super) struct Obtained {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) identity: Option<Arc<Identity>>,
    /// When to obtain it again, and until when it can be used; without the first never, without the
    /// second for ever.
    pub(super) refresh_after: Option<Duration>,
    pub(super) usable_for: Option<Duration>,
}

/// A client certificate with its key, both in PEM.
#[derive(Eq, PartialEq)]
pub(in super::super) struct Identity {
    pub(in super::super) certificate: Vec<u8>,
    pub(in super::super) key: Vec<u8>,
}

/// Credentials to send a request with.
pub(in super::super) struct Current {
    /// Different for different credentials.
    number: u64,
    pub(in super::super) authorization: Option<HeaderValue>,
    pub(in super::super) identity: Option<Arc<Identity>>,
    refresh_at: Option<Instant>,
    usable_until: Option<Instant>,
}

type Outcome = Result<Arc<Current>, Arc<CredentialsError>>;

type Attempt = Shared<BoxFuture<'static, Outcome>>;

/// The credentials of a connection. A clone shares them.
#[derive(Clone)]
pub(in super::super) struct Credentials {
    login: Arc<Login>,
    state: Arc<Mutex<State>>,
    /// Whether a plugin may use the terminal.
    may_interact: Arc<AtomicBool>,
    /// Limits the lines that a plugin writes.
    lines: Arc<LineLimit>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Current>>,
    /// The attempt that is under way, if somebody waits for it.
    attempt: Option<WeakShared<BoxFuture<'static, Outcome>>>,
    last_error: Option<Arc<CredentialsError>>,
    /// Attempts in a row that failed or whose result was refused.
    failures: u32,
    not_before: Option<Instant>,
}

impl Credentials {
    pub(in super::super) fn new(login: Login) -> Self {
        Self {
            lines: Arc::new(LineLimit::new(Some(login.user.as_str().into()))),
            login: Arc::new(login),
            state: Arc::default(),
            may_interact: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Whether plugins that run from now on may use the terminal.
    pub(in super::super) fn set_interactive(&self, may_interact: bool) {
        self.may_interact.store(may_interact, Ordering::Relaxed);
    }

    /// The credentials to use now.
    pub(in super::super) async fn current(&self) -> Outcome {
        let attempt = {
            let mut state = self.state();
            let now = Instant::now();
            let usable = state.usable(now);
            if let Some(current) = &usable
                && !is_past(current.refresh_at, now)
            {
                return Ok(Arc::clone(current));
            }
            match (state.attempt(), usable, &state.last_error) {
                (Some(attempt), _, _) => attempt,
                (None, Some(current), _) if state.must_wait(now) => return Ok(current),
                (None, None, Some(error)) if state.must_wait(now) => return Err(Arc::clone(error)),
                _ => self.start(&mut state),
            }
        };
        let outcome = attempt.await;
        match outcome {
            Err(error) => match self.state().usable(Instant::now()) {
                // There is time left for another attempt.
                Some(current) => Ok(current),
                None => Err(error),
            },
            outcome => outcome,
        }
    }

    /// The server has accepted these credentials.
    pub(in super::super) fn accepted(&self, credentials: &Current) {
        let mut state = self.state();
        let is_current = |current: &Arc<Current>| current.number == credentials.number;
        if state.failures > 0 && state.current.as_ref().is_some_and(is_current) {
            state.failures = 0;
            state.not_before = None;
        }
    }

    /// The server has refused these credentials. Returns different ones if there are any.
    pub(in super::super) async fn refused(
        &self,
        credentials: &Current,
    ) -> Result<Option<Arc<Current>>, Arc<CredentialsError>> {
        let attempt = {
            let mut state = self.state();
            if let Some(current) = &state.current
                && current.number != credentials.number
            {
                return Ok(Some(Arc::clone(current)));
            }
            match state.attempt() {
                Some(attempt) => attempt,
                None if !self.login.can_change() || state.must_wait(Instant::now()) => {
                    return Ok(None);
                }
                None => {
                    state.failures = state.failures.saturating_add(1);
                    self.start(&mut state)
                }
            }
        };
        let current = attempt.await?;
        Ok((current.number != credentials.number).then_some(current))
    }

    /// Starts an attempt. It goes on while somebody waits for it.
    fn start(&self, state: &mut State) -> Attempt {
        let this = self.clone();
        let attempt = async move {
            let may_interact = this.may_interact.load(Ordering::Relaxed);
            let obtained = obtain(&this.login, may_interact, &this.lines).await;
            let mut state = this.state();
            state.attempt = None;
            let outcome = match obtained {
                Ok(obtained) => Ok(state.accept(obtained)),
                Err(error) => {
                    let error = Arc::new(error);
                    state.failures = state.failures.saturating_add(1);
                    state.last_error = Some(Arc::clone(&error));
                    Err(error)
                }
            };
            state.space();
            if let Err(error) = &outcome {
                state.log_failure(error);
            }
            outcome
        };
        let attempt = attempt.boxed().shared();
        state.attempt = attempt.downgrade();
        attempt
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl State {
    fn usable(&self, now: Instant) -> Option<Arc<Current>> {
        let current = self.current.as_ref()?;
        (!is_past(current.usable_until, now)).then(|| Arc::clone(current))
    }

    /// The attempt that is under way.
    fn attempt(&self) -> Option<Attempt> {
        let attempt = self.attempt.as_ref()?.upgrade()?;
        attempt.peek().is_none().then_some(attempt)
    }

    fn must_wait(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|not_before| now < not_before)
    }

    /// Spaces the next attempt, if there were failures or refusals.
    fn space(&mut self) {
        self.not_before = match self.failures.checked_sub(1) {
            Some(doublings) => {
                let pause = PAUSE_MIN.saturating_mul(1 << doublings.min(16));
                Instant::now().checked_add(pause.min(PAUSE_MAX))
            }
            None => None,
        };
    }

    /// Logs an attempt that failed while there are credentials to go on with; without any the requests
    /// fail and say so. One line an attempt, however many wait for it.
    fn log_failure(&self, error: &CredentialsError) {
        let now = Instant::now();
        if self.usable(now).is_some() {
            let retry_in = self.not_before.map(|at| at.saturating_duration_since(now));
            tracing::warn!(
                attempt = self.failures,
                ?retry_in,
                "{}; the credentials from before are used",
                printable(error)
            );
        }
    }

    /// Makes it the current credentials. They keep their number if they are the same.
    fn accept(&mut self, obtained: Obtained) -> Arc<Current> {
        let now = Instant::now();
        let before = self.current.take();
        let mut identity = obtained.identity;
        let mut number = 0;
        if let Some(before) = before {
            // The same identity keeps its place in memory, by which it is recognised.
            if before.identity == identity {
                identity.clone_from(&before.identity);
            }
            let is_same =
                before.identity == identity && before.authorization == obtained.authorization;
            number = before.number + u64::from(!is_same);
        }
        let current = Arc::new(Current {
            number,
            authorization: obtained.authorization,
            identity,
            refresh_at: obtained
                .refresh_after
                .and_then(|after| now.checked_add(after)),
            usable_until: obtained.usable_for.and_then(|time| now.checked_add(time)),
        });
        self.last_error = None;
        self.current = Some(Arc::clone(&current));
        current
    }
}

fn is_past(instant: Option<Instant>, now: Instant) -> bool {
    instant.is_some_and(|instant| instant <= now)
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::source::kube::config::Exec;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("heliostat-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn header(current: &Current) -> &str {
        let header = current.authorization.as_ref().unwrap();
        header.to_str().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_file_is_read_again_every_minute_and_its_last_token_outlives_it() {
        let folder = folder("token-file");
        let path = folder.join("token");
        std::fs::write(&path, " first\n").unwrap();
        let credentials = Credentials::new(Login {
            token_file: Some(path.clone()),
            ..Login::default()
        });
        let current = async || credentials.current().await.unwrap();
        assert_eq!(header(&*current().await), "Bearer first");
        std::fs::write(&path, "second\n\n").unwrap();
        assert_eq!(header(&*current().await), "Bearer first");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(header(&*current().await), "Bearer second");
        std::fs::remove_dir_all(folder).unwrap();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(header(&*current().await), "Bearer second");
    }

    /// A plugin that counts its runs; its token is that count.
    fn counting(folder: &Path, more: &str) -> Credentials {
        let script = format!(
            "echo run >> {0}/runs; n=$(wc -l < {0}/runs); {more} echo \"{{status: {{token: t$n, expirationTimestamp: $end}}}}\"",
            folder.display()
        );
        Credentials::new(Login {
            exec: Some(Exec {
                command: Some("/bin/sh".to_owned()),
                args: Some(vec!["-c".to_owned(), script]),
                ..Exec::default()
            }),
            ..Login::default()
        })
    }

    fn runs(folder: &Path) -> usize {
        let runs = std::fs::read_to_string(folder.join("runs")).unwrap();
        runs.lines().count()
    }

    #[tokio::test]
    async fn a_plugin_runs_once_for_all_who_wait_and_again_before_the_end_of_its_credentials() {
        let folder = folder("plugin-expiry");
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1000);
        let credentials = counting(&folder, &format!("end={end};"));
        let all = futures_util::future::join_all((0..8).map(|_| credentials.current())).await;
        for current in all {
            assert_eq!(header(&current.unwrap()), "Bearer t1");
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(930)).await;
        assert_eq!(header(&credentials.current().await.unwrap()), "Bearer t1");
        tokio::time::advance(Duration::from_secs(12)).await;
        tokio::time::resume();
        assert_eq!(header(&credentials.current().await.unwrap()), "Bearer t2");
        assert_eq!(runs(&folder), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_not_run_for_each_request() {
        let folder = folder("plugin-fails");
        let credentials = counting(&folder, "exit 1;");
        let text = credentials.current().await.err().unwrap().to_string();
        assert!(text.contains("exit status: 1"), "{text}");
        tokio::time::pause();
        assert!(credentials.current().await.is_err());
        assert_eq!(runs(&folder), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        assert!(credentials.current().await.is_err());
        assert_eq!(runs(&folder), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn refused_credentials_are_renewed_once_and_then_spaced() {
        let folder = folder("plugin-refused");
        let credentials = counting(&folder, "end=null;");
        let first = credentials.current().await.unwrap();
        let all = (0..4).map(|_| credentials.refused(&first));
        for fresh in futures_util::future::join_all(all).await {
            assert_eq!(header(&fresh.unwrap().unwrap()), "Bearer t2");
        }
        let second = credentials.current().await.unwrap();
        tokio::time::pause();
        assert!(credentials.refused(&second).await.unwrap().is_none());
        assert_eq!(runs(&folder), 2);
        // A success ends the spacing.
        credentials.accepted(&second);
        tokio::time::resume();
        let third = credentials.refused(&second).await.unwrap().unwrap();
        assert_eq!(header(&third), "Bearer t3");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
