//! The file system's locks, taken by sections and by flushes through a filter of the old kind.

mod support;

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use nt_abi::*;
use nt_ex::resource;
use nt_fsrtl::fs_filter::{self, SyncType};
use nt_io::*;
use nt_ke::{Raise, current_thread};
use support::*;

/// A driver above the volume that notes paging writes and file system filter operations.
#[derive(Default)]
struct Watcher {
    log: Mutex<Vec<String>>,
    answer: AtomicI32,
}

impl Watcher {
    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

struct Driver(Arc<Watcher>);

impl Dispatch for Driver {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        if stack.MajorFunction.get() == IRP_MJ_WRITE && irp.Flags.get() & IRP_PAGING_IO != 0 {
            self.0.note(format!("paging write, top level {}", io_get_top_level_irp()));
        }
        io_skip_current(irp);
        io_call_driver(io_get_lower_device(device).expect("the volume"), irp)
    }

    fn fs_filter(&self) -> Option<&dyn FsFilter> {
        Some(self)
    }
}

impl FsFilter for Driver {
    fn filter(
        &self,
        data: &FS_FILTER_CALLBACK_DATA,
        below: &dyn Fn() -> Result<NtStatus, Raise>,
    ) -> Result<NtStatus, Raise> {
        let name = irp_mj::name(data.Operation.get()).trim_start_matches("IRP_MJ_").to_lowercase();
        self.0.note(format!("pre {name}"));
        assert!(current_thread().kernel_apc_disable().get() > 0, "normal kernel APCs are held off");
        let answer = NtStatus(self.0.answer.load(Ordering::Relaxed));
        let status = if answer == NtStatus::SUCCESS { below()? } else { answer };
        self.0.note(format!("post {name}"));
        Ok(status)
    }
}

/// Puts a [`Watcher`] above the volume of `file`.
fn watch(file: &FILE_OBJECT) -> Arc<Watcher> {
    let watcher = Arc::new(Watcher::default());
    let driver = io_create_driver(&units(r"\FileSystem\Watcher"), Arc::new(Driver(Arc::clone(&watcher))));
    let device = io_create_device(driver.unwrap().unwrap(), 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false);
    let device = device.unwrap().unwrap();
    device.Flags.set(0);
    io_attach_device(device, io_get_base_file_system_device(file)).expect("attached");
    watcher
}

fn locks(file: &Open) -> (bool, u32) {
    // SAFETY: a control block's resources live as long as it does.
    let (main, paging) = unsafe { (&*file.header().Resource.get(), &*file.header().PagingIoResource.get()) };
    (resource::is_acquired_exclusive(main), resource::is_acquired_shared(paging))
}

#[test]
fn a_section_learns_whether_somebody_may_write() {
    // spec: FSF-12, FSF-13, FSF-23
    on_volume(|_, _| {
        open("f", 0).close();
        let reader = io_create_file(&CreateParameters {
            name: &units(r"\??\C:\f"),
            object_attributes: OBJ_CASE_INSENSITIVE,
            access: FILE_GENERIC_READ,
            share: 7,
            disposition: FILE_OPEN,
            options: FILE_SYNCHRONOUS_IO_NONALERT,
            ..CreateParameters::default()
        })
        .unwrap();
        let (file, _) = reference_file_by_handle(reader.handle, 0, 0).unwrap();
        let create = SyncType::Create { protection: 2, flags: 0 };
        assert_eq!(fs_filter::acquire_for_section(file, create), Ok(NtStatus::FILE_LOCKED_WITH_ONLY_READERS));
        fs_filter::release_for_section(file).unwrap();
        let writer = open("f", 0);
        assert_eq!(fs_filter::acquire_for_section(file, create), Ok(NtStatus::FILE_LOCKED_WITH_WRITERS));
        assert_eq!(locks(&writer), (true, 0), "the main resource");
        fs_filter::release_for_section(file).unwrap();
        assert_eq!(locks(&writer), (false, 0));
        assert_eq!(fs_filter::acquire_for_section(file, SyncType::Other), Ok(NtStatus::SUCCESS));
        assert_eq!(locks(&writer), (true, 0));
        fs_filter::release_for_section(file).unwrap();
        writer.close();
        nt_ob::ob_dereference(std::ptr::from_ref(file) as usize).unwrap();
        nt_close(reader.handle).unwrap();
    });
}

