//! What only the memory store does.

use super::*;

#[test]
fn a_full_volume_refuses_a_write_and_loses_nothing() {
    let store = memory(256 * 1024);
    let id = file(&store, store.root(), "f");
    store.write(id, None, 0, &pattern(200_000)).unwrap();
    assert!(matches!(store.write(id, None, 100_000, &pattern(200_000)), Err(StoreError::NoSpace(_))));
    assert_eq!(content(&store, id, None), pattern(200_000));
    assert!(matches!(store.set_allocation(id, None, 300_000), Err(StoreError::NoSpace(_))));
    store.write(id, None, 100_000, &[7; 1000]).unwrap();
    store.remove(id).unwrap();
    assert_eq!(store.volume_info().unwrap().free_bytes, 256 * 1024);
}

#[test]
fn a_read_only_volume_refuses_every_change() {
    let options = MemoryOptions { read_only: true, ..MemoryOptions::new(counting_clock()) };
    let store = MemoryStore::new(options).unwrap();
    let made = store.create(store.root(), &w("f"), NodeKind::File, 0);
    assert!(matches!(made, Err(StoreError::ReadOnly(_))));
    assert!(matches!(store.set_label(&w("x")), Err(StoreError::ReadOnly(_))));
}

#[test]
fn times_come_from_the_given_clock_alone() {
    let times = || {
        let store = memory(1 << 20);
        let id = file(&store, store.root(), "f");
        store.write(id, None, 0, b"x").unwrap();
        store.metadata(id).unwrap().times
    };
    assert_eq!(times(), times());
    assert!(times().last_write > times().creation);
}
