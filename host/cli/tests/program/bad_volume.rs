//! Volumes that cannot be used, and one that is too small.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cipher::deciphered;
use crate::support::{altimeter, file, folder, text};

#[test]
fn missing_volume_is_refused_by_name() {
    altimeter(["run", "--volume", "no-such-volume"]).ends_with(2).complains_of(&["no-such-volume"]);
}

#[test]
fn file_as_a_volume_is_refused_by_name() {
    let folder = folder();
    let path = file(&folder, "plain-file", b"");
    altimeter(["run", "--volume", text(&path)]).ends_with(2).complains_of(&["plain-file", "directory"]);
}

/// A tmpfs of 1 MiB while it lives.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).status();
        mount.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn full_disk_is_reported_and_what_was_acknowledged_stays() {
    let (source, volume) = (folder(), folder());
    for name in 0..6 {
        file(&source, &format!("file-{name}"), &vec![b'a' + name; 300 << 10]);
    }
    let Some(disk) = SmallDisk::mount(volume.path()) else {
        eprintln!("SKIPPED: a tmpfs cannot be mounted here (it takes root); the full disk is not tested");
        return;
    };
    let ran = altimeter([
        "run",
        "--json",
        "-",
        "--workload",
        "copy-tree",
        "--volume",
        text(disk.0),
        "--source",
        text(source.path()),
    ])
    .ends_with(1);
    assert!(ran.json()["workload"]["mismatches"].as_u64() > Some(0), "{ran}");
    assert!(ran.stderr.contains("DISK_FULL"), "{ran}");
    for name in 0..2 {
        let copied = fs::read(disk.0.join(format!("file-{name}"))).expect("it was acknowledged");
        assert_eq!(deciphered(&copied), vec![b'a' + name; 300 << 10]);
    }
}
