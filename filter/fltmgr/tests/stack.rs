//! The callback stack above a file system that only logs: callbacks are win64 functions, as drivers have.

mod support;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use nt_abi::*;
use nt_io::*;
use nt_ke::{Config, Core, Raise};

use support::{add_file_system, boot, filter_driver, rules, start_manager, units};

thread_local! {
    // A machine's attached thread is the test's own.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static PENDING: Cell<Option<&'static IRP>> = const { Cell::new(None) };
    static ACTION: Cell<Action> = const { Cell::new(Action::Pass) };
    /// Flags of the file system's volume device.
    static VOLUME_FLAGS: Cell<u32> = const { Cell::new(0) };
    /// Flags of the next filter's registration.
    static REGISTRATION_FLAGS: Cell<u32> = const { Cell::new(0) };
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Pass,
    MoveDirty,
    MoveOnly,
    Deny,
    Invent,
    Name,
    Pend,
    Ask,
    AskAndPend,
    Cancel,
    FailPost,
}

fn note(line: String) {
    LOG.with_borrow_mut(|log| log.push(line));
}

fn log() -> Vec<String> {
    LOG.take()
}

fn offset(data: &FLT_CALLBACK_DATA) -> String {
    // SAFETY: the manager's callback data names its block.
    let block = unsafe { &*data.Iopb.get() };
    let name = fltmgr::flt_get_irp_name(block.MajorFunction.get());
    match block.MajorFunction.get() {
        IRP_MJ_WRITE => format!("{name} {}", block.Parameters.Write().ByteOffset.get()),
        _ => name.to_owned(),
    }
}

