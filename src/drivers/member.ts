import { DomainError } from "../kit/index.ts";
import type { Certificate } from "../pki/index.ts";
import { groupId, userIds } from "./accounts.ts";
import type { Description } from "./description.ts";
import type { MemberAt } from "./driver-code.ts";
import { installOnMember, type NewGeneration, type ServerState } from "./install.ts";
import { keystoreOf } from "./keystore.ts";
import { changedFiles, presentFiles, recoverFiles, type ChangedFile } from "./member-files.ts";
import { linkedSequence, type Place } from "./place.ts";
import type { StagedFile } from "./stage-files.ts";
import { secretOf } from "./secret.ts";
import { renderFiles, type Material, type RenderedFile } from "./render-files.ts";
import { fingerprintOf } from "./served.ts";
import { serverOf } from "./server.ts";

/** A generation of a member: its number, which grows, and what it consists of. */
export interface MemberGeneration {
  readonly sequence: number;
  readonly material: Material;
}

/**
 * Brings a generation into the server of a member. See
 * `installOnMember`: the new one is served on return, or the last known good one when it throws.
 */
export async function installGenerationOf(
  member: MemberAt,
  { sequence, material }: MemberGeneration,
  serverIs: ServerState = "running",
): Promise<void> {
  const { description } = member;
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new DomainError("invalid-input", `${sequence} is not the number of a generation`);
  const passphrases = new Map<string, string>();
  for (const { path, passphrase } of description.files)
    if (passphrase !== undefined) passphrases.set(path, await secretOf(passphrase, path));
  const rendered = await renderAll(description, material, passphrases);
  const generation: NewGeneration = {
    sequence,
    facts: factsOf(description, material),
    files: await Promise.all(rendered.map(stagedFile)),
  };
  await installOnMember(await placeOf(description), serverOf(member), generation, serverIs);
}

async function renderAll(
  { files }: Description,
  material: Material,
  passphrases: ReadonlyMap<string, string>,
): Promise<RenderedFile[]> {
  const rendered = renderFiles(files, material, passphrases);
  return Promise.all(
    rendered.map(async (file, i) => {
      if (files[i]?.what !== "jks") return file;
      const { path, bytes } = file;
      return { ...file, bytes: await keystoreOf(bytes, passphrases.get(path) ?? "", path) };
    }),
  );
}

/** Finishes what a dead process left of a member's files. Before any start of the server. */
export async function recoverMember(description: Description): Promise<void> {
  await recoverFiles(await placeOf(description));
}

/**
 * Puts the files of the generation in use back at their places without telling the server, which has read
 * them already: where its own replication has replaced them.
 */
export async function restoreFiles(description: Description): Promise<void> {
  const place = await placeOf(description);
  await recoverFiles(place);
  const current = await linkedSequence(place, "current");
  if (current !== null) await presentFiles(place, current);
}

/** What is on a member's host, without asking the server. */
export interface InstalledState {
  /** The generation in use, and the last that worked; null where there is none. */
  readonly current: number | null;
  readonly good: number | null;
  /** What differs from `current`: edited, removed, or no longer readable by whom it should be. */
  readonly changed: readonly ChangedFile[];
}

/** Reads the state of a member's files. */
export async function installedState(description: Description): Promise<InstalledState> {
  const place = await placeOf(description);
  const current = await linkedSequence(place, "current");
  const good = await linkedSequence(place, "good");
  return { current, good, changed: await changedFiles(place) };
}

async function placeOf({ folder, folderGroup, visible, files }: Description): Promise<Place> {
  const gid = folderGroup === undefined ? null : await groupId(folderGroup);
  return { folder, gid, visible, paths: files.map(({ path }) => path) };
}

async function stagedFile({ path, bytes, mode, owner, group }: RenderedFile): Promise<StagedFile> {
  if (owner === undefined && group === undefined) return { path, bytes, access: { mode } };
  const uid = owner === undefined ? (process.getuid?.() ?? 0) : (await userIds(owner)).uid;
  const gid = group === undefined ? (process.getgid?.() ?? 0) : await groupId(group);
  return { path, bytes, access: { mode, uid, gid } };
}

function factsOf({ files }: Description, material: Material): NewGeneration["facts"] {
  const { leaf, chain, anchors, crls } = material;
  const prints = (all: readonly Certificate[]): string[] =>
    all.map(({ der }) => fingerprintOf(der));
  const trust = [prints(anchors), crls.map(fingerprintOf)];
  const all = [prints([leaf, ...chain]), trust, files];
  const digest = (value: unknown): string => fingerprintOf(Buffer.from(JSON.stringify(value)));
  return { digest: digest(all), leaf: fingerprintOf(leaf.der), anchors: digest(trust) };
}
