/*
 * Extra create parameters.
 */
#include "objtest.h"
#define FILE_NUMBER 5

static const GUID First = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};
static const GUID Second = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 9}};

typedef struct _PARAMETER {
    ULONG Value;
    ULONG Other;
} PARAMETER;

static LONG Cleanups;
static PVOID Cleaned;

static VOID NTAPI Cleanup(PVOID EcpContext, LPCGUID EcpType)
{
    CHECK(RtlCompareMemory(EcpType, &First, sizeof(GUID)) == sizeof(GUID)
          || RtlCompareMemory(EcpType, &Second, sizeof(GUID)) == sizeof(GUID));
    InterlockedIncrement(&Cleanups);
    Cleaned = EcpContext;
}

static PARAMETER *Allocate(const GUID *Type, ULONG Flags)
{
    PVOID context = NULL;

    CHECK(FltAllocateExtraCreateParameter(Filter, Type, sizeof(PARAMETER), Flags, Cleanup, TAG, &context) ==
          STATUS_SUCCESS);
    return context;
}

/* spec: ECP-03, ECP-04, ECP-05, ECP-06, ECP-07, ECP-08, ECP-10, ECP-11 */
static VOID Rules(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PECP_LIST list = NULL;
    PARAMETER *one = Allocate(&First, 0), *two = Allocate(&Second, FSRTL_ALLOCATE_ECP_FLAG_NONPAGED_POOL);
    PARAMETER *again = Allocate(&First, FSRTL_ALLOCATE_ECP_FLAG_CHARGE_QUOTA);
    PVOID context = &list;
    ULONG size = 77;
    KIRQL irql;
    GUID type;

    REQUIRE(one != NULL && two != NULL && again != NULL);
    CHECK(one->Value == 0 && one->Other == 0);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    two->Value = 2;
    KeLowerIrql(irql);
    context = (PVOID)1;
    CHECK(FltAllocateExtraCreateParameter(Filter, &First, 0x7FFFFFFF, 0, NULL, TAG, &context) ==
          STATUS_INSUFFICIENT_RESOURCES);
    CHECK(context == NULL);

    REQUIRE(FltAllocateExtraCreateParameterList(Filter, 0, &list) == STATUS_SUCCESS && list != NULL);
    context = (PVOID)1;
    CHECK(FltGetNextExtraCreateParameter(Filter, list, NULL, NULL, &context, &size) == STATUS_NOT_FOUND);
    CHECK(context == NULL && size == 0);
    CHECK(FltGetNextExtraCreateParameter(Filter, NULL, NULL, NULL, NULL, NULL) == STATUS_INVALID_PARAMETER);
    CHECK(FltInsertExtraCreateParameter(Filter, list, one) == STATUS_SUCCESS);
    CHECK(FltInsertExtraCreateParameter(Filter, list, again) == STATUS_INVALID_PARAMETER);
    CHECK(FltInsertExtraCreateParameter(Filter, list, two) == STATUS_SUCCESS);

    CHECK(FltFindExtraCreateParameter(Filter, list, &Second, &context, &size) == STATUS_SUCCESS);
    CHECK(context == two && size == sizeof(PARAMETER));
    CHECK(FltFindExtraCreateParameter(Filter, list, &First, NULL, NULL) == STATUS_SUCCESS);
    CHECK(FltGetNextExtraCreateParameter(Filter, list, NULL, &type, &context, &size) == STATUS_SUCCESS);
    CHECK(context == one && RtlCompareMemory(&type, &First, sizeof(type)) == sizeof(type));
    CHECK(FltGetNextExtraCreateParameter(Filter, list, one, &type, &context, NULL) == STATUS_SUCCESS);
    CHECK(context == two && RtlCompareMemory(&type, &Second, sizeof(type)) == sizeof(type));
    size = 77;
    CHECK(FltGetNextExtraCreateParameter(Filter, list, two, NULL, &context, &size) == STATUS_NOT_FOUND);
    CHECK(context == NULL && size == 0);

    CHECK(!FltIsEcpAcknowledged(Filter, one));
    FltAcknowledgeEcp(Filter, one);
    CHECK(FltIsEcpAcknowledged(Filter, one) && !FltIsEcpAcknowledged(Filter, two));
    FltPrepareToReuseEcp(Filter, one);
    CHECK(!FltIsEcpAcknowledged(Filter, one));
    CHECK(!FltIsEcpFromUserMode(Filter, one));

    CHECK(FltRemoveExtraCreateParameter(Filter, list, &First, &context, &size) == STATUS_SUCCESS);
    CHECK(context == one && size == sizeof(PARAMETER) && Cleanups == 0);
    CHECK(FltRemoveExtraCreateParameter(Filter, list, &First, &context, NULL) == STATUS_NOT_FOUND && context == NULL);
    context = (PVOID)1;
    size = 77;
    CHECK(FltFindExtraCreateParameter(Filter, list, &First, &context, &size) == STATUS_NOT_FOUND);
    CHECK(context == NULL && size == 0);
    FltFreeExtraCreateParameter(Filter, one);
    CHECK(Cleanups == 1 && Cleaned == one);
    CHECK(FltInsertExtraCreateParameter(Filter, list, again) == STATUS_SUCCESS);
    FltFreeExtraCreateParameterList(Filter, list);
    CHECK(Cleanups == 3);
    Cleanups = 0;
}

