//! `copy-tree`: copies a real directory into the root of the volume, reads all back, compares every byte
//! and every name.
//!
//! A name that the volume cannot hold exactly is refused and counted, never mangled: names that are no
//! Unicode, that hold a character NT forbids, that differ only in case from one already copied, that a
//! filter denies.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use nt_abi::{NtStatus, create_disposition as disposition, create_options as option, file_access as access};

use super::{Outcome, Progress, Tally};
use crate::session::{OpenRequest, Session, Stopped};
use crate::{Machine, utf16};

const CHUNK: usize = 256 << 10;

/// One thing to copy, in the order of copying.
struct Item {
    source: PathBuf,
    /// Path on the volume, components in UTF-16.
    target: Vec<u16>,
    directory: bool,
    bytes: u64,
}

/// Copies the contents of `source` into a volume (counted from 0) and compares.
///
/// Errors: `source` cannot be read; the message names the path.
pub fn copy_tree(
    machine: &Machine,
    volume: usize,
    source: &Path,
    progress: &dyn Progress,
) -> std::io::Result<Outcome> {
    let tally = Tally::new("copy-tree");
    let mut items = Vec::new();
    scan(source, &[], &mut items, &tally)?;
    let bytes: u64 = items.iter().map(|item| item.bytes).sum();
    progress.total(2 * bytes + 2 * items.len() as u64);
    let result = machine.run_on(volume, |session| {
        let mut copied = Vec::new();
        for item in &items {
            if copied_parent_missing(item, &copied) {
                tally.refused(format!("{}: its directory was refused", item.source.display()));
                continue;
            }
            if copy_item(session, item, &tally, progress)? {
                copied.push(item);
            }
        }
        for item in &copied {
            compare_item(session, item, &tally, progress)?;
        }
        compare_names(session, &copied, &tally)
    });
    if matches!(result, Err(Stopped)) {
        tally.interrupted();
    }
    Ok(tally.finish())
}

