//! Fast I/O through two filters above a file system in Rust that carries it out, or declines.

mod support;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use nt_abi::file_information_class::FileStandardInformation;
use nt_abi::*;
use nt_io::*;
use nt_ke::{Config, Core, Raise};

use support::{add_file_system, boot, filter_driver, rules, start_manager, units};

thread_local! {
    // A machine's attached thread is the test's own.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ACTION: Cell<Action> = const { Cell::new(Action::Pass) };
    static DECLINES: Cell<bool> = const { Cell::new(false) };
    /// What `Action::Change` does to the parameters.
    static CHANGE: Cell<fn(&FLT_PARAMETERS)> = const { Cell::new(|_| {}) };
    /// The buffers that the file system was given last.
    static BUFFERS: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
    /// The next create opens no file that is cached.
    static OPENS: Cell<bool> = const { Cell::new(false) };
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Pass,
    NoCallback,
    Answer(i32, NtStatus),
    MoveDirty,
    Change,
    SetMdl,
    PendPost,
    Keep,
}

fn note(line: String) {
    LOG.with_borrow_mut(|log| log.push(line));
}

fn log() -> Vec<String> {
    LOG.take()
}

/// What a callback was given: kind, operation, offset of a transfer.
fn shown(data: &FLT_CALLBACK_DATA) -> String {
    // SAFETY: the manager's callback data names its block.
    let block = unsafe { &*data.Iopb.get() };
    let kind = match data.Flags.get() & 7 {
        FLTFL_CALLBACK_DATA_IRP_OPERATION => "IRP",
        FLTFL_CALLBACK_DATA_FAST_IO_OPERATION => "fast",
        other => panic!("one kind, not {other}"),
    };
    let fast = kind == "fast";
    match block.MajorFunction.get() {
        major @ (IRP_MJ_READ | IRP_MJ_WRITE) => {
            let read = block.Parameters.Read();
            assert!(!fast || (block.IrpFlags.get(), block.OperationFlags.get()) == (0, 0));
            assert!(!fast || read.MdlAddress.get().is_null());
            assert!(!fast || read.ReadBuffer.get() as usize != 0);
            assert!(!fast || fltmgr::flt_is_operation_synchronous(data));
            let name = if major == IRP_MJ_READ { "read" } else { "write" };
            format!("{kind} {name} {}+{}", read.ByteOffset.get(), read.Length.get())
        }
        IRP_MJ_QUERY_INFORMATION => {
            let query = block.Parameters.QueryFileInformation();
            format!("{kind} query {}+{}", query.FileInformationClass.get(), query.Length.get())
        }
        IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE => {
            let check = block.Parameters.FastIoCheckIfPossible();
            let (offset, length) = (check.FileOffset.get(), check.Length.get());
            let reading = check.CheckForReadOperation.get();
            format!("{kind} check {offset}+{length} {} {reading}", check.LockKey.get())
        }
        IRP_MJ_NETWORK_QUERY_OPEN => {
            let asked = block.Parameters.NetworkQueryOpen();
            // SAFETY: the IRP of the create that would open the file.
            let create = io_current_stack(unsafe { &*asked.Irp.get() });
            assert_eq!(create.MajorFunction.get(), IRP_MJ_CREATE);
            assert_eq!(create.FileObject.get(), block.TargetFileObject.get());
            if ACTION.get() == Action::Keep {
                nt_ob::ob_reference(block.TargetFileObject.get() as usize).unwrap();
            }
            format!("{kind} open {}", !asked.NetworkInformation.get().is_null())
        }
        IRP_MJ_DEVICE_CONTROL if kind == "fast" => {
            let control = block.Parameters.DeviceIoControl().FastIo();
            let byte = boundary::copy::read_value::<u8>(control.InputBuffer.get() as usize).unwrap();
            let (input, output) = (control.InputBufferLength.get(), control.OutputBufferLength.get());
            format!("{kind} control {:#x} {input} ({byte}) {output}", control.IoControlCode.get())
        }
        major => format!("{kind} {}", fltmgr::flt_get_irp_name(major)),
    }
}

