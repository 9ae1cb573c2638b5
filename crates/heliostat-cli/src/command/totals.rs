//! What mirrors hold and what it took, in words: what came in, what it takes here, how fast it was.

use std::time::Duration;

use heliostat::object::{Encoding, PackingStats};

use crate::{duration, size};

use super::source::Received;

/// What mirrors hold, and what it took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) objects: usize,
    /// Bytes as they came, compressed where they were.
    pub(crate) received_bytes: u64,
    /// The same after decompression.
    decoded_bytes: u64,
    in_json: bool,
    in_protobuf: bool,
    /// What the objects are as bytes.
    raw_bytes: usize,
    /// What they take packed.
    pub(crate) packed_bytes: usize,
}

impl Totals {
    /// Counts a mirror in.
    pub(crate) fn add(&mut self, objects: usize, received: &Received, packing: &PackingStats) {
        self.objects += objects;
        self.received_bytes += received.received_bytes;
        self.decoded_bytes += received.decoded_bytes;
        self.in_json |= received.encoding == Some(Encoding::Json);
        self.in_protobuf |= received.encoding == Some(Encoding::Protobuf);
        self.raw_bytes += packing.raw_bytes;
        self.packed_bytes += packing.packed_bytes;
    }

    /// What came in: `3.10 MiB, which is 12.3 MiB of protobuf`.
    pub(crate) fn wire(&self) -> String {
        let encoding = match (self.in_json, self.in_protobuf) {
            (true, true) => "protobuf and JSON",
            (false, true) => "protobuf",
            (true, false) => "JSON",
            (false, false) if self.received_bytes > 0 => "values",
            (false, false) => return "nothing".to_owned(),
        };
        let (received, decoded) = (self.received_bytes, self.decoded_bytes);
        if received == decoded {
            return format!("{} of {encoding}", size::show(received));
        }
        let (received, decoded) = (size::show(received), size::show(decoded));
        format!("{received}, which is {decoded} of {encoding}")
    }

    /// What is kept of it: `1.00 MiB for objects of 4.00 MiB, 4.0 times smaller`.
    pub(crate) fn kept(&self) -> String {
        if self.packed_bytes == 0 {
            return "nothing".to_owned();
        }
        format!(
            "{} for objects of {}, {:.1} times smaller",
            size::show(self.packed_bytes as u64),
            size::show(self.raw_bytes as u64),
            self.raw_bytes as f64 / self.packed_bytes as f64,
        )
    }
}

/// The first complete state: how many objects, after which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstState {
    pub(crate) objects: usize,
    pub(crate) after: Duration,
}

impl FirstState {
    /// `1000 objects in 20.0 ms, 50000 a second`.
    pub(crate) fn speed(&self) -> String {
        let seconds = self.after.as_secs_f64().max(1e-6);
        format!(
            "{} objects in {}, {:.0} a second",
            self.objects,
            duration::show(self.after),
            self.objects as f64 / seconds,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals() -> Totals {
        Totals {
            objects: 10,
            received_bytes: 2 << 20,
            decoded_bytes: 2 << 20,
            in_protobuf: true,
            raw_bytes: 1 << 20,
            packed_bytes: 1 << 18,
            ..Totals::default()
        }
    }

    #[test]
    fn sizes_are_told_from_the_wire_to_the_store() {
        assert_eq!(totals().wire(), "2.00 MiB of protobuf");
        assert_eq!(
            totals().kept(),
            "256 KiB for objects of 1.00 MiB, 4.0 times smaller"
        );
        let compressed = Totals {
            received_bytes: 1 << 19,
            in_json: true,
            ..totals()
        };
        assert_eq!(
            compressed.wire(),
            "512 KiB, which is 2.00 MiB of protobuf and JSON"
        );
    }

    #[test]
    fn nothing_is_told_of_nothing() {
        let nothing = Totals::default();
        assert_eq!((&*nothing.wire(), &*nothing.kept()), ("nothing", "nothing"));
    }

    #[test]
    fn speed_is_of_the_first_state() {
        let first = FirstState {
            objects: 1000,
            after: Duration::from_millis(20),
        };
        assert_eq!(first.speed(), "1000 objects in 20.0 ms, 50000 a second");
        let none = FirstState {
            objects: 0,
            after: Duration::ZERO,
        };
        assert_eq!(none.speed(), "0 objects in 0 µs, 0 a second");
    }
}
