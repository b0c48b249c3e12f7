//! Objects: headers, types, references, handles and the namespace.
//!
//! ```text
//! block: Header | body            the body's address is what drivers hold
//!        magic, type, pointer count, handle count
//! Ob ──owns──► types              each has an object of its own in \ObjectTypes
//!    ──owns──► Namespace          directories, names of objects, targets of symbolic links; one lock
//!    ──owns──► handle tables      one per process, one for the kernel
//!
//! created ──handles──► last handle: close procedure, a temporary name goes
//!         ──references──► last reference: delete procedure, memory goes
//! ```
//!
//! An object is an address (`usize`) of its body, as for drivers. [`object_from`] checks one that a driver gave:
//! a stale or wrong one is a bug check. [`ObjectRef`] owns one reference.
//!
//! Procedures of types run with no lock held. Name parsing asks the type of each object on the way: a directory
//! is searched, an object whose type has a parse procedure gets the rest of the name, a symbolic link (and any
//! parse procedure) may start the walk again at the root.
//!
//! It refuses to decide about access: what is asked for, with the generic rights of the type mapped, is granted.
//! `nt-se` checks descriptors for those who keep some.
//!
//! UNSAFETY: object headers and bodies are machine memory found by address; modules that touch it say why.

mod attributes;
mod event;
mod handle;
mod header;
mod lookup;
mod name;
mod namespace;
mod object;
mod subsystem;
mod symbolic_link;
mod types;
mod wait;

pub use attributes::ObjectAttributes;
pub use event::{EventChange, ob_change_event, ob_create_event, ob_event_type};
pub use handle::{
    HandleInformation, OpenHandle, ob_close_all_handles, ob_close_handle, ob_create_handle,
    ob_create_handle_table, ob_delete_handle_table, ob_duplicate_handle, ob_is_kernel_handle,
    ob_open_handles, ob_open_kernel_handles, ob_reference_by_handle,
};
pub use lookup::{ob_lookup, ob_open_by_name, ob_reference_by_name};
pub use name::{ob_query_name, ob_query_name_string, upcase};
pub use namespace::{
    ob_create_directory, ob_directory_entries, ob_directory_type, ob_insert_named, ob_make_temporary,
};
pub use object::{
    ObjectRef, ob_adopt_object, ob_create, ob_create_object, ob_dereference, ob_handle_count, ob_object_type,
    ob_open_by_pointer, ob_pointer_count, ob_reference, ob_reference_by_pointer, ob_reference_safe,
    ob_validate, object_from,
};
pub use subsystem::Ob;
pub use symbolic_link::{
    ob_create_symbolic_link, ob_delete_symbolic_link, ob_query_symbolic_link, ob_symbolic_link_target,
    ob_symbolic_link_type,
};
pub use types::{
    Mapping, ObjectType, ParseProcedure, ParseRequest, Parsed, QueryNameProcedure, TypeDescription,
    ob_create_type, ob_type_at,
};
pub use wait::{ob_wait_for_object, ob_waitable};

/// Units of a string.
pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}
