#include <FLTKERNEL.h>

ULONG PartsAnswer(void)
{
    return 42;
}
