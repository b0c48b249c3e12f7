/*
 * Transactions: contexts, enlisting, and answers to notifications.
 */
#include "objtest.h"
#define FILE_NUMBER 7

/* How the callback answers, chosen by the create that enlists. */
enum { ANSWER_AT_ONCE, ANSWER_LATER, ANSWER_EARLY, REFUSE, REFUSE_LATE, ANSWER_TWICE, ANSWER_WRONGLY };
static ULONG Manner;

static PKTRANSACTION Staying;
static PFLT_CONTEXT StayingContext;

typedef NTSTATUS(FLTAPI *COMPLETE)(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT Context);

static COMPLETE CompleteOf(ULONG Notification)
{
    switch (Notification) {
    case TRANSACTION_NOTIFY_PREPREPARE:
        return FltPrePrepareComplete;
    case TRANSACTION_NOTIFY_PREPARE:
        return FltPrepareComplete;
    case TRANSACTION_NOTIFY_COMMIT:
        return FltCommitComplete;
    case TRANSACTION_NOTIFY_ROLLBACK:
        return FltRollbackComplete;
    default:
        return FltCommitFinalizeComplete;
    }
}

/* What a later answer needs. */
static struct {
    PFLT_INSTANCE Instance;
    PKTRANSACTION Transaction;
    PFLT_CONTEXT Context;
    ULONG Notification;
} Later;

static VOID AnswerLater(PVOID Context)
{
    Pause();
    CHECK(CompleteOf(Later.Notification)(Later.Instance, Later.Transaction, Later.Context) == STATUS_SUCCESS);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* spec: TXN-04 */
NTSTATUS FLTAPI TransactionNotify(PCFLT_RELATED_OBJECTS FltObjects, PFLT_CONTEXT TransactionContext,
                                  ULONG NotificationMask)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    PKTRANSACTION transaction = FltObjects->Transaction;
    COMPLETE complete = CompleteOf(NotificationMask);
    PVOID thread;

    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL);
    CHECK(NotificationMask != 0 && (NotificationMask & (NotificationMask - 1)) == 0);
    CHECK(instance != NULL && transaction != NULL && TransactionContext != NULL && FltObjects->Filter == Filter);
    /* In the order of their coming, four bits each: COMMIT_FINALIZE is 0. */
    Results.Reserved[0] = Results.Reserved[0] << 4 | (NotificationMask & 0xF);
    Results.Reserved[1]++;
    switch (Manner) {
    case ANSWER_LATER:
        Later.Instance = instance;
        Later.Transaction = transaction;
        Later.Context = TransactionContext;
        Later.Notification = NotificationMask;
        thread = StartThread(AnswerLater, NULL);
        CHECK(thread != NULL);
        ObDereferenceObject(thread);
        return STATUS_PENDING;
    case ANSWER_EARLY:
        CHECK(complete(instance, transaction, TransactionContext) == STATUS_SUCCESS);
        return STATUS_PENDING;
    case REFUSE:
        if (NotificationMask == TRANSACTION_NOTIFY_PREPARE) {
            CHECK(FltRollbackEnlistment(instance, transaction, TransactionContext) == STATUS_SUCCESS);
        }
        return STATUS_SUCCESS;
    case REFUSE_LATE:
        if (NotificationMask == TRANSACTION_NOTIFY_COMMIT) {
            CHECK(FltRollbackEnlistment(instance, transaction, TransactionContext) ==
                  STATUS_TRANSACTION_REQUEST_NOT_VALID);
        }
        return STATUS_SUCCESS;
    case ANSWER_TWICE:
        CHECK(complete(instance, transaction, TransactionContext) == STATUS_SUCCESS);
        CHECK(complete(instance, transaction, TransactionContext) == STATUS_TRANSACTION_REQUEST_NOT_VALID);
        return STATUS_PENDING;
    case ANSWER_WRONGLY:
        if (NotificationMask == TRANSACTION_NOTIFY_PREPARE) {
            CHECK(FltCommitComplete(instance, transaction, TransactionContext) ==
                  STATUS_TRANSACTION_REQUEST_NOT_VALID);
        }
        return STATUS_SUCCESS;
    default:
        return STATUS_SUCCESS;
    }
}

static PFLT_CONTEXT NewContext(VOID)
{
    PFLT_CONTEXT context = NULL;

    CHECK(FltAllocateContext(Filter, FLT_TRANSACTION_CONTEXT, 32, PagedPool, &context) == STATUS_SUCCESS);
    return context;
}

static VOID Enlist(PCFLT_RELATED_OBJECTS FltObjects, ULONG How)
{
    PFLT_CONTEXT context = NewContext();

    Manner = How;
    REQUIRE(FltObjects->Transaction != NULL && context != NULL);
    CHECK(FltEnlistInTransaction(FltObjects->Instance, FltObjects->Transaction, context,
                                 FLT_MAX_TRANSACTION_NOTIFICATIONS) == STATUS_SUCCESS);
    FltReleaseContext(context);
}

