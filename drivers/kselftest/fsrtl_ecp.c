/*
 * Extra create parameters. A device of this driver's own is opened where a create has to carry them.
 */
#include "kselftest.h"
#define FILE_NAME "fsrtl_ecp.c"

#define NAME L"\\Device\\KSelfTestEcp"

static const GUID First = {0x51111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};
static const GUID Second = {0x51111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 9}};

static PECP_LIST List;
static ULONG *One, *Two;
static ULONG Cleanups;

static VOID NTAPI Cleanup(PVOID EcpContext, LPCGUID EcpType)
{
    Cleanups++;
}

/* A list with one context of four bytes, and another outside. */
static BOOLEAN Begin(VOID)
{
    Cleanups = 0;
    List = NULL;
    One = Two = NULL;
    return CHECK(FsRtlAllocateExtraCreateParameterList(0, &List) == STATUS_SUCCESS) && CHECK(List != NULL)
           && CHECK(FsRtlAllocateExtraCreateParameter(&First, 4, 0, Cleanup, TAG, (PVOID *)&One) == STATUS_SUCCESS)
           && CHECK(FsRtlAllocateExtraCreateParameter(&Second, 8, 0, Cleanup, TAG, (PVOID *)&Two) == STATUS_SUCCESS)
           && CHECK(One != NULL && Two != NULL) && CHECK(FsRtlInsertExtraCreateParameter(List, One) == STATUS_SUCCESS);
}

static VOID End(VOID)
{
    if (Two != NULL) {
        FsRtlFreeExtraCreateParameter(Two);
    }
    if (List != NULL) {
        FsRtlFreeExtraCreateParameterList(List);
    }
    CHECK(Cleanups == 2);
}

CASE_OF(FsRtlAllocateExtraCreateParameterList)
{
    REQUIRE(Begin());
    CHECK(FsRtlGetNextExtraCreateParameter(NULL, NULL, NULL, NULL, NULL) == STATUS_INVALID_PARAMETER);
    End();
}

CASE_OF(FsRtlFreeExtraCreateParameterList)
{
    REQUIRE(Begin());
    FsRtlFreeExtraCreateParameterList(List);
    List = NULL;
    CHECK(Cleanups == 1);
    End();
}

CASE_OF(FsRtlAllocateExtraCreateParameter)
{
    PVOID context = (PVOID)1;

    REQUIRE(Begin());
    CHECK(*One == 0 && Two[0] == 0 && Two[1] == 0);
    CHECK(FsRtlAllocateExtraCreateParameter(&First, 0x7FFFFFFF, 0, NULL, TAG, &context) == STATUS_INSUFFICIENT_RESOURCES);
    CHECK(context == NULL);
    End();
}

CASE_OF(FsRtlFreeExtraCreateParameter)
{
    REQUIRE(Begin());
    FsRtlFreeExtraCreateParameter(Two);
    CHECK(Cleanups == 1);
    Two = NULL;
    End();
}

static DECLSPEC_ALIGN(16) PAGED_LOOKASIDE_LIST Lookaside;

static PVOID FromLookaside(ULONG Bytes)
{
    PVOID context = NULL;

    CHECK(FsRtlAllocateExtraCreateParameterFromLookasideList(&First, Bytes, 0, NULL, &Lookaside, &context) ==
          STATUS_SUCCESS);
    return context;
}

CASE_OF(FsRtlInitExtraCreateParameterLookasideList)
{
    Fill(&Lookaside, sizeof(Lookaside), 0);
    FsRtlInitExtraCreateParameterLookasideList(&Lookaside, 0, 8, TAG);
    CHECK(Lookaside.L.Size > 8 && Lookaside.L.Tag == TAG && Lookaside.L.Allocate != NULL);
    FsRtlDeleteExtraCreateParameterLookasideList(&Lookaside, 0);
}

CASE_OF(FsRtlDeleteExtraCreateParameterLookasideList)
{
    PVOID context;

    FsRtlInitExtraCreateParameterLookasideList(&Lookaside, 0, 8, TAG);
    context = FromLookaside(8);
    REQUIRE(context != NULL);
    FsRtlFreeExtraCreateParameter(context);
    CHECK(ExQueryDepthSList(&Lookaside.L.ListHead) == 1);
    FsRtlDeleteExtraCreateParameterLookasideList(&Lookaside, 0);
    CHECK(ExQueryDepthSList(&Lookaside.L.ListHead) == 0);
}

CASE_OF(FsRtlAllocateExtraCreateParameterFromLookasideList)
{
    PVOID context, again;

    FsRtlInitExtraCreateParameterLookasideList(&Lookaside, 0, 8, TAG);
    context = FromLookaside(8);
    REQUIRE(context != NULL);
    CHECK(Holds(context, 8, 0));
    Fill(context, 8, 7);
    FsRtlFreeExtraCreateParameter(context);
    again = FromLookaside(4);
    CHECK(again == context && Holds(again, 4, 0));
    FsRtlFreeExtraCreateParameter(again);
    FsRtlDeleteExtraCreateParameterLookasideList(&Lookaside, 0);
}