extern "win64" fn upper_pre(data: &FLT_CALLBACK_DATA, _: usize, context: &Cell<usize>) -> i32 {
    note(format!("upper pre {}", offset(data)));
    assert_eq!(data.Flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION, 0);
    // SAFETY: as in `offset`.
    let block = unsafe { &*data.Iopb.get() };
    let write = block.MajorFunction.get() == IRP_MJ_WRITE;
    match ACTION.get() {
        Action::MoveDirty | Action::MoveOnly if write => {
            block.Parameters.Write().ByteOffset.set(4096);
            if ACTION.get() == Action::MoveDirty {
                fltmgr::flt_set_callback_data_dirty(data);
            }
        }
        Action::Deny if block.MajorFunction.get() == IRP_MJ_CREATE => {
            data.IoStatus.Status.set(NtStatus::ACCESS_DENIED);
            return FLT_PREOP_COMPLETE;
        }
        Action::Invent => return 77,
        Action::Ask | Action::AskAndPend => {
            let operation = fltmgr::operation_from(std::ptr::from_ref(data) as usize).expect("callback data");
            let routine = NativeFn(told as *const () as usize);
            let asked = fltmgr::status::flt_request_operation_status_callback(operation, routine, 0x77);
            assert_eq!(asked, NtStatus::SUCCESS);
            return FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        Action::Name if block.MajorFunction.get() == IRP_MJ_CREATE => {
            let operation = fltmgr::operation_from(std::ptr::from_ref(data) as usize).expect("callback data");
            let options = FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT;
            let address = fltmgr::names::flt_get_file_name_information(operation, options).unwrap().unwrap();
            assert_eq!(fltmgr::names::flt_parse_file_name_information(address), NtStatus::SUCCESS);
            // SAFETY: a name block of the manager with a reference of ours.
            let name = unsafe { &*(address as *const FLT_FILE_NAME_INFORMATION) };
            for part in [&name.Name, &name.FinalComponent, &name.Extension] {
                let mut bytes = vec![0; usize::from(part.Length.get())];
                boundary::copy::read(part.Buffer.get() as usize, &mut bytes).unwrap();
                let text: Vec<u16> = bytes.chunks(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
                note(String::from_utf16_lossy(&text));
            }
            fltmgr::names::flt_release_file_name_information(address).unwrap();
        }
        _ => {}
    }
    context.set(0x5151);
    FLT_PREOP_SUCCESS_WITH_CALLBACK
}

extern "win64" fn told(_: usize, block: &FLT_IO_PARAMETER_BLOCK, status: u32, context: usize) {
    note(format!("told {} {status:#x} {context:#x}", fltmgr::flt_get_irp_name(block.MajorFunction.get())));
}

extern "win64" fn upper_post(data: &FLT_CALLBACK_DATA, _: usize, context: usize, flags: u32) -> i32 {
    assert_ne!(data.Flags.get() & FLTFL_CALLBACK_DATA_POST_OPERATION, 0);
    note(format!("upper post {} {context:#x} {flags} {}", offset(data), data.IoStatus.Status.get()));
    // SAFETY: as in `offset`.
    let block = unsafe { &*data.Iopb.get() };
    if block.MajorFunction.get() == IRP_MJ_CREATE && matches!(ACTION.get(), Action::Cancel | Action::FailPost)
    {
        if ACTION.get() == Action::Cancel {
            let instance =
                fltmgr::from_address::<fltmgr::Instance>(block.TargetInstance.get() as usize).unwrap();
            // SAFETY: the operation's file object.
            let file = unsafe { &*block.TargetFileObject.get() };
            fltmgr::reissue::flt_cancel_file_open(&instance, file).unwrap();
        }
        data.IoStatus.Status.set(NtStatus::VIRUS_INFECTED);
        data.IoStatus.Information.set(0);
    }
    FLT_POSTOP_FINISHED_PROCESSING
}

extern "win64" fn lower_pre(data: &FLT_CALLBACK_DATA, _: usize, _: usize) -> i32 {
    note(format!("lower pre {}", offset(data)));
    FLT_PREOP_SUCCESS_WITH_CALLBACK
}

extern "win64" fn lower_post(data: &FLT_CALLBACK_DATA, _: usize, _: usize, _: u32) -> i32 {
    note(format!("lower post {}", offset(data)));
    FLT_POSTOP_FINISHED_PROCESSING
}

extern "win64" fn setup(_: usize, flags: u32, device_type: u32, _: u32) -> i32 {
    note(format!("setup {flags:#x} {device_type}"));
    0
}

extern "win64" fn torn_down(_: usize, reason: u32) {
    note(format!("teardown {reason}"));
}

struct LogFs;

impl Dispatch for LogFs {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        match stack.MajorFunction.get() {
            IRP_MJ_FILE_SYSTEM_CONTROL => {
                // SAFETY: a device names its driver.
                let driver = unsafe { &*device.DriverObject.get() };
                let volume =
                    io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?.unwrap();
                volume.Flags.set(VOLUME_FLAGS.get());
                // SAFETY: a mount request names its VPB.
                let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
                vpb.DeviceObject.set(std::ptr::from_ref(volume).cast_mut());
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
            IRP_MJ_WRITE => {
                note(format!("fs write {}", stack.Parameters.Write().ByteOffset.get()));
                if matches!(ACTION.get(), Action::Pend | Action::AskAndPend) {
                    io_mark_pending(irp);
                    PENDING.set(Some(irp));
                    return Ok(NtStatus::PENDING);
                }
                io_complete_with(irp, NtStatus::SUCCESS, stack.Parameters.Write().Length.get() as usize)
            }
            major => {
                note(format!("fs {}", fltmgr::flt_get_irp_name(major)));
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
        }
    }
}

fn in_machine(f: impl FnOnce(&Arc<Core>)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        boot(&core);
        start_manager(&core);
        add_file_system("Log", Arc::new(LogFs));
        disk::create(1, 512, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
        f(&core);
    })
    .expect("a thread");
    assert!(core.stop());
}

fn native(function: usize) -> NativeFn {
    NativeFn(function)
}

/// Registers and starts a filter for CREATE and WRITE.
fn filter(name: &str, altitude: &str, pre: usize, post: usize) -> Arc<fltmgr::Filter> {
    let driver = filter_driver(name, altitude);
    let operations: [FLT_OPERATION_REGISTRATION; 4] = Default::default();
    let majors = [IRP_MJ_CREATE, IRP_MJ_WRITE, IRP_MJ_VOLUME_MOUNT, IRP_MJ_OPERATION_END];
    for (operation, major) in operations.iter().zip(majors) {
        operation.MajorFunction.set(major);
        operation.PreOperation.set(native(pre));
        operation.PostOperation.set(native(post));
    }
    let registration = FLT_REGISTRATION::default();
    registration.Flags.set(REGISTRATION_FLAGS.get());
    registration.InstanceSetupCallback.set(native(setup as *const () as usize));
    registration.InstanceTeardownCompleteCallback.set(native(torn_down as *const () as usize));
    let filter = support::register(driver, &registration, &operations);
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::SUCCESS));
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::INVALID_PARAMETER));
    filter
}

