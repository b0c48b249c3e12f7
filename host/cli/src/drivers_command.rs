//! `altimeter drivers`: the built-in sample drivers.

use altimeter::DriverSource;

use crate::outcome::{Exit, Usage};
use crate::output;

/// One line for each: name, altitude, what it does.
pub fn run() -> Result<Exit, Usage> {
    let mut text = String::new();
    for name in DriverSource::all_embedded_names() {
        let Some(source) = DriverSource::embedded(name) else { continue };
        let altitude = inf_altitude(&source).unwrap_or_default();
        let about = source.inf.and_then(|service| service.description).unwrap_or_default();
        text.push_str(&format!("{name:<16} {altitude:<12} {about}\n"));
    }
    output::standard(&text)?;
    Ok(Exit::Clean)
}

/// The altitude of the default instance in a driver's INF, or of the first instance that has one.
pub fn inf_altitude(source: &DriverSource) -> Option<String> {
    let instances = source.inf.as_ref()?.instances();
    let default = instances.iter().find(|instance| instance.default && instance.altitude.is_some());
    default.or_else(|| instances.iter().find(|instance| instance.altitude.is_some()))?.altitude.clone()
}
