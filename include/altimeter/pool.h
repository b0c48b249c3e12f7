/*
 * Pool routines that are newer than mingw-w64's headers.
 *
 * ExAllocatePoolZero and its relatives are inline in real headers: they reach the kernel as
 * ExAllocatePoolWithTag with POOL_ZERO_ALLOCATION in the pool type. They are static because clang inlines no call
 * inside a __try block: there it needs a body to call.
 */
#ifndef ALTIMETER_POOL_H
#define ALTIMETER_POOL_H

#ifndef POOL_ZERO_ALLOCATION
#define POOL_ZERO_ALLOCATION 0x400
#endif

#ifndef POOL_FLAG_NON_PAGED
typedef ULONG64 POOL_FLAGS;

#define POOL_FLAG_USE_QUOTA 0x0000000000000001UI64
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002UI64
#define POOL_FLAG_SESSION 0x0000000000000004UI64
#define POOL_FLAG_CACHE_ALIGNED 0x0000000000000008UI64
#define POOL_FLAG_RESERVED1 0x0000000000000010UI64
#define POOL_FLAG_RAISE_ON_FAILURE 0x0000000000000020UI64
#define POOL_FLAG_NON_PAGED 0x0000000000000040UI64
#define POOL_FLAG_NON_PAGED_EXECUTE 0x0000000000000080UI64
#define POOL_FLAG_PAGED 0x0000000000000100UI64
#define POOL_FLAG_SPECIAL_POOL 0x0000000100000000UI64

NTKERNELAPI PVOID NTAPI ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag);
NTKERNELAPI VOID NTAPI ExFreePool2(PVOID P, ULONG Tag, PVOID ExtendedParameters, ULONG Count);
#endif

#define ALTIMETER_INLINE static __inline__ __attribute__((__always_inline__, __unused__))

ALTIMETER_INLINE PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return ExAllocatePoolWithTag((POOL_TYPE)(PoolType | POOL_ZERO_ALLOCATION), NumberOfBytes, Tag);
}

ALTIMETER_INLINE PVOID ExAllocatePoolUninitialized(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

ALTIMETER_INLINE PVOID ExAllocatePoolQuotaZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    return ExAllocatePoolWithQuotaTag((POOL_TYPE)(PoolType | POOL_ZERO_ALLOCATION), NumberOfBytes, Tag);
}

#ifndef NonPagedPoolNx
#define ExInitializeDriverRuntime(Flags) ((void)(Flags))
#endif
#ifndef DrvRtPoolNxOptIn
#define DrvRtPoolNxOptIn 0x1
#endif

#endif
