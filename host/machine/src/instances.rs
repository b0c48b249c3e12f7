//! Instances and filters that come and go while the machine runs, as an administrator's commands do it.

use fltmgr::{Filter, Volume};
use nt_abi::NtStatus;
use std::sync::Arc;

use crate::machine::Machine;
use crate::session::Stopped;
use crate::utf16;

type Found = Result<(Arc<Filter>, Arc<Volume>), NtStatus>;

fn find(driver: &str, volume: usize) -> Result<Found, Stopped> {
    let Some(filter) = fltmgr::flt().filter_named(&utf16(driver)) else {
        return Ok(Err(NtStatus::FLT_FILTER_NOT_FOUND));
    };
    let name = utf16(&format!(r"\Device\HarddiskVolume{}", volume + 1));
    Ok(fltmgr::lookup::volume_named(&name)?.map(|volume| (filter, volume)))
}

fn status<T>(result: Result<T, NtStatus>) -> NtStatus {
    result.err().unwrap_or(NtStatus::SUCCESS)
}

impl Machine {
    /// Runs `f` in kernel mode: in this thread if it is one of the machine's.
    fn in_kernel<R>(&self, f: impl FnOnce() -> Result<R, Stopped>) -> Result<R, Stopped> {
        if boundary::try_current().is_some() { f() } else { self.run_in_system(f) }
    }

    /// Attaches an instance of a loaded filter to volume `volume` (from 0): the one of that name from its registry key, or
    /// the default one; with `altitude` a new one there. Works in threads of the machine and outside.
    ///
    /// Returns: what `FltAttachVolume` or `FltAttachVolumeAtAltitude` answers
    pub fn attach_instance(
        &self,
        driver: &str,
        volume: usize,
        altitude: Option<&str>,
        name: Option<&str>,
    ) -> Result<NtStatus, Stopped> {
        let name = name.map(utf16);
        self.in_kernel(|| {
            let (filter, volume) = match find(driver, volume)? {
                Ok(found) => found,
                Err(status) => return Ok(status),
            };
            Ok(status(match altitude {
                Some(altitude) => fltmgr::flt_attach_volume_at_altitude(
                    &filter,
                    &volume,
                    &utf16(altitude),
                    name.as_deref(),
                )?,
                None => fltmgr::flt_attach_volume(&filter, &volume, name.as_deref())?,
            }))
        })
    }

    /// Detaches an instance: the one of that name, or the filter's highest. As [`Machine::attach_instance`].
    ///
    /// Returns: what `FltDetachVolume` answers
    pub fn detach_instance(
        &self,
        driver: &str,
        volume: usize,
        name: Option<&str>,
    ) -> Result<NtStatus, Stopped> {
        let name = name.map(utf16);
        self.in_kernel(|| match find(driver, volume)? {
            Ok((filter, volume)) => Ok(fltmgr::flt_detach_volume(&filter, &volume, name.as_deref())?),
            Err(status) => Ok(status),
        })
    }
}
