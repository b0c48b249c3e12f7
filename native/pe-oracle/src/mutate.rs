//! Damage to images: where headers, tables and directories are, and with values that come near a bound.
//!
//! The same seed damages the same bytes in the same way, everywhere.

/// A small generator (SplitMix64): the fuzzer hands over a seed for each input.
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.draw() % bound as u64) as usize }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Fields of the PE header with their width, from its signature.
const HEADER: &[(usize, usize)] = &[
    (0, 4),
    (4, 2),
    (6, 2),
    (8, 4),
    (12, 4),
    (16, 4),
    (20, 2),
    (22, 2),
    (24, 2),
    (40, 4),
    (48, 8),
    (56, 4),
    (60, 4),
    (80, 4),
    (84, 4),
    (88, 4),
    (92, 2),
    (94, 2),
    (132, 4),
];

/// Fields of a row of the section table with their width.
const SECTION: &[(usize, usize)] = &[(0, 8), (8, 4), (12, 4), (16, 4), (20, 4), (36, 4)];

/// Data directories that the parser reads.
const DIRECTORIES: &[usize] = &[0, 1, 3, 5, 6, 9, 10];

/// Changes `file` once to four times. The length changes only now and then, and never beyond `room` bytes.
pub fn mutate(file: &mut Vec<u8>, room: usize, random: &mut Random) {
    for _ in 0..=random.below(4) {
        match random.below(12) {
            0 | 1 => header(file, random),
            2 | 3 => section(file, random),
            4 => directory_entry(file, random),
            5..=8 => directory_content(file, random),
            9 => flip(file, random),
            10 => copy(file, random),
            _ => length(file, room, random),
        }
    }
}

fn u32_at(file: &[u8], at: usize) -> u32 {
    let bytes = at.checked_add(4).and_then(|end| file.get(at..end));
    bytes.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
}

fn nt(file: &[u8]) -> usize {
    u32_at(file, 0x3C) as usize
}

fn section_table(file: &[u8]) -> (usize, usize) {
    let nt = nt(file);
    let optional = u32_at(file, nt.saturating_add(20)) as usize & 0xFFFF;
    let count = u32_at(file, nt.saturating_add(6)) as usize & 0xFFFF;
    (nt.saturating_add(24 + optional), count)
}

/// Writes a value of `width` bytes that depends on what stands there, or comes near a bound.
fn put(file: &mut [u8], at: usize, width: usize, random: &mut Random) {
    let Some(place) = at.checked_add(width).and_then(|end| file.get_mut(at..end)) else { return };
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(place);
    let old = u64::from_le_bytes(bytes);
    let near = random.pick(&[0u64, 1, 2, 3, 4, 7, 8, 11, 12, 20, 0xFFF, 0x1000, 0x1001, 0xFFFF, 0x1_0000]);
    let value = match random.below(9) {
        0 => near,
        1 => near.wrapping_neg(),
        2 => old.wrapping_add(near),
        3 => old.wrapping_sub(near),
        4 => old ^ (1 << random.below(width * 8)),
        5 => 0x7FFF_FFFFu64.wrapping_add(near & 7),
        6 => (random.draw() & 0xFFFF) & !7,
        7 => 1u64 << (width * 8 - 1) | near,
        _ => random.draw(),
    };
    place.copy_from_slice(&value.to_le_bytes()[..width]);
}

fn header(file: &mut [u8], random: &mut Random) {
    if random.below(16) == 0 {
        return put(file, 0x3C, 4, random);
    }
    let (offset, width) = random.pick(HEADER);
    let nt = nt(file);
    put(file, nt.saturating_add(offset), width, random);
}

fn section(file: &mut [u8], random: &mut Random) {
    let (table, count) = section_table(file);
    let (offset, width) = random.pick(SECTION);
    let row = random.below(count.min(100));
    put(file, table.saturating_add(row * 40 + offset), width, random);
}

fn entry(file: &[u8], index: usize) -> usize {
    nt(file).saturating_add(24 + 112 + index * 8)
}

fn directory_entry(file: &mut [u8], random: &mut Random) {
    let index = random.pick(DIRECTORIES);
    let at = entry(file, index).saturating_add(4 * random.below(2));
    put(file, at, 4, random);
}

/// Where an RVA stands in the file, for as much of a table as the fuzzer has left of it.
fn place(file: &[u8], rva: u32) -> Option<usize> {
    let (table, count) = section_table(file);
    (0..count.min(100)).find_map(|row| {
        let at = table.saturating_add(row * 40);
        let inside = rva.checked_sub(u32_at(file, at.saturating_add(12)))?;
        let bytes = u32_at(file, at.saturating_add(16));
        (inside < bytes)
            .then(|| (u32_at(file, at.saturating_add(20)) as usize).saturating_add(inside as usize))
    })
}

/// Changes a field in a directory, or in a table that a field of it points to.
fn directory_content(file: &mut [u8], random: &mut Random) {
    let index = random.pick(DIRECTORIES);
    let at = entry(file, index);
    let (rva, bytes) = (u32_at(file, at), u32_at(file, at.saturating_add(4)));
    let Some(start) = place(file, rva) else { return };
    let width = random.pick(&[2, 4, 4, 8]);
    let mut target = start.saturating_add(random.below(bytes.min(0x1_0000) as usize + 1) & !(width - 1));
    if random.below(2) == 0 {
        // The field as a pointer: import lookup tables, names, export tables.
        let pointed = u32_at(file, start.saturating_add(4 * random.below(10)));
        let Some(found) = place(file, pointed) else { return };
        target = found.saturating_add(width * random.below(8));
    }
    put(file, target, width, random);
}

fn flip(file: &mut [u8], random: &mut Random) {
    let at = random.below(file.len());
    if let Some(byte) = file.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// Copies a piece of the file to another place in it.
fn copy(file: &mut [u8], random: &mut Random) {
    let length = random.below(64).min(file.len());
    let from = random.below(file.len() - length + 1);
    let to = random.below(file.len() - length + 1);
    file.copy_within(from..from + length, to);
}

fn length(file: &mut Vec<u8>, room: usize, random: &mut Random) {
    match random.below(8) {
        0 => file.truncate(random.below(file.len() + 1)),
        1 => {
            let longer = (file.len() + random.below(0x400)).min(room.max(file.len()));
            file.resize(longer, 0);
        }
        _ => flip(file, random),
    }
}
