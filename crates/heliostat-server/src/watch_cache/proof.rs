//! Consistent reads: how a cache learns that it misses nothing that happened before a request.
//!
//! A request asks for the newest version of the source; one question serves all requests that came
//! before it was sent. If the cache has not reached that version, one wait for progress, shared by all
//! requests, brings the proof: the version up to which the source has sent everything. Each question is
//! sent by a task that ends when no request waits for its answer.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use heliostat_core::version::VersionProgress;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::collection::status::Status;

/// How long requests are collected for one question: far below what a question takes.
const COLLECTION_TIME: Duration = Duration::from_millis(2);

/// The pause after a question that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long a change that the source has sent may take to arrive.
const ARRIVAL_TIME: Duration = Duration::from_secs(3);

type Ask = dyn Fn() -> BoxFuture<'static, Result<u64, String>> + Send + Sync;
type AskProgress = dyn Fn(u64) -> BoxFuture<'static, Result<VersionProgress, String>> + Send + Sync;

/// The questions to a source.
pub(super) struct Questions {
    newest: Box<Ask>,
    progress: Box<AskProgress>,
}

impl Questions {
    pub(super) fn new<N, P, E>(
        newest: impl Fn() -> N + Send + Sync + 'static,
        progress: impl Fn(u64) -> P + Send + Sync + 'static,
    ) -> Self
    where
        N: Future<Output = Result<u64, E>> + Send + 'static,
        P: Future<Output = Result<VersionProgress, E>> + Send + 'static,
        E: fmt::Display,
    {
        let text = |error: E| error.to_string();
        Self {
            newest: Box::new(move || newest().map(move |it| it.map_err(text)).boxed()),
            progress: Box::new(move |after| {
                progress(after).map(move |it| it.map_err(text)).boxed()
            }),
        }
    }
}

/// Who waits for a proof, and what is being asked.
pub(super) struct Proofs {
    questions: Questions,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Those for whom the newest version has not been asked yet.
    unasked: Vec<oneshot::Sender<u64>>,
    is_asking: bool,
    is_proving: bool,
    /// How many wait until the cache has reached a version, and the newest of those versions.
    unproven: usize,
    wanted: u64,
}

/// The cache as a proof sees it.
pub(super) trait Proven: Send + Sync + 'static {
    /// Follows the version up to which the cache is complete.
    fn versions(&self) -> watch::Receiver<u64>;

    /// The source has proven everything up to this version to have arrived.
    fn advance(&self, version: u64);
}

impl Proofs {
    pub(super) fn new(questions: Questions) -> Self {
        Self {
            questions,
            waiting: Mutex::default(),
        }
    }

    /// Waits until the cache misses nothing that happened before this call.
    ///
    /// # Errors
    /// A 504 if there is no proof in time.
    pub(super) async fn wait<C: Proven>(
        self: Arc<Self>,
        cache: Arc<C>,
        patience: Duration,
    ) -> Result<(), Status> {
        let mut versions = cache.versions();
        let mut newest = None;
        let proven = async {
            let before = *versions.borrow_and_update();
            let asked = self.ask().await;
            newest = Some(asked);
            if asked < before {
                // The source went back in time, and the cache is still to learn of it.
                let _ = versions.wait_for(|it| (asked..before).contains(it)).await;
                return;
            }
            if *versions.borrow_and_update() >= asked {
                return;
            }
            let _waits = Unproven::new(&self, &cache, asked);
            // The cache lives as long as this wait.
            let _ = versions.wait_for(|version| *version >= asked).await;
        };
        if timeout(patience, proven).await.is_ok() {
            return Ok(());
        }
        let version = *cache.versions().borrow();
        Err(match newest {
            Some(newest) => Status::too_large_version(newest, version),
            None => Status::unproven_version(version),
        })
    }

    /// Returns the newest version of the source, asked for after this call.
    async fn ask(self: &Arc<Self>) -> u64 {
        loop {
            let (answer, asked) = oneshot::channel();
            {
                let mut waiting = self.lock();
                waiting.unasked.push(answer);
                if !std::mem::replace(&mut waiting.is_asking, true) {
                    tokio::spawn(Arc::clone(self).ask_newest());
                }
            }
            // A question that ended without an answer is asked again.
            if let Ok(newest) = asked.await {
                return newest;
            }
        }
    }

