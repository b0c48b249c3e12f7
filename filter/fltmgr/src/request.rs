//! Callback data that a minifilter makes itself, to issue an operation below one of its instances.
//!
//! ```text
//! allocate ─► idle ─perform─► sent ─completed below, post callbacks of the instances below─► done
//!              │ ▲              └─FltCancelIo                                                  │
//!              │ └──────────────────────────────────reuse──────────────────────────────────────┤
//!              └─free                                     perform again, reissue, free ────────┘
//! ```
//!
//! The data are the filter's: the operation that the instances below see has data of its own, made from the IRP. Data and IRP
//! stay until the filter frees the data, so an operation can be cancelled by them as long as its callback has not run.
//! MDLs in the parameters go with the data.
//!
//! Statements: CBD-04, CBD-05, CBD-18, CBD-19, GIO-01 to GIO-11, SEED-MODW-16.
//!
//! UNSAFETY: the data lie in a pool block that drivers name by its address; a magic stands in it while it is one.

use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::ptr::from_ref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use boundary::{Raise, call, copy};
use nt_abi::irql::{DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{
    DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO, FILE_OBJECT,
    FLT_ALLOCATE_CALLBACK_DATA_PREALLOCATE_ALL_MEMORY, FLT_CALLBACK_DATA, FLT_IO_PARAMETER_BLOCK,
    FLT_RELATED_OBJECTS, FLTFL_CALLBACK_DATA_GENERATED_IO, FLTFL_CALLBACK_DATA_IRP_OPERATION, IRP,
    IRP_BUFFERED_IO, IRP_MJ_CREATE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ, IRP_MJ_SET_INFORMATION,
    IRP_MJ_SET_SECURITY, IRP_MJ_WRITE, IRP_PAGING_IO, MDL, NativeFn, NtStatus, mdl_flags,
};
use nt_ex::pool::{self, PoolKind};
use nt_io::{
    Completion, io_allocate_irp, io_free_irp, io_next_stack, io_reuse_irp, io_set_completion,
    io_set_next_location,
};
use nt_ke::{current_thread, irql};

use crate::anchor::Anchored;
use crate::findings;
use crate::flt;
use crate::frame::{MAGIC_OFFSET, Operation};
use crate::instance::{Engaged, Instance};
use crate::operation::{self, Origin};
use crate::parameters::decode::{self, READ_ACCESS};
use crate::parameters::{self, Snapshot};
use crate::work::Busy;

const TAG: u32 = u32::from_le_bytes(*b"FMcd");
const MAGIC: u32 = 0xCBD0_6E0A;

const IDLE: u32 = 0;
const SENT: u32 = 1;
const DONE: u32 = 2;

/// Callback data of `FltAllocateCallbackData`, and what the manager keeps with them.
#[repr(C)]
pub struct Request {
    /// What the filter has. First, so that its address is the block's.
    pub data: FLT_CALLBACK_DATA,
    /// The parameter block, which the filter fills.
    pub iopb: FLT_IO_PARAMETER_BLOCK,
    /// Not used: the magic stands where an operation's does.
    _objects: FLT_RELATED_OBJECTS,
    _context: Cell<usize>,
    magic: Cell<u32>,
    state: AtomicU32,
    /// Below whom it goes.
    pub(crate) instance: Arc<Instance>,
    irp: Cell<Option<&'static IRP>>,
    /// The parameters that were sent last.
    sent: Cell<Snapshot>,
    /// Keeps the frame that the next operation needs.
    preallocates: bool,
    reserve: Cell<Option<&'static Operation>>,
    callback: Cell<(NativeFn, usize)>,
    flight: RefCell<Option<Flight>>,
    position: Cell<Option<Position>>,
    /// The manager's: freed after its callback.
    own: Cell<bool>,
    /// An MDL that stays its owner's.
    kept_mdl: Cell<usize>,
}

const _: () = assert!(offset_of!(Request, magic) == MAGIC_OFFSET);

/// An asynchronous operation on its way.
struct Flight {
    /// What it came to, for the thread that sent it: PENDING until it is known.
    outcome: Arc<AtomicI32>,
    /// The filter stays registered until the callback has run.
    _busy: Busy,
    /// And the instance.
    _engaged: Engaged,
}

/// What happens to the position of a synchronous file object when a transfer is done.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    /// Where it was.
    pub before: i64,
    /// Where the transfer begins.
    pub start: i64,
    /// It stays where it was.
    pub keep: bool,
}

