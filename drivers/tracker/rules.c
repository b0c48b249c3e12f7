/*
 * The rules for contexts of an open file, checked for each kind when a file whose name contains "rules" is opened.
 */
#include "tracker.h"
#define FIRST_LINE 10000

typedef NTSTATUS FLTAPI SETTER(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, FLT_SET_CONTEXT_OPERATION Operation,
                               PFLT_CONTEXT NewContext, PFLT_CONTEXT *OldContext);
typedef NTSTATUS FLTAPI GETTER(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CONTEXT *Context);

typedef struct _ROUTINES {
    FLT_CONTEXT_TYPE Kind;
    SETTER *Set;
    GETTER *Get;
    GETTER *Delete;
} ROUTINES;

#define KEEP FLT_SET_CONTEXT_KEEP_IF_EXISTS
#define REPLACE FLT_SET_CONTEXT_REPLACE_IF_EXISTS

static LONG64 CleanedOf(const ROUTINES *R)
{
    return Results.Cleaned[IndexOf(R->Kind)];
}

/* Gives a reference up; whether the context goes is Expected. */
static VOID Release(const ROUTINES *R, PTRACK Track, BOOLEAN Expected)
{
    LONG64 before = CleanedOf(R);

    FltReleaseContext(Track);
    CHECK(CleanedOf(R) == before + (Expected ? 1 : 0));
}

static VOID CheckKind(const ROUTINES *R, PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    PFILE_OBJECT file = FltObjects->FileObject;
    FLT_CONTEXT_TYPE other = R->Kind == FLT_STREAM_CONTEXT ? FLT_FILE_CONTEXT : FLT_STREAM_CONTEXT;
    PTRACK a = NewTrack(R->Kind, file, instance), b = NewTrack(R->Kind, file, instance),
           wrong = NewTrack(other, file, instance);
    PFLT_CONTEXT found = a, old = a;
    LONG64 before;

    if (a == NULL || b == NULL || wrong == NULL) {
        return;
    }
    /* spec: CTX-58 */
    CHECK(R->Get(instance, file, &found) == STATUS_NOT_FOUND && found == NULL);
    /* spec: CTX-48 */
    CHECK(R->Delete(instance, file, &old) == STATUS_NOT_FOUND && old == NULL);
    CHECK(R->Delete(instance, file, NULL) == STATUS_NOT_FOUND);
    /* spec: CTX-26, CTX-32 */
    CHECK(R->Set(instance, file, 2, a, NULL) == STATUS_INVALID_PARAMETER);
    CHECK(R->Set(instance, file, KEEP, wrong, NULL) == STATUS_INVALID_PARAMETER);
    /* spec: CTX-25, CTX-39 */
    before = Results.Cleaned[IndexOf(other)];
    FltReleaseContext(wrong);
    CHECK(Results.Cleaned[IndexOf(other)] == before + 1);
    /* spec: CTX-27 */
    old = b;
    CHECK(R->Set(instance, file, KEEP, a, &old) == STATUS_SUCCESS && old == NULL);
    CHECK(R->Get(instance, file, &found) == STATUS_SUCCESS && found == a);
    Release(R, a, FALSE);
    /* spec: CTX-31 */
    CHECK(R->Set(instance, file, KEEP, a, NULL) == STATUS_FLT_CONTEXT_ALREADY_LINKED);
    CHECK(R->Set(instance, file, REPLACE, a, NULL) == STATUS_FLT_CONTEXT_ALREADY_LINKED);
    /* spec: CTX-28, CTX-29 */
    CHECK(R->Set(instance, file, KEEP, b, NULL) == STATUS_FLT_CONTEXT_ALREADY_DEFINED);
    CHECK(R->Set(instance, file, KEEP, b, &old) == STATUS_FLT_CONTEXT_ALREADY_DEFINED && old == a);
    Release(R, a, FALSE);
    /* Only the link and the allocation are left. */
    /* spec: CTX-38 */
    Release(R, a, FALSE);
    CHECK(R->Get(instance, file, &found) == STATUS_SUCCESS && found == a);
    /* spec: CTX-30 */
    CHECK(R->Set(instance, file, REPLACE, b, &old) == STATUS_SUCCESS && old == a);
    Release(R, a, FALSE);
    Release(R, found, TRUE);
    /* spec: CTX-30 */
    a = NewTrack(R->Kind, file, instance);
    if (a == NULL) {
        return;
    }
    Release(R, b, FALSE);
    before = CleanedOf(R);
    CHECK(R->Set(instance, file, REPLACE, a, NULL) == STATUS_SUCCESS);
    CHECK(CleanedOf(R) == before + 1);
    /* spec: CTX-47 */
    CHECK(R->Delete(instance, file, &old) == STATUS_SUCCESS && old == a);
    CHECK(R->Get(instance, file, &found) == STATUS_NOT_FOUND && found == NULL);
    Release(R, a, FALSE);
    /* Deleted, it may be set again. */
    /* spec: CTX-44, CTX-45 */
    CHECK(R->Set(instance, file, KEEP, a, NULL) == STATUS_SUCCESS);
    FltDeleteContext(a);
    CHECK(a->Magic == ALIVE);
    CHECK(R->Get(instance, file, &found) == STATUS_NOT_FOUND);
    FltDeleteContext(a);
    /* spec: CTX-47 */
    CHECK(R->Set(instance, file, KEEP, a, NULL) == STATUS_SUCCESS);
    CHECK(R->Delete(instance, file, NULL) == STATUS_SUCCESS);
    Release(R, a, TRUE);
}

