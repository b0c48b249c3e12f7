//! File system filter operations over a stack of two native drivers: callbacks, fast I/O routines, default locks.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use nt_abi::irql::{APC_LEVEL, PASSIVE_LEVEL};
use nt_abi::*;
use nt_ex::{Ex, resource};
use nt_fsrtl::FsRtl;
use nt_fsrtl::fs_filter::*;
use nt_io::*;
use nt_ke::{Config, Core, current_thread};
use nt_mm::Mm;

thread_local! {
    // A machine's attached thread is the test's own.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static FILTER_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    static FS_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    static FAST_ANSWER: Cell<NtStatus> = const { Cell::new(NtStatus::SUCCESS) };
    static STREAM: Cell<Option<&'static Stream>> = const { Cell::new(None) };
    static CONTEXT: Cell<usize> = const { Cell::new(0) };
}

fn log() -> Vec<String> {
    LOG.take()
}

fn note(line: String) {
    LOG.with_borrow_mut(|log| log.push(line));
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

/// What the page writer's variable holds, and its end.
fn page_writer(data: &FS_FILTER_CALLBACK_DATA) -> (i64, *mut ERESOURCE) {
    let arm = data.Parameters.AcquireForModifiedPageWriter();
    assert!(!arm.ResourceToRelease.get().is_null());
    // SAFETY: an acquire for the page writer has both variables.
    unsafe { (*arm.EndingOffset.get(), *arm.ResourceToRelease.get()) }
}

fn shown(data: &FS_FILTER_CALLBACK_DATA) -> String {
    assert_eq!(data.SizeOfFsFilterCallbackData.get() as usize, size_of::<FS_FILTER_CALLBACK_DATA>());
    assert!(!data.FileObject.get().is_null() && !data.DeviceObject.get().is_null());
    let name = irp_mj::name(data.Operation.get()).trim_start_matches("IRP_MJ_").to_lowercase();
    let stream = STREAM.get().expect("a stream");
    match data.Operation.get() {
        IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION => {
            let arm = data.Parameters.AcquireForSectionSynchronization();
            let output = arm.OutputInformation.get();
            assert_eq!(output.is_null(), arm.SyncType.get() == SyncTypeOther);
            // SAFETY: null, or the caller's structure.
            assert!(unsafe { output.as_ref() }.is_none_or(|o| o.StructureSize.get() == 16));
            format!(
                "{name} type {} page {:#x} flags {}",
                arm.SyncType.get(),
                arm.PageProtection.get(),
                arm.Flags.get()
            )
        }
        IRP_MJ_ACQUIRE_FOR_MOD_WRITE => {
            let (end, held) = page_writer(data);
            format!("{name} {end} {}", resource_name(stream, held))
        }
        IRP_MJ_RELEASE_FOR_MOD_WRITE => {
            let held = data.Parameters.ReleaseForModifiedPageWriter().ResourceToRelease.get();
            format!("{name} {} irql {}", resource_name(stream, held), nt_ke::irql::current())
        }
        _ => name,
    }
}

fn resource_name(stream: &Stream, held: *mut ERESOURCE) -> &'static str {
    match held.cast_const() {
        held if held.is_null() => "nothing",
        held if std::ptr::eq(held, &stream.resource) => "main",
        held if std::ptr::eq(held, &stream.paging) => "paging",
        _ => "other",
    }
}

extern "win64" fn filter_pre(data: &FS_FILTER_CALLBACK_DATA, context: &Cell<usize>) -> i32 {
    note(format!("pre {}", shown(data)));
    assert_eq!(context.get(), 0);
    context.set(CONTEXT.get());
    FILTER_ANSWER.get().0
}

extern "win64" fn filter_post(data: &FS_FILTER_CALLBACK_DATA, status: i32, context: usize) {
    note(format!("post {} {:#x} context {context:#x}", shown(data), status));
}

extern "win64" fn second_pre(data: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    note(format!("upper pre {}", shown(data)));
    0
}

extern "win64" fn second_post(data: &FS_FILTER_CALLBACK_DATA, status: i32, context: usize) {
    note(format!("upper post {} {status:#x} context {context:#x}", shown(data)));
}

extern "win64" fn fs_pre(data: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    note(format!("fs {}", shown(data)));
    FS_ANSWER.get().0
}

