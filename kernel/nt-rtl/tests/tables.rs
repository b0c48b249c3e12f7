//! Generic tables against a model, with compare, allocate and free routines called as drivers' are.

mod machine;

use std::collections::BTreeMap;

use boundary::copy;
use machine::machine;
use nt_abi::{NativeFn, RTL_AVL_TABLE, RTL_GENERIC_TABLE};
use nt_ex::pool::{self, PoolKind};
use nt_rtl::table::{Search, avl, generic, splay};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const TAG: u32 = u32::from_le_bytes(*b"Tabl");

fn read(at: usize) -> u32 {
    copy::read_value::<u32>(at).unwrap()
}

fn link(node: usize, offset: usize) -> usize {
    copy::read_value::<usize>(node + offset).unwrap()
}

extern "win64" fn compare(_table: usize, first: usize, second: usize) -> u32 {
    match read(first).cmp(&read(second)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => 2,
    }
}

/// Compares tens only, so that ten numbers are alike.
extern "win64" fn compare_tens(_table: usize, first: usize, second: usize) -> u32 {
    match (read(first) / 10).cmp(&(read(second) / 10)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => 2,
    }
}

extern "win64" fn allocate(_table: usize, bytes: u32) -> usize {
    pool::allocate_engine(PoolKind::NonPaged, bytes as usize, TAG).map_or(0, |block| block.as_ptr() as usize)
}

extern "win64" fn none(_table: usize, _bytes: u32) -> usize {
    0
}

extern "win64" fn free(_table: usize, block: usize) {
    pool::free(block as *const u8, Some(TAG)).unwrap();
}

extern "win64" fn odd_only(_table: usize, data: usize, limit: usize) -> u32 {
    match read(data) {
        number if number as usize > limit => 0xC000_0273,
        number if number % 2 == 0 => 0xC000_0272,
        _ => 0,
    }
}

fn native(function: usize) -> NativeFn {
    NativeFn(function)
}

fn avl_table(compare: extern "win64" fn(usize, usize, usize) -> u32) -> Box<RTL_AVL_TABLE> {
    let table = Box::new(RTL_AVL_TABLE::zeroed());
    let routines = (
        native(compare as *const () as usize),
        native(allocate as *const () as usize),
        native(free as *const () as usize),
    );
    avl::initialize(&table, routines.0, routines.1, routines.2, 0);
    table
}

fn splay_table() -> Box<RTL_GENERIC_TABLE> {
    let table = Box::new(RTL_GENERIC_TABLE::zeroed());
    let routines =
        (compare as *const () as usize, allocate as *const () as usize, free as *const () as usize);
    generic::initialize(&table, native(routines.0), native(routines.1), native(routines.2), 0);
    table
}

fn address<T>(value: &T) -> usize {
    std::ptr::from_ref(value) as usize
}

/// Checks parents and balances below `node`; returns the height and the keys in order.
fn check(node: usize, parent: usize, balanced: bool, header: usize, keys: &mut Vec<u32>) -> i32 {
    if node == 0 {
        return 0;
    }
    assert_eq!(link(node, 0), parent, "each node knows its parent");
    let left = check(link(node, 8), node, balanced, header, keys);
    keys.push(read(node + header));
    let right = check(link(node, 16), node, balanced, header, keys);
    if balanced {
        let kept = copy::read_value::<i8>(node + 0x18).unwrap();
        assert_eq!(i32::from(kept), right - left, "the balance is the difference of the heights");
        assert!(kept.abs() <= 1, "no node leans by more than one");
    }
    1 + left.max(right)
}

