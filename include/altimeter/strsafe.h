/*
 * The functions of ntstrsafe.h for one kind of character. Included once for each; no guard.
 * STRSAFE_CHARACTER: its type; STRSAFE_NAMED(Name): the name with A or W; STRSAFE_FORMAT: the formatter.
 */

/* What every function ends with: flags applied, end and rest reported. Counts are in characters. */
NTSTRSAFEDDI STRSAFE_NAMED(AltimeterFinish)(STRSAFE_CHARACTER *Destination, size_t Size, size_t Length, NTSTATUS Status,
                                            STRSAFE_CHARACTER **End, size_t *Remaining, ULONG Flags)
{
    unsigned char *bytes = (unsigned char *)Destination;
    size_t at;

    if (!NT_SUCCESS(Status) && Size > 0) {
        if (Flags & STRSAFE_NO_TRUNCATION) {
            Length = 0;
            Destination[0] = 0;
        }
        if (Flags & STRSAFE_FILL_ON_FAILURE) {
            for (at = 0; at < Size * sizeof(*Destination); at++) {
                bytes[at] = (unsigned char)STRSAFE_GET_FILL_PATTERN(Flags);
            }
            Length = STRSAFE_GET_FILL_PATTERN(Flags) == 0 ? 0 : Size - 1;
            Destination[Size - 1] = 0;
        }
        if (Flags & STRSAFE_NULL_ON_FAILURE) {
            Length = 0;
            Destination[0] = 0;
        }
    } else if (NT_SUCCESS(Status) && Size > 0 && (Flags & STRSAFE_FILL_BEHIND_NULL)) {
        for (at = (Length + 1) * sizeof(*Destination); at < Size * sizeof(*Destination); at++) {
            bytes[at] = (unsigned char)STRSAFE_GET_FILL_PATTERN(Flags);
        }
    }
    if (NT_SUCCESS(Status) || Status == STATUS_BUFFER_OVERFLOW) {
        if (End != NULL) {
            *End = Destination + Length;
        }
        if (Remaining != NULL) {
            *Remaining = Size - Length;
        }
    }
    return Status;
}

/* Characters before the zero; Maximum when there is none. */
static __inline size_t STRSAFE_NAMED(AltimeterLength)(const STRSAFE_CHARACTER *Text, size_t Maximum)
{
    size_t length = 0;

    while (length < Maximum && Text[length] != 0) {
        length++;
    }
    return length;
}

