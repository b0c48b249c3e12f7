//! Drivers: service keys, loading, unloading, and the report of a run.

use std::sync::Arc;

use boundary::Raise;
use inf_file::{RegistryData, ServiceDefinition};
use nt_abi::NtStatus;
use nt_cm::{Value, cm_set, cm_subkeys};
use nt_ke::locks::StuckThread;
use nt_ke::{BugCheck, Core};

use crate::boot::{BootError, Options};
use crate::machine::{LoadError, Machine};
use crate::report::{
    BugCheckReport, CallbackReport, DriverReport, FindingReport, HeldLockReport, InstanceReport, REGISTERS,
    Report, StuckThreadReport,
};
use crate::self_test::SelfTest;
use crate::session::Stopped;
use crate::setting::Setting;
use crate::source::DriverSource;

const SERVICES: &str = r"\Registry\Machine\System\CurrentControlSet\Services";

/// A loaded driver, as the machine's owner remembers it.
pub(crate) struct Loaded {
    name: String,
    image: String,
    /// Altitude of its default instance, as installed.
    altitude: String,
    self_test: Option<SelfTest>,
    driver: Option<driver::LoadedDriver>,
}

/// What drivers are bound to.
struct Exports;

impl driver::Resolver for Exports {
    fn resolve(&self, image: &str, symbol: &str) -> Option<usize> {
        exports::resolve(image, symbol)
    }
}

/// The filter manager, the loader and the exports, in a booting machine.
pub(crate) fn boot(core: &Arc<Core>, options: &Options) -> Result<(), BootError> {
    core.install(Box::new(driver::Loader::new(core)));
    exports::initialize(core)?.map_err(|status| BootError::Step("the exports", status))?;
    let flt = core.install(Box::new(fltmgr::Flt::new()));
    flt.set_statistics(options.statistics);
    flt.set_post_at_dispatch(options.post_at_dispatch);
    match flt.start()? {
        status if status.is_success() => Ok(()),
        status => Err(BootError::Step("the filter manager", status)),
    }
}

fn value(data: &RegistryData) -> Option<Value> {
    Some(match data {
        RegistryData::Sz(text) => Value::string(text),
        RegistryData::ExpandSz(text) => Value::expand(text),
        RegistryData::MultiSz(texts) => Value::strings(&texts.iter().map(String::as_str).collect::<Vec<_>>()),
        RegistryData::Dword(number) => Value::dword(*number),
        RegistryData::Qword(number) => Value::qword(*number),
        RegistryData::Binary(bytes) => Value::binary(bytes),
        RegistryData::None(bytes) => Value { kind: nt_abi::REG_NONE, data: bytes.clone() },
        RegistryData::KeyOnly => return None,
    })
}

/// Writes the service key of `source` as an installation of its INF would.
fn write_service(source: &DriverSource) -> Result<(), NtStatus> {
    let key = format!(r"{SERVICES}\{}", source.name);
    let file = source.image_path.rsplit(['/', '\\']).next().unwrap_or(&source.image_path);
    cm_set(&key, "Type", Value::dword(2))?;
    cm_set(&key, "Start", Value::dword(3))?;
    cm_set(&key, "ErrorControl", Value::dword(1))?;
    cm_set(&key, "ImagePath", Value::expand(&format!(r"\SystemRoot\System32\drivers\{file}")))?;
    let service: Option<&ServiceDefinition> = source.inf.as_ref();
    if let Some(group) = service.and_then(|service| service.load_order_group.as_ref()) {
        cm_set(&key, "Group", Value::string(group))?;
    }
    for entry in service.map(|service| service.registry.as_slice()).unwrap_or_default() {
        if entry.root != inf_file::Root::Hkr {
            continue;
        }
        let subkey = if entry.subkey.is_empty() { key.clone() } else { format!(r"{key}\{}", entry.subkey) };
        if let Some(data) = value(&entry.data) {
            cm_set(&subkey, &entry.name, data)?;
        }
    }
    if let Some(altitude) = &source.altitude {
        let instance = format!("{} Instance", source.name);
        for instances in [format!(r"{key}\Instances"), format!(r"{key}\Parameters\Instances")] {
            // The altitude that was given replaces those of the INF.
            for known in cm_subkeys(&instances).unwrap_or_default() {
                cm_set(&format!(r"{instances}\{known}"), "Altitude", Value::string(altitude))?;
            }
        }
        if service.is_none_or(|service| service.instances().is_empty()) {
            let instances = format!(r"{key}\Instances");
            cm_set(&instances, "DefaultInstance", Value::string(&instance))?;
            cm_set(&format!(r"{instances}\{instance}"), "Altitude", Value::string(altitude))?;
            cm_set(&format!(r"{instances}\{instance}"), "Flags", Value::dword(0))?;
        }
    }
    for Setting { name, value: data } in &source.settings {
        if let Some(data) = value(data) {
            cm_set(&key, name, data.clone())?;
            cm_set(&format!(r"{key}\Parameters"), name, data)?;
        }
    }
    Ok(())
}

