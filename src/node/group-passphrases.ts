import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { describeError, DomainError, type GroupId, type ProcessId } from "../kit/index.ts";
import type { DesiredState, ObservedReport } from "../contract/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  KeyProtection,
  keyPairOf,
  protectGenerations,
  unseal,
  writeFileAtomic,
  type KeyPair,
  type Passphrases,
} from "../keys/index.ts";
import { readStateFile } from "../transport/index.ts";
import type { NodeState } from "./node-state.ts";

type Wanted = NonNullable<DesiredState["passphrases"]>[number];

/** What is kept of the passphrase of a group. */
interface Kept {
  readonly version: number;
  /** The version that every key of the group on this host is under. */
  readonly convertedVersion: number;
  /** False: it was taken away. */
  readonly isSet: boolean;
  /** The passphrases that may open a key here, newest first, sealed for this host's key. */
  readonly sealed: readonly string[];
}

/** Makes a running instance take the passphrases of its group. Throws where it runs and does not. */
type HandToInstance = (id: ProcessId) => Promise<void>;

/**
 * The passphrases of the groups whose instances are on this host. They are kept sealed, for a key
 * that the Node Manager's own passphrase protects, so that instances are started again without an
 * Admin Node Manager; one that was changed is kept until no key is under it any more.
 */
export class GroupPassphrases {
  readonly #state: Pick<NodeState, "layout" | "keys" | "log" | "desired">;
  #sealing: KeyPair | null = null;
  readonly #kept = new Map<GroupId, Kept>();
  readonly #keys = new Map<GroupId, KeyProtection>();
  /** Why the keys of a group cannot be written. */
  readonly #problems = new Map<GroupId, string>();

  constructor(state: Pick<NodeState, "layout" | "keys" | "log" | "desired">) {
    this.#state = state;
  }

  /** Reads what is kept, and makes the key that passphrases are sealed for. */
  async open(): Promise<void> {
    const { layout, log } = this.#state;
    try {
      this.#sealing = await this.#sealingKey();
    } catch (error) {
      log.warn({ error: describeError(error) }, "passphrases of groups cannot be opened here");
    }
    const kept = (await readStateFile<Record<GroupId, Kept>>(layout.groupPassphrases)) ?? {};
    for (const [id, each] of Object.entries(kept) as [GroupId, Kept][]) {
      this.#kept.set(id, each);
      await this.#open(id, each);
    }
  }

