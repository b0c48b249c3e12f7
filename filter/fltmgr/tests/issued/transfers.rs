//! FltReadFile and FltWriteFile, with and without a callback.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use fltmgr::transfer::{Transfer, flt_read_file, flt_write_file};
use nt_abi::mdl_flags::{MDL_PAGES_LOCKED, MDL_WRITE_OPERATION};
use nt_abi::*;

use crate::stage::*;

const BUFFERED: Setting = Setting { device_flags: DO_BUFFERED_IO, ..USUAL };
const DIRECT: Setting = Setting { device_flags: DO_DIRECT_IO, ..USUAL };
const ASYNCHRONOUS: Setting = Setting { options: 0, ..USUAL };

thread_local! {
    /// What the completion callback was told: length, offset, flags, status and information.
    static DONE: RefCell<Vec<(u32, i64, u32, NtStatus, usize, usize)>> = const { RefCell::new(Vec::new()) };
}

extern "win64" fn done(data: &FLT_CALLBACK_DATA, context: usize) {
    let read = iopb(data).Parameters.Read();
    let io = &data.IoStatus;
    DONE.with_borrow_mut(|done| {
        let (status, information) = (io.Status.get(), io.Information.get());
        let flags = iopb(data).IrpFlags.get();
        done.push((read.Length.get(), read.ByteOffset.get(), flags, status, information, context));
    });
}

fn transfer(offset: Option<i64>, length: u32, buffer: usize) -> Transfer {
    Transfer { offset, length, buffer, mdl: 0, flags: 0, key: 0, callback: None }
}

fn with_callback(transfer: Transfer) -> Transfer {
    Transfer { callback: Some((NativeFn(done as *const () as usize), 0x77)), ..transfer }
}