/* Writes at most Count characters of Source behind the first Length of Destination. */
NTSTRSAFEDDI STRSAFE_NAMED(AltimeterPut)(STRSAFE_CHARACTER *Destination, size_t Size, size_t *Length,
                                         const STRSAFE_CHARACTER *Source, size_t Count)
{
    size_t length = *Length;

    while (Count > 0 && *Source != 0 && length + 1 < Size) {
        Destination[length++] = *Source++;
        Count--;
    }
    Destination[length] = 0;
    *Length = length;
    return Count > 0 && *Source != 0 ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* Copies (Append: appends) at most Count characters. The extended forms are this with their flags. */
NTSTRSAFEDDI STRSAFE_NAMED(AltimeterJoin)(BOOLEAN Append, STRSAFE_CHARACTER *Destination, size_t Size,
                                          const STRSAFE_CHARACTER *Source, size_t Count, STRSAFE_CHARACTER **End,
                                          size_t *Remaining, ULONG Flags)
{
    static const STRSAFE_CHARACTER nothing[1] = {0};
    NTSTATUS status;
    size_t length = 0;

    if (Size > NTSTRSAFE_MAX_CCH || (Flags & ~STRSAFE_VALID_FLAGS) != 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if (Flags & STRSAFE_IGNORE_NULLS) {
        if (Source == NULL) {
            Source = nothing;
        }
        if (Destination == NULL) {
            if (Size != 0) {
                return STATUS_INVALID_PARAMETER;
            }
            if (End != NULL) {
                *End = NULL;
            }
            if (Remaining != NULL) {
                *Remaining = 0;
            }
            return Count == 0 || *Source == 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
        }
    }
    if (Size == 0) {
        return STATUS_INVALID_PARAMETER;
    }
    if (Append) {
        length = STRSAFE_NAMED(AltimeterLength)(Destination, Size);
        if (length == Size) {
            return STATUS_INVALID_PARAMETER;
        }
    }
    if (Count > NTSTRSAFE_MAX_LENGTH && Count != (size_t)-1) {
        if (!Append) {
            Destination[0] = 0;
        }
        return STATUS_INVALID_PARAMETER;
    }
    status = STRSAFE_NAMED(AltimeterPut)(Destination, Size, &length, Source, Count);
    return STRSAFE_NAMED(AltimeterFinish)(Destination, Size, length, status, End, Remaining, Flags);
}

NTSTRSAFEDDI STRSAFE_NAMED(AltimeterFormat)(STRSAFE_CHARACTER *Destination, size_t Size, STRSAFE_CHARACTER **End,
                                            size_t *Remaining, ULONG Flags, const STRSAFE_CHARACTER *Format, va_list Values)
{
    NTSTATUS status = STATUS_SUCCESS;
    size_t length = 0;
    int written;

    if (Size == 0 || Size > NTSTRSAFE_MAX_CCH || (Flags & ~STRSAFE_VALID_FLAGS) != 0 || Destination == NULL) {
        return STATUS_INVALID_PARAMETER;
    }
    if (Format == NULL) {
        if (!(Flags & STRSAFE_IGNORE_NULLS)) {
            return STATUS_INVALID_PARAMETER;
        }
        Destination[0] = 0;
    } else {
        written = STRSAFE_FORMAT(Destination, Size - 1, Format, Values);
        length = (size_t)written;
        if (written < 0 || length > Size - 1) {
            length = Size - 1;
            status = STATUS_BUFFER_OVERFLOW;
        }
        Destination[length] = 0;
    }
    return STRSAFE_NAMED(AltimeterFinish)(Destination, Size, length, status, End, Remaining, Flags);
}

/* The rest in bytes instead of characters; an odd byte at the end counts. */
#define STRSAFE_IN_BYTES(Call)                                             \
    size_t characters = 0;                                                 \
    NTSTATUS status = (Call);                                              \
    if (Remaining != NULL && (NT_SUCCESS(status) || status == STATUS_BUFFER_OVERFLOW)) { \
        *Remaining = characters * sizeof(STRSAFE_CHARACTER) + Bytes % sizeof(STRSAFE_CHARACTER); \
    }                                                                      \
    return status

/* Copy and Cat, each whole or at most N, plain or extended, counted in characters (Cch) or bytes (Cb). */
#define STRSAFE_JOINS(Verb, Append)                                                                                   \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCch##Verb)(STRSAFE_CHARACTER * Destination, size_t Characters,               \
                                                   const STRSAFE_CHARACTER *Source)                                  \
    {                                                                                                                 \
        return STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Characters, Source, (size_t)-1, NULL, NULL, 0);     \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCb##Verb)(STRSAFE_CHARACTER * Destination, size_t Bytes,                     \
                                                  const STRSAFE_CHARACTER *Source)                                   \
    {                                                                                                                 \
        return STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Bytes / sizeof(STRSAFE_CHARACTER), Source,          \
                                            (size_t)-1, NULL, NULL, 0);                                              \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCch##Verb##N)(STRSAFE_CHARACTER * Destination, size_t Characters,            \
                                                      const STRSAFE_CHARACTER *Source, size_t Count)                 \
    {                                                                                                                 \
        return STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Characters, Source,                                 \
                                            Count == (size_t)-1 ? Count - 1 : Count, NULL, NULL, 0);                 \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCb##Verb##N)(STRSAFE_CHARACTER * Destination, size_t Bytes,                  \
                                                     const STRSAFE_CHARACTER *Source, size_t Count)                  \
    {                                                                                                                 \
        return STRSAFE_NAMED(RtlStringCch##Verb##N)(Destination, Bytes / sizeof(STRSAFE_CHARACTER), Source,          \
                                                    Count / sizeof(STRSAFE_CHARACTER));                              \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCch##Verb##Ex)(STRSAFE_CHARACTER * Destination, size_t Characters,           \
                                                       const STRSAFE_CHARACTER *Source, STRSAFE_CHARACTER **End,     \
                                                       size_t *Remaining, ULONG Flags)                               \
    {                                                                                                                 \
        return STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Characters, Source, (size_t)-1, End, Remaining,     \
                                            Flags);                                                                  \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCb##Verb##Ex)(STRSAFE_CHARACTER * Destination, size_t Bytes,                 \
                                                      const STRSAFE_CHARACTER *Source, STRSAFE_CHARACTER **End,      \
                                                      size_t *Remaining, ULONG Flags)                                \
    {                                                                                                                 \
        STRSAFE_IN_BYTES(STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Bytes / sizeof(STRSAFE_CHARACTER),        \
                                                      Source, (size_t)-1, End, &characters, Flags));                 \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCch##Verb##NEx)(STRSAFE_CHARACTER * Destination, size_t Characters,          \
                                                        const STRSAFE_CHARACTER *Source, size_t Count,               \
                                                        STRSAFE_CHARACTER **End, size_t *Remaining, ULONG Flags)     \
    {                                                                                                                 \
        return STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Characters, Source,                                 \
                                            Count == (size_t)-1 ? Count - 1 : Count, End, Remaining, Flags);         \
    }                                                                                                                 \
    NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCb##Verb##NEx)(STRSAFE_CHARACTER * Destination, size_t Bytes,                \
                                                       const STRSAFE_CHARACTER *Source, size_t Count,                \
                                                       STRSAFE_CHARACTER **End, size_t *Remaining, ULONG Flags)      \
    {                                                                                                                 \
        STRSAFE_IN_BYTES(STRSAFE_NAMED(AltimeterJoin)(Append, Destination, Bytes / sizeof(STRSAFE_CHARACTER),        \
                                                      Source, Count / sizeof(STRSAFE_CHARACTER), End, &characters,   \
                                                      Flags));                                                       \
    }

