import { isMainThread } from "node:worker_threads";
import { DataType, define, open } from "ffi-rs";

/**
 * The C library's functions, as they are: numbers and buffers in, a number out. Only the files beside this one call
 * them.
 *
 * Importing this opens the library. The main thread must do so before any worker does: ffi-rs keeps one table of
 * libraries and symbols for the whole process, without a lock, and writes into it whenever a symbol is used for the
 * first time. So the main thread uses each once ({@link primed}); after that all threads only read it.
 * docs/decisions/0002-ffi-on-the-main-thread-first.md has the measurements.
 */

const LIBRARY = "libc";

open({ library: LIBRARY, path: "libc.so.6" });

/** What ffi-rs answers. `errnoCode` means something only when `value` is -1. */
export interface CallResult {
  readonly errnoCode: number;
  readonly errnoMessage: string;
  readonly value: number;
}

function declare(retType: DataType, ...paramsType: DataType[]) {
  return { library: LIBRARY, retType, paramsType, errno: true as const };
}

const { I32, I64, U32, U64, U8Array } = DataType;

const functions = define({
  poll: declare(I32, U8Array, U64, I32),
  syscall: declare(I64, I64, I64, I64, I64, I64),
  eventfd: declare(I32, U32, I32),
  timerfd_create: declare(I32, I32, I32),
  timerfd_settime: declare(I32, I32, I32, U8Array, U8Array),
  flock: declare(I32, I32, I32),
  write: declare(I64, I32, U8Array, U64),
  lseek: declare(I64, I32, I64, I32),
  sysconf: declare(I64, I32),
  pipe2: declare(I32, U8Array, I32),
  gettid: declare(I32),
  close: declare(I32, I32),
  mallopt: declare(I32, I32, I32),
  malloc_trim: declare(I32, U64),
  socket: declare(I32, I32, I32, I32),
  bind: declare(I32, I32, U8Array, U32),
  setsockopt: declare(I32, I32, I32, I32, U8Array, U32),
  getsockopt: declare(I32, I32, I32, I32, U8Array, U8Array),
  recvmmsg: declare(I32, I32, U8Array, U32, I32, I64),
  recv: declare(I64, I32, U8Array, U64, I32),
  send: declare(I64, I32, U8Array, U64, I32),
  if_nametoindex: declare(U32, DataType.String),
  fcntl: declare(I32, I32, I32, I32),
  fanotify_init: declare(I32, U32, U32),
  fanotify_mark: declare(I32, I32, U32, U64, I32, U8Array),
});
/** Without errno, whose text would be looked up for every call: these are called more than all others together. */
const plainCalls = define({
  poll: { library: LIBRARY, retType: I32, paramsType: [U8Array, U64, I32] },
  lseek: { library: LIBRARY, retType: I64, paramsType: [I32, I64, I32] },
  syscall: { library: LIBRARY, retType: I64, paramsType: [I64, I64, U8Array, I64] },
});
/** getdents64(2) has no wrapper that hands out raw entries; its buffer needs a signature of its own. */
const bufferCalls = define({ syscall: declare(I64, I64, I64, U8Array, I64) });
/** openat2(2) takes a path and a structure. */
const pathCalls = define({ syscall: declare(I64, I64, I64, U8Array, U8Array, I64) });
/** mlock2(2) takes addresses, which are past 2^53 for some mappings: as BigInt. */
const addressCalls = define({ mlock2: declare(I32, DataType.BigInt, U64, U32) });
/** memcpy(3) answers where its target is: the only way to an address that a structure must hold. */
const whereCalls = define({ memcpy: declare(DataType.BigInt, U8Array, U8Array, U64) });

/** System calls without a wrapper in every glibc; the numbers are the same on all architectures since 5.x. */
export const SyscallNumber = {
  pidfdSendSignal: 424,
  pidfdOpen: 434,
  /** Since Linux 5.6. */
  openat2: 437,
  processMrelease: 448,
} as const;
/** getdents64(2): one of the old ones, whose number differs. */
export const GETDENTS64 = process.arch === "x64" ? 217 : 61;

type Call = (args: unknown[]) => CallResult;

/**
 * A function, used once on the main thread so that its symbol is in ffi-rs's table before any other thread looks.
 * @param harmless arguments with which it fails or does nothing
 */
function primed(target: unknown, ...harmless: unknown[]): Call {
  const call = target as Call;
  if (isMainThread) call(harmless);
  return call;
}

const none = Buffer.alloc(64);
const noDescriptor = -1;
const unknownFlags = -1;

type PlainCall = (args: unknown[]) => number;

/** As {@link primed}, of one that answers the bare result: what failed is asked again by the other for errno. */
function primedPlain(target: unknown, ...harmless: unknown[]): PlainCall {
  const call = target as PlainCall;
  if (isMainThread) call(harmless);
  return call;
}

export const libc = {
  pollPlain: primedPlain(plainCalls.poll, none, 0, 0),
  lseekPlain: primedPlain(plainCalls.lseek, noDescriptor, 0, 0),
  syscallBufferPlain: primedPlain(plainCalls.syscall, GETDENTS64, noDescriptor, none, 0),
  poll: primed(functions.poll, none, 0, 0),
  syscall: primed(functions.syscall, SyscallNumber.pidfdOpen, -1, 0, 0, 0),
  syscallBuffer: primed(bufferCalls.syscall, GETDENTS64, noDescriptor, none, 0),
  eventfd: primed(functions.eventfd, 0, unknownFlags),
  timerfdCreate: primed(functions.timerfd_create, -1, unknownFlags),
  timerfdSettime: primed(functions.timerfd_settime, noDescriptor, 0, none, none),
  flock: primed(functions.flock, noDescriptor, 0),
  write: primed(functions.write, noDescriptor, none, 0),
  lseek: primed(functions.lseek, noDescriptor, 0, 0),
  sysconf: primed(functions.sysconf, -1),
  gettid: primed(functions.gettid),
  pipe2: primed(functions.pipe2, none, unknownFlags),
  close: primed(functions.close, noDescriptor),
  mallopt: primed(functions.mallopt, 0, 0),
  mallocTrim: primed(functions.malloc_trim, 0),
  mlock2: primed(addressCalls.mlock2, 0n, 0, unknownFlags),
  socket: primed(functions.socket, -1, 0, 0),
  bind: primed(functions.bind, noDescriptor, none, 0),
  setsockopt: primed(functions.setsockopt, noDescriptor, 0, 0, none, 0),
  getsockopt: primed(functions.getsockopt, noDescriptor, 0, 0, none, none),
  recvmmsg: primed(functions.recvmmsg, noDescriptor, none, 0, 0, 0),
  recv: primed(functions.recv, noDescriptor, none, 0, 0),
  send: primed(functions.send, noDescriptor, none, 0, 0),
  ifNametoindex: primed(functions.if_nametoindex, ""),
  memcpy: primed(whereCalls.memcpy, none, none, 0),
  openat2: primed(pathCalls.syscall, SyscallNumber.openat2, noDescriptor, none, none, 0),
  fcntl: primed(functions.fcntl, noDescriptor, 0, 0),
  fanotifyInit: primed(functions.fanotify_init, unknownFlags, 0),
  fanotifyMark: primed(functions.fanotify_mark, noDescriptor, 0, 0, 0, none),
};
