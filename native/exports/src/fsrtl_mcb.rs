//! FsRtl: mappings of ranges.

use boundary::export;
use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_fsrtl::mcb::{self, HOLE};

use crate::argument::{rows, store, store_if};

rows! { "ntoskrnl.exe", "nt-fsrtl";
    FsRtlInitializeLargeMcb done "";
    FsRtlUninitializeLargeMcb done "";
    FsRtlAddLargeMcbEntry done "";
    FsRtlRemoveLargeMcbEntry done "";
    FsRtlTruncateLargeMcb done "";
    FsRtlSplitLargeMcb done "";
    FsRtlResetLargeMcb done "";
    FsRtlLookupLargeMcbEntry done "";
    FsRtlLookupLastLargeMcbEntry done "";
    FsRtlLookupLastLargeMcbEntryAndIndex done "";
    FsRtlNumberOfRunsInLargeMcb done "";
    FsRtlGetNextLargeMcbEntry done "";
}

export! {
    /// Prepares a mapping.
    pub fn FsRtlInitializeLargeMcb(mapping: usize, pool_type: u32) -> () [irql <= APC_LEVEL] { mcb::initialize(mapping, pool_type) }

    /// Gives its memory back.
    pub fn FsRtlUninitializeLargeMcb(mapping: usize) -> () [irql <= APC_LEVEL] { mcb::uninitialize(mapping) }

    /// Maps sectors; false when one is mapped elsewhere.
    pub fn FsRtlAddLargeMcbEntry(mapping: usize, vbn: i64, lbn: i64, count: i64) -> bool [irql <= PASSIVE_LEVEL] {
        mcb::with(mapping, |runs| {
            let added = runs.add(vbn, lbn, count);
            let done = added.is_some();
            (added, done)
        })
    }

    /// Makes sectors a hole.
    pub fn FsRtlRemoveLargeMcbEntry(mapping: usize, vbn: i64, count: i64) -> () [irql <= PASSIVE_LEVEL] {
        mcb::with(mapping, |runs| (Some(runs.remove(vbn, count)), ()))
    }

    /// Forgets everything from a sector on.
    pub fn FsRtlTruncateLargeMcb(mapping: usize, vbn: i64) -> () [irql <= PASSIVE_LEVEL] {
        mcb::with(mapping, |runs| (Some(runs.truncate(vbn)), ()))
    }

    /// Moves what begins at a sector up, over a hole.
    pub fn FsRtlSplitLargeMcb(mapping: usize, vbn: i64, amount: i64) -> bool [irql <= PASSIVE_LEVEL] {
        mcb::with(mapping, |runs| {
            let split = runs.split(vbn, amount);
            let done = split.is_some();
            (split, done)
        })
    }

    /// Forgets everything.
    pub fn FsRtlResetLargeMcb(mapping: usize, _synchronized: u8) -> () [irql <= PASSIVE_LEVEL] {
        mcb::with(mapping, |runs| (Some(runs.truncate(0)), ()))
    }

    /// Where a sector is mapped, how far that goes on, and the run that it belongs to; false behind the last one.
    pub fn FsRtlLookupLargeMcbEntry(mapping: usize, vbn: i64, lbn: *mut i64, count: *mut i64, start_lbn: *mut i64, start_count: *mut i64, index: *mut u32) -> bool [irql <= PASSIVE_LEVEL] {
        let Some((number, run)) = mcb::with(mapping, |runs| (None, runs.find(vbn)))? else { return Ok(false) };
        let here = if run.lbn == HOLE { HOLE } else { run.lbn + (vbn - run.start) };
        store_if(lbn, here)?;
        store_if(count, run.end - vbn)?;
        store_if(start_lbn, run.lbn)?;
        store_if(start_count, run.end - run.start)?;
        store_if(index, number as u32)?;
        Ok(true)
    }

    /// The last mapped sector; false when there is none.
    pub fn FsRtlLookupLastLargeMcbEntry(mapping: usize, vbn: *mut i64, lbn: *mut i64) -> bool [irql <= PASSIVE_LEVEL] {
        last("FsRtlLookupLastLargeMcbEntry", mapping, vbn, lbn).map(|index| index.is_some())
    }

    /// The last mapped sector and the number of its run; false when there is none.
    pub fn FsRtlLookupLastLargeMcbEntryAndIndex(mapping: usize, vbn: *mut i64, lbn: *mut i64, index: *mut u32) -> bool [irql <= PASSIVE_LEVEL] {
        match last("FsRtlLookupLastLargeMcbEntryAndIndex", mapping, vbn, lbn)? {
            Some(number) => store(index, number, "FsRtlLookupLastLargeMcbEntryAndIndex", "Index").map(|()| true),
            None => Ok(false),
        }
    }

    /// How many runs there are, holes counted.
    pub fn FsRtlNumberOfRunsInLargeMcb(mapping: usize) -> u32 [irql <= PASSIVE_LEVEL] {
        mcb::with(mapping, |runs| (None, runs.all().len() as u32))
    }

    /// A run by number; false when there is none.
    pub fn FsRtlGetNextLargeMcbEntry(mapping: usize, index: u32, vbn: *mut i64, lbn: *mut i64, count: *mut i64) -> bool [irql <= PASSIVE_LEVEL] {
        let Some(run) = mcb::with(mapping, |runs| (None, runs.all().get(index as usize).copied()))? else { return Ok(false) };
        store(vbn, run.start, "FsRtlGetNextLargeMcbEntry", "Vbn")?;
        store(lbn, run.lbn, "FsRtlGetNextLargeMcbEntry", "Lbn")?;
        store(count, run.end - run.start, "FsRtlGetNextLargeMcbEntry", "SectorCount")?;
        Ok(true)
    }
}

fn last(export: &str, mapping: usize, vbn: *mut i64, lbn: *mut i64) -> Result<Option<u32>, boundary::Raise> {
    let found =
        mcb::with(mapping, |runs| (None, runs.all().last().map(|run| (runs.all().len() as u32 - 1, *run))))?;
    let Some((index, run)) = found else { return Ok(None) };
    store(vbn, run.end - 1, export, "Vbn")?;
    store(lbn, run.lbn + (run.end - 1 - run.start), export, "Lbn")?;
    Ok(Some(index))
}
