/*
 * Where the fields that all directory entries have lie in each kind of them.
 */
#ifndef ALTIMETER_DIRECTORY_H
#define ALTIMETER_DIRECTORY_H

#ifndef _FILE_INFORMATION_DEFINITION_DEFINED_BY_ALTIMETER
#define _FILE_INFORMATION_DEFINITION_DEFINED_BY_ALTIMETER
#define ALTIMETER_DIRECTORY(Name, Type)                                                                    \
    static const FILE_INFORMATION_DEFINITION Name##Definition = {                                          \
        Name, FIELD_OFFSET(Type, NextEntryOffset), FIELD_OFFSET(Type, FileNameLength), FIELD_OFFSET(Type, FileName)}

ALTIMETER_DIRECTORY(FileDirectoryInformation, FILE_DIRECTORY_INFORMATION);
ALTIMETER_DIRECTORY(FileFullDirectoryInformation, FILE_FULL_DIR_INFORMATION);
ALTIMETER_DIRECTORY(FileBothDirectoryInformation, FILE_BOTH_DIR_INFORMATION);
ALTIMETER_DIRECTORY(FileNamesInformation, FILE_NAMES_INFORMATION);
ALTIMETER_DIRECTORY(FileIdFullDirectoryInformation, FILE_ID_FULL_DIR_INFORMATION);
ALTIMETER_DIRECTORY(FileIdBothDirectoryInformation, FILE_ID_BOTH_DIR_INFORMATION);
ALTIMETER_DIRECTORY(FileIdGlobalTxDirectoryInformation, FILE_ID_GLOBAL_TX_DIR_INFORMATION);
ALTIMETER_DIRECTORY(FileIdExtdDirectoryInformation, FILE_ID_EXTD_DIR_INFORMATION);
#undef ALTIMETER_DIRECTORY
#endif

#endif
