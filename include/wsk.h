/*
 * Winsock Kernel: registration, the provider's and the sockets' dispatch tables. Own declarations.
 */
#ifndef ALTIMETER_WSK_H
#define ALTIMETER_WSK_H

#include <ntddk.h>
#include <ws2def.h>
#include <ip2string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAKE_WSK_VERSION(Major, Minor) ((USHORT)((Major) << 8) | (USHORT)((Minor) & 0xff))
#define WSK_MAJOR_VERSION(Version) ((UCHAR)((Version) >> 8))
#define WSK_MINOR_VERSION(Version) ((UCHAR)(Version))
#define WSK_NO_WAIT 0
#define WSK_INFINITE_WAIT 0xffffffff
#define WSK_FLAG_BASIC_SOCKET 0x00000000
#define WSK_FLAG_LISTEN_SOCKET 0x00000001
#define WSK_FLAG_CONNECTION_SOCKET 0x00000002
#define WSK_FLAG_DATAGRAM_SOCKET 0x00000004
#define WSK_FLAG_STREAM_SOCKET 0x00000008
#define WSK_FLAG_NODELAY 0x00000002
#define WSK_FLAG_WAITALL 0x00000002
#define WSK_FLAG_DRAIN 0x00000004
#define WSK_FLAG_ABORTIVE 0x00000001
#define WSK_FLAG_RELEASE_ASAP 0x00000002
#define WSK_FLAG_AT_DISPATCH_LEVEL 0x00000008

typedef PVOID PWSK_CLIENT;
typedef struct _WSK_SOCKET {
    const VOID *Dispatch;
} WSK_SOCKET, *PWSK_SOCKET;

typedef struct _WSK_BUF {
    PMDL Mdl;
    ULONG Offset;
    SIZE_T Length;
} WSK_BUF, *PWSK_BUF;

typedef struct _WSK_BUF_LIST {
    struct _WSK_BUF_LIST *Next;
    WSK_BUF Buffer;
} WSK_BUF_LIST, *PWSK_BUF_LIST;

typedef struct _WSK_DATA_INDICATION {
    struct _WSK_DATA_INDICATION *Next;
    WSK_BUF Buffer;
} WSK_DATA_INDICATION, *PWSK_DATA_INDICATION;

typedef enum _WSK_CONTROL_SOCKET_TYPE {
    WskSetOption,
    WskGetOption,
    WskIoctl,
    WskControlMax
} WSK_CONTROL_SOCKET_TYPE;

typedef NTSTATUS NTAPI WSK_CLIENT_EVENT(PVOID ClientContext, ULONG EventType, PVOID Information, SIZE_T InformationLength);
typedef WSK_CLIENT_EVENT *PFN_WSK_CLIENT_EVENT;

typedef struct _WSK_CLIENT_DISPATCH {
    USHORT Version;
    USHORT Reserved;
    PFN_WSK_CLIENT_EVENT WskClientEvent;
} WSK_CLIENT_DISPATCH, *PWSK_CLIENT_DISPATCH;

typedef struct _WSK_CLIENT_NPI {
    PVOID ClientContext;
    const WSK_CLIENT_DISPATCH *Dispatch;
} WSK_CLIENT_NPI, *PWSK_CLIENT_NPI;

typedef struct _WSK_REGISTRATION {
    ULONGLONG ReservedRegistrationState;
    PVOID ReservedRegistrationContext;
    KSPIN_LOCK ReservedRegistrationLock;
} WSK_REGISTRATION, *PWSK_REGISTRATION;

typedef NTSTATUS NTAPI WSK_SOCKET_CONTROL(PWSK_SOCKET Socket, WSK_CONTROL_SOCKET_TYPE RequestType, ULONG ControlCode,
                                          ULONG Level, SIZE_T InputSize, PVOID InputBuffer, SIZE_T OutputSize,
                                          PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp);
typedef NTSTATUS NTAPI WSK_CLOSE_SOCKET(PWSK_SOCKET Socket, PIRP Irp);
typedef NTSTATUS NTAPI WSK_BIND(PWSK_SOCKET Socket, PSOCKADDR LocalAddress, ULONG Flags, PIRP Irp);
typedef NTSTATUS NTAPI WSK_CONNECT(PWSK_SOCKET Socket, PSOCKADDR RemoteAddress, ULONG Flags, PIRP Irp);
typedef NTSTATUS NTAPI WSK_GET_ADDRESS(PWSK_SOCKET Socket, PSOCKADDR Address, PIRP Irp);
typedef NTSTATUS NTAPI WSK_TRANSFER(PWSK_SOCKET Socket, PWSK_BUF Buffer, ULONG Flags, PIRP Irp);
typedef NTSTATUS NTAPI WSK_RELEASE(PWSK_SOCKET Socket, PWSK_DATA_INDICATION DataIndication);
typedef WSK_SOCKET_CONTROL *PFN_WSK_CONTROL_SOCKET;
typedef WSK_CLOSE_SOCKET *PFN_WSK_CLOSE_SOCKET;
typedef WSK_BIND *PFN_WSK_BIND;
typedef WSK_CONNECT *PFN_WSK_CONNECT;
typedef WSK_GET_ADDRESS *PFN_WSK_GET_LOCAL_ADDRESS, *PFN_WSK_GET_REMOTE_ADDRESS;
typedef WSK_TRANSFER *PFN_WSK_SEND, *PFN_WSK_RECEIVE, *PFN_WSK_DISCONNECT;
typedef WSK_RELEASE *PFN_WSK_RELEASE_DATA_INDICATION_LIST;

