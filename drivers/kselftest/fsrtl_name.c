/*
 * Names and expressions, regions of file systems, debug prints.
 */
#include "kselftest.h"
#define FILE_NAME "fsrtl_name.c"

static BOOLEAN Matches(PCWSTR Expression, PCWSTR Name, BOOLEAN IgnoreCase)
{
    UNICODE_STRING expression = Text(Expression), name = Text(Name);

    return FsRtlIsNameInExpression(&expression, &name, IgnoreCase, NULL);
}

CASE_OF(FsRtlIsNameInExpression)
{
    CHECK(Matches(L"*", L"anything", FALSE));
    CHECK(Matches(L"*.TXT", L"a.b.txt", TRUE));
    CHECK(!Matches(L"*.TXT", L"a.txt", FALSE));
    CHECK(Matches(L"A?C", L"abc", TRUE) && !Matches(L"A?C", L"ac", TRUE));
    CHECK(Matches(L"NAME", L"name", TRUE) && !Matches(L"NAME", L"names", TRUE));
    CHECK(Matches(L"A>>", L"a", TRUE)); /* DOS_QM at the end matches nothing too */
    CHECK(Matches(L"A\"", L"a", TRUE)); /* DOS_DOT at the end as well */
}

CASE_OF(FsRtlDoesNameContainWildCards)
{
    UNICODE_STRING plain = Text(L"name.txt"), star = Text(L"n*"), question = Text(L"n?"), dos = Text(L"n<");

    CHECK(!FsRtlDoesNameContainWildCards(&plain));
    CHECK(FsRtlDoesNameContainWildCards(&star) && FsRtlDoesNameContainWildCards(&question));
    CHECK(FsRtlDoesNameContainWildCards(&dos));
}

CASE_OF(FsRtlIsNtstatusExpected)
{
    CHECK(FsRtlIsNtstatusExpected(STATUS_DISK_FULL));
    CHECK(!FsRtlIsNtstatusExpected(STATUS_ACCESS_VIOLATION));
}

CASE_OF(FsRtlNormalizeNtstatus)
{
    CHECK(FsRtlNormalizeNtstatus(STATUS_DISK_FULL, STATUS_UNEXPECTED_IO_ERROR) == STATUS_DISK_FULL);
    CHECK(FsRtlNormalizeNtstatus(STATUS_ACCESS_VIOLATION, STATUS_UNEXPECTED_IO_ERROR) == STATUS_UNEXPECTED_IO_ERROR);
}

CASE_OF(FsRtlEnterFileSystem)
{
    FsRtlEnterFileSystem();
    CHECK(KeAreApcsDisabled());
    if (KeAreApcsDisabled()) {
        KeLeaveCriticalRegion();
    }
}

CASE_OF(FsRtlExitFileSystem)
{
    KeEnterCriticalRegion();
    FsRtlExitFileSystem();
    CHECK(!KeAreApcsDisabled());
}

CASE_OF(DbgPrint)
{
    CHECK(DbgPrint("kselftest: %s %d %wZ\n", "prints", 1, &ServiceKey) == STATUS_SUCCESS);
}

CASE_OF(DbgPrintEx)
{
    CHECK(DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "kselftest: prints %u\n", 2) == STATUS_SUCCESS);
}

static ULONG PrintList(BOOLEAN Prefix, PCSTR Format, ...)
{
    va_list arguments;
    ULONG status;

    va_start(arguments, Format);
    status = Prefix ? vDbgPrintExWithPrefix("kselftest: ", DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, Format, arguments)
                    : vDbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, Format, arguments);
    va_end(arguments);
    return status;
}

CASE_OF(vDbgPrintEx)
{
    CHECK(PrintList(FALSE, "kselftest: prints %d %s\n", 3, "times") == STATUS_SUCCESS);
}

CASE_OF(vDbgPrintExWithPrefix)
{
    CHECK(PrintList(TRUE, "prints %d %s\n", 4, "times") == STATUS_SUCCESS);
}

CASE_OF(DbgQueryDebugFilterState)
{
    CHECK(DbgQueryDebugFilterState(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL) == 1);
}

const CASE NameChecks[] = {
    ROW(FsRtlIsNameInExpression),
    ROW(FsRtlDoesNameContainWildCards),
    ROW(FsRtlIsNtstatusExpected),
    ROW(FsRtlNormalizeNtstatus),
    ROW(FsRtlEnterFileSystem),
    ROW(FsRtlExitFileSystem),
    LAST,
};

const CASE PrintChecks[] = {
    ROW(DbgPrint),
    ROW(DbgPrintEx),
    ROW(vDbgPrintEx),
    ROW(vDbgPrintExWithPrefix),
    ROW(DbgQueryDebugFilterState),
    LAST,
};
