//! Attributes, times, and the volume.

use super::*;

#[test]
fn attributes_are_kept_but_for_kind_and_normal() {
    each(|store| {
        let (f, d) = (file(store, store.root(), "f"), directory(store, store.root(), "d"));
        assert_eq!(store.metadata(f).unwrap().attributes, 0);
        assert_eq!(store.metadata(d).unwrap().attributes, ATTRIBUTE_DIRECTORY);
        let set = |id, attributes| {
            store
                .set_metadata(id, MetadataChange { attributes: Some(attributes), ..Default::default() })
                .unwrap();
        };
        set(f, ATTRIBUTE_READONLY | 0x2 | 0x100 | ATTRIBUTE_DIRECTORY | ATTRIBUTE_NORMAL);
        set(d, 0x4);
        store.rename(f, d, &w("g"), false).unwrap();
        assert_eq!(store.metadata(f).unwrap().attributes, ATTRIBUTE_READONLY | 0x2 | 0x100);
        assert_eq!(store.metadata(d).unwrap().attributes, ATTRIBUTE_DIRECTORY | 0x4);
        let made = store.create(d, &w("h"), NodeKind::File, 0x2).unwrap();
        assert_eq!(store.metadata(made).unwrap().attributes, 0x2);
        assert_eq!(names(store, d), ["g", "h"]);
    });
}

#[test]
fn times_are_kept_to_100_nanoseconds() {
    each(|store| {
        let id = file(store, store.root(), "f");
        let (a, b, c) = (133_000_000_000_000_001, 133_000_000_000_000_002, 133_000_000_000_000_003);
        store
            .set_metadata(
                id,
                MetadataChange {
                    creation: Some(a),
                    last_access: Some(b),
                    last_write: Some(c),
                    ..Default::default()
                },
            )
            .unwrap();
        let times = store.metadata(id).unwrap().times;
        assert_eq!((times.creation, times.last_access, times.last_write), (a, b, c));
        let attributes = Some(ATTRIBUTE_ARCHIVE);
        store.set_metadata(id, MetadataChange { attributes, ..Default::default() }).unwrap();
        assert_eq!(store.metadata(id).unwrap().times.creation, a);
    });
}

#[test]
fn the_volume_says_what_it_is() {
    each(|store| {
        let info = store.volume_info().unwrap();
        assert!(info.total_bytes >= info.free_bytes && info.sector_size == 512);
        assert_eq!(store.volume_info().unwrap().serial, info.serial);
        let long = store.set_label(&w(&"l".repeat(33)));
        assert!(matches!(long, Err(StoreError::NameTooLong(_))));
        store.flush_all().unwrap();
        store.flush(file(store, store.root(), "f")).unwrap();
    });
}
