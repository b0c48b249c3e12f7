//! The program as users run it: exit codes, messages, results.
//!
//! Drivers come from `ALTIMETER_DRIVERS`, else from the committed `drivers/bin`.

mod bad_driver;
mod bad_volume;
mod build;
mod cipher;
mod crash;
mod explore;
mod support;
mod usage;
mod workloads;
