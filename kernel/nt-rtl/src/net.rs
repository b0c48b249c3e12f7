//! IP addresses as text. Addresses are bytes in network order.
//!
//! The grammar of IPv6 is `core::net`'s; what is written beside it is what Windows does otherwise: four bytes at the
//! end in dotted decimal, old spellings of IPv4, scopes, ports, and how far an address reaches in a longer text.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An address at the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<A> {
    /// The address; `None` when the text begins with none.
    pub address: Option<A>,
    /// How many characters belong to it, or where the mistake is.
    pub end: usize,
}

/// Dotted decimal. Source: RtlIpv4AddressToString
pub fn v4_text(address: [u8; 4]) -> String {
    Ipv4Addr::from(address).to_string()
}

/// With a port, unless it is 0. Source: RtlIpv4AddressToStringEx
pub fn v4_port_text(address: [u8; 4], port: u16) -> String {
    match port {
        0 => v4_text(address),
        port => format!("{}:{port}", v4_text(address)),
    }
}

/// Hexadecimal groups, the first longest run of zeros as `::`. IPv4-compatible, IPv4-mapped, IPv4-translated and ISATAP
/// addresses end in dotted decimal. Source: RtlIpv6AddressToString
pub fn v6_text(address: [u8; 16]) -> String {
    let groups = Ipv6Addr::from(address).segments();
    let dotted = match groups {
        [0, 0, 0, 0, 0, 0, high, _] => high != 0,
        [0, 0, 0, 0, 0, 0xFFFF, ..] | [0, 0, 0, 0, 0xFFFF, 0, ..] => true,
        [_, _, _, _, high, 0x5EFE, ..] => high & 0xFDFF == 0,
        _ => false,
    };
    let groups = if dotted { &groups[..6] } else { &groups[..] };
    let (mut start, mut length) = (0, 0);
    for first in 0..groups.len() {
        let run = groups[first..].iter().take_while(|group| **group == 0).count();
        if run > length && run > 1 {
            (start, length) = (first, run);
        }
    }
    let hexadecimal = |groups: &[u16]| groups.iter().map(|g| format!("{g:x}")).collect::<Vec<_>>().join(":");
    let mut text = if length == 0 {
        hexadecimal(groups)
    } else {
        format!("{}::{}", hexadecimal(&groups[..start]), hexadecimal(&groups[start + length..]))
    };
    if dotted {
        if !text.ends_with(':') {
            text.push(':');
        }
        text += &v4_text([address[12], address[13], address[14], address[15]]);
    }
    text
}

/// `address`, `address%scope`, `[address]:port` or `[address%scope]:port`. Source: RtlIpv6AddressToStringEx
pub fn v6_scope_port_text(address: [u8; 16], scope: u32, port: u16) -> String {
    let mut text = v6_text(address);
    if scope != 0 {
        text += &format!("%{scope}");
    }
    if port == 0 { text } else { format!("[{text}]:{port}") }
}

/// One number of an IPv4 address: decimal, or (unless strict) octal or hexadecimal.
fn number(part: &str, strict: bool) -> Option<u32> {
    let (digits, radix) = match part.as_bytes() {
        [b'0', b'x' | b'X', _, ..] if !strict => (&part[2..], 16),
        [b'0', _, ..] if !strict => (&part[1..], 8),
        _ => (part, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// The address at the start of a text. Strict: four decimal parts; else one to four parts, the last of which fills the
/// bytes that are left. Source: RtlIpv4StringToAddress
pub fn v4(text: &str, strict: bool) -> Parsed<[u8; 4]> {
    let end = text
        .find(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == 'x' || c == 'X'))
        .unwrap_or(text.len());
    let parse = || {
        let parts: Option<Vec<u32>> = text[..end].split('.').map(|part| number(part, strict)).collect();
        let parts = parts?;
        let (last, first) = parts.split_last()?;
        let bits = 32 - 8 * first.len().min(4) as u32;
        if first.len() > 3 || (strict && first.len() != 3) || first.iter().any(|part| *part > 0xFF) {
            return None;
        }
        if bits < 32 && last >> bits != 0 {
            return None;
        }
        let high = first.iter().enumerate().fold(0u32, |value, (at, part)| value | part << (24 - 8 * at));
        Some((high | last).to_be_bytes())
    };
    Parsed { address: parse(), end }
}

fn port(text: &str) -> Option<u16> {
    let number = number(text, false)?;
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// An address with or without a port, and nothing else. Source: RtlIpv4StringToAddressEx
pub fn v4_and_port(text: &str, strict: bool) -> Option<([u8; 4], u16)> {
    let found = v4(text, strict);
    let address = found.address?;
    match text[found.end..].strip_prefix(':') {
        Some(rest) => Some((address, port(rest)?)),
        None => (found.end == text.len()).then_some((address, 0)),
    }
}

/// The address at the start of a text. Source: RtlIpv6StringToAddress
pub fn v6(text: &str) -> Parsed<[u8; 16]> {
    let end = text.find(|c: char| !(c.is_ascii_hexdigit() || c == ':' || c == '.')).unwrap_or(text.len());
    Parsed { address: text[..end].parse::<Ipv6Addr>().ok().map(|address| address.octets()), end }
}

/// An address with or without brackets, scope and port, and nothing else. Source: RtlIpv6StringToAddressEx
pub fn v6_scope_and_port(text: &str) -> Option<([u8; 16], u32, u16)> {
    let (inner, number) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, behind) = rest.split_once(']')?;
            let number = match behind.strip_prefix(':') {
                Some(digits) => port(digits)?,
                None if behind.is_empty() => 0,
                None => return None,
            };
            (inner, number)
        }
        None => (text, 0),
    };
    let (address, scope) = match inner.split_once('%') {
        Some((address, scope)) => (address, scope.parse::<u32>().ok()?),
        None => (inner, 0),
    };
    let found = v6(address);
    if found.end != address.len() {
        return None;
    }
    Some((found.address?, scope, number))
}
