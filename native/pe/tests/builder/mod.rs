//! A small PE writer: headers, sections and the directories that the tests need.

pub const CODE: u32 = 0x6000_0020;
pub const READ_ONLY: u32 = 0x4000_0040;
pub const DATA: u32 = 0xC000_0040;
pub const DISCARDABLE: u32 = 0x4200_0040;
pub const IMAGE_BASE: u64 = 0x1_4000_0000;

/// Offset of the PE signature in built files, and of the optional header and the section table.
pub const NT: usize = 0x80;
pub const OPTIONAL: usize = NT + 24;
pub const SECTION_TABLE: usize = OPTIONAL + 0xF0;

#[derive(Clone)]
pub struct Section {
    pub name: &'static [u8],
    pub rva: u32,
    pub virtual_size: u32,
    pub data: Vec<u8>,
    pub characteristics: u32,
}

#[derive(Clone, Default)]
pub struct Builder {
    pub sections: Vec<Section>,
    pub directories: [(u32, u32); 16],
    pub entry: u32,
}

impl Builder {
    pub fn section(mut self, name: &'static [u8], rva: u32, data: &[u8], characteristics: u32) -> Self {
        let virtual_size = data.len() as u32;
        self.sections.push(Section { name, rva, virtual_size, data: data.to_vec(), characteristics });
        self
    }

    pub fn directory(mut self, index: usize, rva: u32, bytes: u32) -> Self {
        self.directories[index] = (rva, bytes);
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let size_of_image = self
            .sections
            .iter()
            .map(|s| (s.rva + s.virtual_size).next_multiple_of(0x1000))
            .max()
            .unwrap_or(0x1000);
        let mut file = vec![0u8; 0x400];
        put(&mut file, 0, b"MZ");
        put(&mut file, 0x3C, &(NT as u32).to_le_bytes());
        put(&mut file, NT, b"PE\0\0");
        put(&mut file, NT + 4, &0x8664u16.to_le_bytes());
        put(&mut file, NT + 6, &(self.sections.len() as u16).to_le_bytes());
        put(&mut file, NT + 8, &0x5F00_0000u32.to_le_bytes());
        put(&mut file, NT + 20, &0xF0u16.to_le_bytes());
        put(&mut file, NT + 22, &0x22u16.to_le_bytes());
        put(&mut file, OPTIONAL, &0x20Bu16.to_le_bytes());
        put(&mut file, OPTIONAL + 16, &self.entry.to_le_bytes());
        put(&mut file, OPTIONAL + 24, &IMAGE_BASE.to_le_bytes());
        put(&mut file, OPTIONAL + 32, &0x1000u32.to_le_bytes());
        put(&mut file, OPTIONAL + 36, &0x200u32.to_le_bytes());
        put(&mut file, OPTIONAL + 56, &size_of_image.to_le_bytes());
        put(&mut file, OPTIONAL + 60, &0x400u32.to_le_bytes());
        put(&mut file, OPTIONAL + 64, &0xABCDu32.to_le_bytes());
        put(&mut file, OPTIONAL + 68, &1u16.to_le_bytes());
        put(&mut file, OPTIONAL + 108, &16u32.to_le_bytes());
        for (index, (rva, bytes)) in self.directories.iter().enumerate() {
            put(&mut file, OPTIONAL + 112 + index * 8, &rva.to_le_bytes());
            put(&mut file, OPTIONAL + 116 + index * 8, &bytes.to_le_bytes());
        }
        for (index, section) in self.sections.iter().enumerate() {
            let row = SECTION_TABLE + index * 40;
            let raw = (section.data.len() as u32).next_multiple_of(0x200);
            let start = file.len() as u32;
            put(&mut file, row, section.name);
            put(&mut file, row + 8, &section.virtual_size.to_le_bytes());
            put(&mut file, row + 12, &section.rva.to_le_bytes());
            put(&mut file, row + 16, &raw.to_le_bytes());
            put(&mut file, row + 20, &start.to_le_bytes());
            put(&mut file, row + 36, &section.characteristics.to_le_bytes());
            file.extend_from_slice(&section.data);
            file.resize((start + raw) as usize, 0);
        }
        file
    }
}

pub fn put(block: &mut [u8], offset: usize, bytes: &[u8]) {
    block[offset..offset + bytes.len()].copy_from_slice(bytes);
}

pub fn put_u32(block: &mut [u8], offset: usize, values: &[u32]) {
    for (index, value) in values.iter().enumerate() {
        put(block, offset + index * 4, &value.to_le_bytes());
    }
}

pub fn put_u64(block: &mut [u8], offset: usize, values: &[u64]) {
    for (index, value) in values.iter().enumerate() {
        put(block, offset + index * 8, &value.to_le_bytes());
    }
}

