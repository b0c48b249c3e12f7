//! Documented behaviour as native driver code sees it.
//!
//! The sample driver `iopbtest` runs in the modes that its registry values choose and records what each callback
//! was given; the tests here drive operations and compare. Rows of the ledgers are cited in each test.

mod attachment;
mod caching;
mod crashes;
mod fast_io;
mod parameter_block;
mod post_operation;
mod pre_operation;
mod registration;
mod stopping;
mod support;
