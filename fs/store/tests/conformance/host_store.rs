//! What only the host store does.

use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fn mounted() -> (tempfile::TempDir, HostStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = host_in(dir.path(), true);
    (dir, store)
}

#[test]
fn names_that_windows_cannot_express_are_shown_escaped_and_found_again() {
    let (dir, store) = mounted();
    let weird: [&[u8]; 7] = [b"a:b", b"back\\slash", b"q?*<>|\"", b"caf\xe9", b"tab\t", b"end. ", b"AUX.c"];
    for name in weird {
        std::fs::write(dir.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    let listed = store.list(store.root()).unwrap();
    assert_eq!(listed.len(), weird.len());
    let mut seen: Vec<_> = listed.iter().map(|entry| content(&store, entry.id, None)).collect();
    seen.sort();
    let mut expected = weird.map(<[u8]>::to_vec);
    expected.sort();
    assert_eq!(seen, expected);
    for entry in listed {
        validate_component(&entry.name).unwrap();
        assert_eq!(store.lookup(store.root(), &entry.name, CaseMatch::Sensitive).unwrap(), entry);
    }
    assert!(find(&store, store.root(), "a\u{F03A}b").is_ok());
}

#[test]
fn names_that_differ_only_in_case_each_have_their_own_file() {
    let (dir, store) = mounted();
    for name in ["Makefile", "makefile"] {
        std::fs::write(dir.path().join(name), name).unwrap();
    }
    assert_eq!(names(&store, store.root()), ["Makefile", "makefile"]);
    for (asked, answer) in [("makefile", "makefile"), ("Makefile", "Makefile"), ("MAKEFILE", "Makefile")] {
        let entry = find(&store, store.root(), asked).unwrap();
        assert_eq!(content(&store, entry.id, None), answer.as_bytes());
    }
    let third = store.create(store.root(), &w("MAKEFILE"), NodeKind::File, 0);
    assert!(matches!(third, Err(StoreError::AlreadyExists(_))));
}

#[test]
fn a_symbolic_link_leads_nowhere() {
    let (dir, store) = mounted();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("dir")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    for name in ["dir", "link"] {
        let entry = find(&store, store.root(), name).unwrap();
        assert_eq!(entry.kind, NodeKind::File);
        assert!(matches!(store.open(entry.id), Err(StoreError::AccessDenied(_))));
        assert!(matches!(store.read(entry.id, None, 0, &mut [0; 9]), Err(StoreError::AccessDenied(_))));
        assert!(matches!(store.write(entry.id, None, 0, b"x"), Err(StoreError::AccessDenied(_))));
        store.metadata(entry.id).unwrap();
    }
    let inside = directory(&store, store.root(), "swapped");
    let victim = file(&store, inside, "secret");
    let reopened = host_in(dir.path(), true);
    let swapped = find(&reopened, reopened.root(), "swapped").unwrap().id;
    std::fs::rename(dir.path().join("swapped"), dir.path().join("aside")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("swapped")).unwrap();
    assert!(find(&reopened, swapped, "secret").is_err(), "a directory that became a link");
    let link = find(&store, store.root(), "link").unwrap().id;
    store.remove(link).unwrap();
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
    store.size(victim, None).unwrap();
}

#[test]
fn changes_from_outside_are_seen_and_a_new_file_has_a_new_id() {
    let (dir, store) = mounted();
    let id = file(&store, store.root(), "f");
    std::fs::write(dir.path().join("G"), "1").unwrap();
    let other = find(&store, store.root(), "g").unwrap().id;
    std::fs::rename(dir.path().join("G"), dir.path().join("h")).unwrap();
    assert_eq!(find(&store, store.root(), "h").unwrap().id, other, "moved outside, the same file");
    std::fs::remove_file(dir.path().join("f")).unwrap();
    std::fs::write(dir.path().join("f"), "2").unwrap();
    assert_ne!(find(&store, store.root(), "f").unwrap().id, id);
}

#[test]
fn hard_links_made_on_the_host_are_two_files() {
    let (dir, store) = mounted();
    std::fs::write(dir.path().join("a"), "x").unwrap();
    std::fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
    let listed = store.list(store.root()).unwrap();
    assert_ne!(listed[0].id, listed[1].id);
    store.remove(listed[0].id).unwrap();
    assert_eq!(names(&store, store.root()), ["b"]);
    assert_eq!(content(&store, listed[1].id, None), b"x");
}

#[test]
fn few_descriptors_serve_many_files_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    let options = HostOptions { max_descriptors: 4, ..HostOptions::default() };
    let store = HostStore::open(dir.path(), options).unwrap();
    let parents: Vec<_> = (0..5).map(|at| directory(&store, store.root(), &format!("d{at}"))).collect();
    let files: Vec<_> = (0..100).map(|at| file(&store, parents[at % 5], &format!("f{at}"))).collect();
    for (at, &id) in files.iter().enumerate() {
        store.write(id, None, 0, &[at as u8; 10]).unwrap();
    }
    for (at, &id) in files.iter().enumerate().rev() {
        assert_eq!(content(&store, id, None), [at as u8; 10]);
    }
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let ours = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(dir.path())));
    assert!(ours.count() <= 5);
}

#[test]
fn all_is_there_after_mounting_again() {
    for extended_attributes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = host_in(dir.path(), extended_attributes);
        let id = store.create(store.root(), &w("f"), NodeKind::File, ATTRIBUTE_READONLY).unwrap();
        for (name, length) in [("small", 10), ("large", 50_000)] {
            store.create_stream(id, &w(name)).unwrap();
            store.write(id, Some(&w(name)), 0, &pattern(length)).unwrap();
        }
        let before = store.metadata(id).unwrap();
        drop(store);
        let store = host_in(dir.path(), extended_attributes);
        let id = find(&store, store.root(), "F").unwrap().id;
        assert_eq!(store.metadata(id).unwrap().times.creation, before.times.creation);
        assert_eq!(store.metadata(id).unwrap().attributes, ATTRIBUTE_READONLY);
        assert_eq!(content(&store, id, Some(&w("small"))), pattern(10));
        assert_eq!(content(&store, id, Some(&w("large"))), pattern(50_000));
    }
}

#[test]
fn the_stores_own_names_are_neither_shown_nor_made() {
    let (dir, store) = mounted();
    let id = file(&store, store.root(), "f");
    store.create_stream(id, &w("s")).unwrap();
    store.set_size(id, Some(&w("s")), 10_000).unwrap();
    assert!(dir.path().join(".altimeter~n~f").is_dir());
    assert!(find(&store, store.root(), ".altimeter~n~f").is_err());
    let made = store.create(store.root(), &w(".altimeter~x"), NodeKind::File, 0);
    assert!(matches!(made, Err(StoreError::NameInvalid { .. })));
    store.remove(id).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_read_only_mount_refuses_every_change() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), "x").unwrap();
    let store = HostStore::open(dir.path(), HostOptions { read_only: true, ..Default::default() }).unwrap();
    let id = find(&store, store.root(), "f").unwrap().id;
    assert_eq!(content(&store, id, None), b"x");
    assert!(matches!(store.write(id, None, 0, b"y"), Err(StoreError::ReadOnly(_))));
    assert!(matches!(store.remove(id), Err(StoreError::ReadOnly(_))));
    assert!(matches!(store.set_metadata(id, MetadataChange::default()), Err(StoreError::ReadOnly(_))));
}
