//! Reads and writes: paging, noncached, cached, and how they meet.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nt_abi::*;
use nt_ex::resource;
use nt_io::IoStatus;
use support::*;

const NONCACHED: u32 = FILE_NO_INTERMEDIATE_BUFFERING;

mod paging_writes {
    use super::*;

    #[test]
    fn never_extend_and_are_trimmed_to_the_file() {
        // spec: PAGE-01, PAGE-02, PAGE-03
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 700]);
            file.flush();
            assert_eq!(file.page(0, &mut [2; PAGE], true), done(700));
            assert_eq!(file.page(PAGE as i64, &mut [3; PAGE], true), done(0));
            assert_eq!((file.sizes(), store.bytes("f")), ((700, 700), vec![2; 700]));
            file.close();
        });
    }

    #[test]
    fn leave_valid_data_position_times_and_flags_alone() {
        // spec: PAGE-05, PAGE-14
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 16]);
            assert_eq!(file.set_end(3 * PAGE as i64), NtStatus::SUCCESS);
            file.flush();
            let (position, time) = (file.file.CurrentByteOffset.get(), store.last_write("f"));
            file.file.Flags.fetch_and(!FO_FILE_MODIFIED, Ordering::Relaxed);
            assert_eq!(file.page(PAGE as i64, &mut [2; PAGE], true), done(PAGE));
            assert_eq!(file.sizes(), (3 * PAGE as i64, 16));
            assert_eq!((file.file.CurrentByteOffset.get(), store.last_write("f")), (position, time));
            assert_eq!(file.file.Flags.load(Ordering::Relaxed) & FO_FILE_MODIFIED, 0);
            file.close();
        });
    }

    #[test]
    fn keep_the_time_that_a_program_sets_meanwhile() {
        // spec: PAGE-14
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 16]);
            file.flush();
            const WANTED: i64 = 131_000_000_000_000_000;
            let handle = file.handle;
            store.set_hook(move |what| {
                if what.starts_with("write") {
                    let mut basic = [0u8; 40];
                    basic[16..24].copy_from_slice(&WANTED.to_le_bytes());
                    let buffer = nt_mm::UserBuffer::from_bytes(&basic).unwrap();
                    let class = file_information_class::FileBasicInformation;
                    let set = nt_io::nt_set_information_file(handle, buffer.address(), 40, class).unwrap();
                    assert_eq!(set.status, NtStatus::SUCCESS);
                }
                Ok(())
            });
            assert_eq!(file.page(0, &mut [2; PAGE], true), done(16));
            store.clear_hook();
            assert_eq!(store.last_write("f"), WANTED);
            // And the page that the close leaves dirty does not change it either.
            file.write(0, &[3; 4]);
            file.close();
            let written = store.last_write("f");
            nt_cc::flush_all().unwrap();
            assert_eq!((store.last_write("f"), written > WANTED), (written, true));
        });
    }

    #[test]
    fn to_the_end_of_file_by_name_are_refused() {
        // spec: PAGE-17
        on_volume(|_, _| {
            let file = open("f", 0);
            assert_eq!(file.page(-1, &mut [2; PAGE], true).status, NtStatus::INVALID_PARAMETER);
            file.close();
        });
    }

    #[test]
    fn are_taken_after_cleanup_and_hold_the_paging_resource_alone() {
        // spec: PAGE-13, PAGE-15
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 64]);
            let (object, header) = (file.file, file.header() as *const _ as usize);
            let seen = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&seen);
            store.set_hook(move |what| {
                if what.starts_with("write") {
                    // SAFETY: the cache keeps the file object, which keeps its control block.
                    let header = unsafe { &*(header as *const FSRTL_ADVANCED_FCB_HEADER) };
                    // SAFETY: as above; the header names both resources.
                    let (main, paging) =
                        unsafe { (&*header.Resource.get(), &*header.PagingIoResource.get()) };
                    assert_ne!(resource::is_acquired_shared(paging), 0);
                    assert!(!resource::is_acquired_exclusive(paging));
                    assert_eq!(resource::is_acquired_shared(main), 0);
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            });
            nt_ob::ob_reference(std::ptr::from_ref(object) as usize).unwrap();
            file.close();
            assert_ne!(object.Flags.load(Ordering::Relaxed) & FO_CLEANUP_COMPLETE, 0);
            assert_eq!(nt_cc::flush_all(), Ok(0));
            assert_eq!(seen.load(Ordering::SeqCst), 1);
            assert_eq!(store.bytes("f"), [1; 64]);
            store.clear_hook();
            nt_ob::ob_dereference(std::ptr::from_ref(object) as usize).unwrap();
        });
    }
}

