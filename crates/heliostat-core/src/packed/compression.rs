//! Frames and dictionaries: zstd, one frame for each object.
//!
//! Level 1 is the knee of the curve for Kubernetes objects: against level 3 a pod takes 1 % more room
//! and two thirds of the time, and the faster levels below it take half as much room again.

use std::cell::Cell;
use std::fmt;

use zstd_safe::{CCtx, CDict, DCtx, DDict};

use crate::raw::UnpackError;

/// The compression level.
const LEVEL: i32 = 1;

/// How large a dictionary becomes at most. Half of it costs 2 % of the room that objects take, twice of
/// it gains nothing.
const DICTIONARY_BYTES_MAX: usize = 16 << 10;

/// A dictionary is this part of its samples at most: a larger one would hold what only one object has.
const SAMPLES_PER_DICTIONARY: usize = 8;

/// How much of one sample is used. What objects of a kind have in common shows early, and training
/// takes time for every byte: 2 ms for 200 KiB.
const SAMPLE_BYTES_MAX: usize = 8 << 10;

/// The largest object that is packed and unpacked, in bytes: 64 MiB, four times the largest that a
/// decoder takes by default.
///
/// A [`PackedCodec`](super::PackedCodec) rejects larger objects, and [`Packing::pack`](super::Packing::pack)
/// leaves them uncompressed.
pub const UNPACKED_BYTES_MAX: usize = 64 << 20;

/// Room above this is given back after an object: most are far smaller.
const SCRATCH_BYTES_KEPT: usize = 256 << 10;

/// What objects are packed against, while it is the newest.
pub(super) struct PackingDictionary(CDict<'static>);

/// What objects are unpacked with: it lives for as long as an object needs it.
pub struct Dictionary {
    frames: DDict<'static>,
}

impl Dictionary {
    /// A dictionary of these bytes: a trained one, or any content that objects have in common. None if
    /// it says of itself that it was trained, and is broken.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let frames = DDict::try_create(bytes)?;
        Some(Self { frames })
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.frames.sizeof()
    }

    /// Unpacks a frame whose content has `len` bytes.
    ///
    /// # Errors
    /// If the frame is broken, needs another dictionary, or has another length. No more than `len` bytes
    /// are allocated, and none for more than [`UNPACKED_BYTES_MAX`].
    pub fn unpack(&self, frame: &[u8], len: usize) -> Result<Vec<u8>, UnpackError> {
        let mut out = Vec::new();
        unpack(frame, len, Some(self), &mut out)?;
        Ok(out)
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary")
            .field("memory", &self.memory())
            .finish()
    }
}

/// Trains a dictionary; none if the samples have too little in common, or are too few.
pub(super) fn train<'a>(samples: &[&'a [u8]]) -> Option<(PackingDictionary, Dictionary)> {
    let used = |sample: &&'a [u8]| sample.get(..SAMPLE_BYTES_MAX).unwrap_or(sample);
    let samples: Vec<&[u8]> = samples.iter().map(used).collect();
    let content: usize = samples.iter().map(|sample| sample.len()).sum();
    let room = (content / SAMPLES_PER_DICTIONARY).min(DICTIONARY_BYTES_MAX);
    let bytes = heliostat_dictionary::train(&samples, room, LEVEL)?;
    let packing = CDict::try_create(&bytes, LEVEL)?;
    Some((PackingDictionary(packing), Dictionary::new(&bytes)?))
}

/// Makes frames. Its tables are used again from one object to the next.
pub(super) struct Compressor {
    context: CCtx<'static>,
    out: Vec<u8>,
}

impl Compressor {
    pub(super) fn new() -> Self {
        Self {
            context: CCtx::create(),
            out: Vec::new(),
        }
    }

    /// The frame of these bytes; none if they are not worth compressing.
    pub(super) fn compress(
        &mut self,
        bytes: &[u8],
        dictionary: Option<&PackingDictionary>,
    ) -> Option<&[u8]> {
        if self.out.capacity() > SCRATCH_BYTES_KEPT {
            self.out = Vec::new();
        }
        self.out.clear();
        self.out.reserve(zstd_safe::compress_bound(bytes.len()));
        let compressed = match dictionary {
            Some(PackingDictionary(dictionary)) => {
                self.context
                    .compress_using_cdict(&mut self.out, bytes, dictionary)
            }
            None => self.context.compress(&mut self.out, bytes, LEVEL),
        };
        match compressed {
            Ok(len) if len < bytes.len() => self.out.get(..len),
            Ok(_) => None,
            Err(_) => {
                // Only a lack of memory can do this; the object is then kept as it is.
                self.context = CCtx::create();
                None
            }
        }
    }
}

/// What a thread unpacks with.
struct Unpacking {
    context: DCtx<'static>,
    out: Vec<u8>,
}

thread_local! {
    /// Taken while it is used: whoever unpacks one object while reading another makes a second one.
    static UNPACKING: Cell<Option<Box<Unpacking>>> = const { Cell::new(None) };
}

/// Unpacks a frame into room of this thread, and has it read.
pub(super) fn read_frame<R>(
    frame: &[u8],
    len: usize,
    dictionary: Option<&Dictionary>,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<R, UnpackError> {
    with_unpacking(|unpacking| {
        let Unpacking { context, out } = unpacking;
        if out.capacity() > SCRATCH_BYTES_KEPT {
            *out = Vec::new();
        }
        decompress(context, frame, len, dictionary, out)?;
        Ok(read(out))
    })
}

/// Unpacks a frame into an allocation of its size.
pub(super) fn unpack(
    frame: &[u8],
    len: usize,
    dictionary: Option<&Dictionary>,
    out: &mut Vec<u8>,
) -> Result<(), UnpackError> {
    with_unpacking(|unpacking| decompress(&mut unpacking.context, frame, len, dictionary, out))
}

fn with_unpacking<R>(
    work: impl FnOnce(&mut Unpacking) -> Result<R, UnpackError>,
) -> Result<R, UnpackError> {
    let taken = UNPACKING.try_with(Cell::take).ok().flatten();
    let mut unpacking = taken.unwrap_or_else(|| {
        Box::new(Unpacking {
            context: DCtx::create(),
            out: Vec::new(),
        })
    });
    let done = work(&mut unpacking)?;
    // A thread that is ending has no place for it any more. After a failure it is not kept, either.
    let _ = UNPACKING.try_with(|place| place.set(Some(unpacking)));
    Ok(done)
}

fn decompress(
    context: &mut DCtx<'static>,
    frame: &[u8],
    len: usize,
    dictionary: Option<&Dictionary>,
    out: &mut Vec<u8>,
) -> Result<(), UnpackError> {
    if len > UNPACKED_BYTES_MAX {
        return Err(UnpackError::broken(format!("{len} bytes are too many")));
    }
    out.clear();
    out.reserve_exact(len);
    let unpacked = match dictionary {
        Some(dictionary) => context.decompress_using_ddict(out, frame, &dictionary.frames),
        None => context.decompress(out, frame),
    };
    match unpacked {
        Ok(found) if found == len => Ok(()),
        Ok(found) => {
            let reason = format!("expected {len} bytes, got {found}");
            Err(UnpackError::broken(reason))
        }
        Err(code) => Err(UnpackError::broken(zstd_safe::get_error_name(code))),
    }
}
