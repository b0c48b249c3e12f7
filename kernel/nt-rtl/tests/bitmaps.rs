//! Bitmaps against a model.

mod machine;

use machine::machine;
use nt_abi::RTL_BITMAP;
use nt_ex::pool::{self, PoolKind};
use nt_rtl::bitmap::{Bitmap, Run};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn bitmap(bits: u32) -> Bitmap {
    let bytes = (bits as usize).div_ceil(32) * 4;
    let block = pool::allocate_engine(PoolKind::NonPaged, bytes.max(4), 1).unwrap().as_ptr();
    let header = RTL_BITMAP::zeroed();
    header.SizeOfBitMap.set(bits);
    header.Buffer.set(block.cast());
    let map = Bitmap::of(&header);
    map.change_all(false).unwrap();
    map
}

fn model_runs(model: &[bool], set: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, bit) in model.iter().enumerate() {
        let index = index as u32;
        match runs.last_mut() {
            _ if *bit != set => {}
            Some(run) if run.start + run.length == index => run.length += 1,
            _ => runs.push(Run { start: index, length: 1 }),
        }
    }
    runs
}

fn model_find(model: &[bool], count: usize, hint: usize, set: bool) -> Option<u32> {
    let fits = |start: &usize| {
        model.get(*start..start + count).is_some_and(|bits| bits.iter().all(|bit| *bit == set))
    };
    let hint = if hint < model.len() { hint } else { 0 };
    (hint..model.len()).find(fits).or_else(|| (0..hint).find(fits)).map(|start| start as u32)
}

#[test]
fn every_search_agrees_with_a_model() {
    machine(|_| {
        let mut random = Pcg64::seed_from_u64(7);
        for bits in [1u32, 31, 32, 33, 64, 77, 160] {
            let map = bitmap(bits);
            let mut model = vec![false; bits as usize];
            for _ in 0..300 {
                let start = random.random_range(0..bits);
                let length = random.random_range(0..=(bits - start).min(50));
                let set = random.random_bool(0.5);
                map.change(start, length, set).unwrap();
                model[start as usize..(start + length) as usize].fill(set);

                let index = random.random_range(0..bits);
                assert_eq!(map.test(index).unwrap(), model[index as usize]);
                let count =
                    model[start as usize..(start + length) as usize].iter().filter(|bit| **bit).count();
                assert_eq!(map.count_set(start, length).unwrap() as usize, count);
                assert_eq!(map.are_all(start, length, set).unwrap(), length > 0);
                for set in [false, true] {
                    let runs = model_runs(&model, set);
                    assert_eq!(map.runs(set).unwrap(), runs);
                    let wanted = random.random_range(1..=20u32);
                    let hint = random.random_range(0..bits + 3);
                    let found = map.find(wanted, hint, set).unwrap();
                    assert_eq!(
                        found,
                        model_find(&model, wanted as usize, hint as usize, set),
                        "{wanted} from {hint}"
                    );
                }
                let clear = model_runs(&model, false);
                let longest = clear.iter().rev().max_by_key(|run| run.length).copied().unwrap_or_default();
                assert_eq!(map.longest_run_clear().unwrap(), longest);
                let backward = clear.iter().rev().find(|run| run.start <= index);
                let expected = backward.map_or((index, 0), |run| {
                    (run.start, (run.start + run.length).min(index + 1) - run.start)
                });
                let found = map.last_run_clear(index).unwrap();
                assert_eq!((found.start, found.length), expected);
            }
        }
    });
}

#[test]
fn ranges_outside_are_neither_set_nor_clear() {
    machine(|_| {
        let map = bitmap(40);
        assert!(map.are_all(0, 40, false).unwrap());
        assert!(!map.are_all(0, 41, false).unwrap());
        assert!(!map.are_all(40, u32::MAX, false).unwrap());
        assert!(!map.are_all(0, 0, false).unwrap());
        assert_eq!(map.next_run(40, false).unwrap(), Run { start: 40, length: 0 });
        assert_eq!(map.find(41, 0, false).unwrap(), None);
        assert_eq!(map.find(0, 9, true).unwrap(), Some(9));
    });
}

#[test]
fn bits_copy_between_bitmaps() {
    machine(|_| {
        let (from, to) = (bitmap(40), bitmap(64));
        from.change(3, 2, true).unwrap();
        from.copy_to(2, to, 30, 10).unwrap();
        assert_eq!(to.runs(true).unwrap(), [Run { start: 31, length: 2 }]);
        to.change_all(true).unwrap();
        assert_eq!(to.count_set(0, 64).unwrap(), 64);
    });
}
