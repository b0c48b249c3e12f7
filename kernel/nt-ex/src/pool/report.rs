//! What is allocated, and by whom.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Pool;
use super::block::BlockInfo;
use super::table::Slot;

/// Blocks of one tag that one place allocated and nobody freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Tag of the blocks.
    pub tag: u32,
    /// Bytes asked for, of all of them.
    pub bytes: usize,
    /// How many.
    pub count: usize,
    /// Return address of the call that allocated them.
    pub caller: usize,
}

impl Leak {
    /// The tag as four characters.
    pub fn tag_text(&self) -> String {
        tag_text(self.tag)
    }
}

/// A tag as four characters, in the order of the bytes.
pub(super) fn tag_text(tag: u32) -> String {
    tag.to_le_bytes().iter().map(|b| if (0x20..0x7F).contains(b) { char::from(*b) } else { '.' }).collect()
}

impl Pool {
    /// The block that starts at `address`.
    pub(super) fn info(&self, address: usize) -> Option<BlockInfo> {
        self.around(address).filter(|(start, _)| *start == address).map(|(_, info)| info)
    }

    /// The live block that contains `address`.
    pub(super) fn around(&self, address: usize) -> Option<(usize, BlockInfo)> {
        if let Some(found) = self.special.around(address) {
            return Some(found);
        }
        if let Some((class, slab)) = self.slab_at(address) {
            let class = self.classes[class].lock();
            let (slot, data) = class.locate(slab, address)?;
            let Slot::Live(info) = class.slot(slab, slot) else { return None };
            return (data..data + info.bytes.max(1)).contains(&address).then_some((data, info));
        }
        let big = self.big.lock();
        let (start, big) = big.range(..=address).next_back()?;
        (address < start + big.info.bytes).then_some((*start, big.info))
    }

    pub(super) fn outstanding(&self, callers: Range<usize>) -> Vec<Leak> {
        let mut places: BTreeMap<(usize, u32), Leak> = BTreeMap::new();
        let mut add = |info: &BlockInfo| {
            if callers.contains(&info.caller) {
                let leak = places.entry((info.caller, info.tag)).or_insert(Leak {
                    tag: info.tag,
                    bytes: 0,
                    count: 0,
                    caller: info.caller,
                });
                leak.bytes += info.bytes;
                leak.count += 1;
            }
        };
        for class in &self.classes {
            class.lock().for_each(&mut add);
        }
        self.big.lock().values().for_each(|big| add(&big.info));
        self.special.for_each(&mut add);
        places.into_values().collect()
    }
}
