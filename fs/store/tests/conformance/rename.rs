//! Moving and replacing.

use super::*;

#[test]
fn a_new_spelling_of_the_own_name_is_taken() {
    each(|store| {
        let id = file(store, store.root(), "readme");
        store.write(id, None, 0, b"x").unwrap();
        assert_eq!(store.rename(id, store.root(), &w("README"), false).unwrap(), None);
        assert_eq!(names(store, store.root()), ["README"]);
        assert_eq!(find(store, store.root(), "readme").unwrap().id, id);
        assert_eq!(content(store, id, None), b"x");
    });
}

#[test]
fn an_existing_name_is_kept_unless_replacing() {
    each(|store| {
        let (a, b) = (file(store, store.root(), "a"), file(store, store.root(), "B"));
        store.write(a, None, 0, b"from a").unwrap();
        store.write(b, None, 0, b"from b").unwrap();
        store.create_stream(b, &w("old")).unwrap();
        store.create_stream(a, &w("new")).unwrap();
        store.open(b).unwrap();
        let refused = store.rename(a, store.root(), &w("b"), false);
        assert!(matches!(refused, Err(StoreError::AlreadyExists(_))));
        assert_eq!(store.rename(a, store.root(), &w("b"), true).unwrap(), Some(b));
        assert_eq!(names(store, store.root()), ["b"]);
        assert_eq!(content(store, find(store, store.root(), "B").unwrap().id, None), b"from a");
        assert_eq!(content(store, b, None), b"from b", "the replaced file is open");
        let streams: Vec<_> = store.streams(a).unwrap().into_iter().map(|stream| stream.name).collect();
        assert_eq!(streams, [w(""), w("new")]);
        store.close(b);
        assert!(matches!(store.size(b, None), Err(StoreError::NotFound(_))));
    });
}

#[test]
fn directories_are_never_replaced_nor_moved_into_themselves() {
    each(|store| {
        let (outer, f) = (directory(store, store.root(), "outer"), file(store, store.root(), "f"));
        let inner = directory(store, outer, "inner");
        let on_directory = store.rename(f, store.root(), &w("OUTER"), true);
        assert!(matches!(on_directory, Err(StoreError::IsADirectory(_))));
        let on_file = store.rename(outer, store.root(), &w("f"), true);
        assert!(matches!(on_file, Err(StoreError::NotADirectory(_))));
        for into in [outer, inner] {
            let moved = store.rename(outer, into, &w("x"), false);
            assert!(matches!(moved, Err(StoreError::InvalidParameter(_))));
        }
    });
}

#[test]
fn a_directory_moves_with_all_below_it() {
    each(|store| {
        let (from, to) = (directory(store, store.root(), "from"), directory(store, store.root(), "to"));
        let id = file(store, from, "f");
        store.write(id, None, 0, b"data").unwrap();
        store.rename(from, to, &w("moved"), false).unwrap();
        assert_eq!(store.path(id).unwrap(), [w("to"), w("moved"), w("f")]);
        assert_eq!(content(store, id, None), b"data");
        assert_eq!(names(store, store.root()), ["to"]);
    });
}

#[test]
fn listings_and_lookups_follow_every_move() {
    each(|store| {
        let (a, b) = (directory(store, store.root(), "a"), directory(store, store.root(), "b"));
        let (x, y) = (file(store, a, "x"), file(store, b, "Y"));
        file(store, a, "stays");
        names(store, b);
        assert_eq!(store.rename(x, b, &w("y"), true).unwrap(), Some(y));
        assert_eq!((names(store, a), names(store, b)), (vec!["stays".into()], vec!["y".into()]));
        store.rename(x, b, &w("Z"), false).unwrap();
        assert_eq!(find(store, b, "z").unwrap().id, x);
        assert!(find(store, b, "Y").is_err() && find(store, a, "X").is_err());
        store.rename(x, a, &w("x"), false).unwrap();
        assert_eq!((names(store, a), names(store, b).len()), (vec!["stays".into(), "x".into()], 0));
    });
}
