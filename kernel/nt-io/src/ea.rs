//! Lists of extended attributes: whether `FILE_FULL_EA_INFORMATION` entries hang together.
//!
//! ```text
//! entry: next offset u32 | flags u8 | name length u8 | value length u16 | name, zero | value
//! ```

/// Bytes before the name.
const HEAD: usize = 8;

/// Bytes of the entry at the front of `rest` and where the next one lies, or `None` when it breaks a rule.
fn entry(rest: &[u8]) -> Option<(usize, usize)> {
    let head: &[u8; HEAD] = rest.first_chunk()?;
    let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let name = usize::from(head[5]);
    let bytes = HEAD + name + 1 + usize::from(u16::from_le_bytes([head[6], head[7]]));
    let is_name = rest.get(HEAD + name) == Some(&0);
    let hangs_together = bytes <= rest.len() && (next == 0 || (next.is_multiple_of(4) && next >= bytes));
    (is_name && hangs_together).then_some((bytes, next))
}

/// Whether each entry lies within the list, has a name that ends with a zero, and leads to the next one, 4 bytes aligned.
///
/// Source: IoCheckEaBufferValidity
/// Errors: where the first entry begins that breaks a rule
pub fn io_check_ea_list(list: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    loop {
        match list.get(at..).and_then(entry) {
            None => return Err(at),
            Some((_, 0)) => return Ok(()),
            Some((_, next)) => at += next,
        }
    }
}

#[cfg(test)]
mod a_list_of_extended_attributes {
    use super::*;

    /// A=b, then CD=e.
    const TWO: [u8; 24] =
        [12, 0, 0, 0, 0, 1, 1, 0, b'A', 0, b'b', 0, 0, 0, 0, 0, 0, 2, 1, 0, b'C', b'D', 0, b'e'];

    fn broken(at: usize, byte: u8) -> Result<(), usize> {
        let mut list = TWO;
        list[at] = byte;
        io_check_ea_list(&list)
    }

    #[test]
    fn is_right_when_every_entry_is() {
        assert_eq!(io_check_ea_list(&TWO), Ok(()));
        assert_eq!(broken(13, 0), Ok(()));
    }

    #[test]
    fn is_wrong_where_the_first_entry_is() {
        assert_eq!(io_check_ea_list(&[]), Err(0), "no entry at all");
        assert_eq!(io_check_ea_list(&TWO[..23]), Err(12), "a value behind the end");
        assert_eq!(broken(0, 10), Err(0), "not aligned");
        assert_eq!(broken(0, 8), Err(0), "inside the entry");
        assert_eq!(broken(0, 24), Err(24), "an entry behind the end");
        assert_eq!(broken(9, b'x'), Err(0), "a name without an end");
        assert_eq!(broken(17, 200), Err(12), "a name behind the end");
    }
}
