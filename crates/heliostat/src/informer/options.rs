//! What a handler may choose.

use std::time::Duration;

use heliostat_core::informer::{Buffering, Recreation};

/// How a handler or a subscription wants to be told.
///
/// ```
/// use std::time::Duration;
/// use heliostat::HandlerOptions;
///
/// // Told everything again every ten minutes; if it falls 1,000 notifications behind, only the newest
/// // state of each object is kept for it.
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
    /// The mirror's resync period, everything is kept, a recreated object is an update.
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

    /// How often the handler gets everything again; zero for never. By default the period of the
    /// informer. Rounded up to a second. In a running informer it is also rounded up to the period in
    /// which that checks for resyncs: its own, or the shortest that a handler had at the start, or else
    /// that of the first handler that asked for one. Each resync costs the handler one walk through the
    /// mirror.
    #[must_use]
    pub const fn resync_period(mut self, period: Duration) -> Self {
        self.resync_period = Some(period);
        self
    }

    /// Bounds what is kept for the handler: beyond `limit` waiting notifications, only the newest
    /// state of each object. No deletion is lost by that. See [`Buffering::Coalescing`].
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

    /// How an object is told that went and came again under its name.
    #[must_use]
    pub const fn recreation(mut self, recreation: Recreation) -> Self {
        self.recreation = recreation;
        self
    }
}
