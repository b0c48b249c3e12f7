//! Callback data that filters make: what is sent, when they may be used, and what goes with them.

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;

use fltmgr::cancel::flt_cancel_io;
use fltmgr::reissue::flt_reissue_synchronous_io;
use fltmgr::request::*;
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::mdl_flags::{MDL_PAGES_LOCKED, MDL_WRITE_OPERATION};
use nt_abi::*;
use nt_ke::irql;

use crate::stage::*;

const ASYNCHRONOUS: Setting = Setting { options: 0, ..USUAL };

thread_local! {
    /// What the completion callback was told: status, information, context and IRQL.
    static DONE: RefCell<Vec<(NtStatus, usize, usize, u8)>> = const { RefCell::new(Vec::new()) };
    static CANCELLED: Cell<u32> = const { Cell::new(0) };
}

extern "win64" fn done(data: &FLT_CALLBACK_DATA, context: usize) {
    let io = &data.IoStatus;
    DONE.with_borrow_mut(|done| {
        done.push((io.Status.get(), io.Information.get(), context, irql::current()));
    });
}

fn callback() -> NativeFn {
    NativeFn(done as *const () as usize)
}

fn allocate(stage: &Stage, flags: u32) -> &'static Request {
    let file = from_ref(stage.file) as usize;
    let data = flt_allocate_callback_data(&stage.instance, file, flags).unwrap().unwrap();
    request_of(data).expect("callback data")
}

fn address(request: &Request) -> usize {
    from_ref(request) as usize
}

/// A read of 16 bytes at 512.
fn read(stage: &Stage, buffer: usize) -> &'static Request {
    let request = allocate(stage, 0);
    fill(request, buffer);
    request
}

fn fill(request: &Request, buffer: usize) {
    request.iopb.MajorFunction.set(IRP_MJ_READ);
    let read = request.iopb.Parameters.Read();
    read.Length.set(16);
    read.ByteOffset.set(512);
    read.ReadBuffer.set(buffer as *mut _);
}

fn perform(request: &Request) -> (NtStatus, usize) {
    flt_perform_synchronous_io(address(request)).unwrap();
    (request.data.IoStatus.Status.get(), request.data.IoStatus.Information.get())
}

fn is_fresh(stage: &Stage, request: &Request) {
    let data = &request.data;
    assert_eq!(data.Flags.get(), FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO);
    assert_eq!((data.IoStatus.Status.get(), data.IoStatus.Information.get()), (NtStatus::SUCCESS, 0));
    assert_eq!((data.RequestorMode.get(), data.TagData.get() as usize), (0, 0));
    assert_eq!(data.Thread.get() as usize, from_ref(nt_ke::current_thread()) as usize);
    assert!(std::ptr::eq(data.Iopb.get(), &raw const request.iopb));
    let block = &request.iopb;
    assert_eq!((block.IrpFlags.get(), block.MajorFunction.get(), block.MinorFunction.get()), (0, 0, 0));
    assert_eq!(block.OperationFlags.get(), 0);
    assert!(std::ptr::eq(block.TargetFileObject.get(), stage.file));
    assert_eq!(
        fltmgr::from_address::<fltmgr::Instance>(block.TargetInstance.get() as usize).unwrap().name,
        stage.instance.name
    );
    assert!(block.Parameters.raw.iter().all(|word| word.get() == 0));
}

