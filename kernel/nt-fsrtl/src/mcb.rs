//! Mappings of ranges: which sectors of a volume hold which part of a file. `LARGE_MCB` as file systems keep it.
//!
//! ```text
//! LARGE_MCB: mutex pointer | BASE_MCB: room, runs, pool type, flags, address of the runs ─► pool: (next VBN, LBN or -1) …
//! ```
//!
//! Runs lie one behind the other from VBN 0 on; a hole is a run whose LBN is -1. The last run is never a hole. A call
//! takes the runs out, changes them and puts them back; the mutex orders calls, as on Windows.

use boundary::{Raise, copy};
use nt_abi::{FAST_MUTEX, NtStatus};
use nt_ex::pool;

/// What stands for no sector.
pub const HOLE: i64 = -1;
const TAG: u32 = u32::from_le_bytes(*b"FSmc");
/// Runs that a fresh mapping has room for.
const FIRST_ROOM: u32 = 15;

/// Offsets in `LARGE_MCB`.
mod field {
    pub const MUTEX: usize = 0;
    pub const ROOM: usize = 8;
    pub const COUNT: usize = 0xC;
    pub const POOL_TYPE: usize = 0x10;
    pub const RUNS: usize = 0x18;
}

/// Consecutive sectors: VBNs `start..end` are LBNs from `lbn` on, or a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First VBN.
    pub start: i64,
    /// VBN behind the last one.
    pub end: i64,
    /// LBN of the first, or [`HOLE`].
    pub lbn: i64,
}

impl Run {
    /// LBN of a VBN of the run.
    fn at(&self, vbn: i64) -> i64 {
        if self.lbn == HOLE { HOLE } else { self.lbn + (vbn - self.start) }
    }
}

/// The runs of a mapping, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// Runs that follow each other from 0 on. Neighbours that are one become one; a hole at the end goes.
    fn of(pieces: impl IntoIterator<Item = Run>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for piece in pieces.into_iter().filter(|piece| piece.start < piece.end) {
            match runs.last_mut() {
                Some(last)
                    if last.at(piece.start) == piece.lbn && (last.lbn == HOLE) == (piece.lbn == HOLE) =>
                {
                    last.end = piece.end;
                }
                _ => runs.push(piece),
            }
        }
        if runs.last().is_some_and(|last| last.lbn == HOLE) {
            runs.pop();
        }
        Self(runs)
    }

    /// All of them.
    pub fn all(&self) -> &[Run] {
        &self.0
    }

    /// VBN behind the last mapped one.
    pub fn end(&self) -> i64 {
        self.0.last().map_or(0, |last| last.end)
    }

    /// The run of a VBN and its number. Source: FsRtlLookupLargeMcbEntry
    pub fn find(&self, vbn: i64) -> Option<(usize, Run)> {
        let index = self.0.partition_point(|run| run.end <= vbn);
        self.0.get(index).filter(|run| run.start <= vbn).map(|run| (index, *run))
    }

    /// The parts of the runs inside `start..end`.
    fn within(&self, start: i64, end: i64) -> impl Iterator<Item = Run> + '_ {
        self.0.iter().filter_map(move |run| {
            let (from, to) = (run.start.max(start), run.end.min(end));
            (from < to).then(|| Run { start: from, end: to, lbn: run.at(from) })
        })
    }

    /// Maps `count` sectors. `None` when one of them is mapped elsewhere.
    ///
    /// Source: FsRtlAddLargeMcbEntry
    #[must_use]
    pub fn add(&self, vbn: i64, lbn: i64, count: i64) -> Option<Self> {
        let new = Run { start: vbn, end: vbn.checked_add(count)?, lbn };
        if self.within(new.start, new.end).any(|old| old.lbn != HOLE && old.lbn != new.at(old.start)) {
            return None;
        }
        let gap = Run { start: self.end(), end: vbn, lbn: HOLE };
        let before = self.within(0, vbn).chain((gap.start < gap.end).then_some(gap));
        Some(Self::of(before.chain([new]).chain(self.within(new.end, i64::MAX))))
    }

    /// Makes `count` sectors a hole. Source: FsRtlRemoveLargeMcbEntry
    #[must_use]
    pub fn remove(&self, vbn: i64, count: i64) -> Self {
        let end = vbn.saturating_add(count).min(self.end());
        let hole = Run { start: vbn, end, lbn: HOLE };
        Self::of(self.within(0, vbn).chain([hole]).chain(self.within(end, i64::MAX)))
    }

    /// Forgets everything from `vbn` on. Source: FsRtlTruncateLargeMcb
    #[must_use]
    pub fn truncate(&self, vbn: i64) -> Self {
        Self::of(self.within(0, vbn))
    }

    /// Moves what begins at `vbn` up by `amount`, over a hole. `None` when there is nothing behind it.
    ///
    /// Source: FsRtlSplitLargeMcb
    #[must_use]
    pub fn split(&self, vbn: i64, amount: i64) -> Option<Self> {
        if vbn >= self.end() {
            return None;
        }
        let moved = self.within(vbn, i64::MAX).map(|run| Run {
            start: run.start + amount,
            end: run.end + amount,
            ..run
        });
        let hole = Run { start: vbn, end: vbn + amount, lbn: HOLE };
        Some(Self::of(self.within(0, vbn).chain([hole]).chain(moved)))
    }
}

