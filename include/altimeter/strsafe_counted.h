/*
 * The functions of ntstrsafe.h on UNICODE_STRING. They write no zero; Length says where the string ends, and a source that
 * is no counted string ends with a zero.
 */
#ifndef ALTIMETER_STRSAFE_COUNTED_H
#define ALTIMETER_STRSAFE_COUNTED_H

NTSTRSAFEDDI RtlUnicodeStringValidateEx(PCUNICODE_STRING String, ULONG Flags)
{
    if ((Flags & ~(ULONG)STRSAFE_IGNORE_NULLS) != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if (String == NULL) {
        return (Flags & STRSAFE_IGNORE_NULLS) != 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
    }
    if (String->Length % sizeof(WCHAR) != 0 || String->MaximumLength % sizeof(WCHAR) != 0 ||
        String->Length > String->MaximumLength ||
        (String->Buffer == NULL && (String->Length != 0 || String->MaximumLength != 0))) {
        return STATUS_INVALID_PARAMETER;
    }
    return STATUS_SUCCESS;
}

NTSTRSAFEDDI RtlUnicodeStringValidate(PCUNICODE_STRING String)
{
    return RtlUnicodeStringValidateEx(String, 0);
}

NTSTRSAFEDDI RtlUnicodeStringInitEx(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source, ULONG Flags)
{
    size_t length = 0;

    if (Destination == NULL || (Flags & ~(ULONG)STRSAFE_IGNORE_NULLS) != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    Destination->Length = 0;
    Destination->MaximumLength = 0;
    Destination->Buffer = NULL;
    if (Source == NULL) {
        return STATUS_SUCCESS;
    }
    length = AltimeterLengthW(Source, NTSTRSAFE_UNICODE_STRING_MAX_CCH);
    if (length == NTSTRSAFE_UNICODE_STRING_MAX_CCH) {
        return STATUS_INVALID_PARAMETER;
    }
    Destination->Length = (USHORT)(length * sizeof(WCHAR));
    Destination->MaximumLength = (USHORT)((length + 1) * sizeof(WCHAR));
    Destination->Buffer = (PWSTR)Source;
    return STATUS_SUCCESS;
}

NTSTRSAFEDDI RtlUnicodeStringInit(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source)
{
    return RtlUnicodeStringInitEx(Destination, Source, 0);
}

/* A counted string into a terminated one. */
NTSTRSAFEDDI RtlStringCchCopyUnicodeStringEx(NTSTRSAFE_PWSTR Destination, size_t Characters, PCUNICODE_STRING Source,
                                             NTSTRSAFE_PWSTR *End, size_t *Remaining, ULONG Flags)
{
    if (!NT_SUCCESS(RtlUnicodeStringValidateEx(Source, Flags & STRSAFE_IGNORE_NULLS))) {
        return STATUS_INVALID_PARAMETER;
    }
    return AltimeterJoinW(FALSE, Destination, Characters, Source == NULL || Source->Buffer == NULL ? L"" : Source->Buffer,
                          Source == NULL ? 0 : Source->Length / sizeof(WCHAR), End, Remaining, Flags);
}

NTSTRSAFEDDI RtlStringCchCopyUnicodeString(NTSTRSAFE_PWSTR Destination, size_t Characters, PCUNICODE_STRING Source)
{
    return RtlStringCchCopyUnicodeStringEx(Destination, Characters, Source, NULL, NULL, 0);
}

NTSTRSAFEDDI RtlStringCbCopyUnicodeString(NTSTRSAFE_PWSTR Destination, size_t Bytes, PCUNICODE_STRING Source)
{
    return RtlStringCchCopyUnicodeStringEx(Destination, Bytes / sizeof(WCHAR), Source, NULL, NULL, 0);
}

/* Applies the flags to a string of which Length characters were written; Remainder is what lies behind it. */
NTSTRSAFEDDI AltimeterFinishCounted(PUNICODE_STRING Destination, size_t Length, NTSTATUS Status, PUNICODE_STRING Remainder,
                                    ULONG Flags)
{
    size_t size = Destination->MaximumLength / sizeof(WCHAR);
    unsigned char *bytes = (unsigned char *)Destination->Buffer;
    size_t at;

    if (!NT_SUCCESS(Status)) {
        if (Flags & (STRSAFE_NO_TRUNCATION | STRSAFE_ZERO_LENGTH_ON_FAILURE)) {
            Length = 0;
        }
        if (Flags & STRSAFE_FILL_ON_FAILURE) {
            for (at = 0; at < Destination->MaximumLength; at++) {
                bytes[at] = (unsigned char)STRSAFE_GET_FILL_PATTERN(Flags);
            }
            Length = 0;
        }
    } else if (Flags & STRSAFE_FILL_BEHIND) {
        for (at = Length * sizeof(WCHAR); at < Destination->MaximumLength; at++) {
            bytes[at] = (unsigned char)STRSAFE_GET_FILL_PATTERN(Flags);
        }
    }
    Destination->Length = (USHORT)(Length * sizeof(WCHAR));
    if (Remainder != NULL) {
        Remainder->Length = 0;
        Remainder->MaximumLength = (USHORT)((size - Length) * sizeof(WCHAR));
        Remainder->Buffer = Destination->Buffer + Length;
    }
    return Status;
}

/* Copies or appends at most Count characters, up to a zero if Terminated. */
NTSTRSAFEDDI AltimeterJoinCounted(BOOLEAN Append, PUNICODE_STRING Destination, const WCHAR *Source, size_t Count,
                                  BOOLEAN Terminated, PUNICODE_STRING Remainder, ULONG Flags)
{
    NTSTATUS status = RtlUnicodeStringValidate(Destination);
    size_t size, length, taken = 0;

    if (!NT_SUCCESS(status) || (Flags & ~STRSAFE_VALID_FLAGS) != 0 ||
        (Source == NULL && Count != 0 && !(Flags & STRSAFE_IGNORE_NULLS))) {
        return STATUS_INVALID_PARAMETER;
    }
    if (Source == NULL) {
        Count = 0;
    }
    size = Destination->MaximumLength / sizeof(WCHAR);
    length = Append ? Destination->Length / sizeof(WCHAR) : 0;
    while (taken < Count && !(Terminated && Source[taken] == 0)) {
        if (length == size) {
            status = STATUS_BUFFER_OVERFLOW;
            break;
        }
        Destination->Buffer[length++] = Source[taken++];
    }
    return AltimeterFinishCounted(Destination, length, status, Remainder, Flags);
}

/* The same with a counted source. */
NTSTRSAFEDDI AltimeterJoinBoth(BOOLEAN Append, PUNICODE_STRING Destination, PCUNICODE_STRING Source, size_t Count,
                               PUNICODE_STRING Remainder, ULONG Flags)
{
    size_t length;

    if (!NT_SUCCESS(RtlUnicodeStringValidateEx(Source, Flags & STRSAFE_IGNORE_NULLS))) {
        return STATUS_INVALID_PARAMETER;
    }
    length = Source == NULL ? 0 : Source->Length / sizeof(WCHAR);
    return AltimeterJoinCounted(Append, Destination, Source == NULL ? NULL : Source->Buffer,
                                length < Count ? length : Count, FALSE, Remainder, Flags);
}

#define STRSAFE_COUNTED_JOINS(Verb, Append)                                                                        \
    NTSTRSAFEDDI RtlUnicodeString##Verb##String(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source)             \
    {                                                                                                              \
        return AltimeterJoinCounted(Append, Destination, Source, (size_t)-1, TRUE, NULL, 0);                      \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeString##Verb##StringEx(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source,           \
                                                  PUNICODE_STRING Remainder, ULONG Flags)                         \
    {                                                                                                              \
        return AltimeterJoinCounted(Append, Destination, Source, (size_t)-1, TRUE, Remainder, Flags);             \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeStringCch##Verb##StringN(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source,         \
                                                    size_t Characters)                                            \
    {                                                                                                              \
        return AltimeterJoinCounted(Append, Destination, Source, Characters, TRUE, NULL, 0);                      \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeStringCb##Verb##StringN(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Source,          \
                                                   size_t Bytes)                                                  \
    {                                                                                                              \
        return AltimeterJoinCounted(Append, Destination, Source, Bytes / sizeof(WCHAR), TRUE, NULL, 0);           \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeString##Verb(PUNICODE_STRING Destination, PCUNICODE_STRING Source)                     \
    {                                                                                                              \
        return AltimeterJoinBoth(Append, Destination, Source, (size_t)-1, NULL, 0);                               \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeString##Verb##Ex(PUNICODE_STRING Destination, PCUNICODE_STRING Source,                 \
                                            PUNICODE_STRING Remainder, ULONG Flags)                               \
    {                                                                                                              \
        return AltimeterJoinBoth(Append, Destination, Source, (size_t)-1, Remainder, Flags);                      \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeStringCch##Verb##N(PUNICODE_STRING Destination, PCUNICODE_STRING Source,               \
                                              size_t Characters)                                                  \
    {                                                                                                              \
        return AltimeterJoinBoth(Append, Destination, Source, Characters, NULL, 0);                               \
    }                                                                                                              \
    NTSTRSAFEDDI RtlUnicodeStringCb##Verb##N(PUNICODE_STRING Destination, PCUNICODE_STRING Source, size_t Bytes)  \
    {                                                                                                              \
        return AltimeterJoinBoth(Append, Destination, Source, Bytes / sizeof(WCHAR), NULL, 0);                    \
    }

STRSAFE_COUNTED_JOINS(Copy, FALSE)
STRSAFE_COUNTED_JOINS(Cat, TRUE)
#undef STRSAFE_COUNTED_JOINS

NTSTRSAFEDDI RtlUnicodeStringVPrintfEx(PUNICODE_STRING Destination, PUNICODE_STRING Remainder, ULONG Flags,
                                       NTSTRSAFE_PCWSTR Format, va_list Values)
{
    NTSTATUS status = RtlUnicodeStringValidate(Destination);
    size_t size, length = 0;
    int written;

    if (!NT_SUCCESS(status) || (Flags & ~STRSAFE_VALID_FLAGS) != 0 ||
        (Format == NULL && !(Flags & STRSAFE_IGNORE_NULLS))) {
        return STATUS_INVALID_PARAMETER;
    }
    size = Destination->MaximumLength / sizeof(WCHAR);
    if (Format != NULL && size == 0) {
        if (*Format != 0) {
            status = STATUS_BUFFER_OVERFLOW;
        }
    } else if (Format != NULL) {
        written = _vsnwprintf(Destination->Buffer, size, Format, Values);
        length = (size_t)written;
        if (written < 0 || length > size) {
            length = size;
            status = STATUS_BUFFER_OVERFLOW;
        }
    }
    return AltimeterFinishCounted(Destination, length, status, Remainder, Flags);
}

NTSTRSAFEDDI RtlUnicodeStringVPrintf(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Format, va_list Values)
{
    return RtlUnicodeStringVPrintfEx(Destination, NULL, 0, Format, Values);
}

NTSTRSAFEDDI RtlUnicodeStringPrintf(PUNICODE_STRING Destination, NTSTRSAFE_PCWSTR Format, ...)
{
    NTSTATUS status;
    va_list values;

    va_start(values, Format);
    status = RtlUnicodeStringVPrintfEx(Destination, NULL, 0, Format, values);
    va_end(values);
    return status;
}

NTSTRSAFEDDI RtlUnicodeStringPrintfEx(PUNICODE_STRING Destination, PUNICODE_STRING Remainder, ULONG Flags,
                                      NTSTRSAFE_PCWSTR Format, ...)
{
    NTSTATUS status;
    va_list values;

    va_start(values, Format);
    status = RtlUnicodeStringVPrintfEx(Destination, Remainder, Flags, Format, values);
    va_end(values);
    return status;
}

#endif
