//! Corrected copies of mingw-w64's kernel headers: places where a structure is older than Windows 10, or a type another.
//!
//! A front in the kit can add to a header, but not change what it declares. So the installed header is read, the places
//! below are replaced, and the copy stands ahead of it. A place that a later mingw-w64 spells differently is left alone;
//! the layout assertions of `cargo xtask drivers` tell.

use std::path::Path;

use crate::Failure;

/// Header, what stands in it, what it becomes.
const PLACES: &[(&str, &str, &str)] = &[
    // A process is passed to routines that take either name.
    ("wdm.h", "typedef struct _EPROCESS *PEPROCESS;", "typedef struct _KPROCESS *PEPROCESS;"),
    ("wdm.h", "  struct _EPROCESS *Process;", "  struct _KPROCESS *Process;"),
    (
        "wdm.h",
        "  PDEVICE_OBJECT DeviceObject;\n} DEVOBJ_EXTENSION,",
        "  PDEVICE_OBJECT DeviceObject;\n  ULONG PowerFlags;\n  struct _DEVICE_OBJECT_POWER_EXTENSION *Dope;\n  ULONG ExtensionFlags;\n} DEVOBJ_EXTENSION,",
    ),
    // wdm.h of the kit has the type.
    ("ntifs.h", "#define EX_PUSH_LOCK ULONG_PTR\n#define PEX_PUSH_LOCK PULONG_PTR\n", ""),
    (
        "ntifs.h",
        "  PVOID *FileContextSupportPointer;\n#endif\n} FSRTL_ADVANCED_FCB_HEADER,",
        "  PVOID *FileContextSupportPointer;\n#endif\n  union {\n    PVOID Oplock;\n    PVOID ReservedForRemote;\n  };\n  PVOID ReservedContext;\n} FSRTL_ADVANCED_FCB_HEADER,",
    ),
    (
        "ntifs.h",
        "  BOOLEAN ReplaceIfExists;\n  HANDLE RootDirectory;\n  ULONG FileNameLength;\n  WCHAR FileName[1];\n} FILE_LINK_INFORMATION,",
        "  union {\n    BOOLEAN ReplaceIfExists;\n    ULONG Flags;\n  };\n  HANDLE RootDirectory;\n  ULONG FileNameLength;\n  WCHAR FileName[1];\n} FILE_LINK_INFORMATION,",
    ),
    (
        "ntifs.h",
        "  BOOLEAN ReplaceIfExists;\n  HANDLE RootDirectory;\n  ULONG FileNameLength;\n  WCHAR FileName[1];\n} FILE_RENAME_INFORMATION,",
        "  union {\n    BOOLEAN ReplaceIfExists;\n    ULONG Flags;\n  };\n  HANDLE RootDirectory;\n  ULONG FileNameLength;\n  WCHAR FileName[1];\n} FILE_RENAME_INFORMATION,",
    ),
    // No header of a kit declares it, and sources give the name to a pointer of their own.
    (
        "ntifs.h",
        "NTSYSAPI\nNTSTATUS\nNTAPI\nZwQueryInformationProcess (\n    IN HANDLE           ProcessHandle,\n    IN PROCESSINFOCLASS ProcessInformationClass,\n    OUT PVOID           ProcessInformation,\n    IN ULONG            ProcessInformationLength,\n    OUT PULONG          ReturnLength OPTIONAL\n);\n",
        "",
    ),
    // ntddndis.h has it too.
    (
        "ndis.h",
        "typedef enum _NDIS_REQUEST_TYPE {\n  NdisRequestQueryInformation,\n  NdisRequestSetInformation,\n  NdisRequestQueryStatistics,\n  NdisRequestOpen,\n  NdisRequestClose,\n  NdisRequestSend,\n  NdisRequestTransferData,\n  NdisRequestReset,\n  NdisRequestGeneric1,\n  NdisRequestGeneric2,\n  NdisRequestGeneric3,\n  NdisRequestGeneric4,\n#if NDIS_SUPPORT_NDIS6\n  NdisRequestMethod,\n#endif\n} NDIS_REQUEST_TYPE, *PNDIS_REQUEST_TYPE;\n",
        "",
    ),
    (
        "ndis.h",
        "\tIN NDIS_HANDLE  MiniportAdapterHandle\n\tIN NDIS_HANDLE  NdisLinkContext);",
        "\tIN NDIS_HANDLE  MiniportAdapterHandle,\n\tIN NDIS_HANDLE  NdisLinkContext);",
    ),
];

/// Headers that have such a place.
const HEADERS: &[&str] = &["wdm.h", "ntifs.h", "ndis.h"];

/// Writes the corrected copies of the headers in `ddk` into `folder`.
pub(crate) fn write(ddk: &Path, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
    for header in HEADERS {
        let path = ddk.join(header);
        let mut text = std::fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
        for (_, old, new) in PLACES.iter().filter(|(name, ..)| name == header) {
            text = text.replace(old, new);
        }
        let copy = folder.join(header);
        std::fs::write(&copy, text).map_err(|error| Failure::file(&copy, &error))?;
    }
    Ok(())
}
