//! Types that exist because client-go has them: for code that is moved over from Go line by line.
//!
//! New code uses [`Controller`](crate::controller::Controller),
//! [`SharedInformer`](crate::informer::SharedInformer) and [`WorkQueue`](crate::queue::WorkQueue).
//!
//! | client-go, `tools/cache` | here |
//! |---|---|
//! | `Controller`, `NewInformer`, `NewTransformingInformer` | [`SerialController`] |
//! | `Config.Process`, `Config.RetryOnError` | [`SerialController::run`], [`SerialController::retry`] |
//! | `Controller.HasSynced`, `LastSyncResourceVersion` | [`SerialControllerHandle`] |

mod serial_controller;

pub use serial_controller::{
    SerialController, SerialControllerCounts, SerialControllerHandle, SerialControllerStopped,
    WAITING_CHANGES_MAX,
};
