//! Purging, sizes, zeros, MDLs and fast I/O.

mod support;

use std::sync::atomic::Ordering;

use nt_abi::*;
use nt_cc::*;
use nt_mm::UserBuffer;
use support::*;

mod purge {
    use super::*;

    #[test]
    fn drops_clean_pages_so_that_the_store_is_asked_again() {
        // spec: CC-15
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(4 * PAGE));
            let file = subject.open_cached();
            read(file, 0, 4 * PAGE);
            subject.disk.log();
            subject.disk.bytes.lock().unwrap()[PAGE] = 0xAB;
            assert_eq!(
                cc_purge_cache_section(&subject.stream.section, Some((PAGE as i64, 1)), false),
                Ok(true)
            );
            assert_eq!(read(file, PAGE, 1), [0xAB]);
            assert_eq!(subject.disk.log(), [format!("read {PAGE} at {PAGE} irp 0x43")]);
            // A length of 0 reaches to the end.
            assert_eq!(cc_purge_cache_section(&subject.stream.section, Some((0, 0)), false), Ok(true));
            read(file, 3 * PAGE, 1);
            assert_eq!(subject.disk.log().len(), 1);
            subject.close(file);
        });
    }

    #[test]
    fn writes_a_page_first_that_is_dirty_outside_the_range() {
        // spec: CC-15
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &[5; 600]);
            assert_eq!(cc_purge_cache_section(&subject.stream.section, Some((512, 512)), false), Ok(true));
            assert_eq!(subject.disk.bytes.lock().unwrap()[..600], [5; 600]);
            subject.close(file);
        });
    }

    #[test]
    fn after_a_flush_is_what_noncached_io_asks_for() {
        // spec: CC-18, PAGE-19
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; 2 * PAGE]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &pattern(2 * PAGE));
            let section = &subject.stream.section;
            let written = cc_coherency_flush_and_purge_cache(section, Some((0, PAGE as u32)), 1).unwrap();
            assert_eq!(written.status, NtStatus::SUCCESS);
            subject.disk.log();
            read(file, 0, PAGE);
            assert!(subject.disk.log().is_empty(), "flag 1 keeps the pages");
            cc_coherency_flush_and_purge_cache(section, None, 0).unwrap();
            assert_eq!(*subject.disk.bytes.lock().unwrap(), pattern(2 * PAGE));
            subject.disk.log();
            read(file, 0, PAGE);
            assert_eq!(subject.disk.log().len(), 1, "the pages were dropped");
            *subject.disk.fails.lock().unwrap() = Some(NtStatus::DISK_FULL);
            write(file, 0, &[1]);
            let failed = cc_coherency_flush_and_purge_cache(section, None, 0).unwrap();
            assert_eq!(failed.status, NtStatus::DISK_FULL);
            *subject.disk.fails.lock().unwrap() = None;
            subject.close(file);
        });
    }
}

mod set_file_sizes {
    use super::*;

    #[test]
    fn drops_what_is_cut_and_clears_the_rest_of_the_last_page() {
        // spec: CC-16
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; 4 * PAGE]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &[9; 4 * PAGE]);
            subject.disk.bytes.lock().unwrap().truncate(PAGE + 100);
            subject.set_header(PAGE as i64 + 100, PAGE as i64 + 100);
            cc_set_file_sizes(file, subject.sizes()).unwrap();
            assert_eq!(statistics().dirty_pages, 2);
            subject.grow(file, 4 * PAGE as i64);
            let got = read(file, 0, 4 * PAGE);
            assert!(got[..PAGE + 100].iter().all(|byte| *byte == 9));
            assert!(got[PAGE + 100..].iter().all(|byte| *byte == 0), "no byte of the cut data comes back");
            cc_flush_cache(&subject.stream.section, None).unwrap();
            subject.close(file);
        });
    }

    #[test]
    fn needs_no_cache_map() {
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE]);
            let file = subject.open();
            assert_eq!(cc_set_file_sizes(file, subject.sizes()), Ok(()));
        });
    }

    #[test]
    fn keeps_paging_writes_inside_the_file() {
        // spec: PAGE-02, PAGE-03
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![0; PAGE + 1]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            write(file, 0, &[3; PAGE + 1]);
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert_eq!(subject.disk.log().last(), Some(&format!("write {} at 0 irp 0x43", 2 * PAGE)));
            assert_eq!(*subject.disk.bytes.lock().unwrap(), [3; PAGE + 1]);
            subject.close(file);
        });
    }
}

mod zero_data {
    use super::*;