STRSAFE_JOINS(Copy, FALSE)
STRSAFE_JOINS(Cat, TRUE)
#undef STRSAFE_JOINS

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCchVPrintf)(STRSAFE_CHARACTER *Destination, size_t Characters,
                                                const STRSAFE_CHARACTER *Format, va_list Values)
{
    return STRSAFE_NAMED(AltimeterFormat)(Destination, Characters, NULL, NULL, 0, Format, Values);
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCbVPrintf)(STRSAFE_CHARACTER *Destination, size_t Bytes,
                                               const STRSAFE_CHARACTER *Format, va_list Values)
{
    return STRSAFE_NAMED(AltimeterFormat)(Destination, Bytes / sizeof(STRSAFE_CHARACTER), NULL, NULL, 0, Format, Values);
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCchPrintf)(STRSAFE_CHARACTER *Destination, size_t Characters,
                                               const STRSAFE_CHARACTER *Format, ...)
{
    NTSTATUS status;
    va_list values;

    va_start(values, Format);
    status = STRSAFE_NAMED(AltimeterFormat)(Destination, Characters, NULL, NULL, 0, Format, values);
    va_end(values);
    return status;
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCbPrintf)(STRSAFE_CHARACTER *Destination, size_t Bytes,
                                              const STRSAFE_CHARACTER *Format, ...)
{
    NTSTATUS status;
    va_list values;

    va_start(values, Format);
    status = STRSAFE_NAMED(AltimeterFormat)(Destination, Bytes / sizeof(STRSAFE_CHARACTER), NULL, NULL, 0, Format, values);
    va_end(values);
    return status;
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCchVPrintfEx)(STRSAFE_CHARACTER *Destination, size_t Characters,
                                                  STRSAFE_CHARACTER **End, size_t *Remaining, ULONG Flags,
                                                  const STRSAFE_CHARACTER *Format, va_list Values)
{
    return STRSAFE_NAMED(AltimeterFormat)(Destination, Characters, End, Remaining, Flags, Format, Values);
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCbVPrintfEx)(STRSAFE_CHARACTER *Destination, size_t Bytes, STRSAFE_CHARACTER **End,
                                                 size_t *Remaining, ULONG Flags, const STRSAFE_CHARACTER *Format,
                                                 va_list Values)
{
    STRSAFE_IN_BYTES(STRSAFE_NAMED(AltimeterFormat)(Destination, Bytes / sizeof(STRSAFE_CHARACTER), End, &characters,
                                                    Flags, Format, Values));
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCchPrintfEx)(STRSAFE_CHARACTER *Destination, size_t Characters,
                                                 STRSAFE_CHARACTER **End, size_t *Remaining, ULONG Flags,
                                                 const STRSAFE_CHARACTER *Format, ...)
{
    NTSTATUS status;
    va_list values;

    va_start(values, Format);
    status = STRSAFE_NAMED(AltimeterFormat)(Destination, Characters, End, Remaining, Flags, Format, values);
    va_end(values);
    return status;
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCbPrintfEx)(STRSAFE_CHARACTER *Destination, size_t Bytes, STRSAFE_CHARACTER **End,
                                                size_t *Remaining, ULONG Flags, const STRSAFE_CHARACTER *Format, ...)
{
    NTSTATUS status;
    va_list values;

    va_start(values, Format);
    status = STRSAFE_NAMED(RtlStringCbVPrintfEx)(Destination, Bytes, End, Remaining, Flags, Format, values);
    va_end(values);
    return status;
}
#undef STRSAFE_IN_BYTES

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCchLength)(const STRSAFE_CHARACTER *Text, size_t Maximum, size_t *Length)
{
    size_t length = 0;
    NTSTATUS status = STATUS_INVALID_PARAMETER;

    if (Text != NULL && Maximum <= NTSTRSAFE_MAX_CCH) {
        length = STRSAFE_NAMED(AltimeterLength)(Text, Maximum);
        status = length == Maximum ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
    }
    if (Length != NULL) {
        *Length = NT_SUCCESS(status) ? length : 0;
    }
    return status;
}

NTSTRSAFEDDI STRSAFE_NAMED(RtlStringCbLength)(const STRSAFE_CHARACTER *Text, size_t Maximum, size_t *Length)
{
    NTSTATUS status = STRSAFE_NAMED(RtlStringCchLength)(Text, Maximum / sizeof(STRSAFE_CHARACTER), Length);

    if (Length != NULL) {
        *Length *= sizeof(STRSAFE_CHARACTER);
    }
    return status;
}