extern "win64" fn upper_pre(data: &FLT_CALLBACK_DATA, _: usize, context: &Cell<usize>) -> i32 {
    // SAFETY: as in `shown`.
    let block = unsafe { &*data.Iopb.get() };
    if block.MajorFunction.get() == IRP_MJ_CREATE {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    note(format!("upper pre {}", shown(data)));
    let fast = data.Flags.get() & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION != 0;
    match ACTION.get() {
        Action::NoCallback => return FLT_PREOP_SUCCESS_NO_CALLBACK,
        Action::MoveDirty if fast => {
            block.Parameters.Write().ByteOffset.set(4096);
            block.Parameters.Write().Length.set(8);
            fltmgr::flt_set_callback_data_dirty(data);
        }
        Action::Change if fast => {
            CHANGE.get()(&block.Parameters);
            fltmgr::flt_set_callback_data_dirty(data);
        }
        Action::SetMdl if fast => {
            block.Parameters.Write().MdlAddress.set(0x1000 as *mut _);
            fltmgr::flt_set_callback_data_dirty(data);
        }
        _ => {}
    }
    context.set(0x77);
    FLT_PREOP_SUCCESS_WITH_CALLBACK
}

fn post(data: &FLT_CALLBACK_DATA, who: &str, context: usize) -> i32 {
    let status = data.IoStatus.Status.get();
    note(format!(
        "{who} post {} {context:#x} {:#x} {}",
        shown(data),
        status.0,
        data.IoStatus.Information.get()
    ));
    let fast = data.Flags.get() & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION != 0;
    if fast && ACTION.get() == Action::PendPost {
        return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
    }
    FLT_POSTOP_FINISHED_PROCESSING
}

extern "win64" fn upper_post(data: &FLT_CALLBACK_DATA, _: usize, context: usize, _: u32) -> i32 {
    post(data, "upper", context)
}

extern "win64" fn lower_pre(data: &FLT_CALLBACK_DATA, _: usize, _: usize) -> i32 {
    // SAFETY: as in `shown`.
    if unsafe { &*data.Iopb.get() }.MajorFunction.get() == IRP_MJ_CREATE {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    note(format!("lower pre {}", shown(data)));
    let fast = data.Flags.get() & FLTFL_CALLBACK_DATA_FAST_IO_OPERATION != 0;
    match ACTION.get() {
        Action::Answer(answer, status) if fast => {
            data.IoStatus.Status.set(status);
            answer
        }
        _ => FLT_PREOP_SUCCESS_WITH_CALLBACK,
    }
}

extern "win64" fn lower_post(data: &FLT_CALLBACK_DATA, _: usize, context: usize, _: u32) -> i32 {
    post(data, "lower", context)
}

struct FastFs;

impl Dispatch for FastFs {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        match stack.MajorFunction.get() {
            IRP_MJ_FILE_SYSTEM_CONTROL => {
                // SAFETY: a device names its driver.
                let driver = unsafe { &*device.DriverObject.get() };
                let volume =
                    io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?.unwrap();
                volume.Flags.set(0);
                // SAFETY: a mount request names its VPB.
                let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
                vpb.DeviceObject.set(std::ptr::from_ref(volume).cast_mut());
            }
            IRP_MJ_CREATE if OPENS.get() => {
                OPENS.set(false);
                note("fs create".into());
            }
            IRP_MJ_CREATE => stack_file(stack).unwrap().PrivateCacheMap.set(8 as *mut _),
            IRP_MJ_READ | IRP_MJ_WRITE => {
                note(format!("fs IRP at {}", stack.Parameters.Write().ByteOffset.get()));
                return io_complete_with(
                    irp,
                    NtStatus::SUCCESS,
                    stack.Parameters.Write().Length.get() as usize,
                );
            }
            IRP_MJ_QUERY_INFORMATION | IRP_MJ_DEVICE_CONTROL => note("fs IRP".into()),
            _ => {}
        }
        io_complete_with(irp, NtStatus::SUCCESS, 0)
    }

    fn fast_io(&self) -> Option<&dyn FastIo> {
        Some(self)
    }
}

fn carried_out(bytes: u32) -> Option<IoStatus> {
    (!DECLINES.get()).then_some(IoStatus { status: NtStatus::SUCCESS, information: bytes as usize })
}

impl FastIo for FastFs {
    fn read(
        &self,
        _: &'static FILE_OBJECT,
        offset: i64,
        length: u32,
        wait: bool,
        key: u32,
        buffer: usize,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        BUFFERS.set([buffer, 0]);
        note(format!("fs fast read {offset}+{length} {wait} {key}"));
        Ok(carried_out(length))
    }

    fn write(
        &self,
        file: &'static FILE_OBJECT,
        offset: i64,
        length: u32,
        wait: bool,
        key: u32,
        buffer: usize,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        BUFFERS.set([buffer, 0]);
        note(format!("fs fast write {offset}+{length} {wait} {key}"));
        if offset == WRITE_TO_END_OF_FILE {
            file.CurrentByteOffset.set(700);
        }
        Ok(carried_out(length))
    }

    fn query_basic(
        &self,
        _: &'static FILE_OBJECT,
        wait: bool,
        buffer: usize,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        BUFFERS.set([buffer, 0]);
        note(format!("fs fast basic {wait}"));
        Ok(carried_out(0x28))
    }

    fn query_network_open(
        &self,
        _: &'static FILE_OBJECT,
        wait: bool,
        buffer: usize,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        BUFFERS.set([buffer, 0]);
        note(format!("fs fast network {wait}"));
        Ok(carried_out(0x38))
    }

    fn query_standard(
        &self,
        _: &'static FILE_OBJECT,
        _: bool,
        buffer: usize,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        BUFFERS.set([buffer, 0]);
        note("fs fast query".into());
        boundary::copy::fill(buffer, 7, 0x18)?;
        Ok(carried_out(0x18))
    }

    fn check(
        &self,
        _: &'static FILE_OBJECT,
        transfer: &FastTransfer,
        wait: bool,
        _: &'static DEVICE_OBJECT,
    ) -> Result<bool, Raise> {
        note(format!("fs check {} {} {wait}", transfer.offset, transfer.writing));
        Ok(!DECLINES.get())
    }

    fn query_open(
        &self,
        irp: &'static IRP,
        buffer: usize,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<NtStatus>, Raise> {
        assert_eq!(io_current_stack(irp).MajorFunction.get(), IRP_MJ_CREATE);
        BUFFERS.set([buffer, 0]);
        note("fs fast open".into());
        boundary::copy::fill(buffer, 7, 0x38)?;
        Ok((!DECLINES.get()).then_some(NtStatus::SUCCESS))
    }

    fn device_control(
        &self,
        _: &'static FILE_OBJECT,
        wait: bool,
        code: u32,
        buffers: ControlBuffers,
        _: &'static DEVICE_OBJECT,
    ) -> Result<Option<IoStatus>, Raise> {
        BUFFERS.set([buffers.input, buffers.output]);
        note(format!("fs fast control {code:#x} {wait} {} {}", buffers.input_length, buffers.output_length));
        boundary::copy::fill(buffers.output, 7, 4)?;
        Ok(carried_out(4))
    }
}

/// Registers and starts a filter for CREATE, READ, WRITE, QUERY_INFORMATION, DEVICE_CONTROL, NETWORK_QUERY_OPEN
/// and FAST_IO_CHECK_IF_POSSIBLE.
fn filter(name: &str, altitude: &str, pre: usize, post: usize, flags: u32) -> Arc<fltmgr::Filter> {
    let driver = filter_driver(name, altitude);
    let operations: [FLT_OPERATION_REGISTRATION; 8] = Default::default();
    let majors = [
        IRP_MJ_CREATE,
        IRP_MJ_READ,
        IRP_MJ_WRITE,
        IRP_MJ_QUERY_INFORMATION,
        IRP_MJ_DEVICE_CONTROL,
        IRP_MJ_NETWORK_QUERY_OPEN,
        IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE,
        IRP_MJ_OPERATION_END,
    ];
    for (operation, major) in operations.iter().zip(majors) {
        operation.MajorFunction.set(major);
        operation.Flags.set(flags);
        operation.PreOperation.set(NativeFn(pre));
        operation.PostOperation.set(NativeFn(post));
    }
    let registration = FLT_REGISTRATION::default();
    let filter = support::register(driver, &registration, &operations);
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::SUCCESS));
    filter
}