mod paging_reads {
    use super::*;

    #[test]
    fn end_with_the_file_and_are_zeros_behind_valid_data() {
        // spec: PAGE-04, PAGE-08
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 100]);
            file.set_end(PAGE as i64 + 100);
            file.flush();
            store.log();
            let mut page = [0xCC; PAGE];
            assert_eq!(file.page(0, &mut page, false), done(PAGE));
            assert_eq!((&page[..100], &page[100..]), ([1; 100].as_slice(), [0; PAGE - 100].as_slice()));
            assert_eq!(store.log(), ["read 100 at 0"]);
            assert_eq!(file.page(PAGE as i64, &mut page, false), done(100));
            assert!(store.log().is_empty(), "zeros need no store");
            let behind = file.page(2 * PAGE as i64, &mut page, false);
            assert_eq!(behind, IoStatus::of(NtStatus::END_OF_FILE));
            file.close();
        });
    }

    #[test]
    fn are_the_only_io_of_a_cached_reader() {
        // spec: PAGE-16, FS-19
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 100]);
            file.close();
            nt_cc::flush_all().unwrap();
            let file = open("f", 0);
            store.log();
            assert_eq!(file.read(0, 50), (done(50), vec![1; 50]));
            assert_eq!(file.read(90, 50).0, done(10));
            assert_eq!(file.read(100, 1).0.status, NtStatus::END_OF_FILE);
            assert_eq!(store.log(), ["read 100 at 0"]);
            file.close();
        });
    }
}

mod noncached {
    use super::*;

    #[test]
    fn transfers_are_whole_sectors() {
        // spec: PAGE-21
        on_volume(|_, _| {
            let file = open("f", NONCACHED);
            assert_eq!(file.write(0, &[1; SECTOR]), done(SECTOR));
            for (offset, length) in [(1, SECTOR), (0, SECTOR + 1), (256, 256)] {
                let refused = IoStatus::of(NtStatus::INVALID_PARAMETER);
                assert_eq!(file.write(offset, &vec![2; length]), refused);
                assert_eq!(file.read(offset, length).0, refused);
                // The same below the services, where a filter's IRP comes in.
                assert_eq!(file.irp(IRP_MJ_WRITE, IRP_NOCACHE, offset, &mut vec![2; length]), refused);
            }
            file.close();
        });
    }

    #[test]
    fn unaligned_reads_that_arrive_all_the_same_succeed() {
        // spec: PAGE-22
        on_volume(|_, _| {
            let file = open("f", NONCACHED);
            let data: Vec<u8> = (0..2 * SECTOR).map(|index| index as u8).collect();
            file.write(0, &data);
            let mut bytes = [0; 100];
            assert_eq!(file.irp(IRP_MJ_READ, IRP_NOCACHE, 500, &mut bytes), done(100));
            assert_eq!(bytes, data[500..600]);
            file.close();
        });
    }

    #[test]
    fn reads_fill_the_buffer_up_to_the_sector_and_say_where_the_file_ends() {
        // spec: PAGE-08, PAGE-22, SWAP-24
        on_volume(|_, _| {
            let cached = open("f", 0);
            cached.write(0, &[7; 700]);
            let file = open("f", NONCACHED);
            let (result, bytes) = file.read(0, 4 * SECTOR);
            assert_eq!(result, done(700));
            assert_eq!((&bytes[..700], &bytes[700..1024]), ([7; 700].as_slice(), [0; 324].as_slice()));
            assert_eq!(bytes[1024..], [0xCC; 1024], "no sector behind the end of file is touched");
            assert_eq!(file.file.CurrentByteOffset.get(), 700);
            file.close();
            cached.close();
        });
    }

