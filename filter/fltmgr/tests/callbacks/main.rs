//! What callbacks may do, one thing at a time: three filters above a file system, all of them closures of the test.

mod answers;
mod changes;
mod harness;
mod held;
mod operations;
mod parked;
mod queues;
mod redirected;
#[path = "../support/mod.rs"]
mod support;
mod swapped;
mod watched;
