//! Rtl: IP addresses and GUIDs as text.

use boundary::{Raise, copy, export};
use nt_abi::irql::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL};
use nt_abi::{NtStatus, UNICODE_STRING};
use nt_rtl::net::{self, Parsed};
use nt_rtl::string::write_units;
use nt_rtl::{UnicodeStr, guid};

use crate::argument::{arg, fault, load, rows, status, store};
use crate::flt_string::units;

rows! { "ntoskrnl.exe", "nt-rtl";
    RtlIpv4AddressToStringA done "";
    RtlIpv4AddressToStringW done "";
    RtlIpv4AddressToStringExA done "";
    RtlIpv4AddressToStringExW done "";
    RtlIpv6AddressToStringA done "";
    RtlIpv6AddressToStringW done "";
    RtlIpv6AddressToStringExA done "";
    RtlIpv6AddressToStringExW done "";
    RtlIpv4StringToAddressA done "";
    RtlIpv4StringToAddressW done "";
    RtlIpv4StringToAddressExA done "";
    RtlIpv4StringToAddressExW done "";
    RtlIpv6StringToAddressA done "";
    RtlIpv6StringToAddressW done "";
    RtlIpv6StringToAddressExA done "";
    RtlIpv6StringToAddressExW done "";
    RtlStringFromGUID done "";
    RtlStringFromGUIDEx done "";
    RtlGUIDFromString done "";
}

/// Longest text that is looked at.
const LONGEST: usize = 128;

/// A character of a text: a byte or a unit.
trait Character: Copy + Default + Into<u32> {
    fn write(to: usize, text: &str) -> Result<(), copy::BadAddress>;
}

impl Character for u8 {
    fn write(to: usize, text: &str) -> Result<(), copy::BadAddress> {
        copy::write(to, text.as_bytes())
    }
}

impl Character for u16 {
    fn write(to: usize, text: &str) -> Result<(), copy::BadAddress> {
        write_units(to, &text.encode_utf16().collect::<Vec<_>>())
    }
}

/// The text at an address, as far as it is ASCII.
fn text_at<C: Character>(address: usize) -> Result<String, Raise> {
    let mut text = String::new();
    for index in 0..LONGEST {
        let unit: u32 = copy::read_value::<C>(address + index * size_of::<C>()).map_err(fault)?.into();
        match char::from_u32(unit) {
            Some(character) if unit != 0 && unit < 0x80 => text.push(character),
            _ => break,
        }
    }
    Ok(text)
}

/// Writes a text and a zero; the address of the zero.
fn put<C: Character>(to: usize, text: &str) -> Result<usize, Raise> {
    C::write(to, &format!("{text}\0")).map_err(fault)?;
    Ok(to + text.len() * size_of::<C>())
}

