import { expect, test } from "vitest";
import type { Evidence } from "../planning/index.ts";
import { passphraseFindings } from "./passphrase-findings.ts";

/** A group in version 2, with an instance on the host that reports `keys`. */
function findingsWith(keys: unknown, hash: string | null = "hash"): string[] {
  const evidence = {
    snapshot: {
      topology: {
        hosts: [
          { id: "host-1", name: "one" },
          { id: "host-2", name: "two" },
        ],
        groups: [{ id: "group-2", name: "edge", passphrase: { version: 2, hash, sealed: {} } }],
        instances: [{ groupId: "group-2", hostId: "host-1" }],
      },
    },
    hostOf: new Map([["host-1", { keys }]]),
  } as unknown as Evidence;
  return passphraseFindings({ evidence }).map(({ code, subject }) => `${code} ${subject}`);
}

test("a host is named whose keys wait for the present passphrase, or expose it", () => {
  const groups = (version: number) => [{ groupId: "group-2", version }];
  expect(findingsWith(undefined)).toEqual(["group-passphrase-pending host-1"]);
  expect(findingsWith({ isEncrypted: true, groups: groups(2) })).toEqual([]);
  expect(findingsWith({ isEncrypted: true, groups: groups(1) })).toEqual([
    "group-passphrase-pending host-1",
  ]);
  expect(findingsWith({ isEncrypted: false, groups: groups(2) })).toEqual([
    "group-passphrase-exposed host-1",
  ]);
  expect(findingsWith({ isEncrypted: false, groups: groups(2) }, null)).toEqual([]);
});
