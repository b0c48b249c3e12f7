/*
 * Red-black trees, versions, back traces, durations, strings with a result, random numbers of the C library.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_more.c"

/* RTL_BALANCED_NODE and RTL_RB_TREE. */
typedef struct _NODE {
    struct _NODE *Child[2];
    ULONG_PTR Parent; /* bit 0: red */
    ULONG Key;
} NODE;

typedef struct _TREE {
    NODE *Root, *Least;
} TREE;

static TREE Tree;
static NODE Nodes[40];

static VOID Insert(NODE *Node)
{
    NODE *above = NULL, *next = Tree.Root;
    BOOLEAN right = FALSE;

    while (next != NULL) {
        above = next;
        right = Node->Key > next->Key;
        next = next->Child[right];
    }
    RtlRbInsertNodeEx(&Tree, above, right, Node);
}

static ULONG Counted;

/* Black nodes on every way down from Node; -1 when the subtree breaks a rule. */
static LONG BlackHeight(NODE *Node, NODE *Above, ULONG Least, ULONG Most)
{
    BOOLEAN red;
    LONG left, right;

    if (Node == NULL) {
        return 0;
    }
    red = Node->Parent & 1;
    Counted++;
    if ((NODE *)(Node->Parent & ~(ULONG_PTR)3) != Above || Node->Key < Least || Node->Key > Most
        || (red && (Above == NULL || (Above->Parent & 1)))) {
        return -1;
    }
    left = BlackHeight(Node->Child[0], Node, Least, Node->Key);
    right = BlackHeight(Node->Child[1], Node, Node->Key, Most);
    return left < 0 || left != right ? -1 : left + !red;
}

static BOOLEAN IsSound(ULONG Count)
{
    Counted = 0;
    return BlackHeight(Tree.Root, NULL, 0, MAXULONG) >= 0 && Counted == Count;
}

/* 40 nodes, not in the order of their keys. */
static VOID BeginTree(VOID)
{
    ULONG i;

    Fill(&Tree, sizeof(Tree), 0);
    Fill(Nodes, sizeof(Nodes), 0xCC);
    for (i = 0; i < ARRAYSIZE(Nodes); i++) {
        Nodes[i].Key = i * 17 % 40;
        Insert(&Nodes[i]);
    }
}

CASE_OF(RtlRbInsertNodeEx)
{
    BeginTree();
    CHECK(IsSound(40));
    CHECK(Tree.Least == &Nodes[0]);
}

CASE_OF(RtlRbRemoveNode)
{
    ULONG i;

    BeginTree();
    for (i = 0; i < ARRAYSIZE(Nodes); i += 2) { /* those with even keys */
        RtlRbRemoveNode(&Tree, &Nodes[i]);
        if (!CHECK(IsSound(39 - i / 2))) {
            return;
        }
    }
    CHECK(Tree.Least != NULL && Tree.Least->Key == 1);
    for (i = 1; i < ARRAYSIZE(Nodes); i += 2) {
        RtlRbRemoveNode(&Tree, &Nodes[i]);
    }
    CHECK(Tree.Root == NULL && Tree.Least == NULL);
}

CASE_OF(RtlIsNtDdiVersionAvailable)
{
    BOOLEAN(NTAPI * available)(ULONG) = Export(L"RtlIsNtDdiVersionAvailable");

    REQUIRE(available != NULL);
    CHECK(available(0x06000000) && available(0x0A000000) && !available(0x0B000000));
    CHECK(!available(0x06000100)); /* a service pack is none of its business */
}

CASE_OF(RtlIsServicePackVersionInstalled)
{
    BOOLEAN(NTAPI * installed)(ULONG) = Export(L"RtlIsServicePackVersionInstalled");

    REQUIRE(installed != NULL);
    CHECK(installed(0x0A000000));
    CHECK(!installed(0x0A000100) && !installed(0x06000100)); /* of this version only */
}

