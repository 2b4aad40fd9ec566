import { parentPort, workerData } from "node:worker_threads";
import Database from "better-sqlite3";

const db = new Database(String(workerData));
db.pragma("synchronous = NORMAL");
parentPort?.on("message", (message) => {
  if (message === "close") {
    db.close();
    parentPort?.close();
    return;
  }
  db.pragma("wal_checkpoint(PASSIVE)");
  parentPort?.postMessage("done");
});
