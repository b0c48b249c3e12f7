//! File system filter operations through two filters above a file system in Rust that leaves them to the defaults.

mod support;

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::Arc;

use nt_abi::irql::APC_LEVEL;
use nt_abi::*;
use nt_ex::resource;
use nt_fsrtl::fs_filter::{self, SyncType, refusals};
use nt_io::*;
use nt_ke::{Config, Core, Raise};

use support::{add_file_system, boot, filter_driver, rules, start_manager, units};

thread_local! {
    // A machine's attached thread is the test's own.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static ACTION: Cell<Action> = const { Cell::new(Action::Pass) };
    static STREAM: Cell<Option<&'static Stream>> = const { Cell::new(None) };
    static FS_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    static POST_ANSWER: Cell<i32> = const { Cell::new(FLT_POSTOP_FINISHED_PROCESSING) };
}

/// What the lower filter's pre callback does.
#[derive(Clone, Copy, PartialEq)]
enum Action {
    Pass,
    Answer(i32, NtStatus),
    Redirect,
    /// Sets `TargetInstance` to something else.
    Away,
    /// Changes a parameter.
    Change,
}

const MAJORS: [u8; 7] = [
    IRP_MJ_QUERY_OPEN,
    IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION,
    IRP_MJ_ACQUIRE_FOR_MOD_WRITE,
    IRP_MJ_RELEASE_FOR_MOD_WRITE,
    IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
    IRP_MJ_RELEASE_FOR_CC_FLUSH,
];

fn log() -> Vec<String> {
    LOG.take()
}

#[repr(C)]
#[derive(Default)]
struct Stream {
    header: FSRTL_ADVANCED_FCB_HEADER,
    resource: ERESOURCE,
    paging: ERESOURCE,
}

// SAFETY: cells and atomics, all good when zero.
unsafe impl nt_ex::pool::ZeroedInPool for Stream {}

fn named(held: *mut ERESOURCE) -> &'static str {
    let stream = STREAM.get().expect("a stream");
    match held.cast_const() {
        held if held.is_null() => "nothing",
        held if std::ptr::eq(held, &stream.resource) => "main",
        held if std::ptr::eq(held, &stream.paging) => "paging",
        _ => "other",
    }
}

fn shown(data: &FLT_CALLBACK_DATA) -> String {
    // SAFETY: the manager's callback data names its block.
    let block = unsafe { &*data.Iopb.get() };
    let kinds = FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION
        | FLTFL_CALLBACK_DATA_IRP_OPERATION
        | FLTFL_CALLBACK_DATA_FAST_IO_OPERATION
        | FLTFL_CALLBACK_DATA_SYSTEM_BUFFER;
    assert_eq!(data.Flags.get() & kinds, FLTFL_CALLBACK_DATA_FS_FILTER_OPERATION);
    assert_eq!((block.IrpFlags.get(), block.OperationFlags.get(), block.MinorFunction.get()), (0, 0, 0));
    assert!(fltmgr::flt_is_operation_synchronous(data));
    assert_eq!(fltmgr::flt_decode_parameters(data), Err(NtStatus::INVALID_PARAMETER), "no buffer");
    let major = block.MajorFunction.get();
    let name = irp_mj::name(major).trim_start_matches("IRP_MJ_").to_lowercase();
    match major {
        IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION => {
            let arm = block.Parameters.AcquireForSectionSynchronization();
            assert_eq!(arm.OutputInformation.get().is_null(), arm.SyncType.get() == SyncTypeOther);
            format!("{name} {} {:#x} {}", arm.SyncType.get(), arm.PageProtection.get(), arm.Flags.get())
        }
        IRP_MJ_ACQUIRE_FOR_MOD_WRITE => {
            let arm = block.Parameters.AcquireForModifiedPageWriter();
            // SAFETY: the page writer's variables.
            let (end, held) = unsafe { (*arm.EndingOffset.get(), *arm.ResourceToRelease.get()) };
            format!("{name} {end} {}", named(held))
        }
        IRP_MJ_RELEASE_FOR_MOD_WRITE => {
            assert_eq!(nt_ke::irql::current(), APC_LEVEL);
            let held = block.Parameters.ReleaseForModifiedPageWriter().ResourceToRelease.get();
            // SAFETY: it is never null here.
            let count = resource::is_acquired_shared(unsafe { &*held });
            format!("{name} {} held {count}", named(held))
        }
        _ => name,
    }
}

