//! Rtl: bitmaps. A range that leaves its bitmap would write over what lies behind it, so it ends the machine.

use boundary::{Raise, export};
use nt_abi::RTL_BITMAP;
use nt_abi::irql::HIGH_LEVEL;
use nt_rtl::bitmap::{Bitmap, NOT_FOUND, Run};

use crate::argument::{arg, fault, rows, store, wrong};

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlInitializeBitMap done "";
    RtlSetBit done "";
    RtlClearBit done "";
    RtlTestBit done "";
    RtlSetBits done "";
    RtlClearBits done "";
    RtlSetAllBits done "";
    RtlClearAllBits done "";
    RtlFindClearBits done "";
    RtlFindSetBits done "";
    RtlFindClearBitsAndSet done "";
    RtlFindSetBitsAndClear done "";
    RtlFindClearRuns done "";
    RtlFindFirstRunClear done "";
    RtlFindLongestRunClear done "";
    RtlFindNextForwardRunClear done "";
    RtlFindNextForwardRunSet done "";
    RtlFindLastBackwardRunClear done "";
    RtlNumberOfClearBits done "";
    RtlNumberOfSetBits done "";
    RtlNumberOfClearBitsInRange done "";
    RtlNumberOfSetBitsInRange done "";
    RtlAreBitsClear done "";
    RtlAreBitsSet done "";
    RtlFindLeastSignificantBit done "";
    RtlFindMostSignificantBit done "";
    RtlNumberOfSetBitsUlongPtr done "";
    RtlCopyBitMap done "";
    RtlExtractBitMap done "";
}

fn inside(map: Bitmap, start: u32, length: u32, export: &str) -> Result<(), Raise> {
    if map.contains(start, length) {
        return Ok(());
    }
    let what = format!("which with {length} bits leaves a bitmap of {} bits", map.len());
    Err(wrong(export, "StartingIndex", start.into(), &what))
}

fn change(header: &RTL_BITMAP, start: u32, length: u32, set: bool, export: &str) -> Result<(), Raise> {
    let map = Bitmap::of(header);
    inside(map, start, length, export)?;
    map.change(start, length, set).map_err(fault)
}

fn find(header: &RTL_BITMAP, count: u32, hint: u32, set: bool, turn: bool) -> Result<u32, Raise> {
    let map = Bitmap::of(header);
    let Some(start) = map.find(count, hint, set).map_err(fault)? else { return Ok(NOT_FOUND) };
    if turn {
        map.change(start, count, !set).map_err(fault)?;
    }
    Ok(start)
}

fn told(run: Run, start: *mut u32, export: &str) -> Result<u32, Raise> {
    store(start, run.start, export, "StartingRunIndex")?;
    Ok(run.length)
}

fn count(header: &RTL_BITMAP, start: u32, length: u32, export: &str) -> Result<u32, Raise> {
    let map = Bitmap::of(header);
    inside(map, start, length, export)?;
    map.count_set(start, length).map_err(fault)
}