extern "win64" fn fast_section(file: &FILE_OBJECT) {
    assert!(!file.FsContext.get().is_null());
    note("fast section".into());
}

extern "win64" fn fast_release_section(_: &FILE_OBJECT) {
    note("fast release section".into());
}

extern "win64" fn fast_mod_write(
    _: &FILE_OBJECT,
    end: &Cell<i64>,
    into: &Cell<usize>,
    device: &DEVICE_OBJECT,
) -> i32 {
    assert_eq!(device.DeviceType.get(), FILE_DEVICE_DISK_FILE_SYSTEM);
    note(format!("fast mod write {}", end.get()));
    if FAST_ANSWER.get() == NtStatus::SUCCESS {
        into.set(&raw const STREAM.get().unwrap().resource as usize);
    }
    FAST_ANSWER.get().0
}

extern "win64" fn fast_release_mod_write(_: &FILE_OBJECT, held: usize, _: &DEVICE_OBJECT) -> i32 {
    note(format!("fast release mod write {}", resource_name(STREAM.get().unwrap(), held as *mut _)));
    FAST_ANSWER.get().0
}

extern "win64" fn fast_flush(_: &FILE_OBJECT, _: &DEVICE_OBJECT) -> i32 {
    note("fast flush".into());
    FAST_ANSWER.get().0
}

extern "win64" fn fast_release_flush(_: &FILE_OBJECT, _: &DEVICE_OBJECT) -> i32 {
    note("fast release flush".into());
    FAST_ANSWER.get().0
}

fn native(function: *const ()) -> NativeFn {
    NativeFn(function as usize)
}

fn callbacks(pre: *const (), post: *const ()) -> FS_FILTER_CALLBACKS {
    let table = FS_FILTER_CALLBACKS::zeroed();
    table.SizeOfFsFilterCallbacks.set(size_of::<FS_FILTER_CALLBACKS>() as u32);
    for entry in [
        &table.PreAcquireForSectionSynchronization,
        &table.PreReleaseForSectionSynchronization,
        &table.PreAcquireForCcFlush,
        &table.PreReleaseForCcFlush,
        &table.PreAcquireForModifiedPageWriter,
        &table.PreReleaseForModifiedPageWriter,
    ] {
        entry.set(native(pre));
    }
    for entry in [
        &table.PostAcquireForSectionSynchronization,
        &table.PostReleaseForSectionSynchronization,
        &table.PostAcquireForCcFlush,
        &table.PostReleaseForCcFlush,
        &table.PostAcquireForModifiedPageWriter,
        &table.PostReleaseForModifiedPageWriter,
    ] {
        entry.set(native(post));
    }
    table
}

struct Subject {
    core: Arc<Core>,
    stream: &'static Stream,
    file: &'static FILE_OBJECT,
    fs: &'static DRIVER_OBJECT,
    filter: &'static DRIVER_OBJECT,
    base: &'static DEVICE_OBJECT,
}

fn driver(name: &str) -> &'static DRIVER_OBJECT {
    let units: Vec<u16> = name.encode_utf16().collect();
    io_create_native_driver(&units, 0, 0, &units).unwrap().unwrap()
}

fn device(driver: &'static DRIVER_OBJECT) -> &'static DEVICE_OBJECT {
    named_device(driver, None)
}

fn named_device(driver: &'static DRIVER_OBJECT, name: Option<&str>) -> &'static DEVICE_OBJECT {
    let name: Option<Vec<u16>> = name.map(|name| name.encode_utf16().collect());
    let device = io_create_device(driver, 0, name.as_deref(), FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)
        .unwrap()
        .unwrap();
    device.Flags.set(0);
    device
}

/// A file of one stream, 8192 bytes long of which 4096 are valid, and a filter above its file system.
fn in_machine(f: impl FnOnce(&Subject)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(Mm::new(&core).expect("pages")));
        core.install(Box::new(Ex::new(&core)));
        nt_ob::Ob::boot(&core).expect("no raise").expect("objects");
        nt_se::Se::boot(&core).expect("no raise").expect("security");
        assert_eq!(core.install(Io::new()).initialize(), Ok(NtStatus::SUCCESS));
        core.install(FsRtl::new());
        let (fs, filter) = (driver(r"\FileSystem\Base"), driver(r"\FileSystem\Filter"));
        let base = named_device(fs, Some(r"\Device\Base"));
        io_attach_device(device(filter), base).expect("attached");
        let stream = nt_ex::pool::allocate_new::<Stream>(u32::from_le_bytes(*b"Test")).unwrap();
        resource::initialize(&stream.resource);
        resource::initialize(&stream.paging);
        stream.header.Resource.set(std::ptr::from_ref(&stream.resource).cast_mut());
        stream.header.PagingIoResource.set(std::ptr::from_ref(&stream.paging).cast_mut());
        stream.header.FileSize.set(8192);
        stream.header.ValidDataLength.set(4096);
        let file = io_create_stream_file_object(None, base, true).unwrap();
        file.FsContext.set(std::ptr::from_ref(stream).cast_mut().cast());
        STREAM.set(Some(stream));
        for answer in [&FILTER_ANSWER, &FS_ANSWER, &FAST_ANSWER] {
            answer.set(NtStatus::SUCCESS);
        }
        CONTEXT.set(0);
        f(&Subject { core: Arc::clone(&core), stream, file, fs, filter, base });
        assert_eq!(resource::held_by_current_thread(), 0, "everything is given back");
        assert_eq!(current_thread().kernel_apc_disable().get(), 0, "no critical region is left");
    })
    .expect("a thread");
    core.stop();
}

