//! Which install section counts: `[DefaultInstall]` with decorations for processor and Windows version.
//!
//! A decoration is `.NT[processor][.major[.minor[.product type[.suite[.build]]]]]`; `.Services` may follow.

use crate::{Entry, Inf, InfError, InfErrorKind, Section};

/// A Windows version, compared with decorations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OsVersion {
    /// 10 for Windows 10 and 11.
    pub major: u32,
    /// 0 for Windows 10 and 11.
    pub minor: u32,
    /// Build number.
    pub build: u32,
}

impl OsVersion {
    /// Windows 11 24H2.
    pub const WINDOWS_11_24H2: OsVersion = OsVersion { major: 10, minor: 0, build: 26100 };
}

/// A place where services are added, best first.
pub(crate) struct InstallSection<'a> {
    pub(crate) section: Option<&'a Section>,
    pub(crate) services: Option<&'a Section>,
}

impl<'a> InstallSection<'a> {
    /// `AddService` entries: they belong into `.Services`, old files have them in the section itself.
    pub(crate) fn add_service(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        [self.services, self.section]
            .into_iter()
            .flatten()
            .flat_map(|section| section.entries_of("AddService"))
    }
}

/// How well a decoration fits: the newest version first, then the most exact processor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    version: Option<OsVersion>,
    processor: u8,
}

/// All install sections for x64 and `version`, best first.
pub(crate) fn candidates(inf: &Inf, version: OsVersion) -> Result<Vec<InstallSection<'_>>, InfError> {
    let mut fitting: Vec<(Fit, String)> = Vec::new();
    let mut others = Vec::new();
    for section in inf.sections() {
        let lower = section.name.to_lowercase();
        let base = lower.strip_suffix(".services").unwrap_or(&lower);
        let Some(decoration) = base.strip_prefix("defaultinstall") else { continue };
        if !decoration.is_empty() && !decoration.starts_with('.') {
            continue;
        }
        match fit(decoration, version) {
            Some(_) if fitting.iter().any(|(_, known)| known == base) => {}
            Some(fit) => fitting.push((fit, base.to_owned())),
            None => others.push(section.name.clone()),
        }
    }
    if fitting.is_empty() {
        return Err(inf.error(None, InfErrorKind::NoInstallSection { found: others }));
    }
    fitting.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
    let found = fitting.iter().map(|(_, base)| InstallSection {
        section: inf.section(base),
        services: inf.section(&format!("{base}.services")),
    });
    Ok(found.collect())
}

/// `None`: the section is for another processor or a newer Windows. `decoration` is lower case.
fn fit(decoration: &str, version: OsVersion) -> Option<Fit> {
    if decoration.is_empty() {
        return Some(Fit { version: None, processor: 0 });
    }
    let mut parts = decoration.strip_prefix(".nt")?.split('.');
    let processor = match parts.next()? {
        "amd64" | "$arch$" => 2,
        "" => 1,
        _ => return None,
    };
    let numbers: Vec<&str> = parts.collect();
    if numbers.is_empty() {
        return Some(Fit { version: None, processor });
    }
    let number = |index: usize| match numbers.get(index) {
        None | Some(&"") => Some(0),
        Some(text) => crate::number::parse_u32(text),
    };
    let wanted = OsVersion { major: number(0)?, minor: number(1)?, build: number(4)? };
    (wanted <= version).then_some(Fit { version: Some(wanted), processor })
}
