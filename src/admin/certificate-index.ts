import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { appendFile, readFile, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDomainError } from "../kit/index.ts";
import type { Authority, Denial, HomeLayout } from "../domain/index.ts";
import {
  currentTrust,
  importIssuances,
  revoke,
  type ControlEnvironment,
  type Issuance,
  type LogCursor,
} from "../control/index.ts";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";
import {
  indexedSerials,
  indexLine,
  parseNameText,
  readCertificates,
  type Certificate,
} from "../pki/index.ts";

/** How far the index was written; it is written anew where this does not fit it. */
interface IndexState {
  readonly authorityId: string;
  readonly cursor: LogCursor;
  /** Bytes of the index: more or less were written by somebody else. */
  readonly size: number;
  /** Of what is denied, which is what is marked as revoked. */
  readonly denied: string;
}

const pageMax = 1000;

/**
 * `index.txt` and `serial` of the CA's folder, as `openssl ca` wants them: every certificate that
 * the present authority issued, but for probes. New ones are appended, whatever the size of the
 * index; it is written whole only at first, for another authority, when what is denied changes, and
 * when somebody else has written it. Then what that was is imported first.
 */
export class CertificateIndex {
  readonly #layout: HomeLayout;
  readonly #env: ControlEnvironment;
  #state: IndexState | null = null;
  /** The files of `newcerts`, as they were last read. */
  #newNames: string | null = null;
  /** Serials in the index of which there is no certificate, so that they cannot be imported. */
  missing: readonly string[] = [];
  /** Serials of what others signed with the key of this authority and left in `newcerts`. */
  foreign: readonly string[] = [];
  /** Of those, the serials that another certificate of this authority has. */
  reused: readonly string[] = [];

  constructor(layout: HomeLayout, env: ControlEnvironment) {
    this.#layout = layout;
    this.#env = env;
  }

  /** Makes the files what the store says, after importing what others wrote. */
  async update(authority: Authority): Promise<void> {
    const { certificateIndex, certificateSerial, newCertificates } = this.#layout;
    await ensureFolder(newCertificates, 0o700);
    if ((await sizeOf(certificateSerial)) === null)
      await writeFileAtomic(certificateSerial, `${firstSerial()}\n`, { mode: 0o600 });
    this.#state ??= await this.#readState();
    const size = await sizeOf(certificateIndex);
    const state = this.#state;
    const names = (await readdir(newCertificates)).filter((name) => name.endsWith(".pem"));
    const isOwn = state !== null && (size === null || size === state.size);
    if (!isOwn || names.join() !== this.#newNames) await this.#importNew(authority, names);
    if (!isOwn) await this.#readForeign(authority);
    const denied = await this.#deniedNow();
    const fits =
      state !== null &&
      state.size === size &&
      state.authorityId === authority.id &&
      state.denied === hashOf(denied);
    if (fits) await this.#append(state, denied);
    else await this.#writeWhole(authority, denied);
  }

  /** Null where it is not there, or damaged: then the index is written anew. */
  async #readState(): Promise<IndexState | null> {
    try {
      return JSON.parse(await readFile(this.#layout.certificateIndexState, "utf8")) as IndexState;
    } catch {
      return null;
    }
  }

  async #save(state: IndexState): Promise<void> {
    this.#state = state;
    await writeFileAtomic(this.#layout.certificateIndexState, JSON.stringify(state), {
      mode: 0o600,
    });
  }

  async #deniedNow(): Promise<readonly Denial[]> {
    return (await this.#env.store.read(currentTrust)).denied;
  }

  async #append(fitting: IndexState, denied: readonly Denial[]): Promise<void> {
    let state = fitting;
    for (let isLast = false; !isLast;) {
      const page = await this.#linesAfter(state.cursor, state.authorityId, denied);
      ({ isLast } = page);
      if (page.cursor === state.cursor) return;
      await appendFile(this.#layout.certificateIndex, page.lines);
      state = { ...state, cursor: page.cursor, size: state.size + Buffer.byteLength(page.lines) };
      await this.#save(state);
    }
  }