#[test]
fn an_avl_table_agrees_with_a_sorted_map_and_stays_balanced() {
    machine(|_| {
        for seed in 0..8 {
            let mut random = Pcg64::seed_from_u64(seed);
            let table = avl_table(compare);
            let mut model: BTreeMap<u32, usize> = BTreeMap::new();
            for _ in 0..600 {
                let key = random.random_range(0..120u32);
                if random.random_bool(0.55) {
                    let (data, new) = avl::insert(&table, address(&key), 4).unwrap();
                    assert_eq!(new, !model.contains_key(&key), "an element like it stays");
                    assert_eq!(*model.entry(key).or_insert(data), data, "elements never move");
                } else {
                    assert_eq!(avl::delete(&table, address(&key)).unwrap(), model.remove(&key).is_some());
                }
                let mut keys = Vec::new();
                let top = table.BalancedRoot.RightChild.get() as usize;
                let height = check(top, address(&table.BalancedRoot), true, avl::HEADER, &mut keys);
                assert!(keys.iter().eq(model.keys()));
                assert_eq!(table.DepthOfTree.get() as i32, height);
                assert_eq!(table.NumberGenericTableElements.get() as usize, model.len());
                let (found, _) = avl::lookup(&table, address(&key)).unwrap();
                assert_eq!(found, model.get(&key).copied().unwrap_or(0));
                let index = random.random_range(0..130u32);
                let expected = model.values().nth(index as usize).copied().unwrap_or(0);
                assert_eq!(avl::element(&table, index).unwrap(), expected, "element {index} in order");
            }
        }
    });
}

#[test]
fn a_splay_table_agrees_with_a_sorted_map_and_keeps_the_order_of_insertion() {
    machine(|_| {
        for seed in 0..8 {
            let mut random = Pcg64::seed_from_u64(seed);
            let table = splay_table();
            let mut model: BTreeMap<u32, usize> = BTreeMap::new();
            let mut inserted: Vec<u32> = Vec::new();
            for _ in 0..600 {
                let key = random.random_range(0..120u32);
                if random.random_bool(0.55) {
                    let (data, new) = generic::insert(&table, address(&key), 4).unwrap();
                    assert_eq!(new, !model.contains_key(&key));
                    assert_eq!(*model.entry(key).or_insert(data), data);
                    if new {
                        inserted.push(key);
                    }
                    assert_eq!(
                        table.TableRoot.get() as usize + generic::HEADER,
                        data,
                        "it is splayed to the top"
                    );
                } else {
                    assert_eq!(generic::delete(&table, address(&key)).unwrap(), model.remove(&key).is_some());
                    inserted.retain(|known| *known != key);
                }
                let (top, mut keys) = (table.TableRoot.get() as usize, Vec::new());
                check(top, top, false, generic::HEADER, &mut keys);
                assert!(keys.iter().eq(model.keys()));
                let index = random.random_range(0..130u32);
                let found = generic::element(&table, index).unwrap();
                let expected = inserted.get(index as usize);
                assert_eq!(
                    (found != 0).then(|| read(found)).as_ref(),
                    expected,
                    "element {index} as inserted"
                );
            }
            let mut all = Vec::new();
            let mut data = generic::enumerate(&table, true).unwrap();
            while data != 0 {
                all.push(read(data));
                data = generic::enumerate(&table, false).unwrap();
            }
            assert!(
                all.iter().eq(model.keys()),
                "an enumeration that splays comes by each element once, in order"
            );
        }
    });
}

#[test]
fn an_enumeration_without_splaying_goes_by_its_own_key() {
    machine(|_| {
        let (avl_table, splay_table) = (avl_table(compare), splay_table());
        for key in [30u32, 10, 20] {
            avl::insert(&avl_table, address(&key), 4).unwrap();
            generic::insert(&splay_table, address(&key), 4).unwrap();
        }
        let (mut key, mut seen) = (0, Vec::new());
        while let Some((next, data)) = avl::enumerate_without_splaying(&avl_table, key).unwrap() {
            seen.push(read(data));
            key = next;
        }
        let top = splay_table.TableRoot.get();
        let mut key = 0;
        while let Some((next, data)) = generic::enumerate_without_splaying(&splay_table, key).unwrap() {
            seen.push(read(data));
            key = next;
        }
        assert_eq!(seen, [10, 20, 30, 10, 20, 30]);
        assert_eq!(splay_table.TableRoot.get(), top, "the tree keeps its shape");
    });
}