fn with_path(path: &Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Lists what is to be copied, parents first, in the order of names.
fn scan(directory: &Path, prefix: &[u16], items: &mut Vec<Item>, tally: &Tally) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .and_then(Iterator::collect::<std::io::Result<Vec<fs::DirEntry>>>)
        .map_err(|error| with_path(directory, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut seen = BTreeSet::new();
    for entry in entries {
        let source = entry.path();
        let Some(name) = entry.file_name().to_str().map(utf16) else {
            tally.refused(format!("{}: the name is no Unicode", source.display()));
            continue;
        };
        if let Some(bad) =
            name.iter().find(|unit| **unit < 32 || "\\/:*?\"<>|".encode_utf16().any(|c| c == **unit))
        {
            let bad = char::from_u32(u32::from(*bad)).unwrap_or('?');
            tally.refused(format!("{}: NT names cannot hold {bad:?}", source.display()));
            continue;
        }
        if !seen.insert(store::fold(&name)) {
            tally.refused(format!(
                "{}: differs only in case from a name that was copied before",
                source.display()
            ));
            continue;
        }
        let kind = entry.file_type().map_err(|error| with_path(&source, &error))?;
        if !kind.is_dir() && !kind.is_file() {
            tally.refused(format!("{}: neither a file nor a directory", source.display()));
            continue;
        }
        let mut target = prefix.to_vec();
        target.push(u16::from(b'\\'));
        target.extend_from_slice(&name);
        let bytes =
            if kind.is_file() { entry.metadata().map_err(|e| with_path(&source, &e))?.len() } else { 0 };
        items.push(Item { source: source.clone(), target: target.clone(), directory: kind.is_dir(), bytes });
        if kind.is_dir() {
            scan(&source, &target, items, tally)?;
        }
    }
    Ok(())
}

/// Whether the directory that `item` lies in was not copied.
fn copied_parent_missing(item: &Item, copied: &[&Item]) -> bool {
    let end = item.target.iter().rposition(|unit| *unit == u16::from(b'\\')).unwrap_or(0);
    end > 0 && !copied.iter().rev().any(|other| other.directory && other.target == item.target[..end])
}

/// Creates and fills one item. Returns whether it is there.
fn copy_item(
    session: &Session,
    item: &Item,
    tally: &Tally,
    progress: &dyn Progress,
) -> Result<bool, Stopped> {
    let kind = if item.directory { option::FILE_DIRECTORY_FILE } else { option::FILE_NON_DIRECTORY_FILE };
    let opened = session.open(
        &OpenRequest::on_volume(&item.target)
            .access(access::GENERIC_READ | access::GENERIC_WRITE | access::SYNCHRONIZE)
            .disposition(if item.directory {
                disposition::FILE_OPEN_IF
            } else {
                disposition::FILE_OVERWRITE_IF
            })
            .options(kind | option::FILE_SYNCHRONOUS_IO_NONALERT),
    )?;
    tally.operations(1, 0);
    let opened = match opened {
        Ok(opened) => opened,
        Err(status) if refusal(status) => {
            tally.refused(format!("{}: {status}", item.source.display()));
            progress.advance(2 * (1 + item.bytes));
            return Ok(false);
        }
        Err(status) => {
            tally.mismatch(format!("{}: create failed with {status}", item.source.display()));
            return Ok(false);
        }
    };
    let mut complete = true;
    if !item.directory {
        complete = fill(session, item, &opened.handle, tally, progress)?;
    }
    session.close(opened.handle)?;
    tally.operations(1, 0);
    progress.advance(1);
    Ok(complete)
}

/// Statuses that mean "this name is not for this volume" rather than "something is wrong".
fn refusal(status: NtStatus) -> bool {
    matches!(
        status,
        NtStatus::ACCESS_DENIED
            | NtStatus::OBJECT_NAME_INVALID
            | NtStatus::OBJECT_NAME_COLLISION
            | NtStatus::NAME_TOO_LONG
            | NtStatus::FILE_IS_A_DIRECTORY
            | NtStatus::NOT_A_DIRECTORY
    )
}

fn fill(
    session: &Session,
    item: &Item,
    handle: &crate::session::Handle,
    tally: &Tally,
    progress: &dyn Progress,
) -> Result<bool, Stopped> {
    let mut file = match fs::File::open(&item.source) {
        Ok(file) => file,
        Err(error) => {
            tally.mismatch(format!("{}: cannot read the source: {error}", item.source.display()));
            return Ok(false);
        }
    };
    let mut chunk = vec![0u8; CHUNK];
    let mut offset = 0u64;
    loop {
        let got = match file.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(got) => got,
            Err(error) => {
                tally.mismatch(format!("{}: cannot read the source: {error}", item.source.display()));
                return Ok(false);
            }
        };
        let written = session.write(handle, Some(offset as i64), &chunk[..got])?;
        tally.operations(1, got as u64);
        if written.status != NtStatus::SUCCESS || written.information != got {
            tally.mismatch(format!(
                "{}: a write of {got} bytes at {offset} wrote {} with {}",
                item.source.display(),
                written.information,
                written.status
            ));
            return Ok(false);
        }
        offset += got as u64;
        progress.advance(got as u64);
    }
}

fn compare_item(
    session: &Session,
    item: &Item,
    tally: &Tally,
    progress: &dyn Progress,
) -> Result<(), Stopped> {
    progress.advance(1);
    if item.directory {
        return Ok(());
    }
    let opened = session.open(
        &OpenRequest::on_volume(&item.target)
            .access(access::GENERIC_READ | access::SYNCHRONIZE)
            .options(option::FILE_NON_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT),
    )?;
    tally.operations(1, 0);
    let handle = match opened {
        Ok(opened) => opened.handle,
        Err(status) => {
            tally.mismatch(format!(
                "{}: was copied, but opening it again failed with {status}",
                item.source.display()
            ));
            return Ok(());
        }
    };
    let mut ours = vec![0u8; CHUNK];
    let mut theirs = vec![0u8; CHUNK];
    let mut offset = 0u64;
    let source = fs::File::open(&item.source);
    if let Ok(mut source) = source {
        loop {
            let expected = read_full(&mut source, &mut theirs);
            let got = session.read(&handle, Some(offset as i64), &mut ours)?;
            tally.operations(1, got.information as u64);
            let end = expected == 0;
            let status_right =
                if end { got.status == NtStatus::END_OF_FILE } else { got.status == NtStatus::SUCCESS };
            if !status_right || got.information != expected || ours[..expected] != theirs[..expected] {
                tally
                    .mismatch(format!("{}: bytes differ at or after offset {offset}", item.source.display()));
                break;
            }
            if end {
                break;
            }
            offset += expected as u64;
            progress.advance(expected as u64);
        }
    }
    session.close(handle)?;
    tally.operations(1, 0);
    Ok(())
}

fn read_full(source: &mut fs::File, into: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < into.len() {
        match source.read(&mut into[filled..]) {
            Ok(0) | Err(_) => break,
            Ok(got) => filled += got,
        }
    }
    filled
}

/// Lists every copied directory (and the root) and looks for each copied name in its exact spelling.
fn compare_names(session: &Session, copied: &[&Item], tally: &Tally) -> Result<(), Stopped> {
    let mut by_directory: std::collections::BTreeMap<Vec<u16>, Vec<Vec<u16>>> =
        std::collections::BTreeMap::new();
    for item in copied {
        let end = item.target.iter().rposition(|unit| *unit == u16::from(b'\\')).unwrap_or(0);
        by_directory.entry(item.target[..end].to_vec()).or_default().push(item.target[end + 1..].to_vec());
    }
    for (directory, names) in by_directory {
        let path = if directory.is_empty() { utf16("\\") } else { directory };
        let shown = String::from_utf16_lossy(&path);
        let listed = session.list(&path)?;
        tally.operations(3, 0);
        let listed: BTreeSet<Vec<u16>> = match listed {
            Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
            Err(status) => {
                tally.mismatch(format!("{shown}: listing failed with {status}"));
                continue;
            }
        };
        for name in names {
            if !listed.contains(&name) {
                tally.mismatch(format!(
                    "{shown}: {} is not listed under its own name",
                    String::from_utf16_lossy(&name)
                ));
            }
        }
    }
    Ok(())
}