impl Machine {
    /// Loads a driver: writes its service key, maps and binds the image, calls `DriverEntry`.
    ///
    /// Errors: the image cannot be used, it has no altitude, `DriverEntry` failed, or the machine bug checked
    pub fn load(&self, source: &DriverSource) -> Result<(), LoadError> {
        if source.default_altitude().is_none() {
            return Err(LoadError::File(format!(
                "{}: no INF beside it gives an altitude; put its INF beside it, or give --altitude",
                source.image_path
            )));
        }
        if let Some(altitude) = &source.altitude
            && fltmgr::altitude::Altitude::parse(altitude).is_err()
        {
            return Err(LoadError::File(format!(
                "{}: {altitude:?} is no altitude; write decimal digits, such as 370030 or 370030.5",
                source.image_path
            )));
        }
        let loaded = self.run_in_system(|| {
            write_service(source).map_err(|_| Stopped)?;
            Ok(driver::load(&driver::LoadRequest {
                file: &source.image_path,
                service: &source.name,
                registry_path: &format!(r"{SERVICES}\{}", source.name),
                image: &source.image,
                resolver: &Exports,
            })?)
        });
        match loaded {
            Ok(Ok(driver)) => {
                let self_test = self.note_self_test(source, &driver);
                self.loaded.lock().push(Loaded {
                    name: source.name.clone(),
                    image: source.image_path.clone(),
                    altitude: source.default_altitude().unwrap_or_default(),
                    self_test,
                    driver: Some(driver),
                });
                Ok(())
            }
            Ok(Err(error)) => Err(LoadError::File(error.to_string())),
            Err(Stopped) => Err(LoadError::BugCheck),
        }
    }

    /// Writes everything that the cache holds dirty, through the filters. Pages that could not be written are a finding.
    pub fn write_cache(&self) {
        let left = self.run_in_system(|| Ok(nt_section::flush_all()? + nt_cc::flush_all()?));
        if let Ok(pages @ 1..) = left {
            self.core.report(nt_ke::Finding::error(
                "cache-not-written",
                "",
                format!(
                    "{pages} pages of cached data could not be written to the volume: a filter fails paging writes, \
                     or the volume is full"
                ),
            ));
        }
    }

    /// Unloads all drivers, last loaded first, after the cache was written through them: their unload callbacks run, what they leave behind becomes findings.
    pub fn unload_all(&self) {
        self.write_cache();
        self.note_statistics();
        let mut loaded = std::mem::take(&mut *self.loaded.lock());
        for entry in loaded.iter_mut().rev() {
            let _ = self.unload_entry(entry, fltmgr::Unload::Mandatory);
        }
        *self.loaded.lock() = loaded;
    }

    fn unload_entry(&self, entry: &mut Loaded, how: fltmgr::Unload) -> Result<NtStatus, Stopped> {
        let Some(driver) = entry.driver.take() else { return Ok(NtStatus::FLT_FILTER_NOT_FOUND) };
        let name = crate::utf16(&entry.name);
        let mut driver = Some(driver);
        let status = self.run_in_system(|| {
            let status = fltmgr::flt_unload_filter(&name, how)?;
            if (status.is_success() || status == NtStatus::FLT_FILTER_NOT_FOUND)
                && let Some(driver) = driver.take()
            {
                driver::unload(driver)?;
            }
            Ok::<_, Stopped>(status)
        });
        entry.driver = driver.filter(|_| how != fltmgr::Unload::Mandatory);
        status
    }