/// The callback data of this kind at an address that a driver passed.
pub fn request_of(data: usize) -> Option<&'static Request> {
    if data == 0 || !data.is_multiple_of(16) {
        return None;
    }
    let magic: u32 = copy::read_value(data + MAGIC_OFFSET).ok()?;
    // SAFETY: the magic stands only in blocks that `allocate` made and `free` has not freed.
    (magic == MAGIC).then(|| unsafe { &*(data as *const Request) })
}

/// The same, for routines that take nothing else.
///
/// Errors: callback data of an operation are a finding of `rule` (`None`) · anything else is a bug check
fn expected(data: usize, rule: &'static str, routine: &str) -> Result<Option<&'static Request>, Raise> {
    if let Some(request) = request_of(data) {
        return Ok(Some(request));
    }
    let operation = crate::operation_from(data)?;
    let label = operation.current_node().map(|node| node.instance.filter.label.clone());
    let message = format!("{routine} was called with callback data that are not of FltAllocateCallbackData");
    findings::error(rule, label.as_deref().unwrap_or(""), message);
    Ok(None)
}

/// Makes callback data for operations below `instance`.
///
/// Source:  FltAllocateCallbackData, FltAllocateCallbackDataEx; GIO-01, GIO-02
/// IRQL:    <= APC_LEVEL
/// Returns: the address of the callback data, which are in nonpaged pool
/// Errors:  INSUFFICIENT_RESOURCES · INVALID_PARAMETER (unknown flags)
pub fn flt_allocate_callback_data(
    instance: &Arc<Instance>,
    file: usize,
    flags: u32,
) -> Result<Result<usize, NtStatus>, Raise> {
    if flags & !FLT_ALLOCATE_CALLBACK_DATA_PREALLOCATE_ALL_MEMORY != 0 {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    let preallocates = flags & FLT_ALLOCATE_CALLBACK_DATA_PREALLOCATE_ALL_MEMORY != 0;
    let Some(request) = Request::allocate(instance, file, preallocates) else {
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    };
    if preallocates && !request.refill() {
        request.free()?;
        return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES));
    }
    Ok(Ok(from_ref(request) as usize))
}

/// Frees callback data, with the MDLs in their parameters.
///
/// Source:  FltFreeCallbackData; GIO-03 to GIO-05
/// IRQL:    <= DISPATCH_LEVEL
/// Errors:  data that the filter did not allocate, or that are under way: a finding, and they are not freed
pub fn flt_free_callback_data(data: usize) -> Result<(), Raise> {
    match expected(data, "GIO-03", "FltFreeCallbackData")? {
        Some(request) if !request.is_under_way("FltFreeCallbackData") => request.free(),
        _ => Ok(()),
    }
}

/// Makes callback data as they were when they were allocated, but for instance and file object.
///
/// Source:  FltReuseCallbackData; GIO-03 to GIO-05
/// IRQL:    <= APC_LEVEL
/// Errors:  as [`flt_free_callback_data`]
pub fn flt_reuse_callback_data(data: usize) -> Result<(), Raise> {
    let Some(request) = expected(data, "GIO-03", "FltReuseCallbackData")? else { return Ok(()) };
    if request.is_under_way("FltReuseCallbackData") {
        return Ok(());
    }
    request.free_mdls()?;
    let file = request.iopb.TargetFileObject.get();
    request.fill(file as usize);
    request.state.store(IDLE, Ordering::Release);
    if request.preallocates {
        request.refill();
    }
    Ok(())
}

/// Issues the operation below the instance and waits for it. The result is in `IoStatus`.
///
/// Source:  FltPerformSynchronousIo; GIO-06, CBD-18, CBD-19
/// IRQL:    <= APC_LEVEL
/// Errors:  in `IoStatus`: INVALID_PARAMETER (not an IRP operation, no file object) · INSUFFICIENT_RESOURCES ·
///          VOLUME_DISMOUNTED · what the layers below answered
pub fn flt_perform_synchronous_io(data: usize) -> Result<(), Raise> {
    match expected(data, "GIO-03", "FltPerformSynchronousIo")? {
        Some(request) if !request.is_under_way("FltPerformSynchronousIo") => request.perform(0),
        _ => Ok(()),
    }
}

