//! Cached reads and writes, and the paging I/O that they come to.

mod support;

use nt_abi::*;
use nt_cc::*;
use nt_mm::UserBuffer;
use support::*;

mod copy_read {
    use super::*;

    #[test]
    fn reads_missing_pages_once_with_paging_io() {
        // spec: CC-05, SEED-IOPB-08
        in_machine(8 << 20, |_| {
            let data = pattern(5 * PAGE);
            let subject = Subject::new(data.clone());
            let file = subject.open_cached();
            assert_eq!(read(file, 100, 2 * PAGE), data[100..100 + 2 * PAGE]);
            assert_eq!(subject.disk.log(), [format!("read {} at 0 irp 0x43", 3 * PAGE)]);
            assert_eq!(read(file, 0, 3 * PAGE), data[..3 * PAGE]);
            assert!(subject.disk.log().is_empty(), "the pages are there");
            assert!(subject.close(file));
        });
    }

    #[test]
    fn fills_what_lies_behind_the_file_with_zeros() {
        // spec: PAGE-04
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(PAGE + 10));
            let file = subject.open_cached();
            let got = read(file, PAGE, PAGE);
            assert_eq!(got[..10], pattern(PAGE + 10)[PAGE..]);
            assert!(got[10..].iter().all(|byte| *byte == 0));
            subject.close(file);
        });
    }

    #[test]
    fn needs_no_io_behind_valid_data() {
        // spec: PAGE-08
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0xEE; 4 * PAGE]);
            subject.set_header(4 * PAGE as i64, PAGE as i64);
            let file = subject.open_cached();
            assert!(read(file, PAGE, 3 * PAGE).iter().all(|byte| *byte == 0));
            assert!(subject.disk.log().is_empty());
            subject.close(file);
        });
    }

    #[test]
    fn without_wait_declines_when_a_page_is_missing() {
        // spec: CC-05
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(PAGE));
            let file = subject.open_cached();
            let buffer = UserBuffer::new(PAGE).unwrap();
            assert_eq!(cc_copy_read(file, 0, PAGE as u32, false, buffer.address()), Ok(None));
            read(file, 0, PAGE);
            assert!(cc_copy_read(file, 0, PAGE as u32, false, buffer.address()).unwrap().is_some());
            subject.close(file);
        });
    }

    #[test]
    fn raises_what_the_file_system_answers_and_a_bad_buffer() {
        // spec: CC-05
        in_machine(8 << 20, |core| {
            let subject = Subject::new(pattern(PAGE));
            let file = subject.open_cached();
            *subject.disk.fails.lock().unwrap() = Some(NtStatus::CRC_ERROR);
            let buffer = UserBuffer::new(PAGE).unwrap();
            assert_eq!(
                cc_copy_read(file, 0, PAGE as u32, true, buffer.address()),
                Err(nt_ke::Raise::Status(NtStatus::CRC_ERROR))
            );
            *subject.disk.fails.lock().unwrap() = None;
            let nowhere = core.slot.base() + 0x1000;
            assert_eq!(
                cc_copy_read(file, 0, PAGE as u32, true, nowhere),
                Err(nt_ke::Raise::Status(NtStatus::ACCESS_VIOLATION))
            );
            subject.close(file);
        });
    }

    #[test]
    fn reads_ahead_of_a_sequential_reader() {
        // spec: FSF-31
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(1 << 20));
            let file = subject.open_cached();
            for block in 0..4 {
                read(file, block * PAGE, PAGE);
            }
            until(|| subject.disk.log.lock().unwrap().iter().any(|line| line.starts_with("read 2")));
            until(|| subject.disk.acquired.load(std::sync::atomic::Ordering::SeqCst) == 0);
            subject.close(file);
        });
    }
}

mod copy_write {
    use super::*;