fn bad(_: copy::BadAddress) -> Raise {
    Raise::Status(NtStatus::ACCESS_VIOLATION)
}

fn get(mcb: usize, at: usize) -> Result<usize, Raise> {
    copy::read_value::<usize>(mcb + at).map_err(bad)
}

/// Prepares a mapping without runs. Source: FsRtlInitializeLargeMcb. Errors: raises InsufficientResources
pub fn initialize(mcb: usize, pool_type: u32) -> Result<(), Raise> {
    let mutex = pool::allocate_new::<FAST_MUTEX>(TAG).map_err(Raise::Status)?;
    nt_ex::fast_mutex::initialize(mutex);
    nt_ke::locks::named(std::ptr::from_ref(mutex) as usize, "mutex inside an MCB");
    copy::write_value(mcb + field::MUTEX, std::ptr::from_ref(mutex) as usize).map_err(bad)?;
    copy::write_value(mcb + field::COUNT, 0u32).map_err(bad)?;
    copy::write_value(mcb + field::POOL_TYPE, pool_type as u16).map_err(bad)?;
    copy::write_value(mcb + field::POOL_TYPE + 2, 0u16).map_err(bad)?;
    let room = room(mcb, FIRST_ROOM)?;
    copy::write_value(mcb + field::RUNS, room).map_err(bad)
}

/// Memory for runs; notes how many it takes.
fn room(mcb: usize, runs: u32) -> Result<usize, Raise> {
    let kind = u32::from(copy::read_value::<u16>(mcb + field::POOL_TYPE).map_err(bad)?);
    let block = pool::allocate_pool_with_tag(kind, runs as usize * 16, TAG)?;
    if block.is_null() {
        return Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES));
    }
    copy::write_value(mcb + field::ROOM, runs).map_err(bad)?;
    Ok(block as usize)
}

/// Gives the memory of a mapping back. Source: FsRtlUninitializeLargeMcb
pub fn uninitialize(mcb: usize) -> Result<(), Raise> {
    for at in [field::MUTEX, field::RUNS] {
        let block = get(mcb, at)?;
        if block != 0 {
            copy::write_value(mcb + at, 0usize).map_err(bad)?;
            pool::free(block as *const u8, Some(TAG))?;
        }
    }
    Ok(())
}

fn load(mcb: usize) -> Result<Runs, Raise> {
    let (count, at) = (copy::read_value::<u32>(mcb + field::COUNT).map_err(bad)?, get(mcb, field::RUNS)?);
    let mut runs = Vec::with_capacity(count as usize);
    let mut start = 0;
    for index in 0..count as usize {
        let [end, lbn] = copy::read_value::<[i64; 2]>(at + index * 16).map_err(bad)?;
        runs.push(Run { start, end, lbn });
        start = end;
    }
    Ok(Runs(runs))
}