    #[test]
    fn goes_through_the_cache_of_a_cached_stream() {
        // spec: CC-17
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![8; 3 * PAGE]);
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            assert_eq!(cc_zero_data(file, 100, 2 * PAGE as i64 + 50, true), Ok(true));
            let mut expected = vec![8; 3 * PAGE];
            expected[100..2 * PAGE + 50].fill(0);
            assert_eq!(read(file, 0, 3 * PAGE), expected);
            assert!(subject.disk.log().iter().all(|line| line.starts_with("read")));
            // A file object that does no cached I/O writes through.
            let other = subject.open();
            assert_eq!(cc_zero_data(other, 0, 100, true), Ok(true));
            assert_eq!(subject.disk.bytes.lock().unwrap()[..100], [0; 100]);
            subject.close(file);
        });
    }

    #[test]
    fn of_an_uncached_stream_is_paging_writes_that_keep_what_is_around() {
        // spec: CC-17, PAGE-09
        in_machine(8 << 20, |_| {
            let subject = Subject::new(vec![8; 40 * PAGE]);
            let file = subject.open();
            let (start, end) = (PAGE + 100, 30 * PAGE + 7);
            assert_eq!(cc_zero_data(file, start as i64, end as i64, false), Ok(false));
            assert_eq!(cc_zero_data(file, start as i64, end as i64, true), Ok(true));
            let mut expected = vec![8; 40 * PAGE];
            expected[start..end].fill(0);
            assert!(*subject.disk.bytes.lock().unwrap() == expected);
            let log = subject.disk.log();
            assert_eq!(log[0], format!("read {PAGE} at {PAGE} irp 0x43"));
            assert_eq!(log[1], format!("write {PAGE} at {PAGE} irp 0x43"));
            assert!(log.iter().all(|line| line.ends_with("irp 0x43")));
        });
    }
}

mod by_mdl {
    use super::*;

    #[test]
    fn a_reader_sees_the_pages_of_the_cache_and_keeps_them_there() {
        // spec: CC-13
        in_machine(8 << 20, |_| {
            let data = pattern(300 << 10);
            let subject = Subject::new(data.clone());
            let file = subject.open_cached();
            let mut chain = None;
            let got = mdl::cc_mdl_read(file, 10, 290 << 10, &mut chain).unwrap();
            assert_eq!(got.information, 290 << 10);
            let first = chain.unwrap();
            // SAFETY: the chain has two MDLs, since the range lies in two views.
            let second = unsafe { first.Next.get().as_ref() }.expect("a second view");
            let address = nt_mm::mdl::map_locked_pages(second).unwrap();
            let mut bytes = [0; 16];
            boundary::copy::read(address, &mut bytes).unwrap();
            assert_eq!(bytes, data[256 << 10..(256 << 10) + 16]);
            assert_eq!(cc_purge_cache_section(&subject.stream.section, None, false), Ok(false));
            mdl::cc_mdl_read_complete(first).unwrap();
            assert_eq!(cc_purge_cache_section(&subject.stream.section, None, false), Ok(true));
            subject.close(file);
        });
    }

    #[test]
    fn a_writer_changes_the_pages_and_completing_makes_them_dirty() {
        // spec: CC-10, CC-11, CC-12
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(2 * PAGE));
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            let mut chain = None;
            mdl::cc_prepare_mdl_write(file, 8, PAGE as u32, &mut chain).unwrap();
            let first = chain.unwrap();
            assert_ne!(u32::from(first.MdlFlags.get()) & u32::from(MDL_PAGES_LOCKED), 0);
            assert_eq!(u32::from(first.MdlFlags.get()) & u32::from(MDL_MAPPED_TO_SYSTEM_VA), 0);
            let address = nt_mm::mdl::map_locked_pages(first).unwrap();
            boundary::copy::fill(address, 0x77, PAGE).unwrap();
            assert_eq!(statistics().dirty_pages, 0);
            mdl::cc_mdl_write_complete(file, 8, first).unwrap();
            assert_eq!(statistics().dirty_pages, 2);
            let mut expected = pattern(2 * PAGE);
            expected[8..8 + PAGE].fill(0x77);
            assert_eq!(read(file, 0, 2 * PAGE), expected);
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert_eq!(*subject.disk.bytes.lock().unwrap(), expected);
            mdl::cc_prepare_mdl_write(file, 0, 16, &mut chain).unwrap();
            mdl::cc_mdl_write_abort(chain.unwrap()).unwrap();
            assert_eq!(statistics().dirty_pages, 0);
            subject.close(file);
        });
    }
}

