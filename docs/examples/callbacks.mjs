// Functions of your own for the levels of an application's memory. Run it by
//   plimsoll run --profile nso --callbacks callbacks.mjs
// or name it in the policy: [callbacks] module = "/etc/plimsoll/callbacks.mjs".
//
// A function that is here replaces the policy's ladder of that level; remove those that you do not need. Each is called
// once when its level begins, in a thread of its own, and may be async. When it throws, or takes longer than its deadline
// ([callbacks] deadline, 30 s unless the policy says otherwise), that is on record, and the guard goes on.
//
// What each is given:
//   logger          info, warn and error write a line to the guard's log
//   pid             of the application's main process; null when it does not run
//   overcommitMode  vm.overcommit_memory: 0, 1 or 2; null when it is not known
//   sample          what the level was judged by: usedShare (0 to 1), availableBytes, committedBytes and others
//   context         application, measure, level, why (in words), dumpDirectory, deadlineMs

/** @import { Callback } from "plimsoll" */

/**
 * Physical memory is in its normal range.
 * @type {Callback}
 */
export function info_phy(logger, _pid, _overcommitMode, sample, { application }) {
  logger.info(`${application}: physical memory is well: ${JSON.stringify(sample)}`);
}

/**
 * Physical memory is over the warning level, but not over the critical one.
 * @type {Callback}
 */
export function warning_phy(logger, pid, _overcommitMode, _sample, { application, why }) {
  logger.warn(`${application} (${pid ?? "not running"}): ${why}`);
}

/**
 * Physical memory is over the critical level. SIGUSR1 has an Erlang VM write its crash dump and end.
 * @type {Callback}
 */
export function crit_phy(logger, pid, _overcommitMode, _sample, { application }) {
  if (pid === null) {
    logger.error(`${application} does not run: it is not the one that uses the memory`);
    return;
  }
  logger.error(`${application} (${pid}): physical memory is over the critical level, sending SIGUSR1`);
  process.kill(pid, "SIGUSR1");
}

/**
 * Allocated memory (Committed_AS of CommitLimit) is in its normal range.
 * @type {Callback}
 */
export function info_alloc(logger, _pid, _overcommitMode, _sample, { application }) {
  logger.info(`${application}: allocated memory is well`);
}

/**
 * Allocated memory is over the warning level. It means little unless vm.overcommit_memory is 2.
 * @type {Callback}
 */
export function warning_alloc(logger, _pid, overcommitMode, _sample, { application }) {
  logger.warn(`${application}: allocated memory is over the warning level (overcommit mode ${overcommitMode})`);
}

/**
 * Allocated memory is over the critical level.
 * @type {Callback}
 */
export function crit_alloc(logger, _pid, overcommitMode, _sample, { application }) {
  logger.error(`${application}: allocated memory is over the critical level (overcommit mode ${overcommitMode})`);
}