fn is_ours(data: &FLT_CALLBACK_DATA) -> bool {
    // SAFETY: as in `shown`.
    MAJORS.contains(&unsafe { &*data.Iopb.get() }.MajorFunction.get())
}

extern "win64" fn upper_pre(data: &FLT_CALLBACK_DATA, _: usize, context: &Cell<usize>) -> i32 {
    if !is_ours(data) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    LOG.with_borrow_mut(|log| log.push(format!("upper pre {}", shown(data))));
    context.set(0x77);
    FLT_PREOP_SUCCESS_WITH_CALLBACK
}

extern "win64" fn upper_post(data: &FLT_CALLBACK_DATA, _: usize, context: usize, _: u32) -> i32 {
    let status = data.IoStatus.Status.get();
    // Also where the file system returned bytes (PARM-21).
    assert_eq!(data.IoStatus.Information.get(), 0);
    let line = format!("upper post {} {status:?} {context:#x}", shown(data));
    LOG.with_borrow_mut(|log| log.push(line.replace("STATUS_", "")));
    POST_ANSWER.get()
}

extern "win64" fn lower_pre(data: &FLT_CALLBACK_DATA, _: usize, _: usize) -> i32 {
    if !is_ours(data) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    LOG.with_borrow_mut(|log| log.push(format!("lower pre {}", shown(data))));
    match ACTION.get() {
        Action::Pass => {}
        Action::Answer(answer, status) => {
            data.IoStatus.Status.set(status);
            return answer;
        }
        Action::Redirect => {
            // SAFETY: as in `shown`.
            unsafe { &*data.Iopb.get() }.TargetFileObject.set(std::ptr::null_mut());
            fltmgr::flt_set_callback_data_dirty(data);
        }
        Action::Away => {
            // SAFETY: as in `shown`.
            unsafe { &*data.Iopb.get() }.TargetInstance.set(std::ptr::without_provenance_mut(0x10));
            fltmgr::flt_set_callback_data_dirty(data);
        }
        Action::Change => {
            // SAFETY: as in `shown`.
            unsafe { &*data.Iopb.get() }.Parameters.raw[5].set(7);
            fltmgr::flt_set_callback_data_dirty(data);
        }
    }
    FLT_PREOP_SUCCESS_NO_CALLBACK
}

struct Fs;

impl Dispatch for Fs {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        let name = irp_mj::name(stack.MajorFunction.get());
        LOG.with_borrow_mut(|log| log.push(name.to_owned()));
        match stack.MajorFunction.get() {
            IRP_MJ_FILE_SYSTEM_CONTROL => {
                // SAFETY: a device names its driver.
                let driver = unsafe { &*device.DriverObject.get() };
                let volume =
                    io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?.unwrap();
                volume.Flags.set(0);
                // SAFETY: a mount request names its VPB.
                let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
                vpb.DeviceObject.set(from_ref(volume).cast_mut());
            }
            IRP_MJ_CREATE => {
                let stream = STREAM.get().expect("a stream");
                stack_file(stack).unwrap().FsContext.set(from_ref(stream).cast_mut().cast());
            }
            _ => {}
        }
        io_complete_with(irp, NtStatus::SUCCESS, 0)
    }

    fn fs_filter(&self) -> Option<&dyn FsFilter> {
        Some(self)
    }
}

