import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  FORGOTTEN,
  type Forgotten,
  forgottenRequests,
  formatForgotten,
  parseForgotten,
  readForgotten,
} from "../../core/net/forgotten.ts";
import { RouteSocket } from "../../native/netlink.ts";

/** More datagrams than the routes of one interface can be told in. */
const DATAGRAMS_MAX = 10_000;
const { EEXIST } = os.constants.errno;
const ERRNO_NAMES = new Map(Object.entries(os.constants.errno).map(([name, code]) => [code, name]));

/** `link-4.route`: also named in main/guardian/levers-script.ts. */
const fileOf = (directory: string, ifindex: number, type: Forgotten): string =>
  path.join(directory, `link-${ifindex}.${type}`);

/**
 * Keeps what the kernel forgets of an interface that is about to be put down, in files from which it can be put back.
 * @param directory of the levers' journals
 * @throws Error when the kernel does not tell, or it cannot be written: then it must not be put down for a time
 */
export function keepForgotten(directory: string, ifindex: number): void {
  const kept: Record<Forgotten, Uint8Array[]> = { addr: [], route: [] };
  const socket = RouteSocket.open();
  try {
    for (const request of forgottenRequests(ifindex)) ask(socket, request, ifindex, kept);
  } finally {
    socket.close();
  }
  for (const type of FORGOTTEN) {
    const file = fileOf(directory, ifindex, type);
    if (kept[type].length === 0) fs.rmSync(file, { force: true });
    else fs.writeFileSync(file, formatForgotten(type, kept[type]), { mode: 0o600 });
  }
}

function ask(
  socket: RouteSocket,
  request: Uint8Array,
  ifindex: number,
  kept: Record<Forgotten, Uint8Array[]>,
): void {
  const refusal = socket.send(Buffer.from(request));
  if (refusal !== null) throw new Error(`${refusal.call}: ${refusal.code}`);
  for (let i = 0; i < DATAGRAMS_MAX; i++) {
    const length = socket.receive();
    if (length < 0) throw new Error("rtnetlink: more than there is room for");
    if (length === 0) return;
    for (const message of parseForgotten(socket.bytes, length, ifindex)) {
      if (message.type === "done") return;
      if (message.type !== "answer") kept[message.type].push(message.message);
      else if (message.errno !== 0) throw new Error(`rtnetlink: ${nameOf(message.errno)}`);
    }
  }
}

/**
 * Puts back what {@link keepForgotten} kept, when the interface is up again. What is there already is left.
 * @returns what could not be put back, and why; null when all is there
 */
export function restoreForgotten(directory: string, ifindex: number): string | null {
  const socket = RouteSocket.open();
  const problems = FORGOTTEN.flatMap((type) => {
    const messages = readFile(fileOf(directory, ifindex, type), type);
    const failed = messages.length === 0 ? [] : restoreAll(socket, messages);
    return failed.length === 0
      ? []
      : [`${failed.length} of its ${NOUNS[type]} are not put back: ${failed[0]}`];
  });
  socket.close();
  dropForgotten(directory, ifindex);
  return problems.length === 0 ? null : problems.join("; ");
}

const NOUNS: Readonly<Record<Forgotten, string>> = { addr: "IPv6 addresses", route: "routes" };

/** What was kept is not to be put back any more. */
export function dropForgotten(directory: string, ifindex: number): void {
  for (const type of FORGOTTEN) fs.rmSync(fileOf(directory, ifindex, type), { force: true });
}

function readFile(file: string, type: Forgotten): readonly Uint8Array[] {
  try {
    return readForgotten(type, fs.readFileSync(file)) ?? [];
  } catch {
    // Nothing was kept.
    return [];
  }
}

/** A route may lead by way of another one: what fails is tried again as long as others succeed. @returns why each failed */
function restoreAll(socket: RouteSocket, messages: readonly Uint8Array[]): readonly string[] {
  let failed: { readonly message: Uint8Array; readonly why: string }[] = [];
  for (let left = messages; ; left = failed.map(({ message }) => message)) {
    failed = left.flatMap((message) => {
      const why = restoreOne(socket, message);
      return why === null ? [] : [{ message, why }];
    });
    if (failed.length === 0 || failed.length === left.length) return failed.map(({ why }) => why);
  }
}

function restoreOne(socket: RouteSocket, message: Uint8Array): string | null {
  const refusal = socket.send(Buffer.from(message));
  if (refusal !== null) return refusal.code;
  const length = socket.receive();
  const [answer] = length > 0 ? parseForgotten(socket.bytes, length, 0) : [];
  if (answer?.type !== "answer") return "no answer from the kernel";
  return answer.errno === 0 || answer.errno === EEXIST ? null : nameOf(answer.errno);
}

const nameOf = (errno: number): string => ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
