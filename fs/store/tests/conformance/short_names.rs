//! Short names: kept, found, and gone with the name.

use super::*;

fn short(name: &str) -> ShortName {
    ShortName::new(&w(name)).expect("twelve units at most")
}

fn shown(store: &dyn Store, id: FileId) -> String {
    String::from_utf16_lossy(store.metadata(id).unwrap().short.units())
}

#[test]
fn a_short_name_finds_its_file_in_any_spelling() {
    each(|store| {
        let id = file(store, store.root(), "A long name.txt");
        assert!(store.metadata(id).unwrap().short.is_none());
        assert!(store.lookup_short(store.root(), &w("ALONGN~1.TXT")).is_err());
        store.set_short_name(id, short("ALONGN~1.TXT")).unwrap();
        assert_eq!(shown(store, id), "ALONGN~1.TXT");
        let found = store.lookup_short(store.root(), &w("alongn~1.txt")).unwrap();
        assert_eq!((found.id, found.name), (id, w("A long name.txt")));
        assert!(find(store, store.root(), "ALONGN~1.TXT").is_err(), "it is no name of its own");
        assert_eq!(names(store, store.root()), ["A long name.txt"]);
        store.set_short_name(id, short("OTHER")).unwrap();
        assert!(store.lookup_short(store.root(), &w("ALONGN~1.TXT")).is_err());
        store.set_short_name(id, ShortName::NONE).unwrap();
        assert!(store.lookup_short(store.root(), &w("OTHER")).is_err());
    });
}

#[test]
fn two_names_of_a_directory_are_never_the_same() {
    each(|store| {
        let (a, b) = (file(store, store.root(), "long name a"), file(store, store.root(), "long name b"));
        file(store, store.root(), "TAKEN");
        store.set_short_name(a, short("LONG~1")).unwrap();
        for taken in ["long~1", "taken"] {
            let refused = store.set_short_name(b, short(taken));
            assert!(matches!(refused, Err(StoreError::AlreadyExists(_))), "{taken}");
        }
        store.set_short_name(a, short("LONG~1")).unwrap();
        let elsewhere = directory(store, store.root(), "d");
        store.set_short_name(file(store, elsewhere, "long name"), short("LONG~1")).unwrap();
        assert!(matches!(store.set_short_name(b, short("A*")), Err(StoreError::NameInvalid { .. })));
    });
}

#[test]
fn a_short_name_goes_with_the_name() {
    each(|store| {
        let (a, b) = (file(store, store.root(), "long name a"), file(store, store.root(), "long name b"));
        store.set_short_name(a, short("LONG~1")).unwrap();
        store.set_short_name(b, short("LONG~2")).unwrap();
        store.rename(a, store.root(), &w("long name c"), false).unwrap();
        assert_eq!(shown(store, a), "");
        assert!(store.lookup_short(store.root(), &w("LONG~1")).is_err());
        store.remove(b).unwrap();
        assert!(store.lookup_short(store.root(), &w("LONG~2")).is_err());
        store.set_short_name(a, short("LONG~2")).unwrap();
        assert_eq!(store.lookup_short(store.root(), &w("LONG~2")).unwrap().id, a);
        let again = file(store, store.root(), "long name b");
        assert_eq!(shown(store, again), "");
        assert!(store.set_short_name(store.root(), short("R")).is_err());
    });
}

#[test]
fn a_host_directory_keeps_short_names() {
    for extended_attributes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        {
            let store = host_in(dir.path(), extended_attributes);
            let id = file(&store, store.root(), "A long name.txt");
            store.set_short_name(id, short("ALONGN~1.TXT")).unwrap();
        }
        let store = host_in(dir.path(), extended_attributes);
        let found = store.lookup_short(store.root(), &w("ALONGN~1.TXT")).unwrap();
        assert_eq!(found.name, w("A long name.txt"));
        assert_eq!(shown(&store, found.id), "ALONGN~1.TXT");
        assert_eq!(names(&store, store.root()), ["A long name.txt"]);
        std::fs::write(dir.path().join("made on the host"), "").unwrap();
        let made = find(&store, store.root(), "made on the host").unwrap();
        assert_eq!(shown(&store, made.id), "");
        assert!(store.lookup_short(store.root(), &w("ALONGN~1.TXT")).is_ok(), "the index was read again");
    }
}