    #[test]
    fn io_and_cached_io_see_each_other() {
        // spec: PAGE-19, MM-05
        on_volume(|store, _| {
            let (cached, direct) = (open("f", 0), open("f", NONCACHED));
            cached.write(0, &[1; PAGE]);
            store.log();
            assert_eq!(direct.read(0, SECTOR).1, [1; SECTOR]);
            assert_eq!(store.log(), [format!("write {PAGE} at 0"), format!("read {SECTOR} at 0")]);
            cached.write(0, &[2; 10]);
            direct.write(SECTOR as i64, &[3; SECTOR]);
            let (_, seen) = cached.read(0, PAGE);
            assert_eq!((&seen[..10], seen[10]), ([2; 10].as_slice(), 1), "the cached write came first");
            assert_eq!((seen[SECTOR], seen[2 * SECTOR]), (3, 1));
            direct.close();
            cached.close();
        });
    }

    #[test]
    fn a_failed_flush_fails_what_needs_it() {
        // spec: PAGE-19
        on_volume(|store, _| {
            let (cached, direct) = (open("f", 0), open("f", NONCACHED));
            cached.write(0, &[1; PAGE]);
            store.set_hook(|what| match what.starts_with("write") {
                true => Err(StoreError::NoSpace("no room".into())),
                false => Ok(()),
            });
            assert_eq!(direct.read(0, SECTOR).0.status, NtStatus::DISK_FULL);
            assert_eq!(direct.write(0, &[2; SECTOR]).status, NtStatus::DISK_FULL);
            store.clear_hook();
            assert_eq!(direct.read(0, SECTOR), (done(SECTOR), vec![1; SECTOR]));
            direct.close();
            cached.close();
        });
    }

    #[test]
    fn a_write_over_pages_that_somebody_holds_is_refused() {
        // spec: PAGE-20
        on_volume(|_, _| {
            let (cached, direct) = (open("f", 0), open("f", NONCACHED));
            cached.write(0, &[1; PAGE]);
            let mut chain = None;
            nt_cc::mdl::cc_mdl_read(cached.file, 0, PAGE as u32, &mut chain).unwrap();
            assert_eq!(direct.write(0, &[2; SECTOR]).status, NtStatus::PURGE_FAILED);
            nt_cc::mdl::cc_mdl_read_complete(chain.unwrap()).unwrap();
            assert_eq!(direct.write(0, &[2; SECTOR]), done(SECTOR));
            direct.close();
            cached.close();
        });
    }

    #[test]
    fn writes_behind_valid_data_make_zeros_first() {
        // spec: PAGE-09
        on_volume(|store, _| {
            let file = open("f", NONCACHED);
            file.write(0, &[1; SECTOR]);
            assert_eq!(file.write(8 * SECTOR as i64, &[2; SECTOR]), done(SECTOR));
            assert_eq!(file.sizes(), (9 * SECTOR as i64, 9 * SECTOR as i64));
            let bytes = store.bytes("f");
            assert_eq!(bytes[..SECTOR], [1; SECTOR]);
            assert_eq!(bytes[SECTOR..8 * SECTOR], [0; 7 * SECTOR]);
            // The zeros were written, not only assumed: filters saw them.
            assert!(store.log().iter().any(|line| line.starts_with("write") && !line.ends_with("at 4096")));
            file.close();
        });
    }
}

mod sizes {
    use super::*;