#[test]
fn the_flags_of_a_transfer_are_what_its_options_say() {
    // spec: GIO-20
    on_stage(USUAL, |stage| {
        let buffer = memory(512);
        let flags = |writing: bool, options: u32| {
            let how = Transfer { flags: options, ..transfer(Some(512), 512, buffer) };
            let transfer = if writing { flt_write_file } else { flt_read_file };
            transfer(&stage.instance, stage.file, how).unwrap();
            let found = only();
            assert_eq!(found.major, if writing { IRP_MJ_WRITE } else { IRP_MJ_READ });
            let waiting = found.irp_flags;
            assert_eq!(transfer(&stage.instance, stage.file, with_callback(how)).unwrap().status.0, 0);
            assert_eq!(only().irp_flags, waiting, "the same with a callback");
            waiting
        };
        let paging = FLTFL_IO_OPERATION_PAGING;
        let all = [
            (0, 0),
            (FLTFL_IO_OPERATION_NON_CACHED, IRP_NOCACHE),
            (paging, IRP_NOCACHE | IRP_PAGING_IO),
            (paging | FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING, IRP_NOCACHE | IRP_PAGING_IO | 0x40),
            (FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET, 0),
        ];
        for (options, expected) in all {
            assert_eq!(flags(false, options), expected | IRP_READ_OPERATION, "{options}");
            assert_eq!(flags(true, options), expected | IRP_WRITE_OPERATION, "{options}");
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
        stage.file.Flags.fetch_or(FO_NO_INTERMEDIATE_BUFFERING, Ordering::Relaxed);
        assert_eq!(flags(false, 0), IRP_READ_OPERATION | IRP_NOCACHE, "as the file was opened");
        stage.file.Flags.fetch_and(!FO_NO_INTERMEDIATE_BUFFERING, Ordering::Relaxed);
        assert_eq!(flags(false, FLTFL_IO_OPERATION_SYNCHRONOUS_PAGING), IRP_READ_OPERATION);
        assert_eq!(stage.rules(), ["GIO-20", "GIO-20"], "without the other flag it is ignored");
    });
}

#[test]
fn a_transfer_has_its_parameters_and_the_flag_of_generated_operations() {
    // spec: CBD-19, GIO-21, GIO-23
    on_stage(USUAL, |stage| {
        let buffer = memory(64);
        let how = Transfer { key: 5, ..transfer(Some(0x1_0000_0008), 24, buffer) };
        hook(|who, _, _| {
            assert_eq!(who, "watcher", "nobody else sees it");
            None
        });
        for (how, calls_back) in [(how, false), (with_callback(how), true)] {
            let result = flt_read_file(&stage.instance, stage.file, how).unwrap();
            assert_eq!(result.status, NtStatus::SUCCESS);
            let found = only();
            assert_eq!((found.parameters[0] as u32, found.parameters[1] as u32), (24, 5));
            assert_eq!(found.parameters[2], 0x1_0000_0008);
            assert_eq!((found.user, found.system, found.mdl), (buffer, 0, None));
            assert_eq!((found.file, found.mode), (std::ptr::from_ref(stage.file) as usize, 0));
            let pair: Vec<_> =
                watched().iter().map(|callback| (callback.post, callback.data_flags)).collect();
            let generated = FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO;
            assert_eq!(pair, [(false, generated), (true, generated | FLTFL_CALLBACK_DATA_POST_OPERATION)]);
            let told = DONE.take();
            if calls_back {
                assert_eq!(told, [(24, 0x1_0000_0008, IRP_READ_OPERATION, NtStatus::SUCCESS, 24, 0x77)]);
            } else {
                assert_eq!((told.len(), result.information), (0, 24));
            }
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn a_buffered_device_gets_the_filters_buffer_as_the_system_buffer() {
    for flags in [DO_BUFFERED_IO, DO_BUFFERED_IO | DO_DIRECT_IO] {
        on_stage(Setting { device_flags: flags, ..BUFFERED }, |stage| {
            let buffer = memory(64);
            for how in [transfer(Some(0), 64, buffer), with_callback(transfer(Some(0), 64, buffer))] {
                flt_write_file(&stage.instance, stage.file, how).unwrap();
                let found = only();
                assert_eq!((found.system, found.mdl), (buffer, None));
                assert_eq!(found.irp_flags, IRP_WRITE_OPERATION | IRP_BUFFERED_IO);
            }
        });
    }
}

#[test]
fn a_direct_device_gets_an_mdl_that_locks_the_filters_buffer() {
    on_stage(DIRECT, |stage| {
        let buffer = memory(64);
        for calls_back in [false, true] {
            let shape = |how: Transfer| if calls_back { with_callback(how) } else { how };
            let how = shape(transfer(Some(0), 48, buffer));
            flt_read_file(&stage.instance, stage.file, how).unwrap();
            let found = only();
            let (_, start, bytes, flags) = found.mdl.expect("an MDL");
            assert_eq!((start, bytes, found.user, found.system), (buffer, 48, buffer, 0));
            let locked = MDL_PAGES_LOCKED | MDL_WRITE_OPERATION;
            assert_eq!(flags & locked, locked, "a read writes the memory");
            assert_eq!(found.irp_flags, IRP_READ_OPERATION);
            flt_write_file(&stage.instance, stage.file, how).unwrap();
            let (mdl, _, _, flags) = only().mdl.expect("an MDL");
            assert_eq!(flags & locked, MDL_PAGES_LOCKED, "a write only reads it");
            assert_eq!(nt_ex::pool::size_of_block(mdl as *const u8), None, "it is gone");
            flt_write_file(&stage.instance, stage.file, shape(transfer(Some(0), 0, buffer))).unwrap();
            assert_eq!(only().mdl, None, "nothing is moved");
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn an_mdl_of_the_filter_is_used_and_stays_the_filters() {
    // spec: GIO-23
    for device_flags in [0, DO_DIRECT_IO] {
        on_stage(Setting { device_flags, ..USUAL }, |stage| {
            let buffer = memory(64);
            let mdl = nt_ex::mdl::allocate(buffer, 64).unwrap();
            nt_mm::mdl::build_for_nonpaged_pool(mdl);
            let address = std::ptr::from_ref(mdl) as usize;
            let how = Transfer { mdl: address, ..transfer(Some(0), 64, 0) };
            for how in [how, with_callback(how)] {
                flt_read_file(&stage.instance, stage.file, how).unwrap();
                let found = only();
                assert_eq!(found.mdl.map(|mdl| mdl.0), Some(address));
                assert_eq!(found.user, buffer, "what the MDL describes");
                assert!(nt_ex::pool::size_of_block(address as *const u8).is_some(), "it is not freed");
            }
            assert_eq!(stage.rules(), Vec::<&str>::new());
        });
    }
}

#[test]
fn the_position_of_a_synchronous_file_follows_the_transfer() {
    // spec: GIO-18, GIO-19
    on_stage(USUAL, |stage| {
        let buffer = memory(512);
        let position = &stage.file.CurrentByteOffset;
        for calls_back in [false, true] {
            let shape = |how: Transfer| if calls_back { with_callback(how) } else { how };
            let read = |how: Transfer| flt_read_file(&stage.instance, stage.file, shape(how)).unwrap();
            read(transfer(Some(100), 20, buffer));
            assert_eq!(position.get(), 120);
            read(transfer(None, 30, buffer));
            assert_eq!((seen()[1].parameters[2], position.get()), (120, 150));
            answer(|_, _| Some((NtStatus::END_OF_FILE, 7)));
            assert_eq!(read(transfer(Some(900), 20, buffer)).status, NtStatus::END_OF_FILE);
            assert_eq!(position.get(), 150, "a transfer that failed moves nothing");
            answer(|_, _| Some((NtStatus::SUCCESS, 9)));
            read(transfer(Some(200), 20, buffer));
            assert_eq!(position.get(), 209, "what was moved counts");
            let file = std::ptr::from_ref(stage.file) as usize;
            answer(move |_, found| {
                assert_eq!(found.file, file);
                // SAFETY: the file of the test.
                unsafe { &*(file as *const FILE_OBJECT) }.CurrentByteOffset.set(4711);
                None
            });
            read(Transfer {
                flags: FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET,
                ..transfer(Some(0), 4, buffer)
            });
            assert_eq!(position.get(), 209, "what the file system did is undone");
            read(Transfer { flags: FLTFL_IO_OPERATION_PAGING, ..transfer(Some(512), 512, buffer) });
            assert_eq!(position.get(), 209, "paging I/O has no position");
            answer_as_usual();
            seen();
        }
    });
    on_stage(ASYNCHRONOUS, |stage| {
        let buffer = memory(64);
        stage.file.CurrentByteOffset.set(3);
        for how in [transfer(Some(10), 5, buffer), with_callback(transfer(Some(10), 5, buffer))] {
            flt_read_file(&stage.instance, stage.file, how).unwrap();
            assert_eq!(stage.file.CurrentByteOffset.get(), 3, "the file has none");
        }
        seen();
        let refused = flt_read_file(&stage.instance, stage.file, transfer(None, 5, buffer)).unwrap();
        assert_eq!((refused.status, seen().len()), (NtStatus::INVALID_PARAMETER, 0));
        assert_eq!(stage.rules(), ["GIO-19"]);
    });
}

#[test]
fn a_transfer_takes_a_buffer_or_an_mdl() {
    // spec: GIO-23
    on_stage(USUAL, |stage| {
        let buffer = memory(64);
        let try_it = |buffer, mdl, length| {
            let how = Transfer { mdl, ..transfer(Some(0), length, buffer) };
            flt_write_file(&stage.instance, stage.file, how).unwrap().status
        };
        let mdl = nt_ex::mdl::allocate(buffer, 64).unwrap();
        nt_mm::mdl::build_for_nonpaged_pool(mdl);
        let mdl = std::ptr::from_ref(mdl) as usize;
        assert_eq!(try_it(0, 0, 8), NtStatus::INVALID_PARAMETER);
        assert_eq!(try_it(buffer, mdl, 8), NtStatus::INVALID_PARAMETER);
        assert_eq!(stage.rules(), ["GIO-23", "GIO-23"]);
        let messages: Vec<String> =
            stage.core.findings().into_iter().map(|finding| finding.message).collect();
        assert!(messages[0].contains("neither a buffer nor an MDL"), "{messages:?}");
        assert!(messages[1].contains("both a buffer and an MDL"), "{messages:?}");
        assert_eq!(seen().len(), 0);
        assert_eq!(try_it(0, 0, 0), NtStatus::SUCCESS, "nothing needs neither");
        assert_eq!(try_it(buffer, 0, 8), NtStatus::SUCCESS);
        assert_eq!(try_it(0, mdl, 8), NtStatus::SUCCESS);
        assert_eq!((stage.rules().len(), seen().len()), (2, 3));
    });
}

#[test]
fn a_noncached_transfer_is_of_whole_sectors_and_aligned_as_the_device_asks() {
    // spec: GIO-20
    on_stage(Setting { sector: 1024, alignment: 0x3F, ..USUAL }, |stage| {
        let buffer = memory(4096 + 64).next_multiple_of(64);
        let try_it = |offset, length, buffer, flags| {
            let how = Transfer { flags, ..transfer(Some(offset), length, buffer) };
            let status = flt_read_file(&stage.instance, stage.file, how).unwrap().status;
            assert_eq!(seen().len(), usize::from(status == NtStatus::SUCCESS));
            status
        };
        let noncached = FLTFL_IO_OPERATION_NON_CACHED;
        assert_eq!(try_it(1024, 1024, buffer, noncached), NtStatus::SUCCESS);
        assert_eq!(try_it(512, 1024, buffer, noncached), NtStatus::INVALID_PARAMETER);
        assert_eq!(try_it(1024, 512, buffer, noncached), NtStatus::INVALID_PARAMETER);
        assert_eq!(try_it(1024, 1024, buffer + 32, noncached), NtStatus::INVALID_PARAMETER);
        assert_eq!(try_it(512, 100, buffer + 1, 0), NtStatus::SUCCESS, "cached ones are of any size");
        assert_eq!(stage.rules(), ["GIO-20"; 3]);
        let messages: Vec<String> =
            stage.core.findings().into_iter().map(|finding| finding.message).collect();
        assert!(messages[0].contains("1024 bytes at 512: sectors are 1024 bytes"), "{messages:?}");
        assert!(messages[2].contains("not aligned to 64 bytes"), "{messages:?}");
    });
}

#[test]
fn a_transfer_with_a_callback_may_end_later() {
    // spec: GIO-08, GIO-09, GIO-21
    on_stage(ASYNCHRONOUS, |stage| {
        let buffer = memory(64);
        answer(|_, _| Some((NtStatus::PENDING, 0)));
        let how = with_callback(transfer(Some(40), 24, buffer));
        let sent = flt_write_file(&stage.instance, stage.file, how).unwrap();
        assert_eq!((sent.status, DONE.take().len()), (NtStatus::PENDING, 0));
        // SAFETY: the IRP is held by the file system, which is the test.
        let irp = unsafe { &*(only().irp as *const IRP) };
        nt_io::io_complete_with(irp, NtStatus::DISK_FULL, 11).unwrap();
        assert_eq!(DONE.take(), [(24, 40, IRP_WRITE_OPERATION, NtStatus::DISK_FULL, 11, 0x77)]);
        answer(|_, _| Some((NtStatus::DISK_FULL, 0)));
        let failed = flt_write_file(&stage.instance, stage.file, how).unwrap();
        assert_eq!((failed.status, DONE.take().len()), (NtStatus::DISK_FULL, 1));
        answer(|_, _| Some((NtStatus::BUFFER_OVERFLOW, 3)));
        let partly = flt_write_file(&stage.instance, stage.file, how).unwrap();
        assert_eq!(partly.status, NtStatus::SUCCESS, "the callback has run; what came of it is in the data");
        assert_eq!(DONE.take()[0].3, NtStatus::BUFFER_OVERFLOW);
        assert_eq!(blocks(b"FMcd"), 0, "the manager's data go with the callback");
    });
}