impl FsFilter for Fs {
    fn filter(
        &self,
        data: &FS_FILTER_CALLBACK_DATA,
        _: &dyn Fn() -> Result<NtStatus, Raise>,
    ) -> Result<NtStatus, Raise> {
        let name = irp_mj::name(data.Operation.get()).trim_start_matches("IRP_MJ_").to_lowercase();
        LOG.with_borrow_mut(|log| log.push(format!("fs {name} irql {}", nt_ke::irql::current())));
        if data.Operation.get() == IRP_MJ_QUERY_OPEN && FS_ANSWER.get() != NtStatus::SUCCESS {
            // FileInformation, Length and CompletionStatus.
            let [_, to, length, _, ended] = data.Parameters.raw.each_ref().map(Cell::get);
            boundary::copy::fill(to as usize, 0x55, 0x48)?;
            boundary::copy::write_value(length as usize, 0x48u32)?;
            assert_eq!(ended, 0);
        }
        Ok(FS_ANSWER.get())
    }
}

/// Registers and starts a filter for the six operations.
fn filter(name: &str, altitude: &str, pre: usize, post: usize) -> Arc<fltmgr::Filter> {
    let driver = filter_driver(name, altitude);
    let operations: [FLT_OPERATION_REGISTRATION; 9] = Default::default();
    let majors = [IRP_MJ_CREATE].into_iter().chain(MAJORS).chain([IRP_MJ_OPERATION_END]);
    for (operation, major) in operations.iter().zip(majors) {
        operation.MajorFunction.set(major);
        operation.PreOperation.set(NativeFn(pre));
        operation.PostOperation.set(NativeFn(post));
    }
    let registration = FLT_REGISTRATION::default();
    let filter = support::register(driver, &registration, &operations);
    assert_eq!(fltmgr::flt_start_filtering(&filter), Ok(NtStatus::SUCCESS));
    filter
}

/// A machine without filters, whose file has 8192 valid bytes.
fn in_machine(f: impl FnOnce(&Arc<Core>)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        boot(&core);
        start_manager(&core);
        add_file_system("Fs", Arc::new(Fs));
        disk::create(1, 512, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
        let stream = nt_ex::pool::allocate_new::<Stream>(u32::from_le_bytes(*b"Test")).unwrap();
        resource::initialize(&stream.resource);
        resource::initialize(&stream.paging);
        stream.header.Resource.set(from_ref(&stream.resource).cast_mut());
        stream.header.PagingIoResource.set(from_ref(&stream.paging).cast_mut());
        stream.header.FileSize.set(8192);
        stream.header.ValidDataLength.set(8192);
        STREAM.set(Some(stream));
        f(&core);
    })
    .expect("a thread");
    assert!(core.stop());
}

