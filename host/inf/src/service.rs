//! The service that an INF installs.

use crate::number::parse_u32;
use crate::strings::has_unknown_token;
use crate::{Entry, Inf, InfError, InfErrorKind, OsVersion, RegistryValue, Root, Section, install, registry};

/// A driver service, as Windows would create it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDefinition {
    /// Name of the service key.
    pub name: String,
    /// Name for people.
    pub display_name: Option<String>,
    /// Description for people.
    pub description: Option<String>,
    /// File name of the driver, without its directory.
    pub binary: Option<String>,
    /// `SERVICE_*` type: 1 kernel driver, 2 file system driver.
    pub service_type: u32,
    /// 0 boot, 1 system, 2 automatic, 3 on demand, 4 disabled.
    pub start_type: u32,
    /// 0 ignore, 1 normal, 2 severe, 3 critical.
    pub error_control: u32,
    /// Load order group, such as `FSFilter Activity Monitor`.
    pub load_order_group: Option<String>,
    /// Services (or `+group`) that must be started before.
    pub dependencies: Vec<String>,
    /// Values to be written; [`Root::Hkr`] is the service key.
    pub registry: Vec<RegistryValue>,
}

impl Inf {
    /// The service that this INF installs on x64 Windows 11 24H2.
    ///
    /// Errors: no install section for x64, no AddService, sections or entries missing, numbers that are none
    pub fn driver_service(&self) -> Result<ServiceDefinition, InfError> {
        self.driver_service_for(OsVersion::WINDOWS_11_24H2)
    }

    /// The service that this INF installs on x64 Windows of that version.
    ///
    /// Errors: as [`Inf::driver_service`]
    pub fn driver_service_for(&self, version: OsVersion) -> Result<ServiceDefinition, InfError> {
        let candidates = install::candidates(self, version)?;
        for candidate in &candidates {
            let mut services = Vec::new();
            for entry in candidate.add_service() {
                if !entry.value(0).is_empty() {
                    services.push(self.service(entry)?);
                }
            }
            // A package may install a user-mode service too; the driver is the one that counts.
            let driver = services.iter().position(|service| service.service_type & 0x3 != 0);
            if services.is_empty() {
                continue;
            }
            let mut service = services.swap_remove(driver.unwrap_or(0));
            if let Some(section) = candidate.section {
                // Outside a service section HKR is not the service key: only absolute rows count.
                self.add_registry(section, |root| root != Root::Hkr, &mut service.registry)?;
            }
            return Ok(service);
        }
        let names = candidates.iter().flat_map(|candidate| [candidate.services, candidate.section]);
        let searched = names.flatten().map(|section| section.name.clone()).collect();
        Err(self.error(None, InfErrorKind::NoService { searched }))
    }

    fn service(&self, add_service: &Entry) -> Result<ServiceDefinition, InfError> {
        let here = Some(add_service.line);
        let name = add_service.value(0);
        if has_unknown_token(name) {
            return Err(self.error(here, InfErrorKind::UnknownToken { text: name.to_owned() }));
        }
        let section_name = add_service.value(2);
        if section_name.is_empty() {
            return Err(self.error(here, InfErrorKind::IncompleteAddService));
        }
        let section = self.named_section(section_name, "AddService", add_service.line)?;
        let mut registry = Vec::new();
        self.add_registry(section, |_| true, &mut registry)?;
        Ok(ServiceDefinition {
            name: name.to_owned(),
            display_name: text(section, "DisplayName"),
            description: text(section, "Description"),
            binary: self.binary(section)?,
            service_type: self.number(section, "ServiceType", here)?,
            start_type: self.number(section, "StartType", here)?,
            error_control: self.number(section, "ErrorControl", here)?,
            load_order_group: text(section, "LoadOrderGroup"),
            dependencies: list(section, "Dependencies").map(|(_, name)| name.to_owned()).collect(),
            registry,
        })
    }

    fn binary(&self, section: &Section) -> Result<Option<String>, InfError> {
        let Some(entry) = section.entry("ServiceBinary") else { return Ok(None) };
        let file = entry.value(0).rsplit(['\\', '/']).next().unwrap_or("");
        if has_unknown_token(file) {
            return Err(self.error(Some(entry.line), InfErrorKind::UnknownToken { text: file.to_owned() }));
        }
        Ok((!file.is_empty()).then(|| file.to_owned()))
    }

    fn number(
        &self,
        section: &Section,
        key: &'static str,
        add_service: Option<u32>,
    ) -> Result<u32, InfError> {
        let Some(entry) = section.entry(key) else {
            return Err(
                self.error(add_service, InfErrorKind::MissingEntry { section: section.name.clone(), key })
            );
        };
        let text = entry.value(0);
        parse_u32(text).ok_or_else(|| {
            self.error(Some(entry.line), InfErrorKind::BadNumber { what: key, text: text.to_owned() })
        })
    }

    fn add_registry(
        &self,
        section: &Section,
        keep: impl Fn(Root) -> bool + Copy,
        registry: &mut Vec<RegistryValue>,
    ) -> Result<(), InfError> {
        for (line, name) in list(section, "AddReg") {
            registry::apply(self, self.named_section(name, "AddReg", line)?, keep, registry)?;
        }
        Ok(())
    }

    fn named_section(&self, name: &str, directive: &'static str, line: u32) -> Result<&Section, InfError> {
        self.section(name).ok_or_else(|| {
            self.error(Some(line), InfErrorKind::MissingSection { name: name.to_owned(), directive })
        })
    }
}

fn text(section: &Section, key: &str) -> Option<String> {
    section.entry(key).map(|entry| entry.value(0)).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// All values of all entries with that key, with their lines.
fn list<'a>(section: &'a Section, key: &'a str) -> impl Iterator<Item = (u32, &'a str)> {
    let values = section
        .entries_of(key)
        .flat_map(|entry| entry.values.iter().map(move |value| (entry.line, value.as_str())));
    values.filter(|(_, value)| !value.is_empty())
}