/// Issues the operation below the instance; `callback(data, context)` is called once when it is done, or cannot be sent.
///
/// Source:  FltPerformAsynchronousIo; GIO-07 to GIO-11, X-11
/// IRQL:    PASSIVE_LEVEL; <= APC_LEVEL for paging I/O
/// Returns: PENDING (the callback runs later), or the result: the callback has run, and the data may be gone
/// Errors:  FLT_INVALID_ASYNCHRONOUS_REQUEST (a create) · FLT_DELETING_OBJECT (the filter is being unregistered) · as
///          [`flt_perform_synchronous_io`]
pub fn flt_perform_asynchronous_io(
    data: usize,
    callback: NativeFn,
    context: usize,
) -> Result<NtStatus, Raise> {
    let routine = "FltPerformAsynchronousIo";
    let Some(request) = expected(data, "GIO-03", routine)? else { return Ok(NtStatus::INVALID_PARAMETER) };
    if request.is_under_way(routine) {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    if callback.is_null() {
        request
            .complain("GIO-08", "FltPerformAsynchronousIo was called without a callback, which is required");
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    let (major, paging) =
        (request.iopb.MajorFunction.get(), request.iopb.IrpFlags.get() & IRP_PAGING_IO != 0);
    if !paging && irql::current() > PASSIVE_LEVEL {
        request.complain(
            "GIO-10",
            "FltPerformAsynchronousIo was called above PASSIVE_LEVEL, and not for paging I/O",
        );
    }
    let pages = [IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION];
    if paging && !pages.contains(&major) {
        request
            .complain("GIO-10", "IRP_PAGING_IO is for reads, writes and queries and changes of information");
    }
    request.perform_asynchronously(callback, context)
}

/// Cancels an operation of such data. `None`: the data are no such data. Source: FltCancelIo; CAN-01, CAN-02.
pub(crate) fn cancel(data: usize) -> Result<Option<bool>, Raise> {
    let Some(request) = request_of(data) else { return Ok(None) };
    let irp = request.irp.get().filter(|_| request.state.load(Ordering::Acquire) == SENT);
    let Some(irp) = irp else {
        request
            .complain("CAN-02", "FltCancelIo was called for an operation that is not under way (any more)");
        return Ok(Some(false));
    };
    if irp.Cancel.load(Ordering::Acquire) != 0 {
        return Ok(Some(false));
    }
    nt_io::io_cancel_irp(irp).map(Some)
}

impl Request {
    /// Of a transfer that the manager carries out for a filter with a callback: it goes with the callback.
    pub(crate) fn for_transfer(
        instance: &Arc<Instance>,
        file: &FILE_OBJECT,
        position: Option<Position>,
        mdl: usize,
    ) -> Option<&'static Self> {
        let request = Self::allocate(instance, from_ref(file) as usize, false)?;
        request.own.set(true);
        request.kept_mdl.set(mdl);
        request.position.set(position);
        Some(request)
    }

    fn allocate(instance: &Arc<Instance>, file: usize, preallocates: bool) -> Option<&'static Self> {
        // The driver's: what it does not free is reported as its leak.
        let block = pool::allocate(PoolKind::NonPaged, size_of::<Self>(), TAG, true)?;
        let request = Self {
            data: FLT_CALLBACK_DATA::zeroed(),
            iopb: FLT_IO_PARAMETER_BLOCK::zeroed(),
            _objects: FLT_RELATED_OBJECTS::zeroed(),
            _context: Cell::new(0),
            magic: Cell::new(MAGIC),
            state: AtomicU32::new(IDLE),
            instance: Arc::clone(instance),
            irp: Cell::new(None),
            sent: Cell::new(Snapshot::default()),
            preallocates,
            reserve: Cell::new(None),
            callback: Cell::new((NativeFn(0), 0)),
            flight: RefCell::new(None),
            position: Cell::new(None),
            own: Cell::new(false),
            kept_mdl: Cell::new(0),
        };
        // SAFETY: a fresh block of that size, 16-aligned.
        unsafe { block.as_ptr().cast::<Self>().write(request) };
        // SAFETY: written just now; pool stays until it is freed.
        let request = unsafe { &*block.as_ptr().cast::<Self>() };
        request.fill(file);
        Some(request)
    }

    /// Callback data as new.
    fn fill(&self, file: usize) {
        let (data, block) = (&self.data, &self.iopb);
        data.Flags.set(FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO);
        data.Thread.set(from_ref(current_thread()).cast_mut().cast());
        data.Iopb.set(from_ref(block).cast_mut());
        data.IoStatus.Status.set(NtStatus::SUCCESS);
        data.IoStatus.Information.set(0);
        data.TagData.set(std::ptr::null_mut());
        data.RequestorMode.set(0);
        data.raw.iter().for_each(|word| word.set(0));
        let instance = self.instance.anchor().address();
        Snapshot { file, instance, ..Snapshot::default() }.restore(block);
    }

    pub(crate) fn complain(&self, rule: &'static str, message: impl Into<String>) {
        findings::error(rule, &self.instance.filter.label, message);
    }

    /// Whether an operation of the data is on its way, which is a finding.
    pub(crate) fn is_under_way(&self, routine: &str) -> bool {
        let under_way = self.state.load(Ordering::Acquire) == SENT;
        if under_way {
            let message = format!(
                "{routine} was called with callback data whose operation is under way: wait for its callback"
            );
            self.complain("GIO-05", message);
        }
        under_way
    }

    /// Whether an operation was sent and is done.
    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// The parameters that were sent last.
    pub(crate) fn last_sent(&self) -> Snapshot {
        self.sent.get()
    }

    fn set_status(&self, status: NtStatus, information: usize) {
        self.data.IoStatus.Status.set(status);
        self.data.IoStatus.Information.set(information);
    }

    /// Gets what the next operation needs: an IRP, and a frame with room for all instances below.
    fn refill(&self) -> bool {
        let Some(device) = self.instance.volume.device() else { return true };
        self.reserve_frame();
        self.irp(device).is_some() && self.reserve.get().is_some()
    }

    /// Puts a frame aside that is large enough for all instances of the volume.
    fn reserve_frame(&self) {
        if self.reserve.get().is_none() {
            let records = 2 * self.instance.volume.members.lock().instances.len();
            self.reserve.set(flt().frames.spare(records));
        }
    }

    /// The IRP, ready for use.
    fn irp(&self, device: &DEVICE_OBJECT) -> Option<&'static IRP> {
        let needed = device.StackSize.get();
        if let Some(irp) = self.irp.get() {
            if irp.StackCount.get() >= needed {
                io_reuse_irp(irp, NtStatus::SUCCESS);
                return Some(irp);
            }
            self.irp.set(None);
            let _ = io_free_irp(irp);
        }
        self.irp.set(io_allocate_irp(needed as u8));
        self.irp.get()
    }

    /// Builds the IRP from the parameters. Its next stack location is the volume device's.
    fn prepare(&self) -> Result<Result<&'static IRP, NtStatus>, Raise> {
        let (block, volume) = (&self.iopb, &self.instance.volume);
        let major = block.MajorFunction.get();
        if major > nt_abi::IRP_MJ_MAXIMUM_FUNCTION {
            let message =
                format!("{} cannot be issued by a filter: only IRP operations can", crate::rows::name(major));
            self.complain("CBD-18", message);
            return Ok(Err(NtStatus::INVALID_PARAMETER));
        }
        let Some(device) = volume.device() else { return Ok(Err(NtStatus::VOLUME_DISMOUNTED)) };
        if block.TargetFileObject.get().is_null() {
            return Ok(Err(NtStatus::INVALID_PARAMETER));
        }
        let Some(irp) = self.irp(device) else { return Ok(Err(NtStatus::INSUFFICIENT_RESOURCES)) };
        let mut flags = block.IrpFlags.get();
        if let Some(status) = self.describe_buffer(irp, device, &mut flags)? {
            return Ok(Err(status));
        }
        let thread = from_ref(current_thread()).cast_mut().cast();
        self.data.Thread.set(thread);
        irp.Thread().set(thread);
        irp.OriginalFileObject().set(block.TargetFileObject.get());
        let stack = io_next_stack(irp);
        stack.MajorFunction.set(major);
        stack.MinorFunction.set(block.MinorFunction.get());
        stack.DeviceObject.set(from_ref(device).cast_mut());
        irp.Flags.set(flags);
        parameters::store(block, irp, stack);
        irp.Flags.set(flags);
        self.sent.set(Snapshot::of(block));
        self.state.store(SENT, Ordering::Release);
        Ok(Ok(irp))
    }

    /// Gives the buffer the form that the device asks for. The system buffer is the filter's own.
    fn describe_buffer(
        &self,
        irp: &IRP,
        device: &DEVICE_OBJECT,
        flags: &mut u32,
    ) -> Result<Option<NtStatus>, Raise> {
        let Some(places) = decode::places(&self.iopb, false) else { return Ok(None) };
        let word = |offset: usize| &self.iopb.Parameters.raw[offset / 8];
        let buffer = word(places.buffer).get() as usize;
        let major = self.iopb.MajorFunction.get();
        if !crate::swap::obeys_device_flags(major) {
            // A create's buffer is its list of extended attributes; a security descriptor is passed as it is.
            let as_it_is = matches!(major, IRP_MJ_CREATE | IRP_MJ_SET_SECURITY);
            if places.mdl.is_none() && !as_it_is && buffer != 0 {
                *flags |= IRP_BUFFERED_IO;
            }
            return Ok(None);
        }
        if device.Flags.get() & DO_BUFFERED_IO != 0 {
            irp.SystemBuffer().set(buffer as *mut _);
            *flags |= IRP_BUFFERED_IO;
            return Ok(None);
        }
        let length = word(places.length.unwrap_or(0)).get() as u32 as usize;
        let direct = device.Flags.get() & DO_DIRECT_IO != 0 && length != 0 && buffer != 0;
        if let Some(offset) = places.mdl.filter(|offset| direct && word(*offset).get() == 0) {
            let Some(mdl) = nt_ex::mdl::allocate_engine(buffer, length) else {
                return Ok(Some(NtStatus::INSUFFICIENT_RESOURCES));
            };
            if let Err(raise) =
                nt_mm::mdl::probe_and_lock_pages(mdl, false, u32::from(places.access != READ_ACCESS))
            {
                nt_ex::mdl::free(mdl)?;
                return status_of(raise).map(Some);
            }
            word(offset).set(from_ref(mdl) as u64);
        }
        Ok(None)
    }

    /// Sends it and waits. `flags` are more flags of the data that the instances below see.
    pub(crate) fn perform(&self, flags: u32) -> Result<(), Raise> {
        let irp = match self.prepare()? {
            Ok(irp) => irp,
            Err(status) => {
                self.set_status(status, 0);
                return Ok(());
            }
        };
        io_set_next_location(irp);
        self.lend();
        let flags = FLTFL_CALLBACK_DATA_GENERATED_IO | flags;
        let transaction = self.transaction();
        let origin = Origin { below: Some(&self.instance.altitude), flags, kept: true, transaction };
        operation::run(&self.instance.volume, irp, origin)?;
        self.come_back(irp);
        self.state.store(DONE, Ordering::Release);
        Ok(())
    }

    /// Sends it; the callback comes when it is done. Source: GIO-07 to GIO-09.
    pub(crate) fn perform_asynchronously(
        &'static self,
        callback: NativeFn,
        context: usize,
    ) -> Result<NtStatus, Raise> {
        self.callback.set((callback, context));
        if self.iopb.MajorFunction.get() == IRP_MJ_CREATE {
            return self.fail(NtStatus::FLT_INVALID_ASYNCHRONOUS_REQUEST);
        }
        let Some(busy) = Busy::new(&self.instance.filter) else {
            return self.fail(NtStatus::FLT_DELETING_OBJECT);
        };
        let Some(engaged) = Engaged::new(&self.instance) else {
            return self.fail(NtStatus::FLT_DELETING_OBJECT);
        };
        let irp = match self.prepare()? {
            Ok(irp) => irp,
            Err(status) => return self.fail(status),
        };
        let outcome = Arc::new(AtomicI32::new(NtStatus::PENDING.0));
        *self.flight.borrow_mut() =
            Some(Flight { outcome: Arc::clone(&outcome), _busy: busy, _engaged: engaged });
        // The data may be gone when this returns.
        let instance = Arc::clone(&self.instance);
        let address = from_ref(self) as usize;
        io_set_completion(irp, Completion::Rust { routine: done, context: address }, true, true, true);
        io_set_next_location(irp);
        self.lend();
        let origin = Origin {
            below: Some(&instance.altitude),
            flags: FLTFL_CALLBACK_DATA_GENERATED_IO,
            kept: false,
            transaction: self.transaction(),
        };
        operation::run(&instance.volume, irp, origin)?;
        let status = NtStatus(outcome.load(Ordering::Acquire));
        Ok(if status.is_error() || status == NtStatus::PENDING { status } else { NtStatus::SUCCESS })
    }

    /// The transaction that its file was opened in, or 0.
    fn transaction(&self) -> usize {
        crate::pointer::file(self.iopb.TargetFileObject.get()).map_or(0, nt_io::file_transaction)
    }

    /// It was not sent: the callback hears of it all the same. Source: GIO-08.
    fn fail(&self, status: NtStatus) -> Result<NtStatus, Raise> {
        self.set_status(status, 0);
        self.state.store(DONE, Ordering::Release);
        self.tell()?;
        Ok(status)
    }

    /// Calls the callback, after which the data may be gone.
    fn tell(&self) -> Result<(), Raise> {
        let ((callback, context), own) = (self.callback.get(), self.own.get());
        let old = if flt().posts_at_dispatch() { irql::raise(DISPATCH_LEVEL) } else { irql::current() };
        call(callback, [from_ref(&self.data) as u64, context as u64])?;
        if flt().posts_at_dispatch() {
            irql::lower(old);
        }
        if own { self.free() } else { Ok(()) }
    }

    /// Puts the reserved frame where the operation takes it from.
    fn lend(&self) {
        if let Some(frame) = self.reserve.take() {
            flt().frames.lend(frame);
        }
    }

    /// Takes the result out of the IRP.
    fn come_back(&self, irp: &IRP) {
        self.set_status(irp.IoStatus.Status.get(), irp.IoStatus.Information.get());
        if let Some(offset) = decode::places(&self.iopb, false).and_then(|places| places.mdl) {
            // One that a lower layer made goes with the data.
            self.iopb.Parameters.raw[offset / 8].set(irp.MdlAddress.replace(std::ptr::null_mut()) as u64);
        }
        if self.preallocates {
            // The frame that the operation just gave back, if it did so in this thread.
            self.reserve_frame();
        }
        if let Some(position) = self.position.take()
            && let Some(file) = crate::pointer::file(self.iopb.TargetFileObject.get())
        {
            position.settle(file, irp.IoStatus.Status.get(), irp.IoStatus.Information.get());
        }
    }

    fn free_mdls(&self) -> Result<(), Raise> {
        let Some(offset) = decode::places(&self.iopb, false).and_then(|places| places.mdl) else {
            return Ok(());
        };
        let first = self.iopb.Parameters.raw[offset / 8].replace(0) as usize;
        if first == self.kept_mdl.get() {
            return Ok(());
        }
        let mut next = first as *const MDL;
        // SAFETY: an MDL chain that the filter or a lower layer left in the parameters, and with it to the manager.
        while let Some(mdl) = unsafe { next.as_ref() } {
            next = mdl.Next.get();
            if mdl.MdlFlags.get() & mdl_flags::MDL_PAGES_LOCKED != 0 {
                nt_mm::mdl::unlock_pages(mdl)?;
            }
            nt_io::io_free_mdl(mdl)?;
        }
        Ok(())
    }

    /// Frees it. Nobody may use it any more.
    pub(crate) fn free(&self) -> Result<(), Raise> {
        self.free_mdls()?;
        self.magic.set(0);
        if let Some(irp) = self.irp.take() {
            io_free_irp(irp)?;
        }
        if let Some(frame) = self.reserve.take() {
            flt().frames.lend(frame);
        }
        let block = from_ref(self).cast_mut();
        // SAFETY: the magic is gone, so nobody finds it any more, and the caller does not use it again.
        unsafe { std::ptr::drop_in_place(block) };
        pool::free(block.cast(), Some(TAG))
    }
}