/* Entries that are used again. */
static VOID Lookaside(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    static DECLSPEC_ALIGN(16) PAGED_LOOKASIDE_LIST lookaside;
    PARAMETER *one = NULL, *two = NULL;
    PVOID large = NULL;

    FltInitExtraCreateParameterLookasideList(Filter, &lookaside, 0, sizeof(PARAMETER), TAG);
    CHECK(FltAllocateExtraCreateParameterFromLookasideList(Filter, &First, sizeof(PARAMETER), 0, Cleanup, &lookaside,
                                                           (PVOID *)&one) == STATUS_SUCCESS);
    REQUIRE(one != NULL);
    CHECK(one->Value == 0);
    one->Value = 7;
    FltFreeExtraCreateParameter(Filter, one);
    CHECK(Cleanups == 1);
    CHECK(FltAllocateExtraCreateParameterFromLookasideList(Filter, &First, sizeof(PARAMETER), 0, NULL, &lookaside,
                                                           (PVOID *)&two) == STATUS_SUCCESS);
    REQUIRE(two != NULL);
    CHECK(two == one && two->Value == 0);
    CHECK(FltAllocateExtraCreateParameterFromLookasideList(Filter, &First, 4096, 0, NULL, &lookaside, &large) ==
          STATUS_SUCCESS);
    FltFreeExtraCreateParameter(Filter, large);
    FltFreeExtraCreateParameter(Filter, two);
    FltDeleteExtraCreateParameterLookasideList(Filter, &lookaside, 0);
    Cleanups = 0;
}

/* The upper of two filters attaches a list to a create on its way; the lower reads and acknowledges. */
/* spec: ECP-01, ECP-02, ECP-10 */
static VOID Attach(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PECP_LIST list = (PECP_LIST)1;
    PARAMETER *context;
    ULONG size;

    CHECK(FltGetEcpListFromCallbackData(Filter, Data, &list) == STATUS_SUCCESS);
    if (list != NULL) {
        REQUIRE(FltFindExtraCreateParameter(Filter, list, &First, (PVOID *)&context, &size) == STATUS_SUCCESS);
        CHECK(context->Value == 4711 && size == sizeof(PARAMETER));
        FltAcknowledgeEcp(Filter, context);
        Results.Reserved[0]++;
        return;
    }
    context = Allocate(&First, 0);
    REQUIRE(context != NULL && FltAllocateExtraCreateParameterList(Filter, 0, &list) == STATUS_SUCCESS);
    context->Value = 4711;
    CHECK(FltInsertExtraCreateParameter(Filter, list, context) == STATUS_SUCCESS);
    CHECK(FltSetEcpListIntoCallbackData(Filter, Data, (PECP_LIST)context) == STATUS_INVALID_PARAMETER);
    CHECK(FltSetEcpListIntoCallbackData(Filter, Data, list) == STATUS_SUCCESS);
    CHECK(FltSetEcpListIntoCallbackData(Filter, Data, list) == STATUS_INVALID_PARAMETER_3);
    Results.Reserved[1]++;
}

