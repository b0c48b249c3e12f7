//! The run-time library: counted strings, case, conversions, time fields, printf.
//!
//! Strings lie in drivers' memory: a [`UnicodeStr`] or [`AnsiStr`] names one and copies its units out
//! through fault-safe copies, so a bad pointer is an error and no crash of the engine.
//!
//! Refuses: name expressions (nt-fsrtl), registry (nt-cm).
//!
//! UNSAFETY: none here; addresses are touched by `boundary::copy` only.
#![forbid(unsafe_code)]

pub mod ansi;
pub mod bitmap;
pub mod case;
pub mod format;
pub mod guid;
pub mod integer;
pub mod memory;
pub mod net;
pub mod number;
pub mod oem;
pub mod short_name;
pub mod string;
pub mod table;
pub mod time;
pub mod utf8;
pub mod version;

pub use case::{downcase, upcase};
pub use string::{AnsiStr, UnicodeStr};