#[test]
fn a_flush_is_bracketed_by_acquire_and_release_and_marks_its_thread() {
    // spec: FSF-15, FSF-20, FSF-23, FSF-24, FSF-25, FSF-26
    on_volume(|store, _| {
        let file = open("f", 0);
        let watcher = watch(file.file);
        // Opened again, so that its requests pass the new driver.
        file.close();
        let file = open("f", 0);
        file.write(0, &[1; 100]);
        watcher.log();
        let held = Arc::new(Mutex::new(None));
        let (note, header) = (Arc::clone(&held), std::ptr::from_ref(file.header()) as usize);
        store.set_hook(move |what| {
            // SAFETY: the file is open for as long as the hook is there.
            let header = unsafe { &*(header as *const FSRTL_ADVANCED_FCB_HEADER) };
            // SAFETY: as above.
            let (main, paging) = unsafe { (&*header.Resource.get(), &*header.PagingIoResource.get()) };
            if what.starts_with("write") {
                let both = (resource::is_acquired_exclusive(main), resource::is_acquired_shared(paging) != 0);
                *note.lock().unwrap() = Some(both);
            }
            Ok(())
        });
        file.flush();
        assert_eq!(
            watcher.log(),
            [
                "pre acquire_for_cc_flush",
                "post acquire_for_cc_flush",
                "paging write, top level 2",
                "pre release_for_cc_flush",
                "post release_for_cc_flush",
            ]
        );
        assert_eq!(*held.lock().unwrap(), Some((true, true)));
        assert_eq!(io_get_top_level_irp(), 0);
        store.clear_hook();
        // A marker that is there already stays.
        file.write(0, &[2; 100]);
        watcher.log();
        io_set_top_level_irp(FSRTL_FSP_TOP_LEVEL_IRP);
        fs_filter::acquire_for_cc_flush(file.file).unwrap();
        assert_eq!(io_get_top_level_irp(), FSRTL_FSP_TOP_LEVEL_IRP);
        fs_filter::release_for_cc_flush(file.file).unwrap();
        assert_eq!(io_get_top_level_irp(), FSRTL_FSP_TOP_LEVEL_IRP);
        io_set_top_level_irp(0);
        assert_eq!(locks(&file), (false, 0));
        file.close();
    });
}

#[test]
fn a_flush_that_is_refused_fails_and_keeps_the_data() {
    // spec: FSF-06
    on_volume(|store, _| {
        open("f", 0).close();
        let first = open("f", 0);
        let watcher = watch(first.file);
        let file = open("f", 0);
        file.write(0, &[1; 100]);
        watcher.answer.store(NtStatus::INSUFFICIENT_RESOURCES.0, Ordering::Relaxed);
        let refused = nt_flush_buffers_file(file.handle, 0).unwrap().status;
        assert_eq!(refused, NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(store.bytes("f"), vec![0; 100]);
        assert_eq!(locks(&file), (false, 0));
        watcher.answer.store(0, Ordering::Relaxed);
        file.flush();
        assert_eq!(store.bytes("f"), vec![1; 100]);
        file.close();
        first.close();
    });
}

#[test]
fn the_lazy_writer_asks_the_cache_callbacks_instead() {
    // spec: FSF-30
    on_volume(|_, _| {
        let first = open("f", 0);
        let watcher = watch(first.file);
        let file = open("f", 0);
        file.write(0, &[1; 100]);
        watcher.log();
        assert_eq!(nt_cc::flush_all(), Ok(0));
        assert_eq!(watcher.log(), ["paging write, top level 2"], "no file system filter operation");
        assert_eq!(io_get_top_level_irp(), 0);
        file.close();
        first.close();
    });
}