/// The same for a buffer whose length in characters stands at `length`.
fn put_counted<C: Character>(to: usize, length: *mut u32, text: &str) -> Result<NtStatus, Raise> {
    if to == 0 || length.is_null() {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    let needed = text.len() as u32 + 1;
    let room = load(length, "RtlIpvXAddressToStringEx", "AddressStringLength")?;
    store(length, needed, "RtlIpvXAddressToStringEx", "AddressStringLength")?;
    if room < needed {
        return Ok(NtStatus::INVALID_PARAMETER);
    }
    put::<C>(to, text)?;
    Ok(NtStatus::SUCCESS)
}

fn four(address: *mut [u8; 4]) -> Result<[u8; 4], Raise> {
    load(address, "RtlIpv4AddressToString", "Addr")
}

fn six(address: *mut [u8; 16]) -> Result<[u8; 16], Raise> {
    load(address, "RtlIpv6AddressToString", "Addr")
}

/// Stores what was parsed and where it ended; the address is left alone when there is none.
fn parsed<C: Character, A: Copy>(
    found: Parsed<A>,
    text: usize,
    end: *mut usize,
    address: *mut A,
) -> Result<NtStatus, Raise> {
    store(end, text + found.end * size_of::<C>(), "RtlIpvXStringToAddress", "Terminator")?;
    match found.address {
        Some(value) => {
            store(address, value, "RtlIpvXStringToAddress", "Addr")?;
            Ok(NtStatus::SUCCESS)
        }
        None => Ok(NtStatus::INVALID_PARAMETER),
    }
}

fn four_ex<C: Character>(
    text: usize,
    strict: u8,
    address: *mut [u8; 4],
    port: *mut [u8; 2],
) -> Result<NtStatus, Raise> {
    match net::v4_and_port(&text_at::<C>(text)?, strict != 0) {
        Some((found, number)) => {
            store(address, found, "RtlIpv4StringToAddressEx", "Address")?;
            store(port, number.to_be_bytes(), "RtlIpv4StringToAddressEx", "Port")?;
            Ok(NtStatus::SUCCESS)
        }
        None => Ok(NtStatus::INVALID_PARAMETER),
    }
}

fn six_ex<C: Character>(
    text: usize,
    address: *mut [u8; 16],
    scope: *mut u32,
    port: *mut [u8; 2],
) -> Result<NtStatus, Raise> {
    match net::v6_scope_and_port(&text_at::<C>(text)?) {
        Some((found, zone, number)) => {
            store(address, found, "RtlIpv6StringToAddressEx", "Address")?;
            store(scope, zone, "RtlIpv6StringToAddressEx", "ScopeId")?;
            store(port, number.to_be_bytes(), "RtlIpv6StringToAddressEx", "Port")?;
            Ok(NtStatus::SUCCESS)
        }
        None => Ok(NtStatus::INVALID_PARAMETER),
    }
}

export! {
    /// Dotted decimal; the address of the zero behind it.
    pub fn RtlIpv4AddressToStringA(address: *mut [u8; 4], to: usize) -> usize [irql <= DISPATCH_LEVEL] { put::<u8>(to, &net::v4_text(four(address)?)) }
    /// Dotted decimal; the address of the zero behind it.
    pub fn RtlIpv4AddressToStringW(address: *mut [u8; 4], to: usize) -> usize [irql <= DISPATCH_LEVEL] { put::<u16>(to, &net::v4_text(four(address)?)) }
    /// Address and port, which is in network order.
    pub fn RtlIpv4AddressToStringExA(address: *mut [u8; 4], port: u16, to: usize, length: *mut u32) -> NtStatus [irql <= DISPATCH_LEVEL] {
        put_counted::<u8>(to, length, &net::v4_port_text(four(address)?, u16::from_be(port)))
    }
    /// Address and port, which is in network order.
    pub fn RtlIpv4AddressToStringExW(address: *mut [u8; 4], port: u16, to: usize, length: *mut u32) -> NtStatus [irql <= DISPATCH_LEVEL] {
        put_counted::<u16>(to, length, &net::v4_port_text(four(address)?, u16::from_be(port)))
    }
    /// Colons and hexadecimal; the address of the zero behind it.
    pub fn RtlIpv6AddressToStringA(address: *mut [u8; 16], to: usize) -> usize [irql <= DISPATCH_LEVEL] { put::<u8>(to, &net::v6_text(six(address)?)) }
    /// Colons and hexadecimal; the address of the zero behind it.
    pub fn RtlIpv6AddressToStringW(address: *mut [u8; 16], to: usize) -> usize [irql <= DISPATCH_LEVEL] { put::<u16>(to, &net::v6_text(six(address)?)) }
    /// Address, scope and port, which is in network order.
    pub fn RtlIpv6AddressToStringExA(address: *mut [u8; 16], scope: u32, port: u16, to: usize, length: *mut u32) -> NtStatus [irql <= DISPATCH_LEVEL] {
        put_counted::<u8>(to, length, &net::v6_scope_port_text(six(address)?, scope, u16::from_be(port)))
    }
    /// Address, scope and port, which is in network order.
    pub fn RtlIpv6AddressToStringExW(address: *mut [u8; 16], scope: u32, port: u16, to: usize, length: *mut u32) -> NtStatus [irql <= DISPATCH_LEVEL] {
        put_counted::<u16>(to, length, &net::v6_scope_port_text(six(address)?, scope, u16::from_be(port)))
    }
    /// The address at the start of a text.
    pub fn RtlIpv4StringToAddressA(text: usize, strict: u8, end: *mut usize, address: *mut [u8; 4]) -> NtStatus [irql <= DISPATCH_LEVEL] {
        parsed::<u8, _>(net::v4(&text_at::<u8>(text)?, strict != 0), text, end, address)
    }
    /// The address at the start of a text.
    pub fn RtlIpv4StringToAddressW(text: usize, strict: u8, end: *mut usize, address: *mut [u8; 4]) -> NtStatus [irql <= DISPATCH_LEVEL] {
        parsed::<u16, _>(net::v4(&text_at::<u16>(text)?, strict != 0), text, end, address)
    }
    /// Address and port that are the whole of a text.
    pub fn RtlIpv4StringToAddressExA(text: usize, strict: u8, address: *mut [u8; 4], port: *mut [u8; 2]) -> NtStatus [irql <= DISPATCH_LEVEL] { four_ex::<u8>(text, strict, address, port) }
    /// Address and port that are the whole of a text.
    pub fn RtlIpv4StringToAddressExW(text: usize, strict: u8, address: *mut [u8; 4], port: *mut [u8; 2]) -> NtStatus [irql <= DISPATCH_LEVEL] { four_ex::<u16>(text, strict, address, port) }
    /// The address at the start of a text.
    pub fn RtlIpv6StringToAddressA(text: usize, end: *mut usize, address: *mut [u8; 16]) -> NtStatus [irql <= DISPATCH_LEVEL] {
        parsed::<u8, _>(net::v6(&text_at::<u8>(text)?), text, end, address)
    }
    /// The address at the start of a text.
    pub fn RtlIpv6StringToAddressW(text: usize, end: *mut usize, address: *mut [u8; 16]) -> NtStatus [irql <= DISPATCH_LEVEL] {
        parsed::<u16, _>(net::v6(&text_at::<u16>(text)?), text, end, address)
    }
    /// Address, scope and port that are the whole of a text.
    pub fn RtlIpv6StringToAddressExA(text: usize, address: *mut [u8; 16], scope: *mut u32, port: *mut [u8; 2]) -> NtStatus [irql <= DISPATCH_LEVEL] { six_ex::<u8>(text, address, scope, port) }
    /// Address, scope and port that are the whole of a text.
    pub fn RtlIpv6StringToAddressExW(text: usize, address: *mut [u8; 16], scope: *mut u32, port: *mut [u8; 2]) -> NtStatus [irql <= DISPATCH_LEVEL] { six_ex::<u16>(text, address, scope, port) }

    /// A GUID's text in new memory.
    pub fn RtlStringFromGUID(value: *mut [u8; 16], text: *mut UNICODE_STRING) -> NtStatus [irql <= APC_LEVEL] {
        arg!(RtlStringFromGUID: text);
        let spelled = guid::to_text(&load(value, "RtlStringFromGUID", "Guid")?);
        Ok(status(UnicodeStr(text).allocate(&spelled.encode_utf16().collect::<Vec<_>>())))
    }

    /// A GUID's text, in new memory or in the string's own.
    pub fn RtlStringFromGUIDEx(value: *mut [u8; 16], text: *mut UNICODE_STRING, allocate: u8) -> NtStatus [irql <= APC_LEVEL] {
        arg!(RtlStringFromGUIDEx: text);
        let spelled: Vec<u16> = guid::to_text(&load(value, "RtlStringFromGUIDEx", "Guid")?).encode_utf16().collect();
        if allocate == 0 && usize::from(text.MaximumLength.get()) < spelled.len() * 2 + 2 {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        Ok(status(UnicodeStr(text).fill(&spelled, allocate != 0)))
    }

    /// The GUID that a text spells.
    pub fn RtlGUIDFromString(text: *mut UNICODE_STRING, value: *mut [u8; 16]) -> NtStatus [irql <= PASSIVE_LEVEL] {
        arg!(RtlGUIDFromString: text);
        match guid::from_text(&units(text)?) {
            Ok(found) => {
                store(value, found, "RtlGUIDFromString", "Guid")?;
                Ok(NtStatus::SUCCESS)
            }
            Err(status) => Ok(status),
        }
    }
}
