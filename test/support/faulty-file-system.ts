import * as nodeFiles from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { FileSystem } from "../../src/keys/index.ts";

/** How a step goes wrong: the disk is full once, or the process is gone from there on. */
export type Fault = "disk-full" | "dead";

/**
 * The real file system, whose step number `faultAt` (from 0) fails. `steps` are the names of those
 * that were tried. A write that fails has written half of its data.
 */
export function faultyFileSystem(
  faultAt: number,
  fault: Fault,
): FileSystem & { readonly steps: readonly string[] } {
  const steps: string[] = [];
  const fails = (name: string): boolean => {
    const index = steps.push(name) - 1;
    return fault === "dead" ? index >= faultAt : index === faultAt;
  };
  const failure = (): Error =>
    Object.assign(new Error(`test: ${fault}`), { code: fault === "dead" ? "EIO" : "ENOSPC" });

  const wrapHandle = (handle: FileHandle): FileHandle =>
    wrap(handle, async (name, call) => {
      if (!fails(name)) return call();
      if (name === "writeFile") await handle.writeFile("half");
      if (name === "close") await handle.close();
      throw failure();
    });
  const wrapped = wrap<FileSystem>(nodeFiles, async (name, call) => {
    if (fails(name)) throw failure();
    const result = await call();
    return name === "open" ? wrapHandle(result as FileHandle) : result;
  });
  return Object.assign(Object.create(wrapped) as FileSystem, { steps });
}

/** `target` with `around` between each call of a method and the method. */
function wrap<T extends object>(
  target: T,
  around: (name: string, call: () => Promise<unknown>) => Promise<unknown>,
): T {
  return new Proxy({} as T, {
    get: (_, name) => {
      const method: unknown = Reflect.get(target, name);
      return typeof method !== "function"
        ? method
        : (...args: unknown[]) =>
            around(String(name), () => Reflect.apply(method, target, args) as Promise<unknown>);
    },
  });
}
