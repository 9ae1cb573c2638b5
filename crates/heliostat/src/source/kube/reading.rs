//! The body of an answer, chunk by chunk through a decoder, as a stream of what is decoded.
//!
//! Little more is read than the consumer asks for: a slow consumer slows the server by way of TCP.
//! What is held is a few chunks, the decoded parts of one or two, and the one object that a chunk cuts
//! through.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use heliostat_core::error::{DecodeError, SourceError};
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::object::Entry;
use heliostat_core::wire::{Codec, DecodeLimits, Finisher, json, protobuf};

use super::body::{Chunks, metered_chunks};
use super::cluster::Answer;
use super::encoding::Encoding;
use super::failure::RequestLine;
use super::traffic::Meter;
use crate::list_watch::{ListStream, WatchStream};
use crate::source::decode_thread::{DecodeThread, Lane, Panicked, Step};

/// What the answers of a source are read with.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) limits: DecodeLimits,
    pub(super) thread: DecodeThread,
    pub(super) meter: Arc<Meter>,
}

impl Reader {
    /// The parts of a list. Ends with an error unless the list is complete.
    pub(super) fn list<C>(&self, answer: Answer, mut codec: C) -> ListStream<C::Object>
    where
        C: Codec + 'static,
        C::Object: Send + Sync + 'static,
    {
        let (limits, finisher) = (self.limits, finisher(&mut codec));
        match answer.encoding {
            Encoding::Json => {
                let decoder = json::ListDecoder::new(codec, limits);
                Reading::start(answer, decoder, finisher, self)
            }
            Encoding::Protobuf => {
                let decoder = protobuf::ListDecoder::new(codec, limits);
                Reading::start(answer, decoder, finisher, self)
            }
        }
    }

    /// The events of a watch. However the connection ends, the stream just ends.
    pub(super) fn watch<C>(&self, answer: Answer, mut codec: C) -> WatchStream<C::Object>
    where
        C: Codec + 'static,
        C::Object: Send + Sync + 'static,
    {
        let (limits, finisher) = (self.limits, finisher(&mut codec));
        match answer.encoding {
            Encoding::Json => {
                let decoder = json::WatchDecoder::new(codec, limits);
                Reading::start(answer, decoder, finisher, self)
            }
            Encoding::Protobuf => {
                let decoder = protobuf::WatchDecoder::new(codec, limits);
                Reading::start(answer, decoder, finisher, self)
            }
        }
    }
}

/// What does the work that the codec may leave for later, where there is somebody to do it.
fn finisher<C: Codec>(codec: &mut C) -> Option<Finish<C::Object>> {
    DecodeThread::has_company().then(|| codec.defer()).flatten()
}

type Finish<T> = Arc<dyn Finisher<T>>;

/// A decoder of one answer, whatever its encoding.
trait Decode: Send + 'static {
    type Object: Send + Sync + 'static;
    type Part: Send + 'static;

    /// The objects in a part.
    fn entries(part: &mut Self::Part) -> impl Iterator<Item = &mut Entry<Self::Object>>;

    fn push(&mut self, chunk: &[u8], out: &mut Vec<Self::Part>) -> Result<(), DecodeError>;

    fn finish(&mut self) -> Result<(), DecodeError>;

    /// True if an answer that is cut off is simply over.
    const MAY_BE_CUT_OFF: bool;
}

/// The decoders of both encodings have the same methods, and no trait in common.
macro_rules! decode {
    ($decoder:ident, $part:ident, $may_be_cut_off:expr) => {
        decode!(json, $decoder, $part, $may_be_cut_off);
        decode!(protobuf, $decoder, $part, $may_be_cut_off);
    };
    ($encoding:ident, $decoder:ident, $part:ident, $may_be_cut_off:expr) => {
        impl<C> Decode for $encoding::$decoder<C>
        where
            C: Codec + 'static,
            C::Object: Send + Sync + 'static,
        {
            type Object = C::Object;
            type Part = $part<C::Object>;

            fn entries(part: &mut Self::Part) -> impl Iterator<Item = &mut Entry<C::Object>> {
                part.entries_mut()
            }

            fn push(&mut self, chunk: &[u8], out: &mut Vec<Self::Part>) -> Result<(), DecodeError> {
                Self::push(self, chunk, out)
            }

            fn finish(&mut self) -> Result<(), DecodeError> {
                Self::finish(self)
            }

            const MAY_BE_CUT_OFF: bool = $may_be_cut_off;
        }
    };
}

decode!(ListDecoder, ListPart, false);
decode!(WatchDecoder, WatchEvent, true);

/// How many chunks are read ahead of the decoder: enough that neither waits for the other, few enough
/// that a slow consumer slows the server.
const CHUNKS_AHEAD: usize = 2;