    #[test]
    fn move_only_under_the_main_resource_and_down_only_under_both() {
        // spec: PAGE-06, PAGE-07
        on_volume(|store, _| {
            let file = open("f", 0);
            let header = file.header() as *const _ as usize;
            let seen = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&seen);
            store.set_hook(move |what| {
                if what.starts_with("size") {
                    // SAFETY: the file is open meanwhile.
                    let header = unsafe { &*(header as *const FSRTL_ADVANCED_FCB_HEADER) };
                    // SAFETY: the header names its resource.
                    assert!(resource::is_acquired_exclusive(unsafe { &*header.Resource.get() }));
                    assert!(header.ValidDataLength.get() <= header.FileSize.get());
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                Ok(())
            });
            file.write(0, &[1; 5000]);
            file.set_end(9000);
            file.set_end(3000);
            assert_eq!(seen.load(Ordering::SeqCst), 3);
            assert_eq!(file.sizes(), (3000, 3000));
            assert!(file.header().AllocationSize.get() >= 3000);
            store.clear_hook();
            file.close();
        });
    }

    #[test]
    fn are_restored_when_an_extending_write_fails() {
        // spec: PAGE-10
        on_volume(|store, core| {
            let file = open("f", 0);
            file.write(0, &[1; 600]);
            let nowhere = core.slot.base() + 0x1000;
            let failed = nt_io::nt_write_file(
                file.handle,
                &nt_io::Asynchronous::default(),
                nowhere,
                4096,
                Some(300),
                None,
            )
            .unwrap();
            assert!(failed.status.is_error());
            assert_eq!((file.sizes(), store.bytes("f").len()), ((600, 600), 600));
            file.close();
            let file = open("g", NONCACHED);
            store.set_hook(|what| match what.starts_with("write") {
                true => Err(StoreError::NoSpace("no room".into())),
                false => Ok(()),
            });
            assert_eq!(file.write(0, &[1; SECTOR]).status, NtStatus::DISK_FULL);
            assert_eq!((file.sizes(), store.bytes("g").len()), ((0, 0), 0));
            store.clear_hook();
            file.close();
        });
    }

    #[test]
    fn beyond_the_volume_are_a_full_disk_at_once() {
        // spec: PAGE-24, FS-24
        on_volume(|_, _| {
            let file = open("f", 0);
            assert_eq!(file.write(1 << 40, b"x"), IoStatus::of(NtStatus::DISK_FULL));
            assert_eq!(file.write(i64::MAX - 2, b"xyz").status, NtStatus::DISK_FULL);
            assert_eq!(file.set_end(1 << 40), NtStatus::DISK_FULL);
            assert_eq!(file.sizes(), (0, 0));
            // The volume has 16 MiB: what is acknowledged finds its place later.
            assert_eq!(file.write(0, &vec![1; 10 << 20]), done(10 << 20));
            let other = open("g", 0);
            assert_eq!(other.write(0, &vec![1; 10 << 20]).status, NtStatus::DISK_FULL);
            other.close();
            file.flush();
            file.close();
        });
    }

