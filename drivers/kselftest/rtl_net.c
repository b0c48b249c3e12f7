/*
 * Addresses of IP and GUIDs as text.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_net.c"

static const UCHAR Four[4] = {192, 0, 2, 255};
static const UCHAR Six[16] = {0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1F};
/* Port 80, as it goes over a wire. */
#define PORT 0x5000

#define IS(Buffer, Expected) SameBytes(Buffer, Expected, sizeof(Expected))

CASE_OF(RtlIpv4AddressToStringA)
{
    CHAR text[16];

    CHECK(RtlIpv4AddressToStringA(Four, text) == text + 11);
    CHECK(IS(text, "192.0.2.255"));
}

CASE_OF(RtlIpv4AddressToStringW)
{
    WCHAR text[16];

    CHECK(RtlIpv4AddressToStringW(Four, text) == text + 11);
    CHECK(IS(text, L"192.0.2.255"));
}

CASE_OF(RtlIpv4AddressToStringExA)
{
    CHAR text[22];
    ULONG length = sizeof(text);

    CHECK(RtlIpv4AddressToStringExA(Four, PORT, text, &length) == STATUS_SUCCESS);
    CHECK(IS(text, "192.0.2.255:80") && length == 15);
    length = 5;
    CHECK(RtlIpv4AddressToStringExA(Four, PORT, text, &length) == STATUS_INVALID_PARAMETER && length == 15);
}

CASE_OF(RtlIpv4AddressToStringExW)
{
    WCHAR text[22];
    ULONG length = 22;

    CHECK(RtlIpv4AddressToStringExW(Four, 0, text, &length) == STATUS_SUCCESS);
    CHECK(IS(text, L"192.0.2.255") && length == 12);
}

CASE_OF(RtlIpv6AddressToStringA)
{
    CHAR text[46];

    CHECK(RtlIpv6AddressToStringA(Six, text) == text + 12);
    CHECK(IS(text, "2001:db8::1f"));
}

CASE_OF(RtlIpv6AddressToStringW)
{
    WCHAR text[46];

    CHECK(RtlIpv6AddressToStringW(Six, text) == text + 12);
    CHECK(IS(text, L"2001:db8::1f"));
}

CASE_OF(RtlIpv6AddressToStringExA)
{
    CHAR text[65];
    ULONG length = sizeof(text);

    CHECK(RtlIpv6AddressToStringExA(Six, 3, PORT, text, &length) == STATUS_SUCCESS);
    CHECK(IS(text, "[2001:db8::1f%3]:80") && length == 20);
}

CASE_OF(RtlIpv6AddressToStringExW)
{
    WCHAR text[65];
    ULONG length = 65;

    CHECK(RtlIpv6AddressToStringExW(Six, 0, 0, text, &length) == STATUS_SUCCESS);
    CHECK(IS(text, L"2001:db8::1f") && length == 13);
}

CASE_OF(RtlIpv4StringToAddressA)
{
    PCSTR text = "192.0.2.255:x", end = NULL;
    UCHAR address[4] = {0};

    CHECK(RtlIpv4StringToAddressA(text, TRUE, &end, address) == STATUS_SUCCESS);
    CHECK(SameBytes(address, Four, 4) && end == text + 11);
    CHECK(RtlIpv4StringToAddressA("1.2.3", TRUE, &end, address) == STATUS_INVALID_PARAMETER);
    CHECK(RtlIpv4StringToAddressA("1.2.3", FALSE, &end, address) == STATUS_SUCCESS && SameBytes(address, "\1\2\0\3", 4));
}

