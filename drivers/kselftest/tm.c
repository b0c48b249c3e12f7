/*
 * Kernel transactions.
 */
#include "kselftest.h"
#define FILE_NAME "tm.c"

static HANDLE Handle;
static PKTRANSACTION Transaction;

static BOOLEAN Begin(VOID)
{
    OBJECT_ATTRIBUTES attributes;

    Handle = NULL;
    Transaction = NULL;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    return CHECK(ZwCreateTransaction(&Handle, TRANSACTION_ALL_ACCESS, &attributes, NULL, NULL, 0, 0, 0, NULL, NULL) ==
                 STATUS_SUCCESS)
           && CHECK(Handle != NULL)
           && CHECK(ObReferenceObjectByHandle(Handle, 0, *TmTransactionObjectType, KernelMode, (PVOID *)&Transaction,
                                              NULL) == STATUS_SUCCESS);
}

static VOID End(VOID)
{
    if (Transaction != NULL) {
        ObDereferenceObject(Transaction);
    }
    if (Handle != NULL) {
        ZwClose(Handle);
    }
}

static ULONG Outcome(VOID)
{
    TRANSACTION_BASIC_INFORMATION information = {0};

    CHECK(ZwQueryInformationTransaction(Handle, TransactionBasicInformation, &information, sizeof(information), NULL) ==
          STATUS_SUCCESS);
    return information.Outcome;
}

CASE_OF(ZwCreateTransaction)
{
    REQUIRE(Begin());
    CHECK(TmIsTransactionActive(Transaction) && Outcome() == TransactionOutcomeUndetermined);
    End();
}

CASE_OF(ZwCommitTransaction)
{
    REQUIRE(Begin());
    CHECK(ZwCommitTransaction(Handle, TRUE) == STATUS_SUCCESS);
    CHECK(Outcome() == TransactionOutcomeCommitted);
    CHECK(ZwCommitTransaction(Handle, TRUE) == STATUS_TRANSACTION_ALREADY_COMMITTED);
    End();
}

CASE_OF(ZwRollbackTransaction)
{
    REQUIRE(Begin());
    CHECK(ZwRollbackTransaction(Handle, TRUE) == STATUS_SUCCESS);
    CHECK(Outcome() == TransactionOutcomeAborted);
    CHECK(ZwCommitTransaction(Handle, TRUE) == STATUS_TRANSACTION_ALREADY_ABORTED);
    End();
}

CASE_OF(ZwQueryInformationTransaction)
{
    TRANSACTION_BASIC_INFORMATION information;
    ULONG needed = 0;
    GUID id;

    REQUIRE(Begin());
    CHECK(ZwQueryInformationTransaction(Handle, TransactionBasicInformation, &information, 8, &needed) ==
          STATUS_INFO_LENGTH_MISMATCH);
    CHECK(needed == sizeof(information));
    Fill(&information, sizeof(information), 0xCC);
    CHECK(ZwQueryInformationTransaction(Handle, TransactionBasicInformation, &information, sizeof(information), NULL) ==
          STATUS_SUCCESS);
    TmGetTransactionId(Transaction, &id);
    CHECK(SameBytes(&information.TransactionId, &id, sizeof(id)) && information.State == TransactionStateNormal);
    End();
}

CASE_OF(TmCommitTransaction)
{
    REQUIRE(Begin());
    CHECK(TmCommitTransaction(Transaction, TRUE) == STATUS_SUCCESS);
    CHECK(!TmIsTransactionActive(Transaction) && Outcome() == TransactionOutcomeCommitted);
    End();
}

CASE_OF(TmRollbackTransaction)
{
    REQUIRE(Begin());
    CHECK(TmRollbackTransaction(Transaction, TRUE) == STATUS_SUCCESS);
    CHECK(!TmIsTransactionActive(Transaction) && Outcome() == TransactionOutcomeAborted);
    End();
}

CASE_OF(TmIsTransactionActive)
{
    REQUIRE(Begin());
    CHECK(TmIsTransactionActive(Transaction));
    CHECK(ZwRollbackTransaction(Handle, TRUE) == STATUS_SUCCESS);
    CHECK(!TmIsTransactionActive(Transaction));
    End();
}

CASE_OF(TmGetTransactionId)
{
    GUID id, again, other;

    Fill(&id, sizeof(id), 0);
    REQUIRE(Begin());
    TmGetTransactionId(Transaction, &id);
    TmGetTransactionId(Transaction, &again);
    End();
    CHECK(!Holds(&id, sizeof(id), 0) && SameBytes(&id, &again, sizeof(id)));
    REQUIRE(Begin());
    TmGetTransactionId(Transaction, &other);
    End();
    CHECK(!SameBytes(&id, &other, sizeof(id)));
}

const CASE TransactionChecks[] = {
    ROW(ZwCreateTransaction),
    ROW(ZwCommitTransaction),
    ROW(ZwRollbackTransaction),
    ROW(ZwQueryInformationTransaction),
    ROW(TmCommitTransaction),
    ROW(TmRollbackTransaction),
    ROW(TmIsTransactionActive),
    ROW(TmGetTransactionId),
    LAST,
};