/// A machine with both filters and an open file.
fn with_file(f: impl FnOnce(&Arc<Core>, &'static FILE_OBJECT)) {
    in_machine(|core| {
        let _lower = filter("lower", "100", lower_pre as *const () as usize, 0);
        let upper_post = upper_post as *const () as usize;
        let _upper = filter("upper", "200", upper_pre as *const () as usize, upper_post);
        let opened = io_create_file(&CreateParameters {
            name: Vec::leak(units(r"\??\C:\f")),
            object_attributes: OBJ_CASE_INSENSITIVE,
            access: FILE_GENERIC_READ,
            disposition: FILE_OPEN,
            options: FILE_SYNCHRONOUS_IO_NONALERT,
            ..CreateParameters::default()
        })
        .unwrap();
        assert_eq!(opened.status, NtStatus::SUCCESS);
        let (file, _) = reference_file_by_handle(opened.handle, 0, 0).unwrap();
        log();
        f(core, file);
        assert_eq!(resource::held_by_current_thread(), 0, "everything is given back");
        nt_ob::ob_dereference(from_ref(file) as usize).unwrap();
        nt_close(opened.handle).unwrap();
    });
}

/// How the page writer is refused the file.
fn refused(file: &FILE_OBJECT) -> Option<NtStatus> {
    fs_filter::acquire_for_mod_write(file, 1).unwrap().err()
}

const CREATE: SyncType = SyncType::Create { protection: 4, flags: 1 };

#[test]
fn a_page_write_is_shown_as_file_system_filter_operations() {
    // spec: SEED-MODW-01, SEED-MODW-03, SEED-MODW-05, SEED-MODW-06, SEED-MODW-08, SEED-MODW-15, SEED-IOPB-02
    // spec: SEED-IOPB-20, PARM-25, FSF-05, FSF-16, FSF-17, FSF-26, PRE-03, CBD-02, SWAP-02
    with_file(|core, file| {
        let held = fs_filter::acquire_for_mod_write(file, 4096).unwrap().unwrap();
        fs_filter::release_for_mod_write(file, held).unwrap();
        assert_eq!(
            log(),
            [
                "upper pre acquire_for_mod_write 4096 nothing",
                "lower pre acquire_for_mod_write 4096 nothing",
                "fs acquire_for_mod_write irql 0",
                "upper post acquire_for_mod_write 4096 paging SUCCESS (0x00000000) 0x77",
                "upper pre release_for_mod_write paging held 1",
                "lower pre release_for_mod_write paging held 1",
                "fs release_for_mod_write irql 1",
                "upper post release_for_mod_write paging held 0 SUCCESS (0x00000000) 0x77",
            ]
        );
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_flush_and_a_section_are_shown_with_their_parameters() {
    // spec: FSF-10, FSF-11, FSF-13, FSF-15
    with_file(|core, file| {
        assert_eq!(fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
        fs_filter::release_for_cc_flush(file).unwrap();
        assert_eq!(fs_filter::acquire_for_section(file, CREATE), Ok(NtStatus::SUCCESS));
        fs_filter::release_for_section(file).unwrap();
        let lines: Vec<String> = log().into_iter().filter(|line| line.starts_with("lower")).collect();
        assert_eq!(
            lines,
            [
                "lower pre acquire_for_cc_flush",
                "lower pre release_for_cc_flush",
                "lower pre acquire_for_section_synchronization 1 0x4 1",
                "lower pre release_for_section_synchronization",
            ]
        );
        FS_ANSWER.set(NtStatus::FILE_LOCKED_WITH_WRITERS);
        fs_filter::acquire_for_section(file, CREATE).unwrap();
        let last = log().pop().unwrap();
        assert!(last.contains("FILE_LOCKED_WITH_WRITERS"), "{last}");
        // Its own callback took nothing, so its own release gives nothing back.
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        fs_filter::release_for_section(file).unwrap();
        FS_ANSWER.set(NtStatus::SUCCESS);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_that_fails_an_acquire_ends_it_for_those_below() {
    // spec: FSF-06, FSF-09, PRE-14, PARM-23
    with_file(|core, file| {
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::INSUFFICIENT_RESOURCES));
        assert_eq!(refused(file), Some(NtStatus::INSUFFICIENT_RESOURCES));
        assert_eq!(
            log(),
            [
                "upper pre acquire_for_mod_write 1 nothing",
                "lower pre acquire_for_mod_write 1 nothing",
                "upper post acquire_for_mod_write 1 nothing INSUFFICIENT_RESOURCES (0xC000009A) 0x77",
            ]
        );
        assert_eq!(fs_filter::acquire_for_section(file, CREATE), Ok(NtStatus::INSUFFICIENT_RESOURCES));
        assert_eq!(rules(core), Vec::<&str>::new());
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::ACCESS_DENIED));
        assert_eq!(fs_filter::acquire_for_section(file, CREATE), Ok(NtStatus::ACCESS_DENIED));
        assert_eq!(rules(core), ["FSF-09"]);
        // A filter that says that it did it itself leaves the file unlocked.
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::SUCCESS));
        assert!(matches!(fs_filter::acquire_for_mod_write(file, 1), Ok(Ok(None))));
        assert_eq!(rules(core), ["FSF-09", "acquire-completed"]);
    });
}

#[test]
fn a_release_goes_on_whatever_a_filter_answers() {
    // spec: FSF-07, SEED-MODW-14, PARM-24
    with_file(|core, file| {
        fs_filter::acquire_for_cc_flush(file).unwrap();
        let held = fs_filter::acquire_for_mod_write(file, 4096).unwrap().unwrap();
        log();
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::UNSUCCESSFUL));
        fs_filter::release_for_cc_flush(file).unwrap();
        fs_filter::release_for_mod_write(file, held).unwrap();
        let lines = log();
        assert_eq!(lines[2], "fs release_for_cc_flush irql 0");
        assert_eq!(lines[6], "fs release_for_mod_write irql 1");
        assert!(lines[7].ends_with("held 0 SUCCESS (0x00000000) 0x77"), "{}", lines[7]);
        assert_eq!(rules(core), ["FSF-07"; 2]);
        // spec: FSF-08, PARM-22
        assert_eq!(fs_filter::acquire_for_section(file, SyncType::Other), Ok(NtStatus::SUCCESS));
        assert_eq!(rules(core)[2..], ["FSF-08"]);
        ACTION.set(Action::Pass);
        fs_filter::release_for_section(file).unwrap();
    });
}

