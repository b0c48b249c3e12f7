//! Names: spelling, order, what is refused, ids and paths.

use super::*;

#[test]
fn any_spelling_finds_the_stored_one_and_the_sensitive_match_only_its_own() {
    each(|store| {
        let id = file(store, store.root(), "Grüße.TXT");
        let entry = find(store, store.root(), "gRÜSSE.txt");
        assert!(matches!(entry, Err(StoreError::NotFound(_))), "ß does not become SS");
        let entry = find(store, store.root(), "gRÜßE.txt").unwrap();
        assert_eq!((entry.id, entry.name, entry.kind), (id, w("Grüße.TXT"), NodeKind::File));
        let sensitive = store.lookup(store.root(), &w("grüße.txt"), CaseMatch::Sensitive);
        assert!(matches!(sensitive, Err(StoreError::NotFound(_))));
        assert_eq!(store.lookup(store.root(), &w("Grüße.TXT"), CaseMatch::Sensitive).unwrap().id, id);
    });
}

#[test]
fn another_spelling_cannot_be_made_beside_it() {
    each(|store| {
        file(store, store.root(), "one");
        let again = store.create(store.root(), &w("ONE"), NodeKind::Directory, 0);
        assert!(matches!(again, Err(StoreError::AlreadyExists(_))));
    });
}

#[test]
fn listings_are_ordered_by_upcased_name() {
    each(|store| {
        for name in ["b", "A", "c", "_", "B2", "a1"] {
            file(store, store.root(), name);
        }
        assert_eq!(names(store, store.root()), ["A", "a1", "b", "B2", "c", "_"]);
    });
}

#[test]
fn illegal_names_are_refused_and_long_ones_never_cut() {
    each(|store| {
        for name in ["", ".", "..", "a\\b", "a/b", "a:b", "a*", "a?", "a\u{1}", "a|"] {
            let made = store.create(store.root(), &w(name), NodeKind::File, 0);
            assert!(matches!(made, Err(StoreError::NameInvalid { .. })), "{name:?}");
        }
        let long = store.create(store.root(), &w(&"n".repeat(256)), NodeKind::File, 0);
        assert!(matches!(long, Err(StoreError::NameTooLong(_))));
        let longest = "n".repeat(255);
        let id = file(store, store.root(), &longest);
        store.create_stream(id, &w("s")).unwrap();
        store.write(id, Some(&w("s")), 0, &pattern(5000)).unwrap();
        assert_eq!(content(store, id, Some(&w("s"))), pattern(5000));
        assert_eq!(names(store, store.root()), [longest]);
    });
}

#[test]
fn device_names_and_trailing_dots_are_names_like_others() {
    each(|store| {
        for name in ["CON", "nul.txt", "dot.", "space "] {
            let id = file(store, store.root(), name);
            assert_eq!(find(store, store.root(), name).unwrap().id, id);
        }
        assert_eq!(names(store, store.root()), ["CON", "dot.", "nul.txt", "space "]);
    });
}

#[test]
fn a_file_is_no_directory() {
    each(|store| {
        let id = file(store, store.root(), "f");
        assert!(matches!(find(store, id, "x"), Err(StoreError::NotADirectory(_))));
        assert!(matches!(store.list(id), Err(StoreError::NotADirectory(_))));
        let dir = directory(store, store.root(), "d");
        assert!(matches!(store.read(dir, None, 0, &mut [0]), Err(StoreError::IsADirectory(_))));
        assert!(matches!(store.write(dir, None, 0, &[0]), Err(StoreError::IsADirectory(_))));
    });
}

#[test]
fn ids_stay_through_lookup_rename_and_listing_and_are_never_reused() {
    each(|store| {
        let id = file(store, store.root(), "a");
        store.open(id).unwrap();
        store.close(id);
        assert_eq!(find(store, store.root(), "A").unwrap().id, id);
        store.rename(id, store.root(), &w("b"), false).unwrap();
        assert_eq!(store.list(store.root()).unwrap()[0].id, id);
        store.remove(id).unwrap();
        assert!(matches!(store.metadata(id), Err(StoreError::NotFound(_))));
        assert_ne!(file(store, store.root(), "b"), id);
    });
}

#[test]
fn paths_name_every_component() {
    each(|store| {
        let dir = directory(store, store.root(), "Dir");
        let id = file(store, dir, "File");
        assert_eq!(store.path(id).unwrap(), [w("Dir"), w("File")]);
        assert_eq!(store.parent(id).unwrap(), dir);
        assert_eq!(store.parent(store.root()).unwrap(), store.root());
        assert!(store.path(store.root()).unwrap().is_empty());
    });
}