static VOID Attached(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PECP_LIST list = NULL;
    PVOID context;

    CHECK(FltGetEcpListFromCallbackData(Filter, Data, &list) == STATUS_SUCCESS);
    REQUIRE(list != NULL);
    CHECK(FltFindExtraCreateParameter(Filter, list, &First, &context, NULL) == STATUS_SUCCESS);
    CHECK(FltIsEcpAcknowledged(Filter, context));
    CHECK(Cleanups == 0);
}

/* The create is over: what was attached to it is gone. Other operations have no list. */
VOID CreatesCleanup(PFLT_CALLBACK_DATA Data)
{
    PECP_LIST list;

    if (!NameContains(Data->Iopb->TargetFileObject, L"attach")) {
        return;
    }
    Results.Reserved[2] += Cleanups;
    Cleanups = 0;
    CHECK(FltGetEcpListFromCallbackData(Filter, Data, &list) == STATUS_INVALID_PARAMETER);
    CHECK(FltSetEcpListIntoCallbackData(Filter, Data, NULL) == STATUS_INVALID_PARAMETER_2);
}

/* A driver's own create: the list stays the driver's. */
static VOID Given(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    UNICODE_STRING name = Text(L"\\??\\C:\\ecp-receive");
    OBJECT_ATTRIBUTES attributes;
    IO_DRIVER_CREATE_CONTEXT create;
    IO_STATUS_BLOCK io;
    PECP_LIST list;
    PARAMETER *context = Allocate(&First, 0);
    HANDLE handle;
    PFILE_OBJECT file = NULL;

    REQUIRE(context != NULL && FltAllocateExtraCreateParameterList(Filter, 0, &list) == STATUS_SUCCESS);
    context->Value = 4711;
    CHECK(FltInsertExtraCreateParameter(Filter, list, context) == STATUS_SUCCESS);
    IoInitializeDriverCreateContext(&create);
    create.ExtraCreateParameter = list;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    REQUIRE(FltCreateFileEx2(Filter, NULL, &handle, &file, GENERIC_READ | SYNCHRONIZE, &attributes, &io, NULL,
                             FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0,
                             0, &create) == STATUS_SUCCESS);
    CHECK(FltIsEcpAcknowledged(Filter, context) && Cleanups == 0);
    ObDereferenceObject(file);
    FltClose(handle);
    FltFreeExtraCreateParameterList(Filter, list);
    CHECK(Cleanups == 1);
    Cleanups = 0;
}

/* spec: ECP-11 */
static VOID FromProgram(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PECP_LIST list = NULL;
    PARAMETER *context;
    ULONG size;

    CHECK(FltGetEcpListFromCallbackData(Filter, Data, &list) == STATUS_SUCCESS);
    REQUIRE(list != NULL);
    REQUIRE(FltFindExtraCreateParameter(Filter, list, &First, (PVOID *)&context, &size) == STATUS_SUCCESS);
    CHECK(FltIsEcpFromUserMode(Filter, context));
    CHECK(size == sizeof(PARAMETER) && context->Value == 4711 && context->Other == 12);
}

static VOID WrongDrop(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    CHECK(Allocate(&First, 0) != NULL);
}

static VOID WrongFree(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PVOID context = Allocate(&First, 0);
    PECP_LIST list;

    REQUIRE(context != NULL && FltAllocateExtraCreateParameterList(Filter, 0, &list) == STATUS_SUCCESS);
    CHECK(FltInsertExtraCreateParameter(Filter, list, context) == STATUS_SUCCESS);
    FltFreeExtraCreateParameter(Filter, context);
    FltFreeExtraCreateParameterList(Filter, list);
    CHECK(Cleanups == 1);
}

const GROUP CreateGroups[] = {
    {L"ecp-rules", NULL, Rules},
    {L"ecp-lookaside", NULL, Lookaside},
    {L"ecp-attach", Attach, Attached},
    {L"ecp-receive", Attach, NULL},
    {L"ecp-given", NULL, Given},
    {L"ecp-program", FromProgram, NULL},
    {L"wrong-ecp-drop", NULL, WrongDrop},
    {L"wrong-ecp-free", NULL, WrongFree},
    {NULL, NULL, NULL},
};