  async #sealingKey(): Promise<KeyPair> {
    const { layout, keys } = this.#state;
    const path = layout.nodeSealingKey;
    if (existsSync(path)) return keyPairOf(await keys.read(path));
    const made = await generateKeyPair("ecdsa-p256");
    await ensureFolder(dirname(path), 0o700);
    await writeFileAtomic(path, await keys.toPem(made.privateKey), { mode: 0o600 });
    return made;
  }

  /** Takes what is desired; keeps what it replaces until nothing is under it. */
  async follow(): Promise<void> {
    const { desired } = this.#state;
    if (desired?.passphrases === undefined) return;
    for (const wanted of desired.passphrases) {
      const known = this.#kept.get(wanted.groupId);
      const isKnown = known !== undefined && known.version >= wanted.version;
      if (!isKnown || (this.#problems.has(wanted.groupId) && wanted.sealed !== known.sealed[0]))
        await this.#take(wanted, known);
    }
    const here = new Set<string>(desired.instances.map(({ groupId }) => groupId));
    const gone = [...this.#kept.keys()].filter((id) => !here.has(id));
    for (const id of gone)
      for (const map of [this.#kept, this.#keys, this.#problems]) map.delete(id);
    if (gone.length > 0) await this.#save();
  }

  async #take({ groupId, version, isSet, sealed }: Wanted, known: Kept | undefined): Promise<void> {
    if (isSet && sealed === null) return this.#fail(groupId);
    const next = {
      version,
      convertedVersion: Math.min(known?.convertedVersion ?? 0, version - 1),
      isSet,
      sealed: [...(isSet && sealed !== null ? [sealed] : []), ...(known?.sealed ?? [])],
    };
    if (!(await this.#open(groupId, next))) return;
    this.#kept.set(groupId, next);
    await this.#save();
  }

  /** Puts the passphrases of a group in force. False if they cannot be opened. */
  async #open(id: GroupId, { isSet, sealed }: Kept): Promise<boolean> {
    const opened: string[] = [];
    for (const [at, text] of sealed.entries()) {
      const passphrase = await this.unsealed(text);
      if (passphrase !== null) opened.push(passphrase);
      else if (at === 0 && isSet) {
        this.#fail(id);
        return false;
      }
    }
    const [newest, ...before] = opened;
    const keys = this.#keys.get(id) ?? new KeyProtection();
    keys.take(
      isSet ? { current: newest ?? null, former: before } : { current: null, former: opened },
    );
    this.#keys.set(id, keys);
    this.#problems.delete(id);
    return true;
  }

  /** A passphrase that was sealed for this host; null where it was for another key. */
  async unsealed(text: string): Promise<string | null> {
    if (this.#sealing === null) return null;
    const opened = unseal(text, this.#sealing.privateKey);
    return opened.then(
      (bytes) => Buffer.from(bytes).toString("utf8"),
      () => null,
    );
  }

  #fail(id: GroupId): void {
    if (this.#problems.has(id)) return;
    const problem = `the passphrase of ${id} is not known on this host: give it again with \`managedomain --change_passphrase\`, the old and the new one being the same`;
    this.#problems.set(id, problem);
    this.#state.log.warn({ group: id }, problem);
  }

  /** How the keys of a group are protected. Throws `unauthenticated` where its passphrase is not known. */
  protectionOf(id: GroupId): KeyProtection {
    const problem = this.#problems.get(id);
    if (problem !== undefined) throw new DomainError("unauthenticated", problem);
    return this.#keys.get(id) ?? new KeyProtection();
  }

  /** What opens the keys of a group's instances; null: nothing has to. */
  passphrasesOf(id: GroupId): Passphrases | null {
    return this.#keys.get(id)?.passphrases ?? null;
  }

  /**
   * Writes the keys of groups whose passphrase was changed by the present one. An instance that runs
   * has it before: at any moment it can open what its files hold.
   */
  async convert(hand: HandToInstance): Promise<void> {
    for (const [id, kept] of this.#kept) {
      const keys = this.#keys.get(id);
      if (kept.convertedVersion >= kept.version || keys === undefined || this.#problems.has(id))
        continue;
      try {
        await this.#convertGroup(id, keys, hand);
      } catch (error) {
        this.#state.log.warn(
          { group: id, error: describeError(error) },
          "keys could not be written by the present passphrase of their group yet",
        );
        continue;
      }
      const sealed = kept.isSet ? kept.sealed.slice(0, 1) : [];
      this.#kept.set(id, { ...kept, convertedVersion: kept.version, sealed });
      await this.#save();
      keys.take({ ...keys.passphrases, former: [] });
      this.#state.log.info(
        { group: id, version: kept.version },
        "keys are under another passphrase",
      );
    }
  }

  async #convertGroup(id: GroupId, keys: KeyProtection, hand: HandToInstance): Promise<void> {
    const { layout, desired } = this.#state;
    for (const instance of desired?.instances ?? []) {
      if (instance.groupId !== id) continue;
      await hand(instance.id);
      const { credential } = layout.instance(id, instance.id);
      for (const usage of ["management", "traffic"] as const)
        await protectGenerations(credential(usage), keys);
    }
  }

  async #save(): Promise<void> {
    const text = `${JSON.stringify(Object.fromEntries(this.#kept), null, 2)}\n`;
    await writeFileAtomic(this.#state.layout.groupPassphrases, text, { mode: 0o600 });
  }

  /** What is reported of it; undefined while nothing can be sealed for this host. */
  observation(): ObservedReport["keys"] {
    if (this.#sealing === null) return undefined;
    return {
      isEncrypted: this.#state.keys.passphrases.current !== null,
      sealingKey: Buffer.from(this.#sealing.spki).toString("base64"),
      groups: [...this.#kept].map(([groupId, { convertedVersion }]) => ({
        groupId,
        version: convertedVersion,
      })),
    };
  }
}
