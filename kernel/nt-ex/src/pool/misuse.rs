//! Freeing, and everything that can be wrong about it.

use boundary::{Raise, caller_address};
use nt_abi::bugcheck;
use nt_ke::{BugCheck, Finding, current_core};

use super::block::{self, BlockInfo};
use super::table::{Freed, Slot};
use super::{Pool, report::tag_text};

/// How many freed blocks with pages of their own are remembered.
const REMEMBERED: usize = 256;
/// Bit of a tag that says the block may only be freed with its tag.
const PROTECTED_POOL: u32 = 0x8000_0000;

fn bad_caller(parameter: u64, address: usize, tag: u32, message: String, first: Option<usize>) -> Raise {
    let mut check = BugCheck::new(
        bugcheck::BAD_POOL_CALLER,
        [parameter, u64::from(tag), first.unwrap_or(0) as u64, address as u64],
        message,
    );
    check.stack = first.into_iter().collect();
    current_core().bug_check(check)
}

pub(super) fn described(info: &BlockInfo) -> String {
    format!(
        "block of {} bytes with tag '{}' in {} pool, allocated at {:#x}",
        info.bytes,
        tag_text(info.tag),
        info.kind.name(),
        info.caller
    )
}

pub(super) fn freed_twice(address: usize, info: &BlockInfo, first: usize) -> Raise {
    let message = format!("{address:#x} was freed twice: a {}, freed first at {first:#x}", described(info));
    bad_caller(7, address, info.tag, message, Some(first))
}

fn not_a_block(address: usize, what: &str) -> Raise {
    bad_caller(0x46, address, 0, format!("{address:#x} was freed, but is {what}"), None)
}

pub(super) fn damaged(address: usize, info: &BlockInfo, place: &str) -> Raise {
    let message =
        format!("memory was written {place}: found when {address:#x} was freed, a {}", described(info));
    let mut check = BugCheck::new(
        bugcheck::BAD_POOL_HEADER,
        [0x20, address as u64, info.bytes as u64, u64::from(info.tag)],
        message,
    );
    if info.caller != 0 {
        check.stack = vec![info.caller];
    }
    current_core().bug_check(check)
}

fn check_tag(info: &BlockInfo, tag: Option<u32>) {
    if let Some(tag) = tag
        && (tag ^ info.tag) & !PROTECTED_POOL != 0
    {
        current_core().report(Finding::error(
            "EXEC-31",
            "",
            format!(
                "a {} was freed with tag '{}': free with the tag of the allocation",
                described(info),
                tag_text(tag)
            ),
        ));
    }
}

impl Pool {
    pub(super) fn free(&self, address: usize, tag: Option<u32>) -> Result<(), Raise> {
        let caller = caller_address();
        // While the block is still its owner's: afterwards another thread may have it, with a resource of its own.
        if let Some(info) = self.info(address) {
            crate::resource::memory_freed(address, info.bytes);
        }
        if let Some(freed) = self.special.free(address, caller) {
            check_tag(&freed?, tag);
            return Ok(());
        }
        match self.slab_at(address) {
            Some((class, slab)) => self.free_slot(class, slab, address, tag, caller),
            None => self.free_big(address, tag, caller),
        }
    }

    fn free_slot(
        &self,
        class: usize,
        slab: usize,
        address: usize,
        tag: Option<u32>,
        caller: usize,
    ) -> Result<(), Raise> {
        let mut class = self.classes[class].lock();
        let Some((slot, data)) = class.locate(slab, address) else {
            drop(class);
            return Err(not_a_block(address, "no start of a pool block"));
        };
        let state = class.slot(slab, slot);
        let info = match state {
            Slot::Live(info) if data == address => info,
            Slot::Freed(info, first) if data == address => {
                drop(class);
                return Err(freed_twice(address, &info, first));
            }
            Slot::Live(info) if address > data => {
                drop(class);
                let inside = format!("{} bytes inside a {}", address - data, described(&info));
                return Err(not_a_block(address, &inside));
            }
            _ => {
                drop(class);
                return Err(not_a_block(address, "no start of a pool block"));
            }
        };
        if let Some(place) = block::damage(data, &info) {
            drop(class);
            return Err(damaged(address, &info, place));
        }
        block::clear_guards(data);
        if cfg!(debug_assertions) || self.strict() {
            block::fill(data, block::FREED, info.bytes);
        }
        class.give_back(slab, slot, info, caller, self.strict());
        drop(class);
        check_tag(&info, tag);
        Ok(())
    }

    fn free_big(&self, address: usize, tag: Option<u32>, caller: usize) -> Result<(), Raise> {
        let removed = self.big.lock().remove(&address);
        let Some(big) = removed else { return Err(self.explain(address)) };
        if let Some(place) = block::damage(address, &big.info) {
            return Err(damaged(address, &big.info, place));
        }
        block::clear_guards(address);
        if cfg!(debug_assertions) || self.strict() {
            block::fill(address, block::FREED, big.info.bytes);
        }
        {
            let mut freed = self.freed.lock();
            if freed.len() == REMEMBERED {
                freed.pop_front();
            }
            freed.push_back(Freed { data: address, info: big.info, caller });
        }
        big.release();
        check_tag(&big.info, tag);
        Ok(())
    }

    fn explain(&self, address: usize) -> Raise {
        let first = {
            let freed = self.freed.lock();
            freed.iter().rev().find(|f| f.data == address).map(|f| (f.info, f.caller))
        };
        if let Some((info, first)) = first {
            return freed_twice(address, &info, first);
        }
        match self.around(address) {
            Some((start, info)) => {
                not_a_block(address, &format!("{} bytes inside a {}", address - start, described(&info)))
            }
            None if address == 0 => not_a_block(address, "a null pointer"),
            None => not_a_block(address, "no address of pool"),
        }
    }
}
