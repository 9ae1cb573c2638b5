//! The `config` line of a script: every option of the reflector by name.
//!
//! Scripts begin with the defaults, but without spread: jitter 0 and watches of exactly 300 s, so
//! that every time in a script is plain to see.

use std::time::Duration;

use heliostat_core::reflector::{
    BackoffConfig, BackoffReset, FirstList, ReflectorConfig, RejectPolicy, VersionTracking,
    WatchListFallback, WatchListMode,
};

use crate::command::duration;

/// The options of one script.
pub(crate) struct Settings {
    /// What the machine is made with.
    pub(crate) config: ReflectorConfig,
    /// Whether a permit is needed.
    pub(crate) budgeted: bool,
    /// Whether the version may never go back.
    pub(crate) strict: bool,
    backoff: BackoffConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let backoff = BackoffConfig::default().jitter(0.0);
        let watch = Duration::from_secs(300);
        Self {
            config: ReflectorConfig::default()
                .backoff(backoff.clone())
                .watch_timeout_range(watch, watch),
            budgeted: false,
            strict: true,
            backoff,
        }
    }
}

impl Settings {
    /// Applies one `name=value`.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let config = std::mem::take(&mut self.config);
        self.config = match name {
            "page-size" => config.page_size(number(value)?),
            "first-list" => config.first_list(match value {
                "any" => FirstList::Any,
                "most-recent" => FirstList::MostRecent,
                _ => return Err(unknown(name, value)),
            }),
            "list-from-any-always" => config.list_from_any_always(flag(value)?),
            "list-pages-max" => config.list_pages_max(number(value)?),
            "list-idle-timeout" => config.list_idle_timeout(duration(value)?),
            "watch-timeout" => {
                let (min, max) = value.split_once("..").unwrap_or((value, value));
                config.watch_timeout_range(duration(min)?, duration(max)?)
            }
            "min-watch-timeout" => config.min_watch_timeout(duration(value)?),
            "watch-end-grace" => config.watch_end_grace(duration(value)?),
            "silence-timeout" => config.silence_timeout(match value {
                "none" => None,
                value => Some(duration(value)?),
            }),
            "version-tracking" => {
                self.strict = value == "strict";
                config.version_tracking(match value {
                    "strict" => VersionTracking::Strict,
                    "last-writer" => VersionTracking::LastWriter,
                    _ => return Err(unknown(name, value)),
                })
            }
            "record-initial-versions" => config.record_initial_versions(flag(value)?),
            "retry-after-max" => config.retry_after_max(duration(value)?),
            "poll-interval" => config.poll_interval(duration(value)?),
            "resync-period" => config.resync_period(duration(value)?),
            "max-internal-error-retry" => config.max_internal_error_retry(duration(value)?),
            "reject-policy" => config.reject_policy(match value {
                "keep-last" => RejectPolicy::KeepLast,
                "drop" => RejectPolicy::Drop,
                "stop" => RejectPolicy::Stop,
                _ => return Err(unknown(name, value)),
            }),
            "verify-history" => config.verify_history(flag(value)?),
            "single-object-lists" => config.single_object_lists(flag(value)?),
            "budgeted" => {
                self.budgeted = flag(value)?;
                config.budgeted(self.budgeted)
            }
            _ if name.starts_with("watch-list") => watch_list(config, name, value)?,
            _ => return self.set_backoff(config, name, value),
        };
        Ok(())
    }

    fn set_backoff(
        &mut self,
        config: ReflectorConfig,
        name: &str,
        value: &str,
    ) -> Result<(), String> {
        let plain = || -> Result<BackoffConfig, String> {
            let (base, cap) = value.split_once("..").unwrap_or((value, value));
            let backoff = BackoffConfig::exponential(duration(base)?, duration(cap)?);
            Ok(backoff.jitter(0.0))
        };
        self.config = match name {
            "backoff" => {
                self.backoff = plain()?;
                config.backoff(self.backoff.clone())
            }
            "backoff-reset" => {
                let reset = match value.split_once(':') {
                    None if value == "never" => BackoffReset::Never,
                    Some(("quiet", after)) => BackoffReset::AfterQuiet(duration(after)?),
                    Some(("start", after)) => BackoffReset::SinceStart(duration(after)?),
                    _ => return Err(unknown(name, value)),
                };
                self.backoff = self.backoff.clone().reset(reset);
                config.backoff(self.backoff.clone())
            }
            "connection-backoff" => config.connection_backoff(plain()?),
            _ => return Err(format!("no option is called {name:?}")),
        };
        Ok(())
    }
}

fn watch_list(config: ReflectorConfig, name: &str, value: &str) -> Result<ReflectorConfig, String> {
    Ok(match name {
        "watch-list" => config.watch_list(match value {
            "auto" => WatchListMode::Auto,
            "off" => WatchListMode::Off,
            _ => return Err(unknown(name, value)),
        }),
        "watch-list-fallback" => config.watch_list_fallback(match value {
            "any-error" => WatchListFallback::OnAnyError,
            "invalid" => WatchListFallback::OnInvalid,
            _ => return Err(unknown(name, value)),
        }),
        "watch-list-idle-timeout" => config.watch_list_idle_timeout(duration(value)?),
        "watch-list-timeout" => config.watch_list_timeout(duration(value)?),
        "watch-list-retry-after" => config.watch_list_retry_after(duration(value)?),
        _ => return Err(format!("no option is called {name:?}")),
    })
}

fn flag(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{value:?} is neither on nor off")),
    }
}

fn number<N: std::str::FromStr>(value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("{value:?} is no number"))
}

fn unknown(name: &str, value: &str) -> String {
    format!("{name} cannot be {value:?}")
}