/* The file system withdraws its support for a moment. */
static VOID CheckSupport(PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    PFILE_OBJECT file = FltObjects->FileObject;
    PFSRTL_ADVANCED_FCB_HEADER header = file->FsContext;
    PTRACK track = NewTrack(FLT_STREAM_CONTEXT, file, instance);
    UCHAR flags = header->Flags2;
    PVOID fsContext = file->FsContext;
    PFLT_CONTEXT found = track;

    if (track == NULL) {
        return;
    }
    CHECK(FltSupportsStreamContexts(file) && FltSupportsStreamHandleContexts(file));
    CHECK(FltSupportsFileContexts(file) && FltSupportsFileContextsEx(file, instance)
          && FltSupportsFileContextsEx(file, NULL));
    /* spec: CTX-56, CTX-58 */
    header->Flags2 |= FSRTL_FLAG2_IS_PAGING_FILE;
    CHECK(!FltSupportsStreamContexts(file) && !FltSupportsStreamHandleContexts(file));
    CHECK(!FltSupportsFileContexts(file) && !FltSupportsFileContextsEx(file, instance));
    CHECK(FltSetStreamContext(instance, file, KEEP, track, NULL) == STATUS_NOT_SUPPORTED);
    CHECK(FltGetStreamContext(instance, file, &found) == STATUS_NOT_SUPPORTED && found == NULL);
    CHECK(FltGetStreamHandleContext(instance, file, &found) == STATUS_NOT_SUPPORTED);
    CHECK(FltDeleteStreamContext(instance, file, NULL) == STATUS_NOT_SUPPORTED);
    /* spec: CTX-36, CTX-57 */
    header->Flags2 = flags & ~FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS;
    CHECK(!FltSupportsStreamContexts(file));
    CHECK(FltSetStreamContext(instance, file, KEEP, track, NULL) == STATUS_NOT_SUPPORTED);
    header->Flags2 = flags;
    CHECK(file->FsContext == fsContext);
    FltReleaseContext(track);
}

/* A file system that keeps nothing with its files: the manager does. */
static VOID CheckSingleStreams(const ROUTINES *Files, PCFLT_RELATED_OBJECTS FltObjects)
{
    /* spec: CTX-55, CTX-57 */
    PFSRTL_ADVANCED_FCB_HEADER header = FltObjects->FileObject->FsContext;
    PVOID *pointer = header->FileContextSupportPointer;

    header->FileContextSupportPointer = NULL;
    CHECK(!FltSupportsFileContexts(FltObjects->FileObject));
    CHECK(FltSupportsFileContextsEx(FltObjects->FileObject, FltObjects->Instance));
    CHECK(!FltSupportsFileContextsEx(FltObjects->FileObject, NULL));
    CheckKind(Files, FltObjects);
    header->FileContextSupportPointer = pointer;
}

VOID CheckRules(PCFLT_RELATED_OBJECTS FltObjects)
{
    static const ROUTINES routines[] = {
        {FLT_FILE_CONTEXT, FltSetFileContext, FltGetFileContext, FltDeleteFileContext},
        {FLT_STREAM_CONTEXT, FltSetStreamContext, FltGetStreamContext, FltDeleteStreamContext},
        {FLT_STREAMHANDLE_CONTEXT, FltSetStreamHandleContext, FltGetStreamHandleContext, FltDeleteStreamHandleContext},
    };
    ULONG i;

    for (i = 0; i < ARRAYSIZE(routines); i++) {
        CheckKind(&routines[i], FltObjects);
    }
    CheckSupport(FltObjects);
    CheckSingleStreams(&routines[0], FltObjects);
}

VOID CheckEarly(PCFLT_RELATED_OBJECTS FltObjects)
{
    PTRACK track = NewTrack(FLT_STREAMHANDLE_CONTEXT, FltObjects->FileObject, FltObjects->Instance);
    PFLT_CONTEXT found;

    if (track != NULL) {
        /* spec: CTX-37, PRE-27 */
        CHECK(FltSetStreamHandleContext(FltObjects->Instance, FltObjects->FileObject, KEEP, track, NULL)
              == STATUS_NOT_SUPPORTED);
        FltReleaseContext(track);
    }
    CHECK(FltGetStreamHandleContext(FltObjects->Instance, FltObjects->FileObject, &found) == STATUS_NOT_SUPPORTED);
    CHECK(FltGetStreamContext(FltObjects->Instance, FltObjects->FileObject, &found) == STATUS_NOT_SUPPORTED);
    CHECK(FltGetFileContext(FltObjects->Instance, FltObjects->FileObject, &found) == STATUS_NOT_SUPPORTED);
}