export! {
    /// Prepares a header.
    pub fn RtlInitializeBitMap(header: *mut RTL_BITMAP, words: *mut u32, bits: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlInitializeBitMap: header);
        header.SizeOfBitMap.set(bits);
        header.Buffer.set(words);
        Ok(())
    }

    /// Sets a bit.
    pub fn RtlSetBit(header: *mut RTL_BITMAP, index: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlSetBit: header);
        change(header, index, 1, true, "RtlSetBit")
    }

    /// Clears a bit.
    pub fn RtlClearBit(header: *mut RTL_BITMAP, index: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlClearBit: header);
        change(header, index, 1, false, "RtlClearBit")
    }

    /// A bit.
    pub fn RtlTestBit(header: *mut RTL_BITMAP, index: u32) -> bool [irql <= HIGH_LEVEL] {
        arg!(RtlTestBit: header);
        inside(Bitmap::of(header), index, 1, "RtlTestBit")?;
        Bitmap::of(header).test(index).map_err(fault)
    }

    /// Sets bits.
    pub fn RtlSetBits(header: *mut RTL_BITMAP, start: u32, length: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlSetBits: header);
        change(header, start, length, true, "RtlSetBits")
    }

    /// Clears bits.
    pub fn RtlClearBits(header: *mut RTL_BITMAP, start: u32, length: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlClearBits: header);
        change(header, start, length, false, "RtlClearBits")
    }

    /// Sets every bit.
    pub fn RtlSetAllBits(header: *mut RTL_BITMAP) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlSetAllBits: header);
        Bitmap::of(header).change_all(true).map_err(fault)
    }

    /// Clears every bit.
    pub fn RtlClearAllBits(header: *mut RTL_BITMAP) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlClearAllBits: header);
        Bitmap::of(header).change_all(false).map_err(fault)
    }

    /// The start of clear bits, from a hint on.
    pub fn RtlFindClearBits(header: *mut RTL_BITMAP, count: u32, hint: u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindClearBits: header);
        find(header, count, hint, false, false)
    }

    /// The start of set bits, from a hint on.
    pub fn RtlFindSetBits(header: *mut RTL_BITMAP, count: u32, hint: u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindSetBits: header);
        find(header, count, hint, true, false)
    }

    /// The start of clear bits, which are set.
    pub fn RtlFindClearBitsAndSet(header: *mut RTL_BITMAP, count: u32, hint: u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindClearBitsAndSet: header);
        find(header, count, hint, false, true)
    }

    /// The start of set bits, which are cleared.
    pub fn RtlFindSetBitsAndClear(header: *mut RTL_BITMAP, count: u32, hint: u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindSetBitsAndClear: header);
        find(header, count, hint, true, true)
    }

    /// Runs of clear bits: the first ones, or the longest ones, longest first.
    pub fn RtlFindClearRuns(header: *mut RTL_BITMAP, array: *mut [u32; 2], room: u32, longest: u8) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindClearRuns: header);
        let mut runs = Bitmap::of(header).runs(false).map_err(fault)?;
        if longest != 0 {
            runs.sort_by_key(|run| std::cmp::Reverse(run.length));
        }
        runs.truncate(room as usize);
        for (index, run) in runs.iter().enumerate() {
            store(array.wrapping_add(index), [run.start, run.length], "RtlFindClearRuns", "RunArray")?;
        }
        Ok(runs.len() as u32)
    }

    /// The first run of clear bits.
    pub fn RtlFindFirstRunClear(header: *mut RTL_BITMAP, start: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindFirstRunClear: header);
        told(Bitmap::of(header).next_run(0, false).map_err(fault)?, start, "RtlFindFirstRunClear")
    }

    /// The longest run of clear bits.
    pub fn RtlFindLongestRunClear(header: *mut RTL_BITMAP, start: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindLongestRunClear: header);
        told(Bitmap::of(header).longest_run_clear().map_err(fault)?, start, "RtlFindLongestRunClear")
    }

    /// The next run of clear bits.
    pub fn RtlFindNextForwardRunClear(header: *mut RTL_BITMAP, from: u32, start: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindNextForwardRunClear: header);
        told(Bitmap::of(header).next_run(from, false).map_err(fault)?, start, "RtlFindNextForwardRunClear")
    }

    /// The next run of set bits.
    pub fn RtlFindNextForwardRunSet(header: *mut RTL_BITMAP, from: u32, start: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindNextForwardRunSet: header);
        told(Bitmap::of(header).next_run(from, true).map_err(fault)?, start, "RtlFindNextForwardRunSet")
    }

    /// The run of clear bits before a bit.
    pub fn RtlFindLastBackwardRunClear(header: *mut RTL_BITMAP, from: u32, start: *mut u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlFindLastBackwardRunClear: header);
        told(Bitmap::of(header).last_run_clear(from).map_err(fault)?, start, "RtlFindLastBackwardRunClear")
    }

    /// How many bits are clear.
    pub fn RtlNumberOfClearBits(header: *mut RTL_BITMAP) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlNumberOfClearBits: header);
        let bits = header.SizeOfBitMap.get();
        Ok(bits - count(header, 0, bits, "RtlNumberOfClearBits")?)
    }

    /// How many bits are set.
    pub fn RtlNumberOfSetBits(header: *mut RTL_BITMAP) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlNumberOfSetBits: header);
        count(header, 0, header.SizeOfBitMap.get(), "RtlNumberOfSetBits")
    }

    /// How many bits of a range are clear.
    pub fn RtlNumberOfClearBitsInRange(header: *mut RTL_BITMAP, start: u32, length: u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlNumberOfClearBitsInRange: header);
        Ok(length - count(header, start, length, "RtlNumberOfClearBitsInRange")?)
    }

    /// How many bits of a range are set.
    pub fn RtlNumberOfSetBitsInRange(header: *mut RTL_BITMAP, start: u32, length: u32) -> u32 [irql <= HIGH_LEVEL] {
        arg!(RtlNumberOfSetBitsInRange: header);
        count(header, start, length, "RtlNumberOfSetBitsInRange")
    }

    /// Whether all bits of a range are clear.
    pub fn RtlAreBitsClear(header: *mut RTL_BITMAP, start: u32, length: u32) -> bool [irql <= HIGH_LEVEL] {
        arg!(RtlAreBitsClear: header);
        Bitmap::of(header).are_all(start, length, false).map_err(fault)
    }

    /// Whether all bits of a range are set.
    pub fn RtlAreBitsSet(header: *mut RTL_BITMAP, start: u32, length: u32) -> bool [irql <= HIGH_LEVEL] {
        arg!(RtlAreBitsSet: header);
        Bitmap::of(header).are_all(start, length, true).map_err(fault)
    }

    /// The lowest one of a number; -1 when there is none.
    pub fn RtlFindLeastSignificantBit(number: u64) -> i8 [irql <= HIGH_LEVEL] {
        Ok(if number == 0 { -1 } else { number.trailing_zeros() as i8 })
    }

    /// The highest one of a number; -1 when there is none.
    pub fn RtlFindMostSignificantBit(number: u64) -> i8 [irql <= HIGH_LEVEL] {
        Ok(63 - number.leading_zeros() as i8)
    }

    /// How many ones a number has.
    pub fn RtlNumberOfSetBitsUlongPtr(number: u64) -> u32 [irql <= HIGH_LEVEL] {
        Ok(number.count_ones())
    }

    /// Copies a bitmap into another, from a bit on.
    pub fn RtlCopyBitMap(source: *mut RTL_BITMAP, target: *mut RTL_BITMAP, to: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlCopyBitMap: source, target);
        let (source, target) = (Bitmap::of(source), Bitmap::of(target));
        inside(target, to, source.len(), "RtlCopyBitMap")?;
        source.copy_to(0, target, to, source.len()).map_err(fault)
    }

    /// Copies bits of a bitmap to the start of another.
    pub fn RtlExtractBitMap(source: *mut RTL_BITMAP, target: *mut RTL_BITMAP, from: u32, count: u32) -> () [irql <= HIGH_LEVEL] {
        arg!(RtlExtractBitMap: source, target);
        let (source, target) = (Bitmap::of(source), Bitmap::of(target));
        inside(source, from, count, "RtlExtractBitMap")?;
        inside(target, 0, count, "RtlExtractBitMap")?;
        source.copy_to(from, target, 0, count).map_err(fault)
    }
}
