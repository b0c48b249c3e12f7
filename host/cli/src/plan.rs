//! What `run` is asked to do, checked before anything starts.
//!
//! Refuses, with a message that names the culprit: volumes and sources that cannot be used, files that are no
//! x64 driver images, drivers without an altitude.

use std::fs;
use std::path::Path;

use altimeter::{DriverSource, Options, RegistryData, Schedule, VolumeSource, exports};

use crate::arguments::{RunArguments, Scheduler, Workload};
use crate::drivers_command::inf_altitude;
use crate::outcome::Usage;

/// The machine with its volumes.
pub fn options(arguments: &RunArguments) -> Result<Options, Usage> {
    let mut volumes = Vec::new();
    for volume in &arguments.volumes {
        volumes.push(if volume.as_os_str() == "mem" {
            VolumeSource::Memory
        } else {
            usable_volume(volume)?;
            VolumeSource::Directory(volume.clone())
        });
    }
    let known = |name: &str| exports::table().iter().any(|row| row.name == name);
    if let Some(fault) = arguments.faults.iter().find(|fault| !known(fault)) {
        return Err(Usage(format!(
            "--fault {fault}: no such function is exported; `altimeter exports` lists them"
        )));
    }
    Ok(Options {
        volumes,
        faults: arguments.faults.clone(),
        sector_size: arguments.sector,
        special_pool: arguments.special_pool,
        preempt: arguments.preempt,
        post_at_dispatch: arguments.post_at_dispatch,
        cache: altimeter::CacheLimits::of((arguments.cache_size as usize) << 20),
        detect_hangs: true,
        statistics: true,
        schedule: schedule(arguments)?,
        ..Options::default()
    })
}

fn schedule(arguments: &RunArguments) -> Result<Schedule, Usage> {
    match (arguments.scheduler, arguments.schedule) {
        (Scheduler::Fibre, _) if arguments.preempt => Err(Usage(
            "--preempt interrupts free threads, and a seed decides where fibres are: leave one of --preempt and \
             --scheduler fibre out"
                .into(),
        )),
        (Scheduler::Fibre, seed) => Ok(Schedule::Seeded(seed.unwrap_or(1))),
        (Scheduler::Free, None) => Ok(Schedule::Free),
        (Scheduler::Free, Some(seed)) => Err(Usage(format!(
            "--schedule {seed} decides the switches of fibres, and --scheduler free has none; leave one of them out"
        ))),
    }
}

fn usable_volume(path: &Path) -> Result<(), Usage> {
    let shown = path.display();
    usable_directory(path, "a volume")?;
    let probe = path.join(format!(".altimeter-probe-{}", std::process::id()));
    match fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        Ok(_) => {
            let _ = fs::remove_file(&probe);
            Ok(())
        }
        // A full volume can be used; what does not fit is refused later, by the operation.
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        Err(error) => Err(Usage(format!(
            "{shown}: files cannot be created in it: {error}; give a directory that this user may write to"
        ))),
    }
}

fn usable_directory(path: &Path, purpose: &str) -> Result<(), Usage> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(data) if !data.is_dir() => {
            Err(Usage(format!("{shown}: is no directory; {purpose} has to be an existing directory")))
        }
        Ok(_) => fs::read_dir(path)
            .map(drop)
            .map_err(|error| Usage(format!("{shown}: cannot be listed: {error}; check its permissions"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Usage(format!("{shown}: does not exist; create the directory first, or check the path")))
        }
        Err(error) => Err(Usage(format!("{shown}: cannot be used: {error}"))),
    }
}

/// The directory that `copy-tree` copies.
pub fn check_source(arguments: &RunArguments) -> Result<(), Usage> {
    match (&arguments.source, arguments.workload) {
        (Some(source), Workload::CopyTree) => usable_directory(source, "the source of copy-tree"),
        (None, Workload::CopyTree) => {
            Err(Usage("copy-tree needs --source SRC, the directory to copy".into()))
        }
        (Some(_), workload) => Err(Usage(format!(
            "--source is for --workload copy-tree, and {} copies nothing; leave one of them out",
            workload.name()
        ))),
        (None, _) => Ok(()),
    }
}

