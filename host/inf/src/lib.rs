//! Reads Windows INF files, as far as minifilters use them: which service, which binary, which registry values.
//!
//! What it owns: the INF grammar ([`Inf::parse`]: encodings, quoting, continuation, `%strings%`) and the way from
//! `[DefaultInstall…]` to the values that Windows would write under the service key ([`Inf::driver_service`]), with the
//! filter instances in them ([`ServiceDefinition::instances`]).
//!
//! ```text
//! bytes -> decode -> logical lines -> sections, strings substituted -> install section -> service -> AddReg rows
//! ```
//!
//! What it refuses: copying files, catalogues, device models (`[Manufacturer]`), uninstallation. It does not panic on
//! any input; an [`InfError`] names file, line and what to do next.
#![forbid(unsafe_code)]

mod decode;
mod error;
mod file;
mod install;
mod instance;
mod line;
mod number;
mod registry;
mod service;
mod strings;

pub use error::{InfError, InfErrorKind};
pub use file::{Entry, Inf, Section};
pub use install::OsVersion;
pub use instance::InstanceDefinition;
pub use registry::{RegistryData, RegistryValue, Root};
pub use service::ServiceDefinition;