    #[test]
    fn stays_in_memory_until_it_is_flushed() {
        // spec: CC-06, CC-14
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; 2 * PAGE]);
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &pattern(2 * PAGE));
            assert!(subject.disk.log().is_empty(), "whole pages need no read");
            assert_eq!(read(file, 0, 2 * PAGE), pattern(2 * PAGE));
            let result = cc_flush_cache(&subject.stream.section, None).unwrap();
            assert_eq!((result.status, result.information), (NtStatus::SUCCESS, 2 * PAGE));
            assert_eq!(subject.disk.log(), [format!("write {} at 0 irp 0x43", 2 * PAGE)]);
            assert_eq!(*subject.disk.bytes.lock().unwrap(), pattern(2 * PAGE));
            assert_eq!(cc_flush_cache(&subject.stream.section, None).unwrap().information, 0);
            assert!(subject.disk.log().is_empty(), "clean pages are not written");
            subject.close(file);
        });
    }

    #[test]
    fn reads_a_page_first_of_which_it_changes_a_part() {
        // spec: CC-06, PAGE-08
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(4 * PAGE));
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, PAGE + 5, &[1, 2, 3]);
            assert_eq!(subject.disk.log(), [format!("read {PAGE} at {PAGE} irp 0x43")]);
            let mut expected = pattern(4 * PAGE);
            expected[PAGE + 5..PAGE + 8].copy_from_slice(&[1, 2, 3]);
            assert_eq!(read(file, 0, 4 * PAGE), expected);
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert_eq!(*subject.disk.bytes.lock().unwrap(), expected);
            subject.close(file);
        });
    }

    #[test]
    fn a_flush_of_a_range_writes_that_range_only() {
        // spec: CC-14
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; 8 * PAGE]);
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &pattern(8 * PAGE));
            let result = cc_flush_cache(&subject.stream.section, Some((PAGE as i64, 10))).unwrap();
            assert_eq!((result.status, result.information), (NtStatus::SUCCESS, 10));
            assert_eq!(subject.disk.log(), [format!("write {PAGE} at {PAGE} irp 0x43")]);
            assert_eq!(statistics().dirty_pages, 7);
            cc_flush_cache(&subject.stream.section, None).unwrap();
            subject.close(file);
        });
    }

    #[test]
    fn a_page_changed_while_it_is_written_stays_dirty() {
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &[1; PAGE]);
            let again = std::ptr::from_ref(file) as usize;
            *subject.disk.during_write.lock().unwrap() = Some(Box::new(move || {
                // SAFETY: the file object outlives the flush below.
                let file: &'static FILE_OBJECT = unsafe { &*(again as *const FILE_OBJECT) };
                write(file, 0, &[2; 8]);
            }));
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert_eq!(subject.disk.log().len(), 2, "written, changed meanwhile, written again");
            assert_eq!(subject.disk.bytes.lock().unwrap()[..9], [2, 2, 2, 2, 2, 2, 2, 2, 1]);
            assert_eq!(statistics().dirty_pages, 0);
            subject.close(file);
        });
    }

    #[test]
    fn through_a_write_through_file_object_reaches_the_store_at_once() {
        // spec: CC-06
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            let file = subject.open_cached();
            file.Flags.fetch_or(FO_WRITE_THROUGH, std::sync::atomic::Ordering::Relaxed);
            let buffer = UserBuffer::from_bytes(&[9; 16]).unwrap();
            assert_eq!(cc_copy_write(file, 0, 16, false, buffer.address()), Ok(false));
            assert_eq!(cc_copy_write(file, 0, 16, true, buffer.address()), Ok(true));
            assert_eq!(subject.disk.bytes.lock().unwrap()[..17], [[9; 16].as_slice(), &[0]].concat());
            *subject.disk.fails.lock().unwrap() = Some(NtStatus::DISK_FULL);
            assert_eq!(
                cc_copy_write(file, 0, 16, true, buffer.address()),
                Err(nt_ke::Raise::Status(NtStatus::DISK_FULL))
            );
            *subject.disk.fails.lock().unwrap() = None;
            subject.close(file);
        });
    }

    #[test]
    fn a_failed_flush_says_so_and_loses_nothing() {
        // spec: CC-14
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &pattern(PAGE));
            *subject.disk.fails.lock().unwrap() = Some(NtStatus::DISK_FULL);
            assert_eq!(cc_flush_cache(&subject.stream.section, None).unwrap().status, NtStatus::DISK_FULL);
            assert_eq!(statistics().dirty_pages, 1);
            *subject.disk.fails.lock().unwrap() = None;
            assert_eq!(cc_flush_cache(&subject.stream.section, None).unwrap().status, NtStatus::SUCCESS);
            assert_eq!(*subject.disk.bytes.lock().unwrap(), pattern(PAGE));
            subject.close(file);
        });
    }
}

mod a_cache_map {
    use super::*;

