//! A second volume, `D:`, of a small file system in Rust that does what `fsd` never does: completes at
//! DISPATCH_LEVEL in another thread, asks for buffered or direct I/O, makes system buffers and MDLs of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use altimeter::session::Handle;
use altimeter::{Machine, NtStatus, Stopped};
use boundary::Raise;
use nt_abi::irql::DISPATCH_LEVEL;
use nt_abi::{
    DEVICE_OBJECT, FILE_DEVICE_DISK_FILE_SYSTEM, IO_STACK_LOCATION, IRP, IRP_BUFFERED_IO,
    IRP_DEALLOCATE_BUFFER, IRP_INPUT_OPERATION, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL,
    IRP_MJ_READ, IRP_MJ_WRITE, KEVENT,
};
use nt_io::{Asynchronous, Completion, Dispatch, IoStatus, io_complete_with, io_current_stack, medium_of};
use nt_mm::UserBuffer;

/// What the file system does beyond filling buffers with [`DATA`].
#[derive(Clone, Copy, Default)]
pub struct Behaviour {
    /// `DO_BUFFERED_IO`, `DO_DIRECT_IO`.
    pub flags: u32,
    /// Reads complete later, at DISPATCH_LEVEL.
    pub high: bool,
    /// Directory queries get a system buffer that the file system makes.
    pub system_buffer: bool,
    /// Reads get an MDL that the file system makes.
    pub mdl: bool,
    /// Reads pend until [`Seen::let_go`].
    pub hold: bool,
}

/// What reads and directory queries return.
pub const DATA: u8 = 0x44;

struct Medium;

/// What was written, or shown in an IRP, last.
#[derive(Default)]
pub struct Seen {
    /// First byte of the last write.
    pub written: AtomicU32,
    /// `MdlAddress` of the last transfer.
    pub mdl: AtomicU64,
    /// `UserBuffer` of the last transfer.
    pub user_buffer: AtomicU64,
    /// `MinorFunction` of the last transfer.
    pub minor: AtomicU32,
    /// Whether a read is held, and whether it may go.
    pub held: AtomicBool,
    going: AtomicBool,
}

impl Seen {
    /// Completes the read that is held.
    pub fn let_go(&self) {
        self.going.store(true, Ordering::Release);
    }
}

struct OtherFs(Behaviour, Arc<Seen>);

fn data_address(irp: &IRP) -> Result<usize, Raise> {
    // SAFETY: the I/O manager or a filter attached the MDL to this IRP, which is being processed.
    if let Some(mdl) = unsafe { irp.MdlAddress.get().as_ref() } {
        return nt_mm::mdl::map_locked_pages(mdl);
    }
    let buffered = irp.Flags.get() & IRP_BUFFERED_IO != 0;
    Ok(if buffered { irp.SystemBuffer().get() as usize } else { irp.UserBuffer.get() as usize })
}

fn fill(irp: &IRP, length: usize) -> Result<(), Raise> {
    let bad = |_| Raise::Status(NtStatus::ACCESS_VIOLATION);
    boundary::copy::write(data_address(irp)?, &vec![DATA; length]).map_err(bad)
}

impl OtherFs {
    fn read(&self, irp: &'static IRP, length: usize) -> Result<NtStatus, Raise> {
        if self.0.mdl && irp.MdlAddress.get().is_null() {
            let mdl = nt_ex::mdl::allocate_engine(irp.UserBuffer.get() as usize, length).expect("pool");
            nt_mm::mdl::probe_and_lock_pages(mdl, false, 1)?;
            irp.MdlAddress.set(std::ptr::from_ref(mdl).cast_mut());
        }
        if !self.0.high && !self.0.hold {
            fill(irp, length)?;
            return io_complete_with(irp, NtStatus::SUCCESS, length);
        }
        nt_io::io_mark_pending(irp);
        if self.0.hold {
            let seen = Arc::clone(&self.1);
            nt_ex::work::queue(nt_ex::work::WorkQueue::Critical, move || {
                seen.held.store(true, Ordering::Release);
                while !seen.going.load(Ordering::Acquire) && !nt_ke::current_core().stopping() {
                    nt_ke::current_core().scheduler().pause();
                }
                fill(irp, length)?;
                io_complete_with(irp, NtStatus::SUCCESS, length).map(|_| ())
            });
            return Ok(NtStatus::PENDING);
        }
        nt_ex::work::queue(nt_ex::work::WorkQueue::Critical, move || {
            fill(irp, length)?;
            let old = nt_ke::irql::raise(DISPATCH_LEVEL);
            let done = io_complete_with(irp, NtStatus::SUCCESS, length);
            nt_ke::irql::lower(old);
            done.map(|_| ())
        });
        Ok(NtStatus::PENDING)
    }