impl Subject {
    fn register_filter(&self) {
        let table = callbacks(filter_pre as *const (), filter_post as *const ());
        assert_eq!(register_callbacks(self.filter, &table), Ok(NtStatus::SUCCESS));
    }

    fn register_fs(&self) {
        let table = callbacks(fs_pre as *const (), std::ptr::null());
        assert_eq!(register_callbacks(self.fs, &table), Ok(NtStatus::SUCCESS));
    }

    /// How the thread holds the stream's resources now: exclusively, shared, not.
    fn held(&self) -> [&'static str; 2] {
        [&self.stream.resource, &self.stream.paging].map(|resource| {
            if resource::is_acquired_exclusive(resource) {
                "exclusive"
            } else if resource::is_acquired_shared(resource) != 0 {
                "shared"
            } else {
                "-"
            }
        })
    }

    fn rules(&self) -> Vec<&'static str> {
        self.core.findings().iter().map(|finding| finding.rule).collect()
    }
}

/// Acquires for the page writer, says what is held, and releases.
fn page_write(subject: &Subject, end: i64) -> Result<[&'static str; 2], NtStatus> {
    let resource = acquire_for_mod_write(subject.file, end).unwrap()?;
    let held = subject.held();
    release_for_mod_write(subject.file, resource).unwrap();
    Ok(held)
}

#[test]
fn the_page_writer_takes_the_paging_resource_shared_inside_valid_data() {
    // spec: FSF-19, FSF-22
    in_machine(|subject| {
        assert_eq!(page_write(subject, 4096), Ok(["-", "shared"]));
        assert_eq!(page_write(subject, 4097), Ok(["exclusive", "-"]), "beyond valid data");
        subject.stream.header.ValidDataLength.set(8192);
        assert_eq!(page_write(subject, 12288), Ok(["-", "shared"]), "all of the file is valid");
        let flags = &subject.stream.header.Flags;
        flags.set(FSRTL_FLAG_ACQUIRE_MAIN_RSRC_EX);
        assert_eq!(page_write(subject, 4096), Ok(["exclusive", "-"]));
        flags.set(FSRTL_FLAG_ACQUIRE_MAIN_RSRC_SH);
        assert_eq!(page_write(subject, 4096), Ok(["shared", "-"]));
        flags.set(0);
        subject.stream.header.PagingIoResource.set(std::ptr::null_mut());
        assert_eq!(page_write(subject, 4096), Ok(["shared", "-"]));
        subject.stream.header.Resource.set(std::ptr::null_mut());
        assert_eq!(page_write(subject, 4096), Ok(["-", "-"]));
    });
}

#[test]
fn the_page_writer_does_not_wait_for_a_resource() {
    // spec: FSF-18
    in_machine(|subject| {
        subject.register_filter();
        // Somebody else owns it.
        let owner = 0x1003;
        resource::acquire_exclusive(&subject.stream.paging, true).unwrap();
        resource::set_owner_pointer(&subject.stream.paging, owner, 0).unwrap();
        assert_eq!(page_write(subject, 4096), Err(NtStatus::CANT_WAIT));
        assert_eq!(
            log(),
            [
                "pre acquire_for_mod_write 4096 nothing",
                "post acquire_for_mod_write 4096 nothing 0xc00000d8 context 0x0",
            ],
            "no release follows"
        );
        resource::release_for_thread(&subject.stream.paging, owner).unwrap();
        assert!(page_write(subject, 4096).is_ok());
    });
}