/// One relocation block; `entries` are `(type, offset)`.
pub fn relocation_block(page: u32, entries: &[(u16, u16)]) -> Vec<u8> {
    let mut block = Vec::new();
    block.extend(page.to_le_bytes());
    block.extend((8 + entries.len() as u32 * 2).to_le_bytes());
    for (kind, offset) in entries {
        block.extend((kind << 12 | offset).to_le_bytes());
    }
    block
}

/// A driver with every directory that the crate reads.
///
/// `.text` 0x1000 · `.rdata` 0x2000 · `.data` 0x3000 · `.pdata` 0x4000 · two `PAGE` 0x5000, 0x6000 · `INIT` 0x7000 ·
/// `.reloc` 0x8000
pub fn full() -> Builder {
    let text = vec![0xCC; 0x100];
    let mut rdata = vec![0u8; 0x600];
    // Imports: FLTMGR.SYS by name, NTOSKRNL.EXE by ordinal without a lookup table.
    put_u32(&mut rdata, 0x000, &[0x2080, 0, 0, 0x20E0, 0x20A0]);
    put_u32(&mut rdata, 0x014, &[0, 0, 0, 0x20F0, 0x20C0]);
    put_u64(&mut rdata, 0x080, &[0x2100, 0x2120]);
    put_u64(&mut rdata, 0x0A0, &[0x2100, 0x2120]);
    put_u64(&mut rdata, 0x0C0, &[1 << 63 | 77]);
    put(&mut rdata, 0x0E0, b"FLTMGR.SYS\0");
    put(&mut rdata, 0x0F0, b"NTOSKRNL.EXE\0");
    put(&mut rdata, 0x100, b"\x05\0FltRegisterFilter\0");
    put(&mut rdata, 0x120, b"\x09\0FltStartFiltering\0");
    // Exports: one in the image, one forwarded.
    put_u32(&mut rdata, 0x180, &[0, 0, 0, 0x2200, 10, 2, 2, 0x21B0, 0x21C0, 0x21D0]);
    put_u32(&mut rdata, 0x1B0, &[0x1010, 0x2210]);
    put_u32(&mut rdata, 0x1C0, &[0x21E0, 0x21E8]);
    put(&mut rdata, 0x1D0, &[0, 0, 1, 0]);
    put(&mut rdata, 0x1E0, b"Alpha\0");
    put(&mut rdata, 0x1E8, b"Beta\0");
    put(&mut rdata, 0x200, b"full.sys\0");
    put(&mut rdata, 0x210, b"other.Gamma\0");
    // Load configuration, long enough for extended flow guard.
    put_u32(&mut rdata, 0x300, &[0x140]);
    put_u64(&mut rdata, 0x300 + 0x58, &[IMAGE_BASE + 0x3000]);
    put_u64(&mut rdata, 0x300 + 0x70, &[IMAGE_BASE + 0x3008, IMAGE_BASE + 0x3010]);
    put_u32(&mut rdata, 0x300 + 0x90, &[0x500]);
    put_u64(&mut rdata, 0x300 + 0x118, &[IMAGE_BASE + 0x3018, IMAGE_BASE + 0x3020, IMAGE_BASE + 0x3028]);
    // Debug directory with a CodeView record.
    put_u32(&mut rdata, 0x480, &[0, 0, 0, 2, 24 + 9, 0x24C0, 0]);
    put(&mut rdata, 0x4C0, b"RSDS0123456789abcdef\x03\0\0\0full.pdb\0");
    let mut data = vec![0u8; 0x80];
    put_u64(&mut data, 0, &[0x2B99_2DDF_A232]);
    put_u64(&mut data, 0x40, &[IMAGE_BASE + 0x1010]);
    let mut pdata = vec![0u8; 24];
    put_u32(&mut pdata, 0, &[0x1000, 0x1020, 0x2500, 0x1020, 0x1060, 0x2504]);
    let reloc = relocation_block(0x3000, &[(10, 0x40), (0, 0)]);
    let mut builder = Builder { entry: 0x1000, ..Builder::default() }
        .section(b".text", 0x1000, &text, CODE)
        .section(b".rdata", 0x2000, &rdata, READ_ONLY)
        .section(b".data", 0x3000, &data, DATA)
        .section(b".pdata", 0x4000, &pdata, READ_ONLY)
        .section(b"PAGE", 0x5000, &[0xC3; 16], CODE)
        .section(b"PAGE", 0x6000, &[1; 16], DATA)
        .section(b"INIT", 0x7000, &[0xC3; 16], CODE)
        .section(b".reloc", 0x8000, &reloc, DISCARDABLE)
        .directory(0, 0x2180, 0xA0)
        .directory(1, 0x2000, 0x3C)
        .directory(3, 0x4000, 24)
        .directory(5, 0x8000, reloc.len() as u32)
        .directory(6, 0x2480, 28)
        .directory(10, 0x2300, 0x140);
    // The data section goes on with zeros that the file does not hold.
    builder.sections[2].virtual_size = 0x900;
    builder
}