CASE_OF(RtlIpv4StringToAddressW)
{
    PCWSTR text = L"192.0.2.255", end = NULL;
    UCHAR address[4] = {0};

    CHECK(RtlIpv4StringToAddressW(text, TRUE, &end, address) == STATUS_SUCCESS);
    CHECK(SameBytes(address, Four, 4) && end == text + 11);
    CHECK(RtlIpv4StringToAddressW(L"256.1.1.1", TRUE, &end, address) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlIpv4StringToAddressExA)
{
    UCHAR address[4] = {0};
    USHORT port = 0;

    CHECK(RtlIpv4StringToAddressExA("192.0.2.255:80", TRUE, address, &port) == STATUS_SUCCESS);
    CHECK(SameBytes(address, Four, 4) && port == PORT);
    CHECK(RtlIpv4StringToAddressExA("192.0.2.255:99999", TRUE, address, &port) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlIpv4StringToAddressExW)
{
    UCHAR address[4] = {0};
    USHORT port = 7;

    CHECK(RtlIpv4StringToAddressExW(L"192.0.2.255", TRUE, address, &port) == STATUS_SUCCESS);
    CHECK(SameBytes(address, Four, 4) && port == 0);
}

CASE_OF(RtlIpv6StringToAddressA)
{
    PCSTR text = "2001:DB8::1f", end = NULL;
    UCHAR address[16] = {0};

    CHECK(RtlIpv6StringToAddressA(text, &end, address) == STATUS_SUCCESS && SameBytes(address, Six, 16));
    CHECK(end == text + 12);
    CHECK(RtlIpv6StringToAddressA("x", &end, address) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlIpv6StringToAddressW)
{
    PCWSTR end = NULL;
    UCHAR address[16] = {1};

    CHECK(RtlIpv6StringToAddressW(L"::", &end, address) == STATUS_SUCCESS && Holds(address, 16, 0));
    CHECK(RtlIpv6StringToAddressW(L":", &end, address) == STATUS_INVALID_PARAMETER);
}

CASE_OF(RtlIpv6StringToAddressExA)
{
    UCHAR address[16] = {0};
    ULONG scope = 0;
    USHORT port = 0;

    CHECK(RtlIpv6StringToAddressExA("[2001:db8::1f%3]:80", address, &scope, &port) == STATUS_SUCCESS);
    CHECK(SameBytes(address, Six, 16) && scope == 3 && port == PORT);
}

CASE_OF(RtlIpv6StringToAddressExW)
{
    UCHAR address[16] = {0};
    ULONG scope = 9;
    USHORT port = 9;

    CHECK(RtlIpv6StringToAddressExW(L"2001:db8::1f", address, &scope, &port) == STATUS_SUCCESS);
    CHECK(SameBytes(address, Six, 16) && scope == 0 && port == 0);
}

static const GUID Guid = {0x01234567, 0x89AB, 0xCDEF, {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF}};
#define GUID_TEXT L"{01234567-89ab-cdef-0123-456789abcdef}"

CASE_OF(RtlStringFromGUID)
{
    UNICODE_STRING made = {0, 0, NULL};

    REQUIRE(RtlStringFromGUID(&Guid, &made) == STATUS_SUCCESS);
    CHECK(IsText(&made, GUID_TEXT));
    RtlFreeUnicodeString(&made);
}

CASE_OF(RtlStringFromGUIDEx)
{
    WCHAR buffer[39];
    UNICODE_STRING text = {0, sizeof(buffer), buffer}, small = {0, 20, buffer};

    CHECK(RtlStringFromGUIDEx(&Guid, &text, FALSE) == STATUS_SUCCESS && IsText(&text, GUID_TEXT));
    CHECK(RtlStringFromGUIDEx(&Guid, &small, FALSE) != STATUS_SUCCESS);
}

CASE_OF(RtlGUIDFromString)
{
    UNICODE_STRING good = Text(L"{01234567-89AB-cdef-0123-456789abcdef}"), bad = Text(L"{0123}");
    GUID guid = {0};

    CHECK(RtlGUIDFromString(&good, &guid) == STATUS_SUCCESS && SameBytes(&guid, &Guid, sizeof(guid)));
    CHECK(RtlGUIDFromString(&bad, &guid) == STATUS_INVALID_PARAMETER);
}

const CASE NetChecks[] = {
    ROW(RtlIpv4AddressToStringA),
    ROW(RtlIpv4AddressToStringW),
    ROW(RtlIpv4AddressToStringExA),
    ROW(RtlIpv4AddressToStringExW),
    ROW(RtlIpv6AddressToStringA),
    ROW(RtlIpv6AddressToStringW),
    ROW(RtlIpv6AddressToStringExA),
    ROW(RtlIpv6AddressToStringExW),
    ROW(RtlIpv4StringToAddressA),
    ROW(RtlIpv4StringToAddressW),
    ROW(RtlIpv4StringToAddressExA),
    ROW(RtlIpv4StringToAddressExW),
    ROW(RtlIpv6StringToAddressA),
    ROW(RtlIpv6StringToAddressW),
    ROW(RtlIpv6StringToAddressExA),
    ROW(RtlIpv6StringToAddressExW),
    ROW(RtlStringFromGUID),
    ROW(RtlStringFromGUIDEx),
    ROW(RtlGUIDFromString),
    LAST,
};