    #[test]
    fn gaps_read_as_zeros_by_every_way_and_after_closing() {
        // spec: PAGE-08, PAGE-09, FS-20
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 10]);
            file.write(20_000, &[2; 10]);
            file.set_end(40_000);
            assert_eq!(file.sizes(), (40_000, 20_010));
            let mut expected = vec![0; 40_000];
            expected[..10].fill(1);
            expected[20_000..20_010].fill(2);
            assert!(file.read(0, 40_000).1 == expected);
            let direct = open("f", NONCACHED);
            assert!(direct.read(0, 40_448).1[..40_000] == expected);
            direct.close();
            file.close();
            nt_cc::flush_all().unwrap();
            assert!(store.bytes("f") == expected);
            let file = open("f", 0);
            assert_eq!(file.sizes(), (40_000, 40_000));
            file.close();
        });
    }

    #[test]
    fn valid_data_goes_forward_when_the_cache_manager_says_so() {
        // spec: CC-19, FS-25
        on_volume(|_, _| {
            let file = open("f", 0);
            file.write(0, &[1; 10]);
            file.set_end(1000);
            let advance = |valid: i64| {
                let device = nt_io::io_get_related_device(file.file);
                let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8 + 1).unwrap();
                let value = Box::new(valid);
                nt_io::io_set_next_location(irp);
                irp.SystemBuffer().set(std::ptr::from_ref(&*value).cast_mut().cast());
                let stack = nt_io::io_next_stack(irp);
                stack.MajorFunction.set(IRP_MJ_SET_INFORMATION);
                stack.FileObject.set(std::ptr::from_ref(file.file).cast_mut());
                let set = stack.Parameters.SetFile();
                set.Length.set(8);
                set.FileInformationClass.set(file_information_class::FileEndOfFileInformation);
                set.AdvanceOnly.set(1);
                let status = nt_io::io_send_and_wait(device, irp).unwrap();
                nt_io::io_free_irp(irp).unwrap();
                status
            };
            assert_eq!((advance(500), file.sizes()), (NtStatus::SUCCESS, (1000, 500)));
            assert_eq!((advance(100), file.sizes()), (NtStatus::SUCCESS, (1000, 500)));
            assert_eq!((advance(5000), file.sizes()), (NtStatus::SUCCESS, (1000, 1000)));
            file.close();
        });
    }

    #[test]
    fn of_a_cut_file_come_back_as_zeros() {
        // spec: CC-16, FS-24
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[9; 3 * PAGE]);
            file.set_end(100);
            file.set_end(3 * PAGE as i64);
            let (_, seen) = file.read(0, 3 * PAGE);
            assert_eq!(seen[..100], [9; 100]);
            assert!(seen[100..].iter().all(|byte| *byte == 0));
            file.flush();
            file.close();
            nt_cc::flush_all().unwrap();
            assert!(store.bytes("f")[100..].iter().all(|byte| *byte == 0));
        });
    }
}

mod every_transfer {
    use super::*;

    #[test]
    fn of_no_bytes_does_nothing() {
        // spec: PAGE-25
        on_volume(|store, _| {
            let file = open("f", 0);
            store.log();
            assert_eq!(file.write(500, &[]), done(0));
            assert_eq!(file.read(0, 0).0, done(0));
            assert_eq!((file.sizes(), store.log().len()), ((0, 0), 0));
            file.close();
        });
    }

    #[test]
    fn goes_through_a_header_that_filters_can_read() {
        // spec: CC-22
        on_volume(|_, _| {
            for name in ["f", ""] {
                let opened = open(name, 0);
                let header = opened.header();
                assert_ne!(header.Flags.get() & FSRTL_FLAG_ADVANCED_HEADER, 0);
                assert!(!header.Resource.get().is_null() && !header.PagingIoResource.get().is_null());
                assert_ne!(header.Flags2.get() & FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS, 0);
                opened.close();
            }
        });
    }

    #[test]
    fn that_writes_after_the_volume_s_shutdown_is_too_late() {
        // spec: PAGE-23
        on_volume(|_, _| {
            let file = open("f", 0);
            file.write(0, &[1; 10]);
            let device = nt_io::io_get_related_device(file.file);
            let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8 + 1).unwrap();
            nt_io::io_set_next_location(irp);
            nt_io::io_next_stack(irp).MajorFunction.set(IRP_MJ_SHUTDOWN);
            assert_eq!(nt_io::io_send_and_wait(device, irp), Ok(NtStatus::SUCCESS));
            nt_io::io_free_irp(irp).unwrap();
            assert_eq!(file.write(10, &[1; 10]).status, NtStatus::TOO_LATE);
            assert_eq!(file.read(0, 10).1, [1; 10]);
            file.close();
        });
    }
}

mod by_mdl {
    use super::*;

