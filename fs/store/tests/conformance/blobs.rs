//! What a file system keeps with a file.

use super::*;

#[test]
fn each_kind_is_kept_replaced_and_forgotten_by_itself() {
    each(|store| {
        let (id, dir) = (file(store, store.root(), "f"), directory(store, store.root(), "d"));
        for id in [id, dir] {
            for blob in Blob::ALL {
                assert_eq!(store.blob(id, blob).unwrap(), None);
                store.set_blob(id, blob, Some(format!("{blob:?}").as_bytes())).unwrap();
            }
            store.set_blob(id, Blob::Security, Some(&pattern(9000))).unwrap();
            store.set_blob(id, Blob::ExtendedAttributes, None).unwrap();
            assert_eq!(store.blob(id, Blob::Reparse).unwrap().as_deref(), Some(&b"Reparse"[..]));
            assert_eq!(store.blob(id, Blob::ExtendedAttributes).unwrap(), None);
            assert_eq!(store.blob(id, Blob::Security).unwrap(), Some(pattern(9000)));
            store.set_blob(id, Blob::Security, Some(b"short")).unwrap();
            assert_eq!(store.blob(id, Blob::Security).unwrap().as_deref(), Some(&b"short"[..]));
        }
        assert!(store.may_have_reparse_points());
    });
}

#[test]
fn they_move_with_their_file_and_go_with_it() {
    each(|store| {
        let (id, dir) = (file(store, store.root(), "f"), directory(store, store.root(), "d"));
        for (blob, bytes) in [(Blob::Reparse, 100), (Blob::Security, 20_000)] {
            store.set_blob(id, blob, Some(&pattern(bytes))).unwrap();
        }
        store.rename(id, dir, &w("g"), false).unwrap();
        assert_eq!(store.blob(id, Blob::Reparse).unwrap(), Some(pattern(100)));
        assert_eq!(store.blob(id, Blob::Security).unwrap(), Some(pattern(20_000)));
        store.remove(id).unwrap();
        let again = file(store, dir, "g");
        assert_eq!(store.blob(again, Blob::Reparse).unwrap(), None);
        assert_eq!(store.blob(again, Blob::Security).unwrap(), None);
    });
}

#[test]
fn too_much_is_refused() {
    each(|store| {
        let id = file(store, store.root(), "f");
        let much = vec![1; MAX_BLOB_BYTES + 1];
        assert!(matches!(store.set_blob(id, Blob::Reparse, Some(&much)), Err(StoreError::TooLarge(_))));
        store.set_blob(id, Blob::Reparse, Some(&much[1..])).unwrap();
        assert_eq!(store.blob(id, Blob::Reparse).unwrap().map(|blob| blob.len()), Some(MAX_BLOB_BYTES));
    });
}
