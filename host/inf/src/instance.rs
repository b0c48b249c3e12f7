//! Filter instances among the registry values of a service.

use crate::file::same_name;
use crate::{RegistryData, RegistryValue, Root, ServiceDefinition};

/// One instance of a minifilter, as the filter manager finds it in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceDefinition {
    /// Name of its key.
    pub name: String,
    /// Altitude; `None` when the INF gives none, and then the instance cannot be attached.
    pub altitude: Option<String>,
    /// 0x1: not attached automatically; 0x2: not attached manually.
    pub flags: u32,
    /// Whether `DefaultInstance` names it.
    pub default: bool,
}

/// Where instances stand, the newer place first.
const PLACES: [&str; 2] = ["Parameters\\Instances", "Instances"];

impl ServiceDefinition {
    /// The instances in order of first appearance. What `Parameters\Instances` says wins over `Instances`.
    ///
    /// Source: ATT-09
    pub fn instances(&self) -> Vec<InstanceDefinition> {
        let default = self.default_instance();
        let mut instances: Vec<(InstanceDefinition, bool)> = Vec::new();
        for place in PLACES {
            for value in &self.registry {
                let Some(name) = self.below_service(value).and_then(|subkey| child(subkey, place)) else {
                    continue;
                };
                let index = instances.iter().position(|(known, _)| same_name(&known.name, name));
                let index = index.unwrap_or_else(|| {
                    let definition = InstanceDefinition {
                        name: name.to_owned(),
                        altitude: None,
                        flags: 0,
                        default: default.is_some_and(|default| same_name(default, name)),
                    };
                    instances.push((definition, false));
                    instances.len() - 1
                });
                let Some((instance, has_flags)) = instances.get_mut(index) else { continue };
                match &value.data {
                    RegistryData::Sz(text) | RegistryData::ExpandSz(text)
                        if same_name(&value.name, "Altitude") && instance.altitude.is_none() =>
                    {
                        instance.altitude = Some(text.clone()).filter(|text| !text.is_empty());
                    }
                    RegistryData::Dword(flags) if same_name(&value.name, "Flags") && !*has_flags => {
                        (instance.flags, *has_flags) = (*flags, true);
                    }
                    _ => {}
                }
            }
        }
        instances.into_iter().map(|(instance, _)| instance).collect()
    }

    /// The name in `DefaultInstance`, whether such an instance is defined or not.
    ///
    /// Source: ATT-05, ATT-09
    pub fn default_instance(&self) -> Option<&str> {
        PLACES.iter().find_map(|place| {
            self.registry.iter().find_map(|value| {
                let subkey = self.below_service(value)?;
                match &value.data {
                    RegistryData::Sz(text) | RegistryData::ExpandSz(text)
                        if same_name(subkey, place) && same_name(&value.name, "DefaultInstance") =>
                    {
                        Some(text.as_str())
                    }
                    _ => None,
                }
            })
        })
    }

    /// The path below the service key, also of a value that names that key from the root.
    fn below_service<'a>(&self, value: &'a RegistryValue) -> Option<&'a str> {
        match value.root {
            Root::Hkr => Some(&value.subkey),
            Root::Hklm => {
                let key = format!("System\\CurrentControlSet\\Services\\{}", self.name);
                if same_name(&value.subkey, &key) { Some("") } else { after(&value.subkey, &key) }
            }
            _ => None,
        }
    }
}

/// The name directly below `place`.
fn child<'a>(subkey: &'a str, place: &str) -> Option<&'a str> {
    after(subkey, place).filter(|name| !name.is_empty() && !name.contains('\\'))
}

fn after<'a>(path: &'a str, parent: &str) -> Option<&'a str> {
    let (start, rest) = path.split_at_checked(parent.len())?;
    if !same_name(start, parent) {
        return None;
    }
    rest.strip_prefix('\\')
}
