/*
 * TraceLogging without events: a provider can be declared, registered and written to, and nothing is evaluated or traced.
 */
#ifndef ALTIMETER_TRACELOGGINGPROVIDER_H
#define ALTIMETER_TRACELOGGINGPROVIDER_H

typedef const struct _ALTIMETER_TRACE_PROVIDER {
    int Unused;
} *TraceLoggingHProvider;

#define TRACELOGGING_DECLARE_PROVIDER(Provider) extern const TraceLoggingHProvider Provider
#define TRACELOGGING_DEFINE_PROVIDER(Provider, ...) const TraceLoggingHProvider Provider = 0
#define TRACELOGGING_DEFINE_PROVIDER_STORAGE TRACELOGGING_DEFINE_PROVIDER
#define TraceLoggingRegister(Provider) (0)
#define TraceLoggingRegisterEx(Provider, ...) (0)
#define TraceLoggingUnregister(Provider) ((void)0)
#define TraceLoggingProviderEnabled(...) (0)
#define TraceLoggingWrite(...) ((void)0)
#define TraceLoggingWriteActivity(...) ((void)0)

#endif
