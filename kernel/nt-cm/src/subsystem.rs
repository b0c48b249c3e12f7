//! The registry of a machine, and how it starts.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use boundary::Raise;
use nt_abi::{NtStatus, OBJ_CASE_INSENSITIVE, OBJ_PERMANENT};
use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem};
use nt_ob::{
    ObjectAttributes, ObjectRef, ObjectType, ob_create_object, ob_create_type, ob_insert_named, units,
};

use crate::key::KEY;
use crate::tree::{KeyId, ROOT, Tree};

/// What the registry's lock guards.
pub(crate) struct Registry {
    pub(crate) tree: Tree,
    /// Key objects and the keys that they are opens of.
    pub(crate) opens: BTreeMap<usize, KeyId>,
}

/// The registry.
pub struct Cm {
    key_type: OnceLock<&'static ObjectType>,
    pub(crate) registry: Lock<Registry>,
}

impl Subsystem for Cm {
    const INDEX: usize = index::CM;
}

/// The registry of the current machine.
pub(crate) fn cm() -> &'static Cm {
    nt_ke::subsystem::<Cm>()
}

impl Cm {
    /// Installs the registry with what a machine starts with. In an attached thread, after `Ob::boot`.
    ///
    /// Errors: InsufficientResources
    pub fn boot(core: &Core) -> Result<Result<(), NtStatus>, Raise> {
        let cm = core.install(Box::new(Self {
            key_type: OnceLock::new(),
            registry: Lock::new(Rank::CmRegistry, Registry { tree: Tree::new(), opens: BTreeMap::new() }),
        }));
        let made = ob_create_type(KEY).and_then(|kind| {
            let _ = cm.key_type.set(kind);
            new_key(ROOT)
        });
        let root = match made {
            Ok(root) => root,
            Err(status) => return Ok(Err(status)),
        };
        let attributes = ObjectAttributes::named(&units(r"\REGISTRY"), OBJ_CASE_INSENSITIVE | OBJ_PERMANENT);
        if let Err(status) = ob_insert_named(root.address(), &attributes, 0)? {
            return Ok(Err(status));
        }
        Ok(crate::boot::fill())
    }

    /// The type of keys: `*CmKeyObjectType`.
    pub fn key_type(&self) -> &'static ObjectType {
        self.key_type.get().expect("the registry has booted")
    }
}

/// A key object for `id`.
pub(crate) fn new_key(id: KeyId) -> Result<ObjectRef, NtStatus> {
    let object = ObjectRef::from_raw(ob_create_object(cm().key_type(), 64)?);
    cm().registry.lock().opens.insert(object.address(), id);
    Ok(object)
}
