//! Descriptors, lists and identifiers in a driver's memory, copied out.

use boundary::copy::{self, BadAddress};

use crate::descriptor::Parts;
use crate::sid::Sid;

const SELF_RELATIVE: u16 = 0x8000;
const DACL_PRESENT: u16 = 4;
const SACL_PRESENT: u16 = 0x10;

fn bytes(address: usize, length: usize) -> Result<Vec<u8>, BadAddress> {
    let mut bytes = vec![0; length];
    copy::read(address, &mut bytes)?;
    Ok(bytes)
}

/// The identifier at `address`; `None` when there is none that is well-formed.
pub fn sid(address: usize) -> Result<Option<Sid>, BadAddress> {
    if address == 0 {
        return Ok(None);
    }
    let count = usize::from(copy::read_value::<u8>(address + 1)?);
    Ok(Sid::read(&bytes(address, 8 + count.min(15) * 4)?))
}

/// The list at `address`, as long as it says; `None` when there is none, or it is shorter than its head.
pub fn acl(address: usize) -> Result<Option<Vec<u8>>, BadAddress> {
    if address == 0 {
        return Ok(None);
    }
    let length = usize::from(copy::read_value::<u16>(address + 2)?);
    if length < 8 { Ok(None) } else { bytes(address, length).map(Some) }
}

/// Where the parts of a descriptor lie: owner, group, system list, discretionary list; 0 for one that is not there.
pub fn places(address: usize) -> Result<(u16, [usize; 4]), BadAddress> {
    let control = copy::read_value::<u16>(address + 2)?;
    let mut places = [0; 4];
    for (index, place) in places.iter_mut().enumerate() {
        *place = if control & SELF_RELATIVE == 0 {
            copy::read_value::<usize>(address + 8 + index * 8)?
        } else {
            match copy::read_value::<u32>(address + 4 + index * 4)? as usize {
                0 => 0,
                offset => address + offset,
            }
        };
    }
    for (index, bit) in [(2, SACL_PRESENT), (3, DACL_PRESENT)] {
        if control & bit == 0 {
            places[index] = 0;
        }
    }
    Ok((control, places))
}

/// The descriptor at `address`, absolute or self-relative; `None` when it or a part of it is malformed.
///
/// Source: RtlValidSecurityDescriptor, SeCaptureSecurityDescriptor
pub fn descriptor(address: usize) -> Result<Option<Parts>, BadAddress> {
    if copy::read_value::<u8>(address)? != 1 {
        return Ok(None);
    }
    let (control, [owner_at, group_at, sacl_at, dacl_at]) = places(address)?;
    let (owner, group, sacl, dacl) = (sid(owner_at)?, sid(group_at)?, acl(sacl_at)?, acl(dacl_at)?);
    let malformed = (owner_at != 0 && owner.is_none())
        || (group_at != 0 && group.is_none())
        || (sacl_at != 0 && !sacl.as_deref().is_some_and(crate::acl::is_valid))
        || (dacl_at != 0 && !dacl.as_deref().is_some_and(crate::acl::is_valid));
    Ok((!malformed).then_some(Parts { control: control & !SELF_RELATIVE, owner, group, dacl, sacl }))
}
