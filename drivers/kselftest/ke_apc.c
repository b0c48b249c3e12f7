/*
 * Asynchronous procedure calls to the own thread, and alerts.
 */
#include "kselftest.h"
#define FILE_NAME "ke_apc.c"

#define SELF ((PKTHREAD)__readgsqword(0x188))

static KAPC Apc;
static ULONG Kernels, Normals;
static KIRQL KernelLevel, NormalLevel;
static PVOID Given[3];

static VOID NTAPI Kernel(PKAPC This, PKNORMAL_ROUTINE *Normal, PVOID *Context, PVOID *First, PVOID *Second)
{
    Kernels++;
    KernelLevel = __readcr8();
    CHECK(This == &Apc && *Context == Given && *First == &Kernels && *Second == &Normals);
}

static VOID NTAPI Normal(PVOID Context, PVOID First, PVOID Second)
{
    Normals++;
    NormalLevel = __readcr8();
    Given[0] = Context;
    Given[1] = First;
    Given[2] = Second;
}

static VOID Begin(PKNORMAL_ROUTINE Routine)
{
    Kernels = Normals = 0;
    KernelLevel = NormalLevel = 9;
    Given[0] = Given[1] = Given[2] = NULL;
    Fill(&Apc, sizeof(Apc), 0);
    KeInitializeApc(&Apc, SELF, 0, Kernel, NULL, Routine, KernelMode, Given);
}

CASE_OF(KeInitializeApc)
{
    Fill(&Apc, sizeof(Apc), 0xCC);
    KeInitializeApc(&Apc, SELF, 0, Kernel, NULL, Normal, KernelMode, Given);
    CHECK(Apc.Type == 18 && Apc.Size == sizeof(Apc) && (PKTHREAD)Apc.Thread == SELF && !Apc.Inserted);
    CHECK(Apc.KernelRoutine == Kernel && Apc.RundownRoutine == NULL && Apc.NormalRoutine == Normal);
    CHECK(Apc.ApcMode == KernelMode && Apc.NormalContext == Given);
    KeInitializeApc(&Apc, SELF, 0, Kernel, NULL, NULL, UserMode, Given);
    CHECK(Apc.ApcMode == KernelMode && Apc.NormalContext == NULL); /* special: mode and context are of the normal routine */
}

CASE_OF(KeInsertQueueApc)
{
    Begin(Normal);
    REQUIRE(Apc.KernelRoutine == Kernel);
    CHECK(KeInsertQueueApc(&Apc, &Kernels, &Normals, 0));
    CHECK(Kernels == 1 && KernelLevel == APC_LEVEL);
    CHECK(Normals == 1 && NormalLevel == PASSIVE_LEVEL);
    CHECK(Given[0] == Given && Given[1] == &Kernels && Given[2] == &Normals);
    KeEnterCriticalRegion();
    CHECK(KeInsertQueueApc(&Apc, &Kernels, &Normals, 0));
    CHECK(Kernels == 1 && Apc.Inserted);                   /* normal ones wait until the region is left */
    CHECK(!KeInsertQueueApc(&Apc, &Kernels, &Normals, 0)); /* and are queued once */
    KeLeaveCriticalRegion();
    CHECK(Kernels == 2 && Normals == 2 && !Apc.Inserted);
}

CASE_OF(KeRemoveQueueApc)
{
    Begin(Normal);
    REQUIRE(Apc.KernelRoutine == Kernel);
    CHECK(!KeRemoveQueueApc(&Apc));
    KeEnterCriticalRegion();
    CHECK(KeInsertQueueApc(&Apc, &Kernels, &Normals, 0));
    CHECK(KeRemoveQueueApc(&Apc));
    CHECK(!KeRemoveQueueApc(&Apc) && !Apc.Inserted);
    KeLeaveCriticalRegion();
    CHECK(Kernels == 0 && Normals == 0);
}

CASE_OF(KeAlertThread)
{
    LARGE_INTEGER shortly = {.QuadPart = -10000};

    CHECK(!KeAlertThread(SELF, KernelMode));
    CHECK(KeAlertThread(SELF, KernelMode)); /* is alerted already */
    CHECK(KeDelayExecutionThread(KernelMode, TRUE, &shortly) == STATUS_ALERTED);
    CHECK(KeDelayExecutionThread(KernelMode, TRUE, &shortly) == STATUS_SUCCESS);
}

CASE_OF(KeTestAlertThread)
{
    CHECK(!KeTestAlertThread(KernelMode));
    KeAlertThread(SELF, KernelMode);
    CHECK(KeTestAlertThread(KernelMode));
    CHECK(!KeTestAlertThread(KernelMode));
}

const CASE ApcChecks[] = {
    ROW(KeInitializeApc), ROW(KeInsertQueueApc), ROW(KeRemoveQueueApc), ROW(KeAlertThread), ROW(KeTestAlertThread), LAST,
};
