//! `HandlerOptions`: how a handler or a subscription is notified.

use std::time::Duration;

use heliostat_core::informer::{Buffering, Recreation};

/// How a handler or a subscription is notified.
///
/// ```
/// use std::time::Duration;
/// use heliostat::HandlerOptions;
///
/// // A resync every ten minutes; if it falls 1,000 notifications behind, only the newest state of each
/// // object is kept for it.
/// let options = HandlerOptions::new()
///     .name("dashboard")
///     .resync_period(Duration::from_secs(600))
///     .coalescing(1_000);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct HandlerOptions {
    pub(super) name: Option<String>,
    pub(super) resync_period: Option<Duration>,
    pub(super) buffering: Buffering,
    pub(super) recreation: Recreation,
}

impl HandlerOptions {
    /// Creates the defaults: the mirror's resync period, an unbounded buffer, a recreated object is an update.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name in logs, metrics and [`HandlerStatus`](super::HandlerStatus); by default the type of
    /// the handler.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how often all objects are delivered again; zero for never. By default the period of the
    /// informer. Rounded up to a second, and in a running informer to the period at which that checks for
    /// resyncs: its own, or the shortest of a handler at the start, or else that of the first handler that
    /// asked for one. Each resync walks through the mirror once for the handler.
    #[must_use]
    pub const fn resync_period(mut self, period: Duration) -> Self {
        self.resync_period = Some(period);
        self
    }

    /// Bounds the buffer of the handler: beyond `limit` waiting notifications, only the newest state of each
    /// object is kept. No deletion is lost. See [`Buffering::Coalescing`].
    #[must_use]
    pub const fn coalescing(mut self, limit: usize) -> Self {
        self.buffering = Buffering::Coalescing { limit };
        self
    }

    /// Keeps everything for the handler, however far it falls behind. The default.
    #[must_use]
    pub const fn unbounded(mut self) -> Self {
        self.buffering = Buffering::Unbounded;
        self
    }

    /// Sets how an object is delivered that was deleted and created again under its name.
    #[must_use]
    pub const fn recreation(mut self, recreation: Recreation) -> Self {
        self.recreation = recreation;
        self
    }
}
