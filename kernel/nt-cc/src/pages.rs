//! Sets of pages inside one view: 64 pages, one bit each.

use boundary::slot::PAGE_SIZE;

/// Pages of a view.
pub const PAGES: usize = 64;
/// Bytes of a view.
pub const VIEW_SIZE: usize = PAGES * PAGE_SIZE;

/// The pages from `first` up to and without `end`.
#[inline]
pub fn span(first: usize, end: usize) -> u64 {
    if first >= end { 0 } else { (u64::MAX >> (PAGES - (end - first))) << first }
}

/// The pages that hold the bytes from `start` up to and without `end`.
#[inline]
pub fn touched(start: usize, end: usize) -> u64 {
    if start >= end { 0 } else { span(start / PAGE_SIZE, end.div_ceil(PAGE_SIZE)) }
}

/// The pages that lie wholly between `start` and `end`.
#[inline]
pub fn whole(start: usize, end: usize) -> u64 {
    span(start.div_ceil(PAGE_SIZE), end / PAGE_SIZE)
}

/// The lowest run of adjacent pages in a set: first page and how many.
pub fn first_run(set: u64) -> Option<(usize, usize)> {
    (set != 0).then(|| {
        let first = set.trailing_zeros() as usize;
        (first, (set >> first).trailing_ones() as usize)
    })
}

#[cfg(test)]
mod a_set_of_pages {
    use super::*;

    #[test]
    fn holds_the_pages_that_a_range_touches_and_those_that_it_covers() {
        assert_eq!(touched(0, 1), 1);
        assert_eq!(touched(4095, 4097), 0b11);
        assert_eq!(touched(0, VIEW_SIZE), u64::MAX);
        assert_eq!(touched(5, 5), 0);
        assert_eq!(whole(0, 4095), 0);
        assert_eq!(whole(1, 3 * 4096), 0b110);
        assert_eq!(whole(0, VIEW_SIZE), u64::MAX);
        assert_eq!(whole(4097, 8191), 0);
    }

    #[test]
    fn finds_its_lowest_run() {
        assert_eq!(first_run(0), None);
        assert_eq!(first_run(0b0110_1000), Some((3, 1)));
        assert_eq!(first_run(u64::MAX), Some((0, 64)));
        assert_eq!(first_run(1 << 63), Some((63, 1)));
    }
}
