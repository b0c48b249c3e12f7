/*
 * Exports that headers hide behind macros or inline functions, or do not declare: here each is the import of its name.
 */
#ifndef KSELFTEST_IMPORTS_H
#define KSELFTEST_IMPORTS_H

#define IMPORT __declspec(dllimport)

/* A header may have declared it without saying that it is an import. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdll-attribute-on-redeclaration"

#undef RtlCompareMemoryUlong
#undef RtlFillMemory
#undef RtlZeroMemory
#undef RtlCopyMemory
#undef RtlMoveMemory
#undef RtlInitUnicodeString
IMPORT SIZE_T NTAPI RtlCompareMemoryUlong(PVOID Source, SIZE_T Length, ULONG Pattern);
IMPORT VOID NTAPI RtlFillMemory(PVOID Destination, SIZE_T Length, UCHAR Fill);
IMPORT VOID NTAPI RtlZeroMemory(PVOID Destination, SIZE_T Length);
IMPORT VOID NTAPI RtlCopyMemory(PVOID Destination, const VOID *Source, SIZE_T Length);
IMPORT VOID NTAPI RtlMoveMemory(PVOID Destination, const VOID *Source, SIZE_T Length);

IMPORT ULONG NTAPI RtlFindNextForwardRunSet(PRTL_BITMAP Map, ULONG From, PULONG Start);
IMPORT ULONG NTAPI RtlNumberOfClearBitsInRange(PRTL_BITMAP Map, ULONG Start, ULONG Length);
IMPORT ULONG NTAPI RtlNumberOfSetBitsInRange(PRTL_BITMAP Map, ULONG Start, ULONG Length);
IMPORT VOID NTAPI RtlCopyBitMap(PRTL_BITMAP Source, PRTL_BITMAP Destination, ULONG To);
IMPORT VOID NTAPI RtlExtractBitMap(PRTL_BITMAP Source, PRTL_BITMAP Destination, ULONG From, ULONG Count);

IMPORT WCHAR NTAPI RtlAnsiCharToUnicodeChar(PUCHAR *Place);
IMPORT NTSTATUS NTAPI RtlAppendAsciizToString(PSTRING Destination, PCSTR Source);
IMPORT VOID NTAPI RtlEraseUnicodeString(PUNICODE_STRING String);
IMPORT VOID NTAPI RtlGetDefaultCodePage(PUSHORT Ansi, PUSHORT Oem);
IMPORT NTSTATUS NTAPI RtlUpcaseUnicodeStringToAnsiString(PSTRING Destination, PCUNICODE_STRING Source, BOOLEAN Allocate);
IMPORT NTSTATUS NTAPI RtlStringFromGUIDEx(const GUID *Guid, PUNICODE_STRING String, BOOLEAN Allocate);
#undef RtlxOemStringToUnicodeSize
#undef RtlxAnsiStringToUnicodeSize
#undef RtlxUnicodeStringToOemSize
#undef RtlxUnicodeStringToAnsiSize

IMPORT CHAR *NTAPI RtlIpv4AddressToStringA(const VOID *Address, CHAR *Text);
IMPORT NTSTATUS NTAPI RtlIpv4AddressToStringExA(const VOID *Address, USHORT Port, CHAR *Text, PULONG Length);
IMPORT NTSTATUS NTAPI RtlIpv4StringToAddressA(const CHAR *Text, BOOLEAN Strict, const CHAR **End, VOID *Address);
IMPORT NTSTATUS NTAPI RtlIpv4StringToAddressExA(const CHAR *Text, BOOLEAN Strict, VOID *Address, PUSHORT Port);
IMPORT CHAR *NTAPI RtlIpv6AddressToStringA(const VOID *Address, CHAR *Text);
IMPORT NTSTATUS NTAPI RtlIpv6AddressToStringExA(const VOID *Address, ULONG Scope, USHORT Port, CHAR *Text,
                                                PULONG Length);
IMPORT NTSTATUS NTAPI RtlIpv6StringToAddressA(const CHAR *Text, const CHAR **End, VOID *Address);
IMPORT NTSTATUS NTAPI RtlIpv6StringToAddressExA(const CHAR *Text, VOID *Address, PULONG Scope, PUSHORT Port);
IMPORT WCHAR *NTAPI RtlIpv4AddressToStringW(const VOID *Address, WCHAR *Text);
IMPORT NTSTATUS NTAPI RtlIpv4AddressToStringExW(const VOID *Address, USHORT Port, WCHAR *Text, PULONG Length);
IMPORT NTSTATUS NTAPI RtlIpv4StringToAddressW(const WCHAR *Text, BOOLEAN Strict, const WCHAR **End, VOID *Address);
IMPORT NTSTATUS NTAPI RtlIpv4StringToAddressExW(const WCHAR *Text, BOOLEAN Strict, VOID *Address, PUSHORT Port);
IMPORT WCHAR *NTAPI RtlIpv6AddressToStringW(const VOID *Address, WCHAR *Text);
IMPORT NTSTATUS NTAPI RtlIpv6AddressToStringExW(const VOID *Address, ULONG Scope, USHORT Port, WCHAR *Text,
                                                PULONG Length);
IMPORT NTSTATUS NTAPI RtlIpv6StringToAddressW(const WCHAR *Text, const WCHAR **End, VOID *Address);
IMPORT NTSTATUS NTAPI RtlIpv6StringToAddressExW(const WCHAR *Text, VOID *Address, PULONG Scope, PUSHORT Port);

IMPORT NTSTATUS NTAPI RtlAddAccessDeniedAce(PACL Acl, ULONG Revision, ACCESS_MASK Mask, PSID Sid);
IMPORT BOOLEAN NTAPI RtlFirstFreeAce(PACL Acl, PVOID *Ace);
IMPORT BOOLEAN NTAPI RtlValidAcl(PACL Acl);
IMPORT BOOLEAN NTAPI RtlAreAllAccessesGranted(ACCESS_MASK Granted, ACCESS_MASK Desired);
IMPORT BOOLEAN NTAPI RtlAreAnyAccessesGranted(ACCESS_MASK Granted, ACCESS_MASK Desired);
IMPORT POBJECT_TYPE NTAPI ObGetObjectType(PVOID Object);

IMPORT PVOID NTAPI PsGetProcessWow64Process(PEPROCESS Process);
IMPORT PVOID NTAPI PsGetProcessPeb(PEPROCESS Process);
IMPORT BOOLEAN NTAPI PsIsSystemProcess(PEPROCESS Process);
IMPORT BOOLEAN NTAPI PsIsProtectedProcess(PEPROCESS Process);
IMPORT BOOLEAN NTAPI PsIsProtectedProcessLight(PEPROCESS Process);
IMPORT PEPROCESS NTAPI PsGetCurrentThreadProcess(VOID);
IMPORT HANDLE NTAPI PsGetCurrentThreadProcessId(VOID);
IMPORT KPROCESSOR_MODE NTAPI PsGetCurrentThreadPreviousMode(VOID);
IMPORT PCSTR NTAPI PsGetProcessImageFileName(PEPROCESS Process);
IMPORT HANDLE NTAPI PsGetProcessInheritedFromUniqueProcessId(PEPROCESS Process);
IMPORT BOOLEAN NTAPI PsGetProcessExitProcessCalled(PEPROCESS Process);
IMPORT ULONG NTAPI PsGetProcessSessionId(PEPROCESS Process);
IMPORT ULONG NTAPI PsGetProcessSessionIdEx(PEPROCESS Process);
IMPORT ULONG NTAPI PsGetCurrentProcessSessionId(VOID);

IMPORT VOID NTAPI RtlRbInsertNodeEx(PVOID Tree, PVOID Above, BOOLEAN Right, PVOID Node);
IMPORT VOID NTAPI RtlRbRemoveNode(PVOID Tree, PVOID Node);
IMPORT VOID NTAPI RtlTimeToElapsedTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS Fields);
IMPORT NTSTATUS NTAPI RtlInitStringEx(PSTRING Destination, PCSZ Source);
IMPORT NTSTATUS NTAPI RtlQueryRegistryValuesEx(ULONG RelativeTo, PCWSTR Path, PRTL_QUERY_REGISTRY_TABLE Table,
                                               PVOID Context, PVOID Environment);
IMPORT SECURITY_IMPERSONATION_LEVEL NTAPI SeTokenImpersonationLevel(PACCESS_TOKEN Token);

IMPORT int __cdecl rand(void);
IMPORT void __cdecl srand(unsigned int Seed);
IMPORT int __cdecl abs(int Number);
IMPORT int __cdecl atoi(const char *Text);
IMPORT int __cdecl sprintf(char *Buffer, const char *Format, ...);
IMPORT int __cdecl vsprintf(char *Buffer, const char *Format, va_list Arguments);
IMPORT int __cdecl _snprintf(char *Buffer, size_t Count, const char *Format, ...);
IMPORT int __cdecl _vsnprintf(char *Buffer, size_t Count, const char *Format, va_list Arguments);
IMPORT int __cdecl swprintf(wchar_t *Buffer, const wchar_t *Format, ...);
IMPORT int __cdecl _snwprintf(wchar_t *Buffer, size_t Count, const wchar_t *Format, ...);
IMPORT int __cdecl _vsnwprintf(wchar_t *Buffer, size_t Count, const wchar_t *Format, va_list Arguments);
IMPORT int __cdecl sprintf_s(char *Buffer, size_t Size, const char *Format, ...);
IMPORT int __cdecl vsprintf_s(char *Buffer, size_t Size, const char *Format, va_list Arguments);
IMPORT int __cdecl _snprintf_s(char *Buffer, size_t Size, size_t Count, const char *Format, ...);
IMPORT int __cdecl _vsnprintf_s(char *Buffer, size_t Size, size_t Count, const char *Format, va_list Arguments);
IMPORT int __cdecl swprintf_s(wchar_t *Buffer, size_t Size, const wchar_t *Format, ...);
IMPORT int __cdecl vswprintf_s(wchar_t *Buffer, size_t Size, const wchar_t *Format, va_list Arguments);
IMPORT int __cdecl _snwprintf_s(wchar_t *Buffer, size_t Size, size_t Count, const wchar_t *Format, ...);
IMPORT int __cdecl _vsnwprintf_s(wchar_t *Buffer, size_t Size, size_t Count, const wchar_t *Format, va_list Arguments);

IMPORT NTSTATUS NTAPI ZwNotifyChangeDirectoryFile(HANDLE Handle, HANDLE Event, PIO_APC_ROUTINE Apc, PVOID Context,
                                                  PIO_STATUS_BLOCK Io, PVOID Buffer, ULONG Length, ULONG Filter,
                                                  BOOLEAN Tree);
IMPORT NTSTATUS NTAPI ZwQueryInformationProcess(HANDLE Handle, PROCESSINFOCLASS Class, PVOID Buffer, ULONG Length,
                                                PULONG Needed);
IMPORT NTSTATUS NTAPI ZwQueryInformationThread(HANDLE Handle, THREADINFOCLASS Class, PVOID Buffer, ULONG Length,
                                               PULONG Needed);
IMPORT NTSTATUS NTAPI ZwQuerySystemInformation(ULONG Class, PVOID Buffer, ULONG Length, PULONG Needed);

#undef InitializeSListHead
#undef ExInterlockedPushEntrySList
#undef ExInterlockedPopEntrySList
#undef ExInterlockedFlushSList
IMPORT VOID NTAPI InitializeSListHead(PSLIST_HEADER Head);
IMPORT PSLIST_ENTRY NTAPI ExInterlockedPushEntrySList(PSLIST_HEADER Head, PSLIST_ENTRY Entry, PKSPIN_LOCK Lock);
IMPORT PSLIST_ENTRY NTAPI ExInterlockedPopEntrySList(PSLIST_HEADER Head, PKSPIN_LOCK Lock);
IMPORT PSLIST_ENTRY NTAPI ExInterlockedFlushSList(PSLIST_HEADER Head);

IMPORT BOOLEAN NTAPI ExTryToAcquireResourceExclusiveLite(PERESOURCE Resource);
IMPORT VOID NTAPI ExEnterCriticalRegionAndAcquireFastMutexUnsafe(PFAST_MUTEX Mutex);
IMPORT VOID NTAPI ExReleaseFastMutexUnsafeAndLeaveCriticalRegion(PFAST_MUTEX Mutex);
#undef ExInitializePushLock
IMPORT VOID NTAPI ExInitializePushLock(PEX_PUSH_LOCK Lock);
IMPORT VOID NTAPI ExAcquirePushLockSharedEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT VOID NTAPI ExAcquirePushLockExclusiveEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT BOOLEAN NTAPI ExTryAcquirePushLockSharedEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT BOOLEAN NTAPI ExTryAcquirePushLockExclusiveEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT VOID NTAPI ExReleasePushLockSharedEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT VOID NTAPI ExReleasePushLockExclusiveEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT VOID NTAPI ExReleasePushLockEx(PEX_PUSH_LOCK Lock, ULONG Flags);
IMPORT VOID NTAPI ExfAcquirePushLockShared(PEX_PUSH_LOCK Lock);
IMPORT VOID NTAPI ExfAcquirePushLockExclusive(PEX_PUSH_LOCK Lock);
IMPORT VOID NTAPI ExfReleasePushLock(PEX_PUSH_LOCK Lock);
IMPORT VOID NTAPI ExfReleasePushLockShared(PEX_PUSH_LOCK Lock);
IMPORT VOID NTAPI ExfReleasePushLockExclusive(PEX_PUSH_LOCK Lock);

IMPORT VOID NTAPI KfLowerIrql(KIRQL NewIrql);
#undef KeQueryInterruptTime
IMPORT ULONGLONG NTAPI KeQueryInterruptTime(VOID);
IMPORT ULONGLONG NTAPI KeQueryInterruptTimePrecise(PULONG64 Counter);
IMPORT VOID NTAPI KeQuerySystemTimePrecise(PLARGE_INTEGER Time);
IMPORT NTSTATUS NTAPI KeExpandKernelStackAndCalloutEx(PEXPAND_STACK_CALLOUT Callout, PVOID Parameter, SIZE_T Size,
                                                      BOOLEAN Wait, PVOID Context);
IMPORT ULONGLONG NTAPI KeQueryUnbiasedInterruptTime(VOID);

IMPORT VOID NTAPI KeInitializeApc(PKAPC Apc, PKTHREAD Thread, ULONG Environment, PKKERNEL_ROUTINE Kernel,
                                  PKRUNDOWN_ROUTINE Rundown, PKNORMAL_ROUTINE Normal, KPROCESSOR_MODE Mode,
                                  PVOID Context);
IMPORT BOOLEAN NTAPI KeInsertQueueApc(PKAPC Apc, PVOID First, PVOID Second, KPRIORITY Increment);
IMPORT BOOLEAN NTAPI KeRemoveQueueApc(PKAPC Apc);
IMPORT BOOLEAN NTAPI KeAlertThread(PKTHREAD Thread, KPROCESSOR_MODE Mode);
IMPORT BOOLEAN NTAPI KeTestAlertThread(KPROCESSOR_MODE Mode);
IMPORT ULONG NTAPI KeQueryRuntimeThread(PKTHREAD Thread, PULONG UserTime);

#undef KeWaitForMutexObject
IMPORT NTSTATUS NTAPI KeWaitForMutexObject(PVOID Mutex, KWAIT_REASON Reason, KPROCESSOR_MODE Mode, BOOLEAN Alertable,
                                           PLARGE_INTEGER Timeout);

#undef MmPrepareMdlForReuse
IMPORT VOID NTAPI MmPrepareMdlForReuse(PMDL Mdl);
IMPORT NTSTATUS NTAPI ObOpenObjectByName(POBJECT_ATTRIBUTES Attributes, POBJECT_TYPE Type, KPROCESSOR_MODE Mode,
                                         PACCESS_STATE State, ACCESS_MASK Access, PVOID Context, PHANDLE Handle);
IMPORT NTSTATUS NTAPI NtWaitForSingleObject(HANDLE Handle, BOOLEAN Alertable, PLARGE_INTEGER Timeout);
IMPORT BOOLEAN NTAPI PsIsDiskCountersEnabled(VOID);
#undef PsDereferenceImpersonationToken
#undef PsDereferencePrimaryToken
IMPORT VOID NTAPI PsDereferenceImpersonationToken(PACCESS_TOKEN Token);
IMPORT VOID NTAPI PsDereferencePrimaryToken(PACCESS_TOKEN Token);

#undef FsRtlEnterFileSystem
#undef FsRtlExitFileSystem
IMPORT VOID NTAPI FsRtlEnterFileSystem(VOID);
IMPORT VOID NTAPI FsRtlExitFileSystem(VOID);

/* Sections: exported, and in no public header. */
extern IMPORT POBJECT_TYPE *MmSectionObjectType;
IMPORT NTSTATUS NTAPI ZwQuerySection(HANDLE Section, ULONG Class, PVOID Information, SIZE_T Length, PSIZE_T Returned);
IMPORT NTSTATUS NTAPI ZwExtendSection(HANDLE Section, PLARGE_INTEGER Size);
IMPORT NTSTATUS NTAPI MmCreateSection(PVOID *Section, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes,
                                        PLARGE_INTEGER Size, ULONG Protection, ULONG Allocation, HANDLE FileHandle,
                                        PFILE_OBJECT FileObject);

#pragma clang diagnostic pop

#endif
