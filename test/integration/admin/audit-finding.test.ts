import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { callApi } from "../../../src/transport/index.ts";
import { startAdmin } from "../../support/admin-process.ts";
import { waitUntil } from "../../support/wait-until.ts";

test("a tampered audit record is found when the Admin Node Manager starts", async () => {
  const admin = await startAdmin(async (layout) => {
    const database = new Database(`${layout.store}/gatehouse.db`);
    database.prepare("update audit_records set actor = 'user:eve' where position = 1").run();
    database.close();
  });
  const headers = admin.administrator;
  const finding = await waitUntil(
    async () => {
      const { findings } = await callApi(admin.caller, "listFindings", { headers });
      return findings.find(({ code }) => code === "audit-broken");
    },
    { deadlineMs: 20_000, what: "the finding is raised" },
  );
  expect(finding).toMatchObject({ severity: "error", subject: "nodemanager-1" });
  const verdict = await callApi(admin.caller, "verifyAudit", { headers });
  expect(verdict).toMatchObject({
    ok: false,
    text: expect.stringMatching(/^link 1 of nodemanager-1: its hash/),
  });
  expect(finding?.text).toContain(verdict.text);
});
