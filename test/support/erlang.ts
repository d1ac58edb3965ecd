import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import type { TestContext } from "vitest";
import type { End } from "./program.ts";
import { waitFor, within } from "./wait.ts";

/** Why no Erlang VM can be started, in one line; null: one can. */
export function erlang(): string | null {
  const found = spawnSync("erl", ["-noshell", "-eval", "halt(0)."], { encoding: "utf8" });
  return found.status === 0 ? null : "needs erl, of Debian's erlang-base";
}

/**
 * What it does: tells its port in a file; then, a line a connection, grows by so many MiB or writes a dump of its
 * processes, and answers. Memory of atomics is touched at once, and no part of a crash dump.
 */
const SERVES = `
Dir = os:getenv("PLIMSOLL_TEST_DIRECTORY"),
{ok, Listening} = gen_tcp:listen(0, [binary, {packet, line}, {active, false}, {ip, {127,0,0,1}}]),
{ok, Port} = inet:port(Listening),
ok = file:write_file(filename:join(Dir, "port.new"), integer_to_list(Port)),
ok = file:rename(filename:join(Dir, "port.new"), filename:join(Dir, "port")),
Serve = fun Serve(Held) ->
  {ok, Socket} = gen_tcp:accept(Listening),
  {ok, Line} = gen_tcp:recv(Socket, 0),
  Now = case string:lexemes(string:trim(binary_to_list(Line)), " ") of
    ["grow", MiB] -> [atomics:new(list_to_integer(MiB) * 131072, []) | Held];
    ["dump", File] -> ok = file:write_file(File, erlang:system_info(procs)), Held
  end,
  ok = gen_tcp:send(Socket, "ok\\n"),
  gen_tcp:close(Socket),
  Serve(Now)
end,
Serve([]).`;

/** As NSO's command: asks the virtual machine for a dump of its own. */
const NCS = `#!/bin/bash
[ "$1" = --debug-dump ] || { echo "ncs: unknown option $1" >&2; exit 2; }
exec 3<>"/dev/tcp/127.0.0.1/$(cat "$(dirname "$0")/../port")" || exit 1
echo "dump $2" >&3
read -r answer <&3
[ "$answer" = ok ]
`;

/** A real Erlang virtual machine, started as NSO's is. */
export class ErlangVm {
  readonly directory: string;
  readonly pid: number;
  readonly ended: Promise<End>;
  end: End | null = null;

  private constructor(directory: string, pid: number, ended: Promise<End>) {
    this.directory = directory;
    this.pid = pid;
    this.ended = ended;
    void ended.then((end) => (this.end = end));
  }

  /** @param directory becomes its working directory; bin/ncs is made there. It is killed at the test's end. */
  static async start(context: TestContext, directory: string): Promise<ErlangVm> {
    const bin = path.join(directory, "bin");
    fs.mkdirSync(bin);
    fs.writeFileSync(path.join(bin, "ncs"), NCS, { mode: 0o755 });
    const { ERL_CRASH_DUMP: _elsewhere, ...environment } = process.env;
    const child = spawn("erl", ["-noshell", "-noinput", "-ncs", "true", "-of", directory, "-eval", SERVES], {
      cwd: directory,
      env: { ...environment, PLIMSOLL_TEST_DIRECTORY: directory },
      stdio: ["ignore", "inherit", "inherit"],
    });
    const ended = new Promise<End>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal, atMs: performance.now() }));
    });
    const vm = new ErlangVm(directory, child.pid as number, ended);
    context.onTestFinished(async () => {
      child.kill("SIGKILL");
      await within("the Erlang VM to end", ended);
    });
    await waitFor("the Erlang VM to serve", () => fs.existsSync(path.join(directory, "port")), 30_000);
    return vm;
  }

  /** Where its `ncs` is. */
  get bin(): string {
    return path.join(this.directory, "bin");
  }

  get crashDump(): string {
    return path.join(this.directory, "erl_crash.dump");
  }

  async grow(mib: number): Promise<void> {
    const port = Number(fs.readFileSync(path.join(this.directory, "port"), "utf8"));
    const socket = net.connect(port, "127.0.0.1");
    const answered = new Promise<void>((resolve, reject) => {
      socket.once("data", () => resolve());
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the Erlang VM did not answer")));
    });
    socket.write(`grow ${mib}\n`);
    await within(`the Erlang VM to grow by ${mib} MiB`, answered, 60_000);
    socket.destroy();
  }
}