CASE_OF(FsRtlInsertExtraCreateParameter)
{
    PVOID again = NULL;

    REQUIRE(Begin());
    CHECK(FsRtlAllocateExtraCreateParameter(&First, 4, 0, NULL, TAG, &again) == STATUS_SUCCESS);
    CHECK(FsRtlInsertExtraCreateParameter(List, again) == STATUS_INVALID_PARAMETER);
    FsRtlFreeExtraCreateParameter(again);
    CHECK(FsRtlInsertExtraCreateParameter(List, Two) == STATUS_SUCCESS);
    Two = NULL;
    End();
}

CASE_OF(FsRtlFindExtraCreateParameter)
{
    PVOID context = NULL;
    ULONG size = 0;

    REQUIRE(Begin());
    CHECK(FsRtlFindExtraCreateParameter(List, &First, &context, &size) == STATUS_SUCCESS);
    CHECK(context == One && size == 4);
    CHECK(FsRtlFindExtraCreateParameter(List, &Second, &context, &size) == STATUS_NOT_FOUND);
    CHECK(context == NULL && size == 0);
    End();
}

CASE_OF(FsRtlGetNextExtraCreateParameter)
{
    PVOID context = NULL;
    ULONG size = 0;
    GUID type;

    REQUIRE(Begin());
    CHECK(FsRtlGetNextExtraCreateParameter(List, NULL, &type, &context, &size) == STATUS_SUCCESS);
    CHECK(context == One && size == 4 && SameBytes(&type, &First, sizeof(type)));
    CHECK(FsRtlGetNextExtraCreateParameter(List, One, NULL, &context, &size) == STATUS_NOT_FOUND);
    CHECK(context == NULL && size == 0);
    End();
}

CASE_OF(FsRtlRemoveExtraCreateParameter)
{
    PVOID context = NULL;

    REQUIRE(Begin());
    CHECK(FsRtlRemoveExtraCreateParameter(List, &First, &context, NULL) == STATUS_SUCCESS && context == One);
    CHECK(Cleanups == 0);
    CHECK(FsRtlRemoveExtraCreateParameter(List, &First, &context, NULL) == STATUS_NOT_FOUND && context == NULL);
    FsRtlFreeExtraCreateParameter(One);
    End();
}

CASE_OF(FsRtlAcknowledgeEcp)
{
    REQUIRE(Begin());
    FsRtlAcknowledgeEcp(One);
    CHECK(FsRtlIsEcpAcknowledged(One) && !FsRtlIsEcpAcknowledged(Two));
    End();
}

CASE_OF(FsRtlIsEcpAcknowledged)
{
    REQUIRE(Begin());
    CHECK(!FsRtlIsEcpAcknowledged(One));
    FsRtlAcknowledgeEcp(One);
    CHECK(FsRtlIsEcpAcknowledged(One));
    End();
}

CASE_OF(FsRtlPrepareToReuseEcp)
{
    REQUIRE(Begin());
    FsRtlAcknowledgeEcp(One);
    FsRtlPrepareToReuseEcp(One);
    CHECK(!FsRtlIsEcpAcknowledged(One));
    End();
}

CASE_OF(FsRtlIsEcpFromUserMode)
{
    REQUIRE(Begin());
    CHECK(!FsRtlIsEcpFromUserMode(One) && !FsRtlIsEcpFromUserMode(Two));
    End();
}

