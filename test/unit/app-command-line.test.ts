import { expect, test } from "vitest";
import { argumentsOf, CommandPattern, isWrapperOf } from "../../src/core/app/command-line.ts";

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

test.for<readonly [string, string, readonly string[]]>([
  ["arguments end with a 0 each", "java\0-cp\0.\0Main\0", ["java", "-cp", ".", "Main"]],
  ["an empty argument stays", "a\0\0b\0", ["a", "", "b"]],
  ["a title has no 0, or many", "nginx: master\0\0\0\0", ["nginx: master"]],
  ["a zombie has none", "", []],
  ["zeros alone are none", "\0\0", []],
])("%s", ([, text, argv]) => {
  const bytes = encoded(text);
  expect(argumentsOf(bytes, bytes.length)).toEqual(argv);
});

const SMP = String.raw`\.smp.*-ncs true`;
const JVM = String.raw`com\.tailf\.ncs\.NcsJVMLauncher`;

test.for<readonly [string, string, boolean, readonly string[]]>([
  ["the VM itself", SMP, true, ["/usr/lib/erts/bin/beam.smp", "--", "-noshell", "-ncs", "true"]],
  ["another VM", SMP, false, ["/usr/lib/erts/bin/beam.smp", "--", "-noshell"]],
  ["a shell that was given it as text", "-ncs true", false, ["bash", "-c", "erl -noshell -ncs true"]],
  ["who searches for it", JVM, false, ["pgrep", "-f", "com.tailf.ncs.NcsJVMLauncher"]],
  ["who searches for it by its path", JVM, false, ["/usr/bin/grep", "com.tailf.ncs.NcsJVMLauncher", "x"]],
  ["who reads its log", "startup.py", false, ["tail", "-f", "/var/log/startup.py.log"]],
  ["an interpreter's program text", JVM, false, ["node", "-e", "find('com.tailf.ncs.NcsJVMLauncher x')"]],
  ["the launcher", JVM, true, ["java", "-Dx=1", "com.tailf.ncs.NcsJVMLauncher"]],
  ["a script by its name", "startup.py", true, ["/bin/sh", "/opt/startup.py"]],
  ["a title over all arguments", "nginx: master", true, ["nginx: master process /usr/sbin/nginx"]],
  ["a reader that is meant", "^tail ", true, ["tail", "-f", "x"]],
  ["spoken of first, and then called", "x[.]py", true, ["sh", "-c", "exec x.py $@", "/opt/x.py"]],
  ["a zombie", ".*", false, []],
])("%s: a pattern matches what a process is", ([, source, matches, argv]) => {
  expect(new CommandPattern(source).matches(argv)).toBe(matches);
});

test.for<readonly [string, boolean, readonly string[], readonly string[]]>([
  ["sudo", true, ["sudo", "-u", "ncs", "java", "Main"], ["java", "Main"]],
  [
    "an init that was given a name, not a path",
    true,
    ["tini", "--", "erl", "-ncs"],
    ["/usr/bin/erl", "-ncs"],
  ],
  ["a fork", false, ["python3", "startup.py"], ["python3", "startup.py"]],
  ["a parent of its own", false, ["python3", "startup.py"], ["python3", "worker.py"]],
  ["a process that is just being executed", false, ["sudo", "java"], []],
])("%s: a wrapper ends with what it starts", ([, wraps, outer, inner]) => {
  expect(isWrapperOf(outer, inner)).toBe(wraps);
});
