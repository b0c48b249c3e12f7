//! Draws what stands above each volume: filters by altitude, the file system, the store.

use altimeter::report::{InstanceReport, Report};

use crate::altitude;
use crate::page::Page;

/// One table for each volume; drivers of which no attachment is known are listed below.
///
/// `stores` says where the volumes' bytes are, in the order of their numbers.
pub fn draw(page: &mut Page, report: &Report, stores: &[String]) {
    let mut volumes: Vec<&str> = Vec::new();
    for instance in report.drivers.iter().flat_map(|driver| &driver.instances) {
        if !volumes.contains(&instance.volume.as_str()) {
            volumes.push(&instance.volume);
        }
    }
    volumes.sort_by_key(|volume| number(volume));
    for volume in volumes {
        let store =
            number(volume).and_then(|number| stores.get(number.wrapping_sub(1))).map_or("", String::as_str);
        draw_volume(page, report, volume, store);
    }
    let loose: Vec<&str> = report
        .drivers
        .iter()
        .filter(|driver| driver.instances.is_empty())
        .map(|driver| driver.name.as_str())
        .collect();
    if !loose.is_empty() {
        page.line(format_args!("no instance is known of: {}", loose.join(", ")));
    }
}

/// N of `\Device\HarddiskVolumeN`.
fn number(volume: &str) -> Option<usize> {
    let digits = volume.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().ok()
}

fn draw_volume(page: &mut Page, report: &Report, volume: &str, store: &str) {
    let mut attached: Vec<(&str, &str, &InstanceReport)> = Vec::new();
    for driver in &report.drivers {
        for instance in driver.instances.iter().filter(|instance| instance.volume == volume) {
            attached.push((&driver.name, &driver.image, instance));
        }
    }
    // Stable: equal altitudes stay in the order of the report.
    attached.sort_by(|left, right| altitude::compare(&right.2.altitude, &left.2.altitude));
    page.heading(&format!("Stack of {volume}"));
    let mut table = page.new_table(["altitude", "driver", "instance", "image"].map(String::from).to_vec());
    for (driver, image, instance) in attached {
        table.add_row([instance.altitude.as_str(), driver, &instance.name, image]);
    }
    table.add_row(["", "file system", "NTFS semantics", ""]);
    table.add_row(["", "store", store, ""]);
    page.table(&table);
}
