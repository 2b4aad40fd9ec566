import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "./temp-folder.ts";

/** A token of SoftHSM in a folder of its own. */
export interface SoftToken {
  readonly login: { readonly module: string; readonly token: string; readonly pin: string };
  /** What `SOFTHSM2_CONF` is to be for a process that reaches it. */
  readonly configFile: string;
  /** A file with its PIN. */
  readonly pinFile: string;
  takeAway(): void;
  putBack(): void;
  /** What the token answers when asked for the secret of a private key. */
  privateValueOf(label: string): string;
  /** The labels of the private keys in it, sorted. */
  keys(): string[];
}

const module = "/usr/lib/softhsm/libsofthsm2.so";

/** Run by a Node.js of its own: logs in, and prints what `ask` makes of a session as JSON. */
function script(ask: string): string {
  return `
    const p = require("pkcs11js");
    const [path, pin, label] = JSON.parse(process.argv[1]);
    const m = new p.PKCS11();
    m.load(path);
    m.C_Initialize({ flags: p.CKF_OS_LOCKING_OK });
    const s = m.C_OpenSession(m.C_GetSlotList(true)[0], p.CKF_SERIAL_SESSION);
    m.C_Login(s, p.CKU_USER, pin);
    m.C_FindObjectsInit(s, [{ type: p.CKA_CLASS, value: p.CKO_PRIVATE_KEY }]);
    const labelOf = (o) => m.C_GetAttributeValue(s, o, [{ type: p.CKA_LABEL }])[0].value.toString();
    const all = m.C_FindObjects(s, 1000);
    console.log(JSON.stringify((${ask})(all)));`;
}

const readValue = `(all) => {
  const key = all.find((each) => labelOf(each) === label);
  try { return m.C_GetAttributeValue(s, key, [{ type: p.CKA_VALUE }])[0].value.toString("hex"); }
  catch (error) { return /CKR_\\w+/.exec(error.message)[0]; }
}`;

export async function softToken(): Promise<SoftToken> {
  const folder = await tempFolder();
  const [tokens, away] = [join(folder, "tokens"), join(folder, "away")];
  const [configFile, pinFile] = [join(folder, "softhsm2.conf"), join(folder, "pin")];
  mkdirSync(tokens);
  writeFileSync(configFile, `directories.tokendir = ${tokens}\nobjectstore.backend = file\n`);
  const login = { module, token: "gatehouse test", pin: "12345678" };
  writeFileSync(pinFile, `${login.pin}\n`, { mode: 0o600 });
  const env = { ...process.env, SOFTHSM2_CONF: configFile };
  const init = ["--init-token", "--free", "--label", login.token, "--so-pin", "87654321"];
  execFileSync("softhsm2-util", [...init, "--pin", login.pin], { env, stdio: "pipe" });
  const ask = (what: string, label: string): unknown => {
    const args = ["-e", script(what), JSON.stringify([module, login.pin, label])];
    return JSON.parse(execFileSync(process.execPath, args, { env, encoding: "utf8" }));
  };
  return {
    login,
    configFile,
    pinFile,
    takeAway() {
      renameSync(tokens, away);
      mkdirSync(tokens);
    },
    putBack() {
      renameSync(away, tokens);
    },
    privateValueOf: (label) => ask(readValue, label) as string,
    keys: () => (ask("(all) => all.map(labelOf)", "") as string[]).toSorted(),
  };
}
