import { execFile } from "node:child_process";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const blockBytes = 64 * 1024;

/** Puts a disk of its own (tmpfs; needs root) below an empty folder. */
export async function mountDisk(folder: string, megabytes: number, owner = 0): Promise<void> {
  const options = `size=${megabytes}m,mode=0700,uid=${owner},gid=${owner}`;
  await run("mount", ["-t", "tmpfs", "-o", options, "gatehouse-test", folder]);
}

export async function unmountDisk(folder: string): Promise<void> {
  await run("umount", ["--lazy", folder]);
}

/** Leaves no byte free below `folder`, until `freeDisk`. */
export async function fillDisk(folder: string): Promise<void> {
  const file = await open(join(folder, "filler"), "a", 0o600);
  try {
    for (let size = blockBytes; size >= 1; size = Math.floor(size / 2)) await append(file, size);
  } finally {
    await file.close();
  }
}

async function append(file: Awaited<ReturnType<typeof open>>, size: number): Promise<void> {
  const block = Buffer.alloc(size);
  try {
    for (;;) await file.write(block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

export async function freeDisk(folder: string): Promise<void> {
  await rm(join(folder, "filler"), { force: true });
}