    /// Asks one driver to unload, while others and programs run. It may refuse. Its image goes when it does not.
    ///
    /// Returns: what `FltUnloadFilter` answers
    pub fn unload(&self, name: &str) -> Result<NtStatus, Stopped> {
        self.unload_named(name, fltmgr::Unload::Filter)
    }

    /// Stops the service of one driver, as the service control manager does. A driver may not support that.
    ///
    /// Returns: as [`unload`](Self::unload)
    pub fn stop_service(&self, name: &str) -> Result<NtStatus, Stopped> {
        self.unload_named(name, fltmgr::Unload::ServiceStop)
    }

    fn unload_named(&self, name: &str, how: fltmgr::Unload) -> Result<NtStatus, Stopped> {
        let found = {
            let mut loaded = self.loaded.lock();
            let place = loaded.iter().position(|entry| entry.driver.is_some() && entry.name == name);
            place.map(|place| loaded.remove(place))
        };
        let Some(mut entry) = found else { return Ok(NtStatus::FLT_FILTER_NOT_FOUND) };
        let status = self.unload_entry(&mut entry, how);
        if entry.driver.is_some() {
            self.loaded.lock().push(entry);
        }
        status
    }

    fn note_statistics(&self) {
        if let Some(flt) = self.core.try_get::<fltmgr::Flt>()
            && let Ok(statistics) = self.run_in_system(|| Ok(flt.statistics()))
        {
            *self.statistics.lock() = statistics;
        }
    }

    /// What the run found out so far.
    pub fn report(&self) -> Report {
        if self.loaded.lock().iter().any(|loaded| loaded.driver.is_some()) {
            self.note_statistics();
        }
        Report {
            drivers: self.driver_reports(),
            findings: self.finding_reports(),
            bug_check: self.bug_check_report(),
        }
    }

    fn driver_reports(&self) -> Vec<DriverReport> {
        let statistics = self.statistics.lock();
        let mut reports: Vec<DriverReport> = self
            .loaded
            .lock()
            .iter()
            .map(|loaded| {
                let mut report = DriverReport {
                    name: loaded.name.clone(),
                    image: loaded.image.clone(),
                    altitude: loaded.altitude.clone(),
                    self_test: loaded.self_test.clone(),
                    ..DriverReport::default()
                };
                for instance in statistics.iter().filter(|i| i.filter.eq_ignore_ascii_case(&loaded.name)) {
                    report.instances.push(InstanceReport {
                        name: instance.instance.clone(),
                        volume: instance.volume.clone(),
                        altitude: instance.altitude.clone(),
                    });
                    for counted in &instance.operations {
                        let known = report.callbacks.iter_mut().find(|c| c.operation == counted.operation);
                        match known {
                            Some(known) => {
                                known.pre += counted.pre;
                                known.post += counted.post;
                                known.nanoseconds += counted.nanoseconds;
                            }
                            None => report.callbacks.push(CallbackReport {
                                operation: counted.operation,
                                pre: counted.pre,
                                post: counted.post,
                                nanoseconds: counted.nanoseconds,
                            }),
                        }
                    }
                }
                report
            })
            .collect();
        reports.sort_by_cached_key(|report| {
            std::cmp::Reverse(fltmgr::altitude::Altitude::parse(&report.altitude).ok())
        });
        reports
    }

    fn finding_reports(&self) -> Vec<FindingReport> {
        let images = self.core.get::<driver::Loader>().images();
        self.core
            .findings()
            .into_iter()
            .map(|finding| {
                let blamed = finding.places.iter().find_map(|place| images.driver_of(*place));
                FindingReport {
                    rule: finding.rule.to_owned(),
                    severity: finding.severity.name().to_owned(),
                    driver: if finding.driver.is_empty() {
                        blamed.unwrap_or_default()
                    } else {
                        finding.driver
                    },
                    message: with_places(&finding.message, images),
                    places: finding.places.iter().map(|place| images.describe(*place)).collect(),
                }
            })
            .collect()
    }

