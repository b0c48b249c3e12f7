//! The object manager of a machine: what it owns, and how it starts.
//!
//! Boot: `Ob::boot` in an attached thread, after pool works. It makes the types Type, Directory, SymbolicLink and
//! Event and the directories that every machine has.
//!
//! UNSAFETY: lends types, which live as long as the machine, as `'static`; as everywhere, such a reference is good
//! while the thread stays attached.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use boundary::Raise;
use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE, OBJ_PERMANENT};
use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem};

use crate::handle::HandleTable;
use crate::namespace::Namespace;
use crate::object::ObjectRef;
use crate::types::{ObjectType, TypeDescription};
use crate::{ObjectAttributes, event, namespace, symbolic_link, units};

/// Types that the object manager itself needs.
pub(crate) struct OwnTypes {
    pub(crate) kind: &'static ObjectType,
    pub(crate) directory: &'static ObjectType,
    pub(crate) symbolic_link: &'static ObjectType,
    pub(crate) event: &'static ObjectType,
}

/// The object manager.
pub struct Ob {
    // Boxes: the addresses of types are handed out.
    #[expect(clippy::vec_box, reason = "types must not move")]
    types: Lock<Vec<Box<ObjectType>>>,
    own: OnceLock<OwnTypes>,
    root: OnceLock<usize>,
    pub(crate) namespace: Lock<Namespace>,
    pub(crate) kernel_handles: HandleTable,
    // Tables of processes, by process; a process' header has the address of its box.
    pub(crate) tables: Lock<BTreeMap<usize, Box<HandleTable>>>,
}

impl Subsystem for Ob {
    const INDEX: usize = index::OB;
}

/// The object manager of the current machine.
pub(crate) fn ob() -> &'static Ob {
    nt_ke::subsystem::<Ob>()
}

impl Ob {
    /// Installs the object manager and makes the namespace. In an attached thread, once.
    ///
    /// Errors: InsufficientResources
    pub fn boot(core: &Core) -> Result<Result<(), NtStatus>, Raise> {
        let ob = core.install(Box::new(Self {
            types: Lock::new(Rank::Leaf, Vec::new()),
            own: OnceLock::new(),
            root: OnceLock::new(),
            namespace: Lock::new(Rank::ObNamespace, Namespace::default()),
            kernel_handles: HandleTable::new(true),
            tables: Lock::new(Rank::ObHandles, BTreeMap::new()),
        }));
        let made = ob.make_types();
        if made.is_err() {
            return Ok(made);
        }
        ob.make_directories()
    }

    fn make_types(&self) -> Result<(), NtStatus> {
        let kind = self.add_type(TypeDescription::new("Type", *b"ObjT"));
        let directory = self.add_type(namespace::DIRECTORY);
        let symbolic_link = self.add_type(symbolic_link::SYMBOLIC_LINK);
        let event = self.add_type(event::EVENT);
        let _ = self.own.set(OwnTypes { kind, directory, symbolic_link, event });
        for each in [kind, directory, symbolic_link, event] {
            // Kept by the namespace once there is one.
            let _ = each.publish(kind)?.into_raw();
        }
        Ok(())
    }

    fn make_directories(&self) -> Result<Result<(), NtStatus>, Raise> {
        let root = match namespace::new_directory() {
            Ok(root) => root.into_raw(),
            Err(status) => return Ok(Err(status)),
        };
        let _ = self.root.set(root);
        for name in [
            r"\ObjectTypes",
            r"\??",
            r"\Device",
            r"\Driver",
            r"\FileSystem",
            r"\FileSystem\Filters",
            r"\BaseNamedObjects",
            r"\KernelObjects",
            r"\Callback",
            r"\Security",
        ] {
            if let Err(status) = crate::ob_create_directory(&units(name))? {
                return Ok(Err(status));
            }
        }
        for (name, target) in [(r"\DosDevices", r"\??"), (r"\GLOBAL??", r"\??"), (r"\??\GLOBALROOT", "")] {
            if let Err(status) = crate::ob_create_symbolic_link(&units(name), &units(target))? {
                return Ok(Err(status));
            }
        }
        for kind in self.types() {
            if let Err(status) = Self::name_type(kind)? {
                return Ok(Err(status));
            }
        }
        Ok(Ok(()))
    }

    fn name_type(kind: &'static ObjectType) -> Result<Result<(), NtStatus>, Raise> {
        let name = units(&format!(r"\ObjectTypes\{}", kind.name()));
        let attributes = ObjectAttributes::named(&name, OBJ_CASE_INSENSITIVE | OBJ_PERMANENT);
        Ok(crate::ob_insert_named(kind.address(), &attributes, 0)?.map(|_| ()))
    }

    fn add_type(&self, description: TypeDescription) -> &'static ObjectType {
        let kind = Box::new(ObjectType::new(description));
        let address = std::ptr::from_ref(&*kind);
        self.types.lock().push(kind);
        // SAFETY: the box stays in the list, unmoved, until the machine goes.
        unsafe { &*address }
    }

    pub(crate) fn create_type(&self, description: TypeDescription) -> Result<&'static ObjectType, NtStatus> {
        let kind = self.add_type(description);
        let _ = kind.publish(self.own().kind)?.into_raw();
        match Self::name_type(kind) {
            Ok(Ok(())) => Ok(kind),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(NtStatus::INSUFFICIENT_RESOURCES),
        }
    }

    pub(crate) fn types(&self) -> Vec<&'static ObjectType> {
        // SAFETY: as in `add_type`.
        self.types.lock().iter().map(|kind| unsafe { &*std::ptr::from_ref(&**kind) }).collect()
    }

    pub(crate) fn own(&self) -> &OwnTypes {
        self.own.get().expect("the object manager has booted")
    }

    /// The root directory, referenced.
    pub(crate) fn root(&self) -> ObjectRef {
        ObjectRef::take(*self.root.get().expect("the object manager has booted"))
    }
}