#[test]
fn callback_data_are_new_when_they_are_allocated_and_when_they_are_used_again() {
    // spec: GIO-01, GIO-02, GIO-04
    on_stage(USUAL, |stage| {
        let file = from_ref(stage.file) as usize;
        for flags in [2, 3, 0x8000_0000] {
            let refused = flt_allocate_callback_data(&stage.instance, file, flags).unwrap();
            assert_eq!(refused, Err(NtStatus::INVALID_PARAMETER));
        }
        for flags in [0, 1] {
            let request = allocate(stage, flags);
            is_fresh(stage, request);
            fill(request, memory(16));
            request.iopb.OperationFlags.set(SL_OVERRIDE_VERIFY_VOLUME);
            request.iopb.IrpFlags.set(IRP_NOCACHE);
            request.data.RequestorMode.set(1);
            assert_eq!(perform(request), (NtStatus::SUCCESS, 16));
            request.data.TagData.set(8 as *mut _);
            flt_reuse_callback_data(address(request)).unwrap();
            is_fresh(stage, request);
            flt_free_callback_data(address(request)).unwrap();
            assert!(request_of(address(request)).is_none(), "they are none any more");
        }
        // The type code of such data where none can begin.
        let fake = memory(0x800);
        boundary::copy::write(fake, &0xCBD0_6E0A_u32.to_le_bytes().repeat(0x200)).unwrap();
        assert!(request_of(fake + 8).is_none() && request_of(fake + 4).is_none());
        assert!(request_of(0).is_none() && request_of(from_ref(stage) as usize | 1).is_none());
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn what_is_in_the_parameters_is_what_is_sent() {
    // spec: CBD-19, GIO-06
    on_stage(USUAL, |stage| {
        let buffer = memory(16);
        let request = read(stage, buffer);
        request.iopb.IrpFlags.set(IRP_NOCACHE | IRP_READ_OPERATION);
        request.iopb.OperationFlags.set(SL_OVERRIDE_VERIFY_VOLUME);
        request.iopb.MinorFunction.set(IRP_MN_MDL);
        request.iopb.Parameters.Read().Key.set(9);
        answer(|_, _| Some((NtStatus::END_OF_FILE, 3)));
        assert_eq!(perform(request), (NtStatus::END_OF_FILE, 3));
        let found = only();
        assert_eq!(
            (found.major, found.minor, found.stack_flags),
            (IRP_MJ_READ, IRP_MN_MDL, SL_OVERRIDE_VERIFY_VOLUME)
        );
        assert_eq!(found.irp_flags, IRP_NOCACHE | IRP_READ_OPERATION);
        assert_eq!(
            (found.parameters[0] as u32, found.parameters[1] as u32, found.parameters[2]),
            (16, 9, 512)
        );
        assert_eq!((found.user, found.system, found.mdl), (buffer, 0, None));
        assert_eq!(found.file, from_ref(stage.file) as usize);
        let flags: Vec<u32> = watched().iter().map(|seen| seen.data_flags).collect();
        let generated = FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO;
        assert_eq!(flags, [generated, generated | FLTFL_CALLBACK_DATA_POST_OPERATION]);
        flt_free_callback_data(address(request)).unwrap();
    });
}

#[test]
fn a_buffer_has_the_form_that_the_operation_and_the_device_ask_for() {
    let sent = |device_flags: u32, major: u8, has_buffer: bool, length: u32| {
        let found: Cell<Option<(Seen, usize)>> = Cell::new(None);
        on_stage(Setting { device_flags, ..USUAL }, |stage| {
            let buffer = if has_buffer { memory(64) } else { 0 };
            let request = allocate(stage, 0);
            request.iopb.MajorFunction.set(major);
            if major == IRP_MJ_DIRECTORY_CONTROL {
                request.iopb.MinorFunction.set(IRP_MN_QUERY_DIRECTORY);
            }
            let places = match major {
                IRP_MJ_READ | IRP_MJ_WRITE => request.iopb.Parameters.Read().ReadBuffer.as_ptr(),
                IRP_MJ_QUERY_INFORMATION => {
                    request.iopb.Parameters.QueryFileInformation().InfoBuffer.as_ptr()
                }
                IRP_MJ_SET_INFORMATION => request.iopb.Parameters.SetFileInformation().InfoBuffer.as_ptr(),
                IRP_MJ_CREATE => request.iopb.Parameters.Create().EaBuffer.as_ptr(),
                IRP_MJ_DIRECTORY_CONTROL => request.iopb.Parameters.QueryDirectory().DirectoryBuffer.as_ptr(),
                _ => request.iopb.Parameters.SetEa().EaBuffer.as_ptr(),
            };
            // SAFETY: a cell of the request's parameters.
            unsafe { places.cast::<usize>().write(buffer) };
            if major != IRP_MJ_CREATE {
                request.iopb.Parameters.Read().Length.set(length);
            }
            perform(request);
            let mdl = request.iopb.Parameters.Read().MdlAddress.get() as usize;
            let seen = only();
            if let Some((address, ..)) = seen.mdl {
                assert!(nt_ex::pool::size_of_block(address as *const u8).is_some(), "it stays with the data");
            }
            flt_free_callback_data(address(request)).unwrap();
            if let Some((address, ..)) = seen.mdl {
                assert!(mdl == address || major > IRP_MJ_WRITE, "the parameters name it");
                assert_eq!(nt_ex::pool::size_of_block(address as *const u8), None, "it goes with them");
            }
            assert_eq!(stage.rules(), Vec::<&str>::new());
            found.set(Some((seen, buffer)));
        });
        found.take().expect("it was sent")
    };
    for device in [0, DO_BUFFERED_IO, DO_DIRECT_IO, DO_BUFFERED_IO | DO_DIRECT_IO] {
        let buffered = device & DO_BUFFERED_IO != 0;
        let direct = device == DO_DIRECT_IO;
        for (major, written) in [
            (IRP_MJ_READ, true),
            (IRP_MJ_WRITE, false),
            (IRP_MJ_DIRECTORY_CONTROL, true),
            (IRP_MJ_SET_EA, false),
        ] {
            let (found, buffer) = sent(device, major, true, 64);
            if buffered {
                assert_eq!((found.system, found.irp_flags, found.mdl), (buffer, IRP_BUFFERED_IO, None));
            } else {
                assert_eq!((found.system, found.irp_flags, found.user), (0, 0, buffer));
                assert_eq!(found.mdl.map(|mdl| (mdl.1, mdl.2)), direct.then_some((buffer, 64)));
            }
            if let Some((.., flags)) = found.mdl {
                let flags = u32::from(flags);
                assert_ne!(flags & u32::from(MDL_PAGES_LOCKED), 0);
                assert_eq!(flags & u32::from(MDL_WRITE_OPERATION) != 0, written, "{major:#x}");
            }
        }
        for (major, flags) in [
            (IRP_MJ_QUERY_INFORMATION, IRP_BUFFERED_IO),
            (IRP_MJ_SET_INFORMATION, IRP_BUFFERED_IO),
            (IRP_MJ_CREATE, 0),
        ] {
            let (found, buffer) = sent(device, major, true, 64);
            assert_eq!(
                (found.system, found.irp_flags, found.mdl),
                (buffer, flags, None),
                "{major:#x} {device:#x}"
            );
        }
        let (found, _) = sent(device, IRP_MJ_SET_SECURITY, true, 0);
        assert_eq!((found.system, found.irp_flags), (0, 0), "a security descriptor is passed as it is");
        let (found, _) = sent(device, IRP_MJ_QUERY_INFORMATION, false, 0);
        assert_eq!((found.system, found.irp_flags), (0, 0), "without a buffer it has no form");
    }
    assert_eq!(sent(DO_DIRECT_IO, IRP_MJ_READ, true, 0).0.mdl, None, "nothing is moved");
    assert_eq!(sent(DO_DIRECT_IO, IRP_MJ_READ, false, 16).0.mdl, None, "nowhere to move it");
}

#[test]
fn an_mdl_that_the_filter_gives_goes_with_the_data() {
    // spec: GIO-04
    on_stage(Setting { device_flags: DO_DIRECT_IO, ..USUAL }, |stage| {
        let buffer = memory(64);
        let chain = || {
            let of_pool = || {
                let mdl = nt_ex::mdl::allocate(buffer, 16).unwrap();
                nt_mm::mdl::build_for_nonpaged_pool(mdl);
                mdl
            };
            let locked = nt_ex::mdl::allocate(buffer, 16).unwrap();
            nt_mm::mdl::probe_and_lock_pages(locked, false, 1).unwrap();
            let first = of_pool();
            first.Next.set(from_ref(locked).cast_mut());
            [from_ref(first) as usize, from_ref(locked) as usize]
        };
        let is_there = |address: usize| nt_ex::pool::size_of_block(address as *const u8).is_some();
        let request = read(stage, buffer);
        for reused in [true, false] {
            let mdls = chain();
            request.iopb.Parameters.Read().MdlAddress.set(mdls[0] as *mut _);
            assert_eq!(perform(request), (NtStatus::SUCCESS, 16));
            assert_eq!(only().mdl.map(|mdl| mdl.0), Some(mdls[0]), "no other one is made");
            assert_eq!(request.iopb.Parameters.Read().MdlAddress.get() as usize, mdls[0]);
            assert_eq!(mdls.map(is_there), [true, true]);
            if reused {
                flt_reuse_callback_data(address(request)).unwrap();
                fill(request, buffer);
            } else {
                flt_free_callback_data(address(request)).unwrap();
            }
            assert_eq!(mdls.map(is_there), [false, false]);
        }
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}

#[test]
fn an_operation_that_cannot_be_sent_has_its_status_in_the_data() {
    // spec: CBD-18, GIO-06, GIO-07, GIO-08
    on_stage(USUAL, |stage| {
        let request = read(stage, memory(16));
        request.iopb.MajorFunction.set(IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE);
        assert_eq!(perform(request), (NtStatus::INVALID_PARAMETER, 0));
        assert_eq!(stage.rules(), ["CBD-18"]);
        request.iopb.MajorFunction.set(IRP_MJ_MAXIMUM_FUNCTION);
        assert_eq!(perform(request).0, NtStatus::SUCCESS, "the last one of IRPs");
        assert_eq!(only().major, IRP_MJ_MAXIMUM_FUNCTION);
        fill(request, memory(16));
        request.iopb.TargetFileObject.set(std::ptr::null_mut());
        assert_eq!(perform(request), (NtStatus::INVALID_PARAMETER, 0));
        let file = from_ref(stage.file).cast_mut();
        request.iopb.TargetFileObject.set(file);
        let later = |expected: NtStatus| {
            let result = flt_perform_asynchronous_io(address(request), callback(), 0x55).unwrap();
            assert_eq!((result, seen().len()), (expected, 0));
            assert_eq!(DONE.take(), [(expected, 0, 0x55, PASSIVE_LEVEL)], "the callback hears of it");
        };
        request.iopb.MajorFunction.set(IRP_MJ_CREATE);
        later(NtStatus::FLT_INVALID_ASYNCHRONOUS_REQUEST);
        request.iopb.MajorFunction.set(IRP_MJ_READ);
        request.iopb.TargetFileObject.set(std::ptr::null_mut());
        later(NtStatus::INVALID_PARAMETER);
        request.iopb.TargetFileObject.set(file);
        let result = flt_perform_asynchronous_io(address(request), NativeFn(0), 0);
        assert_eq!((result, seen().len()), (Ok(NtStatus::INVALID_PARAMETER), 0));
        assert_eq!(stage.rules(), ["CBD-18", "GIO-08"]);
        fltmgr::flt_unregister_filter(&stage.filter).unwrap();
        later(NtStatus::FLT_DELETING_OBJECT);
        flt_free_callback_data(address(request)).unwrap();
    });
}

#[test]
fn only_paging_io_may_be_started_above_passive_level() {
    // spec: GIO-10
    on_stage(ASYNCHRONOUS, |stage| {
        let buffer = memory(512);
        let start = |major: u8, flags: u32, level: u8| {
            let before = stage.rules().len();
            let request = read(stage, buffer);
            request.iopb.MajorFunction.set(major);
            request.iopb.IrpFlags.set(flags);
            let old = irql::raise(level);
            flt_perform_asynchronous_io(address(request), callback(), 0).unwrap();
            irql::lower(old);
            flt_free_callback_data(address(request)).unwrap();
            stage.rules()[before..].to_vec()
        };
        assert_eq!(start(IRP_MJ_READ, 0, PASSIVE_LEVEL), Vec::<&str>::new());
        assert_eq!(start(IRP_MJ_READ, 0, APC_LEVEL), ["GIO-10"]);
        assert_eq!(start(IRP_MJ_READ, IRP_PAGING_IO | IRP_NOCACHE, APC_LEVEL), Vec::<&str>::new());
        for major in [IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION] {
            assert_eq!(start(major, IRP_PAGING_IO, PASSIVE_LEVEL), Vec::<&str>::new());
        }
        assert_eq!(start(IRP_MJ_FLUSH_BUFFERS, IRP_PAGING_IO, PASSIVE_LEVEL), ["GIO-10"]);
        assert_eq!(start(IRP_MJ_FLUSH_BUFFERS, 0, PASSIVE_LEVEL), Vec::<&str>::new());
    });
}

#[test]
fn data_whose_operation_is_under_way_are_left_alone() {
    // spec: GIO-03, GIO-05, GIO-09, CAN-01, CAN-02
    on_stage(ASYNCHRONOUS, |stage| {
        let request = read(stage, memory(16));
        let data = address(request);
        assert_eq!(flt_cancel_io(data), Ok(false));
        assert_eq!(stage.rules(), ["CAN-02"], "it is not under way yet");
        answer(|_, _| Some((NtStatus::PENDING, 0)));
        assert_eq!(flt_perform_asynchronous_io(data, callback(), 7), Ok(NtStatus::PENDING));
        let sent = only();
        assert_eq!(DONE.take().len(), 0);
        flt_free_callback_data(data).unwrap();
        flt_reuse_callback_data(data).unwrap();
        flt_perform_synchronous_io(data).unwrap();
        assert_eq!(flt_perform_asynchronous_io(data, callback(), 8), Ok(NtStatus::INVALID_PARAMETER));
        flt_reissue_synchronous_io(&stage.instance, data).unwrap();
        assert_eq!((seen().len(), DONE.take().len()), (0, 0), "nothing else is sent");
        assert_eq!(request.iopb.MajorFunction.get(), IRP_MJ_READ, "they are as they were");
        assert!(request_of(data).is_some());
        assert_eq!(stage.rules(), ["CAN-02", "GIO-05", "GIO-05", "GIO-05", "GIO-05", "GIO-05"]);
        for (finding, routine) in stage.core.findings()[1..].iter().zip([
            "FltFreeCallbackData",
            "FltReuseCallbackData",
            "FltPerformSynchronousIo",
            "FltPerformAsynchronousIo",
            "FltReissueSynchronousIo",
        ]) {
            assert!(finding.message.starts_with(routine) && finding.driver == "asker", "{finding:?}");
        }
        // SAFETY: the file system, which is the test, holds the IRP.
        let irp: &'static IRP = unsafe { &*(sent.irp as *const IRP) };
        nt_io::io_set_rust_cancel(
            irp,
            Some(|irp| {
                nt_io::io_release_cancel_spin_lock(irp.CancelIrql.get())?;
                CANCELLED.set(CANCELLED.get() + 1);
                Ok(())
            }),
        );
        assert_eq!((flt_cancel_io(data), CANCELLED.get()), (Ok(true), 1));
        assert_eq!((flt_cancel_io(data), CANCELLED.get()), (Ok(false), 1), "it is cancelled already");
        nt_io::io_complete_with(irp, NtStatus::CANCELLED, 0).unwrap();
        assert_eq!(DONE.take(), [(NtStatus::CANCELLED, 0, 7, PASSIVE_LEVEL)]);
        assert_eq!(stage.rules().len(), 6);
        assert_eq!(flt_cancel_io(data), Ok(false));
        assert_eq!(stage.rules()[6..], ["CAN-02"], "it is done");
        flt_reuse_callback_data(data).unwrap();
        answer_as_usual();
        fill(request, memory(16));
        assert_eq!(perform(request), (NtStatus::SUCCESS, 16));
        flt_free_callback_data(data).unwrap();
        assert_eq!(stage.rules().len(), 7);
    });
}

#[test]
fn the_callback_may_be_called_at_dispatch_level() {
    // spec: GIO-11
    on_stage(ASYNCHRONOUS, |stage| {
        for high in [false, true] {
            fltmgr::flt().set_post_at_dispatch(high);
            let request = allocate(stage, 0);
            request.iopb.MajorFunction.set(IRP_MJ_CREATE);
            flt_perform_asynchronous_io(address(request), callback(), 1).unwrap();
            assert_eq!(DONE.take()[0].3, if high { DISPATCH_LEVEL } else { PASSIVE_LEVEL });
            assert_eq!(irql::current(), PASSIVE_LEVEL);
            flt_free_callback_data(address(request)).unwrap();
        }
        fltmgr::flt().set_post_at_dispatch(false);
    });
}

#[test]
fn data_of_operations_are_none_of_the_filters_own() {
    // spec: GIO-03
    on_stage(USUAL, |stage| {
        thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
        hook(|who, data, post| {
            if who == "asker" && !post && iopb(data).MajorFunction.get() == IRP_MJ_FLUSH_BUFFERS {
                let data = from_ref(data) as usize;
                flt_free_callback_data(data).unwrap();
                flt_reuse_callback_data(data).unwrap();
                flt_perform_synchronous_io(data).unwrap();
                let result = flt_perform_asynchronous_io(data, callback(), 0);
                assert_eq!(result, Ok(NtStatus::INVALID_PARAMETER));
                CALLS.set(CALLS.get() + 1);
            }
            None
        });
        nt_io::nt_flush_buffers_file(stage.handle, 0).unwrap();
        assert_eq!((CALLS.get(), seen().len()), (1, 1));
        assert_eq!(stage.rules(), ["GIO-03"; 4]);
        assert!(stage.core.findings().iter().all(|finding| finding.driver == "asker"));
    });
}

#[test]
fn data_are_issued_again_as_they_were_sent_unless_they_are_dirty() {
    // spec: CBD-05, GIO-12, GIO-13, GIO-14
    on_stage(USUAL, |stage| {
        let request = read(stage, memory(16));
        let again = || flt_reissue_synchronous_io(&stage.instance, address(request)).unwrap();
        again();
        assert_eq!((stage.rules(), seen().len()), (vec!["GIO-13"], 0), "it was not performed");
        perform(request);
        watched();
        seen();
        request.iopb.Parameters.Read().ByteOffset.set(1024);
        again();
        assert_eq!(only().parameters[2], 512, "a change that is not marked is lost");
        assert_eq!(request.iopb.Parameters.Read().ByteOffset.get(), 512);
        let expected = FLTFL_CALLBACK_DATA_IRP_OPERATION
            | FLTFL_CALLBACK_DATA_GENERATED_IO
            | FLTFL_CALLBACK_DATA_REISSUED_IO;
        assert_eq!(watched()[0].data_flags, expected);
        request.iopb.Parameters.Read().ByteOffset.set(1024);
        fltmgr::flt_set_callback_data_dirty(&request.data);
        again();
        assert_eq!((only().parameters[2], watched()[0].data_flags), (1024, expected));
        assert_eq!(request.data.Flags.get() & FLTFL_CALLBACK_DATA_DIRTY, 0, "the mark is used up");
        request.iopb.Parameters.Read().ByteOffset.set(2048);
        again();
        assert_eq!(only().parameters[2], 1024, "as it was sent last");
        let watchers = fltmgr::flt().filter_named(&units("watcher")).unwrap();
        let other = fltmgr::flt().instances_of(&watchers).remove(0);
        flt_reissue_synchronous_io(&other, address(request)).unwrap();
        assert_eq!((stage.rules(), seen().len()), (vec!["GIO-13", "GIO-13"], 0), "another instance's");
        flt_free_callback_data(address(request)).unwrap();
    });
}

extern "win64" fn passes(_: usize, _: usize, _: usize) -> i32 {
    FLT_PREOP_SUCCESS_WITH_CALLBACK
}

extern "win64" fn passes_back(_: usize, _: usize, _: usize, _: u32) -> i32 {
    FLT_POSTOP_FINISHED_PROCESSING
}

#[test]
fn preallocated_data_have_room_for_all_instances() {
    // spec: GIO-02
    on_stage(USUAL, |stage| {
        for (number, name) in ["one", "two", "three", "four", "five", "six", "seven"].into_iter().enumerate()
        {
            let altitude = (30 + number).to_string();
            filter(name, &altitude, passes as *const () as usize, passes_back as *const () as usize);
        }
        let buffer = memory(16);
        let request = allocate(stage, 1);
        for _ in 0..2 {
            fill(request, buffer);
            let before = nt_ex::pool::allocations();
            assert_eq!(perform(request), (NtStatus::SUCCESS, 16));
            assert_eq!(nt_ex::pool::allocations() - before, 0);
            flt_reuse_callback_data(address(request)).unwrap();
        }
        flt_free_callback_data(address(request)).unwrap();
        assert_eq!(stage.rules(), Vec::<&str>::new());
    });
}
