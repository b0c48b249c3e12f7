//! Bitmaps of drivers: `RTL_BITMAP`, whose words lie in the driver's memory.
//!
//! Bit n is bit n % 32 of word n / 32. No lock is taken. Whoever calls has checked that ranges lie inside the
//! bitmap; searches never leave it.

use std::ops::Range;

use boundary::copy::{self, BadAddress};
use nt_abi::RTL_BITMAP;

/// What searches answer when there is nothing: 0xFFFFFFFF.
pub const NOT_FOUND: u32 = u32::MAX;

/// Bits that are alike, one after the other: `RTL_BITMAP_RUN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The first bit.
    pub start: u32,
    /// How many.
    pub length: u32,
}

impl Run {
    fn of(bits: Range<u32>) -> Self {
        Self { start: bits.start, length: bits.end - bits.start }
    }
}

/// A bitmap: its size in bits and the address of its words.
#[derive(Clone, Copy, Debug)]
pub struct Bitmap {
    bits: u32,
    words: usize,
}

impl Bitmap {
    /// The bitmap that a header describes.
    pub fn of(header: &RTL_BITMAP) -> Self {
        Self { bits: header.SizeOfBitMap.get(), words: header.Buffer.get() as usize }
    }

    /// How many bits it has.
    pub fn len(self) -> u32 {
        self.bits
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether a range of bits, which may be empty, lies inside.
    pub fn contains(self, start: u32, length: u32) -> bool {
        start.checked_add(length).is_some_and(|end| end <= self.bits)
    }

    fn at(self, index: u32) -> usize {
        self.words.wrapping_add(index as usize / 32 * 4)
    }

    /// The word of a bit, with the bits that are as `set` says as ones.
    fn word(self, index: u32, set: bool) -> Result<u32, BadAddress> {
        let word = copy::read_value::<u32>(self.at(index))?;
        Ok(if set { word } else { !word })
    }

    /// Source: RtlTestBit
    pub fn test(self, index: u32) -> Result<bool, BadAddress> {
        Ok(self.word(index, true)? >> (index % 32) & 1 != 0)
    }

    /// Sets or clears bits. Source: RtlSetBits, RtlClearBits, RtlSetAllBits, RtlClearAllBits
    pub fn change(self, start: u32, length: u32, set: bool) -> Result<(), BadAddress> {
        let (mut at, end) = (start, start + length);
        while at < end {
            let next = (at - at % 32).saturating_add(32).min(end);
            if next - at == 32 {
                copy::write_value(self.at(at), if set { u32::MAX } else { 0 })?;
            } else {
                let mask = (u32::MAX >> (32 - (next - at))) << (at % 32);
                let word = self.word(at, true)?;
                copy::write_value(self.at(at), if set { word | mask } else { word & !mask })?;
            }
            at = next;
        }
        Ok(())
    }

    /// Fills the whole bitmap, with the bits of its last word that lie behind its end. Source: RtlSetAllBits
    pub fn change_all(self, set: bool) -> Result<(), BadAddress> {
        let bytes = (self.bits as usize).div_ceil(32) * 4;
        copy::fill(self.words, if set { 0xFF } else { 0 }, bytes)
    }

    /// The first bit from `from` on that is as `set` says; the size if there is none.
    fn next(self, from: u32, set: bool) -> Result<u32, BadAddress> {
        let mut at = from;
        while at < self.bits {
            let word = self.word(at, set)? >> (at % 32);
            if word != 0 {
                return Ok((at + word.trailing_zeros()).min(self.bits));
            }
            at = (at - at % 32).saturating_add(32);
        }
        Ok(self.bits)
    }

    /// The last bit before `before` that is as `set` says.
    fn last(self, before: u32, set: bool) -> Result<Option<u32>, BadAddress> {
        let mut before = before.min(self.bits);
        while before > 0 {
            let at = before - 1;
            let word = self.word(at, set)? << (31 - at % 32);
            if word != 0 {
                return Ok(Some(at - word.leading_zeros()));
            }
            before = at - at % 32;
        }
        Ok(None)
    }

    /// The first run of bits that are as `set` says, from `from` on; an empty one at the end if there is none.
    ///
    /// Source: RtlFindNextForwardRunClear, RtlFindFirstRunClear
    pub fn next_run(self, from: u32, set: bool) -> Result<Run, BadAddress> {
        let start = self.next(from.min(self.bits), set)?;
        Ok(Run::of(start..self.next(start, !set)?))
    }

    /// The run of clear bits that ends at `from` or is the last before it; an empty one if there is none.
    ///
    /// Source: RtlFindLastBackwardRunClear
    pub fn last_run_clear(self, from: u32) -> Result<Run, BadAddress> {
        let Some(last) = self.last(from.saturating_add(1), false)? else {
            return Ok(Run { start: from, length: 0 });
        };
        let start = self.last(last, true)?.map_or(0, |set| set + 1);
        Ok(Run::of(start..last + 1))
    }

    /// All runs that are as `set` says.
    pub fn runs(self, set: bool) -> Result<Vec<Run>, BadAddress> {
        let mut runs = Vec::new();
        let mut run = self.next_run(0, set)?;
        while run.length > 0 {
            runs.push(run);
            run = self.next_run(run.start + run.length, set)?;
        }
        Ok(runs)
    }

    /// The longest run of clear bits, the first of several; an empty one if there is none.
    ///
    /// Source: RtlFindLongestRunClear
    pub fn longest_run_clear(self) -> Result<Run, BadAddress> {
        let mut longest = Run::default();
        for run in self.runs(false)? {
            if run.length > longest.length {
                longest = run;
            }
        }
        Ok(longest)
    }

    /// The start of `count` bits that are all as `set` says: at `hint` or behind it, else before. A hint outside is 0.
    ///
    /// Source: RtlFindClearBits, RtlFindSetBits
    pub fn find(self, count: u32, hint: u32, set: bool) -> Result<Option<u32>, BadAddress> {
        let hint = if hint < self.bits { hint } else { 0 };
        if count == 0 {
            return Ok(Some(hint));
        }
        for (mut from, end) in [(hint, self.bits), (0, hint)] {
            while from < end {
                let run = self.next_run(from, set)?;
                if run.length >= count {
                    return Ok(Some(run.start));
                }
                if run.length == 0 {
                    break;
                }
                from = run.start + run.length;
            }
        }
        Ok(None)
    }

    /// How many bits of a range are set. Source: RtlNumberOfSetBits, RtlNumberOfSetBitsInRange
    pub fn count_set(self, start: u32, length: u32) -> Result<u32, BadAddress> {
        let (mut at, end, mut count) = (start, start + length, 0);
        while at < end {
            let next = (at - at % 32).saturating_add(32).min(end);
            let word = self.word(at, true)? >> (at % 32);
            count += (word & (u32::MAX >> (32 - (next - at)))).count_ones();
            at = next;
        }
        Ok(count)
    }

    /// Whether a range that is not empty lies inside and all its bits are as `set` says.
    ///
    /// Source: RtlAreBitsSet, RtlAreBitsClear
    pub fn are_all(self, start: u32, length: u32, set: bool) -> Result<bool, BadAddress> {
        Ok(length > 0 && self.contains(start, length) && self.next(start, !set)? >= start + length)
    }

    /// Copies bits of `self` from `from` on to `target` from `to` on. Source: RtlCopyBitMap, RtlExtractBitMap
    pub fn copy_to(self, from: u32, target: Self, to: u32, count: u32) -> Result<(), BadAddress> {
        for index in 0..count {
            target.change(to + index, 1, self.test(from + index)?)?;
        }
        Ok(())
    }
}