fn save(mcb: usize, runs: &Runs) -> Result<(), Raise> {
    let count = runs.0.len() as u32;
    let mut at = get(mcb, field::RUNS)?;
    if count > copy::read_value::<u32>(mcb + field::ROOM).map_err(bad)? {
        let larger = room(mcb, count.next_power_of_two().max(FIRST_ROOM) + 1)?;
        pool::free(at as *const u8, Some(TAG))?;
        at = larger;
        copy::write_value(mcb + field::RUNS, at).map_err(bad)?;
    }
    for (index, run) in runs.0.iter().enumerate() {
        copy::write_value(at + index * 16, [run.end, run.lbn]).map_err(bad)?;
    }
    copy::write_value(mcb + field::COUNT, count).map_err(bad)
}

/// Runs `f` on the runs with the mutex held; what it gives back is stored.
pub fn with<R>(mcb: usize, f: impl FnOnce(Runs) -> (Option<Runs>, R)) -> Result<R, Raise> {
    let address = get(mcb, field::MUTEX)?;
    // SAFETY: `initialize` put the address of a fast mutex there; zero or another address is the driver's mistake,
    // which faults below the export that it called.
    let mutex = unsafe { &*(address as *const FAST_MUTEX) };
    nt_ex::fast_mutex::acquire(mutex)?;
    let result = load(mcb).and_then(|runs| {
        let (changed, answer) = f(runs);
        changed.map_or(Ok(()), |runs| save(mcb, &runs)).map(|()| answer)
    });
    nt_ex::fast_mutex::release(mutex)?;
    result
}

#[cfg(test)]
mod runs {
    use std::collections::BTreeMap;

    use super::*;

    /// The same mapping, sector by sector.
    fn sectors(runs: &Runs) -> BTreeMap<i64, i64> {
        runs.all()
            .iter()
            .filter(|run| run.lbn != HOLE)
            .flat_map(|run| (run.start..run.end).map(|vbn| (vbn, run.at(vbn))))
            .collect()
    }

    #[test]
    fn agree_with_a_map_of_sectors() {
        let mut state = 12345u64;
        let mut random = |below: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as i64 % below
        };
        let (mut runs, mut model) = (Runs::default(), BTreeMap::new());
        for _ in 0..3000 {
            let (vbn, count) = (random(60), 1 + random(9));
            match random(5) {
                0 => {
                    runs = runs.remove(vbn, count);
                    model.retain(|at, _| *at < vbn || *at >= vbn + count);
                }
                1 if random(4) == 0 => {
                    runs = runs.truncate(vbn);
                    model.retain(|at, _| *at < vbn);
                }
                2 if random(4) == 0 && runs.end() < 100 => {
                    if let Some(split) = runs.split(vbn, count) {
                        runs = split;
                        model = model
                            .into_iter()
                            .map(|(at, lbn)| (if at < vbn { at } else { at + count }, lbn))
                            .collect();
                    }
                }
                _ => {
                    let lbn = vbn + 1000 * random(2);
                    let free = (0..count).all(|k| model.get(&(vbn + k)).is_none_or(|old| *old == lbn + k));
                    let added = runs.add(vbn, lbn, count);
                    assert_eq!(added.is_some(), free);
                    if let Some(added) = added {
                        runs = added;
                        model.extend((0..count).map(|k| (vbn + k, lbn + k)));
                    }
                }
            }
            assert_eq!(sectors(&runs), model);
            assert_eq!(runs.end(), model.keys().next_back().map_or(0, |last| last + 1));
            let together = runs
                .all()
                .windows(2)
                .all(|two| two[0].end == two[1].start && two[0].at(two[0].end) != two[1].lbn);
            assert!(together, "runs follow each other, and neighbours are one: {runs:?}");
        }
    }
}
