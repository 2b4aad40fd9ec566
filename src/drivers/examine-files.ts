import type { KeyObject } from "node:crypto";
import { createPrivateKey } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Finding } from "../domain/index.ts";
import { isEncryptedPem, privateKeyFromPem, systemCode } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { parseCertificate, parseCertificatesPem, type Certificate } from "../pki/index.ts";
import { groupId, userIds } from "./accounts.ts";
import type { Description, FileEntry } from "./description.ts";
import type { FoundCredential, FoundFiles, Say } from "./examination.ts";
import { nearName } from "./near-name.ts";

interface ReadFile {
  readonly entry: FileEntry;
  readonly path: string;
  readonly key: KeyObject | null;
  readonly certificates: readonly Certificate[];
  readonly findings: readonly Finding[];
}

const keyKinds: readonly FileEntry["what"][] = ["key", "combined"];
const certificateKinds: readonly FileEntry["what"][] = [
  "certificate",
  "certificate-and-chain",
  "combined",
];

/** Reads the files of a member where its server reads them, and says what is wrong with each by itself. */
export async function examineFiles(description: Description, say: Say): Promise<FoundFiles> {
  const { folder, visible, files } = description;
  const paths = files.map(({ path }) =>
    visible === "swap" ? path : join(folder, "current", path),
  );
  const read = await Promise.all(
    files.map((entry, i) => examineFile(entry, paths[i] ?? "", paths, say)),
  );
  const of = (kinds: readonly FileEntry["what"][]): ReadFile[] =>
    read.filter(({ entry }) => kinds.includes(entry.what));
  const [certificates, bundles] = [of(certificateKinds), of(["trust-bundle"])];
  const chain = of(["chain"]).flatMap((file) => file.certificates);
  const credentials = of(keyKinds).map((keyFile, i): FoundCredential => {
    const certificate = certificates[i] ?? certificates[0];
    const bundle = bundles[i] ?? bundles[0];
    const [leaf = null, ...above] = certificate?.certificates ?? [];
    return {
      keyPath: keyFile.path,
      certificatePath: certificate?.path ?? keyFile.path,
      key: keyFile.key,
      leaf,
      chain: [...above, ...chain],
      trustPath: bundle?.path ?? null,
      anchors: bundle?.certificates ?? [],
    };
  });
  return { findings: read.flatMap((each) => each.findings), credentials };
}

async function examineFile(
  entry: FileEntry,
  path: string,
  all: readonly string[],
  say: Say,
): Promise<ReadFile> {
  const nothing = { entry, path, key: null, certificates: [] };
  try {
    const bytes = await readFile(path);
    const wrongAccess = await accessFinding(entry, path, say);
    const findings = wrongAccess === null ? [] : [wrongAccess];
    try {
      return { ...nothing, ...contentOf(entry, path, bytes), findings };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const unreadable = say(
        "file-unreadable",
        "error",
        `${path}: ${error.message}: install the credential again`,
      );
      return { ...nothing, findings: [...findings, unreadable] };
    }
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR")
      return { ...nothing, findings: [await missingFinding(path, all, say)] };
    if (code !== "EACCES" && code !== "EISDIR") throw error;
    const text = `${path} cannot be read by the Node Manager (${code}): check its owner and mode, and those of its folders`;
    return { ...nothing, findings: [say("file-permissions", "error", text)] };
  }
}

async function missingFinding(path: string, all: readonly string[], say: Say): Promise<Finding> {
  const folder = dirname(path);
  const names = await readdir(folder).catch((): string[] => []);
  const others = names.filter((name) => !all.includes(join(folder, name)));
  const near = nearName(basename(path), others);
  return near === null
    ? say(
        "file-missing",
        "error",
        `${path} is missing: place it, or let Gatehouse install the credential`,
      )
    : say(
        "file-misnamed",
        "error",
        `${path} is missing, but ${near} is beside it: rename it, its server reads no other name`,
      );
}

const others = 0o007;
const writable = 0o022;

/** Too open, too closed for its server, or somebody else's. */
async function accessFinding(
  { what, mode = "0600", owner, group }: FileEntry,
  path: string,
  say: Say,
): Promise<Finding | null> {
  const found = await lstat(path);
  const [is, wanted] = [found.mode & 0o777, Number.parseInt(mode, 8)];
  const octal = (bits: number): string => `0${bits.toString(8)}`;
  const refuse = (text: string): Finding => say("file-permissions", "error", `${path} ${text}`);
  const holdsKey = keyKinds.includes(what) || what === "pkcs12";
  const open = is & ~wanted & (holdsKey ? others | 0o070 : writable);
  if (open !== 0)
    return refuse(
      `has mode ${octal(is)}, so that others can ${holdsKey ? "read its key" : "change it"}: chmod ${mode}`,
    );
  if ((wanted & ~is & 0o444) !== 0)
    return refuse(`has mode ${octal(is)}, so that its server may not read it: chmod ${mode}`);
  const uid = owner === undefined ? found.uid : (await userIds(owner)).uid;
  const gid = group === undefined ? found.gid : await groupId(group);
  return uid === found.uid && gid === found.gid
    ? null
    : refuse(
        `belongs to ${found.uid}:${found.gid}, not to ${owner ?? uid}:${group ?? gid}: chown it`,
      );
}

function contentOf(
  { what, format = "PEM" }: FileEntry,
  path: string,
  bytes: Buffer,
): Pick<ReadFile, "key" | "certificates"> {
  const text = format === "PEM" ? bytes.toString("latin1") : "";
  switch (what) {
    case "key":
      return {
        key: format === "PEM" ? keyIn(text, path) : keyInDer(bytes, path),
        certificates: [],
      };
    case "combined":
      return { key: keyIn(text, path), certificates: certificatesIn(text) };
    case "certificate":
      return {
        key: null,
        certificates: format === "PEM" ? certificatesIn(text) : [parseCertificate(bytes)],
      };
    case "certificate-and-chain":
    case "chain":
    case "trust-bundle":
      return { key: null, certificates: certificatesIn(text, what === "chain") };
    default:
      return { key: null, certificates: [] };
  }
}

function keyIn(text: string, path: string): KeyObject {
  if (!isEncryptedPem(text)) return privateKeyFromPem(text, { what: "the file" });
  throw new DomainError(
    "invalid-input",
    `the key in ${basename(path)} is encrypted, and its server cannot ask for a passphrase`,
  );
}

function keyInDer(bytes: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey({ key: bytes, format: "der", type: "pkcs8" });
  } catch (cause) {
    throw new DomainError("invalid-input", `${basename(path)} is not a private key (PKCS#8, DER)`, {
      cause,
    });
  }
}

function certificatesIn(text: string, mayBeEmpty = false): Certificate[] {
  const found = parseCertificatesPem(text);
  if (found.length > 0 || mayBeEmpty) return found;
  throw new DomainError("invalid-input", "there is no certificate in it");
}
