/* Headers that minifilters include, in spellings that they use; once for C and once for C++. */
#include <FltKernel.h>
#include <DontUse.h>
#include <Suppress.h>
#include <NTIFS.H>
#include <Ntddk.h>
#include <Wdm.h>
#include <InitGuid.h>
#include <GuidDef.h>
#include <NtStrSafe.h>
#include <NtIntSafe.h>
#include <WdmSec.h>
#include <Wsk.h>
#include <Ip2String.h>
#include <BCrypt.h>
#include <NtddDisk.h>
#include <NtddStor.h>
#include <NtddVol.h>
#include <NtddScsi.h>
#include <MountDev.h>
#include <MountMgr.h>
#include <WdmGuid.h>
#include <EvnTrace.h>
#include <EvntProv.h>
#include <TraceLoggingProvider.h>
#include <NtImage.h>
#include <DriverSpecs.h>
#include <KernelSpecs.h>
#include <SpecStrings.h>
#include <StdIO.h>
#include <StdLib.h>
#include <String.h>
#include <WChar.h>
#include <StdArg.h>
#include <Windef.h>
#include "..\shared\Filter.h"

#ifdef __cplusplus
extern "C"
#endif
NTSTATUS DriverEntry(PDRIVER_OBJECT Driver, PUNICODE_STRING Path)
{
    /* Things that mingw-w64 lacks and the metadata has. */
    FILE_STAT_INFORMATION statistics = {0};
    EX_PUSH_LOCK lock = 0;

    UNREFERENCED_PARAMETER(Path);
    if (sizeof(statistics) != 0x48 || sizeof(FSRTL_ADVANCED_FCB_HEADER) != 0x68 || FileStatInformation != 68 || lock != 0) {
        return STATUS_UNSUCCESSFUL;
    }
    return StartFilter(Driver);
}
