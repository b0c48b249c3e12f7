//! A machine up to the I/O manager, and a tiny file system in memory that logs what it is asked.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use nt_abi::*;
use nt_ex::Ex;
use nt_io::*;
use nt_ke::{Config, Core, Raise};
use nt_mm::{Mm, UserBuffer};

pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Runs `f` as a thread of a fresh machine.
pub fn in_machine(f: impl FnOnce(&Arc<Core>)) {
    let core = Core::new(Config::default()).expect("a slot is free");
    core.attach(0, || {
        core.install(Box::new(Mm::new(&core).expect("pages")));
        core.install(Box::new(Ex::new(&core)));
        nt_ob::Ob::boot(&core).expect("no raise").expect("objects");
        nt_se::Se::boot(&core).expect("no raise").expect("security");
        let io = core.install(Io::new());
        assert_eq!(io.initialize(), Ok(NtStatus::SUCCESS));
        f(&core);
    })
    .expect("a thread");
    core.stop();
}

pub struct Closure<F>(pub F);

impl<F> Dispatch for Closure<F>
where
    F: Fn(&'static DEVICE_OBJECT, &'static IRP) -> Result<NtStatus, Raise> + Send + Sync,
{
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        (self.0)(device, irp)
    }
}

/// A device of a new driver whose dispatch is `f`.
pub fn device(
    name: &str,
    f: impl Fn(&'static DEVICE_OBJECT, &'static IRP) -> Result<NtStatus, Raise> + Send + Sync + 'static,
) -> &'static DEVICE_OBJECT {
    let driver =
        io_create_driver(&units(&format!(r"\Driver\{name}")), Arc::new(Closure(f))).unwrap().unwrap();
    let device = io_create_device(driver, 0, None, FILE_DEVICE_UNKNOWN, 0, false).unwrap().unwrap();
    device.Flags.set(device.Flags.get() & !DO_DEVICE_INITIALIZING);
    device
}

#[derive(Default)]
pub struct FakeFs {
    pub log: Mutex<Vec<String>>,
    pub files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Answers REPARSE to the name on the left, with the name on the right.
    pub reparse: Mutex<Option<(String, String)>>,
    pub refuses_mount: bool,
}

impl FakeFs {
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn mount(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        self.note(format!("mount flags {:#x}", irp.Flags.get()));
        if self.refuses_mount {
            return io_complete_with(irp, NtStatus::UNRECOGNIZED_VOLUME, 0);
        }
        let driver: &'static DRIVER_OBJECT = device_driver(device);
        let volume = io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?.unwrap();
        volume.Flags.set(0);
        let (vpb, storage) = mount_arguments(stack).expect("a mount names both");
        vpb.DeviceObject.set(std::ptr::from_ref(volume).cast_mut());
        volume.StackSize.set(storage.StackSize.get() + 1);
        volume.SectorSize.set(512);
        io_complete_with(irp, NtStatus::SUCCESS, 0)
    }

    fn create(&self, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        let file = stack_file(stack).unwrap();
        let create = stack.Parameters.Create();
        let mut name = String::from_utf16(&file_name(file)).unwrap();
        if let Some(related) = related_file(file) {
            name = format!("{}\\{name}", String::from_utf16(&file_name(related)).unwrap());
        }
        self.note(format!("create {name} irp {:#x} sl {:#x}", irp.Flags.get(), stack.Flags.get()));
        let reparse = self.reparse.lock().unwrap().clone();
        if let Some((from, to)) = reparse
            && from == name
        {
            io_replace_file_object_name(file, &units(&to));
            return io_complete_with(irp, NtStatus::REPARSE, IO_REPARSE);
        }
        if stack.Flags.get() & SL_OPEN_TARGET_DIRECTORY != 0 {
            return io_complete_with(irp, NtStatus::SUCCESS, FILE_DOES_NOT_EXIST);
        }
        let disposition = create.Options.get() >> 24;
        let mut files = self.files.lock().unwrap();
        let exists = name.is_empty() || name == "\\" || files.contains_key(&name);
        let information = match (exists, disposition) {
            (false, FILE_OPEN) => None,
            (false, _) => Some(FILE_CREATED),
            (true, FILE_CREATE) => Some(usize::MAX),
            (true, _) => Some(FILE_OPENED),
        };
        files.entry(name.clone()).or_default();
        if information.is_none() {
            files.remove(&name);
        }
        drop(files);
        match information {
            None => io_complete_with(irp, NtStatus::OBJECT_NAME_NOT_FOUND, 0),
            Some(usize::MAX) => io_complete_with(irp, NtStatus::OBJECT_NAME_COLLISION, FILE_EXISTS),
            Some(information) => io_complete_with(irp, NtStatus::SUCCESS, information),
        }
    }

