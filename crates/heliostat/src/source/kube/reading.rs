//! The body of an answer, chunk by chunk through a decoder, as a stream of what is decoded.
//!
//! No more is read than the consumer asks for: a slow consumer slows the server by way of TCP. What
//! is held is one chunk's worth of decoded parts and the one object that the chunk cuts through.

use std::collections::VecDeque;
use std::mem;

use futures_util::stream::{self, StreamExt};

use heliostat_core::error::{DecodeError, SourceError};
use heliostat_core::event::{ListPart, WatchEvent};
use heliostat_core::wire::json::{ListDecoder, WatchDecoder};
use heliostat_core::wire::{Codec, DecodeLimits};

use super::answer::Encoding;
use super::body::{Chunks, chunks};
use super::cluster::Answer;
use super::failure::{RequestLine, is_end_of_watch};
use crate::list_watch::{ListStream, WatchStream};

/// The parts of a list. Ends with an error unless the list is complete.
pub(super) fn list<C>(answer: Answer, codec: C, limits: DecodeLimits) -> ListStream<C::Object>
where
    C: Codec + 'static,
    C::Object: Send + Sync + 'static,
{
    match answer.encoding {
        Encoding::Json => Reading::start(answer, ListDecoder::new(codec, limits)),
    }
}

/// The events of a watch. However the connection ends, the stream just ends.
pub(super) fn watch<C>(answer: Answer, codec: C, limits: DecodeLimits) -> WatchStream<C::Object>
where
    C: Codec + 'static,
    C::Object: Send + Sync + 'static,
{
    match answer.encoding {
        Encoding::Json => Reading::start(answer, WatchDecoder::new(codec, limits)),
    }
}

/// A decoder of one answer, whatever its encoding.
trait Decode: Send + 'static {
    type Part: Send + 'static;

    fn push(&mut self, chunk: &[u8], out: &mut Vec<Self::Part>) -> Result<(), DecodeError>;

    fn finish(&mut self) -> Result<(), DecodeError>;

    /// True if an answer that is cut off is simply over.
    const MAY_BE_CUT_OFF: bool;
}

impl<C> Decode for ListDecoder<C>
where
    C: Codec + 'static,
    C::Object: Send + Sync + 'static,
{
    type Part = ListPart<C::Object>;

    fn push(&mut self, chunk: &[u8], out: &mut Vec<Self::Part>) -> Result<(), DecodeError> {
        Self::push(self, chunk, out)
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        Self::finish(self)
    }

    const MAY_BE_CUT_OFF: bool = false;
}

impl<C> Decode for WatchDecoder<C>
where
    C: Codec + 'static,
    C::Object: Send + Sync + 'static,
{
    type Part = WatchEvent<C::Object>;

    fn push(&mut self, chunk: &[u8], out: &mut Vec<Self::Part>) -> Result<(), DecodeError> {
        Self::push(self, chunk, out)
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        Self::finish(self)
    }

    const MAY_BE_CUT_OFF: bool = true;
}

struct Reading<D: Decode> {
    line: RequestLine,
    chunks: Chunks,
    decoder: D,
    /// Decoded, and not yet asked for.
    ready: VecDeque<D::Part>,
    after: After,
}

/// What comes after the parts that are ready.
enum After {
    More,
    Failure(SourceError),
    Nothing,
}

impl<D: Decode> Reading<D> {
    fn start(
        answer: Answer,
        decoder: D,
    ) -> stream::BoxStream<'static, Result<D::Part, SourceError>> {
        let reading = Self {
            line: answer.line,
            chunks: chunks(answer.response),
            decoder,
            ready: VecDeque::new(),
            after: After::More,
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
            match mem::replace(&mut self.after, After::Nothing) {
                After::More => self.after = self.read().await,
                After::Failure(error) => return Some(Err(error)),
                After::Nothing => return None,
            }
        }
    }

    /// Takes in one chunk of the body.
    async fn read(&mut self) -> After {
        let mut parts = Vec::new();
        let after = match self.chunks.next().await {
            Some(Ok(chunk)) => self.decoder.push(&chunk, &mut parts).map(|()| After::More),
            Some(Err(error)) if D::MAY_BE_CUT_OFF && is_end_of_watch(&error) => {
                tracing::debug!(request = %self.line, %error, "the watch was cut off");
                Ok(After::Nothing)
            }
            Some(Err(error)) => Ok(After::Failure(self.line.read_failed(error))),
            None => match self.decoder.finish() {
                Err(DecodeError::Truncated { what, bytes }) if D::MAY_BE_CUT_OFF => {
                    tracing::debug!(request = %self.line, what, bytes, "the watch was cut off");
                    Ok(After::Nothing)
                }
                end => end.map(|()| After::Nothing),
            },
        };
        self.ready = VecDeque::from(parts);
        after.unwrap_or_else(|error| After::Failure(error.into()))
    }
}
