/**
 * Node's options for a guard, which make its threads smaller (docs/decisions/0013): they count only when Node is started
 * with them. The same stand in the first line of bin.ts and in package.json.
 */
export const GUARD_NODE_FLAGS = ["--no-node-snapshot"] as const;