    fn directory(&self, irp: &'static IRP, length: usize) -> Result<NtStatus, Raise> {
        if self.0.system_buffer {
            let kind = nt_ex::pool::PoolKind::NonPaged;
            let block = nt_ex::pool::allocate_engine(kind, length, 0x1234).expect("pool");
            irp.SystemBuffer().set(block.as_ptr().cast());
            irp.Flags.set(irp.Flags.get() | IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER | IRP_INPUT_OPERATION);
            boundary::copy::write(block.as_ptr() as usize, &vec![DATA; length]).expect("pool");
        } else {
            fill(irp, length)?;
        }
        io_complete_with(irp, NtStatus::SUCCESS, length)
    }

    fn mount(device: &DEVICE_OBJECT, flags: u32, stack: &IO_STACK_LOCATION) -> Result<bool, Raise> {
        // SAFETY: a mount request names its VPB, and that its disk.
        let vpb = unsafe { &*stack.Parameters.MountVolume().Vpb.get() };
        // SAFETY: as above.
        let disk = unsafe { &*vpb.RealDevice.get() };
        if !medium_of(disk).is_some_and(|medium| medium.is::<Medium>()) {
            return Ok(false);
        }
        // SAFETY: a device names its driver.
        let driver = unsafe { &*device.DriverObject.get() };
        let volume = nt_io::io_create_device(driver, 0, None, FILE_DEVICE_DISK_FILE_SYSTEM, 0, false)?;
        let volume = volume.expect("a device");
        volume.Flags.set(flags);
        vpb.DeviceObject.set(std::ptr::from_ref(volume).cast_mut());
        Ok(true)
    }
}

impl Dispatch for OtherFs {
    fn dispatch(&self, device: &'static DEVICE_OBJECT, irp: &'static IRP) -> Result<NtStatus, Raise> {
        let stack = io_current_stack(irp);
        let length = stack.Parameters.Read().Length.get() as usize;
        let major = stack.MajorFunction.get();
        if matches!(major, IRP_MJ_READ | IRP_MJ_WRITE) {
            self.1.mdl.store(irp.MdlAddress.get() as u64, Ordering::Relaxed);
            self.1.user_buffer.store(irp.UserBuffer.get() as u64, Ordering::Relaxed);
            self.1.minor.store(stack.MinorFunction.get().into(), Ordering::Relaxed);
        }
        match major {
            IRP_MJ_FILE_SYSTEM_CONTROL => {
                let ours = Self::mount(device, self.0.flags, stack)?;
                let status = if ours { NtStatus::SUCCESS } else { NtStatus::UNRECOGNIZED_VOLUME };
                io_complete_with(irp, status, 0)
            }
            IRP_MJ_READ => self.read(irp, length),
            IRP_MJ_DIRECTORY_CONTROL => self.directory(irp, length),
            IRP_MJ_WRITE => {
                let first: u8 = boundary::copy::read_value(data_address(irp)?).unwrap_or(0);
                self.1.written.store(first.into(), Ordering::Relaxed);
                io_complete_with(irp, NtStatus::SUCCESS, length)
            }
            _ => io_complete_with(irp, NtStatus::SUCCESS, 0),
        }
    }
}

