//! Page ranges of one area: first fit at the lowest address.
//!
//! The free ranges are kept here and nowhere in the pages themselves, so that no driver can damage them.

use std::collections::BTreeMap;

use boundary::slot::PAGE_SIZE;
use nt_ke::{Lock, Rank};

/// A run of pages from which ranges are taken.
pub struct PageArea {
    base: usize,
    pages: usize,
    /// First page → how many, never adjacent to each other.
    free: Lock<BTreeMap<usize, usize>>,
}

impl PageArea {
    /// All of `pages` pages from `base` on are free.
    pub fn new(base: usize, pages: usize) -> Self {
        Self { base, pages, free: Lock::new(Rank::MmAreas, BTreeMap::from([(0, pages)])) }
    }

    /// First address and bytes.
    pub fn range(&self) -> (usize, usize) {
        (self.base, self.pages * PAGE_SIZE)
    }

    /// Takes the lowest `pages` pages whose address is a multiple of `alignment` pages (a power of two).
    pub fn take(&self, pages: usize, alignment: usize) -> Option<usize> {
        assert!(pages > 0 && alignment.is_power_of_two());
        let first_page = self.base / PAGE_SIZE;
        let mut free = self.free.lock();
        let (start, length, at) = free.iter().find_map(|(&start, &length)| {
            let at = (first_page + start).next_multiple_of(alignment) - first_page;
            (at + pages <= start + length).then_some((start, length, at))
        })?;
        free.remove(&start);
        if at > start {
            free.insert(start, at - start);
        }
        if at + pages < start + length {
            free.insert(at + pages, start + length - at - pages);
        }
        Some(self.base + at * PAGE_SIZE)
    }

    /// Gives a range back. It must have been taken; parts of it may be given back one by one.
    pub fn give_back(&self, address: usize, pages: usize) {
        let mut at = (address - self.base) / PAGE_SIZE;
        let mut length = pages;
        assert!(at + pages <= self.pages, "the range lies in this area");
        let mut free = self.free.lock();
        if let Some((&start, &before)) = free.range(..=at).next_back() {
            assert!(start + before <= at, "pages are given back once");
            if start + before == at {
                free.remove(&start);
                at = start;
                length += before;
            }
        }
        if let Some((&start, &after)) = free.range(at..).next() {
            assert!(start >= at + length, "pages are given back once");
            if start == at + length {
                free.remove(&start);
                length += after;
            }
        }
        free.insert(at, length);
    }

    /// Pages in use.
    pub fn used(&self) -> usize {
        self.pages - self.free.lock().values().sum::<usize>()
    }
}

#[cfg(test)]
mod page_area {
    use super::*;

    #[test]
    fn takes_the_lowest_range_that_fits() {
        let area = PageArea::new(0x10_0000, 64);
        let first = area.take(4, 1).unwrap();
        let second = area.take(2, 1).unwrap();
        assert_eq!((first, second), (0x10_0000, 0x10_4000));
        area.give_back(first, 4);
        assert_eq!(area.take(5, 1), Some(0x10_6000));
        assert_eq!(area.take(3, 1), Some(0x10_0000));
    }

    #[test]
    fn keeps_the_pages_before_an_aligned_range() {
        let area = PageArea::new(0x10_1000, 64);
        assert_eq!(area.take(16, 16), Some(0x11_0000));
        assert_eq!(area.take(1, 1), Some(0x10_1000));
    }

    #[test]
    fn joins_what_is_given_back() {
        let area = PageArea::new(0, 8);
        let addresses: Vec<_> = (0..8).map(|_| area.take(1, 1).unwrap()).collect();
        assert_eq!(area.take(1, 1), None);
        for address in addresses.iter().step_by(2).chain(addresses.iter().skip(1).step_by(2)) {
            area.give_back(*address, 1);
        }
        assert_eq!(area.used(), 0);
        assert_eq!(area.take(8, 1), Some(0));
    }
}