    #[test]
    fn is_one_for_all_file_objects_of_a_stream() {
        // spec: CC-01, CC-04
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let (first, second, never) = (subject.open(), subject.open_cached(), subject.open());
            assert!(cc_is_file_cached(first) && cc_is_file_cached(never));
            cc_initialize_cache_map(first, subject.sizes(), false, Callbacks::Rust(subject.disk), 0).unwrap();
            write(first, 0, &[7; 4]);
            assert_eq!(read(second, 0, 4), [7; 4]);
            assert_eq!(statistics().streams, 1);
            assert_eq!(
                cc_file_object_of(&subject.stream.section).map(std::ptr::from_ref),
                Some(std::ptr::from_ref(second))
            );
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert!(!subject.close(second), "the first file object still uses the map");
            assert!(!subject.close(never), "nor does one that never used it change that");
            assert_eq!(read(first, 0, 4), [7; 4]);
            assert!(subject.close(first));
            assert!(subject.stream.section.SharedCacheMap.get().is_null());
        });
    }

    #[test]
    fn refuses_a_file_object_without_a_stream_header() {
        // spec: CC-01, CC-02
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            let file = subject.open();
            let buffer = UserBuffer::new(16).unwrap();
            let refused = nt_ke::Raise::Status(NtStatus::INVALID_PARAMETER);
            assert_eq!(cc_copy_read(file, 0, 16, true, buffer.address()), Err(refused));
            file.FsContext.set(std::ptr::null_mut());
            let callbacks = Callbacks::Rust(subject.disk);
            assert_eq!(cc_initialize_cache_map(file, subject.sizes(), false, callbacks, 0), Err(refused));
        });
    }

    #[test]
    fn with_dirty_data_outlives_its_last_file_object_until_it_is_written() {
        // spec: CC-03, FSF-30
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            let file = subject.open_cached();
            write(file, 0, &pattern(PAGE));
            assert!(!subject.close(file), "dirty data keeps the map, and the map the file object");
            until(|| subject.disk.log.lock().unwrap().last().is_some_and(|line| line == "close"));
            assert_eq!(subject.disk.log(), [format!("write {PAGE} at 0 irp 0x43"), "close".into()]);
            assert_eq!(*subject.disk.bytes.lock().unwrap(), pattern(PAGE));
            assert_eq!((statistics().streams, statistics().dirty_pages), (0, 0));
        });
    }

    #[test]
    fn that_ends_with_a_size_drops_what_lies_behind() {
        // spec: CC-03
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; 2 * PAGE]);
            subject.disk.lazy_refused.store(true, std::sync::atomic::Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &pattern(2 * PAGE));
            assert_eq!(cc_uninitialize_cache_map(file, Some(0), None), Ok(true));
            assert!(subject.disk.log().is_empty(), "a deleted file's data is never written");
            nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
        });
    }

    #[test]
    fn signals_the_event_of_who_ends_it() {
        // spec: CC-03
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            let file = subject.open_cached();
            let event = KEVENT::default();
            nt_ke::dispatcher::initialize_header(
                &event.Header,
                nt_ke::dispatcher::object_type::NOTIFICATION_EVENT,
                0,
            );
            cc_uninitialize_cache_map(file, None, Some(&event)).unwrap();
            nt_ke::dispatcher::wait(&event.Header, false, None).unwrap();
            assert_eq!(cc_uninitialize_cache_map(file, None, None), Ok(true), "harmless without a map");
        });
    }
}

