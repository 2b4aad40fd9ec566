import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onEnd } from "./cleanup.ts";
import { tempFolder } from "./temp-folder.ts";

const sharedMemory = "/dev/shm";

/** From now on the clock of the machine, plus or minus seconds, or that many days, hours or minutes. */
type ClockOffset = `${"+" | "-"}${number}${"" | "d" | "h" | "m"}`;

/**
 * The wall clock of those processes that are started with `environment`, and of their children:
 * libfaketime reads it from a file, so that it moves at once in all of them. Their monotonic clocks
 * and timers go on as they did, and the machine's clock is not touched.
 */
export class FakeClock {
  /** To be added to the environment of a process, whoever its user is. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: string;

  private constructor(file: string, library: string, shared: string) {
    this.#file = file;
    this.environment = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      // Else a step is seen up to ten seconds late.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_SHARED: shared,
      NO_FAKE_STAT: "1",
    };
  }

  /** A clock that shows the time of the machine until it is moved. It ends with the test. */
  static async start(): Promise<FakeClock> {
    const folder = await tempFolder();
    await chmod(folder, 0o755);
    const library = preloaded();
    const clock = new FakeClock(join(folder, "clock"), library, await sharedNames(library));
    await clock.moveTo("+0");
    return clock;
  }

  /** The offset is from the machine's clock, not from that of before. */
  async moveTo(offset: ClockOffset): Promise<void> {
    await writeFile(`${this.#file}.new`, `${offset}\n`, { mode: 0o644 });
    await rename(`${this.#file}.new`, this.#file);
  }
}

/** The library of the Debian package, which is below a folder of the machine's architecture. */
function preloaded(): string {
  const library = readdirSync("/usr/lib")
    .map((folder) => join("/usr/lib", folder, "faketime", "libfaketime.so.1"))
    .find((path) => existsSync(path));
  if (library !== undefined) return library;
  throw new Error("libfaketime is not installed: apt-get install faketime");
}

/**
 * The names of a semaphore and a shared memory object that all processes of a clock use. Without
 * them every process makes its own, and one that is killed leaves them behind, where they stop a
 * later process with the same pid.
 */
async function sharedNames(library: string): Promise<string> {
  const { pid } = spawnSync("sh", ["-c", "kill -9 $$"], { env: { LD_PRELOAD: library } });
  const names = [`faketime_sem_${pid}`, `faketime_shm_${pid}`] as const;
  for (const file of [`sem.${names[0]}`, names[1]]) {
    const path = join(sharedMemory, file);
    onEnd(() => rm(path, { force: true }));
    // PostgreSQL runs as another user than the tests.
    await chmod(path, 0o666);
  }
  return names.map((name) => `/${name}`).join(" ");
}
