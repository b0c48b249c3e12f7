//! The base relocation directory.

use object::pe;

use crate::header::Directory;
use crate::reader::{u16_at, u32_at};
use crate::view::View;
use crate::{PeError, limits};

/// One place in the image that holds (a part of) an absolute address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relocation {
    /// Place in the image.
    pub rva: u32,
    /// What stands there.
    pub kind: RelocationKind,
}

/// What a relocated place holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelocationKind {
    /// The upper 16 bits of a 32-bit address.
    High,
    /// The lower 16 bits of a 32-bit address.
    Low,
    /// A 32-bit address.
    HighLow,
    /// The upper 16 bits of a 32-bit address, rounded; the lower 16 bits stand in the directory.
    HighAdj {
        /// Lower half of the address, sign-extended by the instruction that uses it.
        low: u16,
    },
    /// A 64-bit address.
    Dir64,
}

impl RelocationKind {
    /// Bytes that a relocation changes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::High | Self::Low | Self::HighAdj { .. } => 2,
            Self::HighLow => 4,
            Self::Dir64 => 8,
        }
    }
}

pub(crate) fn parse(view: &View<'_>, directory: Directory) -> Result<Vec<Relocation>, PeError> {
    const NAME: &str = "relocation directory";
    if !directory.is_present() {
        return Ok(Vec::new());
    }
    if directory.bytes > limits::RELOCATION_BYTES {
        return Err(PeError::TooMany {
            what: "bytes in the relocation directory",
            count: directory.bytes.into(),
            limit: limits::RELOCATION_BYTES.into(),
        });
    }
    let start = u64::from(directory.rva);
    let data = view.bytes(start, directory.bytes.into(), "the relocation directory")?;
    let mut relocations = Vec::new();
    let mut at = 0usize;
    while data.len() - at >= 8 {
        let block_rva = start + at as u64;
        let bad = |why| PeError::BadDirectory { directory: NAME, rva: block_rva, why };
        let page = u32_at(&data, at);
        let block_bytes = u32_at(&data, at + 4) as usize;
        if page == 0 && block_bytes == 0 {
            break;
        }
        if block_bytes < 8 {
            return Err(bad("a block is smaller than its header"));
        }
        let end = at.checked_add(block_bytes).filter(|end| *end <= data.len());
        let end = end.ok_or_else(|| bad("a block reaches over the end of the directory"))?;
        let mut entries = data[at + 8..end].chunks_exact(2).map(|pair| u16_at(pair, 0));
        while let Some(entry) = entries.next() {
            let kind = u32::from(entry >> 12);
            let rva = u64::from(page) + u64::from(entry & 0xFFF);
            let kind = match kind as u16 {
                k if k == pe::IMAGE_REL_BASED_ABSOLUTE.0 => continue,
                k if k == pe::IMAGE_REL_BASED_HIGH.0 => RelocationKind::High,
                k if k == pe::IMAGE_REL_BASED_LOW.0 => RelocationKind::Low,
                k if k == pe::IMAGE_REL_BASED_HIGHLOW.0 => RelocationKind::HighLow,
                k if k == pe::IMAGE_REL_BASED_HIGHADJ.0 => RelocationKind::HighAdj {
                    low: entries.next().ok_or_else(|| bad("a HIGHADJ entry lacks its second half"))?,
                },
                k if k == pe::IMAGE_REL_BASED_DIR64.0 => RelocationKind::Dir64,
                k => return Err(PeError::UnknownRelocation { rva, kind: k as u8 }),
            };
            if rva + u64::from(kind.bytes()) > view.size_of_image.into() {
                return Err(PeError::NotInImage {
                    what: "the target of a relocation".to_owned(),
                    rva,
                    bytes: kind.bytes().into(),
                });
            }
            relocations.push(Relocation { rva: rva as u32, kind });
        }
        at = end;
    }
    Ok(relocations)
}