    async fn ask_newest(self: Arc<Self>) {
        loop {
            sleep(COLLECTION_TIME).await;
            let mut answers = {
                let mut waiting = self.lock();
                waiting.unasked.retain(|answer| !answer.is_closed());
                let answers = std::mem::take(&mut waiting.unasked);
                waiting.is_asking = !answers.is_empty();
                answers
            };
            if answers.is_empty() {
                return;
            }
            match (self.questions.newest)().await {
                Ok(newest) => {
                    for answer in answers.drain(..) {
                        // Who has gone away needs no answer.
                        let _ = answer.send(newest);
                    }
                }
                Err(error) => {
                    debug!(error, "the source did not say its newest version");
                    self.lock().unasked.append(&mut answers);
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn prove<C: Proven>(self: Arc<Self>, cache: Arc<C>) {
        let mut versions = cache.versions();
        loop {
            let version = *versions.borrow_and_update();
            {
                let mut waiting = self.lock();
                if waiting.unproven == 0 || waiting.wanted <= version {
                    waiting.is_proving = false;
                    return;
                }
            }
            match (self.questions.progress)(version).await {
                Ok(progress) => {
                    let last = progress.last_change.unwrap_or(0);
                    let arrived = versions.wait_for(|version| *version >= last);
                    if matches!(timeout(ARRIVAL_TIME, arrived).await, Ok(Ok(_))) {
                        cache.advance(progress.complete_up_to);
                    }
                }
                Err(error) => {
                    debug!(error, "the source did not prove its progress");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that waits until the cache has reached a version; dropping it counts it out.
struct Unproven<'a> {
    proofs: &'a Proofs,
}

impl<'a> Unproven<'a> {
    fn new<C: Proven>(proofs: &'a Arc<Proofs>, cache: &Arc<C>, wanted: u64) -> Self {
        let mut waiting = proofs.lock();
        waiting.unproven += 1;
        waiting.wanted = waiting.wanted.max(wanted);
        if !std::mem::replace(&mut waiting.is_proving, true) {
            tokio::spawn(Arc::clone(proofs).prove(Arc::clone(cache)));
        }
        Self { proofs }
    }
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        self.proofs.lock().unproven -= 1;
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs")
            .field("waiting", &*self.lock())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// A cache at a version, and a source that counts what it is asked.
    struct World {
        version: watch::Sender<u64>,
        newest: AtomicU64,
        questions: AtomicUsize,
        proofs: AtomicUsize,
    }

    impl Proven for World {
        fn versions(&self) -> watch::Receiver<u64> {
            self.version.subscribe()
        }

        fn advance(&self, version: u64) {
            self.version.send_replace(version);
        }
    }

    const PATIENCE: Duration = Duration::from_secs(3);
    /// When a bookmark comes.
    const BOOKMARK: Duration = Duration::from_millis(1_200);

    fn world(version: u64, newest: u64) -> (Arc<World>, Arc<Proofs>) {
        let world = Arc::new(World {
            version: watch::Sender::new(version),
            newest: AtomicU64::new(newest),
            questions: AtomicUsize::new(0),
            proofs: AtomicUsize::new(0),
        });
        let (asked, proves) = (Arc::clone(&world), Arc::clone(&world));
        let questions = Questions::new(
            move || {
                let world = Arc::clone(&asked);
                async move {
                    world.questions.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(10)).await;
                    match world.newest.load(Ordering::Relaxed) {
                        0 => Err("away"),
                        newest => Ok(newest),
                    }
                }
            },
            move |_| {
                let world = Arc::clone(&proves);
                async move {
                    world.proofs.fetch_add(1, Ordering::Relaxed);
                    sleep(BOOKMARK).await;
                    Ok(VersionProgress {
                        last_change: None,
                        complete_up_to: world.newest.load(Ordering::Relaxed),
                    })
                }
            },
        );
        (world, Arc::new(Proofs::new(questions)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_reads_share_two_requests() {
        let (world, proofs) = world(5, 9);
        let begun = tokio::time::Instant::now();
        let reads = (0..1_000).map(|_| Arc::clone(&proofs).wait(Arc::clone(&world), PATIENCE));
        assert!(join_all(reads).await.into_iter().all(|read| read.is_ok()));
        assert!(begun.elapsed() < Duration::from_secs(2));
        let asked = [&world.questions, &world.proofs].map(|it| it.load(Ordering::Relaxed));
        assert_eq!(asked, [1, 1]);
        // A cache that is new enough needs no proof.
        Arc::clone(&proofs)
            .wait(Arc::clone(&world), PATIENCE)
            .await
            .unwrap();
        assert_eq!(world.proofs.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_comes_while_a_question_is_out_asks_its_own() {
        let (world, proofs) = world(5, 5);
        let first = Arc::clone(&proofs).wait(Arc::clone(&world), PATIENCE);
        let late = async {
            sleep(Duration::from_millis(8)).await;
            Arc::clone(&proofs).wait(Arc::clone(&world), PATIENCE).await
        };
        let (first, late) = tokio::join!(first, late);
        assert!(first.is_ok() && late.is_ok());
        assert_eq!(world.questions.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_away_or_went_back_is_a_timeout() {
        let (away, proofs) = world(5, 0);
        let begun = tokio::time::Instant::now();
        let refused = proofs.wait(away, PATIENCE).await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (504, "Timeout"));
        assert_eq!(begun.elapsed(), PATIENCE);
        let (back, proofs) = world(5, 3);
        let refused = Arc::clone(&proofs).wait(Arc::clone(&back), PATIENCE).await;
        assert_eq!(refused.unwrap_err().code(), 504);
        // The cache learns of it in time.
        let read = proofs.wait(Arc::clone(&back), PATIENCE);
        let learn = async {
            sleep(Duration::from_millis(100)).await;
            back.version.send_replace(3);
        };
        assert!(tokio::join!(read, learn).0.is_ok());
    }
}
