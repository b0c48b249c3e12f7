//! Names for addresses that are the same in every run.
//!
//! | where | shown as |
//! | --- | --- |
//! | a driver's image | `guard.sys+0x1234` |
//! | an export, or a variable that drivers import | its name |
//! | the machine's addresses | `user+0x…`, `stack 3+0x…` of thread 3, `pool+0x…`, `cache+0x…`, `views+0x…` |
//! | the host's memory | `host#7`, numbered by first appearance |
//! | anything else | a number |

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use boundary::slot;
use driver::Images;

use crate::Machine;

/// Host addresses lie above this: the program, its heap, its stacks.
const HOST: u64 = 0x5000_0000_0000;
const HOST_END: u64 = 0x8000_0000_0000;
/// Bytes of a thread's chunk of the area of stacks.
const CHUNK: usize = 2 << 20;
/// Most units of a text that are shown.
const LONGEST: usize = 128;

/// The names of one machine's addresses.
pub(super) struct Places {
    base: usize,
    images: Arc<Images>,
    hosts: BTreeMap<u64, usize>,
}

/// Names of exports by address.
fn exports() -> &'static BTreeMap<usize, &'static str> {
    static NAMES: OnceLock<BTreeMap<usize, &'static str>> = OnceLock::new();
    NAMES.get_or_init(|| exports::table().iter().map(|row| ((row.address)(), row.name)).collect())
}

impl Places {
    pub(super) fn new(machine: &Machine) -> Self {
        let images = Arc::clone(machine.core.get::<driver::Loader>().images());
        Self { base: machine.core.slot.base(), images, hosts: BTreeMap::new() }
    }

    /// A number, which may be an address as well.
    pub(super) fn number(&mut self, number: u64, line: &mut String) -> std::fmt::Result {
        if number < 10 { write!(line, "{number}") } else { self.pointer(number as usize, line) }
    }

    /// An address.
    pub(super) fn pointer(&mut self, address: usize, line: &mut String) -> std::fmt::Result {
        if let Some(offset) = address.checked_sub(self.base)
            && offset < slot::SLOT_SIZE
        {
            return self.inside(address, offset, line);
        }
        let number = address as u64;
        if !(HOST..HOST_END).contains(&number) {
            return if address == 0 { write!(line, "0") } else { write!(line, "{number:#x}") };
        }
        if let Some(name) = exports().get(&address) {
            return write!(line, "{name}");
        }
        let next = self.hosts.len() + 1;
        write!(line, "host#{}", self.hosts.entry(number).or_insert(next))
    }

    fn inside(&self, address: usize, offset: usize, line: &mut String) -> std::fmt::Result {
        match offset {
            0..slot::USER_SIZE => write!(line, "user+{offset:#x}"),
            slot::USER_SIZE..slot::THREADS_OFFSET => write!(line, "system+{:#x}", offset - slot::USER_SIZE),
            slot::THREADS_OFFSET..slot::POOL_OFFSET => {
                let offset = offset - slot::THREADS_OFFSET;
                write!(line, "stack {}+{:#x}", offset / CHUNK + 1, offset % CHUNK)
            }
            slot::POOL_OFFSET..slot::CACHE_OFFSET => write!(line, "pool+{:#x}", offset - slot::POOL_OFFSET),
            slot::CACHE_OFFSET..slot::IMAGES_OFFSET => {
                write!(line, "cache+{:#x}", offset - slot::CACHE_OFFSET)
            }
            slot::IMAGES_OFFSET..slot::VIEWS_OFFSET => match self.images.offset_of(address) {
                Some((module, offset)) => write!(line, "{module}+{offset:#x}"),
                None => write!(line, "images+{:#x}", offset - slot::IMAGES_OFFSET),
            },
            slot::VIEWS_OFFSET..slot::ALIAS_OFFSET => {
                write!(line, "views+{:#x}", offset - slot::VIEWS_OFFSET)
            }
            _ => write!(line, "alias+{:#x}", offset - slot::ALIAS_OFFSET),
        }
    }
}

/// What a `UNICODE_STRING` holds, in quotes, if it holds a text: one that nobody has filled yet may hold anything.
pub(super) fn text(address: usize, line: &mut String) -> std::fmt::Result {
    let Ok([length, maximum]) = boundary::copy::read_value::<[u16; 2]>(address) else { return Ok(()) };
    let Ok(buffer) = boundary::copy::read_value::<usize>(address.wrapping_add(8)) else { return Ok(()) };
    let units = usize::from(length / 2);
    if length % 2 != 0 || length > maximum || units == 0 || units > LONGEST {
        return Ok(());
    }
    let mut bytes = [0u8; LONGEST * 2];
    let Some(bytes) = bytes.get_mut(..units * 2) else { return Ok(()) };
    if boundary::copy::read(buffer, bytes).is_err() {
        return Ok(());
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16_lossy(&units);
    write!(line, " \"{}\"", text.escape_debug())
}
