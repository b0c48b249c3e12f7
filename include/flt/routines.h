/*
 * The routines that fltmgr.sys exports.
 */
#ifndef ALTIMETER_FLT_ROUTINES_H
#define ALTIMETER_FLT_ROUTINES_H

NTSYSAPI VOID FLTAPI FltAcknowledgeEcp(PFLT_FILTER filter, PVOID ecpcontext);
NTSYSAPI VOID FLTAPI FltAcquirePushLockExclusive(PEX_PUSH_LOCK pushlock);
NTSYSAPI VOID FLTAPI FltAcquirePushLockExclusiveEx(PEX_PUSH_LOCK pushlock, ULONG flags);
NTSYSAPI VOID FLTAPI FltAcquirePushLockShared(PEX_PUSH_LOCK pushlock);
NTSYSAPI VOID FLTAPI FltAcquirePushLockSharedEx(PEX_PUSH_LOCK pushlock, ULONG flags);
NTSYSAPI VOID FLTAPI FltAcquireResourceExclusive(PERESOURCE resource);
NTSYSAPI VOID FLTAPI FltAcquireResourceShared(PERESOURCE resource);
NTSYSAPI NTSTATUS FLTAPI FltAddOpenReparseEntry(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA data, OPEN_REPARSE_LIST_ENTRY *openreparseentry);
NTSYSAPI NTSTATUS FLTAPI FltAdjustDeviceStackSizeForIoRedirection(
    PFLT_INSTANCE sourceinstance, PFLT_INSTANCE targetinstance, PBOOLEAN sourcedevicestacksizemodified);
NTSYSAPI NTSTATUS FLTAPI FltAllocateCallbackData(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CALLBACK_DATA *retnewcallbackdata);
NTSYSAPI NTSTATUS FLTAPI FltAllocateCallbackDataEx(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, ULONG flags,
    PFLT_CALLBACK_DATA *retnewcallbackdata);
NTSYSAPI NTSTATUS FLTAPI FltAllocateContext(
    PFLT_FILTER filter, USHORT contexttype, SIZE_T contextsize, POOL_TYPE pooltype,
    PFLT_CONTEXT *returnedcontext);
NTSYSAPI PFLT_DEFERRED_IO_WORKITEM FLTAPI FltAllocateDeferredIoWorkItem(VOID);
NTSYSAPI NTSTATUS FLTAPI FltAllocateExtraCreateParameter(
    PFLT_FILTER filter, LPCGUID ecptype, ULONG sizeofcontext, ULONG flags,
    PFSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK cleanupcallback, ULONG pooltag, PVOID *ecpcontext);
NTSYSAPI NTSTATUS FLTAPI FltAllocateExtraCreateParameterFromLookasideList(
    PFLT_FILTER filter, LPCGUID ecptype, ULONG sizeofcontext, ULONG flags,
    PFSRTL_EXTRA_CREATE_PARAMETER_CLEANUP_CALLBACK cleanupcallback, PVOID lookasidelist,
    PVOID *ecpcontext);
NTSYSAPI NTSTATUS FLTAPI FltAllocateExtraCreateParameterList(
    PFLT_FILTER filter, ULONG flags, PECP_LIST *ecplist);
NTSYSAPI PFILE_LOCK FLTAPI FltAllocateFileLock(
    PFLT_COMPLETE_LOCK_CALLBACK_DATA_ROUTINE completelockcallbackdataroutine,
    PUNLOCK_ROUTINE unlockroutine);
NTSYSAPI PFLT_GENERIC_WORKITEM FLTAPI FltAllocateGenericWorkItem(VOID);
NTSYSAPI PVOID FLTAPI FltAllocatePoolAlignedWithTag(
    PFLT_INSTANCE instance, POOL_TYPE pooltype, SIZE_T numberofbytes, ULONG tag);
NTSYSAPI NTSTATUS FLTAPI FltApplyPriorityInfoThread(
    IO_PRIORITY_INFO *inputpriorityinfo, IO_PRIORITY_INFO *outputpriorityinfo, PETHREAD thread);
NTSYSAPI NTSTATUS FLTAPI FltAttachVolume(
    PFLT_FILTER filter, PFLT_VOLUME volume, PCUNICODE_STRING instancename, PFLT_INSTANCE *retinstance);
NTSYSAPI NTSTATUS FLTAPI FltAttachVolumeAtAltitude(
    PFLT_FILTER filter, PFLT_VOLUME volume, PCUNICODE_STRING altitude, PCUNICODE_STRING instancename,
    PFLT_INSTANCE *retinstance);
NTSYSAPI NTSTATUS FLTAPI FltBuildDefaultSecurityDescriptor(
    PSECURITY_DESCRIPTOR *securitydescriptor, ACCESS_MASK desiredaccess);