    fn transfer(&self, irp: &'static IRP, reading: bool) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        let file = stack_file(stack).unwrap();
        let parameters = stack.Parameters.Read();
        let (length, offset) = (parameters.Length.get() as usize, parameters.ByteOffset.get());
        let name = String::from_utf16(&file_name(file)).unwrap();
        let word = if reading { "read" } else { "write" };
        self.note(format!("{word} {length} at {offset} irp {:#x}", irp.Flags.get()));
        let mut files = self.files.lock().unwrap();
        let data = files.entry(name).or_default();
        let start = if offset == -1 { data.len() } else { offset as usize };
        let buffer = irp.UserBuffer.get() as usize;
        let moved = if reading {
            let end = (start + length).min(data.len());
            if start >= end {
                drop(files);
                return io_complete_with(irp, NtStatus::END_OF_FILE, 0);
            }
            boundary::copy::write(buffer, &data[start..end])?;
            end - start
        } else {
            data.resize(data.len().max(start + length), 0);
            boundary::copy::read(buffer, &mut data[start..start + length])?;
            length
        };
        drop(files);
        if file.Flags.load(std::sync::atomic::Ordering::Relaxed) & FO_SYNCHRONOUS_IO != 0 {
            file.CurrentByteOffset.set((start + moved) as i64);
        }
        io_complete_with(irp, NtStatus::SUCCESS, moved)
    }
}

pub struct FakeDriver(pub Arc<FakeFs>);

impl Dispatch for FakeDriver {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let fs = &self.0;
        let stack = io_current_stack(irp);
        match (stack.MajorFunction.get(), stack.MinorFunction.get()) {
            (IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MN_MOUNT_VOLUME) => fs.mount(device, irp),
            (IRP_MJ_CREATE, _) => fs.create(irp),
            (IRP_MJ_READ, _) => fs.transfer(irp, true),
            (IRP_MJ_WRITE, _) => fs.transfer(irp, false),
            (IRP_MJ_CLEANUP, _) => {
                fs.note(format!("cleanup irp {:#x}", irp.Flags.get()));
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
            (IRP_MJ_CLOSE, _) => {
                fs.note(format!("close irp {:#x}", irp.Flags.get()));
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
            (IRP_MJ_QUERY_INFORMATION, _) => {
                fs.note(format!(
                    "query {} irp {:#x}",
                    stack.Parameters.QueryFile().FileInformationClass.get(),
                    irp.Flags.get()
                ));
                boundary::copy::fill(irp.SystemBuffer().get() as usize, 7, 0x18)?;
                io_complete_with(irp, NtStatus::SUCCESS, 0x18)
            }
            (IRP_MJ_SET_INFORMATION, _) => {
                let target = target_directory(stack);
                let target = target.map(|file| String::from_utf16(&file_name(file)).unwrap());
                fs.note(format!("set irp {:#x} target {target:?}", irp.Flags.get()));
                io_complete_with(irp, NtStatus::SUCCESS, 0)
            }
            _ => io_complete_with(irp, NtStatus::INVALID_DEVICE_REQUEST, 0),
        }
    }
}

/// Registers a fake file system under `\FileSystem\<name>`.
pub fn file_system(name: &str, fs: Arc<FakeFs>) -> &'static DEVICE_OBJECT {
    let driver =
        io_create_driver(&units(&format!(r"\FileSystem\{name}")), Arc::new(FakeDriver(fs))).unwrap().unwrap();
    let control = io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false).unwrap().unwrap();
    io_register_file_system(control).unwrap();
    control
}

/// A fake file system, a disk, and `C:`.
pub fn volume() -> (Arc<FakeFs>, &'static DEVICE_OBJECT) {
    let fs = Arc::new(FakeFs::default());
    file_system("Fake", Arc::clone(&fs));
    let disk = disk::create(1, 512, 1 << 20, Arc::new(()), Some('C')).unwrap().unwrap();
    (fs, disk)
}

/// Opens with synchronous I/O and full access.
pub fn open(name: &str, disposition: u32, options: u32) -> Opened {
    let name = units(name);
    io_create_file(&CreateParameters {
        name: &name,
        object_attributes: OBJ_CASE_INSENSITIVE,
        access: FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE,
        share: 7,
        disposition,
        options: options | FILE_SYNCHRONOUS_IO_NONALERT,
        ..CreateParameters::default()
    })
    .unwrap()
}

pub fn user(bytes: &[u8]) -> UserBuffer {
    UserBuffer::from_bytes(bytes).expect("user memory")
}
