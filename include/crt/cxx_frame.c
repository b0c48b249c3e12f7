/*
 * The handler that clang names for C++ functions with objects to destroy. Drivers have no C++ exceptions, and Microsoft's
 * compiler runs no destructors in them when a structured exception passes: the search goes on.
 */
int __CxxFrameHandler3(void *Record, void *Frame, void *Context, void *Dispatcher)
{
    (void)Record;
    (void)Frame;
    (void)Context;
    (void)Dispatcher;
    return 1 /* ExceptionContinueSearch */;
}
