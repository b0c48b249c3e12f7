//! Data that drivers import: variables with a value of each machine.

use std::sync::atomic::{AtomicU32, Ordering};

use nt_abi::NtStatus;
use nt_ke::{Core, Lock, Rank, Subsystem, current_core};

/// The variables of one machine, by name.
pub(crate) struct Data {
    addresses: Lock<Vec<(&'static str, usize)>>,
    /// What `rand` goes on from.
    random: AtomicU32,
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
    ("TmTransactionObjectType", "type of transactions"),
    ("IoDriverObjectType", "type of driver objects"),
    ("IoDeviceObjectType", "type of device objects"),
    ("PsProcessType", "type of processes"),
    ("PsThreadType", "type of threads"),
    ("ExEventObjectType", "type of events"),
    ("CmKeyObjectType", "type of registry keys"),
    ("MmSectionObjectType", "type of sections"),
    ("PsInitialSystemProcess", "the System process"),
    ("NtBuildNumber", "26100"),
    ("KeNumberProcessors", "virtual processors"),
    ("InitSafeBootMode", "0"),
    ("KdDebuggerEnabled", "0"),
    ("KdDebuggerNotPresent", "1"),
    ("SeTokenObjectType", "type of tokens"),
    ("SeExports", "well-known privileges and identifiers"),
    ("NlsMbCodePageTag", "0: one byte a character"),
    ("NlsMbOemCodePageTag", "0: one byte a character"),
    ("NlsOemLeadByteInfo", "256 zeroes: no lead bytes"),
    ("NlsAnsiCodePage", "1252"),
    ("NlsOemCodePage", "437"),
    ("NtGlobalFlag", "0"),
    ("FsRtlLegalAnsiCharacterArray", "which names may hold each ASCII character"),
];

const TAG: u32 = u32::from_le_bytes(*b"AExp");

/// Bytes in pool, for the life of the machine.
fn table(bytes: &[u8]) -> Result<usize, NtStatus> {
    let block = nt_ex::pool::allocate_engine(nt_ex::pool::PoolKind::NonPaged, bytes.len(), TAG)
        .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
    let _ = boundary::copy::write(block.as_ptr() as usize, bytes);
    Ok(block.as_ptr() as usize)
}

/// `SE_EXPORTS`: privileges as LUIDs, then identifiers by pointer, in groups as versions of Windows added them.
fn well_known() -> Result<usize, NtStatus> {
    let sid = |authority: u8, subs: &[u32]| table(nt_se::Sid::new(authority, subs).bytes());
    let alias = |number: u32| sid(5, &[32, number]);
    let level = |level: u32| sid(16, &[level]);
    let mut words: Vec<u64> =
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 14, 11, 12, 13, 16, 17, 18, 19, 20, 21, 22, 23, 24].into();
    let mut put = |address: Result<usize, NtStatus>| address.map(|address| words.push(address as u64));
    for (authority, number) in [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1)] {
        put(sid(authority, &[number]))?;
    }
    put(sid(5, &[]))?;
    for number in [1, 2, 3, 4, 18] {
        put(sid(5, &[number]))?;
    }
    for number in [544, 545, 546, 547, 548, 549, 550, 551] {
        put(alias(number))?;
    }
    for number in [11, 12, 7] {
        put(sid(5, &[number]))?;
    }
    words.extend([25, 26, 27]);
    let mut put = |address: Result<usize, NtStatus>| address.map(|address| words.push(address as u64));
    put(sid(5, &[19]))?;
    put(sid(5, &[20]))?;
    words.extend([28, 29, 30, 31, 32, 33, 34, 35]);
    let mut put = |address: Result<usize, NtStatus>| address.map(|address| words.push(address as u64));
    put(sid(5, &[17]))?;
    for number in [0, 0x1000, 0x2000, 0x3000, 0x4000] {
        put(level(number))?;
    }
    put(sid(3, &[4]))?;
    put(sid(15, &[2, 1]))?;
    table(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
}

/// Lays the variables out in fresh pool.
pub(crate) fn initialize(core: &Core) -> Result<(), NtStatus> {
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
            "TmTransactionObjectType" => nt_tm::tm_transaction_type().address(),
            "IoDriverObjectType" => io.driver_type().address(),
            "IoDeviceObjectType" => io.device_type().address(),
            "PsProcessType" => ps.process_type().address(),
            "PsThreadType" => ps.thread_type().address(),
            "ExEventObjectType" => nt_ob::ob_event_type().address(),
            "CmKeyObjectType" => nt_cm::cm_key_type().address(),
            "MmSectionObjectType" => nt_section::mm_section_type().address(),
            "PsInitialSystemProcess" => ps.system_process(),
            "NtBuildNumber" => 26100,
            "KeNumberProcessors" => core.config.processors as usize,
            "KdDebuggerNotPresent" => 1,
            "SeTokenObjectType" => core.get::<nt_se::Se>().token_type().address(),
            "SeExports" => well_known()?,
            "NlsOemLeadByteInfo" => table(&[0; 512])?,
            "NlsAnsiCodePage" => 1252,
            "NlsOemCodePage" => 437,
            "FsRtlLegalAnsiCharacterArray" => table(&nt_fsrtl::LEGAL_ANSI_CHARACTERS)?,
            _ => 0,
        };
        let address = base + index * 16;
        let _ = boundary::copy::write_value(address, value as u64);
        addresses.push((*name, address));
    }
    core.install(Box::new(Data { addresses: Lock::new(Rank::Leaf, addresses), random: AtomicU32::new(1) }));
    Ok(())
}

/// Address of a variable in the current machine.
pub(crate) fn find(name: &str) -> Option<usize> {
    let data = current_core().try_get::<Data>()?;
    data.addresses.lock().iter().find(|(known, _)| *known == name).map(|(_, address)| *address)
}

/// The next number of the machine's sequence (0 to 32767), or the sequence begins anew. Source: rand, srand
pub(crate) fn random(seed: Option<u32>) -> i32 {
    let state = &current_core().get::<Data>().random;
    if let Some(seed) = seed {
        state.store(seed, Ordering::Relaxed);
        return 0;
    }
    let next = |before: u32| before.wrapping_mul(214_013).wrapping_add(2_531_011);
    let before = state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| Some(next(before)));
    (next(before.unwrap_or_default()) >> 16 & 0x7FFF) as i32
}
