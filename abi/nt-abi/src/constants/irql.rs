//! Interrupt request levels of x64.

/// `PASSIVE_LEVEL`.
pub const PASSIVE_LEVEL: u8 = 0;
/// `LOW_LEVEL`.
pub const LOW_LEVEL: u8 = 0;
/// `APC_LEVEL`.
pub const APC_LEVEL: u8 = 1;
/// `DISPATCH_LEVEL`.
pub const DISPATCH_LEVEL: u8 = 2;
/// `CMCI_LEVEL`.
pub const CMCI_LEVEL: u8 = 5;
/// `CLOCK_LEVEL`.
pub const CLOCK_LEVEL: u8 = 0xd;
/// `IPI_LEVEL`.
pub const IPI_LEVEL: u8 = 0xe;
/// `DRS_LEVEL`.
pub const DRS_LEVEL: u8 = 0xe;
/// `POWER_LEVEL`.
pub const POWER_LEVEL: u8 = 0xe;
/// `PROFILE_LEVEL`.
pub const PROFILE_LEVEL: u8 = 0xf;
/// `HIGH_LEVEL`.
pub const HIGH_LEVEL: u8 = 0xf;
