//! Instances as the registry defines them.
//!
//! ```text
//! Services\<name>\Instances             DefaultInstance (REG_SZ)
//! Services\<name>\Parameters\Instances  the same, as newer INF files write it
//!   <instance>                          Altitude (REG_SZ), Flags (REG_DWORD)
//! ```
//!
//! Owns: reading both places. Statements: ATT-09, ATT-10, REG-12.

use nt_abi::NtStatus;

use crate::altitude::Altitude;
use crate::registry;
use crate::text::{equal_ignoring_case, wide};

/// Flags bit of an instance: no automatic attachment.
pub const NO_AUTOMATIC_ATTACHMENT: u32 = 1;

/// One instance definition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Name of the subkey.
    pub name: Vec<u16>,
    /// Where it attaches.
    pub altitude: Altitude,
    /// Bit 0: no automatic attachment.
    pub flags: u32,
}

/// All of a filter's instances.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// The one that `FltAttachVolume` takes without a name.
    pub default: Option<Vec<u16>>,
    /// In the order of the registry.
    pub instances: Vec<Definition>,
}

impl Definitions {
    /// The definition called `name`, or the default one.
    pub fn find(&self, name: Option<&[u16]>) -> Option<&Definition> {
        let name = name.or(self.default.as_deref())?;
        self.instances.iter().find(|d| equal_ignoring_case(&d.name, name))
    }

    /// The altitude by which the filter is ordered where it has no instance.
    pub fn default_altitude(&self) -> Option<&Altitude> {
        self.find(None).or(self.instances.first()).map(|d| &d.altitude)
    }
}

/// Reads the definitions of the service `name`.
///
/// Errors: OBJECT_NAME_NOT_FOUND (no service key, or no instance in either place)
pub fn read(name: &[u16]) -> Result<Definitions, NtStatus> {
    let service =
        [wide("\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"), name.to_vec()].concat();
    let mut definitions = Definitions::default();
    for place in ["\\Instances", "\\Parameters\\Instances"] {
        let key = [service.clone(), wide(place)].concat();
        if definitions.default.is_none() {
            definitions.default = registry::string(&key, "DefaultInstance");
        }
        for instance in registry::subkeys(&key) {
            if definitions.instances.iter().any(|d| equal_ignoring_case(&d.name, &instance)) {
                continue;
            }
            let subkey = [key.clone(), wide("\\"), instance.clone()].concat();
            let Some(altitude) =
                registry::string(&subkey, "Altitude").and_then(|text| Altitude::parse_wide(&text).ok())
            else {
                continue;
            };
            let flags = registry::dword(&subkey, "Flags").unwrap_or(0);
            definitions.instances.push(Definition { name: instance, altitude, flags });
        }
    }
    if definitions.instances.is_empty() { Err(NtStatus::OBJECT_NAME_NOT_FOUND) } else { Ok(definitions) }
}