/* spec: TXN-01, TXN-02, TXN-03, TXN-05, TXN-06, CTX-35 */
static VOID Rules(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    PFLT_INSTANCE instance = FltObjects->Instance;
    PKTRANSACTION transaction = FltObjects->Transaction;
    PTXN_PARAMETER_BLOCK block = IoGetTransactionParameterBlock(FltObjects->FileObject);
    PFLT_CONTEXT context = NewContext(), other = NewContext(), found = NULL;
    FLT_RELATED_CONTEXTS contexts;

    Manner = ANSWER_AT_ONCE;
    REQUIRE(transaction != NULL && context != NULL && other != NULL);
    CHECK(ObReferenceObjectByPointer(transaction, 0, *TmTransactionObjectType, KernelMode) == STATUS_SUCCESS);
    ObDereferenceObject(transaction);
    CHECK(block != NULL && block->TransactionObject == transaction && block->Length == sizeof(*block));
    CHECK(TmIsTransactionActive(transaction));
    CHECK(FLT_MAX_TRANSACTION_NOTIFICATIONS == 0xF && TRANSACTION_NOTIFY_COMMIT_FINALIZE == 0x40000000);
    /* Without a context nothing is enlisted. */
    CHECK(FltCommitComplete(instance, transaction, context) == STATUS_NOT_FOUND);
    CHECK(FltRollbackEnlistment(instance, transaction, context) == STATUS_NOT_FOUND);
    CHECK(FltGetTransactionContext(instance, transaction, &found) == STATUS_NOT_FOUND && found == NULL);

    CHECK(FltSetTransactionContext(instance, transaction, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL) ==
          STATUS_SUCCESS);
    CHECK(FltSetTransactionContext(instance, transaction, FLT_SET_CONTEXT_KEEP_IF_EXISTS, other, &found) ==
          STATUS_FLT_CONTEXT_ALREADY_DEFINED);
    CHECK(found == context);
    FltReleaseContext(found);
    CHECK(FltGetTransactionContext(instance, transaction, &found) == STATUS_SUCCESS && found == context);
    FltReleaseContext(found);
    FltGetContexts(FltObjects, FLT_TRANSACTION_CONTEXT, &contexts);
    CHECK(contexts.TransactionContext == context);
    FltReleaseContexts(&contexts);
    CHECK(FltDeleteTransactionContext(instance, transaction, NULL) == STATUS_SUCCESS);
    CHECK(FltDeleteTransactionContext(instance, transaction, NULL) == STATUS_NOT_FOUND);
    CHECK(FltSetTransactionContext(instance, transaction, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, context, NULL) ==
          STATUS_SUCCESS);
    /* A context alone takes no part. */
    CHECK(FltRollbackEnlistment(instance, transaction, context) == STATUS_TRANSACTION_REQUEST_NOT_VALID);

    CHECK(FltEnlistInTransaction(instance, transaction, context, 0) == STATUS_INVALID_PARAMETER_4);
    CHECK(FltEnlistInTransaction(instance, transaction, context, 0x10) == STATUS_INVALID_PARAMETER_4);
    CHECK(FltEnlistInTransaction(instance, transaction, context,
                                 FLT_MAX_TRANSACTION_NOTIFICATIONS | TRANSACTION_NOTIFY_COMMIT_FINALIZE) ==
          STATUS_SUCCESS);
    CHECK(FltEnlistInTransaction(instance, transaction, context, TRANSACTION_NOTIFY_COMMIT) ==
          STATUS_FLT_ALREADY_ENLISTED);
    FltReleaseContext(context);
    FltReleaseContext(other);
}

static VOID Outside(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    CHECK(FltObjects->Transaction == NULL);
    CHECK(IoGetTransactionParameterBlock(FltObjects->FileObject) == NULL);
}

static VOID EnlistAtOnce(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, ANSWER_AT_ONCE);
}

static VOID EnlistLater(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, ANSWER_LATER);
}

static VOID EnlistEarly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, ANSWER_EARLY);
}

static VOID EnlistRefusing(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, REFUSE);
}

static VOID EnlistTooLate(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, REFUSE_LATE);
}

static VOID EnlistTwice(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, ANSWER_TWICE);
}

static VOID EnlistWrongly(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, ANSWER_WRONGLY);
}

/* The instance is asked to enlist again when it goes. */
static VOID Stay(PFLT_CALLBACK_DATA Data, PCFLT_RELATED_OBJECTS FltObjects)
{
    Enlist(FltObjects, ANSWER_AT_ONCE);
    Staying = FltObjects->Transaction;
    StayingContext = NewContext();
}

/* spec: TXN-02 */
VOID TransactionsTeardown(PCFLT_RELATED_OBJECTS FltObjects)
{
    if (Staying != NULL) {
        CHECK(FltEnlistInTransaction(FltObjects->Instance, Staying, StayingContext, TRANSACTION_NOTIFY_COMMIT) ==
              STATUS_FLT_DELETING_OBJECT);
        FltReleaseContext(StayingContext);
        Results.Reserved[2]++;
    }
    Staying = NULL;
}

const GROUP TransactionGroups[] = {
    {L"txn-rules", NULL, Rules},
    {L"txn-outside", NULL, Outside},
    {L"txn-at-once", NULL, EnlistAtOnce},
    {L"txn-later", NULL, EnlistLater},
    {L"txn-early", NULL, EnlistEarly},
    {L"txn-refuse", NULL, EnlistRefusing},
    {L"txn-too-late", NULL, EnlistTooLate},
    {L"txn-stay", NULL, Stay},
    {L"wrong-txn-twice", NULL, EnlistTwice},
    {L"wrong-txn-other", NULL, EnlistWrongly},
    {NULL, NULL, NULL},
};
