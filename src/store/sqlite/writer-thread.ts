import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../kit/index.ts";
import { migrate, openForWriting } from "./database.ts";
import { storeError, toWire } from "./errors.ts";
import type { Command, Reply, WriterOptions } from "./protocol.ts";
import { Writer } from "./writer.ts";

assert(parentPort !== null, "the writer runs in a thread of its own");
const port = parentPort;
const { file, writer: name, nowMs } = workerData as WriterOptions;
const reply = (message: Reply): void => port.postMessage(message);

try {
  const db = openForWriting(file);
  migrate(db, nowMs);
  const writer = new Writer(db, name, reply);
  port.on("message", (commands: readonly Command[]) => {
    for (const command of commands) writer.execute(command);
    if (commands.at(-1)?.do === "close") port.close();
  });
  reply({ is: "opened" });
} catch (error) {
  reply({ is: "not-opened", error: toWire(storeError(error, file)) });
  port.close();
}