#[test]
fn a_filter_sees_the_acquired_resource_in_post_and_in_the_release_at_apc_level() {
    // spec: FSF-03, FSF-04, FSF-15, FSF-16, FSF-17, FSF-26, SEED-MODW-03, SEED-MODW-08, SEED-MODW-15
    in_machine(|subject| {
        subject.register_filter();
        CONTEXT.set(0x99);
        assert_eq!(page_write(subject, 8192), Ok(["exclusive", "-"]));
        assert_eq!(
            log(),
            [
                "pre acquire_for_mod_write 8192 nothing",
                "post acquire_for_mod_write 8192 main 0x0 context 0x99",
                "pre release_for_mod_write main irql 1",
                "post release_for_mod_write main irql 1 0x0 context 0x99",
            ]
        );
        assert_eq!(nt_ke::irql::current(), PASSIVE_LEVEL);
        release_for_mod_write(subject.file, None).unwrap();
        assert!(log().is_empty(), "without a resource there is no release");
        assert_eq!(APC_LEVEL, 1);
    });
}

#[test]
fn filters_are_called_in_the_order_of_the_stack_and_in_reverse() {
    // spec: FSF-05
    in_machine(|subject| {
        subject.register_filter();
        let upper = driver(r"\FileSystem\Upper");
        io_attach_device(device(upper), subject.base).expect("attached");
        let table = callbacks(second_pre as *const (), second_post as *const ());
        assert_eq!(register_callbacks(upper, &table), Ok(NtStatus::SUCCESS));
        CONTEXT.set(0x31);
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::SUCCESS));
        assert_eq!(
            log(),
            [
                "upper pre acquire_for_cc_flush",
                "pre acquire_for_cc_flush",
                "post acquire_for_cc_flush 0x0 context 0x31",
                "upper post acquire_for_cc_flush 0x0 context 0x0",
            ]
        );
        release_for_cc_flush(subject.file).unwrap();
        // A filter without a pre callback gets no context in post.
        table.PreAcquireForCcFlush.set(NativeFn::NULL);
        register_callbacks(upper, &table).unwrap();
        log();
        FILTER_ANSWER.set(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::INSUFFICIENT_RESOURCES));
        // spec: FSF-06
        assert_eq!(
            log(),
            ["pre acquire_for_cc_flush", "upper post acquire_for_cc_flush 0xc000009a context 0x0"],
            "the filter that fails it gets no post callback"
        );
        assert_eq!(subject.held(), ["-", "-"]);
        FILTER_ANSWER.set(NtStatus::SUCCESS);
    });
}

