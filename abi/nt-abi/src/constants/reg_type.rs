//! Registry value types, information classes and query flags.

/// `REG_NONE`.
pub const REG_NONE: u32 = 0;
/// `REG_SZ`.
pub const REG_SZ: u32 = 1;
/// `REG_EXPAND_SZ`.
pub const REG_EXPAND_SZ: u32 = 2;
/// `REG_BINARY`.
pub const REG_BINARY: u32 = 3;
/// `REG_DWORD`.
pub const REG_DWORD: u32 = 4;
/// `REG_DWORD_BIG_ENDIAN`.
pub const REG_DWORD_BIG_ENDIAN: u32 = 5;
/// `REG_LINK`.
pub const REG_LINK: u32 = 6;
/// `REG_MULTI_SZ`.
pub const REG_MULTI_SZ: u32 = 7;
/// `REG_RESOURCE_LIST`.
pub const REG_RESOURCE_LIST: u32 = 8;
/// `REG_FULL_RESOURCE_DESCRIPTOR`.
pub const REG_FULL_RESOURCE_DESCRIPTOR: u32 = 9;
/// `REG_RESOURCE_REQUIREMENTS_LIST`.
pub const REG_RESOURCE_REQUIREMENTS_LIST: u32 = 0xa;
/// `REG_QWORD`.
pub const REG_QWORD: u32 = 0xb;

// KEY_VALUE_INFORMATION_CLASS
/// `KeyValueBasicInformation`.
pub const KeyValueBasicInformation: u32 = 0;
/// `KeyValueFullInformation`.
pub const KeyValueFullInformation: u32 = 1;
/// `KeyValuePartialInformation`.
pub const KeyValuePartialInformation: u32 = 2;
/// `KeyValueFullInformationAlign64`.
pub const KeyValueFullInformationAlign64: u32 = 3;
/// `KeyValuePartialInformationAlign64`.
pub const KeyValuePartialInformationAlign64: u32 = 4;

// KEY_INFORMATION_CLASS
/// `KeyBasicInformation`.
pub const KeyBasicInformation: u32 = 0;
/// `KeyNodeInformation`.
pub const KeyNodeInformation: u32 = 1;
/// `KeyFullInformation`.
pub const KeyFullInformation: u32 = 2;
/// `KeyNameInformation`.
pub const KeyNameInformation: u32 = 3;

// Key options and disposition
/// `REG_OPTION_NON_VOLATILE`.
pub const REG_OPTION_NON_VOLATILE: u32 = 0;
/// `REG_OPTION_VOLATILE`.
pub const REG_OPTION_VOLATILE: u32 = 1;
/// `REG_CREATED_NEW_KEY`.
pub const REG_CREATED_NEW_KEY: u32 = 1;
/// `REG_OPENED_EXISTING_KEY`.
pub const REG_OPENED_EXISTING_KEY: u32 = 2;

// RTL_QUERY_REGISTRY_TABLE.Flags
/// `RTL_QUERY_REGISTRY_SUBKEY`.
pub const RTL_QUERY_REGISTRY_SUBKEY: u32 = 1;
/// `RTL_QUERY_REGISTRY_TOPKEY`.
pub const RTL_QUERY_REGISTRY_TOPKEY: u32 = 2;
/// `RTL_QUERY_REGISTRY_REQUIRED`.
pub const RTL_QUERY_REGISTRY_REQUIRED: u32 = 4;
/// `RTL_QUERY_REGISTRY_NOVALUE`.
pub const RTL_QUERY_REGISTRY_NOVALUE: u32 = 8;
/// `RTL_QUERY_REGISTRY_NOEXPAND`.
pub const RTL_QUERY_REGISTRY_NOEXPAND: u32 = 0x10;
/// `RTL_QUERY_REGISTRY_DIRECT`.
pub const RTL_QUERY_REGISTRY_DIRECT: u32 = 0x20;
/// `RTL_QUERY_REGISTRY_DELETE`.
pub const RTL_QUERY_REGISTRY_DELETE: u32 = 0x40;
/// `RTL_QUERY_REGISTRY_TYPECHECK`.
pub const RTL_QUERY_REGISTRY_TYPECHECK: u32 = 0x100;

// RelativeTo
/// `RTL_REGISTRY_ABSOLUTE`.
pub const RTL_REGISTRY_ABSOLUTE: u32 = 0;
/// `RTL_REGISTRY_SERVICES`.
pub const RTL_REGISTRY_SERVICES: u32 = 1;
/// `RTL_REGISTRY_CONTROL`.
pub const RTL_REGISTRY_CONTROL: u32 = 2;
/// `RTL_REGISTRY_WINDOWS_NT`.
pub const RTL_REGISTRY_WINDOWS_NT: u32 = 3;
/// `RTL_REGISTRY_DEVICEMAP`.
pub const RTL_REGISTRY_DEVICEMAP: u32 = 4;
/// `RTL_REGISTRY_USER`.
pub const RTL_REGISTRY_USER: u32 = 5;
/// `RTL_REGISTRY_HANDLE`.
pub const RTL_REGISTRY_HANDLE: u32 = 0x40000000;
/// `RTL_REGISTRY_OPTIONAL`.
pub const RTL_REGISTRY_OPTIONAL: u32 = 0x80000000;
