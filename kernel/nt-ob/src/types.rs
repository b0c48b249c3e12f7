//! Object types: what kinds of objects there are and what they do when they are named, closed and deleted.
//!
//! Life: described by the subsystem that owns the kind, made once at boot, gone with the machine. Each type has an
//! object of its own in `\ObjectTypes`, whose address is what drivers know as `*IoFileObjectType` and the like.
//!
//! UNSAFETY: fills the body of a type's object, which is machine memory.

use std::any::Any;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{
    GENERIC_ALL, GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE, LIST_ENTRY, MAXIMUM_ALLOWED, NtStatus,
    UNICODE_STRING,
};

use crate::object::{ObjectRef, ob_create_object};
use crate::subsystem::ob;

/// What the four generic rights mean for a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// `GENERIC_READ`.
    pub read: u32,
    /// `GENERIC_WRITE`.
    pub write: u32,
    /// `GENERIC_EXECUTE`.
    pub execute: u32,
    /// `GENERIC_ALL`.
    pub all: u32,
}

impl Mapping {
    /// `access` with its generic rights replaced by specific ones. Source: RtlMapGenericMask.
    pub fn map(&self, access: u32) -> u32 {
        let mut mapped = access & !(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);
        for (generic, specific) in [
            (GENERIC_READ, self.read),
            (GENERIC_WRITE, self.write),
            (GENERIC_EXECUTE, self.execute),
            (GENERIC_ALL, self.all),
        ] {
            if access & generic != 0 {
                mapped |= specific;
            }
        }
        mapped
    }
}

/// A name that has come to an object whose type parses names.
pub struct ParseRequest<'a> {
    /// The object, referenced while the procedure runs.
    pub object: usize,
    /// The type that the opener wants, `None` for any.
    pub kind: Option<&'static ObjectType>,
    /// KernelMode 0 or UserMode 1.
    pub mode: u8,
    /// `OBJ_*`.
    pub attributes: u32,
    /// Access asked for, generic rights not mapped.
    pub access: u32,
    /// The whole name as it stands after the reparses so far.
    pub complete_name: &'a [u16],
    /// What follows the object's own name: empty, or beginning with a backslash; without one when the object
    /// is the root directory that the caller gave by handle.
    pub remaining: &'a [u16],
    /// Whether the name is relative to `object`, given as root directory.
    pub relative: bool,
    /// What the opener hands to the procedure: create parameters, say.
    pub context: &'a mut dyn Any,
}

/// What became of a name.
pub enum Parsed {
    /// The object it names; one reference goes to the caller.
    Object(usize),
    /// Start again at the root with this name.
    Reparse(Vec<u16>),
    /// It names nothing, and why.
    Status(NtStatus),
}

/// Parses the rest of a name.
pub type ParseProcedure = fn(&mut ParseRequest<'_>) -> Result<Parsed, Raise>;

/// Answers with an object's full name.
pub type QueryNameProcedure = fn(usize) -> Result<Result<Vec<u16>, NtStatus>, Raise>;

/// How a type is made.
#[derive(Clone, Copy)]
pub struct TypeDescription {
    /// Name in `\ObjectTypes`.
    pub name: &'static str,
    /// Pool tag of its objects, first character in the low byte.
    pub tag: [u8; 4],
    /// Generic rights.
    pub mapping: Mapping,
    /// All rights that exist for it; what MAXIMUM_ALLOWED grants.
    pub valid_access: u32,
    /// Where in the body the dispatcher header lies that a wait on a handle waits for.
    pub wait_offset: Option<usize>,
    /// Takes over names that reach an object of the type.
    pub parse: Option<ParseProcedure>,
    /// A handle was closed: object, process, how many handles are left in all processes.
    pub close: Option<fn(usize, usize, u64) -> Result<(), Raise>>,
    /// The last reference is gone. The memory is freed afterwards, except of adopted objects.
    pub delete: Option<fn(usize) -> Result<(), Raise>>,
    /// The object's full name, instead of its path in the namespace.
    pub query_name: Option<QueryNameProcedure>,
}

impl TypeDescription {
    /// A type without procedures.
    pub const fn new(name: &'static str, tag: [u8; 4]) -> Self {
        Self {
            name,
            tag,
            mapping: Mapping { read: 0x2_0000, write: 0x2_0000, execute: 0x2_0000, all: 0xF_0000 },
            valid_access: 0x1F_0000,
            wait_offset: None,
            parse: None,
            close: None,
            delete: None,
            query_name: None,
        }
    }
}

/// A type of objects.
pub struct ObjectType {
    pub(crate) description: TypeDescription,
    address: AtomicUsize,
    pub(crate) objects: AtomicI64,
}

/// The body of a type's object. `OBJECT_TYPE` is opaque; drivers that look find a list head and a name.
#[repr(C)]
struct TypeBody {
    list: LIST_ENTRY,
    name: UNICODE_STRING,
    kind: AtomicUsize,
    text: [std::cell::Cell<u16>; 64],
}

impl ObjectType {
    pub(crate) fn new(description: TypeDescription) -> Self {
        Self { description, address: AtomicUsize::new(0), objects: AtomicI64::new(0) }
    }

    /// Name in `\ObjectTypes`.
    pub fn name(&self) -> &'static str {
        self.description.name
    }

    /// Address of the type's object: what drivers compare and pass.
    pub fn address(&self) -> usize {
        self.address.load(Ordering::Acquire)
    }

    /// Generic rights.
    pub fn mapping(&self) -> Mapping {
        self.description.mapping
    }

    /// All rights that exist for the type.
    pub fn valid_access(&self) -> u32 {
        self.description.valid_access
    }

    /// How many objects of the type there are.
    pub fn objects(&self) -> u64 {
        self.objects.load(Ordering::Relaxed).max(0) as u64
    }

    /// What `access` grants: generic rights mapped, MAXIMUM_ALLOWED replaced by all rights.
    pub fn grant(&self, access: u32) -> u32 {
        let mapped = self.description.mapping.map(access);
        if mapped & MAXIMUM_ALLOWED != 0 {
            (mapped & !MAXIMUM_ALLOWED) | self.description.valid_access
        } else {
            mapped
        }
    }

    /// Makes the type's object. `kind` is the type of types.
    pub(crate) fn publish(&'static self, kind: &'static ObjectType) -> Result<ObjectRef, NtStatus> {
        let address = ob_create_object(kind, size_of::<TypeBody>())?;
        // SAFETY: a fresh zeroed body of this size.
        let body = unsafe { &*(address as *const TypeBody) };
        nt_ke::dispatcher::initialize_list(&body.list);
        let mut length = 0;
        for (to, unit) in body.text.iter().zip(self.name().encode_utf16()) {
            to.set(unit);
            length += 2;
        }
        body.name.Length.set(length);
        body.name.MaximumLength.set(length);
        body.name.Buffer.set(body.text.as_ptr() as *mut u16);
        body.kind.store(std::ptr::from_ref(self) as usize, Ordering::Relaxed);
        self.address.store(address, Ordering::Release);
        // The machine keeps this reference: types are never deleted.
        Ok(ObjectRef::from_raw(address))
    }
}

/// Makes a type and its object `\ObjectTypes\<name>`. At boot, once per kind.
///
/// Errors: InsufficientResources.
pub fn ob_create_type(description: TypeDescription) -> Result<&'static ObjectType, NtStatus> {
    ob().create_type(description)
}

/// The type whose object lies at `address`, which a driver gave.
pub fn ob_type_at(address: usize) -> Option<&'static ObjectType> {
    ob().types().into_iter().find(|kind| kind.address() == address)
}
