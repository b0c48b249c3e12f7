//! Second addresses of pages, and which pages were written to through them.

mod machine;

use boundary::copy;
use boundary::slot::Protection;
use machine::machine;
use nt_abi::PAGE_SIZE;
use nt_mm::{MappedView, ViewPart, Written, mdl, mm, probe};

/// A writable view of `pages` fresh pages of pool, and their first address.
fn view_of(pages: usize, part: ViewPart) -> (MappedView, usize) {
    let source = mm().pool_pages(pages, 1).unwrap();
    copy::fill(source, 0, pages * PAGE_SIZE).unwrap();
    let view = MappedView::begin(pages * PAGE_SIZE, part).unwrap();
    view.show(0, pages * PAGE_SIZE, source, Protection::ReadWrite).unwrap();
    (view, source)
}

fn collected(written: &Written) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    written.collect(|first, count| runs.push((first, count)));
    runs
}

#[test]
fn a_view_shows_the_pages_themselves_until_it_is_gone() {
    machine(|core| {
        for part in [ViewPart::User, ViewPart::System] {
            let (view, source) = view_of(3, part);
            let address = view.address();
            assert_eq!(core.slot.is_user(address), part == ViewPart::User);
            assert_eq!(address % (64 << 10), 0);
            copy::write(address + PAGE_SIZE + 5, b"through the view").unwrap();
            let mut seen = [0; 16];
            copy::read(source + PAGE_SIZE + 5, &mut seen).unwrap();
            assert_eq!(&seen, b"through the view");
            assert_eq!(mdl::frame_of(address + PAGE_SIZE), mdl::frame_of(source + PAGE_SIZE));
            drop(view);
            assert!(!probe::is_address_valid(address), "its addresses are inaccessible");
            assert!(probe::is_address_valid(source));
            let again = MappedView::begin(PAGE_SIZE, part).unwrap();
            assert_eq!(again.address(), address, "and free");
            assert_ne!(mdl::frame_of(address), mdl::frame_of(source), "with pages of their own");
        }
    });
}

#[test]
fn a_read_only_view_refuses_stores() {
    machine(|_| {
        let source = mm().pool_pages(1, 1).unwrap();
        let view = MappedView::begin(PAGE_SIZE, ViewPart::User).unwrap();
        view.show(0, PAGE_SIZE, source, Protection::Read).unwrap();
        assert!(copy::read_value::<u8>(view.address()).is_ok());
        assert!(copy::write(view.address(), &[1]).is_err());
    });
}

#[test]
fn each_way_of_looking_finds_the_pages_that_were_stored_to_once() {
    machine(|_| {
        for look in [Written::new as fn(usize, usize) -> Written, Written::compared] {
            let (view, source) = view_of(200, ViewPart::User);
            let written = look(view.address(), view.bytes());
            assert_eq!(collected(&written), [], "nothing was stored yet");
            let store = |page: usize, value: u8| copy::write(view.address() + page * PAGE_SIZE + 9, &[value]);
            store(3, 1).unwrap();
            store(4, 1).unwrap();
            store(199, 1).unwrap();
            let mut pages = Vec::new();
            written.collect(|first, count| pages.extend(first..first + count));
            assert_eq!(pages, [3, 4, 199]);
            assert_eq!(collected(&written), [], "each store is found once");
            store(4, 2).unwrap();
            assert_eq!(collected(&written), [(4, 1)]);
            let mut seen = [0; 10];
            copy::read(source + 4 * PAGE_SIZE, &mut seen).unwrap();
            assert_eq!(seen[9], 2);
        }
    });
}

#[test]
fn many_scattered_stores_are_all_found() {
    machine(|_| {
        let (view, _) = view_of(1000, ViewPart::System);
        let written = Written::new(view.address(), view.bytes());
        for page in (0..1000).step_by(3) {
            copy::write(view.address() + page * PAGE_SIZE, &[7]).unwrap();
        }
        let mut pages = Vec::new();
        written.collect(|first, count| pages.extend(first..first + count));
        assert_eq!(pages, (0..1000).step_by(3).collect::<Vec<_>>());
    });
}