mod fast_io {
    use super::*;

    fn fast_write(subject: &Subject, file: &'static FILE_OBJECT, offset: i64, bytes: &[u8]) -> Option<usize> {
        let buffer = UserBuffer::from_bytes(bytes).unwrap();
        let length = bytes.len() as u32;
        let answer =
            fsrtl_copy_write(file, offset, length, true, 0, buffer.address(), subject.device).unwrap();
        answer.map(|result| result.information)
    }

    #[test]
    fn copies_moves_the_position_and_marks_the_file_object() {
        // spec: CC-20
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(PAGE));
            let file = subject.open_cached();
            let buffer = UserBuffer::new(PAGE).unwrap();
            let result =
                fsrtl_copy_read(file, 16, 2 * PAGE as u32, true, 0, buffer.address(), subject.device)
                    .unwrap()
                    .unwrap();
            assert_eq!((result.status, result.information), (NtStatus::SUCCESS, PAGE - 16));
            assert_eq!(file.CurrentByteOffset.get(), PAGE as i64);
            assert_ne!(file.Flags.load(Ordering::Relaxed) & FO_FILE_FAST_IO_READ, 0);
            assert_eq!(fast_write(&subject, file, 0, &[1; 32]), Some(32));
            assert_eq!(file.CurrentByteOffset.get(), 32);
            assert_ne!(file.Flags.load(Ordering::Relaxed) & FO_FILE_MODIFIED, 0);
            assert_eq!(nt_ke::current_thread().kernel_apc_disable().get(), 0);
            assert_eq!(nt_io::io_get_top_level_irp(), 0);
            subject.close(file);
        });
    }

    #[test]
    fn ends_at_the_end_of_the_file() {
        // spec: CC-20
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(PAGE));
            let file = subject.open_cached();
            let buffer = UserBuffer::new(PAGE).unwrap();
            let at_end = fsrtl_copy_read(file, PAGE as i64, 1, true, 0, buffer.address(), subject.device);
            assert_eq!(at_end.unwrap().unwrap().status, NtStatus::END_OF_FILE);
            subject.close(file);
        });
    }

    #[test]
    fn declines_what_needs_an_irp() {
        // spec: CC-20, CC-21
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(PAGE));
            let plain = subject.open();
            assert_eq!(fast_write(&subject, plain, 0, &[1]), None, "no cache map");
            let file = subject.open_cached();
            subject.stream.header.IsFastIoPossible.set(FastIoIsQuestionable);
            assert_eq!(fast_write(&subject, file, 0, &[1]), None, "byte-range locks");
            subject.stream.header.IsFastIoPossible.set(FastIoIsPossible);
            assert_eq!(fast_write(&subject, file, PAGE as i64, &[1]), None, "beyond what is allocated");
            file.Flags.fetch_or(FO_WRITE_THROUGH, Ordering::Relaxed);
            assert_eq!(fast_write(&subject, file, 0, &[1]), None, "write-through");
            file.Flags.fetch_and(!FO_WRITE_THROUGH, Ordering::Relaxed);
            *subject.disk.fails.lock().unwrap() = Some(NtStatus::CRC_ERROR);
            assert_eq!(fast_write(&subject, file, 0, &[1]), None, "the IRP meets the failure again");
            *subject.disk.fails.lock().unwrap() = None;
            subject.close(file);
        });
    }

    #[test]
    fn extends_inside_what_is_allocated() {
        // spec: CC-20, PAGE-06
        in_machine(8 << 20, |_| {
            let subject = Subject::new(pattern(100));
            subject.disk.lazy_refused.store(true, Ordering::SeqCst);
            let file = subject.open_cached();
            assert_eq!(fast_write(&subject, file, -1, &[4; 50]), Some(50));
            let header = &subject.stream.header;
            assert_eq!((header.FileSize.get(), header.ValidDataLength.get()), (150, 150));
            assert_ne!(file.Flags.load(Ordering::Relaxed) & FO_FILE_SIZE_CHANGED, 0);
            assert_eq!(fast_write(&subject, file, 200, &[4]), None, "a gap needs zeros first");
            assert_eq!(header.FileSize.get(), 150);
            assert_eq!(read(file, 90, 60)[10..], [4; 50]);
            *subject.disk.bytes.lock().unwrap() = vec![0; 150];
            cc_flush_cache(&subject.stream.section, None).unwrap();
            assert_eq!(subject.disk.bytes.lock().unwrap()[100..], [4; 50]);
            subject.close(file);
        });
    }
}
