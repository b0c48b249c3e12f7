//! What filters ask the manager for, above a file system that notes every request and answers as a test says.
//!
//! Two filters stand on the volume: `asker`, for which the routines are called, and below it `watcher`, whose callbacks tell
//! what a filter sees of the operations that another one issues.

mod contexts;
mod controls;
mod files;
mod names;
mod provider;
mod requests;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod transactions;
mod transfers;
mod work;