#[test]
fn a_release_cannot_fail() {
    // spec: FSF-07, SEED-MODW-14
    in_machine(|subject| {
        subject.register_filter();
        acquire_for_section(subject.file, SyncType::Other).unwrap();
        acquire_for_cc_flush(subject.file).unwrap();
        let resource = acquire_for_mod_write(subject.file, 4096).unwrap().unwrap();
        FILTER_ANSWER.set(NtStatus::UNSUCCESSFUL);
        release_for_section(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        release_for_mod_write(subject.file, resource).unwrap();
        assert_eq!(subject.held(), ["-", "-"]);
        assert_eq!(subject.rules(), ["FSF-07"; 3]);
    });
}

#[test]
fn a_section_is_synchronised_with_the_main_resource() {
    // spec: FSF-10, FSF-11, FSF-13, FSF-14, FSF-20, FSF-23
    in_machine(|subject| {
        subject.register_filter();
        let create = SyncType::Create { protection: 4, flags: 2 };
        assert_eq!(acquire_for_section(subject.file, create), Ok(NtStatus::SUCCESS));
        assert_eq!(subject.held(), ["exclusive", "-"]);
        assert_eq!(current_thread().kernel_apc_disable().get(), 1, "normal kernel APCs are held off");
        release_for_section(subject.file).unwrap();
        assert_eq!(acquire_for_section(subject.file, SyncType::Other), Ok(NtStatus::SUCCESS));
        release_for_section(subject.file).unwrap();
        let pre: Vec<String> = log().into_iter().filter(|line| line.starts_with("pre")).collect();
        assert_eq!(
            pre,
            [
                "pre acquire_for_section_synchronization type 1 page 0x4 flags 2",
                "pre release_for_section_synchronization",
                "pre acquire_for_section_synchronization type 0 page 0x0 flags 0",
                "pre release_for_section_synchronization",
            ]
        );
    });
}

#[test]
fn only_the_creation_of_a_section_may_be_failed_and_only_for_want_of_memory() {
    // spec: FSF-08, FSF-09
    in_machine(|subject| {
        subject.register_filter();
        let create = SyncType::Create { protection: 2, flags: 0 };
        FILTER_ANSWER.set(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(acquire_for_section(subject.file, create), Ok(NtStatus::INSUFFICIENT_RESOURCES));
        assert!(subject.rules().is_empty());
        FILTER_ANSWER.set(NtStatus::ACCESS_DENIED);
        assert_eq!(acquire_for_section(subject.file, create), Ok(NtStatus::ACCESS_DENIED));
        assert_eq!(subject.rules(), ["FSF-09"]);
        assert_eq!(acquire_for_section(subject.file, SyncType::Other), Ok(NtStatus::SUCCESS));
        assert_eq!(subject.rules(), ["FSF-09", "FSF-08"]);
        assert_eq!(subject.held(), ["exclusive", "-"], "the lock is taken anyway");
        FILTER_ANSWER.set(NtStatus::SUCCESS);
        release_for_section(subject.file).unwrap();
    });
}

#[test]
fn a_flush_takes_both_resources_and_does_not_upgrade_a_shared_one() {
    // spec: FSF-20
    in_machine(|subject| {
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::SUCCESS));
        assert_eq!(subject.held(), ["exclusive", "shared"]);
        release_for_cc_flush(subject.file).unwrap();
        resource::acquire_shared(&subject.stream.resource, true).unwrap();
        assert_eq!(acquire_for_cc_flush(subject.file), Ok(NtStatus::SUCCESS));
        assert_eq!(resource::is_acquired_shared(&subject.stream.resource), 2);
        release_for_cc_flush(subject.file).unwrap();
        resource::release(&subject.stream.resource).unwrap();
        assert!(subject.rules().is_empty());
    });
}

