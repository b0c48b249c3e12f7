//! Types of dispatcher objects, waits and wait reasons.

// DISPATCHER_HEADER.Type
/// `EventNotificationObject`.
pub const EventNotificationObject: u8 = 0;
/// `EventSynchronizationObject`.
pub const EventSynchronizationObject: u8 = 1;
/// `MutantObject`.
pub const MutantObject: u8 = 2;
/// `ProcessObject`.
pub const ProcessObject: u8 = 3;
/// `QueueObject`.
pub const QueueObject: u8 = 4;
/// `SemaphoreObject`.
pub const SemaphoreObject: u8 = 5;
/// `ThreadObject`.
pub const ThreadObject: u8 = 6;
/// `GateObject`.
pub const GateObject: u8 = 7;
/// `TimerNotificationObject`.
pub const TimerNotificationObject: u8 = 8;
/// `TimerSynchronizationObject`.
pub const TimerSynchronizationObject: u8 = 9;
/// `ApcObject`.
pub const ApcObject: u8 = 0x12;
/// `DpcObject`.
pub const DpcObject: u8 = 0x13;
/// `DeviceQueueObject`.
pub const DeviceQueueObject: u8 = 0x14;

// WAIT_TYPE
/// `WaitAll`.
pub const WaitAll: u32 = 0;
/// `WaitAny`.
pub const WaitAny: u32 = 1;

// EVENT_TYPE
/// `NotificationEvent`.
pub const NotificationEvent: u32 = 0;
/// `SynchronizationEvent`.
pub const SynchronizationEvent: u32 = 1;

// TIMER_TYPE
/// `NotificationTimer`.
pub const NotificationTimer: u32 = 0;
/// `SynchronizationTimer`.
pub const SynchronizationTimer: u32 = 1;

// KWAIT_REASON
/// `Executive`.
pub const Executive: u32 = 0;
/// `FreePage`.
pub const FreePage: u32 = 1;
/// `PageIn`.
pub const PageIn: u32 = 2;
/// `PoolAllocation`.
pub const PoolAllocation: u32 = 3;
/// `DelayExecution`.
pub const DelayExecution: u32 = 4;
/// `Suspended`.
pub const Suspended: u32 = 5;
/// `UserRequest`.
pub const UserRequest: u32 = 6;

// WORK_QUEUE_TYPE
/// `CriticalWorkQueue`.
pub const CriticalWorkQueue: u32 = 0;
/// `DelayedWorkQueue`.
pub const DelayedWorkQueue: u32 = 1;
/// `HyperCriticalWorkQueue`.
pub const HyperCriticalWorkQueue: u32 = 2;

// KAPC_ENVIRONMENT
/// `OriginalApcEnvironment`.
pub const OriginalApcEnvironment: i8 = 0;
/// `AttachedApcEnvironment`.
pub const AttachedApcEnvironment: i8 = 1;
/// `CurrentApcEnvironment`.
pub const CurrentApcEnvironment: i8 = 2;

// Limits
/// `MAXIMUM_WAIT_OBJECTS`.
pub const MAXIMUM_WAIT_OBJECTS: usize = 0x40;
/// `THREAD_WAIT_OBJECTS`.
pub const THREAD_WAIT_OBJECTS: usize = 3;
