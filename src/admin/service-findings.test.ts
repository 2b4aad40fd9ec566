import { expect, test } from "vitest";
import type { ProcessId, ServiceId } from "../kit/index.ts";
import { testCredential } from "../../test/support/snapshots.ts";
import { withRemedy } from "./service-findings.ts";

const service = { id: "service-1" as ServiceId, name: "queue" };
const publicOnes = {
  code: "well-known-credentials",
  severity: "error",
  subject: "member-1",
  text: "built-in credentials are in use",
} as const;

test("public credentials that were found are said with the command that replaces them", () => {
  const credential = testCredential("member-1" as ProcessId, service.id);
  const found = { ...credential, desired: { ...credential.desired, maxSequence: 0 } };
  const other = { ...publicOnes, code: "expired" };
  expect(withRemedy([publicOnes, other], service, [found])).toEqual([
    {
      ...publicOnes,
      text: "built-in credentials are in use: `gatehouse plan take-over queue --start --follow`",
    },
    other,
  ]);
  expect(withRemedy([publicOnes], service, [credential])).toEqual([publicOnes]);
});
