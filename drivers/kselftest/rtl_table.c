/*
 * Generic tables: the AVL tree and the splay tree behave alike, but for how an enumeration goes on.
 *
 * Each check is written once for both and named for one: GENERIC makes the two.
 */
#include "kselftest.h"
#define FILE_NAME "rtl_table.c"

/* An element: the key and what it stands for. */
typedef struct _ELEMENT {
    ULONG Key;
    ULONG Value;
} ELEMENT;

static LONG Made, Freed;

#define CALLBACKS(Suffix, TABLE)                                                                                     \
    static RTL_GENERIC_COMPARE_RESULTS NTAPI Compare##Suffix(TABLE *Table, PVOID First, PVOID Second)                \
    {                                                                                                                \
        ULONG first = ((ELEMENT *)First)->Key, second = ((ELEMENT *)Second)->Key;                                    \
                                                                                                                     \
        return first < second ? GenericLessThan : first > second ? GenericGreaterThan : GenericEqual;                \
    }                                                                                                                \
                                                                                                                     \
    static PVOID NTAPI Allocate##Suffix(TABLE *Table, CLONG Bytes)                                                   \
    {                                                                                                                \
        Made++;                                                                                                      \
        return ExAllocatePoolWithTag(NonPagedPoolNx, Bytes, TAG);                                                    \
    }                                                                                                                \
                                                                                                                     \
    static VOID NTAPI Free##Suffix(TABLE *Table, PVOID Buffer)                                                       \
    {                                                                                                                \
        Freed++;                                                                                                     \
        ExFreePoolWithTag(Buffer, TAG);                                                                              \
    }

