import { join } from "node:path";
import {
  ensureFolder,
  unfinishedPath,
  unfinishedPrefix,
  writeNewFile,
  type FileAccess,
} from "./atomic-file.ts";
import {
  nodeFileSystem,
  syncFolder,
  systemCode,
  writeFailure,
  type FileSystem,
} from "./file-system.ts";

/** Where new contents lie that are to take the place of the old ones, whatever happens. */
const decidedFolder = ".replacement";

/**
 * Replaces several files of a folder, all or none: the new ones are made complete and durable in a
 * folder beside them, and one rename of that folder decides. Who dies after it has left the rest to
 * `finishReplacement`. Throws as `writeFileAtomic`; the old files are all there then.
 */
export async function replaceFiles(
  folder: string,
  contents: ReadonlyMap<string, string | Uint8Array>,
  access: FileAccess,
  files: FileSystem = nodeFileSystem,
): Promise<void> {
  await finishReplacement(folder, files);
  const decided = join(folder, decidedFolder);
  const temporary = unfinishedPath(decided);
  try {
    await ensureFolder(temporary, 0o700, files);
    for (const [name, content] of contents)
      await writeNewFile(join(temporary, name), content, access, files);
    await syncFolder(temporary, files);
    await files.rename(temporary, decided);
  } catch (cause) {
    await files.rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw writeFailure(join(folder, [...contents.keys()].join(", ")), cause);
  }
  await syncFolder(folder, files);
  await finishReplacement(folder, files);
}

/** Finishes a replacement that was decided, and removes what is left of one that was not. */
export async function finishReplacement(
  folder: string,
  files: FileSystem = nodeFileSystem,
): Promise<void> {
  const decided = join(folder, decidedFolder);
  for (const name of await namesIn(decided, files))
    await files.rename(join(decided, name), join(folder, name));
  for (const name of await namesIn(folder, files))
    if (name === decidedFolder || name.startsWith(`${unfinishedPrefix}${decidedFolder}`)) {
      await syncFolder(folder, files);
      await files.rm(join(folder, name), { recursive: true });
    }
}

async function namesIn(folder: string, files: FileSystem): Promise<string[]> {
  try {
    return await files.readdir(folder);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return [];
    throw cause;
  }
}