    fn bug_check_report(&self) -> Option<BugCheckReport> {
        let check: &BugCheck = self.core.bug_checked()?;
        let images = self.core.get::<driver::Loader>().images();
        // The first address that lies in a driver is to blame, if the reported one does not.
        let blamed = std::iter::once(check.address)
            .chain(check.stack.iter().copied())
            .chain(check.threads.iter().flat_map(|thread| thread.waits_at.iter().copied()))
            .find(|address| images.driver_of(*address).is_some())
            .unwrap_or(check.address);
        let place = images.resolve(blamed);
        Some(BugCheckReport {
            code: check.code,
            name: match check.name() {
                "BUGCHECK_?" => format!("BUGCHECK_{:#X}", check.code),
                name => name.to_owned(),
            },
            driver: images.driver_of(blamed).unwrap_or_default(),
            module: place.as_ref().map(|place| place.module.clone()).unwrap_or_default(),
            offset: place.as_ref().map_or(0, |place| place.offset as u64),
            symbol: place.as_ref().map(|place| place.symbol.clone()).unwrap_or_default(),
            message: with_places(&check.message, images),
            stack: check.stack.iter().map(|address| images.describe(*address)).collect(),
            registers: check
                .fault
                .map(|fault| REGISTERS.iter().copied().zip(fault.registers).collect())
                .unwrap_or_default(),
            last_operations: self.recorder.as_ref().map(|recorder| recorder.last()).unwrap_or_default(),
            threads: check.threads.iter().map(|thread| stuck_thread(thread, images)).collect(),
        })
    }

    /// An address as people read it: `guard.sys+0x1234 (PreCreate at guard.c:120)`.
    pub fn resolve(&self, address: usize) -> String {
        self.core.get::<driver::Loader>().images().describe(address)
    }

    /// A REG_QWORD that the driver `service` has in its `Parameters` key, or else in its service key.
    pub fn service_qword(&self, service: &str, name: &str) -> Option<u64> {
        let key = format!(r"{SERVICES}\{service}");
        let found = self.run_in_system(|| {
            Ok(nt_cm::cm_get(&format!(r"{key}\Parameters"), name).or_else(|_| nt_cm::cm_get(&key, name)))
        });
        found.ok()?.ok()?.as_number()
    }

    /// Copies memory of the machine.
    pub fn read_memory(&self, address: usize, bytes: usize) -> Option<Vec<u8>> {
        let mut copy = vec![0; bytes];
        self.core.open_pageable();
        boundary::copy::read(address, &mut copy).ok()?;
        Some(copy)
    }
}

fn stuck_thread(thread: &StuckThread, images: &driver::Images) -> StuckThreadReport {
    let places = |site: &[usize]| site.iter().map(|address| images.describe(*address)).collect();
    let held = |hold: &nt_ke::locks::HeldLock| HeldLockReport {
        lock: with_places(&hold.lock, images),
        taken_at: places(&hold.taken_at),
    };
    StuckThreadReport {
        thread: thread.thread,
        name: thread.name.clone(),
        waits_for: with_places(&thread.waits_for, images),
        waits_at: places(&thread.waits_at),
        holds: thread.holds.iter().map(held).collect(),
    }
}

/// `text` with every address of a driver written as its place.
fn with_places(text: &str, images: &driver::Images) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let digits = rest[at + 2..].bytes().take_while(u8::is_ascii_hexdigit).count();
        let end = at + 2 + digits;
        let address = usize::from_str_radix(&rest[at + 2..end], 16).unwrap_or(0);
        out.push_str(&rest[..at]);
        match images.driver_of(address) {
            Some(_) => out.push_str(&images.describe(address)),
            None => out.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

impl From<Stopped> for Raise {
    fn from(_: Stopped) -> Self {
        Self::Stop
    }
}
