//! The threads on which answers are decoded.
//!
//! Decoding is the most of a mirror's work, so it is done beside the runtime: neither the socket nor
//! the store waits for it. All answers of one source are decoded on one thread, and each thread
//! serves many sources. Objects of a mirror thus come from one thread's part of the heap, where an
//! update finds the room that an older one has left; decoded by whichever worker is free, they would
//! spread over all parts and leave holes in each.
//!
//! What a codec leaves for later goes round all threads, a chunk's worth of objects at a time: packed
//! objects are small and alike, and fit any hole.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

/// More threads than this do not help: the sockets and the stores need cores too.
const THREADS_MAX: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The thread on which a source's answers are decoded.
#[derive(Clone, Debug)]
pub(super) struct DecodeThread(mpsc::Sender<Job>);

/// One answer's place on a decoding thread: work goes in, results come out in the same order.
pub(super) struct Lane<D, R> {
    decoder: Arc<Mutex<D>>,
    jobs: mpsc::Sender<Job>,
    /// One for each piece of work, in its order.
    results: VecDeque<oneshot::Receiver<Result<R, Panicked>>>,
}

/// What comes of a piece of work.
pub(super) enum Step<R> {
    /// The result.
    Done(R),
    /// More work, which needs no decoder and may be done on any thread.
    #[cfg_attr(
        not(feature = "kube"),
        expect(dead_code, reason = "a server's chunks hold many objects")
    )]
    Later(Box<dyn FnOnce() -> R + Send>),
}

impl<D: Send + 'static, R: Send + 'static> Lane<D, R> {
    /// How many results are still to come.
    pub(super) fn waiting(&self) -> usize {
        self.results.len()
    }

    /// Waits for no more results: what comes after a failure is of no interest.
    pub(super) fn abandon(&mut self) {
        self.results.clear();
    }

    /// Has the decoder work on something. The caller keeps the number of waiting results small.
    pub(super) fn send(&mut self, work: impl FnOnce(&mut D) -> Step<R> + Send + 'static) {
        let (result, receiver) = oneshot::channel();
        self.results.push_back(receiver);
        let decoder = Arc::clone(&self.decoder);
        let job = move || {
            // Never contended: the jobs of a lane run one after the other.
            let mut decoder = decoder.lock().unwrap_or_else(PoisonError::into_inner);
            // A codec is user code: its panic costs its own answer, not the thread.
            let step = catch_unwind(AssertUnwindSafe(|| work(&mut decoder)));
            drop(decoder);
            // Nobody listens any more once the answer is given up.
            let _ = match step {
                Ok(Step::Done(done)) => result.send(Ok(done)),
                Ok(Step::Later(work)) => {
                    DecodeThread::next().run(move || {
                        let done = catch_unwind(AssertUnwindSafe(work));
                        let _ = result.send(done.map_err(|_| Panicked));
                    });
                    return;
                }
                Err(_) => result.send(Err(Panicked)),
            };
        };
        DecodeThread(self.jobs.clone()).run(job);
    }

    /// The next result; never, if none is waited for.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn receive(&mut self) -> Result<R, Panicked> {
        let Some(first) = self.results.front_mut() else {
            return std::future::pending().await;
        };
        let result = first.await;
        self.results.pop_front();
        result.unwrap_or(Err(Panicked))
    }
}

/// The codec panicked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Panicked;

impl DecodeThread {
    /// The thread whose turn it is.
    pub(super) fn next() -> Self {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let threads = Self::all();
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % threads.len().max(1);
        threads.get(turn).cloned().unwrap_or_else(|| Self::start(0))
    }

    /// A lane for a decoder.
    pub(super) fn lane<D, R>(&self, decoder: D) -> Lane<D, R> {
        Lane {
            decoder: Arc::new(Mutex::new(decoder)),
            jobs: self.0.clone(),
            results: VecDeque::new(),
        }
    }

    /// True if there are several threads, so that work for later may go round. Also on two cores, one of
    /// which has the sockets and the store to serve: what it has time for comes off the other (measured:
    /// 6 % of a list's time, 11 to 18 % of a watch's).
    #[cfg_attr(
        not(feature = "kube"),
        expect(dead_code, reason = "a server's chunks hold many objects")
    )]
    pub(super) fn has_company() -> bool {
        Self::all().len() > 1
    }

    /// Has the thread do this when it is through with what it was given before.
    fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Err(mpsc::SendError(job)) = self.0.send(Box::new(job)) {
            // The thread could not be started: the work is done here and now.
            job();
        }
    }

    fn all() -> &'static [Self] {
        static THREADS: OnceLock<Vec<DecodeThread>> = OnceLock::new();
        THREADS.get_or_init(|| {
            let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            (0..cores.min(THREADS_MAX)).map(Self::start).collect()
        })
    }

    /// Starts a thread that works for as long as the process runs.
    fn start(number: usize) -> Self {
        let (jobs, work) = mpsc::channel::<Job>();
        let name = format!("heliostat-decode-{number}");
        let started = thread::Builder::new().name(name).spawn(move || {
            for job in work {
                job();
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "could not start a decoding thread");
        }
        Self(jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_come_in_the_order_of_the_work() {
        let mut lane = DecodeThread::next().lane(Vec::new());
        for number in 0..100 {
            lane.send(move |seen: &mut Vec<usize>| {
                seen.push(number);
                let count = seen.len();
                match number % 3 {
                    0 => Step::Done(count),
                    _ => Step::Later(Box::new(move || count)),
                }
            });
        }
        for expected in 1..=100 {
            assert_eq!(lane.receive().await, Ok(expected));
        }
        assert_eq!(lane.waiting(), 0);
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_answer_only() {
        let mut broken = DecodeThread::next().lane(());
        broken.send(|()| -> Step<u32> { panic!("the codec's fault") });
        broken.send(|()| Step::Later(Box::new(|| panic!("the finisher's fault"))));
        assert_eq!(broken.receive().await, Err(Panicked));
        assert_eq!(broken.receive().await, Err(Panicked));
        for _ in 0..2 * THREADS_MAX {
            let mut lane = DecodeThread::next().lane(());
            lane.send(|()| Step::Done(7));
            assert_eq!(lane.receive().await, Ok(7));
        }
    }
}
