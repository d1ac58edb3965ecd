const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}/g;

/**
 * The absolute path of a file that is waited for.
 * @param file as the policy says it: absolute, or from the working directory of the main process; `${NAME}` is a variable
 *   of the environment that it began with, `${NAME:-default}` one that may be missing or empty
 * @param cwd where /proc/PID/cwd leads (proc_pid_cwd(5))
 * @param environ the bytes of /proc/PID/environ as text: NAME=VALUE, each ended by a zero (proc_pid_environ(5))
 * @returns null when a variable without a default is missing or empty
 */
export function waitedFile(file: string, cwd: string, environ: string): string | null {
  let missing = false;
  const path = file.replaceAll(VARIABLE, (_whole, name: string, otherwise: string | undefined) => {
    const value = variableOf(environ, name) || otherwise;
    if (value === undefined) missing = true;
    return value ?? "";
  });
  if (missing || path === "") return null;
  return path.startsWith("/") ? path : `${cwd === "/" ? "" : cwd}/${path}`;
}

function variableOf(environ: string, name: string): string {
  const line = environ.split("\0").find((each) => each.startsWith(`${name}=`));
  return line?.slice(name.length + 1) ?? "";
}
