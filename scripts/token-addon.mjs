// Compiles the addon pkcs11js, which `npm ci` installs as sources: only who keeps the keys of the CAs
// in a PKCS#11 token needs it. Nothing is downloaded: the headers of Node.js are those of the machine,
// and the addon's interface (Node-API) is the same in every version of Node.js.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { root } from "./ensure.mjs";

const addon = `${root}/node_modules/pkcs11js/build/Release/pkcs11.node`;
/** Where Debian's libnode-dev and the packages of nodejs.org have them. */
const headers = ["/usr", "/usr/local"].find((prefix) =>
  existsSync(`${prefix}/include/node/node_api.h`),
);

/** True once the addon is compiled; otherwise one line says what is missing. */
export function ensureTokenAddon() {
  if (existsSync(addon)) return true;
  const why = compile();
  if (existsSync(addon)) return true;
  process.stderr.write(
    `the addon pkcs11js could not be compiled (${why}): apt-get install g++ make python3 libnode-dev\n`,
  );
  return false;
}

function compile() {
  if (!headers) return "there are no headers of Node.js";
  process.stderr.write("compiling the addon pkcs11js\n");
  const { status } = spawnSync("npm", ["rebuild", "pkcs11js", "--ignore-scripts=false"], {
    cwd: root,
    env: { ...process.env, npm_config_nodedir: headers },
    stdio: ["ignore", 2, 2],
  });
  return `npm rebuild ended with status ${status}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  process.exitCode = ensureTokenAddon() ? 0 : 1;
