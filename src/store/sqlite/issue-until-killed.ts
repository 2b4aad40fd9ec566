import { issueUntilKilled } from "../conformance/issue-until-killed.ts";
import { openSqliteStore } from "./open.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
await issueUntilKilled(
  await openSqliteStore({ folder: process.argv[2] ?? "", writer: "nodemanager-1", clock }),
);