#[test]
fn answers_that_are_for_other_kinds_are_reported_and_count_as_no_callback() {
    // spec: PRE-10, PRE-12, PRE-19
    with_file(|core, file| {
        let round = |answer| {
            ACTION.set(Action::Answer(answer, NtStatus::SUCCESS));
            assert_eq!(fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
            ACTION.set(Action::Pass);
            fs_filter::release_for_cc_flush(file).unwrap();
            rules(core).last().copied()
        };
        assert_eq!(round(FLT_PREOP_PENDING), Some("PRE-10"));
        assert_eq!(round(FLT_PREOP_DISALLOW_FASTIO), Some("PRE-12"));
        assert_eq!(round(FLT_PREOP_DISALLOW_FSFILTER_IO), Some("PRE-10"));
        // No post callback is registered for it.
        assert_eq!(round(FLT_PREOP_SYNCHRONIZE), Some("PRE-06"));
        ACTION.set(Action::Redirect);
        let held = fs_filter::acquire_for_mod_write(file, 4096).unwrap().unwrap();
        assert_eq!(rules(core).last(), Some(&"IOPB-10"));
        ACTION.set(Action::Pass);
        fs_filter::release_for_mod_write(file, held).unwrap();
        assert_eq!(rules(core).len(), 5);
    });
}

#[test]
fn an_acquire_stays_with_its_file_and_instance() {
    // spec: IOPB-10
    with_file(|core, file| {
        for (action, expected) in [
            (Action::Redirect, &["IOPB-10"][..]),
            (Action::Away, &["IOPB-10"; 2]),
            (Action::Change, &["IOPB-10"; 2]),
        ] {
            ACTION.set(action);
            assert_eq!(fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
            ACTION.set(Action::Pass);
            fs_filter::release_for_cc_flush(file).unwrap();
            assert_eq!(rules(core), expected);
            assert_eq!(log()[2], "fs acquire_for_cc_flush irql 0");
        }
    });
}

#[test]
fn each_acquire_may_fail_in_its_own_way_and_no_release_may() {
    // spec: FSF-06, FSF-07, FSF-08, FSF-09
    with_file(|core, file| {
        let mut known = 0;
        let mut found = || {
            let findings = core.findings();
            let new: Vec<_> =
                findings[known..].iter().map(|finding| (finding.rule, finding.severity)).collect();
            known = findings.len();
            new
        };
        use nt_ke::Severity::{Error, Warning};
        for (status, section) in [
            (NtStatus::INSUFFICIENT_RESOURCES, &[][..]),
            (NtStatus::CANT_WAIT, &[("FSF-09", Error)]),
            (NtStatus::FILE_LOCK_CONFLICT, &[("FSF-09", Error)]),
        ] {
            ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, status));
            assert_eq!(fs_filter::acquire_for_section(file, CREATE), Ok(status));
            assert_eq!(found(), section);
            assert_eq!(fs_filter::acquire_for_cc_flush(file), Ok(status));
            assert_eq!(refused(file), Some(status));
            assert_eq!(found(), [], "{status}");
            // One that can neither fail nor end.
            assert_eq!(fs_filter::acquire_for_section(file, SyncType::Other), Ok(NtStatus::SUCCESS));
            assert_eq!(found(), [("FSF-08", Error)]);
            fs_filter::release_for_section(file).unwrap();
            assert_eq!(found(), [("FSF-07", Warning)]);
            log();
        }
        for status in [NtStatus::SUCCESS, NtStatus::UNSUCCESSFUL] {
            ACTION.set(Action::Pass);
            assert_eq!(fs_filter::acquire_for_cc_flush(file), Ok(NtStatus::SUCCESS));
            ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, status));
            log();
            fs_filter::release_for_cc_flush(file).unwrap();
            assert_eq!(
                log(),
                [
                    "upper pre release_for_cc_flush",
                    "lower pre release_for_cc_flush",
                    "fs release_for_cc_flush irql 0",
                    "upper post release_for_cc_flush SUCCESS (0x00000000) 0x77"
                ]
            );
            assert_eq!(found(), [("FSF-07", Warning)]);
        }
        ACTION.set(Action::Pass);
    });
}

