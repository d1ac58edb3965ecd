/** Where the kernel's files are. Injected, so that tests can put others in their place. */
export interface HostRoots {
  readonly proc: string;
  readonly cgroup: string;
  readonly kmsg: string;
}

export const HOST_ROOTS: HostRoots = { proc: "/proc", cgroup: "/sys/fs/cgroup", kmsg: "/dev/kmsg" };

/** Where sysfs is: what block devices and interfaces are. */
export const SYS_ROOT = "/sys";
