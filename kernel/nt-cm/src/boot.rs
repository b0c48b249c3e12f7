//! What the registry of a new machine holds: enough for a driver to find its services and the system's version.

use nt_abi::NtStatus;

use crate::store::{cm_set, link};
use crate::tree::Value;

const SET: &str = r"\REGISTRY\MACHINE\SYSTEM\ControlSet001";

pub(crate) fn fill() -> Result<(), NtStatus> {
    let set = |key: &str, name: &str, value: Value| cm_set(key, name, value);
    let system = |key: &str, name: &str, value: Value| cm_set(&format!(r"{SET}\{key}"), name, value);
    system("Services", "", Value::string(""))?;
    system("Control", "SystemBootDevice", Value::string("multi(0)disk(0)rdisk(0)partition(1)"))?;
    system("Control", "SystemStartOptions", Value::string(" NOEXECUTE=OPTIN"))?;
    system(r"Control\ComputerName\ComputerName", "ComputerName", Value::string("ALTIMETER"))?;
    system(r"Control\FileSystem", "NtfsDisable8dot3NameCreation", Value::dword(0))?;
    system(r"Control\FileSystem", "LongPathsEnabled", Value::dword(1))?;
    system(r"Control\ProductOptions", "ProductType", Value::string("WinNT"))?;
    system(r"Control\Session Manager\Memory Management", "PagingFiles", Value::strings(&[]))?;
    link(r"\REGISTRY\MACHINE\SYSTEM\CurrentControlSet", SET)?;
    set(r"\REGISTRY\MACHINE\SYSTEM\Select", "Current", Value::dword(1))?;
    set(r"\REGISTRY\MACHINE\SYSTEM\Select", "Default", Value::dword(1))?;
    let version = r"\REGISTRY\MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
    set(version, "ProductName", Value::string("Windows 10 Pro"))?;
    set(version, "CurrentVersion", Value::string("6.3"))?;
    set(version, "CurrentMajorVersionNumber", Value::dword(10))?;
    set(version, "CurrentMinorVersionNumber", Value::dword(0))?;
    set(version, "CurrentBuildNumber", Value::string("19045"))?;
    set(version, "CurrentBuild", Value::string("19045"))?;
    set(version, "SystemRoot", Value::string(r"C:\Windows"))?;
    set(r"\REGISTRY\USER\.DEFAULT", "", Value::string(""))
}