#define GENERIC(Suffix, TABLE)                                                                                       \
    static TABLE Table##Suffix;                                                                                      \
    CALLBACKS(Suffix, TABLE)                                                                                         \
                                                                                                                     \
    /* Seven elements, not in the order of their keys: 10, 20, ... 70. */                                            \
    static BOOLEAN Begin##Suffix(VOID)                                                                               \
    {                                                                                                                \
        static const ULONG keys[] = {40, 20, 60, 10, 70, 30, 50};                                                    \
        ELEMENT element = {0, 0};                                                                                    \
        BOOLEAN fresh;                                                                                               \
        ULONG i;                                                                                                     \
                                                                                                                     \
        Made = Freed = 0;                                                                                            \
        Fill(&Table##Suffix, sizeof(Table##Suffix), 0);                                                              \
        RtlInitializeGenericTable##Suffix(&Table##Suffix, Compare##Suffix, Allocate##Suffix, Free##Suffix, &Made);   \
        if (!CHECK(Table##Suffix.TableContext == &Made)) {                                                           \
            return FALSE;                                                                                            \
        }                                                                                                            \
        for (i = 0; i < ARRAYSIZE(keys); i++) {                                                                      \
            element.Key = keys[i];                                                                                   \
            element.Value = keys[i] * 2;                                                                             \
            fresh = FALSE;                                                                                           \
            if (!CHECK(RtlInsertElementGenericTable##Suffix(&Table##Suffix, &element, sizeof(element), &fresh) != NULL)) { \
                return FALSE;                                                                                        \
            }                                                                                                        \
            CHECK(fresh);                                                                                            \
        }                                                                                                            \
        return TRUE;                                                                                                 \
    }                                                                                                                \
                                                                                                                     \
    static VOID End##Suffix(VOID)                                                                                    \
    {                                                                                                                \
        ELEMENT key;                                                                                                 \
                                                                                                                     \
        for (key.Key = 10; key.Key <= 70; key.Key += 10) {                                                           \
            RtlDeleteElementGenericTable##Suffix(&Table##Suffix, &key);                                              \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlInitializeGenericTable##Suffix)                                                                       \
    {                                                                                                                \
        REQUIRE(Begin##Suffix());                                                                                    \
        CHECK(Made == 7);                                                                                            \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlInsertElementGenericTable##Suffix)                                                                    \
    {                                                                                                                \
        ELEMENT again = {30, 1}, *element;                                                                           \
        BOOLEAN fresh = TRUE;                                                                                        \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        element = RtlInsertElementGenericTable##Suffix(&Table##Suffix, &again, sizeof(again), &fresh);               \
        CHECK(element != NULL && element->Value == 60 && !fresh && Made == 7); /* the old one stays */               \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlDeleteElementGenericTable##Suffix)                                                                    \
    {                                                                                                                \
        ELEMENT key = {40, 0}, none = {45, 0};                                                                       \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        CHECK(!RtlDeleteElementGenericTable##Suffix(&Table##Suffix, &none) && Freed == 0);                           \
        CHECK(RtlDeleteElementGenericTable##Suffix(&Table##Suffix, &key) && Freed == 1);                             \
        CHECK(RtlLookupElementGenericTable##Suffix(&Table##Suffix, &key) == NULL);                                   \
        End##Suffix();                                                                                               \
        CHECK(Freed == 7);                                                                                           \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlLookupElementGenericTable##Suffix)                                                                    \
    {                                                                                                                \
        ELEMENT key = {50, 0}, none = {55, 0}, *element;                                                             \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        element = RtlLookupElementGenericTable##Suffix(&Table##Suffix, &key);                                        \
        CHECK(element != NULL && element->Value == 100);                                                             \
        CHECK(RtlLookupElementGenericTable##Suffix(&Table##Suffix, &none) == NULL);                                  \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlLookupElementGenericTableFull##Suffix)                                                                \
    {                                                                                                                \
        ELEMENT key = {50, 0}, none = {55, 0}, *element;                                                             \
        TABLE_SEARCH_RESULT result = TableEmptyTree;                                                                 \
        PVOID node = NULL;                                                                                           \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        element = RtlLookupElementGenericTableFull##Suffix(&Table##Suffix, &key, &node, &result);                    \
        CHECK(element != NULL && element->Value == 100 && result == TableFoundNode && node != NULL);                 \
        CHECK(RtlLookupElementGenericTableFull##Suffix(&Table##Suffix, &none, &node, &result) == NULL);              \
        CHECK((result == TableInsertAsLeft || result == TableInsertAsRight) && node != NULL);                        \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlInsertElementGenericTableFull##Suffix)                                                                \
    {                                                                                                                \
        ELEMENT key = {55, 5}, *element;                                                                             \
        TABLE_SEARCH_RESULT result = TableEmptyTree;                                                                 \
        BOOLEAN fresh = FALSE;                                                                                       \
        PVOID node = NULL;                                                                                           \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        RtlLookupElementGenericTableFull##Suffix(&Table##Suffix, &key, &node, &result);                              \
        element = RtlInsertElementGenericTableFull##Suffix(&Table##Suffix, &key, sizeof(key), &fresh, node, result); \
        CHECK(element != NULL && element->Value == 5 && fresh);                                                      \
        CHECK(RtlLookupElementGenericTable##Suffix(&Table##Suffix, &key) == element);                                \
        RtlDeleteElementGenericTable##Suffix(&Table##Suffix, &key);                                                  \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlEnumerateGenericTable##Suffix)                                                                        \
    {                                                                                                                \
        ULONG key = 0;                                                                                               \
        ELEMENT *element;                                                                                            \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        for (element = RtlEnumerateGenericTable##Suffix(&Table##Suffix, TRUE); element != NULL && key < 100;         \
             element = RtlEnumerateGenericTable##Suffix(&Table##Suffix, FALSE)) {                                    \
            key += 10;                                                                                               \
            CHECK(element->Key == key); /* in the order of the keys */                                               \
        }                                                                                                            \
        CHECK(key == 70);                                                                                            \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlEnumerateGenericTableWithoutSplaying##Suffix)                                                         \
    {                                                                                                                \
        PVOID restart = NULL;                                                                                        \
        ULONG key = 0;                                                                                               \
        ELEMENT *element;                                                                                            \
                                                                                                                     \
        REQUIRE(Begin##Suffix());                                                                                    \
        while ((element = RtlEnumerateGenericTableWithoutSplaying##Suffix(&Table##Suffix, &restart)) != NULL         \
               && key < 100) {                                                                                       \
            key += 10;                                                                                               \
            CHECK(element->Key == key);                                                                              \
        }                                                                                                            \
        CHECK(key == 70);                                                                                            \
        End##Suffix();                                                                                               \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlNumberGenericTableElements##Suffix)                                                                   \
    {                                                                                                                \
        REQUIRE(Begin##Suffix());                                                                                    \
        CHECK(RtlNumberGenericTableElements##Suffix(&Table##Suffix) == 7);                                           \
        End##Suffix();                                                                                               \
        CHECK(RtlNumberGenericTableElements##Suffix(&Table##Suffix) == 0);                                           \
    }                                                                                                                \
                                                                                                                     \
    CASE_OF(RtlIsGenericTableEmpty##Suffix)                                                                          \
    {                                                                                                                \
        REQUIRE(Begin##Suffix());                                                                                    \
        CHECK(!RtlIsGenericTableEmpty##Suffix(&Table##Suffix));                                                      \
        End##Suffix();                                                                                               \
        CHECK(RtlIsGenericTableEmpty##Suffix(&Table##Suffix));                                                       \
    }

GENERIC(Avl, RTL_AVL_TABLE)
GENERIC(, RTL_GENERIC_TABLE)

/* The order of the keys in one tree, of the insertions in the other. */
CASE_OF(RtlGetElementGenericTableAvl)
{
    ELEMENT *element;

    REQUIRE(BeginAvl());
    element = RtlGetElementGenericTableAvl(&TableAvl, 2);
    CHECK(element != NULL && element->Key == 30);
    CHECK(RtlGetElementGenericTableAvl(&TableAvl, 7) == NULL);
    EndAvl();
}

CASE_OF(RtlGetElementGenericTable)
{
    ELEMENT *element;

    REQUIRE(Begin());
    element = RtlGetElementGenericTable(&Table, 1);
    CHECK(element != NULL && element->Key == 20);
    CHECK(RtlGetElementGenericTable(&Table, 7) == NULL);
    End();
}

CASE_OF(RtlLookupFirstMatchingElementGenericTableAvl)
{
    ELEMENT key = {20, 0}, *element;
    PVOID restart = NULL;

    REQUIRE(BeginAvl());
    element = RtlLookupFirstMatchingElementGenericTableAvl(&TableAvl, &key, &restart);
    CHECK(element != NULL && element->Key == 20 && restart != NULL);
    element = RtlEnumerateGenericTableWithoutSplayingAvl(&TableAvl, &restart);
    CHECK(element != NULL && element->Key == 30); /* the one behind it */
    EndAvl();
}

static NTSTATUS NTAPI Above(PRTL_AVL_TABLE Avl, PVOID UserData, PVOID MatchData)
{
    return ((ELEMENT *)UserData)->Key > *(PULONG)MatchData ? STATUS_SUCCESS : STATUS_NO_MATCH;
}

CASE_OF(RtlEnumerateGenericTableLikeADirectory)
{
    ELEMENT from = {20, 0}, *element;
    PVOID restart = NULL;
    ULONG deletes = 0, bound = 45;

    REQUIRE(BeginAvl());
    element = RtlEnumerateGenericTableLikeADirectory(&TableAvl, Above, &bound, FALSE, &restart, &deletes, &from);
    CHECK(element != NULL && element->Key == 50);
    EndAvl();
}

#define BOTH(Export) ROW(Export##Avl), ROW(Export)

const CASE TableChecks[] = {
    BOTH(RtlInitializeGenericTable),
    BOTH(RtlInsertElementGenericTable),
    BOTH(RtlDeleteElementGenericTable),
    BOTH(RtlLookupElementGenericTable),
    BOTH(RtlLookupElementGenericTableFull),
    BOTH(RtlInsertElementGenericTableFull),
    BOTH(RtlEnumerateGenericTable),
    BOTH(RtlEnumerateGenericTableWithoutSplaying),
    BOTH(RtlNumberGenericTableElements),
    BOTH(RtlIsGenericTableEmpty),
    BOTH(RtlGetElementGenericTable),
    ROW(RtlLookupFirstMatchingElementGenericTableAvl),
    ROW(RtlEnumerateGenericTableLikeADirectory),
    LAST,
};

/* A tree of links without data: 0 to 4, the root is 3, by hand.
 *        3
 *      1   4
 *     0 2       */
static RTL_SPLAY_LINKS Links[5];

static VOID Link(ULONG Node, ULONG Parent, LONG Left, LONG Right)
{
    Links[Node].Parent = &Links[Parent];
    Links[Node].LeftChild = Left < 0 ? NULL : &Links[Left];
    Links[Node].RightChild = Right < 0 ? NULL : &Links[Right];
}

static VOID BeginTree(VOID)
{
    Link(3, 3, 1, 4);
    Link(1, 3, 0, 2);
    Link(4, 3, -1, -1);
    Link(0, 1, -1, -1);
    Link(2, 1, -1, -1);
}

/* How many nodes hang below the root, in order from the first. */
static ULONG Ordered(ULONG First)
{
    PRTL_SPLAY_LINKS node = &Links[First];
    ULONG count = 0;

    while (node != NULL && count < 6) {
        count++;
        node = RtlRealSuccessor(node);
    }
    return count;
}

CASE_OF(RtlSplay)
{
    BeginTree();
    CHECK(RtlSplay(&Links[0]) == &Links[0]);
    CHECK(Links[0].Parent == &Links[0] && Links[0].LeftChild == NULL);
    CHECK(Ordered(0) == 5);
}

CASE_OF(RtlDelete)
{
    PRTL_SPLAY_LINKS root;

    BeginTree();
    root = RtlDelete(&Links[3]);
    CHECK(root != NULL && root != &Links[3] && root->Parent == root);
    CHECK(Ordered(0) == 4);
}

CASE_OF(RtlDeleteNoSplay)
{
    PRTL_SPLAY_LINKS root = &Links[3];

    BeginTree();
    RtlDeleteNoSplay(&Links[0], &root);
    CHECK(root == &Links[3] && Links[1].LeftChild == NULL && Links[1].RightChild == &Links[2]);
    RtlDeleteNoSplay(&Links[3], &root);
    CHECK(root != &Links[3] && root->Parent == root && Ordered(1) == 3);
}

CASE_OF(RtlSubtreeSuccessor)
{
    BeginTree();
    CHECK(RtlSubtreeSuccessor(&Links[1]) == &Links[2] && RtlSubtreeSuccessor(&Links[2]) == NULL);
}

CASE_OF(RtlSubtreePredecessor)
{
    BeginTree();
    CHECK(RtlSubtreePredecessor(&Links[3]) == &Links[2] && RtlSubtreePredecessor(&Links[4]) == NULL);
}

CASE_OF(RtlRealSuccessor)
{
    BeginTree();
    CHECK(RtlRealSuccessor(&Links[2]) == &Links[3] && RtlRealSuccessor(&Links[4]) == NULL);
}

CASE_OF(RtlRealPredecessor)
{
    BeginTree();
    CHECK(RtlRealPredecessor(&Links[4]) == &Links[3] && RtlRealPredecessor(&Links[0]) == NULL);
}

const CASE SplayChecks[] = {
    ROW(RtlSplay),
    ROW(RtlDelete),
    ROW(RtlDeleteNoSplay),
    ROW(RtlSubtreeSuccessor),
    ROW(RtlSubtreePredecessor),
    ROW(RtlRealSuccessor),
    ROW(RtlRealPredecessor),
    LAST,
};