/// A machine with both filters and an open file; `flags` are the upper filter's for every operation.
fn with_file(flags: u32, f: impl FnOnce(&Arc<Core>, usize)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        boot(&core);
        start_manager(&core);
        add_file_system("Fast", Arc::new(FastFs));
        disk::create(1, 512, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
        let _lower =
            filter("lower", "100", lower_pre as *const () as usize, lower_post as *const () as usize, 0);
        let _upper =
            filter("upper", "200", upper_pre as *const () as usize, upper_post as *const () as usize, flags);
        let opened = io_create_file(&CreateParameters {
            name: Vec::leak(units(r"\??\C:\f")),
            object_attributes: OBJ_CASE_INSENSITIVE,
            access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
            share: 7,
            disposition: FILE_CREATE,
            options: FILE_SYNCHRONOUS_IO_NONALERT,
            ..CreateParameters::default()
        })
        .unwrap();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        log();
        f(&core, opened.handle);
        nt_close(opened.handle).unwrap();
    })
    .expect("a thread");
    assert!(core.stop());
}

fn write(handle: usize, offset: i64) -> IoStatus {
    let buffer = nt_mm::UserBuffer::new(16).unwrap();
    nt_write_file(handle, &Asynchronous::default(), buffer.address(), 16, Some(offset), Some(9)).unwrap()
}

const DONE: IoStatus = IoStatus { status: NtStatus::SUCCESS, information: 16 };