/* Of the last create: what it came with, and what setting and clearing answered. */
static PECP_LIST Seen, SeenAgain, Attached;
static NTSTATUS Got, GotElse, GotAgain, Set, SetTwice, SetElse;
static BOOLEAN Clears, ByIo;

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PECP_LIST list;

    if (IoGetCurrentIrpStackLocation(Irp)->MajorFunction == IRP_MJ_CREATE) {
        Got = ByIo ? IoGetIrpExtraCreateParameter(Irp, &Seen) : FsRtlGetEcpListFromIrp(Irp, &Seen);
        if (Attached != NULL) {
            Set = ByIo ? IoSetIrpExtraCreateParameter(Irp, Attached) : FsRtlSetEcpListIntoIrp(Irp, Attached);
            SetTwice = ByIo ? IoSetIrpExtraCreateParameter(Irp, Attached) : FsRtlSetEcpListIntoIrp(Irp, Attached);
        }
        if (Clears) {
            IoClearIrpExtraCreateParameter(Irp);
        }
        GotAgain = FsRtlGetEcpListFromIrp(Irp, &SeenAgain);
    } else {
        GotElse = ByIo ? IoGetIrpExtraCreateParameter(Irp, &list) : FsRtlGetEcpListFromIrp(Irp, &list);
        SetElse = ByIo ? IoSetIrpExtraCreateParameter(Irp, NULL) : FsRtlSetEcpListIntoIrp(Irp, NULL);
    }
    Irp->IoStatus.Status = STATUS_SUCCESS;
    Irp->IoStatus.Information = 0;
    IoCompleteRequest(Irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* Opens the device with a list, or none, and closes it. */
static VOID Open(PECP_LIST Given)
{
    UNICODE_STRING name = Text(NAME), file = Text(NAME L"\\file");
    OBJECT_ATTRIBUTES attributes;
    IO_DRIVER_CREATE_CONTEXT context;
    IO_STATUS_BLOCK io;
    PDEVICE_OBJECT device = NULL;
    HANDLE handle;

    Driver->MajorFunction[IRP_MJ_CREATE] = Dispatch;
    Driver->MajorFunction[IRP_MJ_CLEANUP] = Dispatch;
    Driver->MajorFunction[IRP_MJ_CLOSE] = Dispatch;
    Seen = SeenAgain = (PECP_LIST)1;
    Got = GotElse = GotAgain = Set = SetTwice = SetElse = 1;
    REQUIRE(IoCreateDevice(Driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) == STATUS_SUCCESS);
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    IoInitializeDriverCreateContext(&context);
    context.ExtraCreateParameter = Given;
    InitializeObjectAttributes(&attributes, &file, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (CHECK(IoCreateFileEx(&handle, GENERIC_READ | SYNCHRONIZE, &attributes, &io, NULL, 0, 7, FILE_OPEN,
                             FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0, CreateFileTypeNone, NULL, 0, &context) ==
              STATUS_SUCCESS)) {
        ZwClose(handle);
    }
    IoDeleteDevice(device);
}

CASE_OF(IoCreateFileEx)
{
    ByIo = Clears = FALSE;
    Attached = NULL;
    REQUIRE(Begin());
    Open(List);
    CHECK(Got == STATUS_SUCCESS && Seen == List);
    /* The list stays the caller's. */
    CHECK(Cleanups == 0);
    End();
}

static VOID GetAndSet(BOOLEAN Io)
{
    ByIo = Io;
    Clears = FALSE;
    Attached = NULL;
    REQUIRE(Begin());
    Open(NULL);
    CHECK(Got == STATUS_SUCCESS && Seen == NULL);
    CHECK(GotElse == STATUS_INVALID_PARAMETER && SetElse == STATUS_INVALID_PARAMETER_2);
    Open(List);
    CHECK(Got == STATUS_SUCCESS && Seen == List && Cleanups == 0);
    Attached = List;
    Open(NULL);
    CHECK(Set == STATUS_SUCCESS && SetTwice == STATUS_INVALID_PARAMETER_3);
    CHECK(GotAgain == STATUS_SUCCESS && SeenAgain == List);
    /* It belonged to the create. */
    CHECK(Cleanups == 1);
    if (Cleanups == 1) {
        List = NULL;
    }
    Attached = NULL;
    End();
}

CASE_OF(FsRtlGetEcpListFromIrp)
{
    GetAndSet(FALSE);
}

CASE_OF(FsRtlSetEcpListIntoIrp)
{
    GetAndSet(FALSE);
}

CASE_OF(IoGetIrpExtraCreateParameter)
{
    GetAndSet(TRUE);
}

CASE_OF(IoSetIrpExtraCreateParameter)
{
    GetAndSet(TRUE);
}

CASE_OF(IoClearIrpExtraCreateParameter)
{
    ByIo = FALSE;
    Clears = TRUE;
    Attached = NULL;
    REQUIRE(Begin());
    Open(List);
    CHECK(Seen == List && GotAgain == STATUS_SUCCESS && SeenAgain == NULL);
    Clears = FALSE;
    End();
}

const CASE EcpChecks[] = {
    ROW(FsRtlAllocateExtraCreateParameterList),
    ROW(FsRtlFreeExtraCreateParameterList),
    ROW(FsRtlAllocateExtraCreateParameter),
    ROW(FsRtlFreeExtraCreateParameter),
    ROW(FsRtlInitExtraCreateParameterLookasideList),
    ROW(FsRtlDeleteExtraCreateParameterLookasideList),
    ROW(FsRtlAllocateExtraCreateParameterFromLookasideList),
    ROW(FsRtlInsertExtraCreateParameter),
    ROW(FsRtlFindExtraCreateParameter),
    ROW(FsRtlGetNextExtraCreateParameter),
    ROW(FsRtlRemoveExtraCreateParameter),
    ROW(FsRtlAcknowledgeEcp),
    ROW(FsRtlIsEcpAcknowledged),
    ROW(FsRtlPrepareToReuseEcp),
    ROW(FsRtlIsEcpFromUserMode),
    ROW(IoCreateFileEx),
    ROW(FsRtlGetEcpListFromIrp),
    ROW(FsRtlSetEcpListIntoIrp),
    ROW(IoGetIrpExtraCreateParameter),
    ROW(IoSetIrpExtraCreateParameter),
    ROW(IoClearIrpExtraCreateParameter),
    LAST,
};
