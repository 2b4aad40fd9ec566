import type { ChildProcess } from "node:child_process";
import type { Passphrases } from "../keys/index.ts";

/**
 * Hands passphrases to a program of ours that was started with a channel (`"ipc"` in `stdio`), which
 * no list of processes and no environment shows. Null: it is told that there are none. The program
 * may outlive this process.
 */
export function handPassphrases(child: ChildProcess, passphrases: Passphrases | null): void {
  // One that has ended already needs none.
  child.send({ passphrases }, () => undefined);
  child.channel?.unref();
}

/**
 * What this process was handed when it was started; null: nothing, or by nobody. `isKept`: the
 * channel stays open for `handBack`.
 */
export async function handedPassphrases(isKept = false): Promise<Passphrases | null> {
  if (!process.connected) return null;
  const handed = await new Promise<Passphrases | null>((resolve) => {
    process.once("message", (message: { passphrases: Passphrases | null }) =>
      resolve(message.passphrases),
    );
    process.once("disconnect", () => resolve(null));
  });
  if (!isKept && process.connected) process.disconnect();
  else process.channel?.unref();
  return handed;
}

/** Tells who started this process what it is to hand to the next one. */
export function handBack(passphrases: Passphrases): void {
  if (process.connected) process.send?.({ passphrases }, () => undefined);
}

/** Calls `take` with what a child hands back. */
export function onHandedBack(child: ChildProcess, take: (passphrases: Passphrases) => void): void {
  child.on("message", (message) => take((message as { passphrases: Passphrases }).passphrases));
}