#[test]
fn a_cached_transfer_is_shown_as_fast_io_and_sends_no_irp() {
    // spec: PARM-02, IOPB-02, SEED-IOPB-02, SEED-IOPB-20, SEED-IOPB-22, SWAP-03, CBD-02
    with_file(0, |core, handle| {
        assert_eq!(write(handle, 32), DONE);
        assert_eq!(
            log(),
            [
                "upper pre fast write 32+16",
                "lower pre fast write 32+16",
                "fs fast write 32+16 true 9",
                "lower post fast write 32+16 0x0 0x0 16",
                "upper post fast write 32+16 0x77 0x0 16",
            ]
        );
        let (file, _) = reference_file_by_handle(handle, 0, 0).unwrap();
        assert_eq!(file.CurrentByteOffset.get(), 48);
        let buffer = nt_mm::UserBuffer::new(16).unwrap();
        let status = buffer.address() + 8;
        let asynchronous = Asynchronous { iosb: status, ..Asynchronous::default() };
        assert_eq!(
            nt_read_file(handle, &asynchronous, buffer.address(), 4, None, None).unwrap().information,
            4
        );
        assert_eq!(log()[2], "fs fast read 48+4 true 0", "from the position, which moves");
        assert_eq!(file.CurrentByteOffset.get(), 52);
        assert_eq!(write(handle, WRITE_TO_END_OF_FILE), DONE);
        assert_eq!(file.CurrentByteOffset.get(), 700, "where the file system left it");
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_that_wants_no_post_callback_gets_none() {
    with_file(0, |core, handle| {
        ACTION.set(Action::NoCallback);
        assert_eq!(write(handle, 0), DONE);
        assert_eq!(
            log(),
            [
                "upper pre fast write 0+16",
                "lower pre fast write 0+16",
                "fs fast write 0+16 true 9",
                "lower post fast write 0+16 0x0 0x0 16",
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn disallowed_fast_io_ends_in_the_posts_above_and_comes_again_as_an_irp() {
    // spec: PRE-11, PRE-13
    with_file(0, |core, handle| {
        ACTION.set(Action::Answer(FLT_PREOP_DISALLOW_FASTIO, NtStatus::SUCCESS));
        assert_eq!(write(handle, 0), DONE);
        assert_eq!(
            log(),
            [
                "upper pre fast write 0+16",
                "lower pre fast write 0+16",
                "upper post fast write 0+16 0x77 0xc01c0004 0",
                "upper pre IRP write 0+16",
                "lower pre IRP write 0+16",
                "fs IRP at 0",
                "lower post IRP write 0+16 0x0 0x0 16",
                "upper post IRP write 0+16 0x77 0x0 16",
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
        ACTION.set(Action::Answer(FLT_PREOP_DISALLOW_FASTIO, NtStatus::ACCESS_DENIED));
        assert_eq!(write(handle, 0), DONE);
        assert_eq!(log()[2], "upper post fast write 0+16 0x77 0xc01c0004 0");
        assert_eq!(rules(core), ["PRE-12"], "its status is overwritten");
    });
}

#[test]
fn a_device_that_declines_is_seen_by_the_posts_and_gets_an_irp() {
    with_file(0, |core, handle| {
        DECLINES.set(true);
        assert_eq!(write(handle, 0), DONE);
        let lines = log();
        assert_eq!(
            lines[2..6],
            [
                "fs fast write 0+16 true 9",
                "lower post fast write 0+16 0x0 0xc01c0004 0",
                "upper post fast write 0+16 0x77 0xc01c0004 0",
                "upper pre IRP write 0+16",
            ]
        );
        assert_eq!(lines.len(), 10);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_that_completes_fast_io_ends_it() {
    // spec: PRE-14
    with_file(0, |core, handle| {
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::ACCESS_DENIED));
        assert_eq!(write(handle, 0).status, NtStatus::ACCESS_DENIED);
        assert_eq!(
            log(),
            [
                "upper pre fast write 0+16",
                "lower pre fast write 0+16",
                "upper post fast write 0+16 0x77 0xc0000022 0",
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn pending_fast_io_is_reported_and_disallowed() {
    // spec: PRE-10
    with_file(0, |core, handle| {
        ACTION.set(Action::Answer(FLT_PREOP_PENDING, NtStatus::SUCCESS));
        assert_eq!(write(handle, 0), DONE);
        assert!(log().contains(&"fs IRP at 0".to_owned()));
        assert_eq!(rules(core), ["PRE-10"]);
    });
}

#[test]
fn keeping_fast_io_in_a_post_callback_is_reported_and_ignored() {
    // spec: POST-08
    with_file(0, |core, handle| {
        ACTION.set(Action::PendPost);
        assert_eq!(write(handle, 0), DONE);
        assert_eq!(log().len(), 5);
        assert_eq!(rules(core), ["POST-08", "POST-08"]);
    });
}

#[test]
fn synchronize_means_with_callback_for_fast_io() {
    // spec: PRE-19, POST-04
    with_file(0, |core, handle| {
        ACTION.set(Action::Answer(FLT_PREOP_SYNCHRONIZE, NtStatus::SUCCESS));
        assert_eq!(write(handle, 0), DONE);
        assert_eq!(log()[3], "lower post fast write 0+16 0x0 0x0 16");
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn changed_parameters_reach_those_below_and_the_post_sees_its_own() {
    // spec: SEED-IOPB-43, SEED-IOPB-48
    with_file(0, |core, handle| {
        ACTION.set(Action::MoveDirty);
        assert_eq!(write(handle, 0).information, 8);
        assert_eq!(
            log(),
            [
                "upper pre fast write 0+16",
                "lower pre fast write 4096+8",
                "fs fast write 4096+8 true 9",
                "lower post fast write 4096+8 0x0 0x0 8",
                "upper post fast write 0+16 0x77 0x0 8",
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

/// The file of a handle, and the device that its requests go to. The reference stays.
fn opened(handle: usize) -> (&'static FILE_OBJECT, &'static DEVICE_OBJECT) {
    let (file, _) = reference_file_by_handle(handle, 0, 0).unwrap();
    (file, io_get_related_device(file))
}

#[test]
fn each_changed_parameter_of_a_transfer_reaches_the_file_system_alone() {
    // spec: SEED-IOPB-43
    type Change = (fn(&FLT_PARAMETERS), &'static str, usize);
    let changes: [Change; 4] = [
        (|parameters| parameters.Read().ByteOffset.set(4096), "4096+16 true 9", 0x1000),
        (|parameters| parameters.Read().Length.set(8), "512+8 true 9", 0x1000),
        (|parameters| parameters.Read().Key.set(77), "512+16 true 77", 0x1000),
        (|parameters| parameters.Read().ReadBuffer.set(0x2000 as *mut _), "512+16 true 9", 0x2000),
    ];
    with_file(0, |core, handle| {
        let (file, device) = opened(handle);
        ACTION.set(Action::Change);
        for writing in [false, true] {
            for (change, line, buffer) in changes {
                CHANGE.set(change);
                let transfer = FastTransfer { writing, offset: 512, length: 16, key: 9, buffer: 0x1000 };
                io_fast_transfer(device, file, &transfer, true).unwrap();
                let name = if writing { "write" } else { "read" };
                let lines = log();
                assert_eq!(lines[0], format!("upper pre fast {name} 512+16"));
                assert_eq!(lines[2], format!("fs fast {name} {line}"));
                assert_eq!(BUFFERS.get()[0], buffer, "{line}");
                assert!(lines[4].starts_with(&format!("upper post fast {name} 512+16")));
            }
        }
        assert_eq!(rules(core), Vec::<&str>::new());
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    });
}

#[test]
fn each_query_is_shown_with_its_class_and_length_and_may_get_another_buffer() {
    // spec: PARM-06, SEED-IOPB-43
    with_file(0, |core, handle| {
        let (file, device) = opened(handle);
        let own = nt_mm::UserBuffer::new(0x40).unwrap();
        for (query, class, length, line) in [
            (FastQuery::Basic, 4, 0x28, "fs fast basic true"),
            (FastQuery::Standard, 5, 0x18, "fs fast query"),
            (FastQuery::NetworkOpen, 34, 0x38, "fs fast network true"),
        ] {
            ACTION.set(Action::Pass);
            let done = io_fast_query(device, file, query, true, own.address()).unwrap();
            assert_eq!(done, Some(IoStatus { status: NtStatus::SUCCESS, information: length }));
            let shown = format!("fast query {class}+{length}");
            assert_eq!(
                log()[..3],
                [format!("upper pre {shown}"), format!("lower pre {shown}"), line.to_owned()]
            );
            assert_eq!(BUFFERS.get()[0], own.address());
            ACTION.set(Action::Change);
            CHANGE.set(|parameters| {
                let buffer = &parameters.QueryFileInformation().InfoBuffer;
                buffer.set(buffer.get().wrapping_byte_add(8));
            });
            io_fast_query(device, file, query, true, own.address()).unwrap();
            assert_eq!((log()[2].as_str(), BUFFERS.get()[0]), (line, own.address() + 8));
        }
        assert_eq!(rules(core), Vec::<&str>::new());
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    });
}

#[test]
fn each_changed_parameter_of_a_device_control_reaches_the_file_system_alone() {
    // spec: PARM-16, SEED-IOPB-43
    type Change = (fn(&FLT_PARAMETERS), &'static str, [usize; 2]);
    let changes: [Change; 5] = [
        (|p| p.DeviceIoControl().FastIo().IoControlCode.set(0x7_0010), "0x70010 true 3 4", [0, 8]),
        (|p| p.DeviceIoControl().FastIo().InputBufferLength.set(2), "0x70003 true 2 4", [0, 8]),
        (|p| p.DeviceIoControl().FastIo().OutputBufferLength.set(5), "0x70003 true 3 5", [0, 8]),
        (
            |p| {
                let buffer = &p.DeviceIoControl().FastIo().InputBuffer;
                buffer.set(buffer.get().wrapping_byte_add(16));
            },
            "0x70003 true 3 4",
            [16, 8],
        ),
        (
            |p| {
                let buffer = &p.DeviceIoControl().FastIo().OutputBuffer;
                buffer.set(buffer.get().wrapping_byte_add(16));
            },
            "0x70003 true 3 4",
            [0, 24],
        ),
    ];
    with_file(0, |core, handle| {
        let (file, device) = opened(handle);
        let memory = nt_mm::UserBuffer::from_bytes(&[9; 64]).unwrap();
        let at = memory.address();
        let buffers = ControlBuffers { input: at, input_length: 3, output: at + 8, output_length: 4 };
        ACTION.set(Action::Change);
        for (change, line, [input, output]) in changes {
            CHANGE.set(change);
            io_fast_device_control(device, file, true, 0x7_0003, buffers).unwrap();
            let lines = log();
            assert_eq!(lines[0], "upper pre fast control 0x70003 3 (9) 4");
            assert_eq!(lines[2], format!("fs fast control {line}"));
            assert_eq!(BUFFERS.get(), [at + input, at + output]);
        }
        assert_eq!(rules(core), Vec::<&str>::new());
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    });
}

#[test]
fn a_question_about_a_transfer_is_not_changed_and_one_without_an_open_may_get_another_buffer() {
    // spec: PARM-18, SEED-IOPB-43
    with_file(0, |core, handle| {
        let (file, device) = opened(handle);
        ACTION.set(Action::Change);
        CHANGE.set(|parameters| parameters.FastIoCheckIfPossible().FileOffset.set(8));
        let transfer = FastTransfer { writing: true, offset: 512, length: 16, key: 9, buffer: 0 };
        assert_eq!(io_fast_check(device, file, &transfer, false), Ok(true));
        let lines = log();
        assert_eq!(lines[1..3], ["lower pre fast check 8+16 9 0", "fs check 512 true false"]);
        assert_eq!(rules(core), Vec::<&str>::new());
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
        thread_local! {
            static OTHER: Cell<usize> = const { Cell::new(0) };
        }
        let other = nt_mm::UserBuffer::new(0x38).unwrap();
        OTHER.set(other.address());
        CHANGE.set(|parameters| parameters.NetworkQueryOpen().NetworkInformation.set(OTHER.get() as *mut _));
        assert_eq!(attributes_by_name().0, NtStatus::SUCCESS);
        assert_eq!(BUFFERS.get()[0], other.address());
        assert_eq!(boundary::copy::read_value(other.address()), Ok(0x0707_0707u32));
        ACTION.set(Action::Pass);
    });
}

#[test]
fn a_filter_that_declares_a_dirty_change_and_changes_nothing_is_believed() {
    // spec: IOPB-14
    with_file(0, |core, handle| {
        ACTION.set(Action::Change);
        CHANGE.set(|_| {});
        assert_eq!(write(handle, 32), DONE);
        assert_eq!(log()[2], "fs fast write 32+16 true 9");
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn only_transfers_are_cached_io_for_filters_that_skip_it() {
    // spec: REG-06, REG-07
    with_file(FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, |core, handle| {
        let (file, device) = opened(handle);
        let own = nt_mm::UserBuffer::from_bytes(&[9; 0x40]).unwrap();
        let at = own.address();
        let sees = || log().iter().filter(|line| line.starts_with("upper")).count();
        let transfer = FastTransfer { writing: false, offset: 512, length: 16, key: 9, buffer: at };
        io_fast_transfer(device, file, &transfer, true).unwrap();
        assert_eq!(sees(), 0);
        io_fast_query(device, file, FastQuery::Basic, true, at).unwrap();
        assert_eq!(sees(), 2);
        io_fast_check(device, file, &transfer, true).unwrap();
        assert_eq!(sees(), 2);
        let buffers = ControlBuffers { input: at, input_length: 3, output: at + 8, output_length: 4 };
        io_fast_device_control(device, file, true, 0x7_0003, buffers).unwrap();
        assert_eq!(sees(), 2);
        assert_eq!(rules(core), Vec::<&str>::new());
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    });
    with_file(FLTFL_OPERATION_REGISTRATION_SKIP_NON_DASD_IO, |_, handle| {
        let (file, device) = opened(handle);
        let transfer = FastTransfer { writing: false, offset: 512, length: 16, key: 9, buffer: 0x1000 };
        for (flags, lines) in [(0, 0), (FO_VOLUME_OPEN, 2)] {
            file.Flags.fetch_or(flags, std::sync::atomic::Ordering::Relaxed);
            io_fast_transfer(device, file, &transfer, true).unwrap();
            assert_eq!(log().iter().filter(|line| line.starts_with("upper")).count(), lines);
        }
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    });
}

#[test]
fn an_mdl_in_fast_io_is_reported_and_taken_away() {
    // spec: SWAP-23
    with_file(0, |core, handle| {
        ACTION.set(Action::SetMdl);
        assert_eq!(write(handle, 0), DONE);
        assert_eq!(log()[1], "lower pre fast write 0+16", "which checks that there is no MDL");
        assert_eq!(rules(core), ["SWAP-23"]);
    });
}

#[test]
fn a_filter_that_skips_cached_io_sees_no_fast_transfer() {
    // spec: REG-06
    with_file(FLTFL_OPERATION_REGISTRATION_SKIP_CACHED_IO, |core, handle| {
        assert_eq!(write(handle, 0), DONE);
        assert!(!log().iter().any(|line| line.starts_with("upper")));
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_query_with_a_routine_of_its_own_is_fast_io() {
    // spec: PARM-06
    with_file(0, |core, handle| {
        let buffer = nt_mm::UserBuffer::new(0x38).unwrap();
        let result =
            nt_query_information_file(handle, buffer.address(), 0x38, FileStandardInformation).unwrap();
        assert_eq!(result, IoStatus { status: NtStatus::SUCCESS, information: 0x18 });
        assert_eq!(boundary::copy::read_value::<u64>(buffer.address()), Ok(0x0707_0707_0707_0707));
        assert_eq!(
            log(),
            [
                "upper pre fast query 5+24",
                "lower pre fast query 5+24",
                "fs fast query",
                "lower post fast query 5+24 0x0 0x0 24",
                "upper post fast query 5+24 0x77 0x0 24",
            ]
        );
        DECLINES.set(true);
        nt_query_information_file(handle, buffer.address(), 0x38, FileStandardInformation).unwrap();
        assert!(log().contains(&"fs IRP".to_owned()));
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_fast_device_control_shows_the_callers_buffers_whatever_its_method() {
    // spec: PARM-16, PARM-02
    with_file(0, |core, handle| {
        let buffer = nt_mm::UserBuffer::from_bytes(&[9; 16]).unwrap();
        let iosb = nt_mm::UserBuffer::new(16).unwrap();
        let buffers = ControlBuffers {
            input: buffer.address(),
            input_length: 3,
            output: buffer.address() + 8,
            output_length: 4,
        };
        // METHOD_BUFFERED, METHOD_OUT_DIRECT, METHOD_NEITHER.
        for code in [0x70000u32, 0x70002, 0x70003] {
            let asynchronous = Asynchronous { iosb: iosb.address(), ..Asynchronous::default() };
            let result = nt_device_io_control_file(handle, &asynchronous, code, buffers).unwrap();
            assert_eq!(result, IoStatus { status: NtStatus::SUCCESS, information: 4 });
            assert_eq!(boundary::copy::read_value::<[u64; 2]>(iosb.address()), Ok([0, 4]));
            assert_eq!(boundary::copy::read_value::<u32>(buffers.output), Ok(0x0707_0707));
            assert_eq!(
                log(),
                [
                    format!("upper pre fast control {code:#x} 3 (9) 4"),
                    format!("lower pre fast control {code:#x} 3 (9) 4"),
                    format!("fs fast control {code:#x} true 3 4"),
                    format!("lower post fast control {code:#x} 3 (9) 4 0x0 0x0 4"),
                    format!("upper post fast control {code:#x} 3 (9) 4 0x77 0x0 4"),
                ]
            );
        }
        DECLINES.set(true);
        nt_device_io_control_file(handle, &Asynchronous::default(), 0x70000, buffers).unwrap();
        assert!(log().contains(&"fs IRP".to_owned()));
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_transfer_that_the_file_system_is_unsure_of_is_asked_about_first() {
    // spec: PARM-18, PARM-03
    with_file(0, |core, handle| {
        let (file, _) = reference_file_by_handle(handle, 0, 0).unwrap();
        let device = io_get_related_device(file);
        let ask = |writing| {
            let transfer = FastTransfer { writing, offset: 512, length: 16, key: 9, buffer: 0 };
            io_fast_check(device, file, &transfer, true).unwrap()
        };
        assert!(ask(false));
        assert_eq!(
            log(),
            [
                "upper pre fast check 512+16 9 1",
                "lower pre fast check 512+16 9 1",
                "fs check 512 false true",
                "lower post fast check 512+16 9 1 0x0 0x0 0",
                "upper post fast check 512+16 9 1 0x77 0x0 0",
            ]
        );
        assert!(ask(true));
        assert_eq!(log()[0], "upper pre fast check 512+16 9 0");
        ACTION.set(Action::Answer(FLT_PREOP_DISALLOW_FASTIO, NtStatus::SUCCESS));
        assert!(!ask(true), "a filter says no");
        ACTION.set(Action::Pass);
        DECLINES.set(true);
        assert!(!ask(true), "the file system says no");
        assert_eq!(rules(core), Vec::<&str>::new());
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
    });
}

/// Asks for a file's attributes by its name: what came of it, and the attributes.
fn attributes_by_name() -> (NtStatus, u32) {
    let buffer = nt_mm::UserBuffer::new(0x28).unwrap();
    let parameters = CreateParameters {
        name: Vec::leak(units(r"\??\C:\f")),
        object_attributes: OBJ_CASE_INSENSITIVE,
        ..CreateParameters::default()
    };
    let status = nt_query_attributes_file(&parameters, buffer.address()).unwrap();
    (status, boundary::copy::read_value(buffer.address() + 0x20).unwrap())
}

#[test]
fn attributes_by_name_are_asked_for_without_an_open() {
    // spec: PARM-18, PARM-03
    with_file(0, |core, _| {
        assert_eq!(attributes_by_name(), (NtStatus::SUCCESS, 0x0707_0707));
        assert_eq!(
            log(),
            [
                "upper pre fast open true",
                "lower pre fast open true",
                "fs fast open",
                "lower post fast open true 0x0 0x0 0",
                "upper post fast open true 0x77 0x0 0",
            ]
        );
        // A filter answers it, or wants to see the open.
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::ACCESS_DENIED));
        assert_eq!(attributes_by_name().0, NtStatus::ACCESS_DENIED);
        assert_eq!(log().len(), 3);
        ACTION.set(Action::Answer(FLT_PREOP_DISALLOW_FASTIO, NtStatus::SUCCESS));
        OPENS.set(true);
        assert_eq!(attributes_by_name().0, NtStatus::SUCCESS);
        assert!(log().contains(&"fs create".to_owned()));
        // The file system does not know.
        ACTION.set(Action::Pass);
        DECLINES.set(true);
        OPENS.set(true);
        assert_eq!(attributes_by_name().0, NtStatus::SUCCESS);
        let seen = log();
        assert!(seen.contains(&"upper post fast open true 0x77 0xc01c0004 0".to_owned()), "{seen:?}");
        assert!(seen.contains(&"fs create".to_owned()));
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn the_file_object_of_a_query_without_an_open_cannot_be_kept() {
    // spec: PARM-19
    with_file(0, |core, _| {
        ACTION.set(Action::Keep);
        assert_eq!(attributes_by_name().0, NtStatus::SUCCESS);
        assert_eq!(rules(core), ["PARM-19"; 4], "in each callback");
        ACTION.set(Action::Pass);
    });
}

#[test]
fn with_fast_io_switched_off_there_are_irps_only() {
    with_file(0, |core, handle| {
        core.get::<Io>().set_fast_io(false);
        assert_eq!(write(handle, 0), DONE);
        assert!(log().iter().all(|line| !line.contains("fast")));
    });
}

#[test]
fn a_file_that_is_opened_below_an_instance_has_irps_only() {
    // spec: GIO-24, GIO-41
    with_file(0, |core, _| {
        let upper = fltmgr::flt().filter_named(&units("upper")).unwrap();
        let instance = fltmgr::flt().instances_of(&upper).remove(0);
        let name = units(r"\??\C:\own");
        let parameters = CreateParameters {
            name: &name,
            object_attributes: OBJ_CASE_INSENSITIVE,
            access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
            share: 7,
            disposition: FILE_CREATE,
            options: FILE_SYNCHRONOUS_IO_NONALERT,
            ..CreateParameters::default()
        };
        let opened = fltmgr::generated::flt_create_file(Some(&instance), parameters).unwrap();
        log();
        assert_eq!(write(opened.handle, 32), DONE);
        let lines = log();
        assert_eq!(lines[..2], ["lower pre IRP write 32+16", "fs IRP at 32"]);
        assert!(lines[2].starts_with("lower post IRP write 32+16") && lines.len() == 3, "{lines:?}");
        nt_close(opened.handle).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn counters_count_fast_io_as_they_count_irps() {
    with_file(0, |_, handle| {
        fltmgr::flt().set_statistics(true);
        write(handle, 0);
        let statistics = fltmgr::flt().statistics();
        let writes = |of: &fltmgr::statistics::InstanceStatistics| {
            of.operations.iter().map(|o| (o.operation, o.pre, o.post)).collect::<Vec<_>>()
        };
        assert_eq!(statistics.iter().map(writes).collect::<Vec<_>>(), [[("IRP_MJ_WRITE", 1, 1)]; 2]);
    });
}
