import fs from "node:fs";
import net from "node:net";
import { FaultKind, WORKER_NAMES, type WorkerName } from "../../core/shared/board.ts";
import type { CgroupFigures } from "../../core/rescue/figures.ts";
import type { ResourceStatus } from "../../core/resources/report.ts";
import type { GuardStatus } from "./status.ts";

export interface StatusHandlers {
  readonly status: () => GuardStatus;
  /** What is known of the followed cgroups; rejects when the analysis does not answer. */
  readonly cgroups: () => Promise<readonly CgroupFigures[]>;
  /** How the resources besides memory stand; rejects when the analysis does not answer. */
  readonly resources: () => Promise<readonly ResourceStatus[]>;
  /** Null: faults cannot be asked for. */
  readonly fault: ((worker: WorkerName, kind: 1 | 2) => void) | null;
}

/** Nobody has more to ask than this. */
const REQUEST_LIMIT_BYTES = 4096;
const IDLE_LIMIT_MS = 2000;

/** Answers over a Unix socket that only its owner may open: one line of JSON asks, one line answers. */
export class StatusServer {
  readonly #server: net.Server;
  readonly #sockets: ReadonlySet<net.Socket>;

  private constructor(server: net.Server, sockets: ReadonlySet<net.Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** @throws Error when the socket cannot be made; the lock that the guard holds says that an old one is nobody's */
  static async open(socketPath: string, handlers: StatusHandlers): Promise<StatusServer> {
    fs.rmSync(socketPath, { force: true });
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      serve(socket, handlers);
    });
    // The mode holds from the first moment on: no time in which others could connect.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(socketPath, resolve);
      });
    } finally {
      process.umask(mask);
    }
    server.unref();
    return new StatusServer(server, sockets);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function serve(socket: net.Socket, handlers: StatusHandlers): void {
  let request = "";
  socket.setEncoding("utf8");
  socket.setTimeout(IDLE_LIMIT_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", (text: string) => {
    request += text;
    if (request.length > REQUEST_LIMIT_BYTES) socket.destroy();
    if (!request.includes("\n")) return;
    void reply(socket, request, handlers);
  });
}

async function reply(socket: net.Socket, request: string, handlers: StatusHandlers): Promise<void> {
  let answered: unknown;
  try {
    answered = await answer(request, handlers);
  } catch (error) {
    answered = { error: (error as Error).message };
  }
  socket.end(`${JSON.stringify(answered)}\n`);
}

async function answer(request: string, handlers: StatusHandlers): Promise<unknown> {
  let asked: { ask?: unknown; worker?: unknown; kind?: unknown };
  try {
    asked = JSON.parse(request) as typeof asked;
  } catch {
    return { error: 'expected one line of JSON, such as {"ask":"status"}' };
  }
  if (asked?.ask === "status") return handlers.status();
  if (asked?.ask === "cgroups") return { cgroups: await handlers.cgroups() };
  if (asked?.ask === "resources") return { resources: await handlers.resources() };
  if (asked?.ask === "fault" && handlers.fault !== null) {
    const worker = WORKER_NAMES.find((name) => name === asked.worker);
    if (worker === undefined) return { error: `expected a worker of ${WORKER_NAMES.join(", ")}` };
    handlers.fault(worker, asked.kind === "hang" ? FaultKind.hang : FaultKind.throw);
    return { done: true };
  }
  return { error: 'expected {"ask":"status"}, {"ask":"resources"} or {"ask":"cgroups"}' };
}
