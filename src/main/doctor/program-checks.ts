import { formatBytes } from "../../core/units.ts";
import { systemUnits } from "../../native/system.ts";
import { type Check, good, limited, missing } from "./check.ts";

/** What package.json's engines says. */
const NODE_MAJOR = 20;
const NODE_MINOR = 19;

/** What the guard itself runs on. */
export function programChecks(): Check[] {
  return [nodeCheck(), nativeCheck()];
}

function nodeCheck(): Check {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major > NODE_MAJOR || (major === NODE_MAJOR && minor >= NODE_MINOR)) {
    return good("Node.js", node, "supported");
  }
  const means = `only ${NODE_MAJOR}.${NODE_MINOR} and later are tested`;
  return limited("Node.js", node, means, `install Node.js ${NODE_MAJOR}.${NODE_MINOR} or later`);
}

function nativeCheck(): Check {
  try {
    const { pageBytes, ticksPerSecond } = systemUnits();
    const found = `ffi-rs calls the C library: pages of ${formatBytes(pageBytes)}, ${ticksPerSecond} ticks a second`;
    return good("native calls", found, "the kernel is called directly");
  } catch (error) {
    const check = missing(
      "native calls",
      (error as Error).message,
      "nobody can be signalled",
      "install the ffi-rs package for this processor and C library (npm ci)",
    );
    return { ...check, essential: true };
  }
}
