import { isMainThread } from "node:worker_threads";
import { DataType, define, open } from "ffi-rs";

/**
 * The C library's functions, as they are: numbers and buffers in, a number out. Only the files beside this one call
 * them.
 *
 * Importing this opens the library. The main thread must do so before any worker does: ffi-rs keeps one table of
 * libraries and symbols for the whole process, without a lock, and writes into it whenever a symbol is used for the
 * first time. So the main thread uses each once ({@link prime}); after that all threads only read it.
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
  close: declare(I32, I32),
});
/** getdents64(2) has no wrapper that hands out raw entries; its buffer needs a signature of its own. */
const bufferCalls = define({ syscall: declare(I64, I64, I64, U8Array, I64) });
/** mlock2(2) takes addresses, which are past 2^53 for some mappings: as BigInt. */
const addressCalls = define({ mlock2: declare(I32, DataType.BigInt, U64, U32) });

type Call = (args: unknown[]) => CallResult;
const call = (target: unknown): Call => target as Call;

export const libc = {
  poll: call(functions.poll),
  syscall: call(functions.syscall),
  syscallBuffer: call(bufferCalls.syscall),
  eventfd: call(functions.eventfd),
  timerfdCreate: call(functions.timerfd_create),
  timerfdSettime: call(functions.timerfd_settime),
  flock: call(functions.flock),
  write: call(functions.write),
  lseek: call(functions.lseek),
  sysconf: call(functions.sysconf),
  pipe2: call(functions.pipe2),
  close: call(functions.close),
  mlock2: call(addressCalls.mlock2),
};

/** System calls without a wrapper in every glibc; the numbers are the same on all architectures since 5.x. */
export const SyscallNumber = { pidfdSendSignal: 424, pidfdOpen: 434, processMrelease: 448 } as const;
/** getdents64(2): one of the old ones, whose number differs. */
export const GETDENTS64 = process.arch === "x64" ? 217 : 61;

/** Calls every function once, in a way that fails or does nothing, so that its symbol is in ffi-rs's table. */
function prime(): void {
  const none = Buffer.alloc(64);
  const noDescriptor = -1;
  libc.poll([none, 0, 0]);
  libc.syscall([SyscallNumber.pidfdOpen, -1, 0, 0, 0]);
  libc.syscallBuffer([GETDENTS64, noDescriptor, none, 0]);
  // Unknown flags: EINVAL, and no descriptor.
  libc.eventfd([0, -1]);
  libc.timerfdCreate([-1, -1]);
  libc.pipe2([none, -1]);
  libc.mlock2([0n, 0, -1]);
  libc.timerfdSettime([noDescriptor, 0, none, none]);
  libc.flock([noDescriptor, 0]);
  libc.write([noDescriptor, none, 0]);
  libc.lseek([noDescriptor, 0, 0]);
  libc.close([noDescriptor]);
  libc.sysconf([-1]);
}

if (isMainThread) prime();