/// The same where several threads are to have something to finish.
const CHUNKS_AHEAD_SHARED: usize = 4;

/// Fewer objects than this are finished where they were decoded: passing them on would take longer.
const FINISHED_AT_ONCE: usize = 4;

/// What the decoder made of one chunk.
type Decoded<P> = (Vec<P>, Result<(), DecodeError>);

struct Reading<D: Decode> {
    line: RequestLine,
    finisher: Option<Finish<D::Object>>,
    chunks: Chunks,
    lane: Lane<D, Decoded<D::Part>>,
    /// Decoded, and not yet asked for.
    ready: VecDeque<D::Part>,
    /// What comes after all that is decoded; unknown while there are chunks.
    end: Option<End>,
}

/// How an answer ends.
enum End {
    Clean,
    Failure(SourceError),
    /// Told already.
    Over,
}

impl<D: Decode> Reading<D> {
    fn start(
        answer: Answer,
        decoder: D,
        finisher: Option<Finish<D::Object>>,
        reader: &Reader,
    ) -> stream::BoxStream<'static, Result<D::Part, SourceError>> {
        let reading = Self {
            line: answer.line,
            finisher,
            chunks: metered_chunks(answer.response, Arc::clone(&reader.meter)),
            lane: reader.thread.lane(decoder),
            ready: VecDeque::new(),
            end: None,
        };
        stream::unfold(reading, |mut reading| async move {
            let part = reading.next().await?;
            Some((part, reading))
        })
        .fuse()
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<D::Part, SourceError>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Some(Ok(part));
            }
            if self.lane.waiting() == 0
                && let Some(end) = &mut self.end
            {
                return match mem::replace(end, End::Over) {
                    End::Failure(error) => Some(Err(error)),
                    End::Clean | End::Over => None,
                };
            }
            self.advance().await;
        }
    }

    /// Waits for the next chunk or the next result, whichever comes first.
    async fn advance(&mut self) {
        let ahead = match self.finisher {
            Some(_) => CHUNKS_AHEAD_SHARED,
            None => CHUNKS_AHEAD,
        };
        let reads = self.end.is_none() && self.lane.waiting() <= ahead;
        tokio::select! {
            // Results first: what is decoded is asked for before more is read.
            biased;
            result = self.lane.receive() => match result {
                Ok((parts, outcome)) => self.decoded(parts, outcome),
                Err(Panicked) => {
                    let reason = "the codec panicked".to_owned();
                    let error = DecodeError::Malformed { what: "answer", offset: 0, reason };
                    self.fail(error.into());
                }
            },
            chunk = self.chunks.next(), if reads => self.read(chunk),
        }
    }

    fn decoded(&mut self, parts: Vec<D::Part>, outcome: Result<(), DecodeError>) {
        self.ready = VecDeque::from(parts);
        match outcome {
            Ok(()) => {}
            Err(error @ DecodeError::Truncated { .. }) if D::MAY_BE_CUT_OFF => {
                // A connection without a length of its body ends like this where it breaks.
                self.fail(self.line.cut_off(&error));
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// The answer cannot be decoded from here on; this counts more than how it ends.
    fn fail(&mut self, error: SourceError) {
        self.lane.abandon();
        self.end = Some(End::Failure(error));
    }

    /// Hands a chunk of the body to the decoder.
    fn read(&mut self, chunk: Option<Result<Bytes, kube_client::Error>>) {
        match chunk {
            Some(Ok(chunk)) => {
                let finisher = self.finisher.clone();
                self.lane.send(move |decoder| {
                    let mut parts = Vec::new();
                    let outcome = decoder.push(&chunk, &mut parts);
                    finish::<D>((parts, outcome), finisher)
                });
            }
            Some(Err(error)) => self.end = Some(End::Failure(self.line.read_failed(error))),
            None => {
                self.lane
                    .send(|decoder| Step::Done((Vec::new(), decoder.finish())));
                self.end = Some(End::Clean);
            }
        }
    }
}

/// What is left to do with the parts of a chunk.
fn finish<D: Decode>(
    (mut parts, outcome): Decoded<D::Part>,
    finisher: Option<Finish<D::Object>>,
) -> Step<Decoded<D::Part>> {
    let Some(finisher) = finisher else {
        return Step::Done((parts, outcome));
    };
    let objects = parts.iter_mut().flat_map(D::entries).count();
    let work = move || {
        finisher.finish(&mut parts.iter_mut().flat_map(D::entries));
        (parts, outcome)
    };
    if objects < FINISHED_AT_ONCE {
        return Step::Done(work());
    }
    Step::Later(Box::new(work))
}
