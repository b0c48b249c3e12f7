//! The registry: a tree of keys in memory, reached through the object namespace.
//!
//! ```text
//! \Registry (a Key object) ──parse──► Tree: machine-wide nodes ──► Key object per open
//! ```
//!
//! Owns: the tree, the Key type, and the exact lengths and statuses of the query services. Names compare without
//! case; subkeys are enumerated in name order, values in order of creation. `CurrentControlSet` is a link to
//! `ControlSet001`.
//!
//! Refuses: hives on disk, transactions, notification (`ZwNotifyChangeKey`), registry callbacks, security on keys.

#![forbid(unsafe_code)]

mod boot;
mod information;
mod key;
mod query_table;
mod services;
mod store;
mod subsystem;
mod tree;

pub use key::{CreateKey, Disposition, KeyHandle};
pub use query_table::{cm_base_path, cm_query_table};
pub use services::{
    cm_create_key, cm_delete_key, cm_delete_value_key, cm_enumerate_key, cm_enumerate_value_key,
    cm_flush_key, cm_key_type, cm_open_key, cm_query_key, cm_query_value_key, cm_set_value_key,
};
pub use store::{cm_delete_path, cm_get, cm_set, cm_subkeys, cm_value_names, cm_values};
pub use subsystem::Cm;
pub use tree::Value;
