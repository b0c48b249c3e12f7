//! Parameters of an operation: from an IRP's stack location to `FLT_PARAMETERS`, and changes back.
//!
//! ```text
//! current location, IRP ──load──► FLT_IO_PARAMETER_BLOCK ──filters change it──► store ──► next location, IRP
//!                                                                    IRP fields put back on the way up: SavedIrp
//! ```
//!
//! Owns: which member belongs where, one file per family of majors. The current stack location is never
//! changed, so the layers above see what they sent. Statements: PARM-07 to PARM-17, PARM-29, PARM-30, SWAP-01,
//! SWAP-02, IOPB-03.
//!
//! UNSAFETY: reads a parameter block as the nine words that it consists of, two at a time.

mod control;
mod create;
pub mod decode;
mod directory;
mod ea;
mod information;
mod lock;
mod other;
mod quota;
mod read_write;
mod security;

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
    _mm_setzero_si128, _mm_storeu_si128, _mm_xor_si128,
};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::from_ref;

use nt_abi::{
    FLT_IO_PARAMETER_BLOCK, FLT_PARAMETERS, IO_STACK_LOCATION, IRP, IRP_BUFFERED_IO, IRP_MJ_CREATE,
    IRP_MJ_CREATE_MAILSLOT, IRP_MJ_CREATE_NAMED_PIPE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_DIRECTORY_CONTROL,
    IRP_MJ_FILE_SYSTEM_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_LOCK_CONTROL, IRP_MJ_QUERY_EA,
    IRP_MJ_QUERY_INFORMATION, IRP_MJ_QUERY_QUOTA, IRP_MJ_QUERY_SECURITY, IRP_MJ_QUERY_VOLUME_INFORMATION,
    IRP_MJ_READ, IRP_MJ_SET_EA, IRP_MJ_SET_INFORMATION, IRP_MJ_SET_QUOTA, IRP_MJ_SET_SECURITY,
    IRP_MJ_SET_VOLUME_INFORMATION, IRP_MJ_WRITE, MDL,
};

/// A plain copy of a parameter block, with its layout.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// `IrpFlags`.
    pub irp_flags: u32,
    /// `MajorFunction`.
    pub major: u8,
    /// `MinorFunction`.
    pub minor: u8,
    /// `OperationFlags`.
    pub operation_flags: u8,
    /// `Reserved`.
    pub reserved: u8,
    /// `TargetFileObject`.
    pub file: usize,
    /// `TargetInstance`.
    pub instance: usize,
    /// `Parameters`.
    pub parameters: [u64; 6],
}

impl Snapshot {
    /// The block as it is now.
    #[inline]
    pub fn of(block: &FLT_IO_PARAMETER_BLOCK) -> Self {
        Self {
            irp_flags: block.IrpFlags.get(),
            major: block.MajorFunction.get(),
            minor: block.MinorFunction.get(),
            operation_flags: block.OperationFlags.get(),
            reserved: block.Reserved.get(),
            file: block.TargetFileObject.get() as usize,
            instance: block.TargetInstance.get() as usize,
            parameters: std::array::from_fn(|i| block.Parameters.raw[i].get()),
        }
    }

    /// Whether `block` is not the same any more, but for `TargetInstance`, which has to be `instance`.
    #[inline]
    pub fn differs(&self, block: &FLT_IO_PARAMETER_BLOCK, instance: usize) -> bool {
        let changed = |offset: usize| {
            let now = from_ref(block).cast::<u8>().wrapping_add(offset).cast::<__m128i>();
            let seen = from_ref(self).cast::<u8>().wrapping_add(offset).cast::<__m128i>();
            // SAFETY: both have a layout of nine words without padding, and `offset` leaves 16 bytes; what a block's
            // cells hold now is read, whatever it is.
            unsafe { _mm_xor_si128(_mm_loadu_si128(now), _mm_loadu_si128(seen)) }
        };
        // Flags and file object, then the parameters: two words at a time.
        let bits = [0, 24, 40, 56].map(changed);
        // SAFETY: SSE2 is part of x86-64.
        let same = unsafe {
            let any = _mm_or_si128(_mm_or_si128(bits[0], bits[1]), _mm_or_si128(bits[2], bits[3]));
            _mm_movemask_epi8(_mm_cmpeq_epi8(any, _mm_setzero_si128())) == 0xFFFF
        };
        !same | (block.TargetInstance.get() as usize != instance)
    }

