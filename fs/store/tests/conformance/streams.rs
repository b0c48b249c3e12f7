//! Alternate streams.

use super::*;

#[test]
fn a_stream_of_one_mebibyte_moves_with_its_file_and_goes_with_it() {
    each(|store| {
        let (id, dir) = (file(store, store.root(), "f"), directory(store, store.root(), "d"));
        let (small, large) = (w("small"), w("Large%:".trim_end_matches(':')));
        store.create_stream(id, &small).unwrap();
        store.create_stream(id, &large).unwrap();
        store.write(id, Some(&small), 3, b"abc").unwrap();
        let data = pattern(1 << 20);
        for (at, part) in data.chunks(1000).enumerate() {
            store.write(id, Some(&large), at as u64 * 1000, part).unwrap();
        }
        store.rename(id, dir, &w("g"), false).unwrap();
        assert_eq!(names(store, store.root()), ["d"]);
        assert_eq!(names(store, dir), ["g"]);
        assert_eq!(content(store, id, Some(&w("LARGE%"))), data);
        assert_eq!(content(store, id, Some(&small)), b"\0\0\0abc");
        let listed: Vec<_> = store.streams(id).unwrap().into_iter().map(|s| (s.name, s.size)).collect();
        assert_eq!(listed, [(w(""), 0), (large.clone(), 1 << 20), (small.clone(), 6)]);
        store.remove(id).unwrap();
        store.remove(dir).unwrap();
        let again = file(store, directory(store, store.root(), "d"), "g");
        assert!(matches!(store.size(again, Some(&large)), Err(StoreError::NotFound(_))));
    });
}

#[test]
fn they_are_found_in_any_spelling_renamed_and_removed() {
    each(|store| {
        let id = file(store, store.root(), "f");
        for name in ["One", "two"] {
            store.create_stream(id, &w(name)).unwrap();
        }
        assert!(matches!(store.create_stream(id, &w("oNE")), Err(StoreError::AlreadyExists(_))));
        assert_eq!(store.lookup_stream(id, &w("ONE")).unwrap(), w("One"));
        store.write(id, Some(&w("one")), 0, b"1").unwrap();
        store.rename_stream(id, &w("one"), &w("ONE"), false).unwrap();
        assert_eq!(store.lookup_stream(id, &w("one")).unwrap(), w("ONE"));
        let taken = store.rename_stream(id, &w("ONE"), &w("TWO"), false);
        assert!(matches!(taken, Err(StoreError::AlreadyExists(_))));
        store.rename_stream(id, &w("one"), &w("Two"), true).unwrap();
        assert_eq!(content(store, id, Some(&w("two"))), b"1");
        assert_eq!(store.streams(id).unwrap().len(), 2);
        store.set_size(id, Some(&w("two")), 100_000).unwrap();
        assert_eq!(store.size(id, Some(&w("TWO"))).unwrap(), 100_000);
        store.rename_stream(id, &w("two"), &w("three"), false).unwrap();
        assert_eq!(content(store, id, Some(&w("three")))[..2], *b"1\0");
        store.remove_stream(id, &w("THREE")).unwrap();
        assert!(matches!(store.remove_stream(id, &w("three")), Err(StoreError::NotFound(_))));
        assert_eq!(store.streams(id).unwrap().len(), 1);
    });
}

#[test]
fn directories_and_the_root_have_them_too() {
    each(|store| {
        for id in [store.root(), directory(store, store.root(), "d")] {
            store.create_stream(id, &w("s")).unwrap();
            store.write(id, Some(&w("s")), 0, &pattern(4000)).unwrap();
            assert_eq!(content(store, id, Some(&w("s"))), pattern(4000));
            assert_eq!(store.streams(id).unwrap().len(), 1);
        }
        assert_eq!(names(store, store.root()), ["d"]);
    });
}