fn two_filters() -> (Arc<fltmgr::Filter>, Arc<fltmgr::Filter>) {
    let lower = filter("lower", "100", lower_pre as *const () as usize, lower_post as *const () as usize);
    let upper = filter("upper", "100.5", upper_pre as *const () as usize, upper_post as *const () as usize);
    (upper, lower)
}

fn open() -> Opened {
    io_create_file(&parameters(FILE_SYNCHRONOUS_IO_NONALERT)).unwrap()
}

fn parameters(options: u32) -> CreateParameters<'static> {
    CreateParameters {
        name: Vec::leak(units(r"\??\C:\f.txt::$DATA")),
        object_attributes: OBJ_CASE_INSENSITIVE,
        access: FILE_GENERIC_READ | FILE_GENERIC_WRITE,
        share: 7,
        disposition: FILE_CREATE,
        options,
        ..CreateParameters::default()
    }
}

fn write(handle: usize) -> IoStatus {
    let buffer = nt_mm::UserBuffer::new(16).unwrap();
    nt_write_file(handle, &Asynchronous::default(), buffer.address(), 16, Some(0), None).unwrap()
}

#[test]
fn callbacks_run_by_altitude_and_setup_comes_with_the_first_create() {
    // spec: PRE-01, PRE-05, POST-01, ALT-05, LIFE-07, LIFE-08, LIFE-10, PRE-02, REG-14, CBD-07, PARM-03
    in_machine(|core| {
        let _filters = two_filters();
        let opened = open();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        assert_eq!(
            log(),
            [
                "upper pre IRP_MJ_VOLUME_MOUNT",
                "lower pre IRP_MJ_VOLUME_MOUNT",
                "lower post IRP_MJ_VOLUME_MOUNT",
                "upper post IRP_MJ_VOLUME_MOUNT 0x5151 0 STATUS_SUCCESS (0x00000000)",
                "setup 0x5 8",
                "setup 0x5 8",
                "upper pre IRP_MJ_CREATE",
                "lower pre IRP_MJ_CREATE",
                "fs IRP_MJ_CREATE",
                "lower post IRP_MJ_CREATE",
                "upper post IRP_MJ_CREATE 0x5151 0 STATUS_SUCCESS (0x00000000)",
            ]
        );
        nt_close(opened.handle).unwrap();
        assert_eq!(log(), ["fs IRP_MJ_CLEANUP", "fs IRP_MJ_CLOSE"], "neither was registered");
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_dirty_change_reaches_the_layers_below_only() {
    // spec: SEED-IOPB-43, SEED-IOPB-47, SEED-IOPB-48, SEED-IOPB-49, IOPB-08, IOPB-09
    in_machine(|core| {
        let _filters = two_filters();
        let opened = open();
        log();
        ACTION.set(Action::MoveDirty);
        assert_eq!(write(opened.handle).status, NtStatus::SUCCESS);
        let lines = log();
        assert_eq!(
            lines[..4],
            [
                "upper pre IRP_MJ_WRITE 0",
                "lower pre IRP_MJ_WRITE 4096",
                "fs write 4096",
                "lower post IRP_MJ_WRITE 4096"
            ]
        );
        assert!(lines[4].starts_with("upper post IRP_MJ_WRITE 0 "), "{lines:?}");
        ACTION.set(Action::Pass);
        nt_close(opened.handle).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_change_that_is_not_marked_dirty_is_lost_and_reported() {
    // spec: SEED-IOPB-44, IOPB-07
    in_machine(|core| {
        let _filters = two_filters();
        let opened = open();
        log();
        ACTION.set(Action::MoveOnly);
        write(opened.handle);
        assert_eq!(log()[1..3], ["lower pre IRP_MJ_WRITE 0", "fs write 0"]);
        assert_eq!(rules(core), ["SEED-IOPB-44"]);
    });
}

#[test]
fn a_filter_that_completes_hides_the_operation_from_all_below() {
    // spec: PRE-14, SEED-IOPB-60
    in_machine(|core| {
        let _filters = two_filters();
        ACTION.set(Action::Deny);
        let opened = open();
        assert_eq!((opened.status, opened.handle), (NtStatus::ACCESS_DENIED, 0));
        assert_eq!(log()[6..], ["upper pre IRP_MJ_CREATE"]);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_invented_answer_is_reported_and_the_operation_goes_on() {
    // spec: PRE-26
    in_machine(|core| {
        let _filters = two_filters();
        ACTION.set(Action::Invent);
        assert_eq!(open().status, NtStatus::SUCCESS);
        assert!(!log().iter().any(|line| line.starts_with("upper post")));
        assert!(rules(core).contains(&"PRE-26"));
    });
}

#[test]
fn the_name_is_known_before_the_create_reaches_the_file_system() {
    // spec: NAME-18, NAME-21, NAME-25, NAME-32
    in_machine(|_| {
        let _filters = two_filters();
        ACTION.set(Action::Name);
        open();
        assert_eq!(log()[7..10], [r"\Device\HarddiskVolume1\f.txt", "f.txt", "txt"]);
    });
}

#[test]
fn an_occupied_altitude_is_a_finding_and_the_instance_is_skipped() {
    // spec: ATT-12, ALT-04
    in_machine(|core| {
        let _filters = two_filters();
        let late = filter("late", "0100.50", lower_pre as *const () as usize, 0);
        open();
        assert_eq!(rules(core), ["ATT-12"]);
        assert!(fltmgr::flt().instances_of(&late).is_empty());
    });
}

#[test]
fn an_unregistered_filter_is_torn_down_and_sees_nothing_more() {
    // spec: LIFE-04, LIFE-13, LIFE-14
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        let opened = open();
        log();
        fltmgr::flt_unregister_filter(&upper).unwrap();
        assert_eq!(log(), ["teardown 2"]);
        write(opened.handle);
        assert_eq!(log(), ["lower pre IRP_MJ_WRITE 0", "fs write 0", "lower post IRP_MJ_WRITE 0"]);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn an_operation_that_pends_below_is_drained_once_when_its_filter_goes() {
    // spec: LIFE-17, POST-11, POST-13, CBD-08
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        let opened = io_create_file(&parameters(0)).unwrap();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        ACTION.set(Action::Pend);
        let result = nt_mm::UserBuffer::new(32).unwrap();
        let asynchronous = Asynchronous { iosb: result.address() + 16, ..Asynchronous::default() };
        let sent = nt_write_file(opened.handle, &asynchronous, result.address(), 16, Some(0), None).unwrap();
        assert_eq!(sent.status, NtStatus::PENDING);
        log();
        fltmgr::flt_unregister_filter(&upper).unwrap();
        let lines = log();
        assert!(lines[0].starts_with("upper post IRP_MJ_WRITE 0 0x5151 1 "), "{lines:?}");
        assert_eq!(lines[1..], ["teardown 2"]);
        let irp = PENDING.take().expect("an IRP pends");
        ACTION.set(Action::Pass);
        io_complete_with(irp, NtStatus::SUCCESS, 16).unwrap();
        assert_eq!(log(), ["lower post IRP_MJ_WRITE 0"], "drained: no second post callback");
        nt_close(opened.handle).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn the_status_of_the_device_below_is_told_once_also_to_who_wants_no_post_callback() {
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        let opened = io_create_file(&parameters(0)).unwrap();
        log();
        ACTION.set(Action::Ask);
        assert_eq!(write(opened.handle).status, NtStatus::SUCCESS);
        let lines = log();
        assert_eq!(lines.iter().filter(|line| *line == "told IRP_MJ_WRITE 0x0 0x77").count(), 1, "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("upper post")), "{lines:?}");
        ACTION.set(Action::AskAndPend);
        let result = nt_mm::UserBuffer::new(32).unwrap();
        let asynchronous = Asynchronous { iosb: result.address() + 16, ..Asynchronous::default() };
        let sent = nt_write_file(opened.handle, &asynchronous, result.address(), 16, Some(0), None).unwrap();
        assert_eq!(sent.status, NtStatus::PENDING);
        let pending = NtStatus::PENDING.bits();
        assert_eq!(log().last(), Some(&format!("told IRP_MJ_WRITE {pending:#x} 0x77")));
        fltmgr::flt_unregister_filter(&upper).unwrap();
        ACTION.set(Action::Pass);
        io_complete_with(PENDING.take().expect("an IRP pends"), NtStatus::SUCCESS, 16).unwrap();
        assert!(!log().iter().any(|line| line.starts_with("told")));
        nt_close(opened.handle).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn preallocated_callback_data_need_no_memory_when_they_are_sent() {
    // spec: GIO-02, GIO-04
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        let opened = open();
        let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
        let instance = fltmgr::flt().instances_of(&upper).remove(0);
        let address = std::ptr::from_ref(file) as usize;
        let blocks_of_two_writes = |flags| {
            let data =
                fltmgr::request::flt_allocate_callback_data(&instance, address, flags).unwrap().unwrap();
            let request = fltmgr::request::request_of(data).unwrap();
            let write = || {
                request.iopb.MajorFunction.set(IRP_MJ_WRITE);
                let parameters = request.iopb.Parameters.Write();
                parameters.Length.set(8);
                parameters.WriteBuffer.set(0x1000 as *mut _);
                let before = nt_ex::pool::allocations();
                fltmgr::request::flt_perform_synchronous_io(data).unwrap();
                assert_eq!(request.data.IoStatus.Status.get(), NtStatus::SUCCESS);
                nt_ex::pool::allocations() - before
            };
            let first = write();
            fltmgr::request::flt_reuse_callback_data(data).unwrap();
            assert_eq!(request.iopb.TargetFileObject.get() as usize, address);
            let blocks = [first, write()];
            fltmgr::request::flt_free_callback_data(data).unwrap();
            blocks
        };
        assert_eq!(blocks_of_two_writes(1), [0, 0]);
        assert_eq!(blocks_of_two_writes(0), [1, 0], "the IRP stays with the data");
        assert_eq!(
            fltmgr::request::flt_allocate_callback_data(&instance, address, 2).unwrap(),
            Err(NtStatus::INVALID_PARAMETER)
        );
        nt_close(opened.handle).unwrap();
        nt_ob::ob_dereference(address).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn generated_io_is_seen_below_its_instance_only() {
    // spec: CBD-19, GIO-18, GIO-24, GIO-41
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        let opened = open();
        let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
        let instance = fltmgr::flt().instances_of(&upper).remove(0);
        log();
        let transfer = fltmgr::transfer::Transfer {
            offset: Some(512),
            length: 8,
            buffer: 0x1000,
            mdl: 0,
            flags: 0,
            key: 0,
            callback: None,
        };
        let written = fltmgr::transfer::flt_write_file(&instance, file, transfer).unwrap();
        assert_eq!((written.status, written.information), (NtStatus::SUCCESS, 8));
        assert_eq!(file.CurrentByteOffset.get(), 520);
        assert_eq!(log(), ["lower pre IRP_MJ_WRITE 512", "fs write 512", "lower post IRP_MJ_WRITE 512"]);
        let own =
            fltmgr::generated::flt_create_file(Some(&instance), parameters(FILE_SYNCHRONOUS_IO_NONALERT))
                .unwrap();
        assert_eq!(own.status, NtStatus::SUCCESS);
        assert_eq!(log(), ["lower pre IRP_MJ_CREATE", "fs IRP_MJ_CREATE", "lower post IRP_MJ_CREATE"]);
        write(own.handle);
        assert_eq!(log(), ["lower pre IRP_MJ_WRITE 0", "fs write 0", "lower post IRP_MJ_WRITE 0"]);
        fltmgr::generated::flt_close(own.handle).unwrap();
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_create_cancelled_in_post_is_closed_below_and_fails_above() {
    // spec: GIO-37, POST-14
    in_machine(|core| {
        let (_upper, _lower) = two_filters();
        ACTION.set(Action::Cancel);
        let opened = open();
        assert_eq!((opened.status, opened.handle), (NtStatus::VIRUS_INFECTED, 0));
        let lines = log();
        assert_eq!(lines[8..10], ["fs IRP_MJ_CREATE", "lower post IRP_MJ_CREATE"]);
        assert_eq!(lines[11..], ["fs IRP_MJ_CLEANUP", "fs IRP_MJ_CLOSE"], "each once");
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_create_failed_in_post_without_cancelling_it_is_reported() {
    // spec: POST-16
    in_machine(|core| {
        let (_upper, _lower) = two_filters();
        ACTION.set(Action::FailPost);
        assert_eq!(open().status, NtStatus::VIRUS_INFECTED);
        assert_eq!(rules(core), ["POST-16"]);
    });
}

#[test]
fn counters_tell_callbacks_by_instance_also_after_it_is_gone() {
    in_machine(|_| {
        fltmgr::flt().set_statistics(true);
        let (upper, _lower) = two_filters();
        filter("lowest", "99", lower_pre as *const () as usize, 0);
        let opened = open();
        write(opened.handle);
        write(opened.handle);
        fltmgr::flt_unregister_filter(&upper).unwrap();
        let statistics = fltmgr::flt().statistics();
        assert_eq!((statistics[0].filter.as_str(), statistics[0].altitude.as_str()), ("upper", "100.5"));
        let counts = |i: usize| -> Vec<_> {
            statistics[i].operations.iter().map(|o| (o.operation, o.pre, o.post)).collect()
        };
        assert_eq!(
            counts(0),
            [("IRP_MJ_CREATE", 1, 1), ("IRP_MJ_WRITE", 2, 2)],
            "mounts come before instances"
        );
        assert_eq!(counts(1), counts(0));
        assert_eq!(counts(2), [("IRP_MJ_CREATE", 1, 0), ("IRP_MJ_WRITE", 2, 0)], "no post callbacks");
        nt_close(opened.handle).unwrap();
    });
}

#[test]
fn a_stopped_machine_leaves_no_filter_volume_or_instance() {
    let mut left = None;
    in_machine(|_| {
        let (upper, _lower) = two_filters();
        open();
        let instance = fltmgr::flt().instances_of(&upper).remove(0);
        // A reference that a driver never gives back.
        assert!(fltmgr::instance_for_driver(&instance).is_ok());
        left = Some((Arc::downgrade(&upper), Arc::downgrade(&instance), Arc::downgrade(&instance.volume)));
    });
    let (filter, instance, volume) = left.expect("it ran");
    assert_eq!((filter.strong_count(), instance.strong_count(), volume.strong_count()), (0, 0, 0));
}

#[test]
fn an_instance_reference_that_is_never_given_back_is_reported() {
    // spec: OBJ-03, LIFE-20, ENUM-03
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        open();
        let instance = fltmgr::flt().instances_of(&upper).remove(0);
        assert!(fltmgr::instance_for_driver(&instance).is_ok());
        log();
        fltmgr::flt_unregister_filter(&upper).unwrap();
        assert_eq!(log(), ["teardown 2"]);
        assert_eq!(rules(core), ["OBJ-03"]);
        assert_eq!(fltmgr::instance_for_driver(&instance), Err(NtStatus::FLT_DELETING_OBJECT));
    });
}

#[test]
fn a_volume_without_a_cache_takes_only_filters_that_support_it() {
    in_machine(|_| {
        VOLUME_FLAGS.set(DO_DAX_VOLUME);
        REGISTRATION_FLAGS.set(FLTFL_REGISTRATION_SUPPORT_DAX_VOLUME);
        let supporting =
            filter("upper", "100.5", upper_pre as *const () as usize, upper_post as *const () as usize);
        REGISTRATION_FLAGS.set(FLTFL_REGISTRATION_SUPPORT_NPFS_MSFS);
        let other = filter("lower", "100", lower_pre as *const () as usize, lower_post as *const () as usize);
        nt_close(open().handle).unwrap();
        assert_eq!(fltmgr::flt().instances_of(&supporting).len(), 1);
        assert_eq!(fltmgr::flt().instances_of(&other).len(), 0);
    });
}

#[test]
fn a_pointer_to_anything_else_ends_the_machine() {
    for wrong in 0..3 {
        in_machine(|core| {
            let (upper, _lower) = two_filters();
            nt_close(open().handle).unwrap();
            let instance = &fltmgr::flt().instances_of(&upper)[0];
            let address = fltmgr::instance_for_driver(instance).expect("it is there");
            let wrong = [address + 1, 0, std::ptr::from_ref(core) as usize & !7][wrong];
            assert!(fltmgr::from_address::<fltmgr::Instance>(wrong).is_err());
            assert!(core.bug_checked().is_some_and(|check| check.message.contains("instance")));
        });
    }
    in_machine(|core| {
        let (upper, _lower) = two_filters();
        nt_close(open().handle).unwrap();
        let instance = &fltmgr::flt().instances_of(&upper)[0];
        let address = fltmgr::instance_for_driver(instance).expect("it is there");
        assert!(fltmgr::from_address::<fltmgr::Filter>(address).is_err());
        assert!(core.bug_checked().is_some_and(|check| check.message.contains("filter")));
    });
}