    /// Makes `block` what these nine words say, and returns them as a snapshot that is written to `copy` as well.
    ///
    /// Two words at a time, as [`Snapshot::differs`] reads them: a load that spans two earlier stores waits for both.
    #[inline]
    pub fn write(words: [u64; 9], block: &FLT_IO_PARAMETER_BLOCK, copy: &Cell<Self>) {
        for target in [from_ref(block).cast_mut().cast::<u8>(), copy.as_ptr().cast::<u8>()] {
            for word in [0, 3, 5, 7] {
                // SAFETY: SSE2 is part of x86-64.
                let pair = unsafe { _mm_set_epi64x(words[word + 1] as i64, words[word] as i64) };
                // SAFETY: both are cells of nine words without padding; two words from `word` on lie inside.
                unsafe { _mm_storeu_si128(target.wrapping_add(8 * word).cast(), pair) };
            }
            // SAFETY: as above.
            unsafe { target.wrapping_add(16).cast::<u64>().write(words[2]) };
        }
    }

    /// The first of the nine words of a block without flags.
    pub const fn first_word(major: u8) -> u64 {
        (major as u64) << 32
    }

    /// Makes the block what it was.
    #[inline]
    pub fn restore(&self, block: &FLT_IO_PARAMETER_BLOCK) {
        block.IrpFlags.set(self.irp_flags);
        block.MajorFunction.set(self.major);
        block.MinorFunction.set(self.minor);
        block.OperationFlags.set(self.operation_flags);
        block.Reserved.set(self.reserved);
        block.TargetFileObject.set(self.file as *mut _);
        block.TargetInstance.set(self.instance as *mut _);
        for (cell, word) in block.Parameters.raw.iter().zip(self.parameters) {
            cell.set(word);
        }
    }
}

/// The fields of an IRP that changed parameters reach, as they were.
#[derive(Clone, Copy, Default)]
pub struct SavedIrp {
    flags: u32,
    mdl: usize,
    user_buffer: usize,
    system_buffer: usize,
    overlay: u64,
}

impl SavedIrp {
    /// The fields as they are.
    pub fn of(irp: &IRP) -> Self {
        Self {
            flags: irp.Flags.get(),
            mdl: irp.MdlAddress.get() as usize,
            user_buffer: irp.UserBuffer.get() as usize,
            system_buffer: irp.SystemBuffer().get() as usize,
            overlay: irp.Overlay.raw[0].get(),
        }
    }

    /// Puts them back.
    pub fn restore(&self, irp: &IRP) {
        irp.Flags.set(self.flags);
        irp.MdlAddress.set(self.mdl as *mut MDL);
        irp.UserBuffer.set(self.user_buffer as *mut c_void);
        irp.SystemBuffer().set(self.system_buffer as *mut c_void);
        irp.Overlay.raw[0].set(self.overlay);
    }
}

/// Whether the IRP's data travel in its system buffer, for majors that obey the device's flags.
fn buffered(irp: &IRP) -> bool {
    irp.Flags.get() & IRP_BUFFERED_IO != 0 && !irp.SystemBuffer().get().is_null()
}

/// The data buffer of an IRP whose major obeys the device's flags.
fn data_buffer(irp: &IRP) -> *mut c_void {
    if buffered(irp) { irp.SystemBuffer().get() } else { irp.UserBuffer.get() }
}

fn set_data_buffer(irp: &IRP, buffer: *mut c_void) {
    if buffered(irp) { irp.SystemBuffer().set(buffer) } else { irp.UserBuffer.set(buffer) }
}

