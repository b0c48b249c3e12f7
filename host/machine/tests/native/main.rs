//! Documented behaviour as native driver code sees it.
//!
//! The sample driver `iopbtest` runs in the modes that its registry values choose and records what each callback
//! was given; the tests here drive operations and compare. `swaptest` checks what filters that swap buffers and use contexts
//! are promised. Rows of the ledgers are cited in each test.

mod attachment;
mod below;
mod buffers;
mod caching;
mod cancelling;
mod contexts;
mod crashes;
mod exceptions;
mod fast_io;
mod fs_filter;
mod issued;
mod levels;
mod lookups;
mod mapped;
mod name_rules;
mod names;
mod objects;
mod other_volume;
mod parameter_block;
mod pended;
mod post_operation;
mod pre_operation;
mod recorded;
mod registration;
mod reparse;
mod replay;
mod resources;
mod security;
mod short_names;
mod stopping;
mod support;
mod tracker;
mod transactions;
mod tunnel;