#[test]
fn a_file_system_is_asked_by_callback_then_by_fast_io_and_else_gets_the_default() {
    // spec: FSF-24
    in_machine(|subject| {
        let fast: &'static FAST_IO_DISPATCH = Box::leak(Box::new(FAST_IO_DISPATCH::zeroed()));
        fast.SizeOfFastIoDispatch.set(size_of::<FAST_IO_DISPATCH>() as u32);
        fast.AcquireFileForNtCreateSection.set(native(fast_section as *const ()));
        fast.ReleaseFileForNtCreateSection.set(native(fast_release_section as *const ()));
        fast.AcquireForModWrite.set(native(fast_mod_write as *const ()));
        fast.ReleaseForModWrite.set(native(fast_release_mod_write as *const ()));
        fast.AcquireForCcFlush.set(native(fast_flush as *const ()));
        fast.ReleaseForCcFlush.set(native(fast_release_flush as *const ()));
        let round = || {
            acquire_for_section(subject.file, SyncType::Other).unwrap();
            let mut held = vec![subject.held()];
            release_for_section(subject.file).unwrap();
            acquire_for_cc_flush(subject.file).unwrap();
            held.push(subject.held());
            release_for_cc_flush(subject.file).unwrap();
            held.push(page_write(subject, 4096).unwrap());
            (held, log())
        };
        // Those of a filter are obsolete.
        subject.filter.FastIoDispatch.set(std::ptr::from_ref(fast).cast_mut());
        let defaults = vec![["exclusive", "-"], ["exclusive", "shared"], ["-", "shared"]];
        assert_eq!(round(), (defaults.clone(), vec![]));
        subject.fs.FastIoDispatch.set(std::ptr::from_ref(fast).cast_mut());
        let lines = [
            "fast section",
            "fast release section",
            "fast flush",
            "fast release flush",
            "fast mod write 4096",
            "fast release mod write main",
        ];
        assert_eq!(round(), (vec![["-", "-"]; 3], lines.map(String::from).to_vec()));
        // What they leave to the default is done by it; the section's cannot say so.
        FAST_ANSWER.set(NtStatus::INVALID_DEVICE_REQUEST);
        let (held, _) = round();
        assert_eq!(held[1..], defaults[1..]);
        // A registered callback comes first, and may leave it to the rest, too.
        subject.register_fs();
        FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
        acquire_for_cc_flush(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        assert_eq!(log(), ["fs acquire_for_cc_flush", "fs release_for_cc_flush"]);
        FS_ANSWER.set(NtStatus::SUCCESS);
        acquire_for_cc_flush(subject.file).unwrap();
        assert_eq!(log(), ["fs acquire_for_cc_flush", "fast flush"]);
        release_for_cc_flush(subject.file).unwrap();
    });
}

#[test]
fn a_section_learns_from_the_file_system_whether_there_are_writers() {
    // spec: FSF-02, FSF-12
    in_machine(|subject| {
        subject.register_filter();
        subject.register_fs();
        let create = SyncType::Create { protection: 2, flags: 0 };
        for status in [NtStatus::FILE_LOCKED_WITH_ONLY_READERS, NtStatus::FILE_LOCKED_WITH_WRITERS] {
            FS_ANSWER.set(status);
            log();
            assert_eq!(acquire_for_section(subject.file, create), Ok(status));
            assert!(log()[2].contains(&format!(" {:#x} ", status.0)), "the filter sees it in post");
            FS_ANSWER.set(NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY);
            release_for_section(subject.file).unwrap();
        }
        assert_eq!(acquire_for_section(subject.file, SyncType::Other), Ok(NtStatus::SUCCESS));
        release_for_section(subject.file).unwrap();
    });
}

#[test]
fn a_filter_that_keeps_refusing_is_reported_once() {
    // spec: FSF-27
    in_machine(|subject| {
        subject.register_filter();
        FILTER_ANSWER.set(NtStatus::UNSUCCESSFUL);
        let refuse = |times| (0..times).for_each(|_| assert!(page_write(subject, 4096).is_err()));
        refuse(refusals::REPORTED - 1);
        FILTER_ANSWER.set(NtStatus::SUCCESS);
        page_write(subject, 4096).unwrap();
        FILTER_ANSWER.set(NtStatus::UNSUCCESSFUL);
        refuse(refusals::REPORTED - 1);
        assert!(subject.rules().is_empty(), "in a row only");
        refuse(5);
        assert_eq!(subject.rules(), ["FSF-27"]);
        assert_eq!(subject.core.findings()[0].driver, r"\FileSystem\Filter");
    });
}

#[test]
fn registration_takes_the_structure_with_and_without_query_open() {
    // spec: FSF-01, FSF-03
    in_machine(|subject| {
        let table: [Cell<u64>; 15] = Default::default();
        // SAFETY: as long as the longer structure; all fields are cells.
        let callbacks = unsafe { &*(&raw const table).cast::<FS_FILTER_CALLBACKS>() };
        for (size, status) in [
            (0, NtStatus::INVALID_PARAMETER),
            (0x60, NtStatus::INVALID_PARAMETER),
            (0x68, NtStatus::SUCCESS),
            (0x78, NtStatus::SUCCESS),
            (0x80, NtStatus::INVALID_PARAMETER),
        ] {
            callbacks.SizeOfFsFilterCallbacks.set(size);
            assert_eq!(register_callbacks(subject.filter, callbacks), Ok(status), "{size:#x}");
        }
        // All callbacks may be missing.
        assert_eq!(page_write(subject, 4096), Ok(["-", "shared"]));
        for (index, word) in table.iter().enumerate().skip(1) {
            word.set(0x1000 + index as u64);
        }
        callbacks.SizeOfFsFilterCallbacks.set(0x78);
        register_callbacks(subject.filter, callbacks).unwrap();
        let top = io_get_attached_device(subject.base);
        let Some(FilterRoutines::Native(kept)) = filter_routines(top) else { panic!("native callbacks") };
        assert_eq!(kept.pair(IRP_MJ_QUERY_OPEN).pre, NativeFn(0x100D));
        assert_eq!(kept.pair(IRP_MJ_ACQUIRE_FOR_MOD_WRITE).post, NativeFn(0x100A));
        register_callbacks(subject.filter, &FS_FILTER_CALLBACKS::zeroed()).unwrap();
    });
}

extern "win64" fn query_open(data: &FS_FILTER_CALLBACK_DATA, _: &Cell<usize>) -> i32 {
    assert_eq!(data.Operation.get(), IRP_MJ_QUERY_OPEN);
    let [irp, to, length, class, status] = data.Parameters.raw.each_ref().map(Cell::get);
    // SAFETY: the create's IRP, whose current stack location is that of the create.
    let stack = io_current_stack(unsafe { &*(irp as *const IRP) });
    assert_eq!((stack.MajorFunction.get(), class, status), (IRP_MJ_CREATE, 71, 0));
    assert_eq!(stack.FileObject.get(), data.FileObject.get());
    boundary::copy::write_value(to as usize, 1u32).unwrap();
    boundary::copy::write_value(length as usize, 4u32).unwrap();
    note("fs query open".into());
    data.Parameters.raw[4].set(u64::from(FS_ANSWER.get().bits()));
    NtStatus::FSFILTER_OP_COMPLETED_SUCCESSFULLY.0
}

extern "win64" fn after_query_open(data: &FS_FILTER_CALLBACK_DATA, status: i32, _: usize) {
    assert_eq!(data.Parameters.raw[4].get() as u32 as i32, status);
    note(format!("post {status:#x}"));
    if FILTER_ANSWER.get() != NtStatus::SUCCESS {
        data.Parameters.raw[4].set(u64::from(FILTER_ANSWER.get().bits()));
    }
}

#[test]
fn a_post_callback_of_a_query_open_may_disallow_it_by_its_completion_status() {
    // spec: FSF-28
    in_machine(|subject| {
        let register = |driver, pre: *const (), post: *const ()| {
            let table: [Cell<u64>; 15] = Default::default();
            table[0].set(0x78);
            table[13].set(pre as u64);
            table[14].set(post as u64);
            // SAFETY: as long as its size says; all fields are cells.
            let callbacks = unsafe { &*(&raw const table).cast::<FS_FILTER_CALLBACKS>() };
            assert_eq!(register_callbacks(driver, callbacks), Ok(NtStatus::SUCCESS));
        };
        register(subject.fs, query_open as *const (), std::ptr::null());
        register(subject.filter, std::ptr::null(), after_query_open as *const ());
        let name: Vec<u16> = r"\Device\Base\file".encode_utf16().collect();
        let ask = || {
            let parameters = CreateParameters { name: &name, ..CreateParameters::default() };
            let answer = Cell::new(0u32);
            let result = nt_query_information_by_name(&parameters, answer.as_ptr() as usize, 4, 71).unwrap();
            (result.status, answer.get(), log())
        };
        assert_eq!(ask(), (NtStatus::SUCCESS, 1, vec!["fs query open".into(), "post 0x0".into()]));
        FS_ANSWER.set(NtStatus::OBJECT_NAME_NOT_FOUND);
        let lines = vec!["fs query open".into(), "post 0xc0000034".into()];
        assert_eq!(ask(), (NtStatus::OBJECT_NAME_NOT_FOUND, 0, lines));
        // The create that comes instead is refused by drivers without dispatch routines.
        FS_ANSWER.set(NtStatus::SUCCESS);
        FILTER_ANSWER.set(NtStatus::FLT_DISALLOW_FSFILTER_IO);
        assert_eq!(ask().0, NtStatus::INVALID_DEVICE_REQUEST);
        assert!(subject.rules().is_empty());
    });
}

#[test]
fn waiting_for_the_main_resource_while_holding_the_paging_one_is_an_inversion() {
    // spec: FSF-21
    in_machine(|subject| {
        resource::acquire_shared(&subject.stream.resource, true).unwrap();
        resource::acquire_shared(&subject.stream.paging, true).unwrap();
        acquire_for_cc_flush(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        assert!(subject.rules().is_empty(), "both in their order");
        resource::release(&subject.stream.resource).unwrap();
        acquire_for_cc_flush(subject.file).unwrap();
        release_for_cc_flush(subject.file).unwrap();
        acquire_for_section(subject.file, SyncType::Other).unwrap();
        release_for_section(subject.file).unwrap();
        assert_eq!(subject.rules(), ["FSF-21"; 2]);
        // The page writer does not wait.
        subject.stream.header.ValidDataLength.set(0);
        page_write(subject, 4096).unwrap();
        assert_eq!(subject.rules().len(), 2);
        resource::release(&subject.stream.paging).unwrap();
    });
}