mod the_lazy_writer {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn writes_what_has_been_dirty_for_a_while_under_the_file_systems_lock() {
        // spec: FSF-30
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &pattern(PAGE));
            until(|| subject.disk.acquired.load(Ordering::SeqCst) >= 2);
            assert!(subject.disk.log().is_empty(), "a refused lock postpones the write");
            subject.disk.lazy_refused.store(false, Ordering::SeqCst);
            until(|| statistics().dirty_pages == 0);
            assert_eq!(*subject.disk.bytes.lock().unwrap(), pattern(PAGE));
            subject.close(file);
        });
    }

    #[test]
    fn gives_up_data_that_nobody_takes_and_reports_it() {
        in_machine(8 << 20, |core| {
            let subject = Subject::new(vec![0; PAGE]);
            *subject.disk.fails.lock().unwrap() = Some(NtStatus::DISK_FULL);
            let file = subject.open_cached();
            write(file, 0, &pattern(PAGE));
            until(|| statistics().dirty_pages == 0);
            let findings = core.findings();
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].rule, "lost-delayed-write");
            subject.close(file);
        });
    }

    #[test]
    fn lets_writers_wait_for_room() {
        // spec: CC-07, CC-09
        in_machine(2 << 20, |_| {
            let subject = Subject::new(vec![0; 4 << 20]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            assert_eq!(cc_can_i_write(file, 64 << 10, false, false), Ok(true));
            write(file, 0, &vec![1; 1 << 20]);
            assert_eq!(cc_can_i_write(file, 64 << 10, false, false), Ok(false));
            subject.disk.lazy_refused.store(false, Ordering::SeqCst);
            assert_eq!(cc_can_i_write(file, 64 << 10, true, true), Ok(true));
            cc_flush_cache(&subject.stream.section, None).unwrap();
            subject.close(file);
        });
    }

    #[test]
    fn calls_a_deferred_write_once_there_is_room() {
        // spec: CC-08
        in_machine(2 << 20, |_| {
            let subject = Subject::new(vec![0; 4 << 20]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            let called = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let routine = || {
                let called = std::sync::Arc::clone(&called);
                Deferred::Rust(Box::new(move || {
                    called.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }))
            };
            cc_defer_write(4096, routine()).unwrap();
            assert_eq!(called.load(Ordering::SeqCst), 1, "at once while there is room");
            write(file, 0, &vec![1; 1 << 20]);
            cc_defer_write(64 << 10, routine()).unwrap();
            assert_eq!(called.load(Ordering::SeqCst), 1);
            subject.disk.lazy_refused.store(false, Ordering::SeqCst);
            until(|| called.load(Ordering::SeqCst) == 2);
            cc_flush_cache(&subject.stream.section, None).unwrap();
            subject.close(file);
        });
    }
}

mod memory {
    use super::*;

    #[test]
    fn stays_within_its_bound_with_a_file_ten_times_as_large() {
        // spec: CC-07
        in_machine(2 << 20, |_| {
            let size = 20 << 20;
            let subject = Subject::new(vec![0; size]);
            let file = subject.open_cached();
            let data = pattern(size);
            for piece in (0..size).step_by(192 << 10) {
                let end = (piece + (192 << 10)).min(size);
                write(file, piece, &data[piece..end]);
            }
            for piece in (0..size).step_by(160 << 10) {
                let end = (piece + (160 << 10)).min(size);
                assert_eq!(read(file, piece, end - piece), data[piece..end]);
            }
            let held = statistics();
            assert!(held.peak_pages <= (2 << 20) / PAGE, "{held:?}");
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert!(*subject.disk.bytes.lock().unwrap() == data);
            subject.close(file);
        });
    }

    #[test]
    fn of_many_small_streams_is_given_back() {
        in_machine(2 << 20, |_| {
            let subject = Subject::new(pattern(PAGE));
            for _ in 0..600 {
                let file = subject.open_cached();
                assert_eq!(read(file, 0, 16), pattern(16));
                assert!(subject.close(file));
            }
            let held = statistics();
            assert!(held.resident_pages <= 64 && held.streams == 0, "{held:?}");
        });
    }
}

mod threads {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn that_copy_flush_and_purge_at_the_same_time_lose_nothing() {
        in_machine(2 << 20, |core| {
            const EACH: usize = 3 << 20;
            let subject = Arc::new(Subject::new(vec![0; 4 * EACH]));
            let file = std::ptr::from_ref(subject.open_cached()) as usize;
            let running = Arc::new(AtomicUsize::new(4));
            for number in 0..4usize {
                let (running, subject) = (Arc::clone(&running), Arc::clone(&subject));
                let body = move || {
                    // SAFETY: the file object outlives the threads, which are waited for below.
                    let file: &'static FILE_OBJECT = unsafe { &*(file as *const FILE_OBJECT) };
                    let mut model = vec![0u8; EACH];
                    let mut seed = number as u64 + 1;
                    let mut next = |bound: usize| {
                        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        (seed >> 33) as usize % bound
                    };
                    for round in 0..400 {
                        let offset = next(EACH - 70_000);
                        let length = 1 + next(69_999);
                        if next(3) == 0 {
                            let got = read(file, number * EACH + offset, length);
                            assert!(got == model[offset..offset + length], "round {round}");
                        } else {
                            let bytes: Vec<u8> = (0..length).map(|i| (i + round) as u8).collect();
                            model[offset..offset + length].copy_from_slice(&bytes);
                            write(file, number * EACH + offset, &bytes);
                        }
                        if next(16) == 0 {
                            let at = (number * EACH + offset) as i64;
                            let range = Some((at, length as u32));
                            cc_coherency_flush_and_purge_cache(&subject.stream.section, range, 0).unwrap();
                        }
                    }
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                core.spawn("copier", 0, |_| {}, body).unwrap();
            }
            until(|| running.load(Ordering::SeqCst) == 0);
            let held = statistics();
            assert!(held.peak_pages <= (2 << 20) / PAGE + 4 * 64, "{held:?}");
            // SAFETY: as above.
            subject.close(unsafe { &*(file as *const FILE_OBJECT) });
            flush_all().unwrap();
            assert_eq!(statistics().dirty_pages, 0);
        });
    }
}
