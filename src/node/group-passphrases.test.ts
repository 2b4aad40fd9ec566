import { readFile, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { nodeFixture, type NodeFixture } from "../../test/support/node-fixture.ts";
import type { GroupId, ProcessId } from "../kit/index.ts";
import type { DesiredState } from "../contract/index.ts";
import { installGeneration, presentGeneration, readCurrent, seal } from "../keys/index.ts";
import { changeEntityStore } from "./entity-store.ts";
import { GroupPassphrases } from "./group-passphrases.ts";

const group = "group-2" as GroupId;
const id = "instance-1" as ProcessId;
const taken: ProcessId[] = [];
const hand = async (each: ProcessId): Promise<void> => void taken.push(each);

interface Fixture extends NodeFixture {
  /** The desired state has this version of the passphrase; null: for another host alone. */
  want(version: number, passphrase: string | null): Promise<void>;
  keyPem(): Promise<string>;
}

/** A host with one instance, whose credentials have a key that is not encrypted. */
async function fixture(): Promise<Fixture> {
  const made = await nodeFixture();
  const { state, domain } = made;
  const { identity } = await domain.nodeManager("host-1", { authorityId: "management-1" });
  const { credential } = state.layout.instance(group, id);
  for (const usage of ["management", "traffic"] as const) {
    const { keyPem, certificatePem } = identity;
    const generation = { sequence: 1, keyPem, certificatePem, chainPem: "", meta: {} };
    await installGeneration(credential(usage), generation);
    await presentGeneration(credential(usage), 1);
  }
  await state.groups.open();
  const instances = [{ id, groupId: group }] as unknown as DesiredState["instances"];
  const want: Fixture["want"] = async (version, passphrase) => {
    const spki = Buffer.from(state.groups.observation()?.sealingKey ?? "", "base64");
    const sealed = passphrase && (await seal(passphrase, spki));
    const isSet = passphrase !== "";
    const wanted = { groupId: group, version, isSet, sealed: sealed === "" ? null : sealed };
    state.desired = { passphrases: [wanted], instances } as unknown as DesiredState;
    await state.groups.follow();
  };
  const keyPem = async (): Promise<string> =>
    (await readCurrent(credential("traffic")))?.keyPem ?? "";
  return { ...made, want, keyPem };
}

const passphrases = ({ state }: Fixture) => state.groups.passphrasesOf(group);

test("a group's passphrase comes to the keys of its instances, changes, and goes, each time after the instance has it", async () => {
  const host = await fixture();
  const { state, want, keyPem } = host;
  const plain = await keyPem();
  await want(1, "first");
  await expect(
    state.groups.convert(async () => {
      throw new Error("it does not answer");
    }),
  ).resolves.toBeUndefined();
  expect(await keyPem()).toBe(plain);
  await state.groups.convert(hand);
  expect(taken).toEqual([id]);
  const first = await keyPem();
  expect(first).toMatch(/ENCRYPTED/);
  expect(state.groups.observation()?.groups).toEqual([{ groupId: group, version: 1 }]);

  await want(2, "second");
  expect(passphrases(host)).toEqual({ current: "second", former: ["first"] });
  // A start in the middle of it: both open what is there.
  const restarted = new GroupPassphrases(state);
  await restarted.open();
  expect(restarted.passphrasesOf(group)).toEqual({ current: "second", former: ["first"] });
  await restarted.convert(hand);
  expect(await keyPem()).not.toBe(first);
  expect(restarted.passphrasesOf(group)).toEqual({ current: "second", former: [] });
  await state.groups.convert(hand);

  await want(3, "");
  await state.groups.convert(hand);
  expect(await keyPem()).toBe(plain);
  expect(state.groups.observation()?.groups).toEqual([{ groupId: group, version: 3 }]);
  // An older store, restored, takes nothing back.
  await want(1, "first");
  expect(passphrases(host)).toEqual({ current: null, former: [] });
});

test("nothing is written in clear text for a group whose passphrase is not known here, until it is given again", async () => {
  const host = await fixture();
  const { state, want, lines } = host;
  await want(4, null);
  expect(() => state.groups.protectionOf(group)).toThrow(/--change_passphrase/);
  await want(5, "anew");
  expect(state.groups.protectionOf(group).passphrases.current).toBe("anew");
  expect(lines.join("")).not.toContain("anew");
  expect(await readFile(state.layout.groupPassphrases, "utf8")).not.toContain("anew");
});

test("what opens the passphrases of groups is under that of the Node Manager", async () => {
  const host = await fixture();
  const { state, want } = host;
  await want(1, "first");
  await changeEntityStore(state, { old: "", new: "of the host", source: {} });
  expect(state.groups.observation()?.isEncrypted).toBe(true);
  const path = state.layout.nodeSealingKey;
  expect(await readFile(path, "utf8")).toMatch(/ENCRYPTED/);
  const restarted = new GroupPassphrases(state);
  await restarted.open();
  expect(restarted.passphrasesOf(group)?.current).toBe("first");
  await writeFile(path, "damaged");
  const damaged = new GroupPassphrases(state);
  await damaged.open();
  expect(damaged.observation()).toBeUndefined();
  expect(() => damaged.protectionOf(group)).toThrow(/not known on this host/);
});

test("a group that has no instance here any more is forgotten", async () => {
  const host = await fixture();
  const { state, want } = host;
  await want(1, "first");
  state.desired = { passphrases: [], instances: [] } as unknown as DesiredState;
  await state.groups.follow();
  expect(passphrases(host)).toBeNull();
  expect(await readFile(state.layout.groupPassphrases, "utf8")).toBe("{}\n");
});
