/*
 * The part of a driver that the Windows kit's BufferOverflowK.lib supplies: the security cookie of /GS,
 * the entry point that seeds it, and the two pointers of Control Flow Guard. load_config.S tells the loader
 * where they are.
 */
#include <ntifs.h>

#define DEFAULT_SECURITY_COOKIE 0x00002B992DDFA232ULL

ULONG_PTR __security_cookie = DEFAULT_SECURITY_COOKIE;
ULONG_PTR __security_cookie_complement = ~DEFAULT_SECURITY_COOKIE;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath);

/* The loader has usually replaced the default already. Without that, time and an address have to do. */
static void SeedCookie(void)
{
    LARGE_INTEGER time;

    if (__security_cookie == 0 || __security_cookie == DEFAULT_SECURITY_COOKIE) {
        KeQuerySystemTime(&time);
        __security_cookie = ((ULONG_PTR)time.QuadPart ^ (ULONG_PTR)&__security_cookie) & 0x0000FFFFFFFFFFFFULL;
        if (__security_cookie == 0 || __security_cookie == DEFAULT_SECURITY_COOKIE) {
            __security_cookie = DEFAULT_SECURITY_COOKIE + 1;
        }
    }
    __security_cookie_complement = ~__security_cookie;
}

NTSTATUS GsDriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    SeedCookie();
    return DriverEntry(DriverObject, RegistryPath);
}

/* Called by the epilogue of each protected function. A changed cookie is a smashed stack. */
void __security_check_cookie(ULONG_PTR Cookie)
{
    if (Cookie != __security_cookie) {
        __fastfail(2 /* FAST_FAIL_STACK_COOKIE_CHECK_FAILURE */);
    }
}

/* Control Flow Guard: the loader points these at its own routines; on their own they check nothing. */
static void GuardCheckNothing(void) {}
__attribute__((naked)) static void GuardDispatchNothing(void)
{
    __asm__("jmpq *%rax");
}
__attribute__((used, section(".00cfg"))) void *const __guard_check_icall_fptr = (void *)GuardCheckNothing;
__attribute__((used, section(".00cfg"))) void *const __guard_dispatch_icall_fptr = (void *)GuardDispatchNothing;