/// Adds the volume; call it before any driver is loaded. Returns what its file system sees.
pub fn add(machine: &Machine, behaviour: Behaviour) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    let fs = Arc::new(OtherFs(behaviour, Arc::clone(&seen)));
    machine
        .run(|_| {
            let name = altimeter::utf16(r"\FileSystem\Other");
            let driver = nt_io::io_create_driver(&name, fs)?.expect("a driver");
            let kind = FILE_DEVICE_DISK_FILE_SYSTEM;
            let control = nt_io::io_create_device(driver, 0, None, kind, 0, false)?.expect("a device");
            nt_io::io_register_file_system(control)?;
            nt_io::disk::create(2, 512, 1 << 20, Arc::new(Medium), Some('D'))?.expect("a disk");
            Ok(())
        })
        .expect("the machine runs");
    seen
}

/// Reads `length` bytes at 0, waiting for the end of an asynchronous request.
pub fn read(handle: &Handle, length: usize) -> Result<(IoStatus, Vec<u8>), Stopped> {
    let buffer = UserBuffer::new(length + 16).expect("user memory");
    let block = buffer.address() + length;
    boundary::copy::write_value(block, NtStatus::PENDING.0).expect("user memory");
    let asynchronous = Asynchronous { iosb: block, ..Asynchronous::default() };
    let mut done =
        nt_io::nt_read_file(handle.value(), &asynchronous, buffer.address(), length as u32, Some(0), None)?;
    while done.status == NtStatus::PENDING {
        let status = NtStatus(boundary::copy::read_value(block).expect("user memory"));
        let information: usize = boundary::copy::read_value(block + 8).expect("user memory");
        done = IoStatus { status, information };
        if nt_ke::current_core().stopping() {
            return Err(Stopped);
        }
        nt_ke::current_core().scheduler().pause();
    }
    Ok((done, buffer.to_vec(length).expect("user memory")))
}

fn keep(_: Option<&'static DEVICE_OBJECT>, _: &'static IRP, done: usize) -> Result<NtStatus, Raise> {
    // SAFETY: `raw_read` waits for the event, which lies on its stack.
    nt_ke::dispatcher::set_event(&unsafe { &*(done as *const KEVENT) }.Header);
    Ok(NtStatus::MORE_PROCESSING_REQUIRED)
}

/// Sends a read of `length` bytes that no service of the I/O manager issues: with these flags (asynchronous paging I/O,
/// for example) and this minor function. Returns where its buffer was.
pub fn raw_read(handle: &Handle, length: usize, flags: u32, minor: u8) -> Result<u64, Stopped> {
    let (file, _) = nt_io::reference_file_by_handle(handle.value(), 0, 0).expect("a file");
    let device = nt_io::io_get_related_device(file);
    let irp = nt_io::io_allocate_irp(device.StackSize.get() as u8).expect("an IRP");
    let buffer = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, length, 0x1234).expect("pool");
    irp.UserBuffer.set(buffer.as_ptr().cast());
    irp.Flags.set(flags);
    let stack = nt_io::io_next_stack(irp);
    stack.MajorFunction.set(IRP_MJ_READ);
    stack.MinorFunction.set(minor);
    stack.FileObject.set(std::ptr::from_ref(file).cast_mut());
    stack.Parameters.Read().Length.set(length as u32);
    let done = KEVENT::default();
    let kind = nt_ke::dispatcher::object_type::NOTIFICATION_EVENT;
    nt_ke::dispatcher::initialize_header(&done.Header, kind, 0);
    let context = std::ptr::from_ref(&done) as usize;
    nt_io::io_set_completion(irp, Completion::Rust { routine: keep, context }, true, true, true);
    nt_io::io_call_driver(device, irp)?;
    nt_ke::dispatcher::wait(&done.Header, false, None)?;
    nt_io::io_free_irp(irp)?;
    nt_ex::pool::free(buffer.as_ptr(), None)?;
    nt_ob::ob_dereference(std::ptr::from_ref(file) as usize)?;
    Ok(buffer.as_ptr() as u64)
}
