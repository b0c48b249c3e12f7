//! The bytes of one stream in memory, and the space that all streams share.
//!
//! A stream is a map of 64 KiB chunks; a chunk holds its first bytes up to some multiple of 4 KiB, and what it does
//! not hold reads as zeros. So holes take nothing and a small file takes 4 KiB. Space is charged before a byte moves:
//! a refused write changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The granularity of allocation.
pub(super) const CLUSTER: u64 = 4096;
const CHUNK: u64 = 64 * 1024;

/// The capacity of a volume and what is taken of it.
pub(super) struct Space {
    pub(super) capacity: u64,
    used: AtomicU64,
}

impl Space {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, used: AtomicU64::new(0) }
    }

    pub(super) fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used.load(Ordering::Relaxed))
    }

    fn charge(&self, bytes: u64) -> Result<(), Full> {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= self.capacity)
            })
            .map(|_| ())
            .map_err(|_| Full)
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The volume, or the machine's memory, has no more room.
#[derive(Debug)]
pub(super) struct Full;

pub(super) struct Data {
    space: Arc<Space>,
    size: u64,
    chunks: BTreeMap<u64, Vec<u8>>,
    /// Bytes in all chunks.
    held: u64,
    /// Bytes that were asked for ahead.
    reserved: u64,
}

impl Data {
    pub(super) fn new(space: Arc<Space>) -> Self {
        Self { space, size: 0, chunks: BTreeMap::new(), held: 0, reserved: 0 }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn allocation(&self) -> u64 {
        self.held.max(self.reserved)
    }

    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let length = into.len().min(usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        for (index, start, part) in pieces(offset, length) {
            let target = &mut into[part];
            let held = self.chunks.get(&index).and_then(|chunk| chunk.get(start..)).unwrap_or(&[]);
            let there = held.len().min(target.len());
            target[..there].copy_from_slice(&held[..there]);
            target[there..].fill(0);
        }
        length
    }

    /// Writes all of `data`; the caller has checked the end against the largest size.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Full> {
        let growths: Vec<(u64, usize, usize)> = pieces(offset, data.len())
            .filter_map(|(index, start, part)| {
                let wanted = (start + part.len()).next_multiple_of(CLUSTER as usize);
                let there = self.chunks.get(&index).map_or(0, Vec::len);
                (wanted > there).then_some((index, there, wanted))
            })
            .collect();
        let more: u64 = growths.iter().map(|(_, there, wanted)| (wanted - there) as u64).sum();
        self.recharge(self.held + more, self.reserved)?;
        for &(index, there, wanted) in &growths {
            let chunk = self.chunks.entry(index).or_default();
            if chunk.try_reserve(wanted - there).is_err() {
                self.settle();
                return Err(Full);
            }
            chunk.resize(wanted, 0);
        }
        for (index, start, part) in pieces(offset, data.len()) {
            if let Some(chunk) = self.chunks.get_mut(&index) {
                chunk[start..start + part.len()].copy_from_slice(&data[part]);
            }
        }
        if !data.is_empty() {
            self.size = self.size.max(offset + data.len() as u64);
        }
        Ok(())
    }

    pub(super) fn set_size(&mut self, size: u64) {
        if size < self.size {
            let (last, keep) = (size / CHUNK, (size % CHUNK) as usize);
            self.chunks.split_off(&(last + 1));
            if keep == 0 {
                self.chunks.remove(&last);
            } else if let Some(chunk) = self.chunks.get_mut(&last) {
                chunk.truncate(keep.next_multiple_of(CLUSTER as usize));
                chunk.shrink_to_fit();
                if let Some(cut) = chunk.get_mut(keep..) {
                    cut.fill(0);
                }
            }
            let charged = self.allocation();
            self.reserved = self.reserved.min(size.next_multiple_of(CLUSTER));
            self.held = self.counted();
            self.space.release(charged - self.allocation());
        }
        self.size = size;
    }

    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), Full> {
        self.recharge(self.held, bytes.next_multiple_of(CLUSTER))
    }

    fn counted(&self) -> u64 {
        self.chunks.values().map(|chunk| chunk.len() as u64).sum()
    }

    /// After a growth that stopped half-way: charges what is really there.
    fn settle(&mut self) {
        let charged = self.allocation();
        self.held = self.counted();
        self.space.release(charged - self.allocation());
    }

    fn recharge(&mut self, held: u64, reserved: u64) -> Result<(), Full> {
        let (before, after) = (self.allocation(), held.max(reserved));
        if after > before {
            self.space.charge(after - before)?;
        } else {
            self.space.release(before - after);
        }
        (self.held, self.reserved) = (held, reserved);
        Ok(())
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.space.release(self.allocation());
    }
}

/// Cuts a range at chunk boundaries: chunk index, start in the chunk, range in the caller's buffer.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let start = (at % CHUNK) as usize;
        let count = (CHUNK as usize - start).min(length - done);
        let part = done..done + count;
        done += count;
        Some((at / CHUNK, start, part))
    })
}
