//! Good images to start from: our drivers without their debug information, and one with every directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::builder;

/// The folder of the built drivers.
pub fn drivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin")
}

/// Names and bytes, in order of the names.
///
/// Errors: those of reading `drivers/bin`
pub fn all() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut seeds = vec![("full".to_owned(), builder::full().build())];
    for entry in std::fs::read_dir(drivers())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sys") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            seeds.push((name, without_debug(&std::fs::read(&path)?)));
        }
    }
    seeds.sort();
    Ok(seeds)
}

/// The file without the sections whose names stand in the string table (DWARF), which make it five times as long.
pub fn without_debug(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let u32_at =
        |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let nt = u32_at(&file, 0x3C) as usize;
    let count = u32_at(&file, nt + 6) as usize & 0xFFFF;
    let table = nt + 24 + (u32_at(&file, nt + 20) as usize & 0xFFFF);
    let rows: Vec<[u8; 40]> = (0..count)
        .map(|row| file[table + row * 40..table + row * 40 + 40].try_into().expect("a row"))
        .filter(|row: &[u8; 40]| row[0] != b'/')
        .collect();
    file[table..table + count * 40].fill(0);
    let mut end = u32_at(&file, nt + 84) as usize;
    for (index, row) in rows.iter().enumerate() {
        file[table + index * 40..table + index * 40 + 40].copy_from_slice(row);
        end = end.max(u32_at(row, 16) as usize + u32_at(row, 20) as usize);
    }
    file[nt + 6..nt + 8].copy_from_slice(&(rows.len() as u16).to_le_bytes());
    file.truncate(end);
    file
}