#[test]
fn a_query_by_name_may_be_answered_and_refused_as_often_as_a_filter_likes() {
    // spec: FSF-27, FSF-28
    with_file(|core, _| {
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::SUCCESS));
        assert_eq!(stat().0.status, NtStatus::SUCCESS);
        assert_eq!(
            log(),
            [
                "upper pre query_open",
                "lower pre query_open",
                "upper post query_open SUCCESS (0x00000000) 0x77"
            ]
        );
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::ACCESS_DENIED));
        for _ in 0..refusals::REPORTED + 4 {
            assert_eq!(stat().0.status, NtStatus::ACCESS_DENIED);
        }
        ACTION.set(Action::Pass);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_query_by_name_can_be_the_first_that_a_volume_sees() {
    // spec: LIFE-07, FSF-28
    in_machine(|core| {
        let _upper =
            filter("upper", "200", upper_pre as *const () as usize, upper_post as *const () as usize);
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        log();
        assert_eq!(stat().0.status, NtStatus::SUCCESS);
        let lines = log();
        assert_eq!(
            lines[lines.len() - 3..],
            [
                "upper pre query_open",
                "fs query_open irql 0",
                "upper post query_open SUCCESS (0x00000000) 0x77"
            ]
        );
        FS_ANSWER.set(NtStatus::SUCCESS);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_filter_that_keeps_refusing_is_reported_by_its_name() {
    // spec: FSF-27
    with_file(|core, file| {
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::CANT_WAIT));
        for _ in 0..refusals::REPORTED + 4 {
            assert_eq!(refused(file), Some(NtStatus::CANT_WAIT));
        }
        assert_eq!(rules(core), ["FSF-27"]);
        assert_eq!(core.findings()[0].driver, "lower");
    });
}

/// Asks for FileStatInformation of a file by name.
fn stat() -> (IoStatus, u8) {
    let buffer = nt_mm::UserBuffer::new(0x48).unwrap();
    let parameters = CreateParameters {
        name: Vec::leak(units(r"\??\C:\other")),
        object_attributes: OBJ_CASE_INSENSITIVE,
        ..CreateParameters::default()
    };
    let class = file_information_class::FileStatInformation;
    let result = fs_filter::nt_query_information_by_name(&parameters, buffer.address(), 0x48, class).unwrap();
    (result, buffer.to_vec(1).unwrap()[0])
}

const OPENED: [&str; 4] = ["IRP_MJ_CREATE", "IRP_MJ_QUERY_INFORMATION", "IRP_MJ_CLEANUP", "IRP_MJ_CLOSE"];

#[test]
fn a_query_by_name_opens_no_file_when_the_file_system_answers_it() {
    // spec: FSF-28, FSF-03, PARM-21
    with_file(|core, _| {
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        assert_eq!(stat(), (IoStatus { status: NtStatus::SUCCESS, information: 0x48 }, 0x55));
        assert_eq!(
            log(),
            [
                "upper pre query_open",
                "lower pre query_open",
                "fs query_open irql 0",
                "upper post query_open SUCCESS (0x00000000) 0x77",
            ]
        );
        // A filter may answer it, too, and refuse it.
        ACTION.set(Action::Answer(FLT_PREOP_COMPLETE, NtStatus::ACCESS_DENIED));
        assert_eq!(stat().0.status, NtStatus::ACCESS_DENIED);
        assert_eq!(log().len(), 3);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}

#[test]
fn a_query_by_name_that_somebody_disallows_opens_queries_and_closes_the_file() {
    // spec: FSF-28, PRE-25, POST-09
    with_file(|core, _| {
        // The file system leaves it to the default.
        assert_eq!(stat().0.status, NtStatus::SUCCESS);
        let lines = log();
        assert_eq!(lines[3], "upper post query_open FLT_DISALLOW_FAST_IO (0xC01C0004) 0x77");
        assert_eq!(lines[4..], OPENED);
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        ACTION.set(Action::Answer(FLT_PREOP_DISALLOW_FSFILTER_IO, NtStatus::SUCCESS));
        stat();
        let lines = log();
        assert_eq!(lines[2], "upper post query_open FLT_DISALLOW_FAST_IO (0xC01C0004) 0x77");
        assert_eq!(lines[3..], OPENED, "the file system is not asked");
        ACTION.set(Action::Pass);
        POST_ANSWER.set(FLT_POSTOP_DISALLOW_FSFILTER_IO);
        stat();
        assert_eq!(log()[4..], OPENED);
        assert_eq!(rules(core), Vec::<&str>::new());
        // For anything else it is no answer.
        FS_ANSWER.set(NtStatus::SUCCESS);
        let (parameters, buffer) = (CreateParameters::default(), nt_mm::UserBuffer::new(16).unwrap());
        let wrong = fs_filter::nt_query_information_by_name(&parameters, buffer.address(), 16, 4).unwrap();
        assert_eq!(wrong.status, NtStatus::INVALID_INFO_CLASS);
        let short = fs_filter::nt_query_information_by_name(&parameters, buffer.address(), 16, 68).unwrap();
        assert_eq!(short.status, NtStatus::INFO_LENGTH_MISMATCH);
    });
}

#[test]
fn a_minifilters_query_by_name_is_seen_below_it() {
    // spec: FSF-28, GIO-24
    with_file(|core, _| {
        let volumes = core.get::<fltmgr::Flt>().volumes();
        let instances = volumes.iter().find(|volume| !volume.instances().is_empty()).unwrap().instances();
        let [upper, lower] = &instances[..] else { panic!("two instances") };
        let ask = |instance: Option<&fltmgr::Instance>| {
            let parameters = CreateParameters {
                name: Vec::leak(units(r"\??\C:\other")),
                object_attributes: OBJ_CASE_INSENSITIVE,
                ..CreateParameters::default()
            };
            let buffer = nt_mm::UserBuffer::new(0x48).unwrap();
            let done = fltmgr::generated::flt_query_information_by_name(
                instance,
                parameters,
                buffer.address(),
                0x48,
                68,
            );
            assert_eq!(done.unwrap().status, NtStatus::SUCCESS);
            log()
        };
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        assert_eq!(ask(Some(&**upper)), ["lower pre query_open", "fs query_open irql 0"]);
        assert_eq!(ask(Some(&**lower)), ["fs query_open irql 0"]);
        assert_eq!(ask(None).len(), 4);
        // Opened after all, the file is below the instance, too.
        FS_ANSWER.set(NtStatus::SUCCESS);
        assert_eq!(ask(Some(&**lower))[1..], OPENED);
        assert_eq!(rules(core), Vec::<&str>::new());
    });
}