/// Fills `block` from an IRP and its current stack location. `TargetInstance` is left to the caller.
pub fn load(irp: &IRP, stack: &IO_STACK_LOCATION, block: &FLT_IO_PARAMETER_BLOCK) {
    block.IrpFlags.set(irp.Flags.get());
    block.MajorFunction.set(stack.MajorFunction.get());
    block.MinorFunction.set(stack.MinorFunction.get());
    block.OperationFlags.set(stack.Flags.get());
    block.Reserved.set(0);
    block.TargetFileObject.set(stack.FileObject.get());
    for word in &block.Parameters.raw {
        word.set(0);
    }
    let parameters = &block.Parameters;
    match stack.MajorFunction.get() {
        IRP_MJ_READ | IRP_MJ_WRITE => read_write::load(irp, stack, parameters),
        IRP_MJ_CREATE => create::load(irp, stack, parameters),
        IRP_MJ_CREATE_NAMED_PIPE | IRP_MJ_CREATE_MAILSLOT => create::load_pipe(stack, parameters),
        IRP_MJ_QUERY_INFORMATION | IRP_MJ_QUERY_VOLUME_INFORMATION | IRP_MJ_SET_VOLUME_INFORMATION => {
            information::load_query(irp, stack, parameters);
        }
        IRP_MJ_SET_INFORMATION => information::load_set(irp, stack, parameters),
        IRP_MJ_DIRECTORY_CONTROL => directory::load(irp, stack, parameters),
        IRP_MJ_FILE_SYSTEM_CONTROL | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            control::load(irp, stack, parameters);
        }
        IRP_MJ_LOCK_CONTROL => lock::load(irp, stack, parameters),
        IRP_MJ_QUERY_EA | IRP_MJ_SET_EA => ea::load(irp, stack, parameters),
        IRP_MJ_QUERY_SECURITY | IRP_MJ_SET_SECURITY => security::load(irp, stack, parameters),
        IRP_MJ_QUERY_QUOTA | IRP_MJ_SET_QUOTA => quota::load(irp, stack, parameters),
        _ => other::load(stack, parameters),
    }
}

/// Writes changed parameters to the IRP and to the stack location of the next driver.
pub fn store(block: &FLT_IO_PARAMETER_BLOCK, irp: &IRP, next: &IO_STACK_LOCATION) {
    let parameters: &FLT_PARAMETERS = &block.Parameters;
    match block.MajorFunction.get() {
        IRP_MJ_READ | IRP_MJ_WRITE => read_write::store(parameters, irp, next),
        IRP_MJ_CREATE => create::store(parameters, irp, next),
        IRP_MJ_CREATE_NAMED_PIPE | IRP_MJ_CREATE_MAILSLOT => create::store_pipe(parameters, next),
        IRP_MJ_QUERY_INFORMATION | IRP_MJ_QUERY_VOLUME_INFORMATION | IRP_MJ_SET_VOLUME_INFORMATION => {
            information::store_query(parameters, irp, next);
        }
        IRP_MJ_SET_INFORMATION => information::store_set(parameters, irp, next),
        IRP_MJ_DIRECTORY_CONTROL => directory::store(parameters, irp, next),
        IRP_MJ_FILE_SYSTEM_CONTROL | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            control::store(parameters, irp, next);
        }
        IRP_MJ_LOCK_CONTROL => lock::store(parameters, next),
        IRP_MJ_QUERY_EA | IRP_MJ_SET_EA => ea::store(parameters, irp, next),
        IRP_MJ_QUERY_SECURITY | IRP_MJ_SET_SECURITY => security::store(parameters, irp, next),
        IRP_MJ_QUERY_QUOTA | IRP_MJ_SET_QUOTA => quota::store(parameters, irp, next),
        _ => other::store(parameters, next),
    }
    irp.Flags.set(block.IrpFlags.get());
    next.MinorFunction.set(block.MinorFunction.get());
    next.Flags.set(block.OperationFlags.get());
    next.FileObject.set(block.TargetFileObject.get());
}

/// Whether the operation's data buffer is a system buffer. Source: CBD-06, SWAP-02.
pub fn has_system_buffer(irp: &IRP, stack: &IO_STACK_LOCATION) -> bool {
    let present = !irp.SystemBuffer().get().is_null();
    match stack.MajorFunction.get() {
        IRP_MJ_READ
        | IRP_MJ_WRITE
        | IRP_MJ_DIRECTORY_CONTROL
        | IRP_MJ_QUERY_EA
        | IRP_MJ_SET_EA
        | IRP_MJ_QUERY_QUOTA
        | IRP_MJ_SET_QUOTA => buffered(irp),
        IRP_MJ_CREATE
        | IRP_MJ_QUERY_INFORMATION
        | IRP_MJ_SET_INFORMATION
        | IRP_MJ_QUERY_VOLUME_INFORMATION
        | IRP_MJ_SET_VOLUME_INFORMATION => present,
        IRP_MJ_FILE_SYSTEM_CONTROL | IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            control::is_buffered(stack) && present
        }
        _ => false,
    }
}

const _: () = assert!(size_of::<Snapshot>() == size_of::<FLT_IO_PARAMETER_BLOCK>());

#[cfg(test)]
mod tests;
