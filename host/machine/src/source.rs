//! Where a driver comes from: an image, and the INF beside it.

use std::fs;
use std::path::{Path, PathBuf};

use inf_file::{Inf, ServiceDefinition};

use crate::machine::LoadError;
use crate::setting::Setting;

/// A driver that can be loaded.
#[derive(Clone, Debug)]
pub struct DriverSource {
    /// Service name: from the INF, else the image's stem.
    pub name: String,
    /// Path as it is shown.
    pub image_path: String,
    /// The image.
    pub image: Vec<u8>,
    /// What its INF defines.
    pub inf: Option<ServiceDefinition>,
    /// Altitude for a driver whose INF gives none.
    pub altitude: Option<String>,
    /// Registry values that are set for it, over those of the INF.
    pub settings: Vec<Setting>,
}

/// The sample drivers that are built in: name, image, INF.
const EMBEDDED: &[(&str, &[u8], &[u8])] = &[
    (
        "passthrough",
        include_bytes!("../../../drivers/bin/passthrough.sys"),
        include_bytes!("../../../drivers/bin/passthrough.inf"),
    ),
    (
        "guard",
        include_bytes!("../../../drivers/bin/guard.sys"),
        include_bytes!("../../../drivers/bin/guard.inf"),
    ),
    (
        "xorcrypt",
        include_bytes!("../../../drivers/bin/xorcrypt.sys"),
        include_bytes!("../../../drivers/bin/xorcrypt.inf"),
    ),
    (
        "swapall",
        include_bytes!("../../../drivers/bin/swapall.sys"),
        include_bytes!("../../../drivers/bin/swapall.inf"),
    ),
    (
        "deadlock",
        include_bytes!("../../../drivers/bin/deadlock.sys"),
        include_bytes!("../../../drivers/bin/deadlock.inf"),
    ),
    (
        "kselftest",
        include_bytes!("../../../drivers/bin/kselftest.sys"),
        include_bytes!("../../../drivers/bin/kselftest.inf"),
    ),
];
const EMBEDDED_NAMES: &[&str] = &["passthrough", "guard", "xorcrypt"];

impl DriverSource {
    /// Reads an image (with the INF of the same stem beside it, if there is one), or an INF (with the image
    /// that it names beside it).
    ///
    /// Errors: a file is missing or cannot be read; the INF is no INF of a driver service.
    pub fn from_path(path: &Path) -> Result<Self, LoadError> {
        let is_inf = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("inf"));
        let (image_path, inf) = if is_inf {
            let service = parse_inf(path)?;
            let binary = service.binary.clone().ok_or_else(|| {
                LoadError::file(path, "its service section has no ServiceBinary; give the .sys file instead")
            })?;
            let beside = beside(path, &binary).ok_or_else(|| {
                LoadError::file(
                    path,
                    format!("the image {binary} that it names is not beside it; put it there"),
                )
            })?;
            (beside, Some(service))
        } else {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let inf = match beside(path, &format!("{stem}.inf")) {
                Some(inf) => Some(parse_inf(&inf)?),
                None => None,
            };
            (path.to_path_buf(), inf)
        };
        let image = fs::read(&image_path).map_err(|error| {
            LoadError::file(
                &image_path,
                format!("cannot be read: {error}; check the path and its permissions"),
            )
        })?;
        let stem = image_path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self {
            name: inf.as_ref().map_or(stem, |service| service.name.clone()),
            image_path: image_path.display().to_string(),
            image,
            inf,
            altitude: None,
            settings: Vec::new(),
        })
    }

    /// Altitude of the default instance: the one given, else that of the INF.
    pub fn default_altitude(&self) -> Option<String> {
        let from_inf = || {
            let instances = self.inf.as_ref()?.instances();
            let chosen = instances.iter().find(|instance| instance.default).or(instances.first())?;
            chosen.altitude.clone()
        };
        self.altitude.clone().or_else(from_inf)
    }

    /// A built-in sample.
    pub fn embedded(name: &str) -> Option<Self> {
        let (name, image, inf) = EMBEDDED.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        let service = Inf::parse(inf, &format!("{name}.inf")).and_then(|inf| inf.driver_service());
        let service = service.expect("the INF of a built-in sample is tested");
        Some(Self {
            name: service.name.clone(),
            image_path: format!("{name}.sys"),
            image: image.to_vec(),
            inf: Some(service),
            altitude: None,
            settings: Vec::new(),
        })
    }

    /// Names of the built-in samples that are loaded when none is named, highest altitude first.
    pub fn embedded_names() -> &'static [&'static str] {
        EMBEDDED_NAMES
    }

    /// Names of all built-in samples.
    pub fn all_embedded_names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, ..)| *name)
    }
}

fn parse_inf(path: &Path) -> Result<ServiceDefinition, LoadError> {
    let bytes = fs::read(path).map_err(|error| LoadError::file(path, format!("cannot be read: {error}")))?;
    Inf::parse(&bytes, &path.display().to_string())
        .and_then(|inf| inf.driver_service())
        .map_err(|error| LoadError::File(error.to_string()))
}

/// A file beside `path` by name, in any spelling.
fn beside(path: &Path, name: &str) -> Option<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let exact = folder.join(name);
    if exact.is_file() {
        return Some(exact);
    }
    let entries = fs::read_dir(folder).ok()?;
    let mut matching: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().eq_ignore_ascii_case(name))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    matching.sort();
    matching.into_iter().next()
}
