//! Files through names, handles and services, against a tiny file system.

mod support;

use nt_abi::*;
use nt_io::*;
use support::*;

mod create {
    use super::*;

    #[test]
    fn mounts_on_the_first_open_and_sends_cleanup_and_close() {
        // spec: FS-01, FS-14, SEED-IOPB-04, SEED-IOPB-11, SEED-IOPB-12
        in_machine(|_| {
            let (fs, disk) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, 0);
            assert_eq!((opened.status, opened.information), (NtStatus::SUCCESS, FILE_CREATED));
            assert_eq!(vpb_of(disk).unwrap().ReferenceCount.load(std::sync::atomic::Ordering::Relaxed), 1);
            let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
            assert_eq!(fs.log(), ["mount flags 0x42", r"create \a irp 0x884 sl 0x0"]);
            nt_close(opened.handle).unwrap();
            assert_eq!(fs.log(), ["cleanup irp 0x404"]);
            nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
            assert_eq!(fs.log(), ["close irp 0x404"]);
            assert_eq!(vpb_of(disk).unwrap().ReferenceCount.load(std::sync::atomic::Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn a_failed_open_gets_neither_cleanup_nor_close() {
        in_machine(|_| {
            let (fs, disk) = volume();
            let opened = open(r"\??\C:\none", FILE_OPEN, 0);
            assert_eq!((opened.status, opened.handle), (NtStatus::OBJECT_NAME_NOT_FOUND, 0));
            assert_eq!(fs.log().len(), 2);
            assert_eq!(io_dismount_volume(disk), Ok(NtStatus::SUCCESS));
        });
    }

    #[test]
    fn a_failure_keeps_the_information_of_the_file_system() {
        // spec: FS-02
        in_machine(|_| {
            let (_fs, _) = volume();
            let first = open(r"\??\C:\a", FILE_CREATE, 0);
            let second = open(r"\??\C:\a", FILE_CREATE, 0);
            assert_eq!((second.status, second.information), (NtStatus::OBJECT_NAME_COLLISION, FILE_EXISTS));
            nt_close(first.handle).unwrap();
        });
    }

    #[test]
    fn the_volume_itself_and_trailing_backslashes_keep_their_form() {
        in_machine(|_| {
            let (fs, _) = volume();
            let volume = open(r"\??\C:", FILE_OPEN, 0);
            let (file, _) = reference_file_by_handle(volume.handle, 0, 0).unwrap();
            assert_ne!(file.Flags.load(std::sync::atomic::Ordering::Relaxed) & FO_VOLUME_OPEN, 0);
            nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
            nt_close(volume.handle).unwrap();
            fs.log();
            let folder = open(r"\??\C:\folder\", FILE_CREATE, 0);
            assert_eq!(fs.log(), [r"create \folder\ irp 0x884 sl 0x0"]);
            nt_close(folder.handle).unwrap();
        });
    }

    #[test]
    fn case_sensitivity_follows_the_object_attributes() {
        // spec: SEED-IOPB-23
        in_machine(|_| {
            let (fs, _) = volume();
            let name = units(r"\Device\HarddiskVolume1\Q");
            let parameters = CreateParameters {
                name: &name,
                access: FILE_GENERIC_READ,
                disposition: FILE_CREATE,
                ..Default::default()
            };
            let opened = io_create_file(&parameters).unwrap();
            assert_eq!(opened.status, NtStatus::SUCCESS);
            assert_eq!(fs.log()[1], r"create \Q irp 0x884 sl 0x80");
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn relative_names_come_with_the_related_file_object() {
        // spec: IO-44
        in_machine(|_| {
            let (fs, _) = volume();
            let root = open(r"\??\C:\dir", FILE_CREATE, 0);
            fs.log();
            let name = units("leaf");
            let parameters = CreateParameters {
                name: &name,
                root: root.handle,
                object_attributes: OBJ_CASE_INSENSITIVE,
                access: FILE_GENERIC_READ,
                disposition: FILE_CREATE,
                ..Default::default()
            };
            let leaf = io_create_file(&parameters).unwrap();
            assert_eq!(fs.log(), [r"create \dir\leaf irp 0x884 sl 0x0"]);
            let (file, _) = reference_file_by_handle(leaf.handle, 0, 0).unwrap();
            assert!(file.RelatedFileObject.get().is_null());
            nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
            nt_close(leaf.handle).unwrap();
            nt_close(root.handle).unwrap();
        });
    }

    #[test]
    fn a_reparse_starts_again_with_the_new_name() {
        in_machine(|_| {
            let (fs, _) = volume();
            *fs.reparse.lock().unwrap() = Some((r"\old".into(), r"\??\C:\new".into()));
            let opened = open(r"\??\C:\old", FILE_OPEN_IF, 0);
            assert_eq!(opened.status, NtStatus::SUCCESS);
            let log = fs.log();
            assert!(log[1].starts_with(r"create \old ") && log[2].starts_with(r"create \new "), "{log:?}");
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn an_endless_reparse_ends() {
        in_machine(|_| {
            let (fs, _) = volume();
            *fs.reparse.lock().unwrap() = Some((r"\loop".into(), r"\??\C:\loop".into()));
            let opened = open(r"\??\C:\loop", FILE_OPEN_IF, 0);
            assert!(opened.status.is_error());
            assert!(fs.log().len() < 40);
        });
    }

    #[test]
    fn contradicting_options_are_refused_before_any_driver_sees_them() {
        in_machine(|_| {
            let (fs, _) = volume();
            let opened = open(r"\??\C:\a", FILE_OVERWRITE, FILE_DIRECTORY_FILE);
            assert_eq!(opened.status, NtStatus::INVALID_PARAMETER);
            let opened = open(r"\??\C:\a", 9, 0);
            assert_eq!(opened.status, NtStatus::INVALID_PARAMETER);
            assert!(fs.log().is_empty());
        });
    }
}

mod open_below_a_filter {
    use super::*;

    #[test]
    fn starts_the_create_and_later_requests_at_the_hinted_device() {
        in_machine(|_| {
            let (fs, disk) = volume();
            nt_close(open(r"\??\C:\a", FILE_CREATE, 0).handle).unwrap();
            let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let count = std::sync::Arc::clone(&seen);
            let filter = device("Filter", move |device, irp| {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                io_skip_current(irp);
                io_call_driver(io_get_lower_device(device).unwrap(), irp)
            });
            let mounted = mounted_device(disk).unwrap();
            io_attach_device(filter, mounted).unwrap();
            fs.log();
            let name = units(r"\??\C:\a");
            let below = io_create_file(&CreateParameters {
                name: &name,
                object_attributes: OBJ_CASE_INSENSITIVE,
                access: FILE_GENERIC_READ,
                disposition: FILE_OPEN,
                start_device: Some(mounted),
                ..Default::default()
            })
            .unwrap();
            nt_close(below.handle).unwrap();
            assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 0);
            assert_eq!(fs.log().len(), 3);
            nt_close(open(r"\??\C:\a", FILE_OPEN, 0).handle).unwrap();
            assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 3);
        });
    }
}

mod mount {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn asks_the_newest_file_system_first_and_goes_on_when_it_does_not_know_the_volume() {
        in_machine(|_| {
            let knows = Arc::new(FakeFs::default());
            let refuses = Arc::new(FakeFs { refuses_mount: true, ..FakeFs::default() });
            file_system("Knows", Arc::clone(&knows));
            file_system("Refuses", Arc::clone(&refuses));
            disk::create(1, 512, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
            let opened = open(r"\??\C:\a", FILE_CREATE, 0);
            assert_eq!(opened.status, NtStatus::SUCCESS);
            assert_eq!(refuses.log(), ["mount flags 0x42"]);
            assert_eq!(knows.log().len(), 2);
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn dismounting_is_refused_while_a_file_is_open() {
        in_machine(|_| {
            let (_fs, disk) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, 0);
            assert_eq!(io_dismount_volume(disk), Ok(NtStatus::ACCESS_DENIED));
            nt_close(opened.handle).unwrap();
            assert_eq!(io_dismount_volume(disk), Ok(NtStatus::SUCCESS));
            assert_eq!(io_dismount_volume(disk), Ok(NtStatus::VOLUME_DISMOUNTED));
        });
    }

    #[test]
    fn who_registers_late_hears_of_file_systems_that_are_there() {
        in_machine(|_| {
            let control = file_system("Fake", Arc::new(FakeFs::default()));
            let driver = device_driver(control);
            let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
            let log = Arc::clone(&heard);
            let callback: FsNotify = Arc::new(move |device, active| {
                log.lock().unwrap().push((std::ptr::from_ref(device) as usize, active));
                Ok(())
            });
            assert_eq!(io_register_fs_registration_change(driver, callback), Ok(NtStatus::SUCCESS));
            io_unregister_file_system(control).unwrap();
            let me = std::ptr::from_ref(control) as usize;
            assert_eq!(*heard.lock().unwrap(), [(me, true), (me, false)]);
        });
    }
}

mod read_and_write {
    use super::*;

    #[test]
    fn use_and_move_the_position_of_a_synchronous_file() {
        // spec: IO-41, IO-54, SEED-IOPB-13, SEED-IOPB-14, SEED-IOPB-15
        in_machine(|_| {
            let (fs, _) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, 0);
            fs.log();
            let data = user(b"hello world");
            let now = Asynchronous::default();
            let wrote = nt_write_file(opened.handle, &now, data.address(), 5, None, None).unwrap();
            assert_eq!(wrote, IoStatus { status: NtStatus::SUCCESS, information: 5 });
            nt_write_file(opened.handle, &now, data.address() + 5, 6, Some(-2), None).unwrap();
            let back = user(&[0; 16]);
            let read = nt_read_file(opened.handle, &now, back.address(), 16, Some(0), None).unwrap();
            assert_eq!(read.information, 11);
            assert_eq!(back.to_vec(11).unwrap(), b"hello world");
            let end = nt_read_file(opened.handle, &now, back.address(), 16, None, None).unwrap();
            assert_eq!(end.status, NtStatus::END_OF_FILE);
            let log = fs.log();
            assert_eq!(
                log,
                [
                    "write 5 at 0 irp 0xa00",
                    "write 6 at 5 irp 0xa00",
                    "read 16 at 0 irp 0x900",
                    "read 16 at 11 irp 0x900"
                ]
            );
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn an_asynchronous_file_needs_an_offset() {
        // spec: IO-54
        in_machine(|_| {
            let (_fs, _) = volume();
            let name = units(r"\??\C:\a");
            let opened = io_create_file(&CreateParameters {
                name: &name,
                object_attributes: OBJ_CASE_INSENSITIVE,
                access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
                disposition: FILE_CREATE,
                ..Default::default()
            })
            .unwrap();
            let data = user(b"x");
            let iosb = user(&[0xFF; 16]);
            let how = Asynchronous { iosb: iosb.address(), ..Default::default() };
            let refused = nt_write_file(opened.handle, &how, data.address(), 1, None, None).unwrap();
            assert_eq!(refused.status, NtStatus::INVALID_PARAMETER);
            let wrote = nt_write_file(opened.handle, &how, data.address(), 1, Some(3), None).unwrap();
            assert_eq!(wrote.information, 1);
            assert_eq!(
                iosb.to_vec(16).unwrap(),
                [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0]
            );
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn a_handle_that_may_only_append_writes_at_the_end() {
        // spec: IO-55
        in_machine(|_| {
            let (fs, _) = volume();
            let name = units(r"\??\C:\a");
            let opened = io_create_file(&CreateParameters {
                name: &name,
                object_attributes: OBJ_CASE_INSENSITIVE,
                access: FILE_APPEND_DATA | SYNCHRONIZE,
                disposition: FILE_CREATE,
                options: FILE_SYNCHRONOUS_IO_NONALERT,
                ..Default::default()
            })
            .unwrap();
            fs.log();
            let data = user(b"x");
            nt_write_file(opened.handle, &Asynchronous::default(), data.address(), 1, Some(100), None)
                .unwrap();
            assert_eq!(fs.log(), ["write 1 at -1 irp 0xa00"]);
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn a_noncached_handle_transfers_whole_sectors_with_the_nocache_flag() {
        // spec: SEED-IOPB-07
        in_machine(|_| {
            let (fs, _) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, FILE_NO_INTERMEDIATE_BUFFERING);
            fs.log();
            let data = user(&[1; 1024]);
            let now = Asynchronous::default();
            let odd = nt_write_file(opened.handle, &now, data.address(), 100, Some(0), None).unwrap();
            assert_eq!(odd.status, NtStatus::INVALID_PARAMETER);
            let whole = nt_write_file(opened.handle, &now, data.address(), 512, Some(512), None).unwrap();
            assert_eq!(whole.status, NtStatus::SUCCESS);
            assert_eq!(fs.log(), ["write 512 at 512 irp 0xa01"]);
            nt_close(opened.handle).unwrap();
        });
    }
}

mod information {
    use super::*;

    #[test]
    fn is_buffered_and_copied_back() {
        // spec: IO-51, SEED-IOPB-03, SEED-IOPB-05, SEED-IOPB-06, SEED-IOPB-09
        in_machine(|_| {
            let (fs, _) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, 0);
            fs.log();
            let buffer = user(&[0; 0x20]);
            let got =
                nt_query_information_file(opened.handle, buffer.address(), 0x20, FileStandardInformation)
                    .unwrap();
            assert_eq!(got, IoStatus { status: NtStatus::SUCCESS, information: 0x18 });
            assert_eq!(buffer.to_vec(0x20).unwrap(), [[7u8; 0x18].as_slice(), &[0; 8]].concat());
            assert_eq!(fs.log(), ["query 5 irp 0x874"]);
            let short =
                nt_query_information_file(opened.handle, buffer.address(), 4, FileStandardInformation)
                    .unwrap();
            assert_eq!(short.status, NtStatus::INFO_LENGTH_MISMATCH);
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn three_classes_need_no_irp() {
        // spec: IO-52
        in_machine(|_| {
            let (fs, _) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, FILE_WRITE_THROUGH);
            fs.log();
            let buffer = user(&[0; 4]);
            let ask = |class| {
                assert_eq!(
                    nt_query_information_file(opened.handle, buffer.address(), 4, class).unwrap().information,
                    4
                );
                u32::from_le_bytes(buffer.to_vec(4).unwrap().try_into().unwrap())
            };
            assert_eq!(ask(FileAccessInformation), FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE);
            assert_eq!(ask(FileModeInformation), FILE_WRITE_THROUGH | FILE_SYNCHRONOUS_IO_NONALERT);
            assert_eq!(ask(FileAlignmentInformation), 0);
            assert!(fs.log().is_empty());
            nt_close(opened.handle).unwrap();
        });
    }

    #[test]
    fn a_rename_with_a_full_name_opens_the_target_directory() {
        // spec: FS-26, SEED-IOPB-30
        in_machine(|_| {
            let (fs, _) = volume();
            let opened = open(r"\??\C:\a", FILE_CREATE, 0);
            fs.log();
            let name: Vec<u8> = units(r"\??\C:\d\b").iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let mut bytes = vec![0; 16];
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend(&name);
            let buffer = user(&bytes);
            let set = nt_set_information_file(
                opened.handle,
                buffer.address(),
                bytes.len() as u32,
                FileRenameInformation,
            )
            .unwrap();
            assert_eq!(set.status, NtStatus::SUCCESS);
            let log = fs.log();
            assert_eq!(log[0], r"create \d\b irp 0x884 sl 0x4");
            assert_eq!(log[1], r#"set irp 0x834 target Some("\\d\\b")"#);
            assert_eq!(log[2..], ["cleanup irp 0x404", "close irp 0x404"]);
            nt_close(opened.handle).unwrap();
        });
    }
}

mod asynchronous_requests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn cancelled(irp: &'static IRP) -> Result<(), nt_ke::Raise> {
        io_release_cancel_spin_lock(irp.CancelIrql.get())?;
        io_complete_with(irp, NtStatus::CANCELLED, 0).map(|_| ())
    }

    /// A buffered device that keeps reads, and a handle to it.
    fn keeper() -> (Arc<AtomicUsize>, usize) {
        let kept = Arc::new(AtomicUsize::new(0));
        let slot = Arc::clone(&kept);
        let dispatch = Closure(move |_: &'static DEVICE_OBJECT, irp: &'static IRP| {
            if io_current_stack(irp).MajorFunction.get() != IRP_MJ_READ {
                return io_complete_with(irp, NtStatus::SUCCESS, 0);
            }
            io_mark_pending(irp);
            io_set_rust_cancel(irp, Some(cancelled));
            slot.store(std::ptr::from_ref(irp) as usize, Ordering::SeqCst);
            Ok(NtStatus::PENDING)
        });
        let driver = io_create_driver(&units(r"\Driver\Keeper"), Arc::new(dispatch)).unwrap().unwrap();
        let name = units(r"\Device\Keeper");
        let device =
            io_create_device(driver, 0, Some(&name), FILE_DEVICE_UNKNOWN, 0, false).unwrap().unwrap();
        device.Flags.set(DO_BUFFERED_IO);
        let opened = io_create_file(&CreateParameters {
            name: &name,
            object_attributes: OBJ_CASE_INSENSITIVE,
            access: FILE_GENERIC_READ,
            disposition: FILE_OPEN,
            ..Default::default()
        })
        .unwrap();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        (kept, opened.handle)
    }

    #[test]
    fn are_finished_by_who_completes_them() {
        // spec: IO-28, IO-29, SEED-IOPB-05, SEED-IOPB-06
        in_machine(|_| {
            let (kept, handle) = keeper();
            let (buffer, iosb) = (user(&[0; 8]), user(&[0xFF; 16]));
            let how = Asynchronous { iosb: iosb.address(), ..Default::default() };
            let sent = nt_read_file(handle, &how, buffer.address(), 8, Some(0), None).unwrap();
            assert_eq!(sent.status, NtStatus::PENDING);
            assert_eq!(iosb.to_vec(1).unwrap(), [0xFF]);
            // SAFETY: the device keeps the IRP until it is completed here.
            let irp: &'static IRP = unsafe { &*(kept.load(Ordering::SeqCst) as *const IRP) };
            assert_eq!(irp.Flags.get(), 0x970);
            io_set_rust_cancel(irp, None);
            boundary::copy::write(irp.SystemBuffer().get() as usize, b"abcdefgh").unwrap();
            io_complete_with(irp, NtStatus::SUCCESS, 3).unwrap();
            assert_eq!(buffer.to_vec(8).unwrap(), b"abc\0\0\0\0\0");
            assert_eq!(iosb.to_vec(16).unwrap()[8], 3);
            assert_eq!(nt_ob::ob_wait_for_object(handle, 0, false, Some(0)), Ok(NtStatus::SUCCESS));
            nt_close(handle).unwrap();
        });
    }

    #[test]
    fn are_cancelled_by_handle() {
        // spec: IO-20, IO-24
        in_machine(|_| {
            let (_kept, handle) = keeper();
            let (buffer, iosb) = (user(&[0; 8]), user(&[0xFF; 16]));
            let how = Asynchronous { iosb: iosb.address(), ..Default::default() };
            nt_read_file(handle, &how, buffer.address(), 8, Some(0), None).unwrap();
            assert_eq!(nt_cancel_io_file(handle, false).unwrap().status, NtStatus::SUCCESS);
            assert_eq!(iosb.to_vec(4).unwrap(), NtStatus::CANCELLED.bits().to_le_bytes());
            assert_eq!(nt_cancel_io_file(handle, false).unwrap().status, NtStatus::NOT_FOUND);
            nt_close(handle).unwrap();
        });
    }
}

mod disk_control {
    use super::*;

    #[test]
    fn answers_its_length_to_a_direct_open() {
        in_machine(|_| {
            disk::create(1, 512, 1 << 20, std::sync::Arc::new(()), None).unwrap().unwrap();
            let name = units(r"\Device\HarddiskVolume1");
            let opened = io_create_file(&CreateParameters {
                name: &name,
                object_attributes: OBJ_CASE_INSENSITIVE,
                access: FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                disposition: FILE_OPEN,
                options: FILE_SYNCHRONOUS_IO_NONALERT,
                ..Default::default()
            })
            .unwrap();
            assert_eq!(opened.status, NtStatus::SUCCESS);
            let out = user(&[0; 8]);
            let buffers = ControlBuffers { output: out.address(), output_length: 8, ..Default::default() };
            let got =
                nt_device_io_control_file(opened.handle, &Asynchronous::default(), 0x7405C, buffers).unwrap();
            assert_eq!(got, IoStatus { status: NtStatus::SUCCESS, information: 8 });
            assert_eq!(out.to_vec(8).unwrap(), (1u64 << 20).to_le_bytes());
            nt_close(opened.handle).unwrap();
        });
    }
}
