#include "../shared/filter.h"

ULONG PartsAnswer(void);

NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    UNREFERENCED_PARAMETER(Path);
    DbgPrint("small: %lu\n", PartsAnswer());
    return StartFilter(Driver);
}