/// The drivers in the order of loading, with altitudes and settings.
pub fn drivers(arguments: &RunArguments) -> Result<Vec<DriverSource>, Usage> {
    let mut sources = if arguments.drivers.is_empty() {
        DriverSource::embedded_names().iter().filter_map(|name| DriverSource::embedded(name)).collect()
    } else {
        arguments.drivers.iter().map(|path| source(path)).collect::<Result<Vec<_>, _>>()?
    };
    for source in &sources {
        pe::Image::parse(&source.image).map_err(|error| Usage(format!("{}: {error}", source.image_path)))?;
    }
    let mut altitudes = arguments.altitudes.iter();
    for source in &mut sources {
        source.settings.clone_from(&arguments.settings);
        if inf_altitude(source).is_some() {
            continue;
        }
        source.altitude = altitudes.next().cloned();
        if source.altitude.is_none() {
            let why =
                if source.inf.is_some() { "its INF gives no altitude" } else { "there is no INF beside it" };
            return Err(Usage(format!(
                "{}: has no altitude: {why}; give one with --altitude N, such as --altitude 370030",
                source.image_path
            )));
        }
    }
    for unused in altitudes {
        eprintln!("warning: --altitude {unused} is not used: every driver has an altitude already");
    }
    Ok(sources)
}

fn source(path: &Path) -> Result<DriverSource, Usage> {
    if let Some(name) = path.to_str()
        && !path.exists()
        && let Some(source) = DriverSource::embedded(name)
    {
        return Ok(source);
    }
    DriverSource::from_path(path).map_err(|error| named(&path.display().to_string(), &error))
}

/// What to say when something cannot be used; the culprit is named in any case.
pub fn named(shown: &str, error: &dyn std::fmt::Display) -> Usage {
    let text = error.to_string();
    Usage(if text.contains(shown) { text } else { format!("{shown}: {text}") })
}

/// The ending that `guard` denies, when it is among the drivers and denies by ending.
pub fn denied_suffix(sources: &[DriverSource]) -> Option<String> {
    let guard = sources.iter().find(|source| source.name.eq_ignore_ascii_case("guard"))?;
    let set = guard.settings.iter().filter(|setting| setting.name.eq_ignore_ascii_case("Pattern"));
    let defined = guard.inf.iter().flat_map(|service| &service.registry);
    let defined = defined.filter(|value| value.name.eq_ignore_ascii_case("Pattern"));
    let mut patterns = set.map(|setting| &setting.value).chain(defined.map(|value| &value.data));
    let pattern = patterns.find_map(|data| match data {
        RegistryData::Sz(text) => Some(text.clone()),
        _ => None,
    });
    let pattern = pattern.unwrap_or_else(|| "*.blocked".into());
    let suffix = pattern
        .strip_prefix('*')
        .filter(|rest| !rest.is_empty() && !rest.contains(['*', '?', '<', '>', '"']));
    if suffix.is_none() {
        eprintln!(
            "warning: the tour does not know which names the pattern {pattern} of guard denies; it expects none"
        );
    }
    suffix.map(str::to_owned)
}

#[cfg(test)]
mod denied {
    use altimeter::Setting;

    use super::*;

    fn guard(settings: &[&str]) -> Vec<DriverSource> {
        let mut source = DriverSource::embedded("guard").expect("guard is built in");
        source.settings =
            settings.iter().map(|text| Setting::parse(text).expect("a right setting")).collect();
        vec![source]
    }

    #[test]
    fn suffix_comes_from_the_inf_and_a_setting_wins() {
        assert_eq!(denied_suffix(&guard(&[])).as_deref(), Some(".blocked"));
        assert_eq!(denied_suffix(&guard(&["pattern=sz:*.secret"])).as_deref(), Some(".secret"));
    }

    #[test]
    fn nothing_is_known_without_guard_or_of_other_patterns() {
        assert_eq!(denied_suffix(&[]), None);
        assert_eq!(denied_suffix(&guard(&["Pattern=sz:a*b"])), None);
    }
}
