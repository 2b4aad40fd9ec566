import { dirname } from "node:path";
import { syncFolder, systemCode, writeFailure } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { diskOf, generations, namesIn, type Place } from "./place.ts";

/** Whether the folder of a member is there and Gatehouse has made it its own before. */
export async function isOwnFolder(place: Place): Promise<boolean> {
  return (await namesIn(place, place.folder)).includes(generations);
}

/**
 * Makes the folder of a member, but never its parent, or finds that it is empty or Gatehouse's own.
 * Before anything of it is changed. A DomainError `invalid-input` if it is something else,
 * `not-found` if it has no parent.
 */
export async function claimFolder(place: Place): Promise<void> {
  const { folder } = place;
  const parent = dirname(folder);
  try {
    await diskOf(place).mkdir(folder, { mode: 0o700 });
    await syncFolder(parent, diskOf(place));
  } catch (cause) {
    if (systemCode(cause) === "EEXIST") return refuseForeign(place);
    if (systemCode(cause) !== "ENOENT") throw writeFailure(folder, cause);
    throw new DomainError(
      "not-found",
      `${folder} cannot be made, since ${parent} does not exist: make that, or name another folder`,
      { cause },
    );
  }
}

async function refuseForeign(place: Place): Promise<void> {
  const names = await namesIn(place, place.folder).catch((cause: unknown) => {
    if (systemCode(cause) === "ENOTDIR") return null;
    throw writeFailure(place.folder, cause);
  });
  if (names !== null && (names.length === 0 || names.includes(generations))) return;
  throw new DomainError(
    "invalid-input",
    `${place.folder} holds what is not Gatehouse's: name a folder of the member's own, whose parent exists`,
  );
}