    /// Sends a read of this minor function with `mdl`, and returns the result and the MDL in the IRP afterwards.
    fn send(file: &Open, minor: u8, offset: i64, length: u32, mdl: *mut MDL) -> (IoStatus, *mut MDL) {
        let device = nt_io::io_get_related_device(file.file);
        let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8 + 1).unwrap();
        nt_io::io_set_next_location(irp);
        irp.MdlAddress.set(mdl);
        let stack = nt_io::io_next_stack(irp);
        stack.MajorFunction.set(IRP_MJ_READ);
        stack.MinorFunction.set(minor);
        stack.FileObject.set(std::ptr::from_ref(file.file).cast_mut());
        stack.Parameters.Read().Length.set(length);
        stack.Parameters.Read().ByteOffset.set(offset);
        let status = nt_io::io_send_and_wait(device, irp).unwrap();
        let result = IoStatus { status, information: irp.IoStatus.Information.get() };
        let chain = irp.MdlAddress.replace(std::ptr::null_mut());
        nt_io::io_free_irp(irp).unwrap();
        (result, chain)
    }

    #[test]
    fn a_cached_read_hands_out_the_cache_s_pages_until_it_is_completed() {
        // spec: FS-21, CC-13
        on_volume(|_, _| {
            let (file, direct) = (open("f", 0), open("f", NONCACHED));
            let data: Vec<u8> = (0..6000).map(|index| (index / 9) as u8).collect();
            file.write(0, &data);
            let (result, chain) = send(&file, IRP_MN_MDL, 1000, 9000, std::ptr::null_mut());
            assert_eq!(result, done(5000), "up to the end of the file");
            // SAFETY: the read gave the chain out, and it is given back below.
            let mdl = unsafe { chain.as_ref() }.expect("an MDL");
            let mut bytes = vec![0; 5000];
            boundary::copy::read(nt_mm::mdl::map_locked_pages(mdl).unwrap(), &mut bytes).unwrap();
            assert_eq!(bytes, data[1000..]);
            assert_eq!(direct.write(0, &[0; SECTOR]).status, NtStatus::PURGE_FAILED, "the pages are held");
            let (result, chain) = send(&file, IRP_MN_COMPLETE_MDL, 1000, 9000, chain);
            assert_eq!((result.status, chain.is_null()), (NtStatus::SUCCESS, true));
            assert_eq!(direct.write(0, &[0; SECTOR]), done(SECTOR));
            direct.close();
            file.close();
        });
    }

    #[test]
    fn what_cannot_be_is_refused() {
        // spec: FS-21
        on_volume(|_, _| {
            let (file, direct) = (open("f", 0), open("f", NONCACHED));
            file.write(0, &[1; 100]);
            let none = std::ptr::null_mut();
            let refused = NtStatus::INVALID_PARAMETER;
            assert_eq!(send(&direct, IRP_MN_MDL, 0, 100, none).0.status, refused, "cached handles only");
            assert_eq!(send(&file, IRP_MN_MDL, 100, 1, none).0.status, NtStatus::END_OF_FILE);
            assert_eq!(
                send(&file, IRP_MN_COMPLETE_MDL, 0, 100, none).0.status,
                refused,
                "nothing to complete"
            );
            direct.close();
            file.close();
        });
    }
}

mod deleted_files {
    use super::*;

    #[test]
    fn leave_nothing_to_write() {
        // spec: FS-16, CC-03
        on_volume(|store, _| {
            let file = open("f", FILE_DELETE_ON_CLOSE);
            file.write(0, &[1; 3 * PAGE]);
            store.log();
            file.close();
            nt_cc::flush_all().unwrap();
            assert!(store.log().iter().all(|line| !line.starts_with("write")));
            let file = open("f", 0);
            assert_eq!(file.sizes(), (0, 0), "a new file of the name knows nothing of the old one");
            file.close();
        });
    }

    #[test]
    fn that_are_overwritten_lose_their_cached_data() {
        on_volume(|store, _| {
            let file = open("f", 0);
            file.write(0, &[1; 2 * PAGE]);
            file.close();
            let name = units(r"\??\C:\f");
            let opened = nt_io::io_create_file(&nt_io::CreateParameters {
                name: &name,
                object_attributes: OBJ_CASE_INSENSITIVE,
                access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
                share: 7,
                disposition: FILE_OVERWRITE,
                options: FILE_SYNCHRONOUS_IO_NONALERT,
                ..nt_io::CreateParameters::default()
            })
            .unwrap();
            assert_eq!(opened.status, NtStatus::SUCCESS);
            nt_io::nt_close(opened.handle).unwrap();
            nt_cc::flush_all().unwrap();
            assert!(store.bytes("f").is_empty());
        });
    }
}