#[test]
fn deleting_the_element_that_an_enumeration_stands_on_skips_none() {
    machine(|_| {
        let table = avl_table(compare);
        for key in 0..10u32 {
            avl::insert(&table, address(&key), 4).unwrap();
        }
        let mut seen = Vec::new();
        let mut data = avl::enumerate(&table, true).unwrap();
        while data != 0 {
            let key = read(data);
            seen.push(key);
            assert!(avl::delete(&table, address(&key)).unwrap());
            data = avl::enumerate(&table, false).unwrap();
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(table.NumberGenericTableElements.get(), 0);
    });
}

#[test]
fn an_allocate_routine_that_has_nothing_leaves_the_table_as_it_was() {
    machine(|_| {
        let (avl_table, splay_table) = (avl_table(compare), splay_table());
        avl_table.AllocateRoutine.set(native(none as *const () as usize));
        splay_table.AllocateRoutine.set(native(none as *const () as usize));
        let key = 7u32;
        assert_eq!(avl::insert(&avl_table, address(&key), 4).unwrap(), (0, false));
        assert_eq!(generic::insert(&splay_table, address(&key), 4).unwrap(), (0, false));
        assert_eq!(avl_table.NumberGenericTableElements.get(), 0);
        assert_eq!(generic::lookup(&splay_table, address(&key)).unwrap(), (0, Search::Empty));
    });
}

#[test]
fn a_full_lookup_says_where_the_full_insertion_goes() {
    machine(|_| {
        let (avl_table, splay_table) = (avl_table(compare), splay_table());
        let (ten, five) = (10u32, 5u32);
        let top = avl::insert(&avl_table, address(&ten), 4).unwrap().0 - avl::HEADER;
        let (_, place) = avl::lookup(&avl_table, address(&five)).unwrap();
        assert_eq!(place, Search::Left(top));
        assert_eq!(Search::from_native(place.to_native().0, place.to_native().1), Some(place));
        avl::insert_at(&avl_table, address(&five), 4, place).unwrap();
        assert_eq!(read(avl::element(&avl_table, 0).unwrap()), 5);
        let (data, place) = generic::lookup(&splay_table, address(&ten)).unwrap();
        assert_eq!((data, place), (0, Search::Empty));
        generic::insert_at(&splay_table, address(&ten), 4, place).unwrap();
        let (_, place) = generic::lookup(&splay_table, address(&five)).unwrap();
        generic::insert_at(&splay_table, address(&five), 4, place).unwrap();
        assert_eq!(read(generic::enumerate(&splay_table, true).unwrap()), 5);
    });
}

#[test]
fn the_first_of_several_that_are_alike_is_found() {
    machine(|_| {
        let table = avl_table(compare);
        for key in [5u32, 12, 15, 18, 19, 11, 31] {
            avl::insert(&table, address(&key), 4).unwrap();
        }
        table.CompareRoutine.set(native(compare_tens as *const () as usize));
        let wanted = 17u32;
        let (key, data) = avl::lookup_first(&table, address(&wanted)).unwrap().unwrap();
        assert_eq!(read(data), 11);
        let (_, data) = avl::enumerate_without_splaying(&table, key).unwrap().unwrap();
        assert_eq!(read(data), 12);
        let missing = 40u32;
        assert_eq!(avl::lookup_first(&table, address(&missing)).unwrap(), None);
    });
}

#[test]
fn an_enumeration_like_a_directory_begins_at_a_name_and_passes_over_what_does_not_match() {
    machine(|_| {
        let table = avl_table(compare);
        for key in [1u32, 2, 4, 5, 7, 9, 11] {
            avl::insert(&table, address(&key), 4).unwrap();
        }
        let matches = native(odd_only as *const () as usize);
        let three = 3u32;
        let begin = avl::DirectoryPlace::default();
        let (data, place) =
            avl::enumerate_like_a_directory(&table, matches, 9, true, begin, address(&three)).unwrap();
        assert_eq!(
            read(data),
            5,
            "3 is not there, so the first behind it that matches, though the call was to advance"
        );
        let (data, place) =
            avl::enumerate_like_a_directory(&table, matches, 9, true, place, address(&three)).unwrap();
        assert_eq!(read(data), 7);
        let (seven, eight) = (7u32, 8u32);
        assert!(avl::delete(&table, address(&seven)).unwrap());
        let (data, place) =
            avl::enumerate_like_a_directory(&table, matches, 9, true, place, address(&eight)).unwrap();
        assert_eq!(read(data), 9, "after a deletion the buffer says where to go on");
        let (data, _) =
            avl::enumerate_like_a_directory(&table, matches, 9, true, place, address(&eight)).unwrap();
        assert_eq!(data, 0, "the match function ends it");
    });
}

#[test]
fn splay_trees_of_a_drivers_own_keep_their_order() {
    machine(|_| {
        let node = || pool::allocate_engine(PoolKind::NonPaged, 24, TAG).unwrap().as_ptr() as usize;
        let nodes: Vec<usize> = (0..7).map(|_| node()).collect();
        for node in &nodes {
            splay::initialize(*node).unwrap();
        }
        // A chain to the right, which splaying folds.
        for pair in nodes.windows(2) {
            copy::write_value(pair[0] + 16, pair[1]).unwrap();
            copy::write_value(pair[1], pair[0]).unwrap();
        }
        assert_eq!(splay::splay(nodes[6]).unwrap(), nodes[6]);
        assert_eq!(link(nodes[6], 0), nodes[6], "a root is its own parent");
        let mut walked = vec![nodes[0]];
        loop {
            match splay::successor(*walked.last().unwrap()).unwrap() {
                0 => break,
                next => walked.push(next),
            }
        }
        assert_eq!(walked, nodes);
        assert_eq!(splay::predecessor(nodes[0]).unwrap(), 0);
        let root = splay::delete(nodes[3]).unwrap();
        assert_eq!(splay::successor(nodes[2]).unwrap(), nodes[4]);
        assert_eq!(splay::delete_no_splay(nodes[0], root).unwrap(), root);
        assert_eq!(splay::predecessor(nodes[1]).unwrap(), 0);
        let left: Vec<usize> = [1, 2, 4, 5].map(|index| nodes[index]).into();
        for node in left {
            splay::delete(node).unwrap();
        }
        assert_eq!(splay::subtree_successor(nodes[6]).unwrap(), 0);
        assert_eq!(splay::delete(nodes[6]).unwrap(), 0, "nothing is left");
    });
}

/// Checks a red-black tree below `node`; returns how many black nodes each way down passes.
fn check_red_black(node: usize, parent: usize, above_red: bool, keys: &mut Vec<u32>) -> usize {
    if node == 0 {
        return 1;
    }
    let value = link(node, 16);
    assert_eq!(value & !3, parent, "each node knows its parent");
    let red = value & 1 != 0;
    assert!(!(red && above_red), "no red node has a red parent");
    let left = check_red_black(link(node, 0), node, red, keys);
    keys.push(read(node + 24));
    let right = check_red_black(link(node, 8), node, red, keys);
    assert_eq!(left, right, "every way down passes equally many black nodes");
    left + usize::from(!red)
}

#[test]
fn a_red_black_tree_agrees_with_a_sorted_map_and_keeps_its_colours() {
    use nt_rtl::table::red_black;
    machine(|_| {
        for seed in 0..8 {
            let mut random = Pcg64::seed_from_u64(seed);
            let tree = pool::allocate_engine(PoolKind::NonPaged, 16, TAG).unwrap().as_ptr() as usize;
            copy::fill(tree, 0, 16).unwrap();
            let mut model: BTreeMap<u32, usize> = BTreeMap::new();
            for _ in 0..800 {
                let key = random.random_range(0..100u32);
                if let Some(node) = model.remove(&key) {
                    red_black::remove(tree, node).unwrap();
                    free(0, node);
                } else {
                    let node = allocate(0, 32);
                    copy::write_value(node + 24, key).unwrap();
                    let (mut above, mut right, mut next) = (0, false, link(tree, 0));
                    while next != 0 {
                        (above, right) = (next, read(next + 24) < key);
                        next = link(next, if right { 8 } else { 0 });
                    }
                    red_black::insert(tree, above, right, node).unwrap();
                    model.insert(key, node);
                }
                let mut keys = Vec::new();
                check_red_black(link(tree, 0), 0, true, &mut keys);
                assert!(keys.iter().eq(model.keys()));
                assert_eq!(
                    link(tree, 8),
                    model.values().next().copied().unwrap_or(0),
                    "Min is the first node"
                );
            }
        }
    });
}
