//! Data that drivers import: variables with a value of each machine.

use nt_abi::NtStatus;
use nt_ke::{Core, Lock, Rank, Subsystem, current_core};

/// The variables of one machine, by name.
pub(crate) struct Data {
    addresses: Lock<Vec<(&'static str, usize)>>,
}

impl Subsystem for Data {
    const INDEX: usize = nt_ke::core::index::EXPORTS;
}

/// Names of the variables that drivers import, and what they are.
pub const DATA: &[(&str, &str)] = &[
    ("MmSystemRangeStart", "lowest kernel address"),
    ("MmHighestUserAddress", "highest user address"),
    ("MmUserProbeAddress", "user addresses lie below"),
    ("IoFileObjectType", "type of file objects"),
    ("IoDriverObjectType", "type of driver objects"),
    ("IoDeviceObjectType", "type of device objects"),
    ("PsProcessType", "type of processes"),
    ("PsThreadType", "type of threads"),
    ("ExEventObjectType", "type of events"),
    ("CmKeyObjectType", "type of registry keys"),
    ("PsInitialSystemProcess", "the System process"),
    ("NtBuildNumber", "26100"),
    ("KeNumberProcessors", "virtual processors"),
    ("InitSafeBootMode", "0"),
    ("KdDebuggerEnabled", "0"),
    ("KdDebuggerNotPresent", "1"),
];

/// Lays the variables out in fresh pool.
pub(crate) fn initialize(core: &Core) -> Result<(), NtStatus> {
    const TAG: u32 = u32::from_le_bytes(*b"AExp");
    let block = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, DATA.len() * 16, TAG)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let base = block.as_ptr() as usize;
    let io = core.get::<nt_io::Io>();
    let ps = core.get::<nt_ps::Ps>();
    let mut addresses = Vec::new();
    for (index, (name, _)) in DATA.iter().enumerate() {
        let value = match *name {
            "MmSystemRangeStart" => core.slot.system_range_start(),
            "MmHighestUserAddress" => core.slot.user_probe_address() - 1,
            "MmUserProbeAddress" => core.slot.user_probe_address(),
            "IoFileObjectType" => io.file_type().address(),
            "IoDriverObjectType" => io.driver_type().address(),
            "IoDeviceObjectType" => io.device_type().address(),
            "PsProcessType" => ps.process_type().address(),
            "PsThreadType" => ps.thread_type().address(),
            "ExEventObjectType" => nt_ob::ob_event_type().address(),
            "CmKeyObjectType" => nt_cm::cm_key_type().address(),
            "PsInitialSystemProcess" => ps.system_process(),
            "NtBuildNumber" => 26100,
            "KeNumberProcessors" => core.config.processors as usize,
            "KdDebuggerNotPresent" => 1,
            _ => 0,
        };
        let address = base + index * 16;
        let _ = boundary::copy::write_value(address, value as u64);
        addresses.push((*name, address));
    }
    core.install(Box::new(Data { addresses: Lock::new(Rank::Leaf, addresses) }));
    Ok(())
}

/// Address of a variable in the current machine.
pub(crate) fn find(name: &str) -> Option<usize> {
    let data = current_core().try_get::<Data>()?;
    data.addresses.lock().iter().find(|(known, _)| *known == name).map(|(_, address)| *address)
}