  async #writeWhole({ id }: Authority, denied: readonly Denial[]): Promise<void> {
    const path = this.#layout.certificateIndex;
    const kept = await this.#unknownLines();
    const temporary = `${path}.unfinished`;
    const file = createWriteStream(temporary, { mode: 0o600 });
    let cursor: LogCursor = {};
    let size = 0;
    for (let isLast = false; !isLast;) {
      const page = await this.#linesAfter(cursor, id, denied);
      size += Buffer.byteLength(page.lines);
      if (!file.write(page.lines)) await once(file, "drain");
      ({ cursor, isLast } = page);
    }
    size += Buffer.byteLength(kept);
    file.end(kept);
    await once(file, "close");
    await rename(temporary, path);
    await writeFileAtomic(`${path}.attr`, "unique_subject = no\n", { mode: 0o600 });
    await this.#save({ authorityId: id, cursor, size, denied: hashOf(denied) });
  }

  async #linesAfter(
    after: LogCursor,
    authorityId: string,
    denied: readonly Denial[],
  ): Promise<{ lines: string; cursor: LogCursor; isLast: boolean }> {
    const { page, deniedAtMs } = await this.#env.store.read(async (view) => ({
      page: await view.issuances.page(after, pageMax),
      deniedAtMs: (await currentTrust(view)).issuedAtMs,
    }));
    const refused = new Set(denied.map(({ fingerprint }) => fingerprint));
    const isRevoked = ({ fingerprint, spki }: Issuance): boolean =>
      refused.has(fingerprint) || refused.has(spki);
    const lines = page
      .filter(
        ({ issuance }) =>
          issuance.authorityId === authorityId &&
          (issuance.kind === "leaf" || issuance.kind === "cross"),
      )
      .map(({ issuance }) =>
        indexLine({
          serial: issuance.serial,
          notAfterMs: issuance.notAfterMs,
          revokedAtMs: isRevoked(issuance) ? deniedAtMs : null,
          subject: parseNameText(issuance.subject),
        }),
      );
    const cursor = page.reduce<LogCursor>(
      (last, { writer, position }) => ({ ...last, [writer]: position }),
      after,
    );
    const isLast = page.length < pageMax;
    return { lines: lines.join(""), cursor: page.length === 0 ? after : cursor, isLast };
  }

  /** Imports what others signed and left in the folder. */
  async #importNew(authority: Authority, names: readonly string[]): Promise<void> {
    const certificates = await this.#read(names);
    const reused = await importIssuances(this.#env, authority, certificates);
    this.reused = reused.map(({ serialHex }) => serialHex);
    const known: string[] = [];
    for (const { serialHex } of certificates)
      if (await this.#isKnown(authority, serialHex)) known.push(serialHex);
    this.foreign = known;
    this.#newNames = names.join();
  }

  /** Takes what others wrote into the index: lines of theirs, and revocations. */
  async #readForeign(authority: Authority): Promise<void> {
    const text = await readFile(this.#layout.certificateIndex, "utf8").catch(() => "");
    const missing: string[] = [];
    for (const { serial, line } of indexedSerials(text)) {
      if (!(await this.#isKnown(authority, serial))) missing.push(serial);
      else if (line.startsWith("R\t")) await this.#takeRevocation(authority, serial);
    }
    this.missing = missing;
  }

  /** Of what is nobody's in the domain; our own are revoked where the domain knows of it. */
  async #takeRevocation({ id }: Authority, serial: string): Promise<void> {
    const { issuance, denied } = await this.#env.store.read(async (view) => ({
      issuance: await view.issuances.find(id, serial),
      denied: (await currentTrust(view)).denied,
    }));
    const isOurs = issuance === undefined || issuance.credentialId !== null;
    if (isOurs || issuance.notAfterMs < this.#env.clock.nowMs()) return;
    if (denied.some(({ fingerprint }) => fingerprint === issuance.fingerprint)) return;
    const reason = "revoked in index.txt";
    await revoke(this.#env, { serial, reason, actor: "system:import" });
  }

  async #isKnown({ id }: Authority, serial: string): Promise<boolean> {
    const found = await this.#env.store.read((view) => view.issuances.find(id, serial));
    return found !== undefined;
  }

  /** The lines that somebody else wrote and that say nothing more: they stay. */
  async #unknownLines(): Promise<string> {
    if (this.missing.length === 0) return "";
    const text = await readFile(this.#layout.certificateIndex, "utf8").catch(() => "");
    const missing = new Set(this.missing);
    return indexedSerials(text)
      .filter(({ serial }) => missing.has(serial))
      .map(({ line }) => `${line}\n`)
      .join("");
  }

  async #read(names: readonly string[]): Promise<Certificate[]> {
    const found: Certificate[] = [];
    for (const name of names) {
      const path = join(this.#layout.newCertificates, name);
      try {
        found.push(...readCertificates(await readFile(path), path));
      } catch (error) {
        // One that is just being written is read again when the index changes, which names it.
        if (!isDomainError(error, "invalid-input")) throw error;
      }
    }
    return found;
  }
}

/** Where `openssl ca` would count on from, with a configuration that does not draw serials. */
function firstSerial(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString("hex").toUpperCase();
}

function hashOf(denied: readonly Denial[]): string {
  return createHash("sha256").update(JSON.stringify(denied)).digest("hex");
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}
