/*
 * Memory blocks at odd alignments, time fields, the version.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_memory.c"

CASE_OF(RtlCompareMemory)
{
    UCHAR a[67], b[67];
    ULONG offset;

    Fill(a, sizeof(a), 5);
    Fill(b, sizeof(b), 5);
    CHECK(RtlCompareMemory(a, b, sizeof(a)) == sizeof(a));
    CHECK(RtlCompareMemory(a, b, 0) == 0);
    for (offset = 0; offset < 9; offset++) {
        b[offset + 50] = 6;
        CHECK(RtlCompareMemory(a + offset, b + offset, sizeof(a) - offset) == 50);
        b[offset + 50] = 5;
    }
}

CASE_OF(RtlCompareMemoryUlong)
{
    ULONG words[4] = {7, 7, 8, 7};

    CHECK(RtlCompareMemoryUlong(words, sizeof(words), 7) == 8);
    CHECK(RtlCompareMemoryUlong(words, 8, 7) == 8);
    CHECK(RtlCompareMemoryUlong(words, 16, 9) == 0);
}

CASE_OF(RtlFillMemory)
{
    UCHAR bytes[40];

    Fill(bytes, sizeof(bytes), 1);
    RtlFillMemory(bytes + 3, 21, 0xAB);
    CHECK(Holds(bytes, 3, 1) && Holds(bytes + 3, 21, 0xAB) && Holds(bytes + 24, 16, 1));
}

CASE_OF(RtlZeroMemory)
{
    UCHAR bytes[40];

    Fill(bytes, sizeof(bytes), 1);
    RtlZeroMemory(bytes + 1, 38);
    CHECK(bytes[0] == 1 && Holds(bytes + 1, 38, 0) && bytes[39] == 1);
}

CASE_OF(RtlCopyMemory)
{
    UCHAR from[33], to[35];

    Fill(from, sizeof(from), 3);
    Fill(to, sizeof(to), 4);
    RtlCopyMemory(to + 1, from, sizeof(from));
    CHECK(to[0] == 4 && Holds(to + 1, 33, 3) && to[34] == 4);
}

CASE_OF(RtlMoveMemory)
{
    UCHAR bytes[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

    RtlMoveMemory(bytes + 2, bytes, 8);
    CHECK(SameBytes(bytes, "\0\1\0\1\2\3\4\5\6\7", 10));
    RtlMoveMemory(bytes, bytes + 2, 8);
    CHECK(SameBytes(bytes, "\0\1\2\3\4\5\6\7\6\7", 10));
}

/* 2000-02-29 12:34:56.789, a Tuesday. */
#define LEAP_DAY 125963012967890000ll

CASE_OF(RtlTimeToTimeFields)
{
    LARGE_INTEGER time;
    TIME_FIELDS fields;

    time.QuadPart = 0;
    RtlTimeToTimeFields(&time, &fields);
    CHECK(fields.Year == 1601 && fields.Month == 1 && fields.Day == 1 && fields.Weekday == 1);
    CHECK(fields.Hour == 0 && fields.Minute == 0 && fields.Second == 0 && fields.Milliseconds == 0);
    time.QuadPart = LEAP_DAY;
    RtlTimeToTimeFields(&time, &fields);
    CHECK(fields.Year == 2000 && fields.Month == 2 && fields.Day == 29 && fields.Weekday == 2);
    CHECK(fields.Hour == 12 && fields.Minute == 34 && fields.Second == 56 && fields.Milliseconds == 789);
}

CASE_OF(RtlTimeFieldsToTime)
{
    TIME_FIELDS fields = {2000, 2, 29, 12, 34, 56, 789, 0};
    LARGE_INTEGER time;

    CHECK(RtlTimeFieldsToTime(&fields, &time) && time.QuadPart == LEAP_DAY);
    fields.Year = 1900;
    CHECK(!RtlTimeFieldsToTime(&fields, &time));
    fields.Year = 2004;
    fields.Month = 13;
    CHECK(!RtlTimeFieldsToTime(&fields, &time));
    fields.Month = 12;
    fields.Hour = 24;
    CHECK(!RtlTimeFieldsToTime(&fields, &time));
    fields.Hour = 0;
    fields.Year = 1600;
    CHECK(!RtlTimeFieldsToTime(&fields, &time));
}

CASE_OF(RtlGetVersion)
{
    RTL_OSVERSIONINFOEXW version;

    Fill(&version, sizeof(version), 0xCC);
    version.dwOSVersionInfoSize = sizeof(version);
    CHECK(RtlGetVersion((PRTL_OSVERSIONINFOW)&version) == STATUS_SUCCESS);
    CHECK(version.dwMajorVersion == 10 && version.dwMinorVersion == 0 && version.dwPlatformId == 2);
    CHECK(version.dwBuildNumber >= 10240 && version.dwBuildNumber < 0x10000);
    CHECK(version.wProductType == 1);
}

const CASE MemoryChecks[] = {
    ROW(RtlCompareMemory),
    ROW(RtlCompareMemoryUlong),
    ROW(RtlFillMemory),
    ROW(RtlZeroMemory),
    ROW(RtlCopyMemory),
    ROW(RtlMoveMemory),
    LAST,
};

const CASE TimeChecks[] = {
    ROW(RtlTimeToTimeFields),
    ROW(RtlTimeFieldsToTime),
    ROW(RtlGetVersion),
    LAST,
};
