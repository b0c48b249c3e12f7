//! Names that go while files are open.

use super::*;

#[test]
fn an_open_file_outlives_its_name_until_the_last_close() {
    each(|store| {
        let id = file(store, store.root(), "f");
        store.write(id, None, 0, b"kept").unwrap();
        let big = w("big");
        store.create_stream(id, &big).unwrap();
        store.write(id, Some(&big), 0, &pattern(10_000)).unwrap();
        store.open(id).unwrap();
        store.open(id).unwrap();
        store.remove(id).unwrap();
        assert!(matches!(find(store, store.root(), "f"), Err(StoreError::NotFound(_))));
        let next = file(store, store.root(), "f");
        assert_eq!(store.size(next, None).unwrap(), 0);
        assert_eq!(store.streams(next).unwrap().len(), 1);
        store.close(id);
        store.write(id, None, 4, b" on").unwrap();
        assert_eq!(content(store, id, None), b"kept on");
        assert_eq!(content(store, id, Some(&big)), pattern(10_000));
        store.create_stream(id, &w("late")).unwrap();
        store.write(id, Some(&w("late")), 0, &pattern(9_000)).unwrap();
        assert_eq!(content(store, id, Some(&w("late"))), pattern(9_000));
        assert_eq!(store.metadata(id).unwrap().links, 0);
        assert!(matches!(store.path(id), Err(StoreError::NotFound(_))));
        store.close(id);
        assert!(matches!(store.read(id, None, 0, &mut [0; 4]), Err(StoreError::NotFound(_))));
    });
}

#[test]
fn a_directory_must_be_empty_and_the_root_stays() {
    each(|store| {
        let dir = directory(store, store.root(), "d");
        let id = file(store, dir, "f");
        store.create_stream(id, &w("s")).unwrap();
        store.set_size(id, Some(&w("s")), 5000).unwrap();
        assert!(matches!(store.remove(dir), Err(StoreError::NotEmpty(_))));
        store.remove(id).unwrap();
        store.remove(dir).unwrap();
        assert!(matches!(store.create(dir, &w("x"), NodeKind::File, 0), Err(StoreError::NotFound(_))));
        assert!(matches!(store.remove(store.root()), Err(StoreError::AccessDenied(_))));
        assert!(names(store, store.root()).is_empty());
    });
}