typedef struct _WSK_PROVIDER_BASIC_DISPATCH {
    PFN_WSK_CONTROL_SOCKET WskControlSocket;
    PFN_WSK_CLOSE_SOCKET WskCloseSocket;
} WSK_PROVIDER_BASIC_DISPATCH, *PWSK_PROVIDER_BASIC_DISPATCH;

typedef struct _WSK_PROVIDER_CONNECTION_DISPATCH {
#ifdef __cplusplus
    WSK_PROVIDER_BASIC_DISPATCH Basic;
#else
    WSK_PROVIDER_BASIC_DISPATCH;
#endif
    PFN_WSK_BIND WskBind;
    PFN_WSK_CONNECT WskConnect;
    PFN_WSK_GET_LOCAL_ADDRESS WskGetLocalAddress;
    PFN_WSK_GET_REMOTE_ADDRESS WskGetRemoteAddress;
    PFN_WSK_SEND WskSend;
    PFN_WSK_RECEIVE WskReceive;
    PFN_WSK_DISCONNECT WskDisconnect;
    PFN_WSK_RELEASE_DATA_INDICATION_LIST WskRelease;
} WSK_PROVIDER_CONNECTION_DISPATCH, *PWSK_PROVIDER_CONNECTION_DISPATCH;

typedef NTSTATUS NTAPI WSK_MAKE_SOCKET(PWSK_CLIENT Client, ADDRESS_FAMILY AddressFamily, USHORT SocketType, ULONG Protocol,
                                       ULONG Flags, PVOID SocketContext, const VOID *Dispatch, PEPROCESS OwningProcess,
                                       PETHREAD OwningThread, PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp);
typedef NTSTATUS NTAPI WSK_MAKE_CONNECTED_SOCKET(PWSK_CLIENT Client, USHORT SocketType, ULONG Protocol,
                                                 PSOCKADDR LocalAddress, PSOCKADDR RemoteAddress, ULONG Flags,
                                                 PVOID SocketContext, const VOID *Dispatch, PEPROCESS OwningProcess,
                                                 PETHREAD OwningThread, PSECURITY_DESCRIPTOR SecurityDescriptor, PIRP Irp);
typedef NTSTATUS NTAPI WSK_CONTROL_CLIENT(PWSK_CLIENT Client, ULONG ControlCode, SIZE_T InputSize, PVOID InputBuffer,
                                          SIZE_T OutputSize, PVOID OutputBuffer, SIZE_T *OutputSizeReturned, PIRP Irp);
typedef WSK_MAKE_SOCKET *PFN_WSK_SOCKET;
typedef WSK_MAKE_CONNECTED_SOCKET *PFN_WSK_SOCKET_CONNECT;
typedef WSK_CONTROL_CLIENT *PFN_WSK_CONTROL_CLIENT;

/* Name and address queries follow in later versions of the table; they are not declared here. */
typedef struct _WSK_PROVIDER_DISPATCH {
    USHORT Version;
    USHORT Reserved;
    PFN_WSK_SOCKET WskSocket;
    PFN_WSK_SOCKET_CONNECT WskSocketConnect;
    PFN_WSK_CONTROL_CLIENT WskControlClient;
} WSK_PROVIDER_DISPATCH, *PWSK_PROVIDER_DISPATCH;

typedef struct _WSK_PROVIDER_NPI {
    PWSK_CLIENT Client;
    const WSK_PROVIDER_DISPATCH *Dispatch;
} WSK_PROVIDER_NPI, *PWSK_PROVIDER_NPI;

NTSTATUS NTAPI WskRegister(PWSK_CLIENT_NPI WskClientNpi, PWSK_REGISTRATION WskRegistration);
NTSTATUS NTAPI WskCaptureProviderNPI(PWSK_REGISTRATION WskRegistration, ULONG WaitTimeout, PWSK_PROVIDER_NPI WskProviderNpi);
VOID NTAPI WskReleaseProviderNPI(PWSK_REGISTRATION WskRegistration);
VOID NTAPI WskDeregister(PWSK_REGISTRATION WskRegistration);

#ifdef __cplusplus
}
#endif

#endif
