/*
 * Small things that the Windows kit defines and that published minifilter sources take for granted.
 */
#ifndef ALTIMETER_KIT_H
#define ALTIMETER_KIT_H

/* Short spellings of structured exception handling. */
#ifndef __cplusplus
#ifndef try
#define try __try
#endif
#ifndef except
#define except __except
#endif
#ifndef finally
#define finally __finally
#endif
#ifndef leave
#define leave __leave
#endif
#endif

#ifndef Add2Ptr
#define Add2Ptr(Pointer, Bytes) ((PVOID)((PUCHAR)(Pointer) + (Bytes)))
#endif
#ifndef PtrOffset
#define PtrOffset(Base, Pointer) ((ULONG)((ULONG_PTR)(Pointer) - (ULONG_PTR)(Base)))
#endif

#ifndef ROUND_TO_SIZE
#define ROUND_TO_SIZE(Length, Alignment) \
    (((ULONG_PTR)(Length) + (Alignment) - 1) & ~((ULONG_PTR)(Alignment) - 1))
#endif
#ifndef IS_ALIGNED
#define IS_ALIGNED(Value, Alignment) ((((ULONG_PTR)(Value)) & ((ULONG_PTR)(Alignment) - 1)) == 0)
#endif

/* mingw-w64's assigns its argument to itself, which not every argument allows. */
#undef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(Parameter) ((void)(Parameter))

#ifndef KeMemoryBarrier
#define KeMemoryBarrier() _mm_mfence()
#define KeMemoryBarrierWithoutFence() _ReadWriteBarrier()
#endif

#ifndef POOL_NX_ALLOCATION
#define POOL_NX_ALLOCATION 512
#endif
#ifndef FILE_SUPPORTS_POSIX_UNLINK_RENAME
#define FILE_SUPPORTS_POSIX_UNLINK_RENAME 0x00000400
#define FILE_RETURNS_CLEANUP_RESULT_INFO 0x00000200
#define FILE_SUPPORTS_BYPASS_IO 0x00000800
#define FILE_SUPPORTS_STREAM_SNAPSHOTS 0x00001000
#define FILE_SUPPORTS_CASE_SENSITIVE_DIRS 0x00002000
#endif
#ifndef FILE_SUPPORTS_INTEGRITY_STREAMS
#define FILE_SUPPORTS_INTEGRITY_STREAMS 0x04000000
#define FILE_SUPPORTS_BLOCK_REFCOUNTING 0x08000000
#define FILE_SUPPORTS_SPARSE_VDL 0x10000000
#define FILE_DAX_VOLUME 0x20000000
#define FILE_SUPPORTS_GHOSTING 0x40000000
#endif
#ifndef SECURITY_MAX_SID_SIZE
#define SECURITY_MAX_SID_SIZE 68
#endif
#ifndef FILE_INVALID_FILE_ID
#define FILE_INVALID_FILE_ID ((LONGLONG)-1LL)
#endif

/* The routines of an AVL table as function types. */
typedef RTL_GENERIC_COMPARE_RESULTS NTAPI RTL_AVL_COMPARE_ROUTINE(struct _RTL_AVL_TABLE *Table,
                                                                  PVOID FirstStruct, PVOID SecondStruct);
typedef PVOID NTAPI RTL_AVL_ALLOCATE_ROUTINE(struct _RTL_AVL_TABLE *Table, CLONG ByteSize);
typedef VOID NTAPI RTL_AVL_FREE_ROUTINE(struct _RTL_AVL_TABLE *Table, PVOID Buffer);

/* Assertions of debug builds break with int 2Ch; release builds have none. */
#ifndef FLT_ASSERT
#if defined(DBG) && DBG
#define FLT_ASSERT(Expression) ((Expression) ? (void)0 : __int2c())
#else
#define FLT_ASSERT(Expression) ((void)0)
#endif
#define FLT_ASSERTMSG(Message, Expression) FLT_ASSERT(Expression)
#endif

#ifndef MdlMappingNoExecute
#define MdlMappingNoWrite 0x80000000
#define MdlMappingNoExecute 0x40000000
#define MdlMappingWithGuardPtes 0x20000000
#endif

typedef enum _DRIVER_REGKEY_TYPE {
    DriverRegKeyParameters,
    DriverRegKeyPersistentState,
    DriverRegKeySharedPersistentState
} DRIVER_REGKEY_TYPE;
NTKERNELAPI NTSTATUS NTAPI IoOpenDriverRegistryKey(PDRIVER_OBJECT DriverObject, DRIVER_REGKEY_TYPE RegKeyType,
                                                   ACCESS_MASK DesiredAccess, ULONG Flags,
                                                   PHANDLE DriverRegKey);

#ifndef FSCTL_OFFLOAD_READ
#define FSCTL_OFFLOAD_READ CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 153, METHOD_BUFFERED, FILE_READ_ACCESS)
#define FSCTL_OFFLOAD_WRITE CTL_CODE(FILE_DEVICE_FILE_SYSTEM, 154, METHOD_BUFFERED, FILE_WRITE_ACCESS)
#endif

typedef struct _ALTIMETER_FILE_ID_128 {
    UCHAR Identifier[16];
} ALTIMETER_FILE_ID_128;
typedef struct _ALTIMETER_FILE_ID_INFORMATION {
    ULONGLONG VolumeSerialNumber;
    ALTIMETER_FILE_ID_128 FileId;
} ALTIMETER_FILE_ID_INFORMATION;
#define FILE_ID_128 ALTIMETER_FILE_ID_128
#define PFILE_ID_128 ALTIMETER_FILE_ID_128 *
#define FILE_ID_INFORMATION ALTIMETER_FILE_ID_INFORMATION
#define PFILE_ID_INFORMATION ALTIMETER_FILE_ID_INFORMATION *
#define FileIdInformation ((FILE_INFORMATION_CLASS)59)

/* On x64 these are no intrinsics but functions over one, and their result is the sum. */
#undef InterlockedAdd
#undef InterlockedAdd64
static __inline LONG InterlockedAdd(LONG volatile *Addend, LONG Value)
{
    return _InterlockedExchangeAdd((long volatile *)Addend, Value) + Value;
}
static __inline LONG64 InterlockedAdd64(LONG64 volatile *Addend, LONG64 Value)
{
    return _InterlockedExchangeAdd64((__int64 volatile *)Addend, Value) + Value;
}

#endif
