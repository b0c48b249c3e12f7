/*
 * Internet addresses to text and back.
 */
#ifndef ALTIMETER_IP2STRING_H
#define ALTIMETER_IP2STRING_H

#include <ws2def.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ALTIMETER_IP_BOTH(CHARACTER, Suffix)                                                                            \
    NTSYSAPI CHARACTER *NTAPI RtlIpv4AddressToString##Suffix(const struct in_addr *Address, CHARACTER *Text);          \
    NTSYSAPI CHARACTER *NTAPI RtlIpv6AddressToString##Suffix(const struct in6_addr *Address, CHARACTER *Text);         \
    NTSYSAPI LONG NTAPI RtlIpv4AddressToStringEx##Suffix(const struct in_addr *Address, USHORT Port, CHARACTER *Text,  \
                                                         PULONG Length);                                               \
    NTSYSAPI LONG NTAPI RtlIpv6AddressToStringEx##Suffix(const struct in6_addr *Address, ULONG ScopeId, USHORT Port,   \
                                                         CHARACTER *Text, PULONG Length);                              \
    NTSYSAPI LONG NTAPI RtlIpv4StringToAddress##Suffix(const CHARACTER *Text, BOOLEAN Strict, const CHARACTER **End,   \
                                                       struct in_addr *Address);                                       \
    NTSYSAPI LONG NTAPI RtlIpv6StringToAddress##Suffix(const CHARACTER *Text, const CHARACTER **End,                   \
                                                       struct in6_addr *Address);                                      \
    NTSYSAPI LONG NTAPI RtlIpv4StringToAddressEx##Suffix(const CHARACTER *Text, BOOLEAN Strict,                        \
                                                         struct in_addr *Address, PUSHORT Port);                       \
    NTSYSAPI LONG NTAPI RtlIpv6StringToAddressEx##Suffix(const CHARACTER *Text, struct in6_addr *Address,              \
                                                         PULONG ScopeId, PUSHORT Port)

ALTIMETER_IP_BOTH(CHAR, A);
ALTIMETER_IP_BOTH(WCHAR, W);
#undef ALTIMETER_IP_BOTH

#ifdef UNICODE
#define ALTIMETER_IP_CHOSEN(Name) Name##W
#else
#define ALTIMETER_IP_CHOSEN(Name) Name##A
#endif
#define RtlIpv4AddressToString ALTIMETER_IP_CHOSEN(RtlIpv4AddressToString)
#define RtlIpv6AddressToString ALTIMETER_IP_CHOSEN(RtlIpv6AddressToString)
#define RtlIpv4AddressToStringEx ALTIMETER_IP_CHOSEN(RtlIpv4AddressToStringEx)
#define RtlIpv6AddressToStringEx ALTIMETER_IP_CHOSEN(RtlIpv6AddressToStringEx)
#define RtlIpv4StringToAddress ALTIMETER_IP_CHOSEN(RtlIpv4StringToAddress)
#define RtlIpv6StringToAddress ALTIMETER_IP_CHOSEN(RtlIpv6StringToAddress)
#define RtlIpv4StringToAddressEx ALTIMETER_IP_CHOSEN(RtlIpv4StringToAddressEx)
#define RtlIpv6StringToAddressEx ALTIMETER_IP_CHOSEN(RtlIpv6StringToAddressEx)

#ifdef __cplusplus
}
#endif

#endif
