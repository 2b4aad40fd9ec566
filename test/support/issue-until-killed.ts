import { issueUntilKilled } from "../conformance/store/issue-until-killed.ts";
import { openSqliteStore } from "../../src/store/index.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
await issueUntilKilled(
  await openSqliteStore({ folder: process.argv[2] ?? "", writer: "nodemanager-1", clock }),
);
