//! What a controller receives besides changes: triggers, and the signal to shut down.

use heliostat_core::object::ObjectKey;

/// What the caller's streams ask for.
pub(super) enum Trigger {
    One(ObjectKey),
    All,
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
pub(super) async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the signal ends the process.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ctrl_c => {}
            () = terminated => {}
        }
    }
    #[cfg(not(unix))]
    ctrl_c.await;
}