NTSYSAPI VOID FLTAPI FltCancelFileOpen(PFLT_INSTANCE instance, PFILE_OBJECT fileobject);
NTSYSAPI BOOLEAN FLTAPI FltCancelIo(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltCancellableWaitForMultipleObjects(
    ULONG count, PVOID *objectarray, WAIT_TYPE waittype, PLARGE_INTEGER timeout,
    PKWAIT_BLOCK waitblockarray, PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltCancellableWaitForSingleObject(
    PVOID object, PLARGE_INTEGER timeout, PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI VOID FLTAPI FltCbdqDisable(PFLT_CALLBACK_DATA_QUEUE cbdq);
NTSYSAPI VOID FLTAPI FltCbdqEnable(PFLT_CALLBACK_DATA_QUEUE cbdq);
NTSYSAPI NTSTATUS FLTAPI FltCbdqInitialize(
    PFLT_INSTANCE instance, PFLT_CALLBACK_DATA_QUEUE cbdq,
    PFLT_CALLBACK_DATA_QUEUE_INSERT_IO cbdqinsertio, PFLT_CALLBACK_DATA_QUEUE_REMOVE_IO cbdqremoveio,
    PFLT_CALLBACK_DATA_QUEUE_PEEK_NEXT_IO cbdqpeeknextio, PFLT_CALLBACK_DATA_QUEUE_ACQUIRE cbdqacquire,
    PFLT_CALLBACK_DATA_QUEUE_RELEASE cbdqrelease,
    PFLT_CALLBACK_DATA_QUEUE_COMPLETE_CANCELED_IO cbdqcompletecanceledio);
NTSYSAPI NTSTATUS FLTAPI FltCbdqInsertIo(
    PFLT_CALLBACK_DATA_QUEUE cbdq, PFLT_CALLBACK_DATA cbd, IO_CSQ_IRP_CONTEXT *context,
    PVOID insertcontext);
NTSYSAPI PFLT_CALLBACK_DATA FLTAPI FltCbdqRemoveIo(
    PFLT_CALLBACK_DATA_QUEUE cbdq, IO_CSQ_IRP_CONTEXT *context);
NTSYSAPI PFLT_CALLBACK_DATA FLTAPI FltCbdqRemoveNextIo(PFLT_CALLBACK_DATA_QUEUE cbdq, PVOID peekcontext);
NTSYSAPI NTSTATUS FLTAPI FltCheckAndGrowNameControl(PFLT_NAME_CONTROL namectrl, USHORT newsize);
NTSYSAPI BOOLEAN FLTAPI FltCheckLockForReadAccess(PFILE_LOCK filelock, PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI BOOLEAN FLTAPI FltCheckLockForWriteAccess(PFILE_LOCK filelock, PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltCheckOplock(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, PVOID context,
    PFLTOPLOCK_WAIT_COMPLETE_ROUTINE waitcompletionroutine,
    PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE prepostcallbackdataroutine);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltCheckOplockEx(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, ULONG flags, PVOID context,
    PFLTOPLOCK_WAIT_COMPLETE_ROUTINE waitcompletionroutine,
    PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE prepostcallbackdataroutine);
NTSYSAPI VOID FLTAPI FltClearCallbackDataDirty(PFLT_CALLBACK_DATA data);
NTSYSAPI NTSTATUS FLTAPI FltClearCancelCompletion(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltClose(HANDLE filehandle);
NTSYSAPI VOID FLTAPI FltCloseClientPort(PFLT_FILTER filter, PFLT_PORT *clientport);
NTSYSAPI VOID FLTAPI FltCloseCommunicationPort(PFLT_PORT serverport);
NTSYSAPI NTSTATUS FLTAPI FltCloseSectionForDataScan(PFLT_CONTEXT sectioncontext);
NTSYSAPI NTSTATUS FLTAPI FltCommitComplete(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext);
NTSYSAPI NTSTATUS FLTAPI FltCommitFinalizeComplete(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext);
NTSYSAPI LONG FLTAPI FltCompareInstanceAltitudes(PFLT_INSTANCE instance1, PFLT_INSTANCE instance2);
NTSYSAPI VOID FLTAPI FltCompletePendedPostOperation(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI VOID FLTAPI FltCompletePendedPreOperation(
    PFLT_CALLBACK_DATA callbackdata, FLT_PREOP_CALLBACK_STATUS callbackstatus, PVOID context);
NTSYSAPI NTSTATUS FLTAPI FltCopyOpenReparseList(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA data, PECP_LIST ecplist);
NTSYSAPI NTSTATUS FLTAPI FltCreateCommunicationPort(
    PFLT_FILTER filter, PFLT_PORT *serverport, POBJECT_ATTRIBUTES objectattributes,
    PVOID serverportcookie, PFLT_CONNECT_NOTIFY connectnotifycallback,
    PFLT_DISCONNECT_NOTIFY disconnectnotifycallback, PFLT_MESSAGE_NOTIFY messagenotifycallback,
    LONG maxconnections);
NTSYSAPI NTSTATUS FLTAPI FltCreateFile(
    PFLT_FILTER filter, PFLT_INSTANCE instance, PHANDLE filehandle, ACCESS_MASK desiredaccess,
    POBJECT_ATTRIBUTES objectattributes, PIO_STATUS_BLOCK iostatusblock, PLARGE_INTEGER allocationsize,
    ULONG fileattributes, ULONG shareaccess, ULONG createdisposition, ULONG createoptions,
    PVOID eabuffer, ULONG ealength, ULONG flags);
NTSYSAPI NTSTATUS FLTAPI FltCreateFileEx(
    PFLT_FILTER filter, PFLT_INSTANCE instance, PHANDLE filehandle, PFILE_OBJECT *fileobject,
    ACCESS_MASK desiredaccess, POBJECT_ATTRIBUTES objectattributes, PIO_STATUS_BLOCK iostatusblock,
    PLARGE_INTEGER allocationsize, ULONG fileattributes, ULONG shareaccess, ULONG createdisposition,
    ULONG createoptions, PVOID eabuffer, ULONG ealength, ULONG flags);
NTSYSAPI NTSTATUS FLTAPI FltCreateFileEx2(
    PFLT_FILTER filter, PFLT_INSTANCE instance, PHANDLE filehandle, PFILE_OBJECT *fileobject,
    ACCESS_MASK desiredaccess, POBJECT_ATTRIBUTES objectattributes, PIO_STATUS_BLOCK iostatusblock,
    PLARGE_INTEGER allocationsize, ULONG fileattributes, ULONG shareaccess, ULONG createdisposition,
    ULONG createoptions, PVOID eabuffer, ULONG ealength, ULONG flags,
    IO_DRIVER_CREATE_CONTEXT *drivercontext);
NTSYSAPI NTSTATUS FLTAPI FltCreateMailslotFile(
    PFLT_FILTER filter, PFLT_INSTANCE instance, PHANDLE filehandle, PFILE_OBJECT *fileobject,
    ACCESS_MASK desiredaccess, POBJECT_ATTRIBUTES objectattributes, PIO_STATUS_BLOCK iostatusblock,
    ULONG createoptions, ULONG mailslotquota, ULONG maximummessagesize, PLARGE_INTEGER readtimeout,
    IO_DRIVER_CREATE_CONTEXT *drivercontext);
NTSYSAPI NTSTATUS FLTAPI FltCreateNamedPipeFile(
    PFLT_FILTER filter, PFLT_INSTANCE instance, PHANDLE filehandle, PFILE_OBJECT *fileobject,
    ACCESS_MASK desiredaccess, POBJECT_ATTRIBUTES objectattributes, PIO_STATUS_BLOCK iostatusblock,
    ULONG shareaccess, ULONG createdisposition, ULONG createoptions, ULONG namedpipetype,
    ULONG readmode, ULONG completionmode, ULONG maximuminstances, ULONG inboundquota,
    ULONG outboundquota, PLARGE_INTEGER defaulttimeout, IO_DRIVER_CREATE_CONTEXT *drivercontext);
NTSYSAPI NTSTATUS FLTAPI FltCreateSectionForDataScan(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT sectioncontext, ACCESS_MASK desiredaccess,
    POBJECT_ATTRIBUTES objectattributes, PLARGE_INTEGER maximumsize, ULONG sectionpageprotection,
    ULONG allocationattributes, ULONG flags, PHANDLE sectionhandle, PVOID *sectionobject,
    PLARGE_INTEGER sectionfilesize);
NTSYSAPI NTSTATUS FLTAPI FltCreateSystemVolumeInformationFolder(PFLT_INSTANCE instance);
NTSYSAPI BOOLEAN FLTAPI FltCurrentBatchOplock(PVOID *oplock);
NTSYSAPI BOOLEAN FLTAPI FltCurrentOplock(PVOID *oplock);
NTSYSAPI BOOLEAN FLTAPI FltCurrentOplockH(PVOID *oplock);
NTSYSAPI NTSTATUS FLTAPI FltDecodeParameters(
    PFLT_CALLBACK_DATA callbackdata, PMDL **mdladdresspointer, PVOID **buffer, PULONG *length,
    LOCK_OPERATION *desiredaccess);
NTSYSAPI VOID FLTAPI FltDeleteContext(PFLT_CONTEXT context);
NTSYSAPI VOID FLTAPI FltDeleteExtraCreateParameterLookasideList(
    PFLT_FILTER filter, PVOID lookaside, ULONG flags);
NTSYSAPI NTSTATUS FLTAPI FltDeleteFileContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltDeleteInstanceContext(PFLT_INSTANCE instance, PFLT_CONTEXT *oldcontext);
NTSYSAPI VOID FLTAPI FltDeletePushLock(PEX_PUSH_LOCK pushlock);
NTSYSAPI NTSTATUS FLTAPI FltDeleteStreamContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltDeleteStreamHandleContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltDeleteTransactionContext(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltDeleteVolumeContext(
    PFLT_FILTER filter, PFLT_VOLUME volume, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltDetachVolume(
    PFLT_FILTER filter, PFLT_VOLUME volume, PCUNICODE_STRING instancename);
NTSYSAPI NTSTATUS FLTAPI FltDeviceIoControlFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, ULONG iocontrolcode, PVOID inputbuffer,
    ULONG inputbufferlength, PVOID outputbuffer, ULONG outputbufferlength, PULONG lengthreturned);
NTSYSAPI BOOLEAN FLTAPI FltDoCompletionProcessingWhenSafe(
    PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS fltobjects, PVOID completioncontext, ULONG flags,
    PFLT_POST_OPERATION_CALLBACK safepostcallback, FLT_POSTOP_CALLBACK_STATUS *retpostoperationstatus);
NTSYSAPI NTSTATUS FLTAPI FltEnlistInTransaction(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext,
    ULONG notificationmask);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateFilterInformation(
    ULONG index, FILTER_INFORMATION_CLASS informationclass, PVOID buffer, ULONG buffersize,
    PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateFilters(
    PFLT_FILTER *filterlist, ULONG filterlistsize, PULONG numberfiltersreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateInstanceInformationByDeviceObject(
    PDEVICE_OBJECT deviceobject, ULONG index, INSTANCE_INFORMATION_CLASS informationclass, PVOID buffer,
    ULONG buffersize, PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateInstanceInformationByFilter(
    PFLT_FILTER filter, ULONG index, INSTANCE_INFORMATION_CLASS informationclass, PVOID buffer,
    ULONG buffersize, PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateInstanceInformationByVolume(
    PFLT_VOLUME volume, ULONG index, INSTANCE_INFORMATION_CLASS informationclass, PVOID buffer,
    ULONG buffersize, PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateInstanceInformationByVolumeName(
    PCUNICODE_STRING volumename, ULONG index, INSTANCE_INFORMATION_CLASS informationclass, PVOID buffer,
    ULONG buffersize, PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateInstances(
    PFLT_VOLUME volume, PFLT_FILTER filter, PFLT_INSTANCE *instancelist, ULONG instancelistsize,
    PULONG numberinstancesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateVolumeInformation(
    PFLT_FILTER filter, ULONG index, FILTER_VOLUME_INFORMATION_CLASS informationclass, PVOID buffer,
    ULONG buffersize, PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltEnumerateVolumes(
    PFLT_FILTER filter, PFLT_VOLUME *volumelist, ULONG volumelistsize, PULONG numbervolumesreturned);
NTSYSAPI BOOLEAN FLTAPI FltFastIoMdlRead(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER fileoffset, ULONG length,
    ULONG lockkey, PMDL *mdlchain, PIO_STATUS_BLOCK iostatus);
NTSYSAPI BOOLEAN FLTAPI FltFastIoMdlReadComplete(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PMDL mdlchain);
NTSYSAPI BOOLEAN FLTAPI FltFastIoMdlWriteComplete(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER fileoffset,
    PMDL mdlchain);
NTSYSAPI BOOLEAN FLTAPI FltFastIoPrepareMdlWrite(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER fileoffset, ULONG length,
    ULONG lockkey, PMDL *mdlchain, PIO_STATUS_BLOCK iostatus);
NTSYSAPI NTSTATUS FLTAPI FltFindExtraCreateParameter(
    PFLT_FILTER filter, PECP_LIST ecplist, LPCGUID ecptype, PVOID *ecpcontext, PULONG ecpcontextsize);
NTSYSAPI NTSTATUS FLTAPI FltFlushBuffers(PFLT_INSTANCE instance, PFILE_OBJECT fileobject);
NTSYSAPI NTSTATUS FLTAPI FltFlushBuffers2(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, ULONG flushtype, PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI VOID FLTAPI FltFreeCallbackData(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI VOID FLTAPI FltFreeDeferredIoWorkItem(PFLT_DEFERRED_IO_WORKITEM fltworkitem);
NTSYSAPI VOID FLTAPI FltFreeExtraCreateParameter(PFLT_FILTER filter, PVOID ecpcontext);
NTSYSAPI VOID FLTAPI FltFreeExtraCreateParameterList(PFLT_FILTER filter, PECP_LIST ecplist);
NTSYSAPI VOID FLTAPI FltFreeFileLock(PFILE_LOCK filelock);
NTSYSAPI VOID FLTAPI FltFreeGenericWorkItem(PFLT_GENERIC_WORKITEM fltworkitem);
NTSYSAPI VOID FLTAPI FltFreeOpenReparseList(PFLT_FILTER filter, PECP_LIST ecplist);
NTSYSAPI VOID FLTAPI FltFreePoolAlignedWithTag(PFLT_INSTANCE instance, PVOID buffer, ULONG tag);
NTSYSAPI VOID FLTAPI FltFreeSecurityDescriptor(PSECURITY_DESCRIPTOR securitydescriptor);
NTSYSAPI NTSTATUS FLTAPI FltFsControlFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, ULONG fscontrolcode, PVOID inputbuffer,
    ULONG inputbufferlength, PVOID outputbuffer, ULONG outputbufferlength, PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltGetActivityIdCallbackData(PFLT_CALLBACK_DATA callbackdata, GUID *guid);
NTSYSAPI NTSTATUS FLTAPI FltGetBottomInstance(PFLT_VOLUME volume, PFLT_INSTANCE *instance);
NTSYSAPI VOID FLTAPI FltGetContexts(
    PCFLT_RELATED_OBJECTS fltobjects, USHORT desiredcontexts, PFLT_RELATED_CONTEXTS contexts);
NTSYSAPI NTSTATUS FLTAPI FltGetContextsEx(
    PCFLT_RELATED_OBJECTS fltobjects, USHORT desiredcontexts, SIZE_T contextssize,
    PFLT_RELATED_CONTEXTS_EX contexts);
NTSYSAPI NTSTATUS FLTAPI FltGetDestinationFileNameInformation(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, HANDLE rootdirectory, PCWSTR filename,
    ULONG filenamelength, ULONG nameoptions, PFLT_FILE_NAME_INFORMATION *retfilenameinformation);
NTSYSAPI NTSTATUS FLTAPI FltGetDeviceObject(PFLT_VOLUME volume, PDEVICE_OBJECT *deviceobject);
NTSYSAPI NTSTATUS FLTAPI FltGetDiskDeviceObject(PFLT_VOLUME volume, PDEVICE_OBJECT *diskdeviceobject);
NTSYSAPI NTSTATUS FLTAPI FltGetEcpListFromCallbackData(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA callbackdata, PECP_LIST *ecplist);
NTSYSAPI NTSTATUS FLTAPI FltGetFileContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *context);
NTSYSAPI NTSTATUS FLTAPI FltGetFileNameInformation(
    PFLT_CALLBACK_DATA callbackdata, ULONG nameoptions,
    PFLT_FILE_NAME_INFORMATION *filenameinformation);
NTSYSAPI NTSTATUS FLTAPI FltGetFileNameInformationUnsafe(
    PFILE_OBJECT fileobject, PFLT_INSTANCE instance, ULONG nameoptions,
    PFLT_FILE_NAME_INFORMATION *filenameinformation);
NTSYSAPI NTSTATUS FLTAPI FltGetFileSystemType(PVOID fltobject, FLT_FILESYSTEM_TYPE *filesystemtype);
NTSYSAPI NTSTATUS FLTAPI FltGetFilterFromInstance(PFLT_INSTANCE instance, PFLT_FILTER *retfilter);
NTSYSAPI NTSTATUS FLTAPI FltGetFilterFromName(PCUNICODE_STRING filtername, PFLT_FILTER *retfilter);
NTSYSAPI NTSTATUS FLTAPI FltGetFilterInformation(
    PFLT_FILTER filter, FILTER_INFORMATION_CLASS informationclass, PVOID buffer, ULONG buffersize,
    PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltGetFsZeroingOffset(PFLT_CALLBACK_DATA data, PULONG zeroingoffset);
NTSYSAPI NTSTATUS FLTAPI FltGetInstanceContext(PFLT_INSTANCE instance, PFLT_CONTEXT *context);
NTSYSAPI NTSTATUS FLTAPI FltGetInstanceInformation(
    PFLT_INSTANCE instance, INSTANCE_INFORMATION_CLASS informationclass, PVOID buffer, ULONG buffersize,
    PULONG bytesreturned);
NTSYSAPI PVOID FLTAPI FltGetIoAttributionHandleFromCallbackData(PFLT_CALLBACK_DATA data);
NTSYSAPI IO_PRIORITY_HINT FLTAPI FltGetIoPriorityHint(PFLT_CALLBACK_DATA data);
NTSYSAPI IO_PRIORITY_HINT FLTAPI FltGetIoPriorityHintFromCallbackData(PFLT_CALLBACK_DATA data);
NTSYSAPI IO_PRIORITY_HINT FLTAPI FltGetIoPriorityHintFromFileObject(PFILE_OBJECT fileobject);
NTSYSAPI IO_PRIORITY_HINT FLTAPI FltGetIoPriorityHintFromThread(PETHREAD thread);
NTSYSAPI PSTR FLTAPI FltGetIrpName(UCHAR irpmajorcode);
NTSYSAPI NTSTATUS FLTAPI FltGetLowerInstance(PFLT_INSTANCE currentinstance, PFLT_INSTANCE *lowerinstance);
NTSYSAPI PVOID FLTAPI FltGetNewSystemBufferAddress(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltGetNextExtraCreateParameter(
    PFLT_FILTER filter, PECP_LIST ecplist, PVOID currentecpcontext, GUID *nextecptype,
    PVOID *nextecpcontext, PULONG nextecpcontextsize);
NTSYSAPI PEPROCESS FLTAPI FltGetRequestorProcess(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI ULONG FLTAPI FltGetRequestorProcessId(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI HANDLE FLTAPI FltGetRequestorProcessIdEx(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltGetRequestorSessionId(PFLT_CALLBACK_DATA callbackdata, PULONG sessionid);
NTSYSAPI PVOID FLTAPI FltGetRoutineAddress(PCSTR fltmgrroutinename);
NTSYSAPI NTSTATUS FLTAPI FltGetSectionContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *context);
NTSYSAPI NTSTATUS FLTAPI FltGetStreamContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *context);
NTSYSAPI NTSTATUS FLTAPI FltGetStreamHandleContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PFLT_CONTEXT *context);
NTSYSAPI PMDL FLTAPI FltGetSwappedBufferMdlAddress(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltGetTopInstance(PFLT_VOLUME volume, PFLT_INSTANCE *instance);
NTSYSAPI NTSTATUS FLTAPI FltGetTransactionContext(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT *context);
NTSYSAPI NTSTATUS FLTAPI FltGetTunneledName(
    PFLT_CALLBACK_DATA callbackdata, PFLT_FILE_NAME_INFORMATION filenameinformation,
    PFLT_FILE_NAME_INFORMATION *rettunneledfilenameinformation);
NTSYSAPI NTSTATUS FLTAPI FltGetUpperInstance(PFLT_INSTANCE currentinstance, PFLT_INSTANCE *upperinstance);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeContext(PFLT_FILTER filter, PFLT_VOLUME volume, PFLT_CONTEXT *context);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeFromDeviceObject(
    PFLT_FILTER filter, PDEVICE_OBJECT deviceobject, PFLT_VOLUME *retvolume);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeFromFileObject(
    PFLT_FILTER filter, PFILE_OBJECT fileobject, PFLT_VOLUME *retvolume);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeFromInstance(PFLT_INSTANCE instance, PFLT_VOLUME *retvolume);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeFromName(
    PFLT_FILTER filter, PCUNICODE_STRING volumename, PFLT_VOLUME *retvolume);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeGuidName(
    PFLT_VOLUME volume, PUNICODE_STRING volumeguidname, PULONG buffersizeneeded);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeInformation(
    PFLT_VOLUME volume, FILTER_VOLUME_INFORMATION_CLASS informationclass, PVOID buffer,
    ULONG buffersize, PULONG bytesreturned);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeInstanceFromName(
    PFLT_FILTER filter, PFLT_VOLUME volume, PCUNICODE_STRING instancename, PFLT_INSTANCE *retinstance);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeName(
    PFLT_VOLUME volume, PUNICODE_STRING volumename, PULONG buffersizeneeded);
NTSYSAPI NTSTATUS FLTAPI FltGetVolumeProperties(
    PFLT_VOLUME volume, PFLT_VOLUME_PROPERTIES volumeproperties, ULONG volumepropertieslength,
    PULONG lengthreturned);
NTSYSAPI VOID FLTAPI FltInitExtraCreateParameterLookasideList(
    PFLT_FILTER filter, PVOID lookaside, ULONG flags, SIZE_T size, ULONG tag);
NTSYSAPI VOID FLTAPI FltInitializeFileLock(PFILE_LOCK filelock);
NTSYSAPI VOID FLTAPI FltInitializeOplock(PVOID *oplock);
NTSYSAPI VOID FLTAPI FltInitializePushLock(PEX_PUSH_LOCK pushlock);
NTSYSAPI NTSTATUS FLTAPI FltInsertExtraCreateParameter(
    PFLT_FILTER filter, PECP_LIST ecplist, PVOID ecpcontext);
NTSYSAPI BOOLEAN FLTAPI FltIs32bitProcess(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI BOOLEAN FLTAPI FltIsCallbackDataDirty(PFLT_CALLBACK_DATA data);
NTSYSAPI NTSTATUS FLTAPI FltIsDirectory(
    PFILE_OBJECT fileobject, PFLT_INSTANCE instance, PBOOLEAN isdirectory);
NTSYSAPI BOOLEAN FLTAPI FltIsEcpAcknowledged(PFLT_FILTER filter, PVOID ecpcontext);
NTSYSAPI BOOLEAN FLTAPI FltIsEcpFromUserMode(PFLT_FILTER filter, PVOID ecpcontext);
NTSYSAPI BOOLEAN FLTAPI FltIsFltMgrVolumeDeviceObject(PDEVICE_OBJECT deviceobject);
NTSYSAPI BOOLEAN FLTAPI FltIsIoCanceled(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltIsIoRedirectionAllowed(
    PFLT_INSTANCE sourceinstance, PFLT_INSTANCE targetinstance, PBOOLEAN redirectionallowed);
NTSYSAPI NTSTATUS FLTAPI FltIsIoRedirectionAllowedForOperation(
    PFLT_CALLBACK_DATA data, PFLT_INSTANCE targetinstance, PBOOLEAN redirectionallowedthisio,
    PBOOLEAN redirectionallowedallio);
NTSYSAPI BOOLEAN FLTAPI FltIsOperationSynchronous(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltIsVolumeSnapshot(PVOID fltobject, PBOOLEAN issnapshotvolume);
NTSYSAPI NTSTATUS FLTAPI FltIsVolumeWritable(PVOID fltobject, PBOOLEAN iswritable);
NTSYSAPI NTSTATUS FLTAPI FltLoadFilter(PCUNICODE_STRING filtername);
NTSYSAPI NTSTATUS FLTAPI FltLockUserBuffer(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI VOID FLTAPI FltNotifyFilterChangeDirectory(
    PNOTIFY_SYNC notifysync, LIST_ENTRY *notifylist, PVOID fscontext, STRING *fulldirectoryname,
    BOOLEAN watchtree, BOOLEAN ignorebuffer, ULONG completionfilter,
    PFLT_CALLBACK_DATA notifycallbackdata, PCHECK_FOR_TRAVERSE_ACCESS traversecallback,
    SECURITY_SUBJECT_CONTEXT *subjectcontext, PFILTER_REPORT_CHANGE filtercallback);
NTSYSAPI VOID FLTAPI FltObjectDereference(PVOID fltobject);
NTSYSAPI NTSTATUS FLTAPI FltObjectReference(PVOID fltobject);
NTSYSAPI NTSTATUS FLTAPI FltOpenVolume(
    PFLT_INSTANCE instance, PHANDLE volumehandle, PFILE_OBJECT *volumefileobject);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltOplockBreakH(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, ULONG flags, PVOID context,
    PFLTOPLOCK_WAIT_COMPLETE_ROUTINE waitcompletionroutine,
    PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE prepostcallbackdataroutine);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltOplockBreakToNone(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, PVOID context,
    PFLTOPLOCK_WAIT_COMPLETE_ROUTINE waitcompletionroutine,
    PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE prepostcallbackdataroutine);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltOplockBreakToNoneEx(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, ULONG flags, PVOID context,
    PFLTOPLOCK_WAIT_COMPLETE_ROUTINE waitcompletionroutine,
    PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE prepostcallbackdataroutine);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltOplockFsctrl(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, ULONG opencount);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltOplockFsctrlEx(
    PVOID *oplock, PFLT_CALLBACK_DATA callbackdata, ULONG opencount, ULONG flags);
NTSYSAPI BOOLEAN FLTAPI FltOplockIsFastIoPossible(PVOID *oplock);
NTSYSAPI BOOLEAN FLTAPI FltOplockIsSharedRequest(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI BOOLEAN FLTAPI FltOplockKeysEqual(PFILE_OBJECT fo1, PFILE_OBJECT fo2);
NTSYSAPI NTSTATUS FLTAPI FltParseFileName(
    PCUNICODE_STRING filename, PUNICODE_STRING extension, PUNICODE_STRING stream,
    PUNICODE_STRING finalcomponent);
NTSYSAPI NTSTATUS FLTAPI FltParseFileNameInformation(PFLT_FILE_NAME_INFORMATION filenameinformation);
NTSYSAPI NTSTATUS FLTAPI FltPerformAsynchronousIo(
    PFLT_CALLBACK_DATA callbackdata, PFLT_COMPLETED_ASYNC_IO_CALLBACK callbackroutine,
    PVOID callbackcontext);
NTSYSAPI VOID FLTAPI FltPerformSynchronousIo(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltPrePrepareComplete(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext);
NTSYSAPI NTSTATUS FLTAPI FltPrepareComplete(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext);
NTSYSAPI VOID FLTAPI FltPrepareToReuseEcp(PFLT_FILTER filter, PVOID ecpcontext);
NTSYSAPI FLT_PREOP_CALLBACK_STATUS FLTAPI FltProcessFileLock(
    PFILE_LOCK filelock, PFLT_CALLBACK_DATA callbackdata, PVOID context);
NTSYSAPI NTSTATUS FLTAPI FltPropagateActivityIdToThread(
    PFLT_CALLBACK_DATA callbackdata, GUID *propagateid, GUID **originalid);
NTSYSAPI NTSTATUS FLTAPI FltPropagateIrpExtension(
    PFLT_CALLBACK_DATA sourcedata, PFLT_CALLBACK_DATA targetdata, ULONG flags);
NTSYSAPI NTSTATUS FLTAPI FltPurgeFileNameInformationCache(PFLT_INSTANCE instance, PFILE_OBJECT fileobject);
NTSYSAPI NTSTATUS FLTAPI FltQueryDirectoryFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID fileinformation, ULONG length,
    FILE_INFORMATION_CLASS fileinformationclass, BOOLEAN returnsingleentry, PCUNICODE_STRING filename,
    BOOLEAN restartscan, PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltQueryDirectoryFileEx(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID fileinformation, ULONG length,
    FILE_INFORMATION_CLASS fileinformationclass, ULONG queryflags, PCUNICODE_STRING filename,
    PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltQueryEaFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID returnedeadata, ULONG length,
    BOOLEAN returnsingleentry, PVOID ealist, ULONG ealistlength, PULONG eaindex, BOOLEAN restartscan,
    PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltQueryInformationByName(
    PFLT_FILTER filter, PFLT_INSTANCE instance, POBJECT_ATTRIBUTES objectattributes,
    PIO_STATUS_BLOCK iostatusblock, PVOID fileinformation, ULONG length,
    FILE_INFORMATION_CLASS fileinformationclass, IO_DRIVER_CREATE_CONTEXT *drivercontext);
NTSYSAPI NTSTATUS FLTAPI FltQueryInformationFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID fileinformation, ULONG length,
    FILE_INFORMATION_CLASS fileinformationclass, PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltQueryQuotaInformationFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PIO_STATUS_BLOCK iostatusblock, PVOID buffer,
    ULONG length, BOOLEAN returnsingleentry, PVOID sidlist, ULONG sidlistlength, PULONG startsid,
    BOOLEAN restartscan, PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltQuerySecurityObject(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, ULONG securityinformation,
    PSECURITY_DESCRIPTOR securitydescriptor, ULONG length, PULONG lengthneeded);
NTSYSAPI NTSTATUS FLTAPI FltQueryVolumeInformation(
    PFLT_INSTANCE instance, PIO_STATUS_BLOCK iosb, PVOID fsinformation, ULONG length,
    FS_INFORMATION_CLASS fsinformationclass);
NTSYSAPI NTSTATUS FLTAPI FltQueryVolumeInformationFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID fsinformation, ULONG length,
    FS_INFORMATION_CLASS fsinformationclass, PULONG lengthreturned);
NTSYSAPI NTSTATUS FLTAPI FltQueueDeferredIoWorkItem(
    PFLT_DEFERRED_IO_WORKITEM fltworkitem, PFLT_CALLBACK_DATA data,
    PFLT_DEFERRED_IO_WORKITEM_ROUTINE workerroutine, WORK_QUEUE_TYPE queuetype, PVOID context);
NTSYSAPI NTSTATUS FLTAPI FltQueueGenericWorkItem(
    PFLT_GENERIC_WORKITEM fltworkitem, PVOID fltobject, PFLT_GENERIC_WORKITEM_ROUTINE workerroutine,
    WORK_QUEUE_TYPE queuetype, PVOID context);
NTSYSAPI NTSTATUS FLTAPI FltReadFile(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER byteoffset, ULONG length,
    PVOID buffer, ULONG flags, PULONG bytesread, PFLT_COMPLETED_ASYNC_IO_CALLBACK callbackroutine,
    PVOID callbackcontext);
NTSYSAPI NTSTATUS FLTAPI FltReadFileEx(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER byteoffset, ULONG length,
    PVOID buffer, ULONG flags, PULONG bytesread, PFLT_COMPLETED_ASYNC_IO_CALLBACK callbackroutine,
    PVOID callbackcontext, PULONG key, PMDL mdl);
NTSYSAPI VOID FLTAPI FltReferenceContext(PFLT_CONTEXT context);
NTSYSAPI VOID FLTAPI FltReferenceFileNameInformation(PFLT_FILE_NAME_INFORMATION filenameinformation);
NTSYSAPI NTSTATUS FLTAPI FltRegisterFilter(
    DRIVER_OBJECT *driver, CONST FLT_REGISTRATION *registration, PFLT_FILTER *retfilter);
NTSYSAPI NTSTATUS FLTAPI FltRegisterForDataScan(PFLT_INSTANCE instance);
NTSYSAPI VOID FLTAPI FltReissueSynchronousIo(
    PFLT_INSTANCE initiatinginstance, PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI VOID FLTAPI FltReleaseContext(PFLT_CONTEXT context);
NTSYSAPI VOID FLTAPI FltReleaseContexts(PFLT_RELATED_CONTEXTS contexts);
NTSYSAPI VOID FLTAPI FltReleaseContextsEx(SIZE_T contextssize, PFLT_RELATED_CONTEXTS_EX contexts);
NTSYSAPI VOID FLTAPI FltReleaseFileNameInformation(PFLT_FILE_NAME_INFORMATION filenameinformation);
NTSYSAPI VOID FLTAPI FltReleasePushLock(PEX_PUSH_LOCK pushlock);
NTSYSAPI VOID FLTAPI FltReleasePushLockEx(PEX_PUSH_LOCK pushlock, ULONG flags);
NTSYSAPI VOID FLTAPI FltReleaseResource(PERESOURCE resource);
NTSYSAPI NTSTATUS FLTAPI FltRemoveExtraCreateParameter(
    PFLT_FILTER filter, PECP_LIST ecplist, LPCGUID ecptype, PVOID *ecpcontext, PULONG ecpcontextsize);
NTSYSAPI VOID FLTAPI FltRemoveOpenReparseEntry(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA data, OPEN_REPARSE_LIST_ENTRY *openreparseentry);
NTSYSAPI NTSTATUS FLTAPI FltRequestFileInfoOnCreateCompletion(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA data, ULONG infoclassflags);
NTSYSAPI NTSTATUS FLTAPI FltRequestOperationStatusCallback(
    PFLT_CALLBACK_DATA data, PFLT_GET_OPERATION_STATUS_CALLBACK callbackroutine,
    PVOID requestercontext);
NTSYSAPI VOID FLTAPI FltRetainSwappedBufferMdlAddress(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI PVOID FLTAPI FltRetrieveFileInfoOnCreateCompletion(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA data, ULONG infoclass, PULONG size);
NTSYSAPI NTSTATUS FLTAPI FltRetrieveFileInfoOnCreateCompletionEx(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA data, ULONG infoclass, PULONG retinfosize,
    PVOID *retinfobuffer);
NTSYSAPI NTSTATUS FLTAPI FltRetrieveIoPriorityInfo(
    PFLT_CALLBACK_DATA data, PFILE_OBJECT fileobject, PETHREAD thread, IO_PRIORITY_INFO *priorityinfo);
NTSYSAPI VOID FLTAPI FltReuseCallbackData(PFLT_CALLBACK_DATA callbackdata);
NTSYSAPI NTSTATUS FLTAPI FltRollbackComplete(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext);
NTSYSAPI NTSTATUS FLTAPI FltRollbackEnlistment(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, PFLT_CONTEXT transactioncontext);
NTSYSAPI NTSTATUS FLTAPI FltSendMessage(
    PFLT_FILTER filter, PFLT_PORT *clientport, PVOID senderbuffer, ULONG senderbufferlength,
    PVOID replybuffer, PULONG replylength, PLARGE_INTEGER timeout);
NTSYSAPI NTSTATUS FLTAPI FltSetActivityIdCallbackData(PFLT_CALLBACK_DATA callbackdata, LPCGUID guid);
NTSYSAPI VOID FLTAPI FltSetCallbackDataDirty(PFLT_CALLBACK_DATA data);
NTSYSAPI NTSTATUS FLTAPI FltSetCancelCompletion(
    PFLT_CALLBACK_DATA callbackdata, PFLT_COMPLETE_CANCELED_CALLBACK canceledcallback);
NTSYSAPI NTSTATUS FLTAPI FltSetEaFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID eabuffer, ULONG length);
NTSYSAPI NTSTATUS FLTAPI FltSetEcpListIntoCallbackData(
    PFLT_FILTER filter, PFLT_CALLBACK_DATA callbackdata, PECP_LIST ecplist);
NTSYSAPI NTSTATUS FLTAPI FltSetFileContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, FLT_SET_CONTEXT_OPERATION operation,
    PFLT_CONTEXT newcontext, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltSetFsZeroingOffset(PFLT_CALLBACK_DATA data, ULONG zeroingoffset);
NTSYSAPI NTSTATUS FLTAPI FltSetFsZeroingOffsetRequired(PFLT_CALLBACK_DATA data);
NTSYSAPI NTSTATUS FLTAPI FltSetInformationFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID fileinformation, ULONG length,
    FILE_INFORMATION_CLASS fileinformationclass);
NTSYSAPI NTSTATUS FLTAPI FltSetInstanceContext(
    PFLT_INSTANCE instance, FLT_SET_CONTEXT_OPERATION operation, PFLT_CONTEXT newcontext,
    PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltSetIoPriorityHintIntoCallbackData(
    PFLT_CALLBACK_DATA data, IO_PRIORITY_HINT priorityhint);
NTSYSAPI NTSTATUS FLTAPI FltSetIoPriorityHintIntoFileObject(
    PFILE_OBJECT fileobject, IO_PRIORITY_HINT priorityhint);
NTSYSAPI NTSTATUS FLTAPI FltSetIoPriorityHintIntoThread(PETHREAD thread, IO_PRIORITY_HINT priorityhint);
NTSYSAPI NTSTATUS FLTAPI FltSetQuotaInformationFile(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, PVOID buffer, ULONG length);
NTSYSAPI NTSTATUS FLTAPI FltSetSecurityObject(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, ULONG securityinformation,
    PSECURITY_DESCRIPTOR securitydescriptor);
NTSYSAPI NTSTATUS FLTAPI FltSetStreamContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, FLT_SET_CONTEXT_OPERATION operation,
    PFLT_CONTEXT newcontext, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltSetStreamHandleContext(
    PFLT_INSTANCE instance, PFILE_OBJECT fileobject, FLT_SET_CONTEXT_OPERATION operation,
    PFLT_CONTEXT newcontext, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltSetTransactionContext(
    PFLT_INSTANCE instance, PKTRANSACTION transaction, FLT_SET_CONTEXT_OPERATION operation,
    PFLT_CONTEXT newcontext, PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltSetVolumeContext(
    PFLT_VOLUME volume, FLT_SET_CONTEXT_OPERATION operation, PFLT_CONTEXT newcontext,
    PFLT_CONTEXT *oldcontext);
NTSYSAPI NTSTATUS FLTAPI FltSetVolumeInformation(
    PFLT_INSTANCE instance, PIO_STATUS_BLOCK iosb, PVOID fsinformation, ULONG length,
    FS_INFORMATION_CLASS fsinformationclass);
NTSYSAPI NTSTATUS FLTAPI FltStartFiltering(PFLT_FILTER filter);
NTSYSAPI BOOLEAN FLTAPI FltSupportsFileContexts(PFILE_OBJECT fileobject);
NTSYSAPI BOOLEAN FLTAPI FltSupportsFileContextsEx(PFILE_OBJECT fileobject, PFLT_INSTANCE instance);
NTSYSAPI BOOLEAN FLTAPI FltSupportsStreamContexts(PFILE_OBJECT fileobject);
NTSYSAPI BOOLEAN FLTAPI FltSupportsStreamHandleContexts(PFILE_OBJECT fileobject);
NTSYSAPI NTSTATUS FLTAPI FltTagFile(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, ULONG filetag, LPCGUID guid,
    PVOID databuffer, USHORT databufferlength);
NTSYSAPI NTSTATUS FLTAPI FltTagFileEx(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, ULONG filetag, LPCGUID guid,
    PVOID databuffer, USHORT databufferlength, ULONG existingfiletag, LPCGUID existingguid,
    ULONG flags);
NTSYSAPI VOID FLTAPI FltUninitializeFileLock(PFILE_LOCK filelock);
NTSYSAPI VOID FLTAPI FltUninitializeOplock(PVOID *oplock);
NTSYSAPI NTSTATUS FLTAPI FltUnloadFilter(PCUNICODE_STRING filtername);
NTSYSAPI VOID FLTAPI FltUnregisterFilter(PFLT_FILTER filter);
NTSYSAPI NTSTATUS FLTAPI FltUntagFile(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, ULONG filetag, LPCGUID guid);
NTSYSAPI NTSTATUS FLTAPI FltVetoBypassIo(
    PFLT_CALLBACK_DATA callbackdata, PCFLT_RELATED_OBJECTS fltobjects, NTSTATUS operationstatus,
    PCUNICODE_STRING failurereason);
NTSYSAPI NTSTATUS FLTAPI FltWriteFile(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER byteoffset, ULONG length,
    PVOID buffer, ULONG flags, PULONG byteswritten, PFLT_COMPLETED_ASYNC_IO_CALLBACK callbackroutine,
    PVOID callbackcontext);
NTSYSAPI NTSTATUS FLTAPI FltWriteFileEx(
    PFLT_INSTANCE initiatinginstance, PFILE_OBJECT fileobject, PLARGE_INTEGER byteoffset, ULONG length,
    PVOID buffer, ULONG flags, PULONG byteswritten, PFLT_COMPLETED_ASYNC_IO_CALLBACK callbackroutine,
    PVOID callbackcontext, PULONG key, PMDL mdl);
NTSYSAPI NTSTATUS FLTAPI FltpTraceRedirectedFileIo(
    PFILE_OBJECT originatingfileobject, PFLT_CALLBACK_DATA childcallbackdata);

#endif