CASE_OF(RtlVerifyVersionInfo)
{
    RTL_OSVERSIONINFOEXW wanted;
    ULONGLONG least = VerSetConditionMask(0, VER_MAJORVERSION, VER_GREATER_EQUAL);
    ULONGLONG exactly = VerSetConditionMask(0, VER_PRODUCT_TYPE, VER_EQUAL);

    Fill(&wanted, sizeof(wanted), 0);
    wanted.dwOSVersionInfoSize = sizeof(wanted);
    wanted.dwMajorVersion = 6;
    wanted.wProductType = VER_NT_WORKSTATION;
    CHECK(RtlVerifyVersionInfo(&wanted, VER_MAJORVERSION, least) == STATUS_SUCCESS);
    CHECK(RtlVerifyVersionInfo(&wanted, VER_PRODUCT_TYPE, exactly) == STATUS_SUCCESS);
    wanted.dwMajorVersion = 11;
    CHECK(RtlVerifyVersionInfo(&wanted, VER_MAJORVERSION, least) == STATUS_REVISION_MISMATCH);
    CHECK(RtlVerifyVersionInfo(&wanted, 0, least) == STATUS_INVALID_PARAMETER);
}

CASE_OF(VerSetConditionMask)
{
    ULONGLONG mask = VerSetConditionMask(0, VER_MINORVERSION, VER_EQUAL);

    CHECK((mask & MAXLONG) == VER_EQUAL && mask >> 63 == 1);
    CHECK((VerSetConditionMask(mask, VER_BUILDNUMBER, VER_LESS) & MAXLONG) == (VER_LESS << 6 | VER_EQUAL));
    CHECK(VerSetConditionMask(mask, 0, VER_LESS) == mask);
}

static BOOLEAN IsMine(PVOID Address)
{
    return (ULONG_PTR)Address - (ULONG_PTR)Driver->DriverStart < Driver->DriverSize;
}

CASE_OF(RtlCaptureStackBackTrace)
{
    PVOID trace[3] = {NULL, NULL, NULL}, above = NULL;
    ULONG hash = 0;

    CHECK(RtlCaptureStackBackTrace(0, 2, trace, &hash) == 2);
    CHECK(IsMine(trace[0]) && IsMine(trace[1]) && trace[2] == NULL && hash != 0);
    CHECK(RtlCaptureStackBackTrace(1, 1, &above, NULL) == 1 && above == trace[1]);
}

CASE_OF(RtlWalkFrameChain)
{
    PVOID callers[3] = {NULL, NULL, NULL};

    CHECK(RtlWalkFrameChain(callers, 2, 0) == 2);
    CHECK(IsMine(callers[0]) && IsMine(callers[1]) && callers[2] == NULL);
}

CASE_OF(RtlTimeToElapsedTimeFields)
{
    /* 40 days, 2 hours, 3 minutes, 4 seconds, 5 milliseconds */
    LARGE_INTEGER duration = {.QuadPart = ((((40LL * 24 + 2) * 60 + 3) * 60 + 4) * 1000 + 5) * 10000};
    TIME_FIELDS fields;

    Fill(&fields, sizeof(fields), 0xCC);
    RtlTimeToElapsedTimeFields(&duration, &fields);
    CHECK(fields.Year == 0 && fields.Month == 0 && fields.Day == 40 && fields.Hour == 2 && fields.Minute == 3);
    CHECK(fields.Second == 4 && fields.Milliseconds == 5);
}

/* A text of so many characters that no string can count them. */
static PCHAR LongText(VOID)
{
    PCHAR text = ExAllocatePoolWithTag(PagedPool, 0x10002, TAG);

    if (CHECK(text != NULL)) {
        Fill(text, 0x10001, 'x');
        text[0x10001] = '\0';
    }
    return text;
}

CASE_OF(RtlInitAnsiStringEx)
{
    ANSI_STRING string = {9, 9, (PCHAR)8};
    PCHAR text = LongText();

    CHECK(RtlInitAnsiStringEx(&string, "abc") == STATUS_SUCCESS && string.Length == 3 && string.MaximumLength == 4);
    CHECK(RtlInitAnsiStringEx(&string, NULL) == STATUS_SUCCESS && string.Length == 0 && string.Buffer == NULL);
    REQUIRE(text != NULL);
    CHECK(RtlInitAnsiStringEx(&string, text) == STATUS_NAME_TOO_LONG);
    ExFreePoolWithTag(text, TAG);
}

