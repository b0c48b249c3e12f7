//! Altimeter as a library: a whole simulated Windows around a volume and its minifilters.
//!
//! ```no_run
//! use altimeter::{DriverSource, Machine, Options, session::OpenRequest, utf16};
//!
//! let machine = Machine::boot(Options::default())?;
//! machine.load(&DriverSource::from_path("mydriver.sys".as_ref())?)?;
//! let status = machine.run(|session| {
//!     let name = utf16("\\hello.txt");
//!     let request = OpenRequest::on_volume(&name).disposition(nt_abi::FILE_CREATE);
//!     session.open(&request)?.map(|opened| session.close(opened.handle)).err().map_or(Ok(None), |s| Ok(Some(s)))
//! });
//! assert_eq!(status, Ok(None));
//! assert!(machine.report().findings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate is the only one that sees all others. It boots them in order, loads drivers, puts symbols to the
//! addresses in findings and bug checks, and speaks to the volume as a program does.

#![forbid(unsafe_code)]

mod boot;
mod instances;
mod loading;
mod machine;
mod mapping;
mod recorder;
pub mod report;
mod self_test;
pub mod session;
mod setting;
mod source;
pub mod trace;
pub mod workload;

pub use boot::{BootError, Options, VolumeSource};
pub use boundary::{Event, Observer};
pub use exports;
pub use inf_file::{RegistryData, ServiceDefinition};
pub use machine::{LoadError, Machine};
pub use mapping::MappedFile;
pub use nt_abi::NtStatus;
pub use nt_cc::{CacheLimits, CacheStatistics};
pub use nt_ke::scheduler::Schedule;
pub use report::Report;
pub use self_test::{SelfCheck, SelfTest};
pub use session::{Session, Stopped};
pub use setting::Setting;
pub use source::DriverSource;

/// UTF-16 units of a text, as NT names are.
pub fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}
