// Functions of your own for the levels of an application's memory. Run it by
//   plimsoll run --profile nso --callbacks callbacks.mjs
// or name it in the policy: [callbacks] module = "/etc/plimsoll/callbacks.mjs".
//
// A function that is here replaces the policy's ladder of that level; remove those that you do not need. Each is called
// once when its level begins, in a thread of its own. It may be async. When it throws, or takes longer than its deadline
// ([callbacks] deadline, 30 s unless the policy says otherwise), that is on record, and the guard goes on.

/** @import { Callback } from "plimsoll" */

/**
 * Physical memory is in its normal range again.
 * @type {Callback}
 */
export function info_phy({ logger, application, sample }) {
  logger.info(`${application}: physical memory is well again: ${JSON.stringify(sample)}`);
}

/**
 * Physical memory is over the warning level, but not over the critical one.
 * @type {Callback}
 */
export function warning_phy({ logger, application, pid }) {
  logger.warn(`${application} (${pid ?? "not running"}): physical memory is over the warning level`);
}

/**
 * Physical memory is over the critical level. SIGUSR1 has an Erlang VM write its crash dump and end.
 * @type {Callback}
 */
export function crit_phy({ logger, application, pid }) {
  if (pid === null) {
    logger.error(`${application} does not run: it is not the one that uses the memory`);
    return;
  }
  logger.error(`${application} (${pid}): physical memory is over the critical level, sending SIGUSR1`);
  process.kill(pid, "SIGUSR1");
}

/**
 * Allocated memory (Committed_AS of CommitLimit) is in its normal range again.
 * @type {Callback}
 */
export function info_alloc({ logger, application }) {
  logger.info(`${application}: allocated memory is well again`);
}

/**
 * Allocated memory is over the warning level. It means little unless vm.overcommit_memory is 2.
 * @type {Callback}
 */
export function warning_alloc({ logger, application, overcommitMode }) {
  logger.warn(`${application}: allocated memory is over the warning level (overcommit mode ${overcommitMode})`);
}

/**
 * Allocated memory is over the critical level.
 * @type {Callback}
 */
export function crit_alloc({ logger, application, overcommitMode }) {
  logger.error(`${application}: allocated memory is over the critical level (overcommit mode ${overcommitMode})`);
}
