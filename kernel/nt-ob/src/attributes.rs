//! What a caller says about the object to name or open: captured `OBJECT_ATTRIBUTES`.

use boundary::{Raise, copy};
use nt_abi::{NtStatus, OBJ_VALID_ATTRIBUTES};

/// Name, root directory and attributes of an open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// Handle that the name is relative to, 0 for none.
    pub root: usize,
    /// The name; empty for an object without one.
    pub name: Vec<u16>,
    /// `OBJ_*`.
    pub attributes: u32,
    /// Address of a security descriptor, 0 for none.
    pub security_descriptor: usize,
    /// Address of a security quality of service, 0 for none.
    pub quality_of_service: usize,
}

impl ObjectAttributes {
    /// An absolute name.
    pub fn named(name: &[u16], attributes: u32) -> Self {
        Self { name: name.to_vec(), attributes, ..Self::default() }
    }

    /// A name relative to the object behind `root`.
    pub fn relative(root: usize, name: &[u16], attributes: u32) -> Self {
        Self { root, ..Self::named(name, attributes) }
    }

    /// Reads the `OBJECT_ATTRIBUTES` at `address`; 0 means no name and no attributes.
    ///
    /// Errors: InvalidParameter (wrong length, unknown attribute bits) · ObjectNameInvalid (odd length of the
    /// name); a bad address raises AccessViolation
    pub fn capture(address: usize) -> Result<Result<Self, NtStatus>, Raise> {
        if address == 0 {
            return Ok(Ok(Self::default()));
        }
        let word = |offset: usize| copy::read_value::<u64>(address + offset);
        let length = word(0)? as u32;
        let attributes = word(0x18)? as u32;
        if length != 0x30 || attributes & !OBJ_VALID_ATTRIBUTES != 0 {
            return Ok(Err(NtStatus::INVALID_PARAMETER));
        }
        let name = match word(0x10)? as usize {
            0 => Vec::new(),
            string => match Self::capture_string(string)? {
                Ok(name) => name,
                Err(status) => return Ok(Err(status)),
            },
        };
        Ok(Ok(Self {
            root: word(8)? as usize,
            name,
            attributes,
            security_descriptor: word(0x20)? as usize,
            quality_of_service: word(0x28)? as usize,
        }))
    }

    /// Reads the `UNICODE_STRING` at `address`. Errors: ObjectNameInvalid (odd length); AccessViolation is raised
    pub fn capture_string(address: usize) -> Result<Result<Vec<u16>, NtStatus>, Raise> {
        let length = usize::from(copy::read_value::<u16>(address)?);
        let buffer = copy::read_value::<u64>(address + 8)? as usize;
        if !length.is_multiple_of(2) {
            return Ok(Err(NtStatus::OBJECT_NAME_INVALID));
        }
        let mut bytes = vec![0u8; length];
        copy::read(buffer, &mut bytes)?;
        Ok(Ok(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()))
    }
}
