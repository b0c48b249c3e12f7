//! Findings about filters: reported once per rule, filter and operation, up to a limit.
//!
//! Owns: the counters. A filter that breaks a rule on every operation must not fill the report.

use std::collections::BTreeMap;

use boundary::Raise;
use nt_abi::NativeFn;
use nt_ke::{Finding, Severity, current_core};

use crate::anchor::Anchored;
use crate::flt;

/// How often one kind of finding is listed.
pub const LISTED: u32 = 16;

/// How often each rule was broken, by rule, filter and row (or `u8::MAX`).
pub type Counts = BTreeMap<(&'static str, String, u8), u32>;

fn add(
    rule: &'static str,
    severity: Severity,
    driver: &str,
    major: u8,
    message: String,
    places: Option<Vec<usize>>,
) {
    let count = {
        let mut counts = flt().findings.lock();
        let count = counts.entry((rule, driver.to_owned(), major)).or_insert(0);
        *count += 1;
        *count
    };
    if count > LISTED {
        return;
    }
    let mut finding = Finding::error(rule, driver, message);
    finding.severity = severity;
    if count == LISTED {
        finding.message.push_str(" (further ones of this kind are counted, not listed)");
    }
    if let Some(places) = places {
        finding.places = places;
    }
    current_core().report(finding);
}

/// A broken rule at the place where the driver called the export that is being executed.
pub fn error(rule: &'static str, driver: &str, message: impl Into<String>) {
    add(rule, Severity::Error, driver, u8::MAX, message.into(), None);
}

/// A rule broken by what the driver did that called an export at `place`.
pub fn at(rule: &'static str, driver: &str, place: usize, message: impl Into<String>) {
    add(rule, Severity::Error, driver, u8::MAX, message.into(), Some(vec![place]));
}

/// The same as a warning.
pub fn warning(rule: &'static str, driver: &str, message: impl Into<String>) {
    add(rule, Severity::Warning, driver, u8::MAX, message.into(), None);
}

/// A rule broken by the callback `place` for the operation `major`.
pub fn callback(
    rule: &'static str,
    severity: Severity,
    driver: &str,
    major: u8,
    place: NativeFn,
    message: impl Into<String>,
) {
    add(rule, severity, driver, major, message.into(), Some(vec![place.0]));
}

/// Reports references that drivers still hold on an object that goes, after giving others time to finish.
pub fn report_held_references<T: Anchored>(object: &T, driver: &str, name: &str) -> Result<(), Raise> {
    let core = current_core();
    for _ in 0..1000 {
        if object.anchor().driver_references() == 0 {
            return Ok(());
        }
        if core.stopping() {
            return Err(Raise::Stop);
        }
        core.scheduler().pause();
    }
    let held = object.anchor().driver_references();
    error(
        "OBJ-03",
        driver,
        format!(
            "{held} reference(s) on the {} {name} are still held when it is torn down: each pointer from a lookup \
             or FltObjectReference has to be given back with FltObjectDereference",
            T::WORD
        ),
    );
    Ok(())
}
