import { issueUntilKilled } from "../conformance/store/issue-until-killed.ts";
import { openPostgresqlStore, parseDatabaseUrl } from "../../src/store/index.ts";

const { url, password } = JSON.parse(process.argv[2] ?? "") as { url: string; password: string };
await issueUntilKilled(
  await openPostgresqlStore({
    access: {
      address: parseDatabaseUrl(url),
      password: async () => password,
      known: () => null,
      remember: async () => {},
    },
    writer: "nodemanager-1",
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  }),
);