CASE_OF(RtlInitStringEx)
{
    STRING string = {9, 9, (PCHAR)8};
    PCHAR text = LongText();

    CHECK(RtlInitStringEx(&string, "abc") == STATUS_SUCCESS && string.Length == 3 && string.MaximumLength == 4);
    CHECK(RtlInitStringEx(&string, NULL) == STATUS_SUCCESS && string.Length == 0 && string.Buffer == NULL);
    REQUIRE(text != NULL);
    CHECK(RtlInitStringEx(&string, text) == STATUS_NAME_TOO_LONG);
    ExFreePoolWithTag(text, TAG);
}

CASE_OF(RtlUnicodeStringToInt64)
{
    UNICODE_STRING negative = Text(L"-5000000000z"), hex = Text(L"0xFFFFFFFFF"), plain = Text(L"777");
    LARGE_INTEGER number = {.QuadPart = 0};
    PWSTR end = NULL;

    CHECK(RtlUnicodeStringToInt64(&negative, 10, &number, &end) == STATUS_SUCCESS && number.QuadPart == -5000000000LL);
    CHECK(end == negative.Buffer + 11);
    CHECK(RtlUnicodeStringToInt64(&hex, 0, &number, NULL) == STATUS_SUCCESS && number.QuadPart == 0xFFFFFFFFFLL);
    CHECK(RtlUnicodeStringToInt64(&plain, 8, &number, NULL) == STATUS_SUCCESS && number.QuadPart == 0777);
    CHECK(RtlUnicodeStringToInt64(&plain, 3, &number, NULL) == STATUS_INVALID_PARAMETER);
}

CASE_OF(rand)
{
    srand(1);
    CHECK(rand() == 41 && rand() == 18467 && rand() == 6334);
}

CASE_OF(srand)
{
    srand(7);
    CHECK(rand() == 61);
    srand(1);
    CHECK(rand() == 41);
}

CASE_OF(RtlQueryRegistryValuesEx)
{
    static const WCHAR key[] = L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\KSelfTestMore";
    RTL_QUERY_REGISTRY_TABLE table[2];
    ULONG value = 77, found = 0, fallback = 5;
    HANDLE handle;
    UNICODE_STRING name = Text(key);
    OBJECT_ATTRIBUTES attributes;

    REQUIRE(RtlCreateRegistryKey(RTL_REGISTRY_SERVICES, L"KSelfTestMore") == STATUS_SUCCESS);
    CHECK(RtlWriteRegistryValue(RTL_REGISTRY_ABSOLUTE, key, L"Number", REG_DWORD, &value, sizeof(value)) == STATUS_SUCCESS);
    Fill(table, sizeof(table), 0);
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT | RTL_QUERY_REGISTRY_REQUIRED;
    table[0].Name = L"Number";
    table[0].EntryContext = &found;
    CHECK(RtlQueryRegistryValuesEx(RTL_REGISTRY_ABSOLUTE, key, table, NULL, NULL) == STATUS_SUCCESS && found == 77);
    table[0].Name = L"NoNumber";
    CHECK(RtlQueryRegistryValuesEx(RTL_REGISTRY_ABSOLUTE, key, table, NULL, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT;
    table[0].DefaultType = REG_DWORD;
    table[0].DefaultData = &fallback;
    table[0].DefaultLength = sizeof(fallback);
    CHECK(RtlQueryRegistryValuesEx(RTL_REGISTRY_ABSOLUTE, key, table, NULL, NULL) == STATUS_SUCCESS && found == 5);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (CHECK(ZwOpenKey(&handle, KEY_ALL_ACCESS, &attributes) == STATUS_SUCCESS)) {
        ZwDeleteKey(handle);
        ZwClose(handle);
    }
}

const CASE RtlMoreChecks[] = {
    ROW(RtlRbInsertNodeEx),
    ROW(RtlRbRemoveNode),
    ROW(RtlIsNtDdiVersionAvailable),
    ROW(RtlIsServicePackVersionInstalled),
    ROW(RtlVerifyVersionInfo),
    ROW(VerSetConditionMask),
    ROW(RtlCaptureStackBackTrace),
    ROW(RtlWalkFrameChain),
    ROW(RtlTimeToElapsedTimeFields),
    ROW(RtlInitAnsiStringEx),
    ROW(RtlInitStringEx),
    ROW(RtlUnicodeStringToInt64),
    ROW(rand),
    ROW(srand),
    ROW(RtlQueryRegistryValuesEx),
    LAST,
};
