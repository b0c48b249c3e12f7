//! What every store does, asked of each of them: memory, a host directory with extended attributes, one without, and
//! one on tmpfs where the machine has it.

mod blobs;
mod data;
mod facts;
mod host_store;
mod memory_store;
mod names_in_a_directory;
mod remove;
mod rename;
mod short_names;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::*;

fn w(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn counting_clock() -> Clock {
    let ticks = AtomicI64::new(1_000);
    Arc::new(move || ticks.fetch_add(1, Ordering::Relaxed))
}

fn memory(capacity: u64) -> MemoryStore {
    MemoryStore::new(MemoryOptions { capacity, ..MemoryOptions::new(counting_clock()) }).unwrap()
}

fn host_in(dir: &std::path::Path, extended_attributes: bool) -> HostStore {
    HostStore::open(dir, HostOptions { extended_attributes, ..HostOptions::default() }).unwrap()
}

/// Runs a test on each store, saying which.
fn each(test: impl Fn(&dyn Store)) {
    println!("memory");
    test(&memory(1 << 30));
    for extended_attributes in [true, false] {
        println!("host, extended attributes: {extended_attributes}");
        let dir = tempfile::tempdir().unwrap();
        test(&host_in(dir.path(), extended_attributes));
        assert_no_temporary_left(dir.path());
    }
    if std::path::Path::new("/dev/shm").is_dir() {
        println!("host on tmpfs");
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        test(&host_in(dir.path(), true));
    }
}

fn assert_no_temporary_left(dir: &std::path::Path) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        assert!(!entry.path().join("t~new").exists());
    }
}

fn file(store: &dyn Store, dir: FileId, name: &str) -> FileId {
    store.create(dir, &w(name), NodeKind::File, 0).unwrap()
}

fn directory(store: &dyn Store, dir: FileId, name: &str) -> FileId {
    store.create(dir, &w(name), NodeKind::Directory, 0).unwrap()
}

fn find(store: &dyn Store, dir: FileId, name: &str) -> Result<Entry> {
    store.lookup(dir, &w(name), CaseMatch::Insensitive)
}

fn content(store: &dyn Store, id: FileId, stream: StreamName<'_>) -> Vec<u8> {
    let mut bytes = vec![0xAA; store.size(id, stream).unwrap() as usize + 10];
    let length = store.read(id, stream, 0, &mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

fn names(store: &dyn Store, dir: FileId) -> Vec<String> {
    store.list(dir).unwrap().iter().map(|entry| String::from_utf16_lossy(&entry.name)).collect()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}
