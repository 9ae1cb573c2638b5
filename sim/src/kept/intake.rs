//! `Intake`: what a mirror's decoder does with the objects that come in.

use std::sync::{Arc, Mutex, PoisonError};

use heliostat_core::event::{Item, ListPart, WatchEvent};
use heliostat_core::object::Entry;
use heliostat_core::packed::{Packed, PackedCodec, Packing};
use heliostat_core::raw::{Encoding, RawCodec, RawView};
use heliostat_core::reflector::Input;
use heliostat_core::time::Time;
use heliostat_core::wire::Codec as _;

use super::Kept;
use super::form::{bytes_of, kind, widget_of};
use crate::mutant::Mutant;
use crate::scenario::PackingPlan;
use crate::world::Widget;

/// How the objects of a mirror are kept. A clone packs into the same collection.
#[derive(Clone, Debug)]
pub struct Intake {
    packing: Option<(PackingPlan, Packing<Widget>)>,
    mutant: Option<Mutant>,
}

impl Intake {
    /// An intake that packs as it is planned, or does not.
    #[must_use]
    pub fn new(plan: Option<PackingPlan>, mutant: Option<Mutant>) -> Self {
        let packing = plan.map(|plan| {
            let budget = match mutant {
                Some(Mutant::KeepsAllDecoded) => usize::MAX,
                Some(_) | None => plan.budget,
            };
            let packing = Packing::with_decoder(None, GROWTH, decoder(mutant));
            (plan, packing.memory_budget(budget))
        });
        Self { packing, mutant }
    }

    /// What the objects are packed with, if they are.
    #[must_use]
    pub const fn packing(&self) -> Option<&(PackingPlan, Packing<Widget>)> {
        self.packing.as_ref()
    }

    /// What happened, as the machine hears of it.
    #[must_use]
    pub fn take_in(&self, now: Time, input: Input<Widget>) -> Input<Kept> {
        match input {
            Input::Start => Input::Start,
            Input::Stop => Input::Stop,
            Input::PermitGranted { attempt } => Input::PermitGranted { attempt },
            Input::ListPart { attempt, part } => {
                let part = match part {
                    ListPart::Metadata(metadata) => ListPart::Metadata(metadata),
                    ListPart::Items(items) => ListPart::Items(self.items(now, items)),
                };
                Input::ListPart { attempt, part }
            }
            Input::ListEnded { attempt } => Input::ListEnded { attempt },
            Input::WatchOpened { attempt } => Input::WatchOpened { attempt },
            Input::Event { attempt, event } => {
                let event = self.event(now, event);
                Input::Event { attempt, event }
            }
            Input::WatchEnded { attempt } => Input::WatchEnded { attempt },
            Input::Failed { attempt, error } => Input::Failed { attempt, error },
            Input::Committed(result) => Input::Committed(result),
            Input::Resynced(result) => Input::Resynced(result),
        }
    }

    #[expect(
        clippy::result_large_err,
        reason = "an item of a list is what the core says it is"
    )]
    fn items(&self, now: Time, items: Vec<Item<Widget>>) -> Vec<Item<Kept>> {
        let Some((plan, packing)) = &self.packing else {
            let plain = |entry: Entry<Widget>| Entry::new(entry.header, Kept::Plain(entry.object));
            return items.into_iter().map(|item| item.map(plain)).collect();
        };
        let encoding = plan.encoding_at(now);
        let mut codec = codec(packing, encoding);
        let finisher = plan.defers.then(|| codec.defer()).flatten();
        let packed = items
            .into_iter()
            .map(|item| item.map(|entry| (self.pack(&mut codec, encoding, &entry), entry.object)));
        let mut packed: Vec<_> = packed.collect();
        if let Some(finisher) = finisher {
            let entries = packed.iter_mut().flatten();
            finisher.finish(&mut entries.map(|(entry, _)| entry));
        }
        let kept = packed.into_iter();
        kept.map(|item| item.map(|(entry, source)| keep(entry, source)))
            .collect()
    }

    fn event(&self, now: Time, event: WatchEvent<Widget>) -> WatchEvent<Kept> {
        match event {
            WatchEvent::Added(entry) => WatchEvent::Added(self.entry(now, entry)),
            WatchEvent::Modified(entry) => WatchEvent::Modified(self.entry(now, entry)),
            WatchEvent::Deleted(entry) => WatchEvent::Deleted(self.entry(now, entry)),
            WatchEvent::Bookmark {
                resource_version,
                initial_events_end,
            } => WatchEvent::Bookmark {
                resource_version,
                initial_events_end,
            },
            WatchEvent::Error(status) => WatchEvent::Error(status),
            WatchEvent::Unknown {
                event_type,
                resource_version,
            } => WatchEvent::Unknown {
                event_type,
                resource_version,
            },
            WatchEvent::Rejected(rejection) => WatchEvent::Rejected(rejection),
        }
    }

    fn entry(&self, now: Time, entry: Entry<Widget>) -> Entry<Kept> {
        let Some((plan, packing)) = &self.packing else {
            return Entry::new(entry.header, Kept::Plain(entry.object));
        };
        let encoding = plan.encoding_at(now);
        let packed = self.pack(&mut codec(packing, encoding), encoding, &entry);
        keep(packed, entry.object)
    }

    /// Packs an object the way it is done while an answer is decoded.
    fn pack(
        &self,
        codec: &mut PackedCodec<Widget>,
        encoding: Encoding,
        entry: &Entry<Widget>,
    ) -> Entry<Packed<Widget>> {
        let version = &entry.header.resource_version;
        let mut bytes = bytes_of(&entry.object, version, encoding);
        if self.mutant == Some(Mutant::PacksOtherBytes) {
            spoil(&mut bytes, encoding);
        }
        let packed = codec.decode(&bytes, Some(&kind()));
        packed.expect("the bytes of a widget can be decoded")
    }
}

fn codec(packing: &Packing<Widget>, encoding: Encoding) -> PackedCodec<Widget> {
    let codec = match encoding {
        Encoding::Protobuf => RawCodec::protobuf(),
        _ => RawCodec::json(),
    };
    PackedCodec::new(codec.without_managed_fields(), packing)
}

fn keep(entry: Entry<Packed<Widget>>, source: Arc<Widget>) -> Entry<Kept> {
    let packed = entry.object;
    Entry::new(entry.header, Kept::Packed { packed, source })
}

/// How many bytes a widget takes for each of its raw bytes: what it takes does not matter here, only
/// that it can be counted.
const GROWTH: usize = 1;

/// Reads widgets; with a bug every tenth time the one before.
fn decoder(mutant: Option<Mutant>) -> impl Fn(RawView<'_>) -> Result<Widget, String> {
    let last: Mutex<(u64, Option<Widget>)> = Mutex::default();
    move |view| {
        let widget = widget_of(view)?;
        if mutant != Some(Mutant::ReadsAnother) {
            return Ok(widget);
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        last.0 += 1;
        let before = last.1.replace(widget.clone());
        let is_tenth = last.0.is_multiple_of(10);
        Ok(before.filter(|_| is_tenth).unwrap_or(widget))
    }
}

/// Changes the last letter of a look.
fn spoil(bytes: &mut [u8], encoding: Encoding) {
    let behind = match encoding {
        Encoding::Protobuf => "",
        _ => "\"}",
    };
    let place = bytes.len() - behind.len() - 1;
    bytes[place] = b'#';
}
