//! Bytes of the default stream.

use super::*;

#[test]
fn a_hole_reads_as_zeros_and_takes_no_space() {
    each(|store| {
        let id = file(store, store.root(), "f");
        let far = (1 << 30) + 123;
        store.write(id, None, far, b"end").unwrap();
        assert_eq!(store.size(id, None).unwrap(), far + 3);
        assert!(store.allocation_size(id, None).unwrap() < 1 << 20);
        let mut bytes = [0xAA; 100];
        assert_eq!(store.read(id, None, far - 50, &mut bytes).unwrap(), 53);
        assert_eq!((&bytes[..50], &bytes[50..53]), (&[0; 50][..], &b"end"[..]));
        assert_eq!(store.read(id, None, far + 3, &mut bytes).unwrap(), 0);
    });
}

#[test]
fn what_was_cut_reads_as_zeros_when_the_end_moves_back() {
    each(|store| {
        let id = file(store, store.root(), "f");
        store.write(id, None, 0, &pattern(200_000)).unwrap();
        for cut in [150_001, 65_536, 4_097, 1] {
            store.set_size(id, None, cut).unwrap();
            store.set_size(id, None, 200_000).unwrap();
            let mut expected = pattern(cut as usize);
            expected.resize(200_000, 0);
            assert_eq!(content(store, id, None), expected);
        }
    });
}

#[test]
fn unaligned_overlapping_writes_keep_every_other_byte() {
    each(|store| {
        let id = file(store, store.root(), "f");
        let mut expected = vec![0; 300_000];
        for (at, length) in [(65_000, 2_000), (0, 1), (131_071, 70_000), (66_000, 10), (299_999, 1)] {
            let data: Vec<u8> = pattern(length).iter().map(|byte| byte ^ at as u8).collect();
            store.write(id, None, at as u64, &data).unwrap();
            expected[at..at + length].copy_from_slice(&data);
        }
        assert_eq!(content(store, id, None), expected);
    });
}

#[test]
fn an_allocation_asked_ahead_moves_no_end_of_file() {
    each(|store| {
        let id = file(store, store.root(), "f");
        store.write(id, None, 0, b"abc").unwrap();
        store.set_allocation(id, None, 100_000).unwrap();
        assert_eq!(store.size(id, None).unwrap(), 3);
        assert!(store.allocation_size(id, None).unwrap() >= 100_000);
        store.set_allocation(id, None, 0).unwrap();
        assert_eq!(content(store, id, None), b"abc");
        let kept = store.allocation_size(id, None).unwrap();
        assert!(kept < 100_000, "the space asked for ahead was not given back: {kept} bytes are still taken");
    });
}

#[test]
fn an_offset_beyond_the_largest_file_is_refused() {
    each(|store| {
        let id = file(store, store.root(), "f");
        assert!(matches!(store.write(id, None, u64::MAX - 1, b"abc"), Err(StoreError::TooLarge(_))));
        assert!(matches!(store.set_size(id, None, u64::MAX), Err(StoreError::TooLarge(_))));
        assert_eq!(store.read(id, None, u64::MAX - 1, &mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn writers_of_one_file_and_of_many_do_not_disturb_each_other() {
    each(|store| {
        let shared = file(store, store.root(), "shared");
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                scope.spawn(move || {
                    let own = file(store, store.root(), &format!("own{thread}"));
                    for step in 0..50u64 {
                        store.write(own, None, step * 1000, &[thread; 1000]).unwrap();
                        store
                            .write(shared, None, (step * 4 + u64::from(thread)) * 1000, &[thread; 1000])
                            .unwrap();
                        let temporary = file(store, store.root(), &format!("t{thread}-{step}"));
                        store
                            .rename(temporary, store.root(), &w(&format!("u{thread}-{step}")), false)
                            .unwrap();
                        store.remove(temporary).unwrap();
                    }
                    assert_eq!(content(store, own, None), [thread; 50_000]);
                });
            }
        });
        let all = content(store, shared, None);
        assert!(
            all.chunks(1000).enumerate().all(|(at, part)| part.iter().all(|&byte| byte == (at % 4) as u8))
        );
        assert_eq!(names(store, store.root()).len(), 5);
    });
}
