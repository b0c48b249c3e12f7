/* C++ as drivers have it: classes with destructors, templates, enumerations as flags, no exceptions of its own. */
#include "../shared/filter.h"
#include <wsk.h>
#include <wdmsec.h>
#include <ntstrsafe.h>
#include <ntddstor.h>
#include <MountDev.h>
#include <ntddvol.h>
#include <bcrypt.h>
#include <initguid.h>

enum class Choice : ULONG { None = 0, One = 1, Two = 2 };
DEFINE_ENUM_FLAG_OPERATORS(Choice)

static LONG Alive;

class Counted {
public:
    Counted() { InterlockedIncrement(&Alive); }
    virtual ~Counted() { InterlockedDecrement(&Alive); }
    virtual LONG Value() const { return 1; }
};

class Doubled : public Counted {
public:
    LONG Value() const override { return 2; }
};

template <typename T>
static T Larger(T One, T Other)
{
    return One < Other ? Other : One;
}

void *operator new(size_t Size, POOL_TYPE Type)
{
    return ExAllocatePoolWithTag(Type, Size, 'ssaC');
}

void operator delete(void *Block, size_t)
{
    ExFreePool(Block);
}

static LONG Caught()
{
    __try {
        ExRaiseStatus(STATUS_ACCESS_VIOLATION);
    } __except (GetExceptionCode() == STATUS_ACCESS_VIOLATION ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
        return 1;
    }
    return 0;
}

/* Not declared extern "C": the linker finds it all the same. */
NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    UNREFERENCED_PARAMETER(Path);
    LONG value = 0;
    {
        Doubled local;
        Counted *made = new (NonPagedPool) Doubled;
        if (made == nullptr) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        value = Larger(local.Value(), made->Value()) + Alive;
        delete made;
    }
    Choice both = Choice::One | Choice::Two;
    UCHAR name[8] = {};
    OBJECT_ATTRIBUTES attributes = RTL_CONSTANT_OBJECT_ATTRIBUTES(nullptr, OBJ_KERNEL_HANDLE);
    if (value != 4 || Alive != 0 || (both & Choice::Two) != Choice::Two || name[0] != 0 || Caught() != 1 ||
        attributes.Length != sizeof(attributes)) {
        return STATUS_UNSUCCESSFUL;
    }
    DbgPrint("classes: %d\n", value);
    return StartFilter(Driver);
}