/// The status that an exception has, for callers that answer with it. Errors: the machine stops
pub(crate) fn status_of(raise: Raise) -> Result<NtStatus, Raise> {
    match raise {
        Raise::Status(status) => Ok(status),
        stop => Err(stop),
    }
}

impl Position {
    /// Moves the file object's position, or puts it back. Source: GIO-18.
    pub(crate) fn settle(&self, file: &FILE_OBJECT, status: NtStatus, information: usize) {
        if self.keep {
            file.CurrentByteOffset.set(self.before);
        } else if status.is_success() {
            file.CurrentByteOffset.set(self.start + information as i64);
        }
    }
}

/// Completion routine of asynchronous operations: all post callbacks below have run. The IRP is kept.
fn done(
    _device: Option<&'static DEVICE_OBJECT>,
    irp: &'static IRP,
    context: usize,
) -> Result<NtStatus, Raise> {
    if let Some(request) = request_of(context) {
        request.come_back(irp);
        request.state.store(DONE, Ordering::Release);
        let flight = request.flight.borrow_mut().take();
        if let Some(flight) = &flight {
            flight.outcome.store(irp.IoStatus.Status.get().0, Ordering::Release);
        }
        request.tell()?;
        drop(flight);
    }
    Ok(NtStatus::MORE_PROCESSING_REQUIRED)
}
