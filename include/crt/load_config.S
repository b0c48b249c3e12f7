# IMAGE_LOAD_CONFIG_DIRECTORY64. The __guard_ symbols are the linker's.
    .section .rdata,"dr"
    .globl _load_config_used
    .p2align 3
_load_config_used:
    .long .Lend - _load_config_used                      # Size
    .long 0                              # TimeDateStamp
    .short 0, 0                          # MajorVersion, MinorVersion
    .long 0, 0, 0                        # GlobalFlagsClear, GlobalFlagsSet, CriticalSectionDefaultTimeout
    .quad 0, 0                           # DeCommitFreeBlockThreshold, DeCommitTotalFreeThreshold
    .quad 0, 0, 0, 0                     # LockPrefixTable, MaximumAllocationSize, VirtualMemoryThreshold, affinity
    .long 0                              # ProcessHeapFlags
    .short 0, 0                          # CSDVersion, DependentLoadFlags
    .quad 0                              # EditList
    .quad __security_cookie              # SecurityCookie
    .quad 0, 0                           # SEHandlerTable, SEHandlerCount
    .quad __guard_check_icall_fptr       # GuardCFCheckFunctionPointer
    .quad __guard_dispatch_icall_fptr    # GuardCFDispatchFunctionPointer
    .quad __guard_fids_table             # GuardCFFunctionTable
    .quad __guard_fids_count             # GuardCFFunctionCount
    .long __guard_flags                  # GuardFlags
    .short 0, 0                          # CodeIntegrity: Flags, Catalog
    .long 0, 0                           # CodeIntegrity: CatalogOffset, Reserved
    .quad __guard_iat_table              # GuardAddressTakenIatEntryTable
    .quad __guard_iat_count              # GuardAddressTakenIatEntryCount
    .quad __guard_longjmp_table          # GuardLongJumpTargetTable
    .quad __guard_longjmp_count          # GuardLongJumpTargetCount
    .quad 0, 0                           # DynamicValueRelocTable, CHPEMetadataPointer
    .quad 0, 0                           # GuardRFFailureRoutine, its pointer
    .long 0                              # DynamicValueRelocTableOffset
    .short 0, 0                          # DynamicValueRelocTableSection, Reserved2
    .quad 0                              # GuardRFVerifyStackPointerFunctionPointer
    .long 0, 0                           # HotPatchTableOffset, Reserved3
    .quad 0, 0                           # EnclaveConfigurationPointer, VolatileMetadataPointer
    .quad __guard_eh_cont_table          # GuardEHContinuationTable
    .quad __guard_eh_cont_count          # GuardEHContinuationCount
.Lend:
